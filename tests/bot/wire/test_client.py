"""client: it trusts nobody without the key, never waits for ever, and nothing waits on it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.protocol import ControlClient, ControlError, Endpoint, NotRunningError, new_key
from bot.wire.handshake import prove
from tests.bot.wire.sockets import Raw, serving, until

Script = Callable[[Raw, str], Awaitable[None]]
"""What an impostor does with a connection; it is given the key that the client holds."""


@asynccontextmanager
async def impostor(script: Script) -> AsyncIterator[tuple[Endpoint, list[bytes]]]:
    """A listener that is no bot of ours, and what it is told."""
    heard: list[bytes] = []
    key = new_key()

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script(Raw(reader, writer), key)
        heard.append(await Raw(reader, writer).rest())
        writer.transport.abort()

    server = await asyncio.start_server(attend, "127.0.0.1", 0)
    yield Endpoint(server.sockets[0].getsockname()[1], key, 1, 1), heard
    server.close()


async def test_where_nothing_listens_it_says_so_quickly() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = Endpoint(free.getsockname()[1], new_key(), 1, 1)
    began_s = time.monotonic()
    with pytest.raises(NotRunningError, match="start it first"):
        await ControlClient.connect(endpoint)
    assert time.monotonic() - began_s < 3


async def _hang_up(knocked: Raw, key: str) -> None:
    knocked.writer.close()


async def _web(knocked: Raw, key: str) -> None:
    knocked.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    knocked.writer.close()


async def _old_key(knocked: Raw, key: str) -> None:
    knocked.send({"mynah": 1, "challenge": new_key()})
    answer = await knocked.line()
    knocked.send({"proof": prove(new_key(), "server", answer["challenge"]), "hello": {}})


async def _thrown_back(knocked: Raw, key: str) -> None:
    """It knows no key, and throws the client's own proof back at it."""
    knocked.send({"mynah": 1, "challenge": new_key()})
    answer = await knocked.line()
    knocked.send({"proof": answer["proof"], "hello": {}})


async def _no_hello(knocked: Raw, key: str) -> None:
    knocked.send({"mynah": 1, "challenge": new_key()})
    answer = await knocked.line()
    knocked.send({"proof": prove(key, "server", answer["challenge"]), "hello": "hi"})


async def _flood(knocked: Raw, key: str) -> None:
    knocked.send(b"x" * 100_000)


async def _bad_challenge(knocked: Raw, key: str) -> None:
    knocked.send({"mynah": 1, "challenge": "client:" + "ab" * 32})


@pytest.mark.parametrize(
    "script", [_hang_up, _web, _old_key, _thrown_back, _no_hello, _flood, _bad_challenge]
)
async def test_who_does_not_hold_the_key_is_no_bot_and_is_told_nothing(script: Script) -> None:
    async with impostor(script) as (endpoint, heard):
        with pytest.raises(NotRunningError, match="No bot of this home answers"):
            await ControlClient.connect(endpoint)
        await until(lambda: bool(heard))
        assert heard == [b""]


async def _silent(knocked: Raw, key: str) -> None:
    pass


async def _another_version(knocked: Raw, key: str) -> None:
    knocked.send({"mynah": 2, "challenge": new_key()})


async def test_a_bot_that_hangs_is_a_bot_that_does_not_answer() -> None:
    async with impostor(_silent) as (endpoint, _):
        began_s = time.monotonic()
        with pytest.raises(ControlError, match=r"did not answer within 0\.2 s") as caught:
            await ControlClient.connect(endpoint, timeout_s=0.2)
        assert not isinstance(caught.value, NotRunningError)
        assert time.monotonic() - began_s < 1


async def test_another_version_is_named_before_a_proof_is_given() -> None:
    async with impostor(_another_version) as (endpoint, heard):
        with pytest.raises(
            ControlError, match=r"speaks version 2 .* this program version 1"
        ) as got:
            await ControlClient.connect(endpoint)
        assert not isinstance(got.value, NotRunningError)
        await until(lambda: bool(heard))
        assert heard == [b""]


async def test_an_answer_that_does_not_come_fails_its_question_alone(tmp_path: Path) -> None:
    async def sleep(data: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0.3)
        return {"late": True}

    async with (
        serving(tmp_path, {"sleep": sleep}) as (_, endpoint),
        await ControlClient.connect(endpoint) as client,
    ):
        with pytest.raises(ControlError, match=r"did not answer sleep within 0\.05 s"):
            await client.ask("sleep", timeout_s=0.05)
        assert await client.ask("sleep", timeout_s=None) == {"late": True}
        assert not client._waiting


async def test_the_end_of_the_bot_fails_what_waits_and_what_is_asked_later(
    tmp_path: Path,
) -> None:
    async def hang(data: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    async with serving(tmp_path, {"hang": hang}) as (server, endpoint):
        client = await ControlClient.connect(endpoint)
        asking = [asyncio.create_task(client.ask("hang")) for _ in range(3)]
        await until(lambda: len(server._requests) == 3)
        for connection in server._connections:
            connection.transport.abort()
        for failed in await asyncio.gather(*asking, return_exceptions=True):
            assert isinstance(failed, ControlError)
            assert "has ended" in str(failed)
        assert client.closed.done()
        assert client.is_closed
        with pytest.raises(ControlError, match="has ended"):
            await client.ask("echo")
        await client.close()
        await client.close()


async def test_a_failing_callback_is_logged_and_the_next_event_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[str] = []

    def follow(name: str, data: dict[str, Any]) -> None:
        got.append(name)
        raise KeyError(name)

    async with (
        serving(tmp_path) as (server, endpoint),
        await ControlClient.connect(endpoint, on_event=follow) as client,
    ):
        server.broadcast("one", {})
        server.broadcast("two", {})
        assert await client.ask("echo") == {}
    assert got == ["one", "two"]
    assert "What was to follow the event one failed." in caplog.text


async def test_waiting_for_the_end_may_be_given_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, endpoint):
        client = await ControlClient.connect(endpoint)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.wait_closed(), 0.05)
        assert not client.is_closed
        assert await client.ask("echo") == {}
        await server.close(0.2)
        await asyncio.wait_for(client.wait_closed(), 5)


async def test_answers_to_nobody_and_nonsense_do_no_harm() -> None:
    async def odd(knocked: Raw, key: str) -> None:
        knocked.send({"mynah": 1, "challenge": new_key()})
        answer = await knocked.line()
        knocked.send({"proof": prove(key, "server", answer["challenge"]), "hello": {}})
        for said in ({"id": 99, "ok": True}, {"id": [1], "ok": True}, {"ok": 1}, {"event": "hi"}):
            knocked.send(said)
        asked = await knocked.line()
        knocked.send(b'{"id": %d, "ok": false}\n' % asked["id"])
        knocked.send(b"nonsense\n")

    got: list[str] = []
    async with impostor(odd) as (endpoint, _):
        client = await ControlClient.connect(endpoint, on_event=lambda name, _: got.append(name))
        with pytest.raises(ControlError, match="refused"):
            await client.ask("echo")
        await asyncio.wait_for(client.wait_closed(), 5)
        assert got == ["hi"]


async def test_data_cannot_forge_the_envelope(tmp_path: Path) -> None:
    async with (
        serving(tmp_path) as (_, endpoint),
        await ControlClient.connect(endpoint) as client,
    ):
        forged: dict[str, Any] = {"id": 77, "ok": False, "do": "sing", "event": "hi"}
        assert await client.ask("echo", **forged) == {"event": "hi"}
