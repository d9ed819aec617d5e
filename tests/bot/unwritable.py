"""A database whose disk takes nothing for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from storage.database import Database


@contextmanager
def unwritable(database: Database) -> Iterator[None]:
    """Until the end, each write of this process is refused as on a read-only disk."""
    _query_only(database, "ON")
    try:
        yield
    finally:
        _query_only(database, "OFF")


def _query_only(database: Database, value: str) -> None:
    raw = database._writer.raw_connection()
    raw.cursor().execute(f"PRAGMA query_only={value}")
    raw.close()
