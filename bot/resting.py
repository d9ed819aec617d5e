"""Gives a training on the same machine the model's memory: the model leaves it, nobody is answered,
the bot stays online and reads on.

Whoever trains marks itself in data_storage/resting.json and says `rest` over the control channel;
at the end it takes the mark away and says so again (scripts/stopped_bot.py). Where that never
comes, because the training was killed, its process is gone and the bot wakes by itself; a bot that
starts meanwhile rests from the start. The bot's own !train is no other case: its child asks for the
memory like anybody else. Event loop's thread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from bot.model_keeper import ModelKeeper
from bot.process_mark import mark, marked

NAME = "resting.json"
LOOK_S = 5.0
"""How often it is looked whether who trains is still there."""


def mark_this_process(data_storage: Path) -> bool:
    """Say that this process trains now; False where one that lives said so. Raises OSError."""
    if marked(data_storage / NAME) is not None:
        return False
    mark(data_storage / NAME, "training", os.getpid())
    return True


def unmark(data_storage: Path) -> None:
    (data_storage / NAME).unlink(missing_ok=True)


class Resting:
    """One bot's."""

    def __init__(
        self,
        data_storage: Path,
        keeper: ModelKeeper,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._data_storage = data_storage
        self._keeper = keeper
        self._sleep = sleep

    def is_wanted(self) -> bool:
        """Whether somebody who lives marked itself."""
        return marked(self._data_storage / NAME) is not None

    async def follow(self) -> bool:
        """Rest or wake, as the mark wants it; whether it rests now. A server elsewhere answers on.
        Raises MynahError."""
        if not await asyncio.to_thread(self.is_wanted):
            self._keeper.wake()
        elif not self._keeper.is_resting:
            await self._keeper.rest()
        return self._keeper.is_resting

    async def run(self) -> None:
        """Wake once who trained is gone. Never ends."""
        while True:
            await self._sleep(LOOK_S)
            if self._keeper.is_resting:
                await self.follow()
