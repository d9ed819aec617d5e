"""The handshake: both sides show that they hold the endpoint file's key, neither sends it.

    server -> {"mynah": 1, "challenge": X}
    client -> {"proof": HMAC(key, "client:" + X), "challenge": Y}
    server -> {"proof": HMAC(key, "server:" + Y), "hello": {"version": 1, "pid": ..., ...}}

X and Y are 32 fresh random bytes as hex, so an overheard proof opens nothing later; the words
"client" and "server" keep one side's proof from being thrown back at it. HMAC is SHA-256 with the
key's 32 bytes. Whoever does not answer the first line rightly gets no byte more.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any

from bot.wire.framing import (
    HANDSHAKE_LINE_BYTES,
    LINE_BYTES,
    VERSION,
    ControlError,
    LineError,
    Lines,
    NotRunningError,
    decode,
    encode,
    send,
)

_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)


def prove(key: str, side: str, challenge: str) -> str:
    """What only a holder of `key` can answer to `challenge`; `side` is "client" or "server"."""
    said = f"{side}:{challenge}".encode("ascii")
    return hmac.new(bytes.fromhex(key), said, hashlib.sha256).hexdigest()


async def examine(lines: Lines, transport: asyncio.WriteTransport, key: str) -> str:
    """The server's half: challenge whoever connected and return our proof for them.

    The caller sends it (`welcome`), so that nothing comes between that and what it does next.
    Raises LineError where they do not hold the key; they are to be cut off without a word.
    """
    challenge = secrets.token_hex(32)
    send(transport, encode({"mynah": VERSION, "challenge": challenge}))
    answer = await _line(lines, HANDSHAKE_LINE_BYTES)
    if not _agrees(answer.get("proof"), prove(key, "client", challenge)):
        raise LineError("Somebody without the key knocked at the control channel.")
    return prove(key, "server", _challenge(answer))


def welcome(proof: str, hello: Mapping[str, Any]) -> bytes:
    """The line that lets a client in."""
    return encode({"proof": proof, "hello": {**hello, "version": VERSION}})


async def enter(lines: Lines, transport: asyncio.WriteTransport, key: str) -> dict[str, Any]:
    """The client's half: the hello of a bot that holds the key.

    Raises NotRunningError where the other side does not, ControlError where it speaks another
    version of the protocol.
    """
    try:
        first = await _line(lines, HANDSHAKE_LINE_BYTES)
        _check_version(first)
        own = secrets.token_hex(32)
        proof = prove(key, "client", _challenge(first))
        send(transport, encode({"proof": proof, "challenge": own}))
        last = await _line(lines, LINE_BYTES)
    except LineError as error:
        raise NotRunningError(_NOBODY) from error
    hello = last.get("hello")
    if not _agrees(last.get("proof"), prove(key, "server", own)) or not isinstance(hello, dict):
        raise NotRunningError(_NOBODY)
    return hello


_NOBODY = "No bot of this home answers; its last one ended without a word. Start it again."


async def _line(lines: Lines, limit_bytes: int) -> dict[str, Any]:
    line = await lines.next(limit_bytes)
    if line is None:
        raise LineError("The other side ended the connection during the handshake.")
    return decode(line)


def _check_version(first: Mapping[str, Any]) -> None:
    theirs = first.get("mynah")
    if type(theirs) is not int:
        raise LineError("The other side is no bot of ours.")
    if theirs != VERSION:
        raise ControlError(
            f"The running bot speaks version {theirs} of the control protocol, this program "
            f"version {VERSION}; stop the bot and start it again from the same installation."
        )


def _challenge(message: Mapping[str, Any]) -> str:
    challenge = message.get("challenge")
    if not isinstance(challenge, str) or not _HEX.fullmatch(challenge):
        raise LineError("The other side sent no challenge.")
    return challenge


def _agrees(given: object, expected: str) -> bool:
    if not isinstance(given, str) or not given.isascii():
        return False
    return hmac.compare_digest(given, expected)
