"""remote_engine against real servers: llama-cpp-python's own, and llama-server where
MYNAH_LLAMA_SERVER names it (what needs that is else not collected)."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model.chat_format import Own, Said, Turn, as_text, render_ask
from model.llama_runtime import EngineError
from model.model_server import ModelServer, Patience
from model.remote_engine import RemoteEngine
from model.sampling import Sampling
from model.server_prompt import messages
from model.writing import Generation, StoppedBy
from storage.paths import DEMO_BASE_DIR
from tests.model.real_model_server import (
    KINDS,
    LLAMA_SERVER,
    PROGRAM,
    RealModelServer,
    rambling_base,
)

PERSONA = "You are Mynah, one of the regulars of The Lantern."
TURNS: tuple[Turn, ...] = (
    Said("mira", "anyone up for the raid tonight?"),
    Said("bob", "what time"),
    Own("nine works for me"),
    Said("bob", "never again before nine :smile:"),
    Said("mira", "Mynah, who brings the cake?"),
)
LONG = Sampling(max_tokens=1000, seed=3)


@pytest.fixture(params=KINDS, scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[RealModelServer]:
    """The small base, in one process for all tests."""
    gguf = next(DEMO_BASE_DIR.glob("*.gguf"))
    with RealModelServer(request.param, gguf, tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture(params=KINDS)
def rambling(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealModelServer]:
    """Writes until it is ended."""
    with RealModelServer(request.param, rambling_base(tmp_path), tmp_path) as one:
        yield one


def engine(server: RealModelServer) -> RemoteEngine:
    place = ModelServer.of(server.address, "", {})
    return RemoteEngine(place, patience=Patience(waits_s=(0.2,) * 50))


async def reply(
    writer: RemoteEngine,
    turns: tuple[Turn, ...] = TURNS,
    sampling: Sampling = Sampling(max_tokens=40, seed=3),  # noqa: B008
    **more: Any,
) -> Generation:
    return await writer.generate(PERSONA, turns, sampling=sampling, **more)


async def test_it_answers_in_pieces(server: RealModelServer) -> None:
    pieces: list[str] = []
    with engine(server) as writer:
        assert await writer.check() == ""
        made = await reply(writer, on_text=pieces.append, stop_texts=["\nmira:", "\nbob:"])
        assert made.text
        assert "".join(pieces).strip() == made.text
        assert len(pieces) > 1
        assert made.stopped_by in (StoppedBy.END, StoppedBy.TEXT)
        assert (await reply(writer)).text == made.text  # the same seed


async def test_its_limit_ends_the_reply(server: RealModelServer) -> None:
    with engine(server) as writer:
        made = await reply(writer, sampling=Sampling(max_tokens=3, seed=3))
    assert (made.stopped_by, made.reply_tokens) == (StoppedBy.LENGTH, 3)


async def test_a_prompt_that_is_too_long_is_a_sentence(server: RealModelServer) -> None:
    with engine(server) as writer:
        with pytest.raises(EngineError, match="refuses the prompt") as caught:
            await reply(writer, (Said("mira", "who brings the cake " * 600),))
        assert "cake" not in str(caught.value)
        assert (await reply(writer)).text


async def test_it_stops_computing_when_nobody_waits(rambling: RealModelServer) -> None:
    def mark() -> int:
        said = rambling.said()
        return said.count("Disconnected from client") + said.count("cancel task")

    with engine(rambling) as writer:
        await reply(writer, sampling=Sampling(max_tokens=1))
        made = await reply(writer, sampling=LONG, on_text=lambda _: writer.cancel())
        assert made.stopped_by is StoppedBy.CANCELLED
        assert 0 < made.reply_tokens < LONG.max_tokens
        await until(lambda: mark() == 1)
        made = await reply(writer, sampling=LONG, deadline_s=time.monotonic() + 0.1)
        assert made.stopped_by is StoppedBy.TIME
        await until(lambda: mark() == 2)


async def test_two_replies_at_once_are_both_whole(rambling: RealModelServer) -> None:
    """llama_cpp.server ends a reply when somebody else asks."""
    with engine(rambling) as writer:
        several = [reply(writer, TURNS[:end], Sampling(max_tokens=150)) for end in (1, 2, 4)]
        for made in await asyncio.gather(*several):
            assert made.stopped_by is StoppedBy.LENGTH
            assert made.reply_tokens > 75  # as many pieces: some tokens are half a character


async def test_it_dies_in_the_midst_of_a_reply_and_comes_back(rambling: RealModelServer) -> None:
    pieces: list[str] = []

    def kill_it(piece: str) -> None:
        if not pieces:
            rambling.kill()
        pieces.append(piece)

    with engine(rambling) as writer:
        with pytest.raises(EngineError, match="broke off in the midst"):
            await reply(writer, sampling=LONG, on_text=kill_it)
        assert pieces
        assert "cannot be reached" in await writer.check()
        rambling.start(wait=False)  # the first attempts come before it listens
        assert (await reply(writer, sampling=Sampling(max_tokens=5))).reply_tokens


async def until(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end_s
        await asyncio.sleep(0.02)


if PROGRAM:  # collected only where there is one: a skipped test fails in CI

    @pytest.fixture(scope="module")
    def llama_server(tmp_path_factory: Any) -> Iterator[RealModelServer]:
        gguf, folder = next(DEMO_BASE_DIR.glob("*.gguf")), tmp_path_factory.mktemp("server")
        with RealModelServer(LLAMA_SERVER, gguf, folder, context_tokens=768) as one:
            yield one

    async def test_its_cache_serves_and_its_context_is_learned(
        llama_server: RealModelServer,
    ) -> None:
        """What is evaluated is what was said since, as in the engine of this process."""
        turns: tuple[Turn, ...] = TURNS * 4
        with engine(llama_server) as writer:
            first = await reply(writer, turns)
            assert writer.context_tokens == 768
            assert first.evaluated_tokens > 150
            for said in ("ok then", "hm", "and the boss?"):
                if said != "hm":  # an ask that was not answered
                    turns += (Own(first.text),)
                turns += (Said("bob", "at last"), Said("mira", f"Mynah, {said}"))
                again = await reply(writer, turns)
                assert again.prompt_tokens > first.prompt_tokens
                assert again.evaluated_tokens < 50
                assert again.prompt_s > 0 < again.reply_s
                first = again

    def test_the_prompt_is_the_one_that_the_model_was_trained_on(
        llama_server: RealModelServer,
    ) -> None:
        asked = urllib.request.Request(
            f"{llama_server.address}/apply-template",
            json.dumps({"messages": messages(PERSONA, TURNS)}).encode(),
        )
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert json.load(answer)["prompt"] == as_text(render_ask(PERSONA, TURNS))
