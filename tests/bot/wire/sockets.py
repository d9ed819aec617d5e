"""What the tests of the control channel connect with: a server, and raw sockets that misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from bot.protocol import ControlServer, Endpoint, Handler


async def echo(data: dict[str, Any]) -> dict[str, Any]:
    return data


@asynccontextmanager
async def serving(
    folder: Path, handlers: Mapping[str, Handler] | None = None, **more: Any
) -> AsyncIterator[tuple[ControlServer, Endpoint]]:
    server = ControlServer(
        folder,
        hello=lambda: {"phase": "online"},
        handlers={"echo": echo, **(handlers or {})},
        **more,
    )
    endpoint = await server.start()
    try:
        yield server, endpoint
    finally:
        await server.close(0.2)


class Raw:
    """One bare connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, said: Mapping[str, Any] | bytes) -> None:
        self.writer.write(said if isinstance(said, bytes) else json.dumps(said).encode() + b"\n")

    def will_reset(self) -> None:
        """Its end will be a reset, not a farewell: what a killed process may leave."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(
            socket.SOL_SOCKET,
            socket.SO_LINGER,
            struct.pack("hh" if os.name == "nt" else "ii", 1, 0),
        )

    async def line(self) -> dict[str, Any]:
        return json.loads(await asyncio.wait_for(self.reader.readline(), 5))

    async def rest(self) -> bytes:
        """Whatever still comes until the other side ends it."""
        got = b""
        with suppress(ConnectionError):
            while chunk := await asyncio.wait_for(self.reader.read(65_536), 5):
                got += chunk
        return got


@asynccontextmanager
async def raw(endpoint: Endpoint) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port, limit=1 << 21)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


async def until(is_so: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Wait until `is_so()`; fails after `timeout_s`."""

    async def poll() -> None:
        while not is_so():  # noqa: ASYNC110 - of states that have no event
            await asyncio.sleep(0.005)

    await asyncio.wait_for(poll(), timeout_s)
