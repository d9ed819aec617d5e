"""Shows a reply while it is written: one message that is edited as it grows.

Nobody sees what guard did not let out: each edit is asked for, and what is not whole yet (a word,
a number, a line that may become somebody's name) is held back. Where the reply is not to stay after
all (guard refuses it in the end, what it was shown is taken away), its message is deleted. A crash
leaves the message as it stood. Called from the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import replace

from bot.deliver import Delivery
from bot.messages import SentLine
from bot.platforms.platform import DeliveryError
from model.chat_format import folded
from storage.errors import MynahError

log = logging.getLogger(__name__)

EVERY_S = 1.5
"""Between two edits; twice as long after each one that the platform held up."""
LONGEST_S = 24.0
LOOK_EVERY_S = 0.2
"""How often it is looked whether there is something to show at all."""

_UNFINISHED = re.compile(r"(?:[\d+(][\d\s().,:/+-]*|\S+)\Z")


class Growing:
    """One draft's. It shows what it `take`s until `finish`, or `take_back`."""

    def __init__(
        self,
        delivery: Delivery,
        allowed: Callable[[str], Awaitable[str | None]],
        may_begin: Callable[[], Awaitable[bool]],
        *,
        names: Collection[str],
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """`allowed` gives what guard lets out of a text that may go on, None where nothing;
        `may_begin` is asked right before the first words leave. For none of the `names` a line may
        begin."""
        self._delivery = delivery
        self._allowed = allowed
        self._may_begin = may_begin
        self._names = tuple(_bare(name) for name in names)
        self._now_ms = now_ms
        self._sleep = sleep
        self._text, self._came = "", asyncio.Event()
        self._pause_s = EVERY_S
        self._has_ended = self._is_resting = False
        self._task = asyncio.create_task(self._grow())

    def take(self, piece: str) -> None:
        """The model wrote this."""
        self._text += piece
        self._came.set()

    async def finish(self, text: str) -> SentLine | None:
        """The reply says this and nothing more; None where nothing of it was shown yet. Where the
        last edit is not taken, what is shown stays. Raises DeliveryError where the first words were
        not."""
        await self._end()
        if not self._delivery.lines:
            return None
        if self._delivery.lines[0].text != text:
            try:
                await self._edit(text)
            except DeliveryError as error:
                log.warning("A reply stays as far as it was shown. %s", error)
        return self._delivery.lines[0]

    async def take_back(self) -> None:
        """It is not to stay. Does nothing where it was finished."""
        if self._has_ended:
            return
        try:
            try:
                await self._end()
            finally:  # whatever showing it came to
                await self._delivery.take_back()
        except MynahError as error:
            log.warning("What was shown of a reply was not taken back. %s", error)

    def let_go(self) -> None:
        """The bot stops: what is shown stays, and nothing more is."""
        self._has_ended = True
        self._task.cancel()

    async def _end(self) -> None:
        """No request under way is cancelled: what it did would not be known."""
        self._has_ended = True
        if self._is_resting:
            self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.result()

    async def _grow(self) -> None:
        while not self._has_ended:
            self._is_resting = True
            await self._came.wait()
            self._came.clear()
            await self._sleep(self._pause_s if self._delivery.lines else LOOK_EVERY_S)
            self._is_resting = False
            whole = finished(self._text, self._names)
            try:
                text = await self._allowed(whole) if whole else None
            except MynahError as error:
                log.warning("A reply is shown no further while it is written. %s", error)
                return  # it is looked at once more as a whole
            if text is None or self._has_ended:
                continue
            if not self._delivery.lines:
                if not await self._may_begin():
                    return
                await self._delivery.say(text)
            elif text != self._delivery.lines[0].text:
                with suppress(DeliveryError):  # the next one, or the last, says it all
                    await self._edit(text)

    async def _edit(self, text: str) -> None:
        shown = self._delivery.lines[0]
        if not await self._delivery.platform.edit(shown.channel_id, shown.message_id, text):
            self._pause_s = min(2 * self._pause_s, LONGEST_S)
        self._delivery.lines[0] = replace(shown, text=text, edited_at_ms=self._now_ms())


def finished(text: str, names: Collection[str]) -> str:
    """What of a text that is being written will become no other word or number, and its last line
    no line of one of the names, which are `_bare`."""
    text = _UNFINISHED.sub("", text).rstrip()
    before, _, last = text.rpartition("\n")
    may_be_name = any(name.startswith(_bare(last)) for name in names)
    return before.rstrip() if may_be_name else text


def _bare(name: str) -> str:
    return "".join(filter(str.isalnum, folded(name)))
