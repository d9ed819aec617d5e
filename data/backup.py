"""Backups of a home: made while a bot writes, verified, rotated; what is erased leaves them too.

In one: the database (with the settings), the key of the tombstones, the style card, the table of
emoji, the model that answers, the embedder, a home's own personas. Not in it: the bot's token and
other secrets of .env, vectors and training sets (built again), logs. What an archive is:
backup_archive.py; restoring: restoring.py.

An archive is made under a temporary name, restored into a scratch home and compared, fsynced, and
renamed: whatever stops it, what was there before stays as it was.
"""

from __future__ import annotations

import errno
import itertools
import json
import logging
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from data.backup_archive import (
    DATABASE,
    TOMBSTONE_KEY,
    BackupDamagedError,
    Contents,
    key_of,
    read_contents,
    read_through,
    safe,
    unpack,
    write_archive,
    write_encrypted,
)
from data.backup_key import (
    VARIABLE,
    BackupKey,
    EncryptionError,
    Opener,
    PassphraseError,
    key_file,
    read_key,
)
from data.backup_models import FOLDER, blob_name, drop_unnamed, fetch, store
from data.backup_work import (
    BackupError,
    at_work,
    is_full,
    put,
    refuse_too_little_room,
    staging,
)
from data.emoji_weights import table_of
from data.erased import Erased
from data.forgetting_databases import CopyUnusableError, erase_from_database
from data.style.card import path_in as style_card_in
from storage.database import Database
from storage.manifest import MANIFEST_NAME, read_manifest, write_text_atomically
from storage.migrating import back_up
from storage.model_registry import ModelRegistry
from storage.paths import PROGRAM_DIR, Home
from storage.records import ModelVersion
from storage.schema import HEAD

__all__ = ["Backup", "BackupError", "create", "erase_from_backups", "list_backups", "verify"]

log = logging.getLogger(__name__)

Say = Callable[[str], None]

DAYS_KEPT, WEEKS_KEPT = 7, 4
_SMALL_BYTES = 1 << 20
"""A model's manifest and card are smaller; other weights beside it are not ours to keep."""
_SPARE_BYTES = 16_000_000
_AT_ONCE = 4
"""Archives that are rewritten side by side: there are about eleven, and a minute for all."""
_VERIFIED = "verified.json"
_NAME = re.compile(r"mynah-(\d{8}-\d{6})(?:-\d+)?\.zip")


@dataclass(frozen=True)
class Backup:
    """One archive of a home."""

    path: Path
    at_ms: int
    size_bytes: int
    """Of the archive alone; models lie beside."""
    contents: Contents | None
    """None where it cannot be read."""
    verified_at_ms: int | None
    """When it was last restored into a scratch home and compared."""


def create(
    home: Home,
    *,
    with_model: bool = True,
    days: int = DAYS_KEPT,
    weeks: int = WEEKS_KEPT,
    say: Say = lambda _: None,
) -> Backup:
    """Make a backup, verify it, and rotate: the last one of each of the newest `days` and `weeks`
    that have one stays, and the newest of all; this one in any case.

    Encrypted where the home has a key (backup_key.make_key): then it is verified before that, and
    the encrypted file is read back. Blocking, minutes where a large model is stored for the first
    time; any number of processes may go on writing. Raises BackupError, DatabaseError,
    EncryptionError, and BackupDamagedError where what was written does not read back.
    """
    if not home.database.is_file():
        raise BackupError(f"There is nothing to back up: {home.root} has no database yet.")
    with at_work(home, "The backup was not made"):
        key = read_key(home)
        with staging(home.backups) as folder:
            refuse_too_little_room(
                home.backups, 2 * _database_bytes(home) + _SPARE_BYTES, "A backup"
            )
            say("Copying the database.")
            copy = folder / "copy.db"
            back_up(home.database, copy)
            revision, counts = figures_of(copy)
            found = _find(home, copy, with_model)
            models = [(path, blob_name(sha256, key)) for path, sha256 in found.large.values()]
            new = [path for path, name in models if not (home.backups / FOLDER / name).is_file()]
            needed = sum(path.stat().st_size for path in new) + _database_bytes(home)
            refuse_too_little_room(home.backups, needed + _SPARE_BYTES, "A backup")
            if new:
                say(f"Storing {', '.join(path.name for path in new)}.")
            blobs = {
                name: store(path, sha256, key, home.backups, folder)
                for name, (path, sha256) in found.large.items()
            }
            contents = Contents(_now_ms(), version(), revision, counts, {}, blobs, found.deployed)
            made = folder / "backup.zip"
            contents = write_archive(made, {DATABASE: copy, **found.files}, contents)
            copy.unlink()
            say("Restoring it into a scratch home.")
            check(made, folder / "scratch", Opener(None))
            if key is None:
                for blob in blobs.values():
                    fetch(home.backups / made.name, blob, None, Opener(None))
            else:
                made = _encrypted(made, contents, key)
            path = _free_name(home)
            put(made, path)
        _note_verified(home, path)
        for old in rotated(list_backups(home), days, weeks):
            if old.path != path:  # older than one that a wrong clock dated
                old.path.unlink()
        _drop_unnamed(home)
    return next(one for one in list_backups(home) if one.path == path)


