"""answer: a turn that went stale costs nothing, a reply that was shown what is gone is never sent,
and whatever ends a reply stands in its row."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.answer import BEGINNINGS
from bot.generate import Writer
from bot.intake import Intake
from bot.messages import Deleted, IncomingMessage, Reply, ReplyReason, Silent, SilentReason, Trace
from bot.model_keeper import OneEngine, RestingError
from bot.pipeline import Pipeline
from bot.verdicts import BEGUN, FAILED, SENDING, SENT
from model.chat_format import Note, Said
from model.inference import Engine, Generation, StoppedBy
from storage.database import Database
from storage.records import ChannelRecord, VerdictRow
from tests.bot.odd_engines import OddEngine
from tests.bot.scene import BOB, GUILD_ID, MIRA, START_MS, TAVERN, incoming
from tests.bot.test_pipeline import Room, make

KITCHEN = ChannelRecord(502, GUILD_ID, "The Lantern", "kitchen")
QUICK: dict[str, Any] = {"recall_enabled": False, "persona": "You are {name}."}


@pytest.fixture
def engine(tiny: Path) -> Iterator[Engine]:
    with Engine.load(tiny, context_tokens=512, channels=3, threads=1) as loaded:
        yield loaded


class Watched(OddEngine):
    """Keeps what it was asked and wrote; `on_asked` is called with each prompt, once it waits."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.prompts: list[str] = []
        self.made: list[Generation] = []
        self.on_asked: Callable[[int], None] = lambda number: None
        self.on_made: Callable[[int], None] = lambda number: None

    async def generate(self, ids: Any, **rest: Any) -> Generation:
        context = self._engine._context
        self.prompts.append(b"".join(map(context.bytes_of, ids)).decode("utf-8", "replace"))
        number = len(self.prompts)
        asyncio.get_running_loop().call_soon(self.on_asked, number)
        made = await self._engine.generate(ids, **rest)
        self.made.append(made)
        self.on_made(number)
        return made


@contextmanager
def held(engine: Engine) -> Iterator[threading.Event]:
    """Nothing is computed until it is set, or the end."""
    may_go_on, is_held = threading.Event(), threading.Event()

    def hold() -> None:
        is_held.set()
        may_go_on.wait(20)

    engine._worker.submit(hold)
    is_held.wait(20)
    try:
        yield may_go_on
    finally:
        may_go_on.set()


@asynccontextmanager
async def running(pipeline: Pipeline, database: Database, **hooks: Any) -> AsyncIterator[Intake]:
    intake = Intake(pipeline, database, **hooks)
    task = asyncio.create_task(intake.run())
    try:
        yield intake
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await pipeline.reader.close()


async def until(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.002)


def said(text: str, number: int, channel: ChannelRecord = TAVERN) -> IncomingMessage:
    return incoming(text, message_id=1200 + number, channel=channel)


def row(database: Database, number: int) -> VerdictRow:
    found = database.verdict(1200 + number)
    assert found is not None
    return found


def is_begun(database: Database, number: int) -> Callable[[], bool]:
    def begun() -> bool:
        found = database.verdict(1200 + number)
        return found is not None and found.outcome == BEGUN

    return begun


async def is_asked(engine: Engine) -> None:
    await until(lambda: bool(engine._scheduler._waiting))


def gone(number: int) -> Deleted:
    return Deleted(TAVERN.channel_id, (1200 + number,), START_MS + 1_300_000)


# -- what went stale ----------------------------------------------------------------------------


async def test_a_message_deleted_while_it_waits_costs_nothing(
    database: Database, engine: Engine
) -> None:
    room = Room()
    async with running(make(database, engine, room, **QUICK), database) as intake:
        with held(engine):
            intake.tell(said("Mynah, a?", 1, KITCHEN))
            await is_asked(engine)
            intake.tell(said("Mynah, b?", 2))
            await until(lambda: len(engine._scheduler._waiting) == 2)
            asked = engine.evaluated.asked
            intake.tell(gone(2))
        await intake.drained()
    assert [asked_id for _, _, asked_id in room.sent] == [1201]
    assert row(database, 2).reason == SilentReason.DELETED.value
    assert (row(database, 2).verdict, row(database, 2).evaluated_tokens) == ("silent", 0)
    assert engine.evaluated.asked - asked == row(database, 1).evaluated_tokens


