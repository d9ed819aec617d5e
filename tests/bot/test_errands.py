"""bot/errands.py: fetching by order and by schedule, and what the fetch leaves to be done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bot.errands import Errands
from data.fetch_rounds import DAY_MS, last_complete_ms, note_complete
from data.fetcher import Page
from storage.database import Database
from storage.manifest import write_manifest
from storage.paths import Home
from storage.settings import Settings
from tests.data.fake_source import FakeSource


class Desk:
    """An errands' bot, and what it was told."""

    def __init__(self, folder: Path, database: Database, **settings: Any) -> None:
        self.home = Home(folder / "home").ensure()
        self.settings = Settings({"discord_channel_ids": "1,2", **settings})
        self.forgotten: list[int] = []
        self.told: list[str] = []
        self.errands = Errands(self.home, database, lambda: self.settings, self._forget)

    def _forget(self, ids: Collection[int]) -> None:
        self.forgotten.extend(ids)

    async def tell(self, text: str) -> None:
        self.told.append(text)

    async def until_told(self) -> str:
        """And until the errand is over."""
        for _ in range(3000):
            if self.told and not self.errands.is_fetching:
                return self.told.pop()
            await asyncio.sleep(0.01)
        raise TimeoutError


@pytest.fixture
def desk(tmp_path: Path, database: Database) -> Desk:
    return Desk(tmp_path, database)


async def test_an_order_fetches_and_forgets_what_is_gone(desk: Desk, database: Database) -> None:
    source = FakeSource({1: 150, 2: 5})
    assert desk.errands.fetch(source, desk.tell).startswith("Fetching the history of 2 channels")
    assert (await desk.until_told()).startswith("155 messages new")
    gone = source.said[1].pop(3).message_id
    desk.errands.fetch(source, desk.tell)
    assert ", 1 deleted, in 2 channels" in await desk.until_told()
    assert desk.forgotten == [gone]
    assert last_complete_ms(database) is not None
    assert len(list(desk.home.messages.glob("*.json"))) == 2
    await desk.errands.close()


async def test_a_second_order_is_told_how_far_the_first_is(desk: Desk) -> None:
    source = FakeSource({1: 250, 2: 5})
    held, go_on, page = asyncio.Event(), asyncio.Event(), source.page

    async def slowly(channel_id: int, after_id: int, limit: int) -> Page:
        if after_id:
            held.set()
            await go_on.wait()
        return await page(channel_id, after_id, limit)

    source.page = slowly  # type: ignore[method-assign]
    desk.errands.fetch(source, desk.tell)
    assert desk.errands.fetch(source, desk.tell) == "Fetching already: it has just begun."
    await held.wait()
    while " 105 messages" not in desk.errands.fetch(source, desk.tell):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    go_on.set()
    assert (await desk.until_told()).startswith("255 messages new")
    await desk.errands.close()


async def test_closing_ends_a_fetch_that_waits(desk: Desk) -> None:
    source, waits = FakeSource({1: 5}), asyncio.Event()

    async def never(channel_id: int, after_id: int, limit: int) -> Page:
        waits.set()
        await asyncio.sleep(3600)
        raise AssertionError

    source.page = never  # type: ignore[method-assign]
    desk.errands.fetch(source, desk.tell)
    await waits.wait()
    await asyncio.wait_for(desk.errands.close(), 5)
    assert desk.told == []


@pytest.mark.parametrize(
    ("days", "age_days", "fetches"),
    [(7, None, True), (7, 6, False), (7, 8, True), (1, 6, True), (0, None, False)],
)
async def test_the_schedule(
    tmp_path: Path, database: Database, days: int, age_days: int | None, fetches: bool
) -> None:

    desk = Desk(tmp_path, database, fetch_every_days=days)
    if age_days is not None:
        note_complete(database, time.time_ns() // 1_000_000 - age_days * DAY_MS)
    source = FakeSource({1: 5, 2: 5})
    made: list[FakeSource] = []

    def history() -> FakeSource:
        made.append(source)
        return source

    running = asyncio.create_task(
        desk.errands.fetch_by_schedule(history, settle_s=0.0, look_every_s=0.05)
    )
    for _ in range(600 if fetches else 20):
        await asyncio.sleep(0.02)
        if len(list(database.messages(channel_id=2))) == 5 and last_complete_ms(database):
            break
    await asyncio.sleep(0.3)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await desk.errands.close()
    assert bool(list(database.messages(channel_id=1))) is fetches
    assert len(made) == fetches, "a complete one is enough"


async def test_nothing_is_fetched_where_nothing_is_listed(
    tmp_path: Path, database: Database
) -> None:
    desk = Desk(tmp_path, database, discord_channel_ids="")
    running = asyncio.create_task(
        desk.errands.fetch_by_schedule(lambda: pytest.fail("asked"), settle_s=0, look_every_s=0.01)
    )
    await asyncio.sleep(0.1)
    assert not running.done()
    running.cancel()


async def test_what_is_new_gets_its_vectors_where_there_is_an_embedder(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, str]] = []
    monkeypatch.setattr(
        desk.errands._jobs,
        "start",
        lambda name, scripts, ended: started.append((name, scripts[0].file)),
    )
    source = FakeSource({1: 5})
    desk.errands.fetch(source, desk.tell)
    await desk.until_told()
    assert started == []
    desk.home.embedder.mkdir(parents=True)
    (desk.home.embedder / "tiny.gguf").write_bytes(b"GGUF")
    write_manifest(desk.home.embedder, "embedder", {}, {})
    desk.errands.fetch(source, desk.tell)
    await desk.until_told()
    assert started == [], "nothing is new"
    del source.said[1][2]
    desk.errands.fetch(source, desk.tell)
    await desk.until_told()
    await asyncio.sleep(0.1)
    assert started == [("memory", "5_build_memory.py")]
    await desk.errands.close()
