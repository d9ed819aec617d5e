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
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.fetch_readings import Reading, left_s
from data.fetch_report import ChannelFetch, FetchProgress, FetchReport
from data.fetch_rounds import DAY_MS, REREAD, begin_round, end_reread, end_round, first_id
from data.fetcher import Page, fetch_history
from storage.database import Database
from storage.paths import PROGRAM_DIR
from storage.records import ChannelRecord, MessageRecord, Origin, Reaction
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
    assert sorted(source.asked) == [
        *((1, 0), (1, first), (1, spoken(1, 199).message_id)),
        *((2, 0), (2, last), (3, 0)),  # a whole page says nothing of the end
    ]


async def test_a_second_fetch_asks_for_what_is_new_alone(db: Database) -> None:
    source = FakeSource({1: 250})
    await fetch_history(source, db, channels=[1])
    last_id = source.said[1][-1].message_id
    source.said[1] += [spoken(1, n) for n in range(250, 260)]
    source.asked.clear()
    report = await fetch_history(source, db, channels=[1], reread_days=0)
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
        source, db, channels=[1, 2], progress=told.append, stop=lambda: len(told) >= 2
    )
    assert report.is_stopped
    assert "stopped before the end" in report.lines()[0]
    assert 200 <= report.new < 500
    assert report.new == len(list(db.messages()))
    for channel_id in (1, 2):
        last = list(db.messages(channel_id=channel_id))[-1:]
        assert db.cursor(FETCH, channel_id) == (last[0].message_id if last else None)
    source.asked.clear()
    rest = await fetch_history(source, db, channels=[1, 2])
    assert rest.new == 500 - report.new
    assert list(db.messages()) == all_of(source, 1, 2)
    assert len(source.asked) == 6 - report.new // 100  # nothing is asked for twice


async def test_progress_tells_where_it_is(db: Database) -> None:
    told: list[FetchProgress] = []
    await fetch_history(FakeSource({1: 150}), db, channels=[1], progress=told.append)
    await fetch_history(FakeSource({2: 5}), db, channels=[2], progress=told.append)
    assert [(p.channel, p.channels_done, p.channels_total, p.messages) for p in told] == [
        ("room 1", 0, 1, 100),
        ("room 1", 0, 1, 150),
        ("room 2", 0, 1, 5),
    ]
    assert [p.reached_ms for p in told] == [START_MS + n * 60_000 for n in (99, 149, 4)]
    assert told[0].per_second > 0


def test_progress_in_words() -> None:
    shown = FetchProgress("general", 1, 5, 3200, START_MS, 66.0)
    assert str(shown) == "2 of 5 · 3,200 messages · 48 a second · general up to 2023-11-14"
    again = FetchProgress("general", 5, 5, 3200, START_MS, 66.0, is_again=True, left_s=70.4)
    assert str(again) == (
        "again, 5 of 5 · 3,200 messages · 48 a second · 1:10 left · general up to 2023-11-14"
    )
    waits = FetchProgress("general", 1, 5, 3200, START_MS, 66.0, waiting="Discord answered 503")
    assert str(waits) == "3,200 messages · waiting: Discord answered 503"
    assert "2:05 h left" in str(FetchProgress("a", 0, 1, 1, START_MS, 1.0, left_s=7500.0))


def test_time_left_is_told_by_the_time_that_was_passed() -> None:
    def reading(share: float, began_s: float | None, ended_s: float | None = None) -> Reading:
        after_id = first_id(START_MS)
        reached_ms = START_MS + int(share * 1_000_000)
        channel = ChannelRecord(1, 9, "The Lantern", "room")
        made = Reading(channel, after_id, 0, FETCH, until_ms=START_MS + 1_000_000)
        return replace(made, reached_ms=reached_ms, began_s=began_s, ended_s=ended_s)

    quarter, waiting = reading(0.25, 0.0), reading(0.0, None)
    assert left_s([waiting], 50, 10.0) is None
    assert left_s([quarter], 50, 10.0) == pytest.approx(30.0)
    assert left_s([quarter, reading(0.5, 0.0)], 50, 10.0) == pytest.approx(30.0)  # the slowest
    assert left_s([quarter, *[waiting] * 9], 1, 10.0) == pytest.approx(30 + 9 * 40)
    assert left_s([reading(1.0, 0.0, 5.0)], 50, 10.0) == 0.0


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


