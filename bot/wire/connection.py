"""One client that showed the key: its requests are answered side by side, in any order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.wire.framing import LINE_BYTES, ControlError, LineError, Lines, decode, encode, send
from storage.errors import MynahError

log = logging.getLogger(__name__)

Handler = Callable[[dict[str, Any]], Awaitable[Mapping[str, Any]]]
"""Carries out one kind of request: its fields in, those of the answer out.

A MynahError's sentence goes to whoever asked; of any other exception only the log says more.
"""

MAX_REQUESTS = 64
"""How many requests of one client may run at once."""
_SENTENCE_CHARS = 4_000


class Connection:
    """Used from the event loop's thread only."""

    def __init__(
        self,
        lines: Lines,
        transport: asyncio.WriteTransport,
        handlers: Mapping[str, Handler],
        tasks: set[asyncio.Task[None]],
    ) -> None:
        """`tasks` is the server's: a request that runs outlives the client that asked."""
        self.transport = transport
        self._lines = lines
        self._handlers = handlers
        self._tasks = tasks
        self._running = 0

    def send(self, line: bytes) -> bool:
        """Never waits; a client that does not read is dropped. Whether it was taken."""
        return send(self.transport, line)

    async def serve(self) -> None:
        """Take requests until the client leaves. Raises LineError for what is none."""
        while (line := await self._lines.next(LINE_BYTES)) is not None:
            if self.transport.is_closing():
                return
            message = decode(line)
            number = message.pop("id", None)
            if type(number) is not int:
                raise LineError("A client of the control channel sent a request without an id.")
            self._begin(number, message)

    def _begin(self, number: int, message: dict[str, Any]) -> None:
        if self._running >= MAX_REQUESTS:
            self.send(_refusal(number, "Too many requests at once; wait for some answers first."))
            return
        self._running += 1
        task = asyncio.create_task(self._answer(number, message))
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running -= 1
        self._tasks.discard(task)

    async def _answer(self, number: int, message: dict[str, Any]) -> None:
        self.send(await self._outcome(number, message))

    async def _outcome(self, number: int, message: dict[str, Any]) -> bytes:
        do = message.pop("do", None)
        try:
            handler = self._handlers.get(do) if isinstance(do, str) else None
            if handler is None:
                raise ControlError(f"The bot knows no request {str(do)[:50]!r}.")
            return encode({**await handler(message), "id": number, "ok": True})
        except MynahError as error:
            return _refusal(number, str(error))
        except asyncio.CancelledError:  # by the server's close alone
            return _refusal(number, "The bot stops; ask again when it runs.")
        except Exception:
            log.exception("The request %s failed.", do)
            return _refusal(number, "Something went wrong inside the bot; its log says what.")


def _refusal(number: int, sentence: str) -> bytes:
    return encode({"id": number, "ok": False, "error": sentence[:_SENTENCE_CHARS]})
