"""Reads back what was said while nobody listened, and holds what is said meanwhile.

A fresh gateway session tells only what happens from its beginning on. So from that instant on each
channel is held: what it tells waits, its history is read forward from the last message that was
told, and then what waited follows. A message is told once, and in each channel in its order; other
channels go on. A read-back that is going on when another session begins makes one more round
instead of being stopped: cancelling a request of discord.py's while it waits out a global rate
limit would block every later one. Called from the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from bot.messages import Happening, IncomingMessage, Reacted, ReactionsCleared
from bot.platforms.discord_errors import is_passing, shown
from storage.errors import MynahError

log = logging.getLogger(__name__)

T = TypeVar("T")

PAGE_MESSAGES = 100
FIRST_MESSAGES = 50
"""How many of the newest are read in a channel that was never read."""

OVERLAP = 5000 << 22
"""Five seconds in ids: messages do not become visible strictly in the order of their ids."""

HELD_AT_MOST = 5000
TOLD_AT_MOST = 20_000
AT_ONCE = 4
"""How many channels are read at the same time."""

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 10.0

ReadPage = Callable[[int, "int | None"], Awaitable[Sequence[IncomingMessage]]]
"""(channel, after) -> the first PAGE_MESSAGES with a larger id, or for None the FIRST_MESSAGES
newest; in the order of their ids, oldest first."""


@dataclass
class _Channel:
    """One channel that is being held."""

    waiting: list[Happening] = field(default_factory=list)
    again: bool = False
    """Whether the pages that were read may lack something: then there is one more round."""
    first: int | None = None
    """The smallest id of a message that came while it was held."""
    task: asyncio.Task[None] | None = None


class CatchUp:
    """Stands between the gateway and `tell`."""

    def __init__(
        self,
        *,
        read_page: ReadPage,
        read_until: Callable[[int], Awaitable[int | None]],
        tell: Callable[[Happening], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`read_until` gives the id up to which a channel is done with, None where it is new."""
        self._read_page = read_page
        self._read_until = read_until
        self._tell = tell
        self._sleep = sleep
        self._held: dict[int, _Channel] = {}
        self._holds_all = False
        self._told: OrderedDict[int, None] = OrderedDict()
        self._newest_told: dict[int, int] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)

    def take(self, channel_id: int, happening: Happening) -> None:
        """Tell it, now or when its channel is read back."""
        channel = self._held.get(channel_id)
        if channel is None:
            if not self._holds_all:
                self._tell_once(happening)
                return
            channel = self._held[channel_id] = _Channel()
        if isinstance(happening, IncomingMessage):
            channel.first = min(channel.first or happening.message_id, happening.message_id)
        channel.waiting.append(happening)
        if len(channel.waiting) > HELD_AT_MOST:
            self._make_room(channel)

    def hold_all(self) -> None:
        """A fresh session begins: every channel is held until `start`."""
        self._holds_all = True
        for channel in self._held.values():
            channel.again = True

    def start(self, channel_ids: Collection[int]) -> None:
        """Read back these channels, all at the same time; any other is held no longer."""
        self._holds_all = False
        for channel_id in channel_ids:
            channel = self._held.setdefault(channel_id, _Channel())
            if channel.task is None:
                name = f"read back {channel_id}"
                channel.task = asyncio.create_task(self._catch_up(channel_id, channel), name=name)
            else:
                channel.again = True
        for channel_id, channel in list(self._held.items()):
            if channel.task is None:
                self._release(channel_id, channel)

    @property
    def behind(self) -> int:
        """How many channels are being read back."""
        return len(self._held)

    async def close(self) -> None:
        """Stop reading. What is held is dropped: the next start reads it back."""
        tasks = [channel.task for channel in self._held.values() if channel.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._held.clear()

    async def _catch_up(self, channel_id: int, channel: _Channel) -> None:
        count = 0
        try:
            count = await self._read_back(channel_id, channel)
        except Exception as error:
            # One channel that cannot be read (no permission, gone) holds up no other.
            log.warning("Channel %d cannot be read back: %s", channel_id, shown(error))
        if count:
            log.info("Channel %d: %d messages read back", channel_id, count)
        self._release(channel_id, channel)

    async def _read_back(self, channel_id: int, channel: _Channel) -> int:
        """Tell all that is newer than what was told. Returns how many that were."""
        count = 0
        after = await self._patiently(channel_id, lambda: self._begin_after(channel_id))
        while True:
            channel.again = False
            came_before = len(channel.waiting)
            page = await self._patiently(channel_id, partial(self._read_page, channel_id, after))
            if after is None and page and channel.first and channel.first < page[0].message_id:
                # It took so long that the newest are newer than what waits: on from there.
                after = channel.first - 1
                continue
            told = {message.message_id for message in page if self._tell_once(message)}
            count += len(told)
            _drop_counted(channel.waiting, came_before, told)
            is_last = after is None or len(page) < PAGE_MESSAGES
            if page:
                after = page[-1].message_id
            if channel.again:
                after = max((after or 0) - OVERLAP, 0) if is_last else after
            elif is_last:
                return count
            after = after or 0

    async def _begin_after(self, channel_id: int) -> int | None:
        stored = await self._read_until(channel_id)
        told = self._newest_told.get(channel_id)
        newest = max((one for one in (stored, told) if one is not None), default=None)
        return None if newest is None else max(newest - OVERLAP, 0)

    async def _patiently(self, channel_id: int, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, however long it takes. Raises what does not pass by itself."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with self._turn:
                    return await ask()
            except Exception as error:
                if not is_passing(error) and not isinstance(error, MynahError):  # a busy database
                    raise
                log.warning("Channel %d: %s; tried again", channel_id, shown(error))
            await self._sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _release(self, channel_id: int, channel: _Channel) -> None:
        del self._held[channel_id]
        for happening in channel.waiting:
            self._tell_once(happening)

    def _tell_once(self, happening: Happening) -> bool:
        """Tell it; a message only where it was not told before."""
        if isinstance(happening, IncomingMessage):
            if happening.message_id in self._told:
                return False
            self._told[happening.message_id] = None
            if len(self._told) > TOLD_AT_MOST:
                self._told.popitem(last=False)
            newest = self._newest_told.get(happening.channel_id, 0)
            self._newest_told[happening.channel_id] = max(newest, happening.message_id)
        self._tell(happening)
        return True

    @staticmethod
    def _make_room(channel: _Channel) -> None:
        """Let go of messages: they are read back as well. Then of reactions, the older half; edits
        and deletions are few and stay."""
        changes = [one for one in channel.waiting if not isinstance(one, IncomingMessage)]
        reactions = [one for one in changes if isinstance(one, Reacted | ReactionsCleared)]
        gone = {id(one) for one in reactions[: max(0, len(reactions) - HELD_AT_MOST // 2)]}
        channel.waiting = [one for one in changes if id(one) not in gone]
        channel.again = True


def _drop_counted(waiting: list[Happening], came_before: int, told: Collection[int]) -> None:
    """Drop the reactions that came before a page was read: its new messages have them counted."""
    waiting[:came_before] = [
        one
        for one in waiting[:came_before]
        if not (isinstance(one, Reacted | ReactionsCleared) and one.message_id in told)
    ]