async def test_channels_are_read_side_by_side(db: Database) -> None:
    source = FakeSource(dict.fromkeys(range(1, 9), 5))
    side_by_side = most = 0
    page = source.page

    async def slow_page(channel_id: int, after_id: int, limit: int) -> Page:
        nonlocal side_by_side, most
        side_by_side += 1
        most = max(most, side_by_side)
        await asyncio.sleep(0.5)
        side_by_side -= 1
        return await page(channel_id, after_id, limit)

    source.page = slow_page  # type: ignore[method-assign]
    assert (await fetch_history(source, db, channels=list(source.said))).new == 40
    assert most == 8


async def test_what_changed_meanwhile_is_found(db: Database) -> None:
    source = FakeSource({1: 450, 2: 30})
    await fetch_history(source, db, channels=[1, 2])
    said = source.said[1]
    edited = said[420] = replace(said[420], content="other words", edited_at_ms=START_MS + 99)
    liked = said[50] = replace(said[50], reactions=(Reaction("👍", 2),))
    gone = [said[n].message_id for n in (7, 100, 101, 299, 448, 449)]
    source.said[1] = [m for m in said if m.message_id not in gone]
    erased: list[int] = []
    source.asked.clear()
    report = await fetch_history(source, db, channels=[1, 2], erased=erased.extend)
    assert (report.new, report.changed, report.deleted) == (0, 2, 6)
    assert list(db.messages()) == all_of(source, 1, 2)
    assert db.messages_by_id([edited.message_id, liked.message_id]) == [edited, liked]
    assert sorted(erased) == gone
    assert all(m.deleted_at_ms for m in db.messages_by_id(gone))
    assert report.lines()[0].startswith("0 messages new, 2 changed, 6 deleted, in 2 channels")
    assert (await fetch_history(source, db, channels=[1, 2])).touched == ()


async def test_only_the_days_before_the_last_fetch_are_read_again(db: Database) -> None:
    source = FakeSource({1: 5000})  # three and a half days of them
    await fetch_history(source, db, channels=[1])
    source.said[1] += [spoken(1, n) for n in range(5000, 5010)]
    old, young = source.said[1][1000], source.said[1][4900]
    source.said[1] = [m for m in source.said[1] if m not in (old, young)]
    source.asked.clear()
    report = await fetch_history(source, db, channels=[1], reread_days=1)
    assert (report.new, report.deleted) == (10, 1)
    day_back = spoken(1, 4999 - 24 * 60).message_id
    assert min(after_id for _, after_id in source.asked) == pytest.approx(day_back, rel=1e-9)
    assert len(source.asked) == 1 + 15  # forward, and 1,440 messages
    assert [m.message_id for m in db.messages() if m == old] == [old.message_id]
    assert (await fetch_history(source, db, channels=[1], reread_days=0)).deleted == 0
    assert (await fetch_history(source, db, channels=[1], whole=True)).deleted == 1
    assert list(db.messages()) == source.said[1]


async def test_what_is_new_is_compared_with_what_was_stored_live(db: Database) -> None:
    """Stored while the bot ran, deleted while it did not."""
    source = FakeSource({1: 150})
    db.upsert_messages(source.said[1][20:150])
    kept = [m for n, m in enumerate(source.said[1]) if n not in (30, 149)]
    source.said[1] = kept
    report = await fetch_history(source, db, channels=[1])
    assert (report.new, report.deleted) == (20, 2)
    assert list(db.messages()) == kept


async def test_a_whole_channel_can_be_emptied(db: Database) -> None:
    source = FakeSource({1: 120})
    await fetch_history(source, db, channels=[1])
    source.said[1] = []
    report = await fetch_history(source, db, channels=[1])
    assert (report.deleted, source.confirmed) == (120, [1])
    assert list(db.messages()) == []


async def test_a_channel_that_only_seems_empty_keeps_its_messages(db: Database) -> None:
    source = FakeSource({1: 120, 2: 5})
    await fetch_history(source, db, channels=[1, 2])
    source.hides.add(1)
    report = await fetch_history(source, db, channels=[1, 2])
    assert [(one.channel_id, report.deleted) for one in report.skipped] == [(1, 0)]
    assert len(list(db.messages())) == 125
    source.hides.clear()
    assert (await fetch_history(source, db, channels=[1, 2])).skipped == ()


async def test_what_was_said_a_moment_ago_is_not_taken_for_deleted(db: Database) -> None:
    """It may have come in while the page was on its way, or not be known to all of Discord."""
    source = FakeSource({1: 5})
    await fetch_history(source, db, channels=[1])
    now_ms = time.time_ns() // 1_000_000
    just_now = replace(spoken(1, 0), message_id=first_id(now_ms - 1000), created_at_ms=now_ms)
    source.before_page = lambda: db.upsert_messages([just_now])  # type: ignore[assignment]
    report = await fetch_history(source, db, channels=[1])
    assert report.deleted == 0


