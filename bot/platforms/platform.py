"""What the bot needs of a place where people talk: Discord, a terminal, the playground.

A platform turns its own objects into `IncomingMessage` at the door; none of them goes further in.
"""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from storage.errors import MynahError
from storage.records import Origin


class DeliveryError(MynahError):
    """A platform did not take a message."""


class LoginsUsedUpError(MynahError):
    """No login is left for now: logging in too often costs the token."""

    def __init__(self, allowed: int, retry_after_s: float) -> None:
        super().__init__(
            f"Mynah logged in to Discord {allowed} times within a day and waits with the next one."
        )
        self.retry_after_s = max(retry_after_s, 1.0)


class DeliveryUnknownError(DeliveryError):
    """Whether a platform took a message cannot be known: it must not be sent again."""


@dataclass(frozen=True)
class Accepted:
    """What a platform says about a message that it took."""

    message_id: int
    sent_at_ms: int


def wall_clock_ms() -> int:
    """Now, in milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000


class Platform(Protocol):
    """One place where people talk. Called from the event loop's thread."""

    @property
    def own_id(self) -> int:
        """The member id of the bot's own account here."""

    @property
    def origin(self) -> Origin:
        """What is recorded as the origin of messages sent here."""

    @property
    def can_edit(self) -> bool:
        """Whether a message that was sent can be changed."""

    async def send(
        self,
        channel_id: int,
        text: str,
        *,
        reply_to_id: int | None,
        pings: bool = True,
        asked_id: int | None = None,
        line: int = 0,
    ) -> Accepted:
        """Send one message of at most 2,000 characters. With `asked_id` it is that line of the
        answer to that message, and is sent once at most, however often this is called.
        `reply_to_id` is the message that it shows as answered; nobody is notified but its author,
        and they only where it `pings`.

        Raises DeliveryError if it is not taken, DeliveryUnknownError if that cannot be known.
        """

    async def edit(self, channel_id: int, message_id: int, text: str) -> bool:
        """Have an own message say this; whether that was taken at once, or the platform held it up
        as it was asked too often. Raises DeliveryError."""

    async def delete(self, channel_id: int, message_id: int) -> None:
        """Take an own message back. Raises DeliveryError."""

    async def react(self, channel_id: int, message_id: int, emoji: str) -> bool:
        """Put a reaction under a message; False where this place does not have the emoji. It is as
        reactions are stored: a character, or ":name:" of the place's own. Raises DeliveryError."""

    def listens_to(self, channel_id: int) -> bool:
        """Whether messages of the channel are to be read and answered."""

    def typing(self, channel_id: int) -> AbstractAsyncContextManager[None]:
        """Shows others that a reply is being written, for as long as the context lasts."""
