"""serving: a home's model answers, is changed in place, and what does not work leaves no trace."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bot.generate import Writer
from bot.model_keeper import ChangeError, KeeperClosedError
from bot.pipeline import Pipeline
from bot.serving import Serving
from model.inference import Engine, Sampling
from storage.connections import DatabaseUnwritableError
from storage.database import Database
from storage.errors import MynahError
from storage.manifest import sha256_file
from storage.model_registry import ModelRegistry, RegistryError
from storage.paths import Home
from storage.records import FORGOTTEN_MEMBER
from storage.settings import Settings, Value
from tests.bot.scene import incoming
from tests.bot.test_pipeline import Room
from tests.storage.rows import version

GREEDY = Sampling(temperature=0.0, max_tokens=4)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


def settings(**values: Value) -> Settings:
    return Settings({"context_tokens": 512, "max_reply_tokens": 50, "threads": 1, **values})


async def until(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(
    home: Home, database: Database, now: Settings | None = None
) -> AsyncIterator[Serving]:
    held = [now or settings()]
    serves = Serving(home, database, lambda: held[0])
    serves.change_settings = lambda other: held.__setitem__(0, other)  # type: ignore[attr-defined]
    try:
        yield serves
    finally:
        await serves.close()


def add(database: Database, home: Home, name: str, gguf: Path) -> Path:
    """A version with a file of its own."""
    path = home.finetuned / name / "model.gguf"
    path.parent.mkdir(parents=True)
    shutil.copy(gguf, path)
    sha256, size_bytes = sha256_file(path), path.stat().st_size
    made = version(name, gguf_path=home.relative(path), sha256=sha256, size_bytes=size_bytes)
    ModelRegistry(database, home).register(made)
    return path


def cut_off(gguf: Path, to: Path) -> Path:
    """A file whose download was broken off."""
    to.write_bytes(gguf.read_bytes()[:5_000])
    return to


def deployed(database: Database, home: Home) -> str:
    found = ModelRegistry(database, home).deployed()
    return "" if found is None else found.version_id


async def writes(serves: Serving) -> Writer:
    async with serves.keeper.lend() as engine:
        assert isinstance(engine, Engine)
        made = await engine.generate([1, 2, 3], sampling=GREEDY)
        assert made.prompt_tokens == 3
        return engine


async def test_the_home_s_model_is_loaded_and_told(
    home: Home, database: Database, tiny: Path
) -> None:
    threads = threading.active_count()
    async with serving(home, database, settings(model_path=str(tiny))) as serves:
        assert serves.status()["state"] == "unloaded"
        await serves.load()
        status = serves.status()
        assert (status["name"], status["state"]) == (tiny.stem, "ready")
        assert (status["threads"], status["batch_threads"]) == (1, 1)
        assert status["reading"] == ""  # nothing has been looked at yet
        await writes(serves)
        assert serves.status()["asked_tokens"] >= 3
        engine = serves.keeper.engine
        assert isinstance(engine, Engine)
        assert engine.sha256 == sha256_file(tiny)
        assert serves.recall is not None
    with pytest.raises(MynahError):
        engine.set_threads(1, 1)
    with pytest.raises(KeeperClosedError):
        await writes(serves)
    await serves.close()  # again does nothing
    await until(lambda: threading.active_count() <= threads + 8)  # the loop's own stay


async def test_a_version_answers_by_the_settings_only_where_it_may_be_deployed(
    home: Home, database: Database, tiny: Path
) -> None:
    path = add(database, home, "v1", tiny)
    with database.writing() as connection:
        connection.execute(text("UPDATE model_versions SET deploy_at = 85"))
    registry = ModelRegistry(database, home)
    async with serving(home, database, settings(model_path=home.relative(path))) as serves:
        with pytest.raises(RegistryError, match="was not judged yet"):
            await serves.load()
        registry.record_evaluation("v1", "personality", 90.0, 85.0, True, {})
        await serves.load()
        assert serves.status()["name"] == path.stem
        database.taint_model("v1", FORGOTTEN_MEMBER, 1, 2)
        with pytest.raises(RegistryError, match="learned from"):
            await serves.follow()


async def test_without_a_model_the_error_says_so(home: Home, database: Database) -> None:
    async with serving(home, database, settings(model_path="nowhere.gguf")) as serves:
        with pytest.raises(MynahError, match="There is no model at"):
            await serves.load()
        assert serves.keeper.engine is None


async def test_a_version_is_deployed_while_the_old_one_answers(
    home: Home, database: Database, tiny: Path
) -> None:
    add(database, home, "v1", tiny)
    add(database, home, "v2", tiny.parent / "tiny-f16.gguf")
    ModelRegistry(database, home).deploy("v1")
    async with serving(home, database) as serves:
        await serves.load()
        old = await writes(serves)
        assert serves.keeper.name == "v1"
        changing = asyncio.create_task(serves.deploy("v2"))
        while not changing.done():
            await writes(serves)
            await asyncio.sleep(0)
        await changing
        assert await writes(serves) is not old
        assert (serves.keeper.name, deployed(database, home)) == ("v2", "v2")
        assert serves.status()["name"] == "v2"


async def test_what_cannot_answer_leaves_row_and_model_as_they_were(
    home: Home, database: Database, tiny: Path
) -> None:
    add(database, home, "v1", tiny)
    add(database, home, "cut", cut_off(tiny, home.root / "cut.gguf"))
    cut_off(tiny, add(database, home, "changed", tiny))
    ModelRegistry(database, home).deploy("v1")
    async with serving(home, database) as serves:
        await serves.load()
        old = await writes(serves)
        with pytest.raises(RegistryError):
            await serves.deploy("changed")
        with pytest.raises(RegistryError, match="no model version"):
            await serves.deploy("v9")
        with pytest.raises(ChangeError, match="v1 answers as before"):
            await serves.deploy("cut")
        assert await writes(serves) is old
        assert (serves.keeper.name, deployed(database, home)) == ("v1", "v1")


async def test_where_the_row_cannot_be_written_the_old_model_comes_back(
    home: Home, database: Database, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, home, "v1", tiny)
    add(database, home, "v2", tiny.parent / "tiny-f16.gguf")
    ModelRegistry(database, home).deploy("v1")

    def refuse(*_: object) -> None:
        raise RegistryError("The row could not be written.")

    async with serving(home, database) as serves:
        await serves.load()
        monkeypatch.setattr(ModelRegistry, "record_deployed", refuse)
        with pytest.raises(RegistryError, match="could not be written"):
            await serves.deploy("v2")
        await writes(serves)
        assert (serves.keeper.name, deployed(database, home)) == ("v1", "v1")


async def test_a_full_disk_is_waited_for_before_the_row(
    home: Home, database: Database, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.patience.RETRY_S", 0.01)
    add(database, home, "v1", tiny)
    record, left = ModelRegistry.record_deployed, [2]

    def busy(self: ModelRegistry, version_id: str, *force: str) -> Any:
        if left[0]:
            left[0] -= 1
            raise DatabaseUnwritableError("full")
        return record(self, version_id, *force)

    monkeypatch.setattr(ModelRegistry, "record_deployed", busy)
    async with serving(home, database) as serves:
        await serves.deploy("v1")
        assert (serves.keeper.name, deployed(database, home)) == ("v1", "v1")


async def test_what_the_settings_name_is_followed_and_a_version_waits(
    home: Home, database: Database, tiny: Path
) -> None:
    add(database, home, "v1", tiny)
    other = tiny.parent / "tiny-f16.gguf"
    async with serving(home, database, settings(model_path=str(tiny))) as serves:
        await serves.load()
        old = await writes(serves)
        await serves.deploy("v1")  # the settings name another one: it keeps answering
        assert await writes(serves) is old
        assert deployed(database, home) == "v1"
        serves.change_settings(settings(model_path=str(other)))  # type: ignore[attr-defined]
        await serves.follow()
        assert serves.keeper.name == other.stem
        serves.change_settings(settings())  # type: ignore[attr-defined]
        await serves.follow()
        assert serves.keeper.name == "v1"
        serves.change_settings(settings(model_path="nowhere.gguf"))  # type: ignore[attr-defined]
        with pytest.raises(MynahError, match="There is no model at"):
            await serves.follow()
        await writes(serves)
        assert serves.keeper.name == "v1"


async def test_when_it_may_read_is_told_to_every_model_and_the_pipelines_read_anew(
    home: Home, database: Database, tiny: Path
) -> None:
    now = settings(
        model_path=str(tiny), reading_share=40, reading_pauses_for_games=False,
        recall_enabled=False, persona="You are {name}.",
    )  # fmt: skip
    async with serving(home, database, now) as serves:
        await serves.load()
        first = serves.keeper.engine
        assert isinstance(first, Engine)
        assert first._scheduler._share == 0.0  # until the machine has been looked at
        pipeline = Pipeline(
            database=database,
            model=serves.keeper,
            recall=serves.recall,
            platform=Room(),
            settings=now,
        )
        serves.read_for(pipeline)
        running = asyncio.create_task(serves.run())
        try:
            await until(lambda: first._scheduler._share == 0.4)
            assert serves.status()["reading"] == "reads along, 40 % of the time"
            await pipeline.handle(incoming("hm", message_id=1000))
            await until(lambda: first.evaluated.read > 0)

            other = Settings({**now, "model_path": str(tiny.parent / "tiny-f16.gguf")})
            serves.change_settings(other)  # type: ignore[attr-defined]
            await serves.follow()
            second = serves.keeper.engine
            assert isinstance(second, Engine)
            assert second is not first
            assert second._scheduler._share == 0.4
            await until(lambda: second.evaluated.read > 0)

            serves.change_settings(Settings({**other, "reading_along": "off"}))  # type: ignore[attr-defined]
            serves.note_settings()
            await until(lambda: second._scheduler._share == 0.0)
            assert serves.status()["reading"] == "off"
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await pipeline.reader.close()
