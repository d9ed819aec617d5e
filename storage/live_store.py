"""What just happened in the channels: a batch of messages with their people, and reactions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from sqlalchemy import select, update

from storage.community_store import write_channels, write_members
from storage.connections import Connections
from storage.message_store import to_json, write_messages
from storage.records import ChannelRecord, MemberRecord, MessageRecord
from storage.schema import messages
from storage.upserting import UpsertCount

Counts = dict[str, int]


class LiveStore(Connections):
    """Batches of messages, and reactions. Any thread."""

    def store_messages(
        self,
        channels: Iterable[ChannelRecord],
        members: Iterable[MemberRecord],
        messages: Iterable[MessageRecord],
    ) -> UpsertCount:
        """Store messages, their channels and authors in one transaction; counts the messages.

        What `upsert_channels`, `upsert_members` and `upsert_messages` keep is kept. All is held in
        memory and written at once: made for batches of 1 to 500. Of a repeated channel or member
        the last counts. Raises DatabaseError as they do; then nothing is stored.
        """
        places = {channel.channel_id: channel for channel in channels}
        people = {member.member_id: member for member in members}
        said = list(messages)
        with self.writing() as connection:
            write_channels(connection, places.values())
            write_members(connection, people.values())
            return write_messages(connection, said)

    def change_reaction(self, message_id: int, emoji: str, change: int) -> None:
        """One emoji under a message came (`change` 1) or went (-1); at 0 it is gone.

        Of an unknown or deleted message nothing is kept.
        """

        def changed(counts: Counts) -> Counts:
            return {**counts, emoji: counts.get(emoji, 0) + change}

        self._change_reactions(message_id, changed)

    def clear_reactions(self, message_id: int, emoji: str | None = None) -> None:
        """All reactions of a message are gone, or all of one emoji; an unknown one is no error."""

        def changed(counts: Counts) -> Counts:
            return {} if emoji is None else {e: n for e, n in counts.items() if e != emoji}

        self._change_reactions(message_id, changed)

    def _change_reactions(self, message_id: int, changed: Callable[[Counts], Counts]) -> None:
        is_it = (messages.c.message_id == message_id) & messages.c.deleted_at_ms.is_(None)
        with self.writing() as connection:
            stored = connection.execute(select(messages.c.reactions).where(is_it)).scalar()
            if stored is None:
                return
            counts = changed({emoji: int(count) for emoji, count in json.loads(stored)})
            kept = to_json([[emoji, count] for emoji, count in counts.items() if count > 0])
            if kept != stored:
                connection.execute(update(messages).where(is_it).values(reactions=kept))
