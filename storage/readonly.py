"""The few reads that a light process needs, such as the window's: sqlite3 alone, never a write.

A file that is missing, empty, or not migrated yet answers as if nothing were stored; a locked or
damaged one raises StorageUnreadableError.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from storage.errors import MynahError
from storage.records import ModelVersion
from storage.statistics import Summary, summarise

_FIELDS = tuple(field.name for field in fields(ModelVersion))
_TIMEOUT_S = 2.0


class StorageUnreadableError(MynahError):
    """The database file is there but cannot be read."""


@dataclass(frozen=True)
class Counts:
    """How much is stored; deleted messages do not count."""

    messages: int = 0
    members: int = 0
    channels: int = 0
    first_ms: int | None = None
    last_ms: int | None = None


def read_config(path: Path) -> dict[str, str]:
    """The config table's rows; `storage.settings.load` makes values of them."""
    return {str(name): str(value) for name, value in _query(path, "SELECT name, value FROM config")}


def deployed_model(path: Path) -> ModelVersion | None:
    """The deployed version, or None."""
    query = f"SELECT {', '.join(_FIELDS)} FROM model_versions WHERE status = 'deployed'"
    for row in _query(path, query):
        values = dict(zip(_FIELDS, row, strict=True))
        values["parents"] = tuple(json.loads(values["parents"]))
        return ModelVersion(**values)
    return None


def counts(path: Path) -> Counts:
    """How many messages, members and channels, and the span of the messages' times."""
    rows = _query(
        path,
        """
        SELECT count(*), (SELECT count(*) FROM members), (SELECT count(*) FROM channels),
               min(created_at_ms), max(created_at_ms)
        FROM messages WHERE deleted_at_ms IS NULL
        """,
    )
    return Counts(*rows[0]) if rows else Counts()


def summary(path: Path, since_ms: int, now_ms: int) -> Summary:
    """What the bot did from `since_ms` until `now_ms`; all 0 where nothing is stored."""
    return summarise(lambda sql, values: _query(path, sql, values), since_ms, now_ms)


def _query(path: Path, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not path.is_file():
        return []
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=_TIMEOUT_S)) as connection:
            return connection.execute(query, values).fetchall()
    except sqlite3.DatabaseError as error:
        if "no such table" in str(error) or "no such column" in str(error):
            return []
        raise StorageUnreadableError(
            f"{path} cannot be read just now ({error}); try again, or restore a backup."
        ) from error