async def test_a_message_deleted_while_the_model_is_loaded_is_not_even_recalled_for(
    database: Database, engine: Engine
) -> None:
    watched = Watched(engine)
    pipeline = make(database, watched)
    loaded, lend = asyncio.Event(), pipeline._answerer._lender.lend

    @asynccontextmanager
    async def slow() -> AsyncIterator[Any]:
        await loaded.wait()
        async with lend() as lent:
            yield lent

    pipeline._answerer._lender.lend = slow  # type: ignore[method-assign]
    async with running(pipeline, database) as intake:
        intake.tell(said("Mynah, another dungeon?", 1))
        await until(is_begun(database, 1))
        intake.tell(gone(1))
        loaded.set()
        await intake.drained()
    assert watched.prompts == []
    assert row(database, 1).reason == SilentReason.DELETED.value
    assert database.context(TAVERN.channel_id, 10) == []


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.recent.SAID_MORE_AFTER_S", 0.05)


@pytest.mark.usefixtures("soon")
async def test_who_said_more_is_answered_on_that(database: Database, engine: Engine) -> None:
    room, watched = Room(), Watched(engine)
    batches: list[dict[int, str]] = []
    record = database.record_verdicts

    def counted(rows: Any, **rest: Any) -> None:
        batches.append({one.message_id: one.reason for one in rows})
        record(rows, **rest)

    database.record_verdicts = counted  # type: ignore[method-assign]
    traces: list[Trace] = []
    pipeline = make(database, watched, room, **QUICK)
    async with running(pipeline, database, ended=traces.append) as intake:
        with held(engine):
            intake.tell(said("Mynah, when", 1))
            await is_asked(engine)
            await asyncio.sleep(0.06)
            intake.tell(said("is the raid", 2))
            await until(lambda: bool(database.messages_by_id([1202])))
            await until(lambda: (TAVERN.channel_id, MIRA.member_id) in pipeline.recent._said)
            await until(lambda: 1202 in pipeline.recent._said[TAVERN.channel_id, MIRA.member_id])
            assert row(database, 1).outcome == BEGUN
        await intake.drained()
    assert [trace.verdict for trace in traces] == [
        Silent(SilentReason.SAID_MORE), Reply(ReplyReason.NAMED),
    ]  # fmt: skip
    assert [asked for _, _, asked in room.sent] == [1202]
    assert "Mynah, when\n  is the raid\n" in watched.prompts[-1]
    assert (row(database, 1).verdict, row(database, 2).outcome) == ("silent", SENT)
    assert row(database, 1).reason == SilentReason.SAID_MORE.value
    more = [batch for batch in batches if batch.get(1201) == SilentReason.SAID_MORE.value]
    assert [set(batch) for batch in more] == [{1201, 1202}]
    assert pipeline._given_over == {}
    assert traces[0].evaluated_tokens == 0


@pytest.mark.usefixtures("soon")
async def test_of_three_in_a_row_the_last_is_answered(database: Database, engine: Engine) -> None:
    room = Room()
    async with running(make(database, engine, room, **QUICK), database) as intake:
        with held(engine):
            intake.tell(said("Mynah, when", 1))
            await is_asked(engine)
            intake.tell(said("is the raid", 2))
            intake.tell(said("tonight", 3))
            await until(lambda: bool(database.messages_by_id([1203])))
            await asyncio.sleep(0.06)
        await intake.drained()
    assert [asked for _, _, asked in room.sent] == [1203]
    assert {row(database, number).reason for number in (1, 2)} == {SilentReason.SAID_MORE.value}


