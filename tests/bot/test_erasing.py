"""The bot's background task that has deletions erased everywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.erasing import Erasing
from storage.database import Database
from storage.paths import Home
from tests.storage.rows import message


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path).ensure()


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    with Database.open(home.database) as database:
        database.upsert_messages([message(n) for n in range(1, 30)])
        yield database


async def until_erased(database: Database, run: asyncio.Task[None]) -> None:
    for _ in range(600):
        if run.done():
            run.result()
        if not database.has_erasures():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not erased")


async def test_a_burst_of_deletions_costs_one_run(home: Home, database: Database) -> None:
    sets = home.datasets / "pairs.jsonl"
    lines = [{"source_ids": [n << 30], "text": f"line {n}"} for n in range(1, 30)]
    database.upsert_messages([message(n << 30) for n in range(1, 30)])
    sets.write_text("".join(json.dumps(line) + "\n" for line in lines))
    erasing = Erasing(home, database, quiet_s=0.3, pause_s=0.2)
    run = asyncio.create_task(erasing.run())
    for n in range(1, 11):
        database.mark_deleted([n << 30], 1)
        erasing.soon()
        await asyncio.sleep(0.02)
    assert len(database.erasures()) == 10
    await until_erased(database, run)
    kept = [json.loads(line)["text"] for line in sets.read_text().splitlines()]
    assert kept == [f"line {n}" for n in range(11, 30)]
    for _ in range(100):
        if not list(home.logs.glob("erasing-*")):  # it said that it is done
            break
        await asyncio.sleep(0.05)
    assert not list(home.logs.glob("erasing-*"))
    run.cancel()
    await erasing.close()


async def test_what_was_pending_before_the_start_is_done(home: Home, database: Database) -> None:
    database.mark_deleted([3], 1)
    erasing = Erasing(home, database, quiet_s=600, pause_s=0.05)  # and at once
    run = asyncio.create_task(erasing.run())
    await until_erased(database, run)
    run.cancel()
    await erasing.close()
