"""The messages table and its full-text index: bulk upsert, streams in true order, search by words.

What an upsert keeps, whatever order files are imported in:
- a deleted message stays deleted: no older export brings its words back;
- an edit is never undone by a copy from before it;
- the origin is the first one seen; other words or another author bring a stricter one along.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, Select, func, literal, select, tuple_, update

from storage.connections import Connections
from storage.erasure_store import queue_deleted
from storage.records import MessageKind, MessageRecord, Origin, Reaction
from storage.rehearsal_store import drop_rehearsed
from storage.schema import channels, conversation_context, members, messages
from storage.tombstones import forgotten_among
from storage.upserting import UpsertCount, upsert_rows

BATCH_ROWS = 5_000
"""Rows written in one transaction, and at most held in memory: 0.1 s of the write lock."""
PAGE_ROWS = 2_000
_ID_CHUNK = 500
_MAX_SEARCH_WORDS = 32

_COLUMNS = tuple(column.name for column in messages.columns)
_ORIGINS = {origin.value: origin for origin in Origin}
_KINDS = {kind.value: kind for kind in MessageKind}
_COMPARED = (
    *("channel_id", "author_id", "content", "created_at_ms", "kind", "edited_at_ms"),
    *("deleted_at_ms", "reply_to_id", "reactions", "mentioned_ids", "attachment_names"),
)
_STRICTNESS = " ".join(f"WHEN '{origin.value}' THEN {origin.strictness}" for origin in Origin)
_UPSERT = f"""
    INSERT INTO messages ({", ".join(_COLUMNS)}) VALUES ({", ".join("?" for _ in _COLUMNS)})
    ON CONFLICT (message_id) DO UPDATE SET {", ".join(f"{c} = excluded.{c}" for c in _COMPARED)},
        origin = CASE
            WHEN (messages.content IS NOT excluded.content
                  OR messages.author_id IS NOT excluded.author_id)
              AND CASE excluded.origin {_STRICTNESS} END > CASE messages.origin {_STRICTNESS} END
            THEN excluded.origin ELSE messages.origin END
    WHERE messages.deleted_at_ms IS NULL
      AND (excluded.deleted_at_ms IS NOT NULL
           OR coalesce(excluded.edited_at_ms, 0) >= coalesce(messages.edited_at_ms, 0))
      AND ({" OR ".join(f"messages.{c} IS NOT excluded.{c}" for c in _COMPARED)})
"""
_INDEX_NEW = """
    INSERT INTO messages_fts (rowid, content)
    SELECT message_id, content FROM messages WHERE message_id IN (SELECT value FROM json_each(?))
