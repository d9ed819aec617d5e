"""What is still to be erased, kept until it is done; and the rows of it in this database.

A member is noted in the transaction that puts their tombstone up, deleted messages in the one that
takes their words away: whatever stops the process afterwards, the rest of it is known. The derived
places are data/forgetting.py's.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from storage.community_store import forget_reader
from storage.connections import Connections, DatabaseError
from storage.records import FIRST_SNOWFLAKE, Origin
from storage.rehearsal_store import drop_rehearsed
from storage.schema import conversation_context, erasures, members, messages, verdicts
from storage.tombstones import all_tombstones, bury, forgotten_among, lift

_ROWS_AT_ONCE = 2_000
"""Removed in one transaction: 0.1 s of the write lock, most of it the full-text index."""

_DELETE = {
    table.name: f"DELETE FROM {table.name} WHERE message_id IN (SELECT value FROM json_each(?))"
    for table in (messages, conversation_context, verdicts)
}
_MENTIONS = """
    UPDATE messages SET mentioned_ids = (
        SELECT json_group_array(value) FROM json_each(mentioned_ids) WHERE value <> ?
    ) WHERE instr(mentioned_ids, ?) AND ? IN (SELECT value FROM json_each(mentioned_ids))
"""

_LOST = """
    SELECT value, message_id IS NULL FROM json_each(?)
    LEFT JOIN messages ON message_id = value
    WHERE message_id IS NULL OR deleted_at_ms IS NOT NULL
"""


@dataclass(frozen=True)
class Erasure:
    """One thing to be erased."""

    erasure_id: int
    at_ms: int
    asked_by: str
    member_id: int | None
    """None: single messages, which were deleted."""
    names: tuple[str, ...]
    message_ids: frozenset[int]
    done: frozenset[str]
    """The places that are done."""


class ErasureStore(Connections):
    """Tombstones and erasures. Any thread."""

    def begin_forgetting(self, member_id: int, asked_by: str, at_ms: int) -> Erasure:
        """Put a member's tombstone up and note what is to be erased of them, in one transaction.

        From then on no door stores anything of theirs. Nothing is removed yet. A member who is
        being forgotten already is gone through again. Raises TombstoneKeyError; DatabaseError for
        an id that no account of Discord's has.
        """
        if not FIRST_SNOWFLAKE <= member_id < 2**63:
            raise DatabaseError(f"{member_id} is no account of Discord's, so it is not forgotten.")
        with self.writing() as connection:
            bury(connection, member_id, at_ms)
            said = select(messages.c.message_id).where(messages.c.author_id == member_id)
            ids = set(connection.execute(said).scalars())
            called = select(members.c.name, members.c.nickname)
            found = connection.execute(called.where(members.c.member_id == member_id)).one_or_none()
            names = dict.fromkeys(name for name in found or () if name.strip())
            erasure_id = _note(connection, ids, asked_by, at_ms, member_id, tuple(names))
            return _erasures(connection, erasure_id)[0]

    def lift_tombstone(self, member_id: int) -> bool:
        """A forgotten member wants to be known again; whether there was a tombstone.

        What was erased does not come back by itself.
        """
        with self.writing() as connection:
            return lift(connection, member_id)

    def forgotten(self, member_ids: Collection[int]) -> set[int]:
        """Those of the members whom a tombstone stands for. Raises TombstoneKeyError."""
        with self.reading() as connection:
            return forgotten_among(connection, member_ids)

    def tombstones(self) -> list[tuple[str, int]]:
        """All of them as (hash, time), the key's mark among them: what a backup must know too."""
        with self.reading() as connection:
            return all_tombstones(connection)

    def erasures(self) -> list[Erasure]:
        """What is not erased everywhere yet, oldest first."""
        with self.reading() as connection:
            return _erasures(connection)

    def has_erasures(self) -> bool:
        """Whether anything is still to be erased."""
        with self.reading() as connection:
            return connection.execute(select(erasures.c.erasure_id).limit(1)).scalar() is not None

    def note_erased(self, erasure_ids: Iterable[int], place: str) -> None:
        """A place is done for these."""
        with self.writing() as connection:
            for erasure_id in erasure_ids:
                is_it = erasures.c.erasure_id == erasure_id
                done = connection.execute(select(erasures.c.done).where(is_it)).scalar_one()
                places = sorted({*json.loads(done), place})
                connection.execute(update(erasures).where(is_it).values(done=json.dumps(places)))

    def empty_erasures(self, erasure_ids: Iterable[int]) -> None:
        """All of it is done but for the last traces in the database's log: no id is kept."""
        with self.writing() as connection:
            is_one = erasures.c.erasure_id.in_(list(erasure_ids))
            nothing = {"member_id": None, "names": "[]", "message_ids": b""}
            connection.execute(update(erasures).where(is_one).values(**nothing))

    def end_erasures(self, erasure_ids: Iterable[int]) -> None:
        """All of it is done: nothing is kept of these."""
        with self.writing() as connection:
            ids = list(erasure_ids)
            connection.execute(delete(erasures).where(erasures.c.erasure_id.in_(ids)))

    def lost(self, message_ids: Collection[int]) -> tuple[set[int], set[int]]:
        """Those of the messages that are not stored any more, and those that are without their
        words, for they were deleted."""
        listed = (json.dumps(list(message_ids)),)
        with self.reading() as connection:
            rows = connection.exec_driver_sql(_LOST, listed).fetchall()
        return {row[0] for row in rows if row[1]}, {row[0] for row in rows if not row[1]}

    def forget_member(self, erasure: Erasure) -> int:
        """Remove the rows of a member who is being forgotten: what they said, what the transcripts
        and verdicts hold of it, their name, and them as mentioned by others.

        Returns how many messages went. The rest is data/forgetting.py's. A second time changes
        nothing.
        """
        assert erasure.member_id is not None
        removed = 0
        for ids in _chunks(sorted(erasure.message_ids)):
            with self.writing() as connection:
                removed += remove_messages(connection, ids)
        with self.writing() as connection:
            member_id = erasure.member_id
            connection.exec_driver_sql(_MENTIONS, (member_id, str(member_id), member_id))
            forget_reader(connection, member_id)
            connection.execute(delete(members).where(members.c.member_id == member_id))
        return removed


