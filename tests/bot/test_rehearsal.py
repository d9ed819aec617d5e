"""A rehearsal with the small base: a row a message, nothing else, no sight of what comes."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import llama_cpp
import pytest

from bot.composition import open_rehearsal
from bot.messages import ReplyReason, SilentReason
from bot.model_keeper import OneEngine
from bot.rehearsal import Rehearsing
from bot.rehearsal_plan import NothingToRehearseError, Wanted, day_of, plan
from bot.rehearsal_stage import Parts
from bot.shadow import Shadow
from bot.store import Known
from bot.style import Style
from data.erased import Erased
from data.forgetting_databases import erase_from_database
from data.style.card import make_style_card
from model.inference import Engine
from storage.database import Database
from storage.paths import PROGRAM_DIR, Home
from storage.records import MessageRecord
from storage.rehearsal_store import Rehearsal, Rehearsed
from storage.scratch import scratch_folder, sweep_scratch
from storage.settings import Settings
from tests.bot.odd_engines import OddEngine
from tests.bot.scene import (
    BOB,
    CELLAR,
    MIRA,
    OWN_ID,
    ROBOT,
    SHY,
    START_MS,
    TAVERN,
    fill,
    incoming,
    record,
)
from tests.bot.test_style import talk as chat
from tests.bot.test_style import until

LATER = 200_000
"""The rehearsed messages' first id: their times are two days behind START_MS, by their ids."""
TALK = (
    (MIRA, "anyone up for the dungeon tonight?"),
    (BOB, "not before nine"),
    (SHY, "my secret is a zeppelin"),
    (ROBOT, "rolled a dice"),
    (BOB, "Mynah, what did the healer say?"),
    (MIRA, "she has a new staff"),
    (MIRA, "who can bring a torch for the cellar run?"),
    (BOB, "me"),
    (MIRA, "Mynah: and you?"),
    (BOB, "the xylophone is broken again"),
)

ALL = Wanted(last=len(TALK))


def talk(texts: Sequence[tuple[Any, str]] = TALK, first: int = LATER) -> list[MessageRecord]:
    return [record(first + 10 * n, who, text) for n, (who, text) in enumerate(texts)]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    with Database.open(home.database) as opened:
        fill(opened)
        # What an excluded member said before that is there.
        opened.set_excluded(SHY.member_id, False)
        opened.upsert_messages(talk())
        opened.set_excluded(SHY.member_id, True)
        opened.set_config("response_rate", "0.3")
        opened.set_config("threads", "1")
        opened.set_config("max_reply_tokens", "50")
        yield opened


@contextmanager
def parts_of(home: Home, database: Database) -> Iterator[tuple[str, Parts]]:
    with open_rehearsal(home, database) as found:
        yield found


async def rehearse(
    home: Home, parts: Parts, wanted: Wanted = ALL, **more: Any
) -> tuple[Rehearsal, list[Rehearsed], list[tuple[str, dict[str, Any]]]]:
    told: list[tuple[str, dict[str, Any]]] = []
    one = Rehearsing(
        home,
        parts,
        wanted,
        version_id="v1",
        tell=lambda event, fields: told.append((event, fields)),
        **more,
    )
    kept = await one.run()
    return kept, parts.database.rehearsed(kept.rehearsal_id), told


