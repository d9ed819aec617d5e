"""What was said around messages: each with its neighbours in the channel, as recall looks at it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from storage.community_store import to_channel
from storage.connections import Connections
from storage.records import ChannelRecord, MessageKind, Origin

_PLACES = """
    SELECT m.message_id, c.channel_id, c.guild_id, c.guild_name, c.name, c.parent_id, c.is_allowed,
        c.readers
    FROM messages m JOIN channels c ON c.channel_id = m.channel_id
    WHERE m.message_id IN (SELECT value FROM json_each(?1))
"""
_AROUND = f"""
    WITH found AS MATERIALIZED (
        SELECT message_id AS id, channel_id AS place FROM messages
        WHERE message_id IN (SELECT value FROM json_each(?1))
    )
    SELECT m.message_id, m.channel_id, m.author_id, m.created_at_ms, m.content, a.nickname,
        (SELECT b.message_id FROM messages b
         WHERE b.channel_id = m.channel_id AND b.message_id < m.message_id
         ORDER BY b.message_id DESC LIMIT 1)
    FROM messages m
    CROSS JOIN members a ON a.member_id = m.author_id
        AND NOT a.is_bot AND NOT a.is_excluded AND a.consent <> 'opted_out'
    CROSS JOIN channels c ON c.channel_id = m.channel_id AND c.is_allowed
    WHERE m.message_id IN (
        SELECT id FROM found
        UNION ALL SELECT near.message_id FROM found CROSS JOIN messages near ON near.message_id IN (
            SELECT message_id FROM messages WHERE channel_id = place AND message_id > id
            ORDER BY message_id LIMIT ?2)
        UNION ALL SELECT near.message_id FROM found CROSS JOIN messages near ON near.message_id IN (
            SELECT message_id FROM messages WHERE channel_id = place AND message_id < id
            ORDER BY message_id DESC LIMIT ?2)
    )
        AND m.deleted_at_ms IS NULL AND m.kind <> '{MessageKind.SYSTEM.value}'
        AND m.origin <> '{Origin.PLAYGROUND.value}'
    ORDER BY m.channel_id, m.message_id
"""


@dataclass(frozen=True)
class Spoken:
    """One message that may be recalled, as far as its words do not forbid it."""

    message_id: int
    channel_id: int
    author_id: int
    created_at_ms: int
    content: str
    nickname: str
    """Its author's."""
    before_id: int | None
    """The message right before it in its channel, whatever that is; None: it is the first."""


class TalkStore(Connections):
    """Messages with their neighbours. Any thread."""

    def channels_of(self, message_ids: Collection[int]) -> dict[int, ChannelRecord]:
        """The channel of each of these messages, where both are stored."""
        with self.reading() as connection:
            rows = connection.exec_driver_sql(_PLACES, (json.dumps(list(message_ids)),)).all()
        channels = {row[1]: to_channel(row[1:]) for row in rows}
        return {row[0]: channels[row[1]] for row in rows}

    def around(self, message_ids: Collection[int], reach: int) -> list[Spoken]:
        """These messages and the `reach` before and after each, none twice, by channel and id.

        What must not be recalled is left out (`data.memory.may_be_recalled`, but for its least
        number of words); it counts as a neighbour all the same. 1 ms for 64 messages at a reach of
        2, in whatever history.
        """
        if not message_ids:
            return []
        with self.reading() as connection:
            found = connection.exec_driver_sql(_AROUND, (json.dumps(list(message_ids)), reach))
            return [Spoken(*row) for row in found]