"""
_WORD = re.compile(r"\w+")


class MessageStore(Connections):
    """Messages.

    Every function may be called from any thread and holds a transaction for milliseconds.
    """

    def upsert_messages(self, records: Iterable[MessageRecord]) -> UpsertCount:
        """Store messages, 5,000 a transaction; the same again changes nothing.

        Memory stays bounded. Halves of surrogate pairs, which some exports hold, become question
        marks. Raises DatabaseError naming a message with a number beyond 63 bits.
        """
        iterator = iter(records)
        count = UpsertCount()
        while batch := list(islice(iterator, BATCH_ROWS)):
            with self.writing() as connection:
                count += write_messages(connection, batch)
        return count

    def mark_deleted(self, message_ids: Iterable[int], at_ms: int) -> int:
        """Somebody deleted these: their words go, here, from the persona's transcript and from what
        was rehearsed.

        Verdicts on them stay: those hold no words.
        Returns how many were not deleted before. The rows stay, so that no import brings them back.
        What was derived from them follows: it is noted for data/forgetting.py.
        """
        deleted = 0
        for ids in _chunks(message_ids):
            with self.writing() as connection:
                queue_deleted(connection, ids, at_ms)
                deleted += connection.execute(
                    update(messages)
                    .where(messages.c.message_id.in_(ids), messages.c.deleted_at_ms.is_(None))
                    .values(content="", attachment_names="[]", deleted_at_ms=at_ms)
                ).rowcount
                lines = conversation_context
                connection.execute(lines.delete().where(lines.c.message_id.in_(ids)))
                drop_rehearsed(connection, ids)
        return deleted

    def messages(
        self, *, channel_id: int | None = None, after_id: int = 0, include_deleted: bool = False
    ) -> Iterator[MessageRecord]:
        """Messages with an id above `after_id`, by channel, then by id; 2,000 in memory at a time.

        Each page is a transaction of its own: a long walk sees what is written meanwhile ahead of
        it.
        """
        id_column, channel_column = messages.c.message_id, messages.c.channel_id
        query = select(messages).where(id_column > after_id).limit(PAGE_ROWS)
        query = query.order_by(channel_column, id_column)
        if channel_id is not None:
            query = query.where(channel_column == channel_id)
        if not include_deleted:
            query = query.where(messages.c.deleted_at_ms.is_(None))
        page = self._fetch(query)
        while page:
            yield from page
            last = page[-1]
            beyond = tuple_(channel_column, id_column) > tuple_(
                literal(last.channel_id), literal(last.message_id)
            )
            page = self._fetch(query.where(beyond)) if len(page) == PAGE_ROWS else []

    def messages_by_id(self, ids: Iterable[int]) -> list[MessageRecord]:
        """Those of the messages that are stored, in the order of `ids`; deleted ones too."""
        wanted = list(ids)
        found: dict[int, MessageRecord] = {}
        for chunk in _chunks(wanted):
            query = select(messages).where(messages.c.message_id.in_(chunk))
            found.update((record.message_id, record) for record in self._fetch(query))
        return [found[message_id] for message_id in wanted if message_id in found]

    def messages_of(self, author_id: int) -> Iterator[MessageRecord]:
        """What a member wrote and did not delete, by id; 2,000 in memory at a time."""
        query = select(messages).where(
            messages.c.author_id == author_id, messages.c.deleted_at_ms.is_(None)
        )
        query = query.order_by(messages.c.message_id).limit(PAGE_ROWS)
        page = self._fetch(query)
        while page:
            yield from page
            page = self._fetch(query.where(messages.c.message_id > page[-1].message_id))

    def message_ids_of(self, author_id: int) -> list[int]:
        """The ids of all that a member wrote, deleted ones too."""
        query = select(messages.c.message_id).where(messages.c.author_id == author_id)
        with self.reading() as connection:
            return list(connection.execute(query).scalars())

    def said_by(self, author_id: int) -> list[tuple[int, str, int, int, int]]:
        """(channel id, origin, messages, first ms, last ms) of what a member wrote and did not
        delete, by channel."""
        created = messages.c.created_at_ms
        group = (messages.c.channel_id, messages.c.origin)
        query = select(*group, func.count(), func.min(created), func.max(created))
        query = query.where(messages.c.author_id == author_id, messages.c.deleted_at_ms.is_(None))
        with self.reading() as connection:
            rows = connection.execute(query.group_by(*group).order_by(*group))
            return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]

    def recent_messages(
        self, channel_id: int, limit: int, *, before_id: int | None = None
    ) -> list[MessageRecord]:
        """The newest messages of a channel that are not deleted, oldest first; of those with an id
        below `before_id` where that is given."""
        query = select(messages).where(messages.c.channel_id == channel_id)
        if before_id is not None:
            query = query.where(messages.c.message_id < before_id)
        query = query.where(messages.c.deleted_at_ms.is_(None))
        return self._fetch(query.order_by(messages.c.message_id.desc()).limit(limit))[::-1]

    def message_counts(self) -> dict[int, int]:
        """How many messages that are not deleted each channel has."""
        query = select(messages.c.channel_id, func.count()).group_by(messages.c.channel_id)
        with self.reading() as connection:
            rows = connection.execute(query.where(messages.c.deleted_at_ms.is_(None)))
            return {row[0]: row[1] for row in rows}

    def messages_by_author(self) -> list[tuple[int, Origin, int]]:
        """(author, origin, how many): messages with words, in channels that are allowed."""
        closed = select(channels.c.channel_id).where(channels.c.is_allowed == 0)
        query = select(messages.c.author_id, messages.c.origin, func.count()).where(
            messages.c.deleted_at_ms.is_(None),
            messages.c.kind != MessageKind.SYSTEM.value,
            messages.c.content != "",
            messages.c.channel_id.not_in(closed),
        )
        with self.reading() as connection:
            rows = connection.execute(query.group_by(messages.c.author_id, messages.c.origin))
            return [(author_id, _ORIGINS[origin], count) for author_id, origin, count in rows]

    def speakers_by_channel(self) -> dict[int, int]:
        """How many people wrote, bots aside, in each channel that is allowed."""
        speakers = func.count(messages.c.author_id.distinct())
        closed = select(channels.c.channel_id).where(channels.c.is_allowed == 0)
        bots = select(members.c.member_id).where(members.c.is_bot == 1)
        query = select(messages.c.channel_id, speakers).where(
            messages.c.deleted_at_ms.is_(None),
            messages.c.kind != MessageKind.SYSTEM.value,
            messages.c.channel_id.not_in(closed),
            messages.c.author_id.not_in(bots),
        )
        with self.reading() as connection:
            rows = connection.execute(query.group_by(messages.c.channel_id))
            return {int(row[0]): int(row[1]) for row in rows}

    def origins(self) -> set[Origin]:
        """Where the messages that are not deleted came from."""
        query = select(messages.c.origin).distinct().where(messages.c.deleted_at_ms.is_(None))
        with self.reading() as connection:
            return {_ORIGINS[value] for value in connection.execute(query).scalars()}

    def message_span(self) -> tuple[int, int] | None:
        """(first, last) time of a message that is not deleted, or None where there is none."""
        created = messages.c.created_at_ms
        query = select(func.min(created), func.max(created))
        with self.reading() as connection:
            first, last = connection.execute(query.where(messages.c.deleted_at_ms.is_(None))).one()
        return None if first is None else (first, last)

    def history_state(self) -> dict[str, int]:
        """Figures that change when the history does: what was derived from it is then out of date.

        What is said in the playground is no history.
        """
        columns = {
            "messages": func.count(),
            "newest_id": func.coalesce(func.max(messages.c.message_id), 0),
            "edited": func.count(messages.c.edited_at_ms),
            "newest_edit_ms": func.coalesce(func.max(messages.c.edited_at_ms), 0),
            "deleted": func.count(messages.c.deleted_at_ms),
        }
        query = select(*columns.values()).where(messages.c.origin != Origin.PLAYGROUND.value)
        with self.reading() as connection:
            return dict(zip(columns, connection.execute(query).one(), strict=True))

    def search_text(
        self, query: str, limit: int, *, recallable_only: bool = False
    ) -> list[tuple[int, float]]:
        """(message id, BM25 score) of the messages that hold any of the query's words, best first.

        Higher is better (FTS5's own sign turned round). The query is free text: no character of it
        is an operator. At most 32 different words count, and in a large home of many common ones
        the rarest (text_search.py). `recallable_only` passes over what must not be recalled
        (`data.memory.may_be_recalled`, but for its least number of words), so that it takes no
        place among the `limit`.
        """
        words = list(dict.fromkeys(_WORD.findall(query.lower())))[:_MAX_SEARCH_WORDS]
        if not words or limit < 1:
            return []
        from storage import text_search  # late: NumPy, 12 MB that most scripts do not need

        with self.reading() as connection:
            return text_search.search(connection, words, limit, recallable_only=recallable_only)

    def _fetch(self, query: Select[Any]) -> list[MessageRecord]:
        with self.reading() as connection:
            return [to_record(row) for row in connection.execute(query)]


def write_messages(connection: Connection, records: Iterable[MessageRecord]) -> UpsertCount:
    """Write messages and index the new ones, within the caller's transaction.

    Of a repeated id each row gets a round of its own: the update trigger takes the old words out of
    the index, so they must be in it. Whoever was forgotten is left out, as author and as mentioned;
    an excluded member is left out as author (`data.consent.may` of storing).
    """
    given = list(records)
    known = _without_forgotten(connection, given)
    excluded = _excluded_among(connection, {record.author_id for record in known})
    kept = [record for record in known if record.author_id not in excluded]
    gone = [record for record in kept if record.deleted_at_ms is not None]
    if gone:
        at_ms = max(record.deleted_at_ms or 0 for record in gone)
        queue_deleted(connection, [record.message_id for record in gone], at_ms)
    rows = [_to_row(record) for record in kept]
    count = UpsertCount(forgotten=len(given) - len(known), excluded=len(known) - len(kept))
    while rows:
        first = {row[0]: row for row in reversed(rows)}
        rest = [] if len(first) == len(rows) else [r for r in rows if first[r[0]] is not r]
        batch = list(first.values())[::-1]
        done, new_ids = upsert_rows(connection, "messages", "message_id", _UPSERT, batch)
        connection.exec_driver_sql(_INDEX_NEW, (json.dumps(sorted(new_ids)),))
        count, rows = count + done, rest
    return count


def _excluded_among(connection: Connection, member_ids: Iterable[int]) -> set[int]:
    found = connection.exec_driver_sql(
        "SELECT member_id FROM members "
        "WHERE member_id IN (SELECT value FROM json_each(?)) AND is_excluded",
        (json.dumps(list(member_ids)),),
    )
    return set(found.scalars())


def _without_forgotten(connection: Connection, records: list[MessageRecord]) -> list[MessageRecord]:
    people = {record.author_id for record in records}
    people.update(*(record.mentioned_ids for record in records))
    forgotten = forgotten_among(connection, people)
    if not forgotten:
        return records
    return [
        record
        if forgotten.isdisjoint(record.mentioned_ids)
        else replace(
            record, mentioned_ids=tuple(m for m in record.mentioned_ids if m not in forgotten)
        )
        for record in records
        if record.author_id not in forgotten
    ]


def _chunks(ids: Iterable[int]) -> Iterator[list[int]]:
    iterator = iter(ids)
    while chunk := list(islice(iterator, _ID_CHUNK)):
        yield chunk


def _to_row(record: MessageRecord) -> tuple[Any, ...]:
    """In the order of the table's columns. A deleted message is stored without its words."""
    gone = record.deleted_at_ms is not None
    reactions = [[reaction.emoji, reaction.count] for reaction in record.reactions]
    return (
        record.message_id,
        record.channel_id,
        record.author_id,
        "" if gone else record.content,
        record.created_at_ms,
        record.origin.value,
        record.kind.value,
        record.edited_at_ms,
        record.deleted_at_ms,
        record.reply_to_id,
        to_json(reactions),
        to_json(record.mentioned_ids),
        "[]" if gone else to_json(record.attachment_names),
    )


def to_record(row: Row[Any]) -> MessageRecord:
    return MessageRecord(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        _ORIGINS[row[5]],
        _KINDS[row[6]],
        row[7],
        row[8],
        row[9],
        () if row[10] == "[]" else tuple(Reaction(e, n) for e, n in json.loads(row[10])),
        () if row[11] == "[]" else tuple(json.loads(row[11])),
        () if row[12] == "[]" else tuple(json.loads(row[12])),
    )


def to_json(values: Sequence[Any]) -> str:
    """A list as the database keeps it."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")) if values else "[]"
