"""A plain discord.py client for the stand-in's own tests, which writes down what it hears."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import discord

from tests.discord_stand_in.stand_in import StandIn


def usual_intents() -> discord.Intents:
    """What Mynah asks for."""
    intents = discord.Intents.none()
    intents.guilds = intents.guild_messages = intents.message_content = True
    intents.members = intents.guild_reactions = True
    return intents


class Listener(discord.Client):
    """`heard` has the events in order, each with the first argument of its handler."""

    def __init__(self, **options: Any) -> None:
        options = {"intents": usual_intents(), "max_messages": None} | options
        super().__init__(guild_ready_timeout=0.1, **options)
        self.heard: list[tuple[str, Any]] = []
        self.running: asyncio.Task[None] | None = None

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        self.heard.append((event, args[0] if args else None))
        super().dispatch(event, *args, **kwargs)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Does not wait 5 s as discord.py would: only the stand-in is asked."""

    def events(self, name: str) -> list[Any]:
        return [argument for heard, argument in self.heard if heard == name]

    def texts(self) -> list[str]:
        """The content of all messages that came."""
        return [message.content for message in self.events("message")]

    async def hear(self, name: str, fits: Callable[[Any], bool] = lambda _: True) -> Any:
        """The first event of that name that fits, waited for."""
        for _ in range(1_000):
            for argument in self.events(name):
                if fits(argument):
                    return argument
            await asyncio.sleep(0.01)
        raise TimeoutError(f"no {name} among {[heard for heard, _ in self.heard][-20:]}")

    async def hear_text(self, text: str) -> Any:
        return await self.hear("message", lambda message: message.content == text)


@contextlib.asynccontextmanager
async def listening(stand_in: StandIn, **options: Any) -> AsyncIterator[Any]:
    """A `Listener` that is on the gateway and ready. Any: for discord.py's types a channel may be
    one of a dozen kinds, of which these tests have one."""
    async with Listener(**options) as client:
        client.running = asyncio.create_task(client.start(stand_in.token))
        await client.hear("ready")
        yield client
        await client.close()
        with contextlib.suppress(discord.DiscordException):
            await client.running
