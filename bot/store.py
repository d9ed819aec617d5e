"""Stores what came in before anything else is done with it, and says what is known of its author.

Blocking: call from a worker thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.messages import IncomingMessage
from bot.readable import readable

if TYPE_CHECKING:
    from storage.database import Database


@dataclass(frozen=True)
class Known:
    """The message as the model is shown it, and what the database says of author and channel."""

    message: IncomingMessage
    """Its text is `readable`; the stored one stays as it was said."""
    channel_is_allowed: bool
    author_is_excluded: bool


def store(database: Database, message: IncomingMessage, *, own_id: int, persona_name: str) -> Known:
    """Store channel, author and message; a second time changes nothing.

    What is said in a channel that is not on the allow-list is not stored. Exclusion and allow-list
    are the database's, never what the platform says.
    """
    database.upsert_channels([message.channel])
    database.upsert_members([message.author])
    channel = database.channel(message.channel_id)
    author = database.member(message.author.member_id)
    is_allowed = channel is not None and channel.is_allowed
    if is_allowed:
        database.upsert_messages([message.record])
    text = readable(database, message.text, {own_id: persona_name})
    return Known(
        message=replace(message, record=replace(message.record, content=text)),
        channel_is_allowed=is_allowed,
        author_is_excluded=author is not None and author.is_excluded,
    )


def names_of_others(database: Database, *, own_id: int) -> tuple[str, ...]:
    """The nicknames of all members but the bot's own account. 0.2 s for 50,000."""
    return tuple(member.nickname for member in database.members() if member.member_id != own_id)
