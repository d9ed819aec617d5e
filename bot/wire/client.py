"""The other end of the control channel: the window, the supervisor, a script."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

from bot.wire.endpoint import Endpoint, read_endpoint
from bot.wire.framing import (
    LINE_BYTES,
    ControlError,
    LineError,
    Lines,
    NotRunningError,
    decode,
    encode,
    send,
)
from bot.wire.handshake import enter

log = logging.getLogger(__name__)

OnEvent = Callable[[str, dict[str, Any]], None]
"""Called in the client's event loop with an event's name and its fields; must not block."""

_ENDED = "The connection to the bot has ended; it stops, restarts or was ended."
_NONE = "No bot of this home runs; start it first."


CONNECT_S = 5.0
"""How long a bot may take to shake hands, however long its answer takes."""


class ControlClient:
    """One connection to a running bot; made by `connect`. Belongs to one event loop's thread."""

    def __init__(
        self,
        lines: Lines,
        writer: asyncio.StreamWriter,
        hello: dict[str, Any],
        on_event: OnEvent | None,
    ) -> None:
        self.hello = hello
        """What the bot said at the start: `version`, `pid` and what `bot.control` adds."""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the connection is over, whoever ended it. Wait with `wait_closed`, or
        asyncio.wait: a task that awaits it bare and is cancelled would cancel it too."""
        self.on_event = on_event
        self._lines = lines
        self._transport = writer.transport
        self._writer = writer  # the stream lives as long as this does
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = count(1)
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def connect(
        cls, endpoint: Endpoint, *, on_event: OnEvent | None = None, timeout_s: float = 5.0
    ) -> ControlClient:
        """Connect and shake hands.

        Raises NotRunningError where nobody who holds the key listens there; ControlError where
        the bot does not answer within `timeout_s` or speaks another version of the protocol.
        """
        try:
            return await asyncio.wait_for(_connect(cls, endpoint, on_event), timeout_s)
        except asyncio.TimeoutError:
            raise ControlError(
                f"The bot (process {endpoint.pid}) did not answer within {timeout_s:g} s; "
                "if that goes on, restart it."
            ) from None

    @property
    def is_closed(self) -> bool:
        return self._transport.is_closing() or self.closed.done()

    async def ask(
        self, do: str, /, *, timeout_s: float | None = 10.0, **data: Any
    ) -> dict[str, Any]:
        """The answer's fields. Several may be asked at once; `timeout_s` None waits for ever.

        Raises ControlError with the bot's own sentence where it refuses, with ours where the
        connection ends or no answer comes in time (what was asked may still be carried out).
        """
        number = next(self._numbers)
        line = encode({**data, "id": number, "do": do})
        answer = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            if self.is_closed or not send(self._transport, line):
                raise ControlError(_ENDED)
            return _accepted(await asyncio.wait_for(answer, timeout_s))
        except asyncio.TimeoutError:
            raise ControlError(f"The bot did not answer {do} within {timeout_s:g} s.") from None
        finally:
            self._waiting.pop(number, None)

    async def wait_closed(self) -> None:
        """Wait until the connection is over; may be cancelled."""
        await asyncio.wait({self.closed})

    async def close(self) -> None:
        """End the connection; questions that wait fail. May be called again."""
        self._transport.close()
        self._reading.cancel()
        await asyncio.wait({self._reading})
        self._over()

    async def __aenter__(self) -> ControlClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _read(self) -> None:
        try:
            while (line := await self._lines.next(LINE_BYTES)) is not None:
                self._take(decode(line))
        except LineError as error:
            log.warning("The connection to the bot was given up: %s", error)
        finally:
            self._over()

    def _take(self, message: dict[str, Any]) -> None:
        if "ok" not in message:
            self._tell(str(message.pop("event", None)), message)
            return
        number = message.pop("id", None)
        answer = self._waiting.get(number) if isinstance(number, int) else None
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _tell(self, name: str, data: dict[str, Any]) -> None:
        if self.on_event is None:
            return
        try:
            self.on_event(name, data)
        except Exception:
            log.exception("What was to follow the event %s failed.", name)

    def _over(self) -> None:
        self._transport.abort()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ControlError(_ENDED))
        if not self.closed.done():
            self.closed.set_result(None)


def ask_running(
    folder: Path, do: str, /, *, timeout_s: float = 5.0, **data: Any
) -> dict[str, Any] | None:
    """Ask the bot that runs on a home, and wait for the answer; None where none runs.

    `folder` is the home's `data_storage`. For scripts: to be called where no event loop runs.
    Raises ControlError with the bot's sentence where it refuses, with ours where a bot is there
    and does not answer within `timeout_s`.
    """
    endpoint = read_endpoint(folder)
    if endpoint is None:
        return None
    try:
        return asyncio.run(_ask_once(endpoint, do, timeout_s, data))
    except NotRunningError:
        return None


async def _ask_once(
    endpoint: Endpoint, do: str, timeout_s: float, data: dict[str, Any]
) -> dict[str, Any]:
    connect_s = min(timeout_s, CONNECT_S)
    async with await ControlClient.connect(endpoint, timeout_s=connect_s) as client:
        return await client.ask(do, timeout_s=timeout_s, **data)


async def _connect(
    made: type[ControlClient], endpoint: Endpoint, on_event: OnEvent | None
) -> ControlClient:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
    except OSError as error:
        raise NotRunningError(_NONE) from error
    try:
        if writer.get_extra_info("sockname") == writer.get_extra_info("peername"):
            raise NotRunningError(_NONE)  # a free port now and then connects to itself
        lines = Lines(reader)
        hello = await enter(lines, writer.transport, endpoint.key)
        return made(lines, writer, hello, on_event)
    except BaseException:
        with suppress(Exception):
            writer.transport.abort()
        raise


def _accepted(answer: dict[str, Any]) -> dict[str, Any]:
    if answer.pop("ok", None) is not True:
        sentence = answer.get("error")
        raise ControlError(sentence if isinstance(sentence, str) else "The bot refused.")
    return answer
