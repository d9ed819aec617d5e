"""The lines of the control channel: JSON objects, one a line, each of a bounded size.

A line that is too long, or no JSON object, ends its connection: nothing after it can be trusted.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

from storage.errors import MynahError

log = logging.getLogger(__name__)

VERSION = 1
"""Of the protocol. Another number is another protocol; what is added within one is optional."""

HANDSHAKE_LINE_BYTES = 4 << 10
"""The longest line before both sides have shown that they hold the key."""
LINE_BYTES = 1 << 20
"""The longest line after that, its line break included."""
BUFFER_BYTES = 4 << 20
"""What may wait for a peer that does not read, before it is dropped."""
_CHUNK_BYTES = 64 << 10


class ControlError(MynahError):
    """The running bot could not be reached, or refused what was asked."""


class NotRunningError(ControlError):
    """Nobody who holds the home's key answers where its endpoint file points: no bot runs."""


class LineError(ControlError):
    """The other side sent what the protocol does not allow."""


def encode(message: Mapping[str, Any]) -> bytes:
    """One line. Raises ControlError above LINE_BYTES; TypeError, ValueError where it is no JSON."""
    line = json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"
    if len(line) > LINE_BYTES:
        raise ControlError(
            f"That is {len(line):,} bytes long; the control channel takes {LINE_BYTES:,} at most."
        )
    return line


def decode(line: bytes) -> dict[str, Any]:
    """The object in a line. Raises LineError where there is none."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineError("The other side sent a line that is no JSON.") from error
    if not isinstance(message, dict):
        raise LineError("The other side sent a line that is no JSON object.")
    return message


def send(transport: asyncio.WriteTransport, line: bytes) -> bool:
    """Hand a line to the operating system or its buffer; never waits.

    A peer that lets more than BUFFER_BYTES pile up is dropped. Returns whether the line was taken.
    """
    if transport.is_closing():
        return False
    if transport.get_write_buffer_size() + len(line) > BUFFER_BYTES:
        transport.abort()
        log.warning("Dropped a peer of the control channel that no longer reads.")
        return False
    transport.write(line)
    return True


class Lines:
    """The lines that come in over one connection; what is held is bounded by the limit asked."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._held = bytearray()

    async def next(self, limit_bytes: int) -> bytes | None:
        """The next line without its end; None once the connection is over, however it ended.

        Raises LineError for one longer than `limit_bytes`.
        """
        searched = 0
        while (end := self._held.find(b"\n", searched)) < 0:
            if len(self._held) >= limit_bytes:
                break
            searched = len(self._held)
            if not await self._fill():
                return None
        if not 0 <= end < limit_bytes:
            raise LineError(f"The other side sent a line of more than {limit_bytes:,} bytes.")
        line = bytes(self._held[:end])
        del self._held[: end + 1]
        return line

    async def _fill(self) -> bool:
        try:
            chunk = await self._reader.read(_CHUNK_BYTES)
        except OSError:  # reset by the other side
            return False
        self._held += chunk
        return bool(chunk)
