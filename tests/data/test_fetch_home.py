"""A fetch of a home writes the channels' files, notes that it was complete, and is alone."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from data.exporting import export_path
from data.fetch_home import LOCK, FetchRunningError, fetch_home
from data.fetch_report import FetchReport
from data.fetch_rounds import last_complete_ms
from data.fetcher import fetch_history
from storage.database import Database
from storage.paths import Home
from storage.settings import Settings
from tests.data.fake_source import START_MS, FakeSource, spoken

SETTINGS = Settings({"discord_channel_ids": "1,2", "fetch_reconcile_days": 14})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def db(home: Home) -> Iterator[Database]:
    with Database.open(home.database) as database:
        yield database


def written(home: Home, channel_id: int) -> list[int]:
    file = json.loads(export_path(home.messages, channel_id).read_text(encoding="utf-8"))
    return [int(message["id"]) for message in file["messages"]]


async def test_files_follow_what_was_fetched(home: Home, db: Database) -> None:
    source = FakeSource({1: 150, 2: 5, 3: 5})
    report = await fetch_home(home, db, source, SETTINGS)
    assert (report.new, report.files) == (155, 2)
    assert written(home, 1) == [m.message_id for m in source.said[1]]
    before = export_path(home.messages, 2).stat().st_mtime_ns
    del source.said[1][7]
    report = await fetch_home(home, db, source, SETTINGS)
    assert (report.deleted, report.files) == (1, 1)
    assert written(home, 1) == [m.message_id for m in source.said[1]]
    assert export_path(home.messages, 2).stat().st_mtime_ns == before
    assert (await fetch_home(home, db, source, SETTINGS)).files == 0
    assert not db.has_erasures()
    del source.said[1][7]
    assert (await fetch_home(home, db, source, SETTINGS, follow=False)).deleted == 1
    assert db.has_erasures()  # the bot has a process for that


async def test_what_a_fetch_that_was_cut_left_is_written_by_the_next(
    home: Home, db: Database
) -> None:
    source = FakeSource({1: 5, 2: 5})
    await fetch_home(home, db, source, SETTINGS)
    os.utime(export_path(home.messages, 1), (1.0, 1.0))  # from before what was stored last
    export_path(home.messages, 2).unlink()
    assert (await fetch_home(home, db, source, SETTINGS)).files == 2
    # What was edited was read again and stored, and then it was cut.
    source.said[1][3] = replace(source.said[1][3], content="edited", edited_at_ms=START_MS * 2)
    await fetch_history(source, db, channels=[1, 2])
    assert (await fetch_home(home, db, source, SETTINGS)).files == 1
    assert '"edited"' in export_path(home.messages, 1).read_text(encoding="utf-8")
    assert (await fetch_home(home, db, source, SETTINGS)).files == 0


async def test_only_a_fetch_of_all_that_is_listed_is_complete(home: Home, db: Database) -> None:
    source = FakeSource({1: 5, 2: 5})
    await fetch_home(home, db, source, SETTINGS, channels=[1])
    await fetch_home(home, db, source, SETTINGS, stop=lambda: bool(source.asked))
    assert last_complete_ms(db) is None
    await fetch_home(home, db, source, SETTINGS)
    assert last_complete_ms(db) is not None


async def test_one_at_a_time(home: Home, db: Database) -> None:
    with FileLock(home.data_storage / LOCK), pytest.raises(FetchRunningError, match="already"):
        await fetch_home(home, db, FakeSource({1: 5}), SETTINGS)
    first: list[FetchReport] = []

    async def fetch() -> None:
        first.append(await fetch_home(home, db, FakeSource({1: 5}), SETTINGS))

    await asyncio.gather(fetch())
    assert first[0].new == 5


async def test_a_cancelled_fetch_gives_its_place_up(home: Home, db: Database) -> None:
    source = FakeSource({1: 5})
    never = asyncio.Event()

    async def page(channel_id: int, after_id: int, limit: int) -> None:
        await never.wait()

    source.page = page  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(fetch_home(home, db, source, SETTINGS))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    report = await fetch_home(home, db, FakeSource({1: 5}), SETTINGS)
    assert [m.message_id for m in db.messages()] == [spoken(1, n).message_id for n in range(5)]
    assert report.new == 5
