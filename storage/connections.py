"""How Mynah connects to its SQLite file: the pragmas, the transactions, one writer, many readers.

The one place that ties us to SQLite besides FTS5 (migration 0001, message_store.search_text).
Several processes share one file: transactions are short, a locked file is waited for.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError as DriverError
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from storage.errors import MynahError

BUSY_TIMEOUT_MS = 15_000
"""How long a locked file is waited for."""

_PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",
)
IMPORT_CACHE_KIB = 16_000
"""The writer's page cache: with SQLite's default of 2,000 bulk imports are a third slower. Readers,
of which there are several, keep the default."""

LIVE_CACHE_KIB = 2_000
"""For a process that lives for months and must stay small."""

_CANNOT_WRITE = ("disk is full", "disk i/o error", "readonly", "unable to open")


class DatabaseError(MynahError):
    """The database cannot be used, or refused what was asked of it."""


class DatabaseBusyError(DatabaseError):
    """Another process kept the file locked for longer than it is waited for."""


class DatabaseUnwritableError(DatabaseError):
    """The file cannot be read or written for now: a full disk, no rights, a failing drive."""


def make_engine(
    path: Path,
    *,
    writes: bool,
    busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    cache_kib: int = IMPORT_CACHE_KIB,
) -> Engine:
    """An engine whose connections all carry the pragmas.

    A writing engine has one connection and takes the write lock as a transaction begins, so that a
    transaction never fails half-way for a lock; a reading engine's connections refuse to write.
    """
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=1 if writes else 4,
        max_overflow=0 if writes else 16,
        connect_args={"timeout": busy_timeout_ms / 1000, "check_same_thread": False},
    )

    cache = f"PRAGMA cache_size=-{cache_kib}"

    # SQLAlchemy's documented recipe: sqlite3 must not begin or commit by itself (around DDL it
    # would), so its own control is switched off and BEGIN is ours.
    @event.listens_for(engine, "connect")
    def _on_connect(dbapi: sqlite3.Connection, _record: object) -> None:
        dbapi.isolation_level = None
        if writes:
            _switch_to_wal(dbapi, busy_timeout_ms)
        for pragma in (*_PRAGMAS, cache if writes else "PRAGMA query_only=ON"):
            dbapi.execute(pragma)

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


class Connections:
    """One database file: a single writer (a lock in this process) and separate readers.

    Any thread may call.
    """

    def __init__(self, path: Path, *, cache_kib: int = IMPORT_CACHE_KIB) -> None:
        self.path = path
        self._writer = make_engine(path, writes=True, cache_kib=cache_kib)
        self._reader = make_engine(path, writes=False)
        self._write_lock = threading.RLock()
        self._is_writing = False

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A short write transaction: committed at the end, rolled back on an exception.

        Do not nest (RuntimeError). Raises DatabaseBusyError where another process keeps the file
        locked for 15 s.
        """
        with self._write_lock:
            if self._is_writing:
                raise RuntimeError("a write transaction inside another one of the same thread")
            self._is_writing = True
            try:
                with explaining(self.path), self._writer.begin() as connection:
                    yield connection
            finally:
                self._is_writing = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A short read transaction with one unchanging view.

        Do not hold it: it keeps the WAL growing.
        """
        with explaining(self.path), self._reader.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections; the last one of all processes folds the WAL into the file."""
        self._reader.dispose()
        self._writer.dispose()


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn what the driver says of a locked or broken file into a sentence for the user."""
    try:
        yield
    except (DriverError, sqlite3.DatabaseError) as error:
        said = str(error.orig if isinstance(error, DriverError) else error).lower()
        if "locked" in said or "busy" in said:
            raise DatabaseBusyError(
                f"{path} is in use by another process and stayed locked; try again when it is done."
            ) from error
        if "not a database" in said or "malformed" in said or "encrypted" in said:
            raise DatabaseError(
                f"{path} is damaged or no database ({said}); move it away or restore a backup."
            ) from error
        if any(sign in said for sign in _CANNOT_WRITE):
            raise DatabaseUnwritableError(
                f"{path} cannot be read or written ({said}); "
                "check the disk's space and the folder's rights."
            ) from error
        raise


def is_busy(error: OperationalError | sqlite3.OperationalError) -> bool:
    """Whether SQLite refused for a lock."""
    return "locked" in str(error).lower()


def _switch_to_wal(dbapi: sqlite3.Connection, timeout_ms: int) -> None:
    """WAL is kept in the file.

    Switching a new file needs it alone, and SQLite does not always wait for that itself.
    """
    deadline = time.monotonic() + timeout_ms / 1000
    while True:
        try:
            if dbapi.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                return
            dbapi.execute("PRAGMA journal_mode=WAL").fetchone()
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