def list_backups(home: Home) -> list[Backup]:
    """All archives of a home, oldest first. Raises BackupError."""
    verified = _verified(home)
    found: list[Backup] = []
    try:
        for path in sorted(home.backups.glob("mynah-*.zip")):
            if (named := _NAME.fullmatch(path.name)) is None:
                continue
            contents, at_ms = None, 0
            with suppress(ValueError):  # digits that are no time
                stamp = datetime.strptime(named[1], "%Y%m%d-%H%M%S").replace(tzinfo=timezone.utc)
                at_ms = int(stamp.timestamp() * 1000)
            with suppress(BackupDamagedError):
                contents = read_contents(path)
                at_ms = contents.created_at_ms
            size_bytes = path.stat().st_size
            found.append(Backup(path, at_ms, size_bytes, contents, verified.get(path.name)))
    except OSError as error:
        raise BackupError(f"The backups in {home.backups} cannot be read ({error}).") from error
    return sorted(found, key=lambda one: (one.at_ms, one.path.name))


def verify(home: Home, path: Path, opener: Opener, say: Say = lambda _: None) -> Contents:
    """Restore an archive into a scratch home and compare: hashes, SQLite's integrity check, rows;
    its models where they lie.

    An encrypted one needs its passphrase. Raises BackupDamagedError, BackupError, PassphraseError.
    """
    with at_work(home, "The backup could not be verified"), staging(home.backups) as folder:
        contents = read_contents(path)
        needed = sum(entry.size_bytes for entry in contents.entries.values())
        refuse_too_little_room(home.backups, 2 * needed, "Verifying")
        say(f"Restoring {path.name} into a scratch home.")
        check(path, folder / "scratch", opener)
        for blob in contents.blobs.values():
            fetch(path, blob, None, opener)
        if path.parent == home.backups:
            _note_verified(home, path)
    return contents


def check(archive: Path, scratch: Path, opener: Opener) -> Contents:
    """Restore an archive's files at `scratch`, which is removed again, and compare.

    Raises BackupDamagedError, BackupError, PassphraseError, OSError, DatabaseError.
    """
    refuse_newer(archive, read_contents(archive))
    contents = unpack(archive, scratch, opener)
    database = scratch / DATABASE
    if figures_of(database) != (contents.revision, dict(contents.counts)):
        raise BackupDamagedError(f"{archive} is damaged: its database is not what it was.")
    with Database.open(database, backups=scratch / "migrated"):
        pass  # this Mynah can open it
    shutil.rmtree(scratch)
    return contents


def refuse_newer(archive: Path, contents: Contents) -> None:
    """Raise BackupError where this Mynah does not know the archive's database yet."""
    if contents.revision > HEAD:  # revisions are numbered: 0001, 0002, ...
        raise BackupError(
            f"{archive} was made by a newer Mynah (database revision {contents.revision}; this one "
            f"knows up to {HEAD}): update Mynah, then start again."
        )


