"""Stores what came in before anything else is done with it, and says what is known of its author.

Blocking: call from a worker thread.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.messages import IncomingMessage
from bot.readable import readable
from data.consent import MemberState, state_of
from storage.records import ChannelRecord

if TYPE_CHECKING:
    from storage.database import Database


@dataclass(frozen=True)
class Known:
    """The message as the model is shown it, and what the database says of author and channel."""

    message: IncomingMessage
    """Its text is `readable`; the stored one stays as it was said."""
    channel_is_allowed: bool
    author_is_excluded: bool
    arrived_s: float = 0.0
    """When it came in, by `time.perf_counter`."""
    stored_s: float = 0.0
    """How long storing took, the wait for others of its batch included."""


def store(
    database: Database, messages: Sequence[IncomingMessage], *, own_id: int, persona_name: str
) -> list[Known]:
    """Store channels, authors and messages in one transaction; a second time changes nothing.

    What is said in a channel that is not on the allow-list is not stored, and nothing of an
    excluded or forgotten member's. Exclusion and allow-list are the database's, never what the
    platform says.
    """
    began_s = time.perf_counter()
    channels = {m.channel_id: m.channel for m in messages}
    authors = {m.author.member_id: m.author for m in messages}
    closed = {key for key in channels if not _is_allowed(database, channels[key])}
    database.store_messages(
        list(channels.values()),
        list(authors.values()),
        [m.record for m in messages if m.channel_id not in closed],
    )
    excluded = {key for key in authors if state_of(database.member(key)) is MemberState.EXCLUDED}
    excluded |= database.forgotten(authors)
    return [
        Known(
            message=_as_shown(database, message, {own_id: persona_name}),
            channel_is_allowed=message.channel_id not in closed,
            author_is_excluded=message.author.member_id in excluded,
            arrived_s=began_s,
            stored_s=time.perf_counter() - began_s,
        )
        for message in messages
    ]


def _is_allowed(database: Database, channel: ChannelRecord) -> bool:
    """A thread is where its parent is."""
    known = database.channel(channel.channel_id) or channel
    parent = database.channel(known.parent_id) if known.parent_id else None
    return known.is_allowed and (parent is None or parent.is_allowed)


def _as_shown(
    database: Database, message: IncomingMessage, nicknames: Mapping[int, str]
) -> IncomingMessage:
    text = readable(database, message.text, nicknames)
    return replace(message, record=replace(message.record, content=text))


def names_of_others(database: Database, *, own_id: int) -> tuple[str, ...]:
    """The nicknames of all members but the bot's own account. 0.2 s for 50,000."""
    return tuple(member.nickname for member in database.members() if member.member_id != own_id)
