"""Tells a replay's lines to the bot at their times; the clock can stand still."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scripts.reply_bot import Asked, ReplayedBot
from scripts.reply_replay import Replay, ReplayLine, Stretch, arrivals_s


class Telling:
    """One replay. Its clock begins with its making. Event loop's thread."""

    def __init__(
        self, bot: ReplayedBot, replay: Replay, rate: float, seed: int, *, talks_on: bool = False
    ) -> None:
        """Text is to arrive at `rate` tokens a second on the average; with `talks_on` also while a
        reply is written."""
        chance = random.Random(seed)
        behind = Stretch(replay.rest or replay.stretches[-1].lines, False)
        self._plans: list[list[tuple[ReplayLine, float]]] = []
        since_ms: int | None = None
        for plan in (*replay.stretches, behind):
            times = arrivals_s(plan, rate, chance, since_ms)
            self._plans.append(list(zip(plan.lines, times, strict=True)))
            since_ms = plan.lines[-1].at_ms
        tokens = sum(line.tokens for plan in self._plans for line, _ in plan)
        self.rate = tokens / sum(plan[-1][1] for plan in self._plans)
        """Tokens a second: less than asked for where nobody could talk so fast."""
        self._bot = bot
        self._talks_on = talks_on
        self._begin_s = time.perf_counter()
        self._told = 0
        self._held: list[ReplayLine] = []
        self.tokens_told = 0

    async def up_to_the_ask(self, number: int) -> Asked:
        """What is left of the stretch, then its ask."""
        for line in self._held:
            self._tell(line)
        self._held = []
        for line, at_s in self._plans[number][self._told : -1]:
            await self._until(at_s)
            self._tell(line)
        line, at_s = self._plans[number][-1]
        await self._until(at_s)
        self._begin_s, self._told = time.perf_counter(), 0
        self.tokens_told += line.tokens
        return self._bot.ask(line)

    async def while_it_is_written(self, number: int, asked: Asked) -> None:
        """Wait until the reply is sent; others talk on meanwhile where they are to.

        What the asker says next waits for it: nobody types as fast as time is compressed, and the
        bot would answer that instead.
        """
        if not self._talks_on:
            began_s = time.perf_counter()
            await asyncio.wait({asked.sent})
            self._begin_s += time.perf_counter() - began_s
            return
        for line, at_s in self._plans[number + 1][:-1]:
            waits_s = max(0.0, self._begin_s + at_s - time.perf_counter())
            if (await asyncio.wait({asked.sent}, timeout=waits_s))[0]:
                return
            if line.author.member_id == asked.line.author.member_id:
                self._held.append(line)
            else:
                self._tell(line)
            self._told += 1
        await asyncio.wait({asked.sent})

    @asynccontextmanager
    async def standing_still(self) -> AsyncIterator[None]:
        """Nobody says anything meanwhile, and ours computes nothing."""
        since_s = time.perf_counter()
        await self._bot.pause()
        yield
        self._bot.resume()
        self._begin_s += time.perf_counter() - since_s

    def _tell(self, line: ReplayLine) -> None:
        self.tokens_told += line.tokens
        self._bot.tell(line)

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, self._begin_s + at_s - time.perf_counter()))