def figures_of(database: Path) -> tuple[str, dict[str, int]]:
    """Revision and rows of each table of a database that nobody writes, after an integrity check.

    Raises BackupDamagedError, OSError.
    """
    count = "SELECT count(*) FROM {}"
    try:
        with closing(sqlite3.connect(database)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                raise BackupDamagedError(f"{database.name} is damaged ({found}).")
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = [row[0] for row in rows if not row[0].startswith(("sqlite_", "messages_fts"))]
            counts = {t: connection.execute(count.format(t)).fetchone()[0] for t in sorted(tables)}
    except (sqlite3.DatabaseError, TypeError) as error:
        if is_full(error):
            raise OSError(errno.ENOSPC, str(error)) from error
        raise BackupDamagedError(f"{database.name} is damaged ({error}).") from error
    return str(revision), counts


def rotated(backups: Iterable[Backup], days: int, weeks: int) -> list[Backup]:
    """Those that rotation removes, out of all. Days and weeks are UTC's; a week begins on Monday.

    One that cannot be read is nobody's newest, and stays until somebody looks at it.
    """
    readable = [one for one in backups if one.contents is not None]
    newest_first = sorted(readable, key=lambda one: one.at_ms, reverse=True)
    by_day: dict[str, Backup] = {}
    by_week: dict[str, Backup] = {}
    for one in newest_first:
        at = datetime.fromtimestamp(one.at_ms / 1000, tz=timezone.utc)
        by_day.setdefault(at.strftime("%Y-%m-%d"), one)
        by_week.setdefault(at.strftime("%G-%V"), one)
    kept = [*newest_first[:1], *list(by_day.values())[:days], *list(by_week.values())[:weeks]]
    paths = {one.path for one in kept}
    return [one for one in newest_first if one.path not in paths]


def newest_ms(home: Home) -> int | None:
    """When the newest backup was made; None where there is none. Raises BackupError.

    One that a wrong clock dated in the future does not count: no other would be made until then.
    """
    now_ms = _now_ms()
    readable = [one for one in list_backups(home) if one.contents is not None]
    return max((one.at_ms for one in readable if one.at_ms <= now_ms), default=None)


def version() -> str:
    """Mynah's."""
    text = (PROGRAM_DIR / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
    return found[1] if found else "unknown"


# -- what is erased --------------------------------------------------------------------------------


def erase_from_backups(home: Home, erased: Erased) -> int:
    """Rewrite every archive without what is erased; how many archives changed or went.

    An encrypted archive is opened with the passphrase in MYNAH_BACKUP_PASSPHRASE. Without it, and
    where an archive is damaged, nobody can take anything out of it, so it is removed, and that is
    logged. What an unfinished backup left goes too. The models stay, also those that learned what
    is erased: the registry names them. Raises BackupError: again does the rest.
    """
    if not erased or not home.backups.is_dir():
        return 0
    opener = Opener(os.environ.get(VARIABLE) or None)
    with at_work(home, "The backups still hold what was to be erased"):
        with Database.open(home.database, backups=home.backups) as database:
            kept = database.tombstones(), database.model_versions()

        def rewrite(path: Path) -> int:
            try:
                return _erase_from(home, path, erased, kept, opener)
            except (BackupDamagedError, PassphraseError, EncryptionError) as error:
                log.warning(
                    "The backup %s was removed: it may hold what is erased. %s", path.name, error
                )
                path.unlink()
                return 1

        # Packing and SQLite let other threads run.
        with ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1)) as threads:
            changed = sum(threads.map(rewrite, [*_archives(home)]))
        _drop_unnamed(home)
    return changed


def _archives(home: Home) -> Iterator[Path]:
    """The home's backups, and copies of them that somebody gave other names. Raises OSError."""
    yield from (one.path for one in list_backups(home))
    for path in sorted(home.backups.glob("*.zip")):
        if _NAME.fullmatch(path.name) is None:
            with suppress(BackupDamagedError):  # nothing of ours
                read_contents(path)
                yield path


def _erase_from(
    home: Home,
    path: Path,
    erased: Erased,
    kept: tuple[list[tuple[str, int]], list[ModelVersion]],
    opener: Opener,
) -> int:
    """Rewrite one archive where it holds anything of it: 1, else 0."""
    with staging(home.backups) as folder:
        before = unpack(path, folder / "old", opener)
        database = folder / "old" / DATABASE
        try:
            if not erase_from_database(database, erased, *kept):
                return 0
        except CopyUnusableError as error:
            if is_full(error):
                raise OSError(errno.ENOSPC, str(error)) from error
            raise BackupDamagedError(str(error)) from error
        # A style card names messages by id; another one is soon made.
        card = _name(home, style_card_in(home))
        files = {name: folder / "old" / name for name in before.entries if name != card}
        if home.tombstone_key.is_file():  # one that was made since: the tombstones need it
            files[TOMBSTONE_KEY] = home.tombstone_key
        revision, counts = figures_of(database)
        after = replace(before, revision=revision, counts=counts, is_encrypted=False)
        made = folder / "backup.zip"
        after = write_archive(made, files, after)
        read_through(made)
        if before.is_encrypted:
            made = _encrypted(made, after, key_of(path))
        put(made, path)
    return 1


