"""server and connection: many requests at once, no secrets in errors, nobody slow holds others."""

from __future__ import annotations

import asyncio
import logging
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from bot.protocol import (
    ControlClient,
    ControlError,
    ControlServer,
    Endpoint,
    new_key,
    read_endpoint,
)
from bot.wire.connection import MAX_REQUESTS
from bot.wire.framing import BUFFER_BYTES, LINE_BYTES
from bot.wire.handshake import prove
from storage.errors import MynahError
from tests.bot.wire.sockets import Raw, raw, serving, until


async def let_in(knocking: Raw, endpoint: Endpoint) -> None:
    challenge = (await knocking.line())["challenge"]
    proof = prove(endpoint.key, "client", challenge)
    knocking.send({"proof": proof, "challenge": new_key()})
    assert "hello" in await knocking.line()


class Slow:
    """A handler that waits until it is let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.go = asyncio.Event()

    async def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        self.begun += 1
        await self.go.wait()
        self.ended += 1
        return {"n": data["n"]}


async def test_a_long_request_holds_up_no_other(tmp_path: Path) -> None:
    slow = Slow()
    async with (
        serving(tmp_path, {"say": slow}) as (_, endpoint),
        await ControlClient.connect(endpoint) as client,
    ):
        said = [asyncio.create_task(client.ask("say", n=n)) for n in range(20)]
        await until(lambda: slow.begun == 20)
        began_s = time.monotonic()
        assert await client.ask("echo", a="ä\n \ud800") == {"a": "ä\n \ud800"}
        assert time.monotonic() - began_s < 1
        slow.go.set()
        assert await asyncio.gather(*said) == [{"n": n} for n in range(20)]


async def test_one_client_may_not_ask_without_end(tmp_path: Path) -> None:
    slow = Slow()
    async with (
        serving(tmp_path, {"say": slow}) as (_, endpoint),
        await ControlClient.connect(endpoint) as client,
    ):
        said = [asyncio.create_task(client.ask("say", n=n)) for n in range(MAX_REQUESTS)]
        await until(lambda: slow.begun == MAX_REQUESTS)
        with pytest.raises(ControlError, match="Too many requests"):
            await client.ask("echo")
        slow.go.set()
        await asyncio.gather(*said)
        assert await client.ask("echo") == {}


async def test_a_request_outlives_the_client_that_asked(tmp_path: Path) -> None:
    slow = Slow()
    async with serving(tmp_path, {"say": slow}) as (server, endpoint):
        client = await ControlClient.connect(endpoint)
        asking = asyncio.create_task(client.ask("say", n=1))
        await until(lambda: slow.begun == 1)
        await client.close()
        with pytest.raises(ControlError, match="has ended"):
            await asking
        await until(lambda: server.clients == 0)
        slow.go.set()
        await until(lambda: slow.ended == 1 and not server._requests)


async def test_a_client_that_is_killed_is_just_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as (server, endpoint):
        async with raw(endpoint) as killed:
            await let_in(killed, endpoint)
            killed.will_reset()
        await until(lambda: server.clients == 0 and not server._attending)
    assert [record.levelname for record in caplog.records if record.levelno > logging.DEBUG] == []


class OwnError(MynahError):
    pass


async def _refuse(data: dict[str, Any]) -> dict[str, Any]:
    raise OwnError("Choose a number from 1 to 5.")


async def _break(data: dict[str, Any]) -> dict[str, Any]:
    raise RuntimeError("the secret word is swordfish")


async def _no_json(data: dict[str, Any]) -> dict[str, Any]:
    return {"a": object()}


async def _no_mapping(data: dict[str, Any]) -> Any:
    return None


async def _too_long(data: dict[str, Any]) -> dict[str, Any]:
    return {"a": "x" * LINE_BYTES}


async def test_an_expected_failure_comes_with_its_sentence(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, {"refuse": _refuse, "long": _too_long}) as (_, endpoint),
        await ControlClient.connect(endpoint) as client,
    ):
        with pytest.raises(ControlError, match=r"^Choose a number from 1 to 5\.$"):
            await client.ask("refuse")
        with pytest.raises(ControlError, match="bytes long"):
            await client.ask("long")
        with pytest.raises(ControlError, match="The bot knows no request 'sing'"):
            await client.ask("sing")
        with pytest.raises(ControlError, match="bytes long"):
            await client.ask("echo", a="x" * LINE_BYTES)
        assert await client.ask("echo") == {}


@pytest.mark.parametrize("handler", [_break, _no_json, _no_mapping])
async def test_any_other_failure_is_in_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, handler: Any
) -> None:
    async with (
        serving(tmp_path, {"break": handler}) as (_, endpoint),
        await ControlClient.connect(endpoint) as client,
    ):
        with pytest.raises(ControlError) as caught:
            await client.ask("break")
        assert str(caught.value) == "Something went wrong inside the bot; its log says what."
        (record,) = (one for one in caplog.records if one.levelno == logging.ERROR)
        assert "break" in record.getMessage()
        assert record.exc_info is not None
        assert await client.ask("echo") == {}


@pytest.mark.parametrize(
    "said",
    [b"nonsense\n", b"[]\n", b"{}\n", b'{"id": true, "do": "echo"}\n', b"x" * (LINE_BYTES + 9)],
)
async def test_a_client_that_talks_nonsense_is_dropped_alone(tmp_path: Path, said: bytes) -> None:
    async with (
        serving(tmp_path) as (server, endpoint),
        await ControlClient.connect(endpoint) as other,
        raw(endpoint) as odd,
    ):
        await let_in(odd, endpoint)
        odd.send(said)
        assert await odd.rest() == b""
        await until(lambda: server.clients == 1)
        assert await other.ask("echo") == {}


@pytest.mark.parametrize("do", ["null", "7", "[]", '{"a": 1}'])
async def test_a_request_that_is_no_word_is_refused(tmp_path: Path, do: str) -> None:
    async with serving(tmp_path) as (_, endpoint), raw(endpoint) as odd:
        await let_in(odd, endpoint)
        odd.send(f'{{"id": 5, "do": {do}}}\n'.encode())
        answer = await odd.line()
        assert (answer["id"], answer["ok"]) == (5, False)
        assert "knows no request" in answer["error"]


async def test_the_largest_line_goes_both_ways(tmp_path: Path) -> None:
    text = "x" * (LINE_BYTES - 50)
    async with (
        serving(tmp_path) as (_, endpoint),
        await ControlClient.connect(endpoint) as client,
    ):
        assert await client.ask("echo", a=text) == {"a": text}


class Numbers:
    """Keeps the numbers of the events that came."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def __call__(self, name: str, data: dict[str, Any]) -> None:
        self.heard.append(data["n"])


