"""Restores a backup into a home: all is unpacked and compared beside, the database comes last.

What was asked for since the backup was made holds: who was forgotten, excluded or opted out in the
home as it is now, and what was deleted on Discord, is so in the restored one too. The database that
was there goes to the backups as mynah-<time>-before-restore.db, where forgetting finds it.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from data.backup import Say, figures_of, refuse_newer
from data.backup_archive import DATABASE, Contents, read_contents, unpack
from data.backup_key import Opener
from data.backup_models import fetch
from data.backup_work import (
    MAKING,
    BackupError,
    at_work,
    is_full,
    put,
    refuse_too_little_room,
    staging,
)
from data.forgetting_models import fall_back
from data.style.card import path_in as style_card_in
from storage.database import Database, DatabaseError
from storage.errors import MynahError
from storage.manifest import sha256_file
from storage.migrating import back_up
from storage.model_registry import ModelRegistry
from storage.paths import PROGRAM_DIR, Home
from storage.settings import load
from storage.tombstones import key_path

_OURS = frozenset({"data_storage", "models", "personas", ".env"})
_AT_REST = frozenset({"backups", "logs", "backups.lock", "bot.lock", "control.json"})
"""Of data_storage: what an empty home may have already."""
_RESTORED = (
    *("data_storage/tombstone.key", "data_storage/backup.key", "data_storage/style_card.json"),
    *("data_storage/emoji_weights.csv", "models/", "personas/"),
)
_PUT_TOMBSTONE = "INSERT INTO tombstones (hash, at_ms) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING"
_DELETED = "SELECT message_id FROM messages WHERE deleted_at_ms IS NOT NULL"


@dataclass(frozen=True)
class Restored:
    """What a restore did."""

    contents: Contents
    aside: Path | None
    """Where the database went that was there before."""
    forgotten: int
    """Members whose words were taken out of the restored database: forgotten since."""
    deleted: int
    """Messages that were deleted since."""
    remarks: tuple[str, ...]
    """Sentences on what is to be done now."""


def restore(
    archive: Path,
    home: Home,
    *,
    replace: bool = False,
    with_model: bool = True,
    opener: Opener | None = None,
    say: Say = lambda _: None,
) -> Restored:
    """Restore an archive into `home`, which has to be empty unless `replace` is given.

    No bot may run there. Its vectors go: a bot builds them again by itself. Raises BackupError,
    BackupDamagedError, PassphraseError, DatabaseError; then the home is as it was.
    """
    opener = opener or Opener(None)
    _refuse_full(home, replace)
    home.ensure()
    with (
        at_work(home, "The backup was not restored"),
        _no_bot(home),
        staging(home.data_storage) as folder,
    ):
        contents = read_contents(archive)
        refuse_newer(archive, contents)
        wanted = dict(contents.blobs) if with_model else {}
        wanted = {n: b for n, b in wanted.items() if not _has(home, n, b.sha256)}
        files_bytes = sum(entry.size_bytes for entry in contents.entries.values())
        models_bytes = sum(blob.size_bytes for blob in wanted.values())
        refuse_too_little_room(home.data_storage, 3 * files_bytes + models_bytes, "Restoring")
        say(f"Unpacking {archive.name}.")
        staged = Home(folder / "home")
        unpack(archive, staged.root, opener)
        if figures_of(staged.database) != (contents.revision, dict(contents.counts)):
            raise BackupError(f"{archive} is damaged: its database is not what it was.")
        for name, blob in wanted.items():
            say(f"Unpacking {Path(name).name}.")
            target = staged.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            fetch(archive, blob, target, opener)
        if not with_model:
            shutil.rmtree(staged.models, ignore_errors=True)
        remarks: list[str] = []
        forgotten, deleted = _carry_over(home, staged, remarks)
        _place_model(home, staged, contents)
        aside = _swap(home, staged)
    return Restored(contents, aside, forgotten, deleted, (*remarks, *_to_do(home)))


def _refuse_full(home: Home, replace: bool) -> None:
    """Raise BackupError where the home holds anything, or the folder is somebody else's."""
    root = home.root
    if not root.exists() or replace:
        return
    there = [p.name for p in root.iterdir() if p.name not in _OURS] if root != PROGRAM_DIR else []
    storage = home.data_storage
    kept = [p for p in storage.iterdir() if p.name not in _AT_REST] if storage.is_dir() else []
    kept = [p for p in kept if not p.name.startswith(MAKING)]  # of a restore that was killed
    there += [p.name for p in kept if p.is_file() or any(q.is_file() for q in p.rglob("*"))]
    if there:
        raise BackupError(
            f"{root} is not empty ({', '.join(sorted(there)[:3])}): restore into another folder "
            "with --into DIR, or with --replace, which puts the present database aside first."
        )


