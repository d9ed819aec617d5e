"""What a test sees of the stand-in: what was asked and said, and waiting for it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from tests.discord_stand_in.faults import pattern_of
from tests.discord_stand_in.gateway import Gateway
from tests.discord_stand_in.rest import Asked, Rest
from tests.discord_stand_in.sayings import Interaction, Message
from tests.discord_stand_in.world import World


class Watch:
    """Over a world, its REST and its gateway."""

    def __init__(self, world: World, rest: Rest, gateway: Gateway) -> None:
        self.world = world
        self.rest = rest
        self.gateway = gateway
        self._bell = asyncio.Event()
        rest.on_change = gateway.on_change = self.ring

    @property
    def requests(self) -> list[Asked]:
        return self.rest.requests

    def asked(self, route: str) -> list[Asked]:
        """The requests that fit a route, written as `faults.pattern_of` says."""
        pattern = pattern_of(route)
        return [one for one in self.requests if pattern.fullmatch(f"{one.method} {one.route}")]

    @property
    def violations(self) -> list[str]:
        return self.rest.violations

    @property
    def identifies(self) -> int:
        return self.gateway.identifies

    @property
    def resumes(self) -> int:
        return self.gateway.resumes

    @property
    def heartbeats(self) -> int:
        return self.gateway.heartbeats

    @property
    def close_codes(self) -> list[int]:
        return self.gateway.close_codes

    @property
    def connected(self) -> bool:
        return self.gateway.connected

    def posts(self, channel_id: int | None = None) -> list[Message]:
        """What the bot posted, in order; what it deleted later is still there."""
        return [m for m in self.world.posted if channel_id in (None, m.channel_id)]

    def ring(self) -> None:
        """Something happened: whoever waits looks again."""
        self._bell.set()

    async def wait_until(self, condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
        """Waits until `condition()` holds, looked at whenever something was asked or somebody came
        or went, and every 50 ms; returns its value. Raises TimeoutError."""
        give_up_s = time.monotonic() + timeout_s
        while True:
            self._bell.clear()
            value = condition()
            if value:
                return value
            left_s = give_up_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"nothing of the kind within {timeout_s} s")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._bell.wait(), min(left_s, 0.05))

    async def wait_for_post(
        self,
        wanted: int | Callable[[Message], bool] = 1,
        timeout_s: float = 10.0,
        channel_id: int | None = None,
    ) -> Message:
        """Waits for the bot's n-th post since the start (from 1), or the first that `wanted` likes.
        Raises TimeoutError."""

        def found() -> Message | None:
            posts = self.posts(channel_id)
            if callable(wanted):
                return next((post for post in posts if wanted(post)), None)
            return posts[wanted - 1] if len(posts) >= wanted else None

        return await self.wait_until(found, timeout_s)

    async def wait_for_connection(self, timeout_s: float = 10.0) -> None:
        """Waits until a client is on the gateway. Raises TimeoutError."""
        await self.wait_until(lambda: self.connected, timeout_s)

    async def wait_for_answer(
        self, interaction: Interaction, n: int = 1, timeout_s: float = 10.0
    ) -> Interaction:
        """Waits until an interaction has `n` responses; "thinking" is one. Raises TimeoutError."""
        await self.wait_until(lambda: len(interaction.responses) >= n, timeout_s)
        return interaction
