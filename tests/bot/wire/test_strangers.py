"""handshake: whoever has no key gets the challenge line and not one byte more."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.protocol import ControlClient, Endpoint, new_key
from bot.wire.handshake import prove
from bot.wire.server import MAX_STRANGERS
from tests.bot.wire.sockets import Raw, raw, serving, until

Answer = Callable[[str, str], Mapping[str, Any] | bytes]
"""From the challenge and the true key: what a stranger sends."""


def check_challenge(said: Mapping[str, Any]) -> str:
    assert set(said) == {"mynah", "challenge"}
    assert said["mynah"] == 1
    assert len(bytes.fromhex(said["challenge"])) == 32
    return said["challenge"]


async def test_who_holds_the_key_is_let_in_and_sees_the_servers_proof(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, endpoint), raw(endpoint) as knocking:
        challenge = check_challenge(await knocking.line())
        own = new_key()
        knocking.send({"proof": prove(endpoint.key, "client", challenge), "challenge": own})
        answer = await knocking.line()
        assert answer["proof"] == prove(endpoint.key, "server", own)
        assert answer["hello"] == {"version": 1, "pid": os.getpid(), "phase": "online"}
        knocking.send({"id": 1, "do": "echo", "a": 2})
        assert await knocking.line() == {"id": 1, "ok": True, "a": 2}


async def test_requests_may_follow_the_proof_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, endpoint), raw(endpoint) as knocking:
        challenge = check_challenge(await knocking.line())
        proof = {"proof": prove(endpoint.key, "client", challenge), "challenge": new_key()}
        knocking.send(json.dumps(proof).encode() + b'\n{"id": 1, "do": "echo"}\n')
        assert "hello" in await knocking.line()
        assert await knocking.line() == {"id": 1, "ok": True}


WRONG: dict[str, Answer] = {
    "another key": lambda challenge, key: {
        "proof": prove(new_key(), "client", challenge),
        "challenge": new_key(),
    },
    "the server's own words": lambda challenge, key: {
        "proof": prove(key, "server", challenge),
        "challenge": new_key(),
    },
    "no challenge": lambda challenge, key: {"proof": prove(key, "client", challenge)},
    "a short challenge": lambda challenge, key: {
        "proof": prove(key, "client", challenge),
        "challenge": "ab",
    },
    "a challenge that is none": lambda challenge, key: {
        "proof": prove(key, "client", challenge),
        "challenge": ["ab"],
    },
    "no proof": lambda challenge, key: {"challenge": new_key()},
    "a proof that is no text": lambda challenge, key: {"proof": 7, "challenge": new_key()},
    "a proof beyond ASCII": lambda challenge, key: {"proof": "ä" * 64, "challenge": new_key()},
    "half a surrogate": lambda challenge, key: b'{"proof": "\\ud800", "challenge": "x"}\n',
    "its own challenge": lambda challenge, key: {"mynah": 1, "challenge": challenge},
    "the challenge as proof": lambda challenge, key: {"proof": challenge, "challenge": challenge},
    "a request": lambda challenge, key: {"id": 1, "do": "stop"},
    "an empty line": lambda challenge, key: b"\n",
    "no JSON": lambda challenge, key: b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "no object": lambda challenge, key: b"[1, 2]\n",
    "a deep one": lambda challenge, key: b"[" * 4_000 + b"\n",
    "a huge number": lambda challenge, key: b"9" * 4_000 + b"\n",
    "bytes": lambda challenge, key: bytes(range(256)) + b"\n",
    "a line of 4 KiB and one": lambda challenge, key: b"x" * 4_096 + b"\n",
    "a right answer that is too long": lambda challenge, key: {
        "proof": prove(key, "client", challenge),
        "challenge": new_key(),
        "more": "x" * 4_096,
    },
    "a line without end": lambda challenge, key: b"x" * 200_000,
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_answer_ends_it_at_once_and_fills_no_log(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as (server, endpoint), raw(endpoint) as knocking:
        challenge = check_challenge(await knocking.line())
        began_s = time.monotonic()
        knocking.send(WRONG[name](challenge, endpoint.key))
        server.broadcast("secret", {"a": 1})
        assert await knocking.rest() == b""
        assert time.monotonic() - began_s < 2
        assert server.clients == 0
    assert [record.levelname for record in caplog.records if record.levelno > logging.DEBUG] == []


async def test_an_overheard_proof_opens_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, endpoint):
        async with raw(endpoint) as honest:
            challenge = check_challenge(await honest.line())
            overheard = {
                "proof": prove(endpoint.key, "client", challenge),
                "challenge": new_key(),
            }
            honest.send(overheard)
            assert "hello" in await honest.line()
        async with raw(endpoint) as thief:
            assert check_challenge(await thief.line()) != challenge
            thief.send(overheard)
            assert await thief.rest() == b""
        await until(lambda: server.clients == 0)


async def _silence(knocking: Raw) -> None:
    pass


async def _drip(knocking: Raw) -> None:
    for _ in range(40):
        knocking.send(b"{")
        await asyncio.sleep(0.02)


async def _half_open(knocking: Raw) -> None:
    knocking.writer.write_eof()


@pytest.mark.parametrize("dawdle", [_silence, _drip, _half_open])
async def test_dawdling_ends_at_the_deadline(tmp_path: Path, dawdle: Callable[[Raw], Any]) -> None:
    async with (
        serving(tmp_path, handshake_timeout_s=0.3) as (server, endpoint),
        raw(endpoint) as knocking,
    ):
        check_challenge(await knocking.line())
        began_s = time.monotonic()
        dawdling = asyncio.create_task(dawdle(knocking))
        server.broadcast("secret", {"a": 1})
        assert await knocking.rest() == b""
        assert time.monotonic() - began_s < 0.7
        dawdling.cancel()


async def test_who_leaves_in_the_middle_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as (server, endpoint):
        for words in (b"", b"{", b'{"proof": "'):
            async with raw(endpoint) as knocking:
                await knocking.line()
                knocking.send(words)
                knocking.will_reset()
        await until(lambda: not server._strangers and not server._attending)
    assert [record.levelname for record in caplog.records if record.levelno > logging.DEBUG] == []


async def test_silent_ones_are_bounded_and_keep_nobody_out(tmp_path: Path) -> None:
    async with serving(tmp_path, handshake_timeout_s=60) as (server, endpoint):
        pairs = [await asyncio.open_connection("127.0.0.1", endpoint.port) for _ in range(100)]
        silent = [Raw(reader, writer) for reader, writer in pairs]
        for one in silent:
            check_challenge(await one.line())
        assert len(server._strangers) == MAX_STRANGERS
        async with await ControlClient.connect(endpoint) as client:
            assert await client.ask("echo", a=1) == {"a": 1}
        for one in silent[: 100 - MAX_STRANGERS]:
            assert await one.rest() == b""
        for one in silent:
            one.writer.transport.abort()
        await until(lambda: not server._attending)


async def test_two_hundred_at_random_get_the_challenge_and_not_a_byte_more(
    tmp_path: Path,
) -> None:
    chance = random.Random(3)
    async with serving(tmp_path, handshake_timeout_s=0.2) as (server, endpoint):
        async with await ControlClient.connect(endpoint) as client:
            for _ in range(10):
                await asyncio.gather(*(_babble(endpoint, chance) for _ in range(20)))
                server.broadcast("secret", {"a": 1})
                assert await client.ask("echo", a=1) == {"a": 1}
        await until(lambda: not server._attending)


async def _babble(endpoint: Endpoint, chance: random.Random) -> None:
    async with raw(endpoint) as knocking:
        challenge = check_challenge(await knocking.line())
        for _ in range(chance.randrange(4)):
            knocking.send(_babbled(challenge, chance))
            await asyncio.sleep(chance.random() * 0.01)
        assert await knocking.rest() == b""


def _babbled(challenge: str, chance: random.Random) -> bytes:
    noise = chance.randbytes(chance.choice((0, 1, 10, 100, 5_000, 50_000)))
    near = json.dumps({"proof": noise.hex()[:64], "challenge": challenge}).encode()
    cut = near[: chance.randrange(len(near) + 1)]
    return chance.choice((noise, noise + b"\n", near + b"\n", cut, cut + b"\n", b"\n" * 3))


async def test_it_listens_on_loopback_alone(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, endpoint):
        assert server._server is not None
        names = [listening.getsockname() for listening in server._server.sockets]
        assert names == [("127.0.0.1", endpoint.port)]


async def test_each_start_has_a_key_of_its_own(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, first):
        pass
    async with serving(tmp_path) as (_, second):
        assert first.key != second.key
