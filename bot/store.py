"""Stores what came in before anything else is done with it, and says what is known of its author.

Blocking: call from a worker thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.messages import IncomingMessage

if TYPE_CHECKING:
    from storage.database import Database


@dataclass(frozen=True)
class Known:
    """What the database says about a message's author and channel, and the names of all members."""

    channel_is_allowed: bool
    author_is_excluded: bool
    names: tuple[str, ...]


def store(database: Database, message: IncomingMessage, *, own_id: int) -> Known:
    """Store channel, author and message; a second time changes nothing.

    What is said in a channel that is not on the allow-list is not stored. Exclusion and allow-list
    are the database's, never what the platform says.
    """
    database.upsert_channels([message.channel])
    database.upsert_members([message.author])
    is_allowed = any(
        channel.is_allowed
        for channel in database.channels()
        if channel.channel_id == message.channel_id
    )
    if is_allowed:
        database.upsert_messages([message.record])
    members = database.members()
    return Known(
        channel_is_allowed=is_allowed,
        author_is_excluded=any(
            member.is_excluded for member in members if member.member_id == message.author.member_id
        ),
        names=tuple(member.nickname for member in members if member.member_id != own_id),
    )