def dump(home: Home) -> dict[str, list[Any]]:
    """Every table but the two that a rehearsal writes."""
    with closing(sqlite3.connect(home.database)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master")]
        tables = [
            name
            for name in names
            if not name.startswith(("sqlite_", "messages_fts_", "rehears"))
            and connection.execute(
                "SELECT type FROM sqlite_master WHERE name = ?", (name,)
            ).fetchone()[0]
            == "table"
        ]
        return {name: list(connection.execute(f"SELECT * FROM {name}")) for name in tables}


async def test_each_message_gets_a_row_and_nothing_else_changes(
    home: Home, database: Database
) -> None:
    files = sorted(path for path in home.root.rglob("*") if path.is_file())
    with parts_of(home, database) as (_, parts):
        before = dump(home)
        kept, rows, told = await rehearse(home, parts)
        assert dump(home) == before
    assert kept.ended_at_ms is not None
    assert [row.message_id for row in rows] == [one.message_id for one in talk()]
    reasons = {(row.message_id - LATER) // 10: row.reason for row in rows}
    assert reasons[2] == SilentReason.EXCLUDED.value
    assert reasons[3] == SilentReason.BOT.value
    assert reasons[4] == reasons[8] == ReplyReason.NAMED.value
    asked = rows[4]
    assert asked.verdict == "reply"
    assert asked.is_spoken or asked.guard.startswith("refused")
    assert asked.message_id in asked.source_ids
    ids = {record.message_id for record in database.messages()}
    assert set(asked.source_ids) <= ids
    assert LATER + 20 not in asked.source_ids  # an excluded member's
    weighed = [row for row in rows if row.parts]
    assert weighed
    assert {"total", "threshold", "why"} <= set(weighed[0].parts)
    assert [event for event, _ in told][0 :: len(told) - 1] == ["plan", "done"]
    assert told[0][1]["drafts"] >= 2
    left = {path for path in home.root.rglob("*") if path.is_file()} - set(files)
    assert {path.name for path in left} <= {"threads.json", "mynah.db-wal", "mynah.db-shm"}


async def test_what_is_said_later_is_never_seen(home: Home, database: Database) -> None:
    """Nor recalled: it is stored, and the words are the same."""
    future = record(LATER + 5000, BOB, "the healer and the dungeon and a torch: kaleidoscope")
    database.upsert_messages([future])
    with parts_of(home, database) as (_, parts):
        spying = Spy(parts)
        _, rows, _ = await rehearse(
            home,
            replace(parts, lender=OneEngine(spying)),  # type: ignore[arg-type]
            Wanted(last=len(TALK) + 1),
        )
    assert len(spying.prompts) >= 2
    assert "the healer overslept" in spying.prompts[0]  # what was said before is
    written = [row for row in rows if row.source_ids]
    assert 0 < len(written) <= len(spying.prompts)
    for prompt in spying.prompts:
        row = next(r for r in reversed(written) if _text(r.message_id) in prompt)
        said_later = [one.content for one in talk() if one.message_id > row.message_id]
        assert not [text for text in (*said_later, "kaleidoscope") if text in prompt]
        assert max(row.source_ids) <= row.message_id


def _text(message_id: int) -> str:
    return next(one.content for one in talk() if one.message_id == message_id)


def _text_of(tokenizer: Any, ids: Sequence[int]) -> str:
    found = b""
    for token in ids:
        piece = (ctypes.c_char * 64)()
        size = llama_cpp.llama_token_to_piece(tokenizer._vocab, token, piece, 64, 0, True)
        found += piece.raw[:size]
    return found.decode("utf-8", "replace")


class Spy(OddEngine):
    """Keeps what it is asked with."""

    def __init__(self, parts: Parts) -> None:
        engine = parts.lender.engine
        assert isinstance(engine, Engine)
        super().__init__(engine)
        self.prompts: list[str] = []

    async def generate(self, ids: Any, **rest: Any) -> Any:
        self.prompts.append(_text_of(self._engine.tokenizer, ids))
        return await self._engine.generate(ids, **rest)


async def test_a_run_that_was_stopped_goes_on_where_it_was(home: Home, database: Database) -> None:
    """With the same words before the model. What it draws from them is not quite the same: figures
    differ in their last digits by what stood in the cache."""
    database.set_config("temperature", "0")
    wanted = replace(ALL, seed=4)
    with parts_of(home, database) as (_, parts):
        spy = Spy(parts)
        parts = replace(parts, lender=OneEngine(spy))  # type: ignore[arg-type]
        first, some, told = await rehearse(home, parts, replace(wanted, limit=1))
        assert first.ended_at_ms is None
        assert told[-1][1]["is_stopped"]
        assert 0 < len(some) < len(TALK)
        before = len(spy.prompts)
        again, rows, told = await rehearse(home, parts, wanted)
        assert again.rehearsal_id == first.rehearsal_id
        assert told[0][1]["goes_on"]
        assert again.ended_at_ms is not None
        went_on, spy.prompts = spy.prompts, []
        another, uncut, _ = await rehearse(home, parts, wanted)
        assert another.rehearsal_id != again.rehearsal_id  # that one was done
    assert went_on[: before + 1] == spy.prompts[: before + 1]
    assert rows[: len(some)] == some
    assert [row.message_id for row in rows] == [row.message_id for row in uncut]


async def test_what_the_persona_quotes_was_shown_too(home: Home, database: Database) -> None:
    """So a draft goes with it, and is not learned from where that may not be."""
    chat(database)
    make_style_card(home, database)
    with parts_of(home, database) as (_, parts):
        _, rows, _ = await rehearse(home, parts)
    style = Style(home, database)
    assert style.read()
    style.quote_before(LATER)
    quoted = style.quoted_in(TAVERN)
    assert quoted
    drafts = [row for row in rows if row.is_spoken or row.guard]
    assert drafts
    assert all(quoted <= set(row.source_ids) for row in drafts)
    database.mark_deleted([min(quoted)], START_MS)
    left = {row.rehearsed_id for row in database.rehearsed(rows[0].rehearsal_id)}
    assert left.isdisjoint(row.rehearsed_id for row in drafts)


async def test_what_is_deleted_meanwhile_is_in_no_scratch_database(
    home: Home, database: Database
) -> None:
    gone, coming = LATER, LATER + 90  # one was judged by then, the other was not
    asked: list[int] = []
    many = "xylophone", "dungeon tonight"

    async def meanwhile() -> None:
        asked.append(1)
        if len(asked) == 6:
            database.mark_deleted([gone, coming], START_MS)
            one.forget([gone, coming])
        if len(asked) > 7:
            kept = b"".join(path.read_bytes() for path in home.scratch.rglob("mynah.db*"))
            assert b"healer" in kept
            assert not any(word.encode() in kept for word in many)

    with parts_of(home, database) as (_, parts):
        told: list[tuple[str, dict[str, Any]]] = []
        one = Rehearsing(
            home,
            parts,
            ALL,
            version_id="v1",
            tell=lambda event, fields: told.append((event, fields)),
            yield_to=meanwhile,
        )
        kept = await one.run()
    assert len(asked) > 7
    ids = {row.message_id for row in database.rehearsed(kept.rehearsal_id)}
    assert ids.isdisjoint({gone, coming})
    assert told[-1][1]["is_stopped"] is False
    assert kept.ended_at_ms is not None


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
async def test_what_is_deleted_before_it_is_heard_is_never_heard(
    home: Home, database: Database, turns: int
) -> None:
    """While it waits, or while the scratch database is opened."""
    with parts_of(home, database) as (_, parts):
        keeper: Any = SimpleNamespace(name="v1")
        shadow = Shadow(home, keeper, lambda: parts)
        running = asyncio.create_task(shadow.run())
        for number, text in ((1, "the xylophone is gone"), (2, "a torch for everybody")):
            message = incoming(text, message_id=LATER + 900 + number)
            database.upsert_messages([message.record])
            shadow.hear(Known(message, channel_is_allowed=True, author_is_excluded=False))
        for _ in range(turns):
            await asyncio.sleep(0)
        database.mark_deleted([LATER + 901], START_MS)
        shadow.forget([LATER + 901])
        await until(lambda: shadow.is_idle)
        kept = b"".join(path.read_bytes() for path in home.scratch.rglob("mynah.db*"))
        assert b"torch" in kept
        assert b"xylophone" not in kept
        [row] = database.rehearsed(database.rehearsal().rehearsal_id)
        assert row.message_id == LATER + 902
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert not home.scratch.exists()


async def test_nothing_heard_is_kept_where_all_hear_it(home: Home, database: Database) -> None:
    """Once it speaks in public the scratch database goes."""
    with parts_of(home, database) as (_, parts):
        now = [parts]
        keeper: Any = SimpleNamespace(name="v1")
        shadow = Shadow(home, keeper, lambda: now[0])
        running = asyncio.create_task(shadow.run())
        message = incoming("a torch for everybody", message_id=LATER + 900)
        database.upsert_messages([message.record])
        shadow.hear(Known(message, channel_is_allowed=True, author_is_excluded=False))
        await until(lambda: shadow.is_idle)
        assert home.scratch.exists()
        settings = Settings({**parts.settings, "speaks_in_public": True})
        now[0] = replace(parts, settings=settings)
        shadow.note_settings()
        await until(lambda: not home.scratch.exists())
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_another_model_writes_is_none_of_its_drafts(
    home: Home, database: Database
) -> None:
    names = iter(["v1"] * 9)
    with parts_of(home, database) as (_, parts):
        kept, rows, told = await rehearse(home, parts, writes=lambda: next(names, "v2"))
        assert told[-1][1]["is_stopped"]
        assert 0 < len(rows) < len(TALK)
        again, rows, _ = await rehearse(home, parts)
        assert (again.rehearsal_id, len(rows)) == (kept.rehearsal_id, len(TALK))


async def test_it_is_stopped_while_it_counts_its_drafts(home: Home, database: Database) -> None:
    with parts_of(home, database) as (_, parts):
        one = Rehearsing(home, parts, ALL, version_id="v1")
        one.stop()
        kept = await asyncio.wait_for(one.run(), 60)
    assert kept.ended_at_ms is None
    assert database.rehearsed(kept.rehearsal_id) == []


async def test_of_a_long_day_the_beginning_says_how_many_drafts(
    home: Home, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.rehearsal.DRY_AT_MOST", 5)
    with parts_of(home, database) as (_, parts):
        _, rows, told = await rehearse(home, parts)
    spoken = sum(row.verdict == "reply" for row in rows[:5])
    assert told[0][1]["drafts"] == round(spoken * len(TALK) / 5) > 0


def test_a_day_has_its_own_hours(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    """25 where the clocks go back."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        last_ms = 1_792_969_200_000 - 1000  # 2026-10-25, 23:59:59
        assert day_of(last_ms) == "2026-10-25"
        assert day_of(last_ms + 1000) == "2026-10-26"
        database.upsert_messages(
            [
                replace(record(LATER + 900 + n, MIRA, "late"), created_at_ms=last_ms + n * 1000)
                for n in range(2)
            ]
        )
        found = plan(database, _settings(database), Wanted(day="2026-10-25"), OWN_ID)
        assert found.message_ids == (LATER + 900,)
        counted = database.said_by_day([TAVERN.channel_id], day_of)
        assert (counted["2026-10-25"], counted["2026-10-26"]) == (1, 1)
    finally:
        monkeypatch.undo()
        time.tzset()
    for day in ("9999-12-31", "0001-01-01"):
        with pytest.raises(NothingToRehearseError):
            plan(database, _settings(database), Wanted(day=day), OWN_ID)


def test_a_kill_leaves_what_was_judged_and_the_next_run_goes_on(
    home: Home, database: Database
) -> None:
    many = [(who, f"{text} ({n})") for n in range(8) for who, text in TALK]
    database.upsert_messages(talk(many, LATER + 1000))
    command = [sys.executable, str(PROGRAM_DIR / "scripts" / "rehearse.py"), "run", "--json"]
    command += ["--home", str(home.root), "--last", str(len(many))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (database.rehearsals() and len(database.rehearsed(1)) >= 5):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    judged = database.rehearsed(1)
    assert len(judged) < len(many)
    assert any(home.scratch.iterdir())
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(database.rehearsals()) == 1
    rows = database.rehearsed(1)
    assert len(rows) == len(many)
    assert rows[: len(judged)] == judged
    assert not home.scratch.exists()


def test_the_plan(database: Database) -> None:
    settings = _settings(database)
    day = plan(database, settings, Wanted(), OWN_ID)
    assert day.day == day_of(START_MS + LATER * 1000)
    assert day.message_ids == tuple(one.message_id for one in talk())
    assert set(day.before_ids) == {1, 2, 3, 4, 5, 6}  # of those one was deleted, one is closed
    own = replace(record(LATER + 105, MIRA, "I said that"), author_id=OWN_ID)
    database.upsert_messages([own])
    assert own.message_id not in plan(database, settings, Wanted(), OWN_ID).message_ids
    last = plan(database, settings, Wanted(last=2), OWN_ID)
    assert (last.day, len(last.message_ids)) == ("", 1)  # the other one is its own
    with pytest.raises(NothingToRehearseError, match="There is no channel 77"):
        plan(database, settings, Wanted((77,)), OWN_ID)
    with pytest.raises(NothingToRehearseError, match="Nothing was said on 2001-01-01"):
        plan(database, settings, Wanted(day="2001-01-01"), OWN_ID)
    with pytest.raises(NothingToRehearseError, match="written like"):
        plan(database, settings, Wanted(day="yesterday"), OWN_ID)
    closed = plan(database, settings, Wanted(), OWN_ID)
    assert CELLAR not in closed.channels


def _settings(database: Database) -> Any:
    from bot.composition import stored_settings

    return stored_settings(database)


def test_what_is_erased_takes_its_rows_along(home: Home, database: Database) -> None:
    rehearsal_id = database.begin_rehearsal(Rehearsal(0, "replay", START_MS))

    def row(message_id: int, *shown: int) -> int:
        draft = "hm" if shown else ""
        one = Rehearsed(
            rehearsal_id, message_id, TAVERN.channel_id, START_MS, "reply", "", draft=draft
        )
        return database.keep_rehearsed(replace(one, source_ids=shown))

    assert row(LATER, 1, LATER)
    assert row(LATER + 10, 2, LATER + 10)
    assert row(LATER + 40)
    database.mark_deleted([1], START_MS)
    assert [one.message_id for one in database.rehearsed(rehearsal_id)] == [LATER + 10, LATER + 40]
    assert row(LATER + 50, 1, LATER + 50) == 0  # what is gone is not kept any more
    assert database.rehearsed_of([2]) == 1
    copy = home.data_storage / "copy.db"
    with closing(sqlite3.connect(home.database)) as real, closing(sqlite3.connect(copy)) as to:
        real.backup(to)
    assert erase_from_database(copy, Erased(frozenset({BOB.member_id}), frozenset()))
    with closing(sqlite3.connect(copy)) as left:
        assert left.execute("SELECT count(*) FROM rehearsed").fetchone() == (0,)
    database.drop_rehearsed([LATER + 40])
    assert len(database.rehearsed(rehearsal_id)) == 1


def test_scratch_folders_go_with_whoever_held_them(home: Home) -> None:
    with scratch_folder(home) as held:
        (held / "mynah.db").write_text("words")
        left = held.parent / "left"
        left.mkdir()
        (left / "mynah.db").write_text("words")
        assert sweep_scratch(home) == 1
        assert held.exists()
        assert not left.exists()
    assert not home.scratch.exists()
