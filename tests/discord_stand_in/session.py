"""One client of the gateway: what it was told, and its connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.discord_stand_in.events import Intent

KEPT_EVENTS = 50_000
"""Events of a session that no heartbeat has acknowledged; with more it cannot be resumed."""
COMMANDS_PER_MINUTE = 120


class Session:
    """What a client is told, numbered, until it says that it has it."""

    def __init__(self, session_id: str, intents: Intent) -> None:
        self.id = session_id
        self.intents = intents
        self.sequence = 0
        self.socket: Socket | None = None
        self.left_s = 0.0
        self.kept: deque[tuple[int, str, str]] = deque()
        """Number, name and data of what may have to be told again. The text of the data is shared
        by all sessions."""

    def dispatch(self, name: str, written: str) -> None:
        self.sequence += 1
        self.kept.append((self.sequence, name, written))
        if len(self.kept) > KEPT_EVENTS:
            self.kept.popleft()
        if self.socket is not None:
            self._send(self.sequence, name, written)

    def replay(self) -> None:
        """Tells what is kept again."""
        for number, name, written in self.kept:
            self._send(number, name, written)

    def _send(self, number: int, name: str, written: str) -> None:
        assert self.socket is not None
        self.socket.send(f'{{"op":0,"s":{number},"t":"{name}","d":{written}}}')

    def has(self, sequence: int | None) -> None:
        """The client has everything up to `sequence`."""
        while sequence is not None and self.kept and self.kept[0][0] <= sequence:
            self.kept.popleft()

    def can_replay(self, sequence: int) -> bool:
        oldest = self.kept[0][0] if self.kept else self.sequence + 1
        return oldest - 1 <= sequence <= self.sequence


@dataclass(eq=False)
class Socket:
    """One connection. What is sent goes out in order; nothing does once it is a zombie."""

    line: web.WebSocketResponse
    request: web.Request
    deflate: Any = None
    session: Session | None = None
    is_zombie: bool = False
    closed_with: int | None = None
    """The code with which the stand-in closed it."""
    commands: deque[float] = field(default_factory=deque)
    outgoing: asyncio.Queue[str | int] = field(default_factory=asyncio.Queue)

    def send(self, text: str) -> None:
        if not self.is_zombie:
            self.outgoing.put_nowait(text)

    def send_op(self, op: int, data: Any = None) -> None:
        self.send(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    def close(self, code: int) -> None:
        """Closes after what is waiting to go out."""
        self.closed_with = code
        self.outgoing.put_nowait(code)

    def abort(self) -> None:
        if self.request.transport is not None:
            self.request.transport.abort()

    async def write(self) -> None:
        """Sends until the connection ends."""
        with contextlib.suppress(ConnectionError, RuntimeError):
            while True:
                item = await self.outgoing.get()
                if isinstance(item, int):
                    await self.line.close(code=item)
                    return
                if self.is_zombie:
                    continue
                if self.deflate is None:
                    await self.line.send_str(item)
                else:
                    data = self.deflate.compress(item.encode())
                    await self.line.send_bytes(data + self.deflate.flush(zlib.Z_SYNC_FLUSH))

    def too_fast(self) -> bool:
        now_s = time.monotonic()
        self.commands.append(now_s)
        while self.commands[0] < now_s - 60:
            self.commands.popleft()
        return len(self.commands) > COMMANDS_PER_MINUTE