@pytest.mark.usefixtures("soon")
async def test_a_crash_after_a_message_was_given_over_loses_no_answer(
    database: Database, engine: Engine
) -> None:
    room = Room()
    pipeline = make(database, engine, room, **QUICK)
    [first] = await pipeline.store([said("Mynah, when", 1)])
    first = replace(first, arrived_s=time.perf_counter() - 3)
    await pipeline.store([said("is the raid", 2)])
    [trace] = await pipeline.take_turns(TAVERN.channel_id, [first])
    assert trace.verdict == Silent(SilentReason.SAID_MORE)
    assert row(database, 1).outcome == BEGUN
    # Down it goes. What was said lately is read back after the start.
    async with running(make(database, engine, room, **QUICK), database) as intake:
        intake.tell(said("Mynah, when", 1))
        intake.tell(said("is the raid", 2))
        await intake.drained()
    assert len(room.sent) == 1
    assert {row(database, number).outcome for number in (1, 2)} <= {SENT, ""}


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("then", ["nothing", "a line that counts"])
async def test_what_answers_somebody_else_is_no_more_of_the_same(
    database: Database, engine: Engine, then: str
) -> None:
    room = Room()
    pipeline = make(database, engine, room, **QUICK)
    [asked] = await pipeline.store([said("Mynah, when", 1)])
    elsewhere = said("no way", 2)
    elsewhere = replace(elsewhere, record=replace(elsewhere.record, reply_to_id=6))
    later = [elsewhere] if then == "nothing" else [elsewhere, said("is the raid", 3)]
    known = [replace(asked, arrived_s=time.perf_counter() - 3), *await pipeline.store(later)]
    await pipeline.take_turns(TAVERN.channel_id, known)
    assert [one for _, _, one in room.sent] == ([1201] if then == "nothing" else [1203])
    assert row(database, 2).verdict == "silent"


@pytest.mark.usefixtures("soon")
async def test_what_was_said_and_taken_back_while_it_waited_is_no_more(
    database: Database, engine: Engine
) -> None:
    room = Room()
    async with running(make(database, engine, room, **QUICK), database) as intake:
        with held(engine):
            intake.tell(said("Mynah, when is the raid?", 1))
            await is_asked(engine)
            intake.tell(said("ehm", 2))
            await until(lambda: bool(database.messages_by_id([1202])))
            intake.tell(gone(2))
            await asyncio.sleep(0.06)
        await intake.drained()
    assert [asked for _, _, asked in room.sent] == [1201]


@pytest.mark.usefixtures("soon")
async def test_what_was_given_over_to_a_silent_message_waits_no_longer(
    database: Database, engine: Engine
) -> None:
    """Else a word said an hour later would be answered as if it had named somebody."""
    room = Room()
    pipeline = make(database, engine, room, **QUICK)
    [first] = await pipeline.store([said("Mynah, when", 1)])
    [second] = await pipeline.store([said("is the raid", 2)])
    await pipeline.take_turns(
        TAVERN.channel_id, [replace(first, arrived_s=time.perf_counter() - 3)]
    )
    pipeline.quieten(TAVERN.channel_id, START_MS + 9_000_000)
    await pipeline.take_turns(TAVERN.channel_id, [second])
    pipeline.quieten(TAVERN.channel_id, 0)
    trace = await pipeline.handle(said("cake", 3))
    assert trace.verdict.reason is SilentReason.BELOW
    assert room.sent == []
    assert row(database, 1).reason == SilentReason.SAID_MORE.value
    assert row(database, 2).reason == SilentReason.QUIET.value


@pytest.mark.usefixtures("soon")
async def test_in_the_playground_every_line_is_answered(database: Database, engine: Engine) -> None:
    room = Room()
    pipeline = make(database, engine, room, reply_seconds=5, **QUICK)
    lines = [incoming(f"hm {n}", message_id=1200 + n, playground=True) for n in range(2)]
    known = [replace(one, arrived_s=time.perf_counter() - 9) for one in await pipeline.store(lines)]
    traces = await pipeline.take_turns(TAVERN.channel_id, known)
    assert [trace.attempts > 0 for trace in traces] == [True, True]
    assert database.verdicts(10) == []


# -- time ---------------------------------------------------------------------------------------


async def test_a_turn_that_comes_too_late_costs_nothing(database: Database, engine: Engine) -> None:
    pipeline = make(database, engine, reply_seconds=5, **QUICK)
    [known] = await pipeline.store([said("Mynah?", 1)])
    known = replace(known, arrived_s=time.perf_counter() - 6)
    [trace] = await pipeline.take_turns(TAVERN.channel_id, [known])
    assert trace.verdict == Silent(SilentReason.TOO_LATE)
    assert engine.evaluated.asked == 0
    assert row(database, 1).reason == SilentReason.TOO_LATE.value


