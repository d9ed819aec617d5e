"""Writes many rows in one go and says truly what that did: how many were new, changed, the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from storage.connections import DatabaseError


@dataclass(frozen=True)
class UpsertCount:
    """What an upsert did to the rows handed in."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    forgotten: int = 0
    """Left out: their author asked to be forgotten."""
    excluded: int = 0
    """Left out: their author is excluded."""

    def __add__(self, other: UpsertCount) -> UpsertCount:
        return UpsertCount(
            self.new + other.new,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.forgotten + other.forgotten,
            self.excluded + other.excluded,
        )

    @property
    def total(self) -> int:
        """All rows handed in."""
        return self.new + self.changed + self.unchanged + self.forgotten + self.excluded


def upsert_rows(
    connection: Connection, table: str, key: str, statement: str, rows: Sequence[tuple[Any, ...]]
) -> tuple[UpsertCount, set[int]]:
    """Run an upsert whose first column is the key; count truly what it did, and say what was new.

    SQLite counts a row whose DO UPDATE ... WHERE was false as not written (triggers' writes never
    count), and executemany sums that up; which of them are new is asked beforehand.
    """
    if not rows:
        return UpsertCount(), set()
    keys = {row[0] for row in rows}
    known = connection.exec_driver_sql(
        f"SELECT {key} FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))",
        (json.dumps(list(keys)),),
    ).scalars()
    new = keys.difference(known)
    try:
        with connection.begin_nested():  # so that a row in the middle leaves no rows before it
            written = connection.exec_driver_sql(statement, list(rows)).rowcount
    except UnicodeEncodeError:
        rows = [tuple(_whole_characters(value) for value in row) for row in rows]
        written = connection.exec_driver_sql(statement, rows).rowcount
    except OverflowError as error:
        raise DatabaseError(_too_large(table, rows)) from error
    return UpsertCount(len(new), written - len(new), len(rows) - written), new


def _whole_characters(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _too_large(table: str, rows: Sequence[tuple[Any, ...]]) -> str:
    bad = next(r for r in rows if any(isinstance(v, int) and abs(v) >= 2**63 for v in r))
    return f"Row {bad[0]} of {table} has a number beyond 63 bits; no id or time is that large."
