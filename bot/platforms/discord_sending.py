"""Sends to Discord: a message once however often it is tried, the typing sign, direct messages.

No request of discord.py's is cancelled here, not even where its caller is: one that waits out a
global rate limit would block all later requests of the process if it were.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import discord

from bot.platforms.discord_buttons import extras
from bot.platforms.discord_errors import is_passing, shown
from bot.platforms.discord_reading import MAX_MESSAGE_CHARS, snowflake_ms
from bot.platforms.platform import Accepted, DeliveryError, DeliveryUnknownError

if TYPE_CHECKING:
    from bot.order_values import Button, File

log = logging.getLogger(__name__)

T = TypeVar("T")

DEADLINE_S = 120.0
"""How long a message is tried for. Discord remembers a nonce for a few minutes."""

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 15.0
TYPING_EVERY_S = 8.0
"""Discord shows the typing sign for ten seconds."""

HELD_UP_S = 1.0
"""An edit that takes longer was held up by a rate limit, or the line is as slow as one."""

_LINE_MARK = "-"
_ONLY_THE_ASKER = discord.AllowedMentions(
    everyone=False, users=False, roles=False, replied_user=True
)
_NOBODY = discord.AllowedMentions.none()
_FORBIDDEN = 403
_NOT_FOUND = 404
_TAKES_NONE = 50007
"""Discord's error code where a member's privacy settings shut the bot out."""


class Sender:
    """Sends through whichever client is connected."""

    def __init__(
        self,
        client: Callable[[], discord.Client | None],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        deadline_s: float = DEADLINE_S,
        typing_every_s: float = TYPING_EVERY_S,
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._deadline_s = deadline_s
        self._typing_every_s = typing_every_s
        self._under_way: set[asyncio.Task[Any]] = set()

    async def send(
        self,
        channel_id: int,
        text: str,
        *,
        reply_to_id: int | None,
        pings: bool = True,
        asked_id: int | None = None,
        line: int = 0,
        buttons: Sequence[Button] = (),
    ) -> Accepted:
        """Send one message; whom it answers is pinged (where it `pings`), and nobody else whatever
        `text` says. `asked_id` and `line` name the line of which answer it is.

        Lost connections and outages are tried again for DEADLINE_S with the same nonce, under
        which Discord takes a message once. Raises DeliveryError; DeliveryUnknownError where an
        attempt was made that had no clear answer.
        """
        if not text.strip() or len(text) > MAX_MESSAGE_CHARS:
            raise DeliveryError(
                f"Discord takes messages of 1 to {MAX_MESSAGE_CHARS} characters, not {len(text)}."
            )
        nonce = _nonce(asked_id if asked_id is not None else reply_to_id, line)

        async def post(client: discord.Client) -> discord.Message:
            channel = client.get_partial_messageable(channel_id)
            more = extras(buttons, None)
            if reply_to_id is None:
                return await channel.send(text, nonce=nonce, **more)
            answered = discord.MessageReference(
                message_id=reply_to_id, channel_id=channel_id, fail_if_not_exists=False
            )
            return await channel.send(
                text,
                nonce=nonce,
                reference=answered,
                allowed_mentions=_ONLY_THE_ASKER if pings else _NOBODY,
                **more,
            )

        sent = await self._persistently(post, f"channel {channel_id}")
        return Accepted(sent.id, snowflake_ms(sent.id))

    async def edit(self, channel_id: int, message_id: int, text: str) -> bool:
        """Have an own message say this, and ping nobody. False where it took longer than an edit
        does: discord.py waits out a rate limit by itself (429), and tells nobody. Raises
        DeliveryError."""

        async def patch(client: discord.Client) -> None:
            message = client.get_partial_messageable(channel_id).get_partial_message(message_id)
            await message.edit(content=text[:MAX_MESSAGE_CHARS], allowed_mentions=_NOBODY)

        began_s = time.monotonic()
        await self._persistently(patch, f"an edit in channel {channel_id}")
        return time.monotonic() - began_s < HELD_UP_S

    async def delete(self, channel_id: int, message_id: int) -> None:
        """Take an own message back; one that is gone is no error. Raises DeliveryError."""

        async def drop(client: discord.Client) -> None:
            message = client.get_partial_messageable(channel_id).get_partial_message(message_id)
            with suppress(discord.NotFound):
                await message.delete()

        await self._persistently(drop, f"a deletion in channel {channel_id}")

    async def react(self, channel_id: int, message_id: int, emoji: str) -> None:
        """Put a reaction under a message; `emoji` is as Discord has it. Raises DeliveryError."""

        async def put(client: discord.Client) -> None:
            message = client.get_partial_messageable(channel_id).get_partial_message(message_id)
            await message.add_reaction(emoji)

        await self._persistently(put, f"a reaction in channel {channel_id}")

    async def direct_message(
        self,
        member_id: int,
        text: str,
        *,
        file: File | None = None,
        buttons: Sequence[Button] = (),
    ) -> None:
        """Send to one person alone. Raises DeliveryError, also where they take none from bots."""
        nonce = str(secrets.randbits(63))

        async def post(client: discord.Client) -> None:
            channel = await client.create_dm(discord.Object(member_id))
            await channel.send(text[:MAX_MESSAGE_CHARS], nonce=nonce, **extras(buttons, file))

        await self._persistently(post, f"a direct message to member {member_id}")

    @asynccontextmanager
    async def typing(self, channel_id: int) -> AsyncIterator[None]:
        """Shows the typing sign; delays nothing, and its failures are not felt."""
        signs = asyncio.create_task(self._keep_typing(channel_id), name=f"typing {channel_id}")
        try:
            yield
        finally:
            signs.cancel()

    async def close(self) -> None:
        """End what is still under way. Call it when the last client is closed."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _persistently(
        self, post: Callable[[discord.Client], Coroutine[Any, Any, T]], where: str
    ) -> T:
        """What `post` gives, tried again until the deadline. Raises DeliveryError."""
        # By the wall clock: others stand still while a laptop sleeps, and nonces do not.
        began_s, pause_s, last = time.time(), FIRST_PAUSE_S, "there was no connection"
        has_begun = False
        while (left_s := began_s + self._deadline_s - time.time()) > 0:
            client = self._client()
            if client is not None and client.user is not None:
                has_begun = True
                task = self._detached(post(client))
                done, _ = await asyncio.wait({task}, timeout=left_s)
                if not done:
                    break
                error = task.exception()
                if error is None:
                    return task.result()
                if not _may_pass(error):
                    raise DeliveryError(_sentence(error, where)) from error
                last = shown(error)
                log.info("Sending to %s: %s; tried again", where, last)
            await self._sleep(min(pause_s, max(left_s, 0.0)))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        # What was asked for and not answered may have been done, or may be yet.
        unknown = DeliveryUnknownError if has_begun else DeliveryError
        raise unknown(
            f"Discord did not take {where} within {self._deadline_s:.0f} seconds: {last}."
        )

    async def _keep_typing(self, channel_id: int) -> None:
        sign: asyncio.Task[None] | None = None
        while True:
            client = self._client()
            if client is not None and (sign is None or sign.done()):
                sign = self._detached(client.http.send_typing(channel_id))
            await self._sleep(self._typing_every_s)

    def _detached(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that goes on without its caller; what it raises is not reported as lost."""
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task


def asked_in(nonce: str | int | None) -> tuple[int, int] | None:
    """What a line answers and its place among the lines of that answer, by the nonce that it was
    sent with; None for a nonce that is none of those."""
    asked, _, line = str(nonce or "").partition(_LINE_MARK)
    if not (asked.isdecimal() and asked.isascii() and (line or "0").isdecimal()):
        return None
    return int(asked), int(line or 0)


def _nonce(asked_id: int | None, line: int) -> str:
    """Under which Discord takes a message once: at most 25 characters."""
    if asked_id is None:
        return str(secrets.randbits(63))
    return f"{asked_id}{_LINE_MARK}{line}" if line else str(asked_id)


def _may_pass(error: BaseException) -> bool:
    # A client that is being replaced has a closed session, which is a RuntimeError.
    return is_passing(error) or isinstance(error, RuntimeError | AttributeError)


def _sentence(error: BaseException, where: str) -> str:
    if isinstance(error, discord.HTTPException):
        if error.status == _FORBIDDEN and error.code == _TAKES_NONE:
            return f"{where.capitalize()}: they take no direct messages from here."
        if error.status == _FORBIDDEN:
            return f'Discord does not let Mynah send to {where}; give it "Send Messages" there.'
        if error.status == _NOT_FOUND:
            return f"Discord knows nothing of {where} any more."
    return f"Discord did not take the message for {where}: {shown(error)}."