# -- what goes in ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    files: dict[str, Path]
    """Path in the home -> where it lies now."""
    large: dict[str, tuple[Path, str]]
    """The same with the SHA-256 that is known of it."""
    deployed: str


def _find(home: Home, copy: Path, with_model: bool) -> _Found:
    """What belongs into a backup besides the database. Raises BackupError."""
    files = {
        _name(home, path): path
        for path in (home.tombstone_key, key_file(home), table_of(home), style_card_in(home))
        if path.is_file()
    }
    if home.personas.is_dir():
        files |= {_name(home, p): p for p in sorted(home.personas.rglob("*")) if p.is_file()}
    large: dict[str, tuple[Path, str]] = {}
    with Database.open(copy) as database:
        registry = ModelRegistry(database, home)
        deployed = registry.deployed()
    if deployed is not None and with_model:
        path = registry.path(deployed)
        if not path.is_file():
            raise BackupError(
                f"The deployed model's file {path} is missing: deploy another version with "
                "scripts/6_manage_models.py, or back up with --without-model."
            )
        name = _model_name(home, path, deployed.version_id)
        large[name] = (path, deployed.sha256)
        files |= _beside(path, name)
    embedder = read_manifest(home.embedder)
    if embedder is not None and with_model:
        for file, entry in embedder.files.items():
            large[_name(home, home.embedder / file)] = (home.embedder / file, entry.sha256)
        manifest = home.embedder / MANIFEST_NAME
        files[_name(home, manifest)] = manifest
    for name in (*files, *large):
        try:
            safe(name)
        except ValueError:
            raise BackupError(
                f"{name} cannot be in a backup: not every system knows names with : or \\. Rename "
                "the file."
            ) from None
    return _Found(files, large, deployed.version_id if deployed else "")


def _name(home: Home, path: Path) -> str:
    """Where a file lies in its home, also below a folder that is a link elsewhere."""
    return path.relative_to(home.root).as_posix()


def _model_name(home: Home, path: Path, version_id: str) -> str:
    """Where the model is to lie in a home that is restored."""
    name = home.relative(path)
    is_inside = name.startswith("models/") and not name.startswith("models/demo-base/")
    return name if is_inside else f"models/finetuned/{version_id}/{path.name}"


def _beside(model: Path, name: str) -> dict[str, Path]:
    """The small files of a model's own folder: its manifest, its card."""
    if not (model.parent / MANIFEST_NAME).is_file():
        return {}
    folder = name.rsplit("/", 1)[0]
    files = [path for path in sorted(model.parent.iterdir()) if path.is_file() and path != model]
    return {f"{folder}/{p.name}": p for p in files if p.stat().st_size < _SMALL_BYTES}


# -- in the backups' folder ------------------------------------------------------------------------


def _encrypted(plain: Path, contents: Contents, key: BackupKey) -> Path:
    made = plain.with_name("encrypted.zip")
    write_encrypted(made, plain, contents, key)
    plain.unlink()
    read_through(made)
    return made


def _free_name(home: Home) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    names = (f"mynah-{stamp}{f'-{n}' if n else ''}.zip" for n in itertools.count())
    return next(path for name in names if not (path := home.backups / name).exists())


def _verified(home: Home) -> dict[str, int]:
    """When each archive was verified last."""
    try:
        kept = json.loads((home.backups / _VERIFIED).read_text(encoding="utf-8"))
        return {str(name): int(at_ms) for name, at_ms in kept.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _note_verified(home: Home, path: Path) -> None:
    times = {n: ms for n, ms in _verified(home).items() if (home.backups / n).is_file()}
    write_text_atomically(home.backups / _VERIFIED, json.dumps({**times, path.name: _now_ms()}))


def _drop_unnamed(home: Home) -> None:
    drop_unnamed(home.backups, (one.contents for one in list_backups(home)))


def _database_bytes(home: Home) -> int:
    files = (home.database, home.database.with_name(home.database.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.is_file())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
