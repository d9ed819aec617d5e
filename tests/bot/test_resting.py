"""A training gets the model's memory and gives it back, whatever becomes of it: real models."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.control import Control
from bot.model_change import Sizes
from bot.model_keeper import ChangeError, ModelKeeper, RestingError
from bot.process_mark import mark, marked
from bot.resting import NAME, Resting, mark_this_process, unmark
from model import vram
from model.compute import ComputeWorker
from model.inference import Engine
from model.model_server import ModelServer
from model.profile import load
from model.remote_engine import RemoteEngine
from scripts.stopped_bot import BotStaysError, bot_is_stopped, bot_makes_room
from storage.paths import DEMO_BASE_DIR, Home
from tests.bot.test_control import Parrot

DEMO = next(iter(DEMO_BASE_DIR.glob("*.gguf")))
SERVER = ModelServer("http://127.0.0.1:9/v1")


class RestingParrot(Parrot):
    """A bot of which only the resting is real."""

    def __init__(self, resting: Resting) -> None:
        super().__init__()
        self._resting = resting

    async def rest(self) -> bool:
        return await self._resting.follow()


@pytest.fixture
def worker() -> Iterator[ComputeWorker]:
    made = ComputeWorker()
    yield made
    made.close()


@asynccontextmanager
async def keeping(worker: ComputeWorker) -> AsyncIterator[ModelKeeper]:
    """A keeper with nothing in it yet."""

    def opened(model: object) -> Engine | RemoteEngine:
        if isinstance(model, ModelServer):
            return RemoteEngine(model)
        return Engine.load(DEMO, worker=worker, context_tokens=512, threads=1)

    keeper = ModelKeeper(opened, Sizes(lambda model: 100, lambda: 1_000))
    try:
        yield keeper
    finally:
        await keeper.close()


async def lends(keeper: ModelKeeper) -> bool:
    try:
        async with keeper.lend():
            return True
    except RestingError:
        return False


async def test_the_model_leaves_for_a_training_and_comes_back(
    tmp_path: Path, worker: ComputeWorker
) -> None:
    home = Home(tmp_path).ensure()
    async with keeping(worker) as keeper:
        await keeper.load("old", DEMO)
        control = Control(home.data_storage, RestingParrot(Resting(home.data_storage, keeper)))
        await control.start()

        def train() -> None:
            with bot_is_stopped(home) as is_resting:
                assert is_resting
                seen.append((keeper.engine, keeper.status()["state"]))

        seen: list[tuple[object, str]] = []
        try:
            await asyncio.to_thread(train)
            assert seen == [(None, "resting")]
            assert not (home.data_storage / NAME).exists()
            assert await lends(keeper)
            assert keeper.status()["state"] == "ready"
        finally:
            await control.close()


@pytest.mark.parametrize("stage", ["sft", "merge"])
async def test_the_bot_rests_only_where_both_do_not_fit(
    tmp_path: Path, worker: ComputeWorker, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(vram, "device_here", lambda: vram.PROCESSOR)
    home = Home(tmp_path).ensure()

    def rests(base_dir: Path, free_bytes: int) -> bool:
        monkeypatch.setattr(vram, "free_bytes", lambda device: free_bytes)
        with bot_makes_room(home, base_dir, load("demo"), stage):
            return keeper.is_resting

    async with keeping(worker) as keeper:
        await keeper.load("old", DEMO)
        assert not rests(DEMO_BASE_DIR, 0)  # no bot runs
        control = Control(home.data_storage, RestingParrot(Resting(home.data_storage, keeper)))
        await control.start()
        try:
            assert not await asyncio.to_thread(rests, DEMO_BASE_DIR, 10**10)
            assert await asyncio.to_thread(rests, DEMO_BASE_DIR, 10**8)
            assert await asyncio.to_thread(rests, tmp_path, 10**10)  # no figures are known
            assert not keeper.is_resting
        finally:
            await control.close()


async def test_while_it_rests_nobody_is_answered_and_nothing_is_loaded(
    worker: ComputeWorker,
) -> None:
    async with keeping(worker) as keeper:
        await keeper.load("old", DEMO)
        await keeper.rest()
        assert keeper.engine is None
        assert not await lends(keeper)
        with pytest.raises(ChangeError, match="new was not put to use: A model is being trained"):
            await keeper.change("new", DEMO)
        assert keeper.status()["state"] == "resting"
        await keeper.rest()  # again does nothing
        keeper.wake()
        assert await lends(keeper)
        keeper.wake()


async def test_a_bot_that_starts_during_a_training_loads_behind_it(
    tmp_path: Path, worker: ComputeWorker
) -> None:
    async with keeping(worker) as keeper:
        resting = Resting(tmp_path, keeper)
        assert mark_this_process(tmp_path)
        assert await resting.follow()
        await keeper.load("old", DEMO)
        assert keeper.engine is None
        assert (keeper.name, keeper.status()["state"]) == ("old", "resting")
        unmark(tmp_path)
        assert not await resting.follow()
        assert await lends(keeper)


class OverError(Exception):
    """The test's own end of what never ends."""


@pytest.fixture
def trainer() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with process:
        yield process
        process.kill()


async def test_a_training_that_was_killed_does_not_keep_it_asleep(
    tmp_path: Path, worker: ComputeWorker, trainer: subprocess.Popen[bytes]
) -> None:
    states: list[bool] = []
    async with keeping(worker) as keeper:
        await keeper.load("old", DEMO)

        async def sleep(seconds: float) -> None:
            states.append(keeper.is_resting)
            if len(states) == 2:
                trainer.kill()
                trainer.wait()
            if len(states) == 3:
                raise OverError

        resting = Resting(tmp_path, keeper, sleep)
        mark(tmp_path / NAME, "training", trainer.pid)
        assert not mark_this_process(tmp_path)  # that one has the memory
        assert await resting.follow()
        with pytest.raises(OverError):
            await resting.run()
        assert states == [True, True, False]
        assert marked(tmp_path / NAME) is None
        assert await lends(keeper)


async def test_a_server_elsewhere_answers_on(tmp_path: Path, worker: ComputeWorker) -> None:
    async with keeping(worker) as keeper:
        resting = Resting(tmp_path, keeper)
        await keeper.load("server", SERVER)
        mark_this_process(tmp_path)
        assert not await resting.follow()
        assert await lends(keeper)
    async with keeping(worker) as keeper:
        await Resting(tmp_path, keeper).follow()  # before it is known what answers
        await keeper.load("server", SERVER)
        assert await lends(keeper)


async def test_a_bot_that_refuses_is_a_sentence_and_leaves_no_mark(tmp_path: Path) -> None:
    class Stubborn(Parrot):
        async def rest(self) -> bool:
            raise ChangeError("The model is being loaded.")

    home = Home(tmp_path).ensure()
    control = Control(home.data_storage, Stubborn())
    await control.start()

    def train() -> None:
        with bot_is_stopped(home):
            raise AssertionError("it must not begin")

    try:
        with pytest.raises(BotStaysError, match=r"The model is being loaded\. Stop the bot"):
            await asyncio.to_thread(train)
    finally:
        await control.close()
    assert not (home.data_storage / NAME).exists()


def test_without_a_bot_only_the_mark_is_there_meanwhile(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    with bot_is_stopped(home) as is_resting:
        assert not is_resting
        found = marked(home.data_storage / NAME)
        assert found is not None
        with bot_is_stopped(home):  # a stage within a stage
            pass
    assert marked(home.data_storage / NAME) is None