@contextmanager
def _no_bot(home: Home) -> Iterator[None]:
    try:
        with FileLock(home.bot_lock, timeout=0):
            yield
    except Timeout:
        raise BackupError(
            f"Mynah's bot runs in {home.root}: stop it first, then restore."
        ) from None


def _has(home: Home, name: str, sha256: str) -> bool:
    path = home.root / name
    return path.is_file() and sha256_file(path) == sha256


def _carry_over(home: Home, staged: Home, remarks: list[str]) -> tuple[int, int]:
    """What was asked for in the present home since; how many members and messages it concerned."""
    if not home.database.is_file():
        return 0, 0
    try:
        with Database.open(home.database, backups=home.backups) as present:
            tombstones = present.tombstones()
            _carry_key(home, staged, tombstones, remarks)
            with Database.open(staged.database, backups=staged.backups) as database:
                forgotten = _forget(present, database, tombstones)
                deleted = _delete(present, database)
                _keep_consent(present, database)
                _keep_taints(present, database)
                _keep_evaluations(present, database)
                if forgotten or deleted:
                    database.scrub()
    except (MynahError, sqlite3.Error) as error:
        if is_full(error):
            raise
        remarks.append(
            "The database that was there could not be read, so who was forgotten or opted out "
            f"since the backup was made is not known: do that again. ({error})"
        )
        return 0, 0
    if forgotten or deleted:
        style_card_in(staged).unlink(missing_ok=True)  # it names messages; another is soon made
        with closing(sqlite3.connect(staged.database, isolation_level=None)) as connection:
            connection.execute("VACUUM")
    return forgotten, deleted


def _carry_key(
    home: Home, staged: Home, tombstones: list[tuple[str, int]], remarks: list[str]
) -> None:
    """The key that both homes' tombstones are to be read with, at its place."""
    if not tombstones or not home.tombstone_key.is_file():
        return
    if not staged.tombstone_key.is_file():
        shutil.copyfile(home.tombstone_key, staged.tombstone_key)
        staged.tombstone_key.chmod(0o600)
    elif staged.tombstone_key.read_bytes() != home.tombstone_key.read_bytes():
        remarks.append(
            "The backup is another home's: of who was forgotten here, those are kept out whom the "
            "backup knows; whoever it does not know could come back with a new import or fetch."
        )


def _forget(present: Database, database: Database, tombstones: list[tuple[str, int]]) -> int:
    """Forget in the restored database whom a tombstone of the present one stands for.

    They stay noted there as to be erased: the next start goes through what was derived from them.
    """
    people = {member.member_id for member in database.members()}
    people |= {author_id for author_id, _, _ in database.messages_by_author()}
    now_ms = time.time_ns() // 1_000_000
    gone = present.forgotten(people) if tombstones else set()
    for member_id in sorted(gone):
        database.forget_member(database.begin_forgetting(member_id, "restoring", now_ms))
    if tombstones and key_path(present.path).read_bytes() == key_path(database.path).read_bytes():
        with database.writing() as connection:
            for row in tombstones:
                connection.exec_driver_sql(_PUT_TOMBSTONE, row)
    return len(gone)


