"""Brings a database to the newest revision: a verified backup, then one transaction for all of it.

SQLite's DDL is transactional: whatever stops a migration, a power cut included, the file afterwards
is whole and at its old revision, and the next opening migrates again. Two processes that open at
once queue for the write lock; the second finds the work done.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection

from storage.connections import DatabaseError, explaining, make_engine
from storage.schema import HEAD

MIGRATIONS_DIR = Path(__file__).resolve().parent / "migrations"
_WAIT_MS = 120_000
"""How long another process's migration is waited for."""


def migrate(path: Path, backups: Path) -> None:
    """Create or migrate the file at `path`; an up-to-date one costs a read, and no Alembic.

    Raises DatabaseError where the file is newer than the program, damaged, out of reach, or its
    backup fails.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.exists()  # may be refused
    except OSError as error:
        raise DatabaseError(
            f"{path} is out of reach ({error}); choose another --home or look at its rights."
        ) from error
    with explaining(path):
        if _revision_on_disk(path) == HEAD:
            return
        engine = make_engine(path, writes=True, busy_timeout_ms=_WAIT_MS)
        try:
            with engine.begin() as connection:  # holds the write lock from here to the commit
                _migrate_locked(connection, path, backups)
        finally:
            engine.dispose()


def back_up(path: Path, target: Path) -> None:
    """Copy a live database whole and verified to `target`; nothing is left there where that fails.

    Raises DatabaseError. A writer may go on meanwhile; the copy is of one moment.
    """
    partial = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            closing(sqlite3.connect(path, timeout=15)) as source,
            closing(sqlite3.connect(partial)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a -wal beside it
            found = copy.execute("PRAGMA integrity_check").fetchall()
        if found != [("ok",)]:
            raise DatabaseError(
                f"{path} is damaged ({found[0][0]}), so it was not migrated; restore a backup."
            )
        _fsync(partial)
        partial.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(
            f"{path} could not be backed up to {target} ({error}), so nothing was changed."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _migrate_locked(connection: Connection, path: Path, backups: Path) -> None:
    revision = _revision(connection)
    if revision == HEAD:  # another process was faster
        return
    if revision is None and _tables(connection):
        raise DatabaseError(
            f"{path} is a database, but not Mynah's; move it away or choose another --home."
        )
    if revision is not None:
        _refuse_newer(revision, path, backups)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        back_up(path, backups / f"{path.stem}-{stamp}-before-{HEAD}.db")
    _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    from alembic import command  # late: 8 MB and 0.2 s that an up-to-date file does not need
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS_DIR).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


def _refuse_newer(revision: str, path: Path, backups: Path) -> None:
    if revision > HEAD:  # revisions are numbered: 0001, 0002, ...
        raise DatabaseError(
            f"{path} was made by a newer Mynah (revision {revision}; this one knows up to {HEAD}). "
            f"Update Mynah, or restore a backup from {backups}."
        )


def _revision(connection: Connection) -> str | None:
    if "alembic_version" not in _tables(connection):
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _tables(connection: Connection) -> set[str]:
    rows = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {str(row[0]) for row in rows}


def _revision_on_disk(path: Path) -> str | None:
    """The revision of an existing file, or None where it has none; nothing is changed."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    with closing(sqlite3.connect(path, timeout=_WAIT_MS / 1000)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return None
            raise
    return None if row is None else str(row[0])


def _fsync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
