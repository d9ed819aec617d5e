"""The platform on a stand-in for Discord, with everything that it told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot.messages import Happening, IncomingMessage, ReadersSeen
from bot.platforms.discord import DiscordPlatform
from storage.records import Readers
from storage.settings import Settings
from tests.discord_stand_in.stand_in import StandIn, addresses

T = TypeVar("T")


@dataclass
class Scene:
    """A platform and its Discord. `told` is what it told, but for `readers`; `phases` what it went
    through."""

    discord: StandIn
    values: dict[str, Any]
    orders: Any = None
    told: list[Happening] = field(default_factory=list)
    readers: dict[int, Readers] = field(default_factory=dict)
    phases: list[str] = field(default_factory=list)
    cursors: dict[int, int] = field(default_factory=dict)
    identify_errors: list[Exception] = field(default_factory=list)
    identifies: int = 0
    later_ms: int = 0
    """How far the bot's clock is put forward."""
    task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.settings = Settings(self.values)
        self.platform = self.made()

    def made(self) -> DiscordPlatform:
        """A platform as a fresh process has it."""
        return DiscordPlatform(
            settings=lambda: self.settings,
            tell=self.take,
            read_until=self.read_until,
            count_identify=self.count_identify,
            on_phase=self.phases.append,
            orders=self.orders,
            now_ms=lambda: self.discord.world.clock_ms() + self.later_ms,
            identify_pause_s=0.05,
            look_every_s=0.02,
            ready_wait_s=0.03,
        )

    def take(self, happening: Happening) -> None:
        if isinstance(happening, ReadersSeen):
            self.readers = dict(happening.readers)
        else:
            self.told.append(happening)

    async def read_until(self, channel_id: int) -> int | None:
        return self.cursors.get(channel_id)

    async def count_identify(self) -> None:
        self.identifies += 1
        if self.identify_errors:
            raise self.identify_errors.pop()

    def start(self, token: str | None = None) -> None:
        self.task = asyncio.create_task(self.platform.run(token or self.discord.token))

    async def online(self, timeout_s: float = 10.0) -> None:
        await self.until(lambda: self.phases and self.phases[-1] == "online", timeout_s)

    async def until(self, condition: Callable[[], T], timeout_s: float = 10.0) -> T:
        """Waits for a true value of `condition`; a run that ended meanwhile raises its error."""

        def looked() -> T:
            if self.task is not None and self.task.done():
                self.task.result()
            return condition()

        found: T = await self.discord.wait_until(looked, timeout_s)
        return found

    async def end(self) -> None:
        await self.platform.close()
        if self.task is not None:
            with contextlib.suppress(BaseException):
                await self.task

    def messages(self, channel_id: int | None = None) -> list[IncomingMessage]:
        """The messages told so far, of one channel or of all."""
        return [
            one
            for one in self.told
            if isinstance(one, IncomingMessage) and channel_id in (None, one.channel_id)
        ]

    def ids(self, channel_id: int | None = None) -> list[int]:
        return [one.message_id for one in self.messages(channel_id)]

    async def message(self, message_id: int) -> IncomingMessage:
        """Waits until this message is told."""

        def found() -> IncomingMessage | None:
            return next((m for m in self.messages() if m.message_id == message_id), None)

        one = await self.until(found)
        assert one is not None
        return one


@asynccontextmanager
async def discord_scene(
    *, start: bool = True, orders: Any = None, **values: Any
) -> AsyncIterator[Scene]:
    """A platform that listens to #general; `values` are settings. Online, unless `start` is off.

    What the stand-in found wrong with a request fails the test.
    """
    async with StandIn() as discord:
        with addresses(discord):
            settings = {"discord_channel_ids": str(discord.world.general.id)} | values
            scene = Scene(discord, settings, orders)
            try:
                if start:
                    scene.start()
                    await scene.online()
                yield scene
            finally:
                await scene.end()
        assert discord.violations == [], discord.violations
