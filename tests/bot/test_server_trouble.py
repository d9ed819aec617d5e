"""server_trouble: a server that fails is a sentence, which goes by itself when it answers again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from bot.server_trouble import ServerTrouble, WatchedServer
from bot.serving import Serving
from model.chat_format import Said
from model.llama_runtime import EngineError
from model.model_server import ModelServer, Patience
from model.sampling import Sampling
from model.writing import Generation
from storage.database import Database
from storage.paths import DEMO_BASE_DIR, Home
from storage.settings import Settings
from tests.model.model_server_stand_in import Fault, ModelServerStandIn

QUICK = Patience(connect_s=1.0, first_s=1.0, between_s=1.0, waits_s=(0.01,), aside_s=0.5)
EVERY_S = 0.2


@pytest.fixture
def server() -> Iterator[ModelServerStandIn]:
    with ModelServerStandIn() as stand_in:
        yield stand_in


@asynccontextmanager
async def watched(
    server: ModelServerStandIn, every_s: float = EVERY_S
) -> AsyncIterator[tuple[ServerTrouble, WatchedServer]]:
    """What is wrong with the stand-in, asked about by a running task."""
    trouble = ServerTrouble(every_s=every_s)
    made = WatchedServer(ModelServer(server.url), trouble, patience=QUICK)
    with closing(made) as writer:
        trouble.watch(writer)
        asking = asyncio.create_task(trouble.run())
        try:
            yield trouble, writer
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking


async def until(holds: Callable[[], object], timeout_s: float = 5.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it did not come about in time"
        await asyncio.sleep(0.01)


async def reply(writer: WatchedServer, **more: Any) -> Generation:
    turns = (Said("mira", "anyone up for the raid?"),)
    return await writer.generate("You are Mynah.", turns, sampling=Sampling(max_tokens=9), **more)


async def test_a_server_that_is_there_is_asked_once_and_not_again(
    server: ModelServerStandIn,
) -> None:
    async with watched(server) as (trouble, writer):
        await until(lambda: server.listed == 1)
        await asyncio.sleep(3 * EVERY_S)
        assert (server.listed, trouble.sentence) == (1, "")
        await reply(writer)
        await asyncio.sleep(3 * EVERY_S)
        assert (server.listed, trouble.sentence) == (1, "")


async def test_a_dead_server_is_a_sentence_until_it_is_there() -> None:
    with ModelServerStandIn() as dead:
        port = dead.port
    async with watched(dead) as (trouble, writer):
        await until(lambda: trouble.sentence)
        assert f"127.0.0.1:{port}" in trouble.sentence
        assert trouble.sentence.endswith("Start it, or correct the setting model_url.")
        with pytest.raises(EngineError):
            await reply(writer)
        assert "cannot be reached" in trouble.sentence
        with ModelServerStandIn(port=port):
            await until(lambda: not trouble.sentence)  # nobody asked for a reply


async def test_a_server_that_dies_later_is_known_by_the_reply_that_fails() -> None:
    with ExitStack() as alive:
        first = alive.enter_context(ModelServerStandIn())
        async with watched(first) as (trouble, writer):
            await until(lambda: first.listed == 1)
            await reply(writer)
            alive.close()
            with pytest.raises(EngineError):
                await reply(writer)
            assert "cannot be reached" in trouble.sentence
            with ModelServerStandIn(port=first.port):
                await until(lambda: not trouble.sentence)


async def test_what_asking_cannot_tell_stays_until_a_reply_comes(
    server: ModelServerStandIn,
) -> None:
    async with watched(server) as (trouble, writer):
        server.status = 500
        with pytest.raises(EngineError):
            await reply(writer)
        assert "status 500" in trouble.sentence
        listed = server.listed
        await until(lambda: server.listed > listed)
        await asyncio.sleep(0.1)
        assert "status 500" in trouble.sentence
        server.status = 200
        await reply(writer)
        assert trouble.sentence == ""


async def test_what_passes_goes_when_the_server_is_asked(server: ModelServerStandIn) -> None:
    async with watched(server) as (trouble, writer):
        server.faults.extend([Fault(503)] * 2)
        with pytest.raises(EngineError):
            await reply(writer)
        assert "status 503" in trouble.sentence
        await until(lambda: not trouble.sentence)


async def test_however_many_replies_fail_it_is_asked_now_and_then(
    server: ModelServerStandIn,
) -> None:
    async with watched(server, every_s=60.0) as (trouble, writer):
        await until(lambda: server.listed == 1)
        server.status = 500
        for _ in range(5):
            with pytest.raises(EngineError):
                await reply(writer)
        await asyncio.sleep(0.1)
        assert server.listed == 2  # the second before the first reply
        assert trouble.sentence


async def test_nothing_in_time_has_the_server_asked(server: ModelServerStandIn) -> None:
    async with watched(server) as (trouble, writer):
        await reply(writer)
        listed = server.listed
        server.silent_s = 0.3
        await reply(writer, deadline_s=time.monotonic() + 0.1)
        await until(lambda: server.listed > listed)
        assert trouble.sentence == ""  # it is there, and slow


async def test_it_is_not_asked_while_it_writes(server: ModelServerStandIn) -> None:
    """llama_cpp.server would end what it writes."""
    trouble = ServerTrouble(every_s=EVERY_S)
    server.silent_s = 0.5
    made = WatchedServer(ModelServer(server.url, "stand-in-4b"), trouble, patience=QUICK)
    with closing(made) as writer:
        trouble.watch(writer)
        writing = asyncio.create_task(reply(writer))
        await until(lambda: server.asked)
        asking, listed = asyncio.create_task(trouble.run()), server.listed
        await writing
        assert server.listed == listed
        await until(lambda: server.listed > listed)
        asking.cancel()


async def test_only_what_answers_now_counts(server: ModelServerStandIn) -> None:
    async with watched(server) as (trouble, writer):
        server.status = 500
        with pytest.raises(EngineError):
            await reply(writer)
        assert trouble.sentence
        trouble.watch(None)  # a model of this computer's
        assert trouble.sentence == ""
        with pytest.raises(EngineError):
            await reply(writer)
        assert trouble.sentence == ""


# -- in what answers ---------------------------------------------------------------------------


@asynccontextmanager
async def serving(tmp_path: Path, **settings: Any) -> AsyncIterator[Serving]:
    home = Home(tmp_path).ensure()
    stored = Settings(settings)
    with Database.open(home.database) as database:
        made = Serving(home, database, lambda: stored)
        await made.load()
        running = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await made.close()


async def test_a_bot_starts_without_its_server_and_says_so(tmp_path: Path) -> None:
    with ModelServerStandIn() as dead:
        pass
    async with serving(tmp_path, model_url=dead.url) as made:
        await until(lambda: made.status()["trouble"])
        status = made.status()
        assert "cannot be reached" in status["trouble"]
        assert status["state"] == "ready"
        assert "reading" not in status


async def test_a_model_of_this_computer_says_its_threads_and_its_speed(tmp_path: Path) -> None:
    gguf = str(next(DEMO_BASE_DIR.glob("*.gguf")))
    async with serving(tmp_path, model_path=gguf) as made:
        await until(lambda: made.status()["reading"])
        status = made.status()
        assert status["speed"] == "1 thread: so small a model needs no more"
        assert (status["threads"], status["trouble"]) == (1, "")
    async with serving(tmp_path, model_path=gguf, threads=2) as made:
        assert made.status()["speed"] == "2 threads, as the settings want it"