def _delete(present: Database, database: Database) -> int:
    """Take away the words of what was deleted on Discord since."""
    with present.reading() as connection:
        rows = connection.exec_driver_sql(_DELETED).scalars()
        ids = set(rows)
    for erasure in present.erasures():
        ids |= erasure.message_ids
    return database.mark_deleted(sorted(ids), time.time_ns() // 1_000_000) if ids else 0


def _keep_taints(present: Database, database: Database) -> None:
    """Which models learned what was erased since."""
    known = {version.version_id for version in database.model_versions()}
    for one in present.model_versions():
        if one.tainted_at_ms is not None and one.version_id in known:
            retrain_by_ms = one.retrain_by_ms or one.tainted_at_ms
            database.taint_model(
                one.version_id, one.tainted_because, one.tainted_at_ms, retrain_by_ms
            )


def _keep_evaluations(present: Database, database: Database) -> None:
    """How models did since: what failed is not passed again."""
    known = {version.version_id for version in database.model_versions()}
    there = {(one.version_id, one.kind, one.at_ms) for one in database.evaluations()}
    for one in present.evaluations():
        if one.version_id in known and (one.version_id, one.kind, one.at_ms) not in there:
            values = vars(one)
            database.add_evaluation(**{k: v for k, v in values.items() if k != "evaluation_id"})


def _keep_consent(present: Database, database: Database) -> None:
    """Who was excluded or said yes or no since. Where the present home was told nothing (it may be
    one that was begun anew), and over an older yes, what the backup knows holds."""
    known = {member.member_id: member for member in database.members()}
    for member in present.members():
        before = known.get(member.member_id)
        if before is None:
            if member.is_excluded or member.consent != "unset":
                database.upsert_members([member])
            continue
        if member.is_excluded and not before.is_excluded:
            database.set_excluded(member.member_id, True)
        is_later = (member.consent_at_ms or 0) >= (before.consent_at_ms or 0)
        counts = {"opted_out": True, "opted_in": is_later}.get(member.consent, False)
        if counts and member.consent != before.consent:
            database.set_consent(member.member_id, member.consent, member.consent_at_ms)


def _place_model(home: Home, staged: Home, contents: Contents) -> None:
    """A model that lay outside of its home lies inside of this one."""
    places = {blob.sha256: name for name, blob in contents.blobs.items()}
    with Database.open(staged.database, backups=staged.backups) as database:
        registry = ModelRegistry(database, home)
        deployed = registry.deployed()
        if deployed is None or deployed.sha256 not in places:
            return
        name = places[deployed.sha256]
        if registry.path(deployed) != home.root / name and not registry.path(deployed).is_file():
            database.set_model_path(deployed.version_id, name)


def _swap(home: Home, staged: Home) -> Path | None:
    """Have everything take its place, the database last; where the old one went."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside = _put_aside(home, home.backups / f"mynah-{stamp}-before-restore.db")
    files = [p for p in sorted(staged.root.rglob("*")) if p.is_file()]
    for path in files:
        name = path.relative_to(staged.root).as_posix()
        if name != DATABASE and name.startswith(_RESTORED):
            _place(path, home.root / name, stamp)
    home.database.parent.mkdir(parents=True, exist_ok=True)
    put(staged.database, home.database)
    shutil.rmtree(home.embeddings, ignore_errors=True)
    return aside


def _put_aside(home: Home, aside: Path) -> Path | None:
    """Copy the present database to `aside`, whole, and fold its log into it; one that is damaged is
    moved there with its log. A log alone goes too: SQLite would play it into the restored one."""
    if not home.database.is_file():
        for end in ("-wal", "-shm", "-journal"):
            home.database.with_name(home.database.name + end).unlink(missing_ok=True)
        return None
    logs = [home.database.with_name(home.database.name + end) for end in ("-wal", "-shm")]
    try:
        back_up(home.database, aside)
        with closing(sqlite3.connect(home.database, timeout=15)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except (DatabaseError, sqlite3.Error) as error:
        if is_full(error) or isinstance(error, sqlite3.OperationalError):
            raise
        shutil.move(home.database, aside)
        for path in logs:
            if path.is_file():
                shutil.move(path, aside.with_name(aside.name + path.name[-4:]))
    if any(path.is_file() and path.stat().st_size for path in logs):
        raise BackupError(
            f"{home.database} is open in another program: close Mynah's window and its scripts, "
            "then start again."
        )
    return aside


def _place(made: Path, path: Path, stamp: str) -> None:
    """What differs and was there before steps aside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        if sha256_file(path) == sha256_file(made):
            return
        path.replace(path.with_name(f"{path.name}.before-{stamp}"))
    put(made, path)


def _to_do(home: Home) -> list[str]:
    remarks = [
        "The bot's token is in no backup. Where this home has none: python scripts/manage_token.py "
        "set. What else stood in .env goes there again by hand.",
        "The memory's vectors are built again by the bot, or now: python "
        "scripts/5_build_memory.py.",
    ]
    with Database.open(home.database, backups=home.backups) as database:
        instead = fall_back(home, database)
        settings, _ = load(database.config_rows())
        deployed = ModelRegistry(database, home).deployed()
        there = deployed is None or ModelRegistry(database, home).path(deployed).is_file()
    if instead is not None:
        remarks.append(
            f"{instead.version_id} answers: the model of the backup learned from somebody who was "
            "forgotten since."
        )
    if path := settings.text("model_path").strip():
        remarks.append(f"It answers with {path} (the setting model_path), which no backup holds.")
    elif not there:
        remarks.append(
            "The model that answered is not in the backup: deploy another one, or copy it."
        )
    return remarks
