"""Stays connected to Discord: logs in, waits while it cannot be reached, and begins anew.

Called from the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress

import discord

from bot.platforms.discord_client import DoorClient
from bot.platforms.discord_errors import checked_token, final_error, shown
from bot.platforms.discord_gateway import stay_on_gateway
from bot.platforms.platform import wall_clock_ms
from storage.errors import MynahError

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 300.0
"""Between two attempts to connect, as long as the network is away."""

FIRST_PAUSE_S = 1.0
LOOK_EVERY_S = 5.0
"""How often a pause looks at the clock on the wall: others stand still while a laptop sleeps."""

CLOSE_TIMEOUT_S = 5.0

OFFLINE = "offline"
CONNECTING = "connecting"
ONLINE = "online"
NO_NETWORK = "waiting for the network"
TOO_MANY_LOGINS = "waiting: too many logins today"
NO_INVITATION = "waiting for an invitation"


class Connection:
    """One bot account's connection, over any number of clients; `client` is the current one."""

    def __init__(
        self,
        make_client: Callable[[], DoorClient],
        on_phase: Callable[[str], None],
        *,
        now_ms: Callable[[], int] = wall_clock_ms,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self.client: DoorClient | None = None
        self.phase = OFFLINE
        self._make_client = make_client
        self._on_phase = on_phase
        self._now_ms = now_ms
        self._look_every_s = look_every_s
        self._pause_s = FIRST_PAUSE_S
        self._failures = 0
        self._ended: asyncio.Future[None] | None = None
        self._is_closing = False
        self._done = asyncio.Event()
        self._done.set()

    async def run(self, token: str) -> None:
        """Stay connected until `close`. A lost network is waited out, however long it takes.

        Raises BadTokenError, MissingIntentError, GatewayRefusedError, and what `fail` was given.
        """
        token = checked_token(token)
        self._done.clear()
        try:
            while not self._is_closing:
                await self._once(token)
        finally:
            self._done.set()

    async def close(self) -> None:
        """End `run`, and wait until it has ended."""
        self._is_closing = True
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        await self._done.wait()

    def fail(self, error: MynahError) -> None:
        """End `run` with this error."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(error)

    def set_phase(self, phase: str) -> None:
        """Tell a phase where it is a new one."""
        if phase != self.phase:
            self.phase = phase
            log.info("Discord: %s", phase)
            self._on_phase(phase)

    def went_up(self) -> None:
        """The gateway has taken us."""
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S

    async def _once(self, token: str) -> None:
        """One client from its login to its end, and the pause that is due after it."""
        self._ended = asyncio.get_running_loop().create_future()
        if self.phase != NO_NETWORK:
            self.set_phase(CONNECTING)
        try:
            await self._connected(token)
        except MynahError as error:
            wait_s = getattr(error, "retry_after_s", None)
            if wait_s is None:
                raise
            log.warning("%s", error)
            self.set_phase(TOO_MANY_LOGINS)
            await self._pause(float(wait_s))
        except Exception as error:
            final = final_error(error)
            if final is not None:
                raise final from error
            log.warning("No connection to Discord: %s", shown(error))
            self.set_phase(NO_NETWORK)
            await self._pause_longer()

    async def _connected(self, token: str) -> None:
        """Connect and stay so until `close`; raises whatever ends it before."""
        assert self._ended is not None
        client = self.client = self._make_client()
        work = asyncio.create_task(self._live(client, token), name="discord")
        try:
            await asyncio.wait({work, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done():
                self._ended.result()
            else:
                work.result()
        finally:
            client.retired = True
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await _put_away(client)

    async def _live(self, client: DoorClient, token: str) -> None:
        await client.login(token)
        await stay_on_gateway(client, self._lost)
        raise ConnectionError("the client was closed")

    async def _lost(self, is_asked: bool) -> int:
        """The first loss is followed by an attempt at once; so is the wish for a fresh session,
        before which discord.py makes its own pause."""
        if not is_asked:
            self._failures += 1
        if self._failures > 1:
            self.set_phase(NO_NETWORK)
        elif self.phase != NO_NETWORK:
            self.set_phase(CONNECTING)
        if self._failures > 1 and not is_asked:
            await self._pause_longer()
        return self._failures

    async def _pause_longer(self) -> None:
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, LONGEST_PAUSE_S)
        await self._pause(pause_s * random.uniform(0.75, 1.0))

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until `close`."""
        assert self._ended is not None
        until_ms = self._now_ms() + seconds * 1000
        while (left_s := (until_ms - self._now_ms()) / 1000) > 0 and not self._is_closing:
            await asyncio.wait({self._ended}, timeout=min(left_s, self._look_every_s))
            if self._ended.done():
                self._ended.result()


async def _put_away(client: discord.Client) -> None:
    """Close everything of it, at most CLOSE_TIMEOUT_S each: the network may be gone."""
    with suppress(Exception):
        await asyncio.wait_for(client.close(), CLOSE_TIMEOUT_S)
    with suppress(Exception):
        await asyncio.wait_for(client.http.close(), CLOSE_TIMEOUT_S)
