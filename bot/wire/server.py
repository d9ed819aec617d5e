"""The bot's end of the control channel: a loopback port for whoever reads the home's key.

What it must hold against: any program of any user of this machine may connect to the port. Without
the key it gets one line and some seconds, and only so many may wait at once; when more come, the
one that has waited longest goes, so that they cannot keep a holder of the key out by silence.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bot.wire.connection import Connection, Handler
from bot.wire.endpoint import Endpoint, new_key, remove_endpoint, write_endpoint
from bot.wire.framing import ControlError, Lines, encode
from bot.wire.handshake import examine, welcome

log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT_S = 5.0
MAX_STRANGERS = 32
"""How many connections may be in their handshake at once."""
_LOOPBACK = "127.0.0.1"


class ControlServer:
    """Answers requests and tells events. All methods belong to one event loop's thread."""

    def __init__(
        self,
        folder: Path,
        *,
        hello: Callable[[], Mapping[str, Any]],
        handlers: Mapping[str, Handler],
        began_s: float | None = None,
        handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S,
    ) -> None:
        """`folder` is a home's `data_storage`.

        `hello` makes what a new client is told first; `version` and `pid` are added to it.
        `began_s` is this process's `Endpoint.began_s`, which the standard library cannot tell.
        """
        self._folder = folder
        self._hello = hello
        self._handlers = handlers
        self._began_s = began_s
        self._handshake_timeout_s = handshake_timeout_s
        self._key = ""
        self._server: asyncio.Server | None = None
        self._strangers: dict[asyncio.WriteTransport, None] = {}
        self._connections: set[Connection] = set()
        self._attending: set[asyncio.Task[None]] = set()
        self._requests: set[asyncio.Task[None]] = set()

    @property
    def clients(self) -> int:
        """How many are connected that showed the key."""
        return len(self._connections)

    async def start(self) -> Endpoint:
        """Listen on a free port of 127.0.0.1, then write the endpoint file. Raises ControlError."""
        self._key = new_key()
        try:
            server = await asyncio.start_server(self._accept, sock=_listening_socket())
        except OSError as error:
            raise ControlError(f"The bot cannot listen on {_LOOPBACK} ({error}).") from error
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint(
            port, self._key, os.getpid(), time.time_ns() // 1_000_000, began_s=self._began_s
        )
        try:
            write_endpoint(self._folder, endpoint)
        except ControlError:
            server.close()
            raise
        self._server = server
        return endpoint

    def broadcast(self, event: str, data: Mapping[str, Any]) -> None:
        """Tell all clients; `data` is JSON without a field `ok`, by which answers are known.

        Never waits and never raises; a client that does not read is dropped.
        """
        try:
            line = _event(event, data)
        except Exception:
            log.exception("The event %s could not be told.", event)
            return
        for connection in tuple(self._connections):
            if not connection.send(line):
                self._connections.discard(connection)

    async def close(self, grace_s: float = 1.0) -> None:
        """Remove the file and stop listening; end requests and connections within about
        2 x `grace_s`: what was answered or told before is still delivered to who reads."""
        if self._server is None:
            return
        remove_endpoint(self._folder, os.getpid())
        self._server.close()
        for transport in tuple(self._strangers):
            transport.abort()
        await _end(self._requests, grace_s)
        for connection in self._connections:
            connection.transport.close()  # sends what waits, reads no more
        await _end(self._attending, grace_s)
        self._server = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Called by asyncio for each connection."""
        if len(self._strangers) >= MAX_STRANGERS:
            longest = next(iter(self._strangers))
            del self._strangers[longest]
            longest.abort()
        self._strangers[writer.transport] = None
        task = asyncio.create_task(self._attend(Lines(reader), writer))
        self._attending.add(task)
        task.add_done_callback(self._attending.discard)

    async def _attend(self, lines: Lines, writer: asyncio.StreamWriter) -> None:
        try:
            connection = await self._admit(lines, writer.transport)
            if connection is not None:
                await self._serve(connection)
        except Exception:
            log.exception("A connection of the control channel failed.")
        finally:
            writer.transport.abort()

    async def _admit(self, lines: Lines, transport: asyncio.WriteTransport) -> Connection | None:
        examining = examine(lines, transport, self._key)
        try:
            proof = await asyncio.wait_for(examining, self._handshake_timeout_s)
        except (ControlError, asyncio.TimeoutError, OSError) as error:
            log.debug("A stranger at the control channel was sent away: %s", error)
            return None
        finally:
            self._strangers.pop(transport, None)
        connection = Connection(lines, transport, self._handlers, self._requests)
        connection.send(welcome(proof, {**self._hello(), "pid": os.getpid()}))
        self._connections.add(connection)
        return connection

    async def _serve(self, connection: Connection) -> None:
        try:
            await connection.serve()
        except ControlError as error:
            log.warning("A client of the control channel was dropped: %s", error)
        finally:
            self._connections.discard(connection)


def _listening_socket() -> socket.socket:
    """Bound to a free loopback port that no other program can take over while we have it."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":  # there, others could bind it a second time
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        listening.bind((_LOOPBACK, 0))
    except OSError:
        listening.close()
        raise
    return listening


def _event(event: str, data: Mapping[str, Any]) -> bytes:
    if "ok" in data:
        raise ValueError("an event has no field `ok`")
    return encode({**data, "event": event})


async def _end(tasks: set[asyncio.Task[None]], grace_s: float) -> None:
    """Wait for the tasks, then cancel what is left; not the one that this runs in."""
    waited = tasks - {asyncio.current_task()}
    if not waited:
        return
    _, late = await asyncio.wait(waited, timeout=grace_s)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=grace_s)