async def test_the_sample_and_the_playground_are_not_compared(db: Database) -> None:
    source = FakeSource({1: 5})
    own = [
        replace(spoken(1, n), message_id=7 + n, origin=origin)
        for n, origin in enumerate((Origin.SAMPLE, Origin.PLAYGROUND))
    ]
    db.upsert_messages(own)
    await fetch_history(source, db, channels=[1])
    assert [m.message_id for m in db.messages()][:2] == [7, 8]


async def test_what_has_nothing_new_is_not_asked_for(db: Database) -> None:
    source = FakeSource({1: 5, 2: 5, 3: 0})
    source.newest_ids = {1: source.said[1][-1].message_id, 2: source.said[2][-1].message_id, 3: 0}
    await fetch_history(source, db, channels=[1, 2, 3])
    source.said[2].append(spoken(2, 9))
    source.newest_ids[2] = spoken(2, 9).message_id
    source.asked.clear()
    report = await fetch_history(source, db, channels=[1, 2, 3], reread_days=0)
    assert source.asked == [(2, spoken(2, 4).message_id)]
    assert (report.new, len(report.channels)) == (1, 3)


async def stopped_after(pages: int, source: FakeSource, db: Database, **named: Any) -> FetchReport:
    asked = len(source.asked)
    return await fetch_history(
        source, db, channels=[1, 2], stop=lambda: len(source.asked) - asked >= pages, **named
    )


@pytest.mark.parametrize("whole", [False, True])
async def test_reading_again_goes_on_where_it_was_stopped(db: Database, whole: bool) -> None:
    source = FakeSource({1: 1000, 2: 1000})
    await fetch_history(source, db, channels=[1, 2])
    source.asked.clear()
    runs = 0
    while (await stopped_after(4, source, db, whole=whole)).is_stopped:
        runs += 1
        assert runs < 30
    assert runs > 4
    places = [(c, after) for c, after in source.asked if after < spoken(1, 999).message_id - 9]
    assert len(set(places)) == 20
    assert len(places) <= 20 + 3 * runs  # what was asked for, and not stored any more
    source.asked.clear()
    assert (await fetch_history(source, db, channels=[1, 2], whole=whole)).touched == ()
    assert len(source.asked) >= 20, "a round that is finished is begun anew"


async def test_a_round_of_yesterday_is_not_gone_on_with(db: Database) -> None:
    for channel_id in (1, 2):
        db.upsert_messages(spoken(channel_id, n) for n in range(100))
        db.set_cursor(FETCH, channel_id, spoken(channel_id, 99).message_id)
    begun = begin_round(db, [1, 2], days=1, whole=False, now_ms=START_MS)
    assert {c: part.known for c, part in begun.items()} == {1: 100, 2: 100}
    end_reread(db, [1])
    db.set_cursor(REREAD, 2, spoken(2, 49).message_id)
    same = begin_round(db, [1, 2], days=1, whole=False, now_ms=START_MS + DAY_MS - 1)
    assert {c: part.known for c, part in same.items()} == {2: 50}
    later = begin_round(db, [1, 2], days=1, whole=False, now_ms=START_MS + DAY_MS)
    assert {c: part.known for c, part in later.items()} == {1: 100, 2: 100}
    whole = begin_round(db, [1], days=1, whole=True, now_ms=START_MS + DAY_MS + 1)
    end_reread(db, [1])
    assert whole[1].after_id == 0
    assert begin_round(db, [1], days=1, whole=False, now_ms=START_MS + 90 * DAY_MS) == {}
    end_round(db)
    assert 1 in begin_round(db, [1], days=1, whole=False, now_ms=START_MS + 90 * DAY_MS)


async def test_a_stop_does_not_wait_for_the_source(db: Database) -> None:
    source = FakeSource({1: 5})
    is_asked = False

    async def never(channel_id: int, after_id: int, limit: int) -> Page:
        nonlocal is_asked
        is_asked = True
        source.on_wait("Discord answered 503")
        await asyncio.sleep(3600)
        raise AssertionError

    source.page = never  # type: ignore[method-assign]
    told: list[FetchProgress] = []
    report = await asyncio.wait_for(
        fetch_history(source, db, channels=[1], stop=lambda: is_asked, progress=told.append), 10
    )
    assert report.is_stopped
    assert [one.waiting for one in told] == ["Discord answered 503"]


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
    for _ in range(chance.randint(4, 9)):
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
