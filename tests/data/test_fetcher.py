"""A fetch stores everything once, goes on where it was left or killed, and names what is closed."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from data.fetch_report import ChannelFetch, FetchProgress, FetchReport
from data.fetcher import fetch_history
from storage.database import Database
from storage.paths import PROGRAM_DIR
from storage.records import ChannelRecord, MessageRecord, Origin
from storage.verdict_store import FETCH
from tests.data.fake_source import START_MS, FakeSource, spoken

FETCH_SLOWLY = """
import asyncio, sys, time
from pathlib import Path
from data.fetcher import fetch_history
from storage.database import Database
from tests.data.fake_source import FakeSource

source = FakeSource({1: 1500, 2: 1234, 3: 700})
source.before_page = lambda: (print("page", flush=True), time.sleep(0.01))
with Database.open(Path(sys.argv[1])) as db:
    asyncio.run(fetch_history(source, db, channels=[1, 2, 3]))
"""


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "mynah.db") as database:
        yield database


def all_of(source: FakeSource, *channels: int) -> list[MessageRecord]:
    return [message for channel_id in channels for message in source.said[channel_id]]


async def test_everything_is_stored_with_places_and_people(db: Database) -> None:
    source = FakeSource({1: 250, 2: 100, 3: 0})
    report = await fetch_history(source, db, channels=[1, 2, 3])
    assert list(db.messages()) == all_of(source, 1, 2)
    assert [c.name for c in db.channels()] == ["room 1", "room 2"]
    assert [m.nickname for m in db.members()] == [f"User {n}" for n in range(5)]
    done = [(c.channel_id, c.new, c.changed, c.pages) for c in report.channels]
    assert done == [(1, 250, 0, 3), (2, 100, 0, 1), (3, 0, 0, 0)]
    assert (report.new, report.skipped, report.is_stopped) == (350, (), False)
    first, last = spoken(1, 99).message_id, source.said[2][-1].message_id
    assert source.asked == [
        *((1, 0), (1, first), (1, spoken(1, 199).message_id)),
        *((2, 0), (2, last), (3, 0)),  # a whole page says nothing of the end
    ]


async def test_a_second_fetch_asks_for_what_is_new_alone(db: Database) -> None:
    source = FakeSource({1: 250})
    await fetch_history(source, db, channels=[1])
    last_id = source.said[1][-1].message_id
    source.said[1] += [spoken(1, n) for n in range(250, 260)]
    source.asked.clear()
    report = await fetch_history(source, db, channels=[1])
    assert source.asked == [(1, last_id)]
    assert (report.new, report.channels[0].pages) == (10, 1)
    assert list(db.messages()) == all_of(source, 1)


async def test_what_was_said_live_or_imported_is_passed_over(db: Database) -> None:
    source = FakeSource({1: 150})
    known = [spoken(1, n) for n in (3, 149)]
    db.upsert_messages([known[0], known[1]])
    db.mark_deleted([spoken(1, 149).message_id], START_MS)
    report = await fetch_history(source, db, channels=[1])
    assert report.new == 148
    assert list(db.messages()) == all_of(source, 1)[:-1]  # deleted stays deleted
    assert db.origins() == {Origin.DISCORD_API}


async def test_threads_belong_to_their_listed_channel(db: Database) -> None:
    source = FakeSource({1: 5, 2: 5, 3: 5, 4: 5}, parents={3: 1, 4: 2})
    report = await fetch_history(source, db, channels=[1])
    assert [c.channel_id for c in report.channels] == [1, 3]
    assert list(db.messages()) == all_of(source, 1, 3)
    assert db.channels()[1].parent_id == 1


async def test_a_closed_channel_is_named_and_the_others_go_on(db: Database) -> None:
    source = FakeSource({1: 5, 2: 5, 3: 5}, closed=2)
    report = await fetch_history(source, db, channels=[1, 2, 3, 404])
    assert list(db.messages()) == all_of(source, 1, 3)
    unknown, closed = report.skipped
    assert (closed.name, closed.reason) == ("room 2", "room 2 is closed; give the bot a key.")
    assert (unknown.channel_id, "no such channel" in unknown.reason) == (404, True)
    assert "  room 2 was skipped: room 2 is closed; give the bot a key." in report.lines()


async def test_a_channel_that_closes_half_way_keeps_what_was_read(db: Database) -> None:
    source = FakeSource({1: 250}, closed=1)
    source.closes_after_id = spoken(1, 150).message_id
    report = await fetch_history(source, db, channels=[1])
    assert (report.new, [c.pages for c in report.channels], len(report.skipped)) == (200, [2], 1)
    source.closed = 0
    assert (await fetch_history(source, db, channels=[1])).new == 50


async def test_what_is_not_on_the_allow_list_is_not_asked_for(db: Database) -> None:
    source = FakeSource({1: 5, 2: 5, 3: 5}, parents={3: 1})
    db.upsert_channels([ChannelRecord(1, 9, "The Lantern", "room 1")])
    db.set_allowed(1, False)
    report = await fetch_history(source, db, channels=[1, 2])
    assert list(db.messages()) == all_of(source, 2)
    assert [skipped.channel_id for skipped in report.skipped] == [1, 3]
    assert {channel_id for channel_id, _ in source.asked} == {2}


async def test_stopping_ends_between_pages_and_the_next_fetch_goes_on(db: Database) -> None:
    source = FakeSource({1: 250, 2: 250})
    told: list[FetchProgress] = []
    report = await fetch_history(
        source, db, channels=[1, 2], progress=told.append, stop=lambda: len(told) == 2
    )
    assert report.is_stopped
    assert "stopped before the end" in report.lines()[0]
    assert (report.new, len(source.asked)) == (200, 2)
    assert db.cursor(FETCH, 1) == spoken(1, 199).message_id
    assert (await fetch_history(source, db, channels=[1, 2])).new == 300
    assert list(db.messages()) == all_of(source, 1, 2)


async def test_progress_tells_where_it_is(db: Database) -> None:
    told: list[FetchProgress] = []
    await fetch_history(FakeSource({1: 150, 2: 5}), db, channels=[1, 2], progress=told.append)
    assert [(p.channel, p.channels_done, p.channels_total, p.messages) for p in told] == [
        ("room 1", 0, 2, 100),
        ("room 1", 0, 2, 150),
        ("room 2", 1, 2, 155),
    ]
    assert [p.reached_ms for p in told] == [START_MS + n * 60_000 for n in (99, 149, 4)]
    assert told[0].per_second > 0
    shown = FetchProgress("general", 1, 5, 3200, START_MS, 66.0)
    assert str(shown) == "2 of 5 · 3,200 messages · 48 a second · general up to 2023-11-14"


async def test_another_failure_ends_the_fetch_and_what_was_stored_stays(db: Database) -> None:
    source = FakeSource({1: 250})

    def fail_at_the_third() -> None:
        if len(source.asked) == 2:
            raise ConnectionError("the cable is out")

    source.before_page = fail_at_the_third
    with pytest.raises(ConnectionError, match="cable"):
        await fetch_history(source, db, channels=[1])
    assert len(list(db.messages())) == 200
    source.before_page = lambda: None
    assert (await fetch_history(source, db, channels=[1])).new == 50


def test_a_report_as_values() -> None:
    one = ChannelFetch(1, "general", new=2, changed=1, pages=1, seconds=0.5)
    report = FetchReport((one,), seconds=1.0)
    assert report.lines()[0] == "2 messages new, 1 changed, in 1 channel and 1.0 s"
    assert report.as_dict()["channels"][0]["name"] == "general"


def killed_at_random(path: Path, chance: random.Random) -> None:
    """Fetch in a process of its own, and end it some pages later in the middle of something."""
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH_SLOWLY, str(path)],
        cwd=PROGRAM_DIR,
        env={**os.environ, "PYTHONPATH": str(PROGRAM_DIR)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(chance.randint(1, 5)):
        assert process.stdout.readline() == "page\n"
    time.sleep(chance.uniform(0.0, 0.015))
    process.kill()
    process.communicate(timeout=30)


def test_a_fetch_that_is_killed_at_any_instant_is_completed(tmp_path: Path) -> None:
    path = tmp_path / "mynah.db"
    chance = random.Random(6)
    source = FakeSource({1: 1500, 2: 1234, 3: 700})
    for _ in range(8):
        killed_at_random(path, chance)
    with Database.open(path) as db:
        before = len(list(db.messages()))
        assert 0 < before < 3434
        report = asyncio.run(fetch_history(source, db, channels=[1, 2, 3]))
        assert list(db.messages()) == all_of(source, 1, 2, 3)
        assert report.new == 3434 - before
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
