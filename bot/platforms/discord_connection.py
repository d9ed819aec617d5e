"""Stays connected to Discord: logs in, reconnects, and begins anew where discord.py would not.

discord.py resumes and reconnects by itself once it was connected. What it does not do: survive a
failure of the login or of the very first connection, keep its pauses under 17 minutes, or wait
where too many logins were made today. Called from the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import discord

from bot.platforms.discord_client import DoorClient
from bot.platforms.discord_errors import checked_token, final_error, shown
from bot.platforms.platform import wall_clock_ms
from storage.errors import MynahError

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 300.0
"""Between two attempts to connect, as long as the network is away."""

FIRST_PAUSE_S = 1.0
WATCH_EVERY_S = 5.0
CLOSE_TIMEOUT_S = 5.0

OFFLINE = "offline"
CONNECTING = "connecting"
ONLINE = "online"
NO_NETWORK = "waiting for the network"
TOO_MANY_LOGINS = "waiting: too many logins today"
NO_INVITATION = "waiting for an invitation"


class _StaleError(Exception):
    """discord.py has not tried to connect for too long."""


class Connection:
    """One bot account's connection, over any number of clients; `client` is the current one."""

    def __init__(
        self,
        make_client: Callable[[], DoorClient],
        on_phase: Callable[[str], None],
        *,
        now_ms: Callable[[], int] = wall_clock_ms,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        longest_pause_s: float = LONGEST_PAUSE_S,
        watch_every_s: float = WATCH_EVERY_S,
    ) -> None:
        self.client: DoorClient | None = None
        self.phase = OFFLINE
        self._make_client = make_client
        self._on_phase = on_phase
        self._now_ms = now_ms
        self._sleep = sleep
        self._longest_pause_s = longest_pause_s
        self._watch_every_s = watch_every_s
        self._pause_s = FIRST_PAUSE_S
        self._attempt_ms = 0
        self._is_up = False
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
        self._is_up = True
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S

    def went_down(self) -> None:
        """The connection was lost, or an attempt to connect failed; discord.py tries again."""
        self._is_up = False
        self._attempt_ms = self._now_ms()
        self._failures += 1
        self.set_phase(CONNECTING if self._failures == 1 else NO_NETWORK)

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
            log.warning("No connection to Discord: %s", _named(error))
            self.set_phase(NO_NETWORK)
            await self._pause(self._pause_s * random.uniform(0.75, 1.0))
            self._pause_s = min(self._pause_s * 2, self._longest_pause_s)

    async def _connected(self, token: str) -> None:
        """Connect and stay so until `close`; raises whatever ends it before."""
        assert self._ended is not None
        client = self.client = self._make_client()
        self._is_up, self._attempt_ms = False, self._now_ms()
        work = asyncio.create_task(client.start(token), name="discord")
        watch = asyncio.create_task(self._watch(self._ended), name="discord watch")
        try:
            await asyncio.wait({work, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done():
                self._ended.result()
            else:
                await work
                if not self._is_closing:
                    raise ConnectionError("discord.py ended the connection")
        finally:
            client.retired = True
            watch.cancel()
            work.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)
            await _put_away(client)

    async def _watch(self, ended: asyncio.Future[None]) -> None:
        """End a client that has not tried to connect for too long: discord.py pauses longer than
        we want to, and a laptop that slept wakes up in the middle of such a pause.

        Measured on the wall clock, since others stand still while a machine sleeps.
        """
        while not ended.done():
            await asyncio.sleep(self._watch_every_s)
            tried_s = (self._now_ms() - self._attempt_ms) / 1000
            if not self._is_up and tried_s > self._longest_pause_s and not ended.done():
                ended.set_exception(_StaleError())

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until `close`."""
        assert self._ended is not None
        if self._ended.done():
            self._ended = asyncio.get_running_loop().create_future()
        if self._is_closing:
            return
        sleep = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait({sleep, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done():
                self._ended.result()
        finally:
            sleep.cancel()


async def _put_away(client: discord.Client) -> None:
    """Close everything of it, at most CLOSE_TIMEOUT_S each: the network may be gone."""
    with suppress(Exception):
        await asyncio.wait_for(client.close(), CLOSE_TIMEOUT_S)
    with suppress(Exception):
        await asyncio.wait_for(client.http.close(), CLOSE_TIMEOUT_S)


def _named(error: Exception) -> str:
    if isinstance(error, AttributeError):
        return "the first connection failed"  # discord.py's own slip: its socket is still None
    return "no attempt for too long" if isinstance(error, _StaleError) else shown(error)
