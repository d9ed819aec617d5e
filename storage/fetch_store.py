"""What a fetch keeps and asks: pages with the cursor behind them, what is known of a channel."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sqlalchemy import ColumnElement, func, select

from storage.community_store import write_channels, write_members
from storage.connections import Connections
from storage.message_store import write_messages
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin
from storage.schema import cursors, messages
from storage.upserting import UpsertCount
from storage.verdict_store import FETCH, advance

_NOT_OF_DISCORD = (Origin.SAMPLE.value, Origin.PLAYGROUND.value)
_PUT = """
    INSERT INTO cursors (name, channel_id, message_id, at_ms) VALUES (?, ?, ?, ?)
    ON CONFLICT (name, channel_id) DO UPDATE
    SET message_id = excluded.message_id, at_ms = excluded.at_ms
"""
_NOTE_CHANGE = "UPDATE cursors SET at_ms = ? WHERE name = ? AND channel_id = ?"


class FetchStore(Connections):
    """Pages, cursors, ids. Any thread."""

    def store_page(
        self,
        channel: ChannelRecord,
        members: Iterable[MemberRecord],
        said: Iterable[MessageRecord],
        cursor: str,
        message_id: int,
    ) -> UpsertCount:
        """Store a page and move that cursor of its channel up to `message_id`, in one transaction.

        Counts the messages. Raises DatabaseError as `store_messages` does; then nothing is stored.
        """
        with self.writing() as connection:
            write_channels(connection, [channel])
            write_members(connection, members)
            count = write_messages(connection, said)
            advance(connection, cursor, {channel.channel_id: message_id})
            if count.changed or count.new:  # also of what is read again
                connection.exec_driver_sql(_NOTE_CHANGE, (_now_ms(), FETCH, channel.channel_id))
        return count

    def cursors(self, name: str) -> dict[int, int]:
        """Where the cursors of that name stand, by channel."""
        query = select(cursors.c.channel_id, cursors.c.message_id).where(cursors.c.name == name)
        with self.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def cursors_moved(self, name: str) -> dict[int, int]:
        """When the cursors of that name last moved, milliseconds since 1970, by channel. That of
        FETCH does with any page that brought anything."""
        query = select(cursors.c.channel_id, cursors.c.at_ms).where(cursors.c.name == name)
        with self.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def put_cursors(self, rows: Iterable[tuple[str, int, int]]) -> None:
        """Put cursors (name, channel id, message id) where they are wanted, back too, at once."""
        given = [(*row, _now_ms()) for row in rows]
        if given:
            with self.writing() as connection:
                connection.exec_driver_sql(_PUT, given)

    def ids_between(self, channel_id: int, after_id: int, upto_id: int) -> list[int]:
        """The channel's messages above `after_id`, up to `upto_id`, that came from Discord by
        whatever way and are not known to be deleted."""
        query = select(messages.c.message_id).where(_between(channel_id, after_id, upto_id))
        with self.reading() as connection:
            return list(connection.execute(query).scalars())

    def count_between(self, channel_id: int, after_id: int, upto_id: int) -> int:
        """How many `ids_between` gives."""
        query = select(func.count()).where(_between(channel_id, after_id, upto_id))
        with self.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def newest_id(self, channel_id: int) -> int:
        """The channel's newest message, deleted or not; 0 where there is none."""
        query = select(func.max(messages.c.message_id)).where(messages.c.channel_id == channel_id)
        with self.reading() as connection:
            return int(connection.execute(query).scalar() or 0)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _between(channel_id: int, after_id: int, upto_id: int) -> ColumnElement[bool]:
    return (
        (messages.c.channel_id == channel_id)
        & (messages.c.message_id > after_id)
        & (messages.c.message_id <= upto_id)
        & messages.c.deleted_at_ms.is_(None)
        & messages.c.origin.not_in(_NOT_OF_DISCORD)
    )
