"""A stand-in for Discord (REST v10 and gateway) on loopback, for an unpatched discord.py client.

    async with StandIn() as discord:                     # its loop is the caller's
        with addresses(discord): ...                     # discord.py of this process talks to it
        # or, for a subprocess: env MYNAH_DISCORD_API=discord.api_url,
        #                       MYNAH_DISCORD_GATEWAY=discord.gateway_url
        world = discord.world                            # a server, #general, #random, carol (its
        asked = world.say(world.general.id, world.alice.id, "hello")      # owner), alice, bob
        post = await discord.wait_for_post(lambda one: one.reply_to == asked)
        assert discord.violations == []

`discord`   token, bot_id, api_url, gateway_url; `requests` (method, path, status, body or query),
            `asked("POST /channels/*/messages")` those that fit; `posts(channel_id)`; `violations`
            of Discord's own description and limits, and `validates`: False where ../shared is not
            on this machine; `wait_for_post`, `wait_until(condition)`, `wait_for_connection`,
            `wait_for_answer(interaction)`; `connected`, `identifies`, `resumes`, `heartbeats`,
            `close_codes`. When it is made: token, check_every (n checks every n-th request),
            heartbeat_interval_ms. An account whose `avatar` is set (any text) has a picture.
`world`     say, edit, alter (a link unfurls), delete, bulk_delete, react, unreact, clear_reactions,
            start_typing, direct_message, interact, fill (old messages); add_channel, add_thread,
            add_member, add_role, add_emoji, change_member, deny, allow, rename_channel,
            archive_thread, delete_channel, remove_member, remove_guild; messages, channel(id),
            commands, `typings`, `posted`; real_limits = True for Discord's rate limits;
            direct_refused (who takes no direct messages).
`faults`    rate_limit, fail, drop, delay (by route), abort_connections, close_gateway, op7, op9,
            forget_sessions, zombie, mute_heartbeats, invalidate_identifies, refuse_token,
            disallow_intents, strip_content, clear, `await` down and up.

`with StandInThread() as discord:` is the same for tests without a loop: it runs in a thread of its
own, and everything above is called as a plain function, whose result comes when it is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.discord_stand_in import rest_interactions, rest_messages, rest_people, rest_threads
from tests.discord_stand_in.faults import Faults
from tests.discord_stand_in.gateway import Gateway
from tests.discord_stand_in.openapi import DESCRIPTION, open_api
from tests.discord_stand_in.rest import API, Rest
from tests.discord_stand_in.watch import Watch
from tests.discord_stand_in.world import World

TOKEN = "MTAwMDAwMDAwMDAwMDAwMDAwMA.GsTaNd.In-for-Discord_no-secret-at-all-000000"
_ROUTES = (
    *rest_messages.ROUTES,
    *rest_threads.ROUTES,
    *rest_people.ROUTES,
    *rest_interactions.ROUTES,
)


class StandIn(Watch):
    """Discord on 127.0.0.1, as an async context manager. Call it from its own loop alone."""

    def __init__(
        self,
        *,
        token: str = TOKEN,
        world: World | None = None,
        check_every: int = 1,
        heartbeat_interval_ms: int = 41_250,
        description: Path = DESCRIPTION,
    ) -> None:
        self.token = token
        world = world or World()
        self.faults = Faults(self, world)
        api = open_api(description)
        self.validates = api is not None
        super().__init__(
            world,
            Rest(world, self.faults, token, _ROUTES, api, check_every),
            Gateway(world, self.faults, token, heartbeat_interval_ms),
        )
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> StandIn:
        app = web.Application(client_max_size=32 * 2**20)
        app.router.add_get("/gateway{tail:/?}", self.gateway.answer)
        app.router.add_route("*", API + "{tail:/.*}", self.rest.answer)
        app.router.add_get("/avatars/{user_id}/{picture}.png", _picture)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.up()
        self.world.gateway_url = self.gateway_url
        self.world.listener = self.gateway.hear
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.down()
        await self._runner.cleanup()

    @property
    def bot_id(self) -> int:
        return self.world.bot_id

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}{API}"

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gateway"

    async def up(self) -> None:
        """Listens (again), on the same port as before. Raises OSError where that is taken for 5 s
        on end."""
        if self._server is not None:
            return
        loop = asyncio.get_running_loop()
        give_up_s = time.monotonic() + 5
        while True:
            try:
                self._server = await loop.create_server(
                    self._protocols, "127.0.0.1", self.port, backlog=512
                )
                break
            except OSError:
                if time.monotonic() > give_up_s:
                    raise
                await asyncio.sleep(0.05)
        self.port = self._server.sockets[0].getsockname()[1]

    def _protocols(self) -> asyncio.Protocol:
        assert self._runner.server is not None
        return self._runner.server()

    async def down(self) -> None:
        """Cuts every connection and listens no more: new ones are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.abort_connections()
        await asyncio.sleep(0)

    def abort_connections(self) -> None:
        """Cuts every connection; new ones are welcome."""
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    def to_gateway(self, act: str, value: int | bool) -> None:
        self.gateway.act(act, value)


async def _picture(request: web.Request) -> web.Response:
    """What Discord's other host has: an account's picture, here one of a single colour."""
    side = int(request.query.get("size", "128"))
    rows = (b"\0" + b"\x2f\x6f\xde" * side) * side
    head = struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    made = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return web.Response(body=b"\x89PNG\r\n\x1a\n" + made, content_type="image/png")


@contextlib.contextmanager
def addresses(stand_in: StandIn | StandInThread) -> Iterator[None]:
    """discord.py of this process talks to the stand-in while this is open."""
    import yarl
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE = stand_in.api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(stand_in.gateway_url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before


class _Across:
    """An object of the other thread: what is called runs there, and its result is waited for."""

    def __init__(self, target: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.__dict__.update(_target=target, _loop=loop)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not inspect.ismethod(found):
            return found
        return lambda *args, **named: _run_in(self._loop, found, args, named)

    def __setattr__(self, name: str, value: Any) -> None:
        _run_in(self._loop, setattr, (self._target, name, value), {})


def _run_in(loop: asyncio.AbstractEventLoop, call: Any, args: Any, named: Any) -> Any:
    async def run() -> Any:
        result = call(*args, **named)
        return await result if inspect.isawaitable(result) else result

    return asyncio.run_coroutine_threadsafe(run(), loop).result()


class StandInThread:
    """`StandIn` in a thread with a loop of its own, as a context manager; see the module."""

    world: Any
    faults: Any

    def __init__(self, **named: Any) -> None:
        self._named = named
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="discord", daemon=True)

    def __enter__(self) -> StandInThread:
        self._thread.start()
        self.inner: StandIn = _run_in(self._loop, lambda: StandIn(**self._named), (), {})
        _run_in(self._loop, self.inner.__aenter__, (), {})
        self._across = _Across(self.inner, self._loop)
        self.world = _Across(self.inner.world, self._loop)
        self.faults = _Across(self.inner.faults, self._loop)
        return self

    def __exit__(self, *exc: object) -> None:
        _run_in(self._loop, self.inner.__aexit__, (None, None, None), {})
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def call(self, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Runs a function, or a coroutine function, on the stand-in's loop; returns its result. Use
        it for many acts at once: `call(lambda: [world.say(...) for ...])` with `inner.world`."""
        return _run_in(self._loop, function, args, named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_across"], name)