def remove_messages(connection: Connection, ids: Collection[int]) -> int:
    """Remove messages with their lines, verdicts and rehearsals, within the caller's transaction;
    how many there were."""
    listed = (json.dumps(list(ids)),)
    for table in (conversation_context, verdicts):
        connection.exec_driver_sql(_DELETE[table.name], listed)
    drop_rehearsed(connection, ids)
    return connection.exec_driver_sql(_DELETE[messages.name], listed).rowcount


def queue_deleted(connection: Connection, ids: Collection[int], at_ms: int) -> None:
    """Note those of the messages that are stored with their words: these are about to go, and what
    was derived from them is to follow. Within the caller's transaction.

    Nothing is derived from what was said in the playground.
    """
    query = select(messages.c.message_id).where(
        messages.c.message_id.in_(ids),
        messages.c.deleted_at_ms.is_(None),
        messages.c.origin != Origin.PLAYGROUND.value,
    )
    found = set(connection.execute(query).scalars())
    if found:
        _note(connection, found, "deleted on Discord", at_ms)


def _note(
    connection: Connection,
    ids: Collection[int],
    asked_by: str,
    at_ms: int,
    member_id: int | None = None,
    names: tuple[str, ...] = (),
) -> int:
    result = connection.execute(
        erasures.insert().values(
            at_ms=at_ms,
            asked_by=asked_by,
            member_id=member_id,
            names=json.dumps(names),
            message_ids=_packed(ids),
        )
    )
    return int(result.lastrowid)


def _erasures(connection: Connection, erasure_id: int | None = None) -> list[Erasure]:
    query = select(erasures).order_by(erasures.c.erasure_id)
    if erasure_id is not None:
        query = query.where(erasures.c.erasure_id == erasure_id)
    return [_to_erasure(row) for row in connection.execute(query)]


def _to_erasure(row: Row[Any]) -> Erasure:
    return Erasure(
        row.erasure_id,
        row.at_ms,
        row.asked_by,
        row.member_id,
        tuple(json.loads(row.names)),
        frozenset(_swapped(array("q", row.message_ids))),
        frozenset(json.loads(row.done)),
    )


def _packed(ids: Collection[int]) -> bytes:
    return _swapped(array("q", sorted(ids))).tobytes()


def _swapped(numbers: array[int]) -> array[int]:
    """To or from the byte order of the column, which is little-endian."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _chunks(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        yield ids[start : start + _ROWS_AT_ONCE]