async def test_ten_thousand_events_come_in_order_to_all(tmp_path: Path) -> None:
    followers = [Numbers() for _ in range(3)]
    async with serving(tmp_path) as (server, endpoint):
        clients = [await ControlClient.connect(endpoint, on_event=each) for each in followers]
        began_s = time.monotonic()
        for n in range(10_000):
            server.broadcast("log", {"n": n, "line": "x" * 100})
        assert time.monotonic() - began_s < 3
        await until(lambda: all(len(each.heard) == 10_000 for each in followers))
        assert all(each.heard == list(range(10_000)) for each in followers)
        for client in clients:
            await client.close()


async def test_a_client_that_does_not_read_is_dropped_while_others_go_on(
    tmp_path: Path,
) -> None:
    got: list[str] = []
    async with (
        serving(tmp_path) as (server, endpoint),
        await ControlClient.connect(endpoint, on_event=lambda name, _: got.append(name)) as other,
        raw(endpoint) as stuck,
    ):
        await let_in(stuck, endpoint)
        stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]
        line = "x" * 100_000
        tracemalloc.start()
        for _ in range(500):
            server.broadcast("log", {"line": line})
            await other.ask("echo")
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert server.clients == 1
        assert len(got) == 500
        assert peak_bytes < BUFFER_BYTES + (4 << 20)