async def test_what_is_written_when_its_time_is_over_goes_out_in_whole_words(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, watched = Room(), Watched(engine)
    decode = engine._context.decode

    def slow(*given: Any) -> Any:
        time.sleep(0.02)
        return decode(*given)

    monkeypatch.setattr(engine._context, "decode", slow)
    # Some rarely ends a reply by itself; of these seeds one is ended by the clock.
    for number in range(5):
        pipeline = make(database, watched, room, reply_seconds=5, seed=number, **QUICK)
        [known] = await pipeline.store([said("Mynah, tell me all", number)])
        known = replace(known, arrived_s=time.perf_counter() - 4.5)
        [trace] = await pipeline.take_turns(TAVERN.channel_id, [known])
        await pipeline.reader.close()
        made = watched.made[-1]
        if made.stopped_by is StoppedBy.TIME and " " in made.text.strip():
            break
    else:
        raise AssertionError
    assert trace.sent is not None
    assert row(database, number).outcome == SENT
    # What follows the last word that went out is a space: it was not cut.
    text = made.text.lstrip()
    assert len(trace.sent.text.split()) == len(text.split()) - (not text[-1].isspace())
    assert 0 < made.reply_tokens < 40


async def test_more_than_can_wait_are_told_to_nobody_and_counted(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.scheduler.WAITING", 2)
    room = Room()
    rooms = [ChannelRecord(600 + n, GUILD_ID, "The Lantern", f"room {n}") for n in range(4)]
    async with running(make(database, engine, room, **QUICK), database) as intake:
        with held(engine):
            for number, channel in enumerate(rooms):
                intake.tell(said("Mynah?", number, channel))
            await until(lambda: len([r for r in database.verdicts(9) if r.outcome != BEGUN]) == 2)
        await intake.drained()
    reasons = sorted(r.reason for r in database.verdicts(9) if r.verdict == "silent")
    assert reasons == [SilentReason.BUSY.value] * 2
    assert len(room.sent) == 2


class RestingLender(OneEngine):
    """A keeper that rests."""

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Writer]:
        raise RestingError("A model is being trained.")
        yield self._engine


async def test_while_a_model_is_trained_nobody_is_answered_and_nothing_failed(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.bot.test_pipeline.OneEngine", RestingLender)
    room = Room()
    pipeline = make(database, engine, room, **QUICK)
    async with running(pipeline, database) as intake:
        intake.tell(said("Mynah?", 1))
        await intake.drained()
    assert row(database, 1).reason == SilentReason.RESTING.value
    assert room.sent == []


# -- what is taken away while a reply is written -------------------------------------------------


def take_away(database: Database, pipeline: Pipeline, *numbers: int) -> None:
    ids = [1200 + number for number in numbers]
    database.mark_deleted(ids, 1)
    pipeline.forget(ids)


@pytest.mark.parametrize("when", ["it waits", "it is written", "it is about to be sent"])
async def test_a_reply_that_was_shown_what_is_gone_is_written_again_without_it(
    database: Database, engine: Engine, when: str
) -> None:
    room, watched = Room(), Watched(engine)
    pipeline = make(database, watched, room)
    await pipeline.handle(said("my secret is a lantern", 1))
    await pipeline.handle(said("and so on", 2))

    def now(number: int) -> None:
        if number == 1:
            take_away(database, pipeline, 1)

    if when == "it waits":
        watched.on_asked = now
    elif when == "it is written":
        watched.on_made = now
    else:
        record = database.record_verdicts

        def sending(rows: Any, **rest: Any) -> None:
            record(rows, **rest)
            if rows[0].outcome == SENDING and len(watched.prompts) == 1:
                loop.call_soon_threadsafe(now, 1)

        loop = asyncio.get_running_loop()
        database.record_verdicts = sending  # type: ignore[method-assign]
    trace = await pipeline.handle(said("Mynah, another dungeon?", 3))
    assert trace.sent is not None
    assert len(room.sent) == 1
    assert len(watched.prompts) == 2
    assert "secret" in watched.prompts[0]
    assert "secret" not in watched.prompts[1]
    # What was recalled once stands there once.
    assert watched.prompts[1].count("* memory: ") == len(trace.notes) == 1
    assert row(database, 3).outcome == SENT
    await pipeline.reader.close()


async def test_a_note_that_is_gone_is_neither_shown_again_nor_told(
    database: Database, engine: Engine
) -> None:
    watched = Watched(engine)
    pipeline = make(database, watched)

    def now(number: int) -> None:
        if number == 1:
            database.mark_deleted([1], 1)
            pipeline.forget([1])

    watched.on_made = now
    trace = await pipeline.handle(said("Mynah, another dungeon?", 3))
    assert "never again" in watched.prompts[0]
    assert "never again" not in watched.prompts[-1]
    assert trace.notes == ()
    turns = (await pipeline.transcripts.of(TAVERN.channel_id)).turns
    assert not any(isinstance(turn, Note) for turn in turns)


@pytest.mark.parametrize("how", ["deleted", "excluded"])
async def test_a_question_that_is_gone_is_not_answered(
    database: Database, engine: Engine, how: str
) -> None:
    room, watched = Room(), Watched(engine)
    pipeline = make(database, watched, room, **QUICK)
    await pipeline.handle(incoming("well", message_id=1200, author=BOB))

    def now(number: int) -> None:
        if how == "deleted":
            pipeline.recent.note_deleted(1201)
            take_away(database, pipeline, 1)
        else:
            database.set_excluded(MIRA.member_id, True)
            pipeline.exclude(MIRA.member_id, True)
            pipeline.forget(database.drop_context_of_author(MIRA.member_id))

    watched.on_asked = now
    trace = await pipeline.handle(said("Mynah, my secret?", 1))
    reason = SilentReason.DELETED if how == "deleted" else SilentReason.EXCLUDED
    assert trace.verdict == Silent(reason)
    assert len(watched.prompts) == 1  # and nothing was written in its place
    assert (room.sent, row(database, 1).reason) == ([], reason.value)
    assert (await pipeline.transcripts.of(TAVERN.channel_id)).turns == (Said(BOB.nickname, "well"),)


async def test_forgetting_again_and_again_ends_and_says_so(
    database: Database, engine: Engine
) -> None:
    room, watched = Room(), Watched(engine)
    pipeline = make(database, watched, room, **QUICK)
    for number in range(8):
        await pipeline.handle(said(f"so {number}", number))
    watched.on_made = lambda number: take_away(database, pipeline, number)
    traces: list[Trace] = []
    async with running(pipeline, database, ended=traces.append) as intake:
        intake.tell(said("Mynah?", 20))
        await intake.drained()
        assert len(watched.prompts) == BEGINNINGS
        assert traces[0].error == "The reply was ended while it was written."
        assert (room.sent, row(database, 20).outcome) == ([], FAILED)
        watched.on_made = lambda number: None
        intake.tell(said("Mynah?", 21))
        await intake.drained()
    assert [asked for _, _, asked in room.sent] == [1221]
    assert "so 2" not in watched.prompts[-1]
    assert "so 4" in watched.prompts[-1]


async def test_words_that_go_while_the_prompt_is_laid_out_never_reach_the_engine(
    database: Database, engine: Engine
) -> None:
    watched = Watched(engine)
    pipeline = make(database, watched, **QUICK)
    await pipeline.handle(said("my secret is a lantern", 1))
    lay_out, loop = pipeline.reader._lay_out, asyncio.get_running_loop()
    has_gone = threading.Event()

    def slow(*given: Any) -> Any:
        laid = lay_out(*given)
        if not has_gone.is_set():

            def go() -> None:
                take_away(database, pipeline, 1)
                has_gone.set()

            loop.call_soon_threadsafe(go)
            has_gone.wait(10)
        return laid

    pipeline.reader._lay_out = slow  # type: ignore[method-assign,assignment]
    trace = await pipeline.handle(said("Mynah?", 2))
    assert trace.attempts >= 1
    assert not any("secret" in prompt for prompt in watched.prompts)


# -- the rest -----------------------------------------------------------------------------------


async def test_a_reply_does_not_wait_for_the_model_s_hash(
    database: Database, engine: Engine
) -> None:
    class Hashing(OddEngine):
        @property
        def sha256(self) -> str:
            at_hash.append(len(room.sent))
            return "abc"

    at_hash: list[int] = []
    room = Room()
    pipeline = make(database, Hashing(engine), room, **QUICK)
    trace = await pipeline.handle(said("Mynah?", 1))
    assert trace.sent is not None
    assert (at_hash, trace.model_sha256) == ([1], "abc")