async def test_an_event_that_is_no_json_is_logged_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[str] = []
    async with (
        serving(tmp_path) as (server, endpoint),
        await ControlClient.connect(endpoint, on_event=lambda name, _: got.append(name)) as client,
    ):
        server.broadcast("bad", {"a": object()})
        server.broadcast("long", {"a": "x" * LINE_BYTES})
        server.broadcast("an answer", {"id": 1, "ok": True})
        server.broadcast("good", {"event": "forged"})
        await client.ask("echo")
        assert got == ["good"]
    assert len([one for one in caplog.records if one.levelno == logging.ERROR]) == 3


async def test_closing_delivers_what_was_told_and_cancels_what_hangs(tmp_path: Path) -> None:
    slow = Slow()
    got: list[str] = []
    async with serving(tmp_path, {"say": slow}) as (server, endpoint):
        client = await ControlClient.connect(endpoint, on_event=lambda name, _: got.append(name))
        asking = asyncio.create_task(client.ask("say", n=1))
        await until(lambda: slow.begun == 1)
        server.broadcast("ended", {"code": 0})
        began_s = time.monotonic()
        await server.close(0.2)
        assert time.monotonic() - began_s < 1
        with pytest.raises(ControlError, match="The bot stops"):
            await asking
        await asyncio.wait_for(client.wait_closed(), 5)
        assert got == ["ended"]
        assert read_endpoint(tmp_path) is None
        assert slow.ended == 0


async def test_last_words_are_delivered_however_long_they_are(tmp_path: Path) -> None:
    got: list[str] = []
    async with serving(tmp_path) as (server, endpoint):
        client = await ControlClient.connect(endpoint, on_event=lambda name, _: got.append(name))
        for _ in range(40):
            server.broadcast("log", {"line": "x" * 100_000})
        server.broadcast("ended", {"code": 0})
        await server.close(5)
        await asyncio.wait_for(client.wait_closed(), 5)
        assert got == ["log"] * 40 + ["ended"]


async def test_closing_does_not_wait_for_strangers_or_for_who_does_not_read(
    tmp_path: Path,
) -> None:
    async with (
        serving(tmp_path) as (server, endpoint),
        raw(endpoint) as stranger,
        raw(endpoint) as stuck,
    ):
        await let_in(stuck, endpoint)
        stuck.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await stranger.line()
        while server.clients and not _waits(server):
            server.broadcast("log", {"line": "x" * 100_000})
        began_s = time.monotonic()
        await server.close(0.2)
        assert time.monotonic() - began_s < 1
        assert await stranger.rest() == b""


def _waits(server: ControlServer) -> bool:
    return any(one.transport.get_write_buffer_size() > 100_000 for one in server._connections)


async def test_a_handler_may_close_the_server(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, endpoint):

        async def stop(data: dict[str, Any]) -> dict[str, Any]:
            await server.close(0.2)
            return {}

        server._handlers = {"stop": stop}
        client = await ControlClient.connect(endpoint)
        with pytest.raises(ControlError, match="has ended"):
            await client.ask("stop")
        await until(lambda: not server._requests and not server._attending)


async def test_it_may_start_again_and_close_twice(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        await server.close()
        await server.close()
        endpoint = await server.start()
        async with await ControlClient.connect(endpoint) as client:
            assert await client.ask("echo") == {}


async def test_where_the_file_cannot_be_written_nothing_listens(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "nowhere", hello=dict, handlers={})
    with pytest.raises(ControlError, match="cannot be written"):
        await server.start()
    (tmp_path / "nowhere").mkdir()
    async with await ControlClient.connect(await server.start()) as client:
        assert client.hello["version"] == 1
    await server.close()


async def test_a_hello_that_fails_is_logged_and_the_next_comes_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hellos: list[dict[str, Any]] = [{"phase": "online"}]
    server = ControlServer(tmp_path, hello=lambda: hellos.pop(), handlers={})
    endpoint = await server.start()
    hellos, spare = [], hellos
    with pytest.raises(ControlError):
        await ControlClient.connect(endpoint)
    assert "A connection of the control channel failed." in caplog.text
    hellos.extend(spare)
    async with await ControlClient.connect(endpoint) as client:
        assert client.hello["phase"] == "online"
    await server.close()
