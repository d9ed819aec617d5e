"""intake: stored at once, worked through in order, nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.intake import Intake
from bot.messages import (
    Deleted,
    Edited,
    IncomingMessage,
    Reacted,
    ReactionsCleared,
    ReadersSeen,
    Trace,
)
from bot.pipeline import Pipeline
from bot.platforms.platform import DeliveryUnknownError
from bot.read_along import KEPT_CHANNELS
from bot.transcript import Line
from bot.verdicts import BEGUN, FAILED, SENDING, SENT
from model.chat_format import Note, Own, Said
from model.inference import Engine
from storage.connections import DatabaseBusyError
from storage.database import Database
from storage.records import ChannelRecord, MemberRecord, Reaction, Readers
from tests.bot.odd_engines import FailingEngine, OddEngine, SlowEngine
from tests.bot.scene import BOB, GUILD_ID, MIRA, OWN_ID, START_MS, TAVERN, incoming
from tests.bot.test_pipeline import Room, make

KITCHEN = ChannelRecord(502, GUILD_ID, "The Lantern", "kitchen")


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[Engine]:
    with Engine.load(tiny, context_tokens=512, threads=1) as loaded:
        yield loaded


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


async def until(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def said(
    text: str, number: int, channel: ChannelRecord = TAVERN, author: MemberRecord = BOB
) -> IncomingMessage:
    return incoming(text, message_id=1200 + number, author=author, channel=channel)


async def test_a_burst_is_stored_in_few_transactions_and_read_in_order(
    database: Database, engine: Engine
) -> None:
    batches: list[int] = []
    store = database.store_messages

    def counted(channels: Any, members: Any, messages: Any) -> Any:
        batches.append(len(messages))
        return store(channels, members, messages)

    database.store_messages = counted  # type: ignore[method-assign]
    traces: list[Trace] = []
    async with running(make(database, engine), database, ended=traces.append) as intake:
        for number in range(1000):
            intake.tell(said(f"talk {number}", number, TAVERN if number % 2 else KITCHEN))
        await intake.drained()
    assert sum(batches) == 1000
    assert len(batches) <= 10
    for channel, rest in ((TAVERN, 1), (KITCHEN, 0)):
        ids = [line.message_id for line in database.context(channel.channel_id, 1000)]
        assert ids == [1200 + n for n in range(1000) if n % 2 == rest][-len(ids) :]
        assert database.cursor("live", channel.channel_id) == 2198 + rest
    assert len(traces) == 1000
    assert len(database.verdicts(2000)) == 1000


async def test_a_busy_channel_holds_up_neither_storing_nor_another_channel(
    database: Database, engine: Engine
) -> None:
    slow = SlowEngine(engine)
    room = Room()
    async with running(make(database, slow, room, recall_enabled=False), database) as intake:
        intake.tell(said("Mynah?", 1))
        await slow.started.wait()
        intake.tell(said("so", 2))
        intake.tell(said("hm", 3, KITCHEN))
        await until(lambda: len(database.messages_by_id([1201, 1202, 1203])) == 3)
        await until(lambda: database.verdict(1203) is not None)
        assert database.verdict(1202) is None
        row = database.verdict(1201)
        assert row is not None
        assert row.outcome == BEGUN
        slow.may_go_on.set()
        await intake.drained()
    assert [asked for _, _, asked in room.sent] == [1201]
    assert database.verdict(1202) is not None


async def test_what_failed_is_counted_and_the_next_message_is_answered(
    database: Database, engine: Engine
) -> None:
    class FailsOnce(OddEngine):
        has_failed = False

        async def generate(self, *given: Any, **rest: Any) -> Any:
            if not self.has_failed:
                self.has_failed = True
                raise ZeroDivisionError
            return await self._engine.generate(*given, **rest)

    room = Room()
    async with running(make(database, FailsOnce(engine), room), database) as intake:
        intake.tell(said("Mynah?", 1))
        intake.tell(said("Mynah??", 2))
        await intake.drained()
    rows = {row.message_id: row.outcome for row in database.verdicts(10)}
    assert rows == {1201: FAILED, 1202: SENT}
    assert [asked for _, _, asked in room.sent] == [1202]


async def test_nothing_is_answered_twice_whenever_it_went_down(
    database: Database, engine: Engine
) -> None:
    """A reply that was begun may be begun once more; one that may have left is left alone."""
    room = Room()
    slow = SlowEngine(engine)
    for _ in range(3):  # each time it goes down while the model writes
        pipeline = make(database, slow, room, recall_enabled=False)
        async with running(pipeline, database) as intake:
            slow.started.clear()
            intake.tell(said("Mynah?", 1))
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(slow.started.wait(), 1)
    row = database.verdict(1201)
    assert row is not None
    assert (row.verdict, row.reason) == ("silent", "the bot went down twice over this message")
    room.is_broken = True
    async with running(make(database, engine, room), database) as intake:
        intake.tell(said("Mynah?", 2))
        await intake.drained()
    room.is_broken = False
    async with running(make(database, engine, room), database) as intake:
        intake.tell(said("Mynah?", 2))
        await intake.drained()
    assert room.sent == []


async def test_who_may_read_a_channel_is_stored_and_told_on_where_it_is_news(
    database: Database, engine: Engine
) -> None:
    told: list[bool] = []
    seen = ReadersSeen({TAVERN.channel_id: Readers(everyone=True), 77: Readers()})
    pipeline = make(database, engine)
    intake = Intake(pipeline, database, rights_changed=lambda: told.append(True))
    work = asyncio.create_task(intake.run())
    intake.tell(seen)
    intake.tell(seen)
    await intake.drained()
    work.cancel()
    assert told == [True]
    tavern = database.channel(TAVERN.channel_id)
    assert tavern is not None
    assert tavern.readers == Readers(everyone=True)
    assert database.channel(77) is None


async def test_edits_and_deletions_reach_history_and_transcript(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine)
    async with running(pipeline, database) as intake:
        for number, text in enumerate(["one", "two", "three"]):
            intake.tell(said(text, number))
        intake.tell(Reacted(TAVERN.channel_id, 1201, "x", 1))
        changed = replace(said("TWO", 1).record, edited_at_ms=START_MS + 1_300_000)
        intake.tell(Edited(changed, BOB, TAVERN))
        unknown = replace(said("never seen", 50).record, edited_at_ms=START_MS + 1_300_000)
        intake.tell(Edited(unknown, BOB, TAVERN))
        intake.tell(Deleted(TAVERN.channel_id, (1200,), START_MS + 1_300_000))
        await intake.drained()
    turns = (await pipeline.transcripts.of(TAVERN.channel_id)).turns
    assert [turn.text for turn in turns] == ["TWO", "three"]
    assert [line.text for line in database.context(TAVERN.channel_id, 10)] == ["TWO", "three"]
    one, two = database.messages_by_id([1200, 1201])
    assert (one.content, one.deleted_at_ms) == ("", START_MS + 1_300_000)
    assert (two.content, two.reactions) == ("TWO", (Reaction("x", 1),))
    assert database.messages_by_id([1250]) == []


async def test_what_was_edited_is_quoted_no_more(database: Database, engine: Engine) -> None:
    edited_ids: list[int] = []
    async with running(make(database, engine), database, unquote=edited_ids.extend) as intake:
        for number, text in enumerate(["one", "two"]):
            intake.tell(said(text, number))
        changed = replace(said("TWO", 1).record, edited_at_ms=START_MS + 1_300_000)
        intake.tell(Edited(changed, BOB, TAVERN))
        intake.tell(Edited(changed, BOB, TAVERN))  # a link preview came
        intake.tell(Edited(said("one", 0).record, BOB, TAVERN))
        intake.tell(Edited(replace(changed, message_id=1250), BOB, TAVERN))
        await intake.drained()
    assert edited_ids == [1201]


async def test_a_message_deleted_while_its_answer_is_written_is_not_answered(
    database: Database, engine: Engine
) -> None:
    slow, room = SlowEngine(engine), Room()
    async with running(make(database, slow, room, recall_enabled=False), database) as intake:
        intake.tell(said("Mynah?", 1))
        await slow.started.wait()
        intake.tell(Deleted(TAVERN.channel_id, (1201,), START_MS + 1_300_000))
        slow.may_go_on.set()
        await intake.drained()
    assert room.sent == []
    row = database.verdict(1201)
    assert row is not None
    assert row.reason == "it was deleted meanwhile"


async def test_reactions_are_counted(database: Database, engine: Engine) -> None:
    async with running(make(database, engine), database) as intake:
        intake.tell(said("cake", 1))
        for change in (1, 1, -1, 1):
            intake.tell(Reacted(TAVERN.channel_id, 1201, ":cake:", change))
        intake.tell(Reacted(TAVERN.channel_id, 1201, "x", 1))
        intake.tell(ReactionsCleared(TAVERN.channel_id, 1201, "x"))
        await intake.drained()
    assert database.messages_by_id([1201])[0].reactions == (Reaction(":cake:", 2),)


async def test_one_that_cannot_be_stored_does_not_hold_up_the_others(
    database: Database, engine: Engine
) -> None:
    failures: list[int] = []
    async with running(
        make(database, engine), database, failed=lambda: failures.append(1)
    ) as intake:
        impossible = replace(said("x", 1).record, created_at_ms=1 << 70)
        intake.tell(IncomingMessage(impossible, MIRA, TAVERN))
        intake.tell(said("after it", 2))
        await intake.drained()
    assert failures == [1]
    assert [m.content for m in database.messages_by_id([1201, 1202])] == ["after it"]


async def test_an_engine_that_cannot_write_says_so_once_a_message(
    database: Database, engine: Engine
) -> None:
    traces: list[Trace] = []
    pipeline = make(database, FailingEngine(engine))
    async with running(pipeline, database, ended=traces.append) as intake:
        intake.tell(said("Mynah?", 1))
        await intake.drained()
    assert [trace.error for trace in traces] == ["the model is out of words"]
    assert pipeline.traces[-1].error == "the model is out of words"


def locks(times: int, call: Any) -> Any:
    """The call, but another process has the database the first times."""
    left = [times]

    def locked(*given: Any, **rest: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise DatabaseBusyError("locked")
        return call(*given, **rest)

    return locked


async def test_a_locked_database_costs_time_and_nothing_else(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.patience.RETRY_S", 0.01)
    room = Room()
    for name in ("store_messages", "record_verdicts", "append_context_lines", "change_reaction"):
        setattr(database, name, locks(2, getattr(database, name)))
    async with running(make(database, engine, room), database) as intake:
        for number in range(20):
            intake.tell(said(f"talk {number}", number))
        intake.tell(Reacted(TAVERN.channel_id, 1203, "x", 1))
        intake.tell(Reacted(TAVERN.channel_id, 1203, "x", 1))
        intake.tell(said("Mynah?", 30))
        await intake.drained()
    assert [asked for _, _, asked in room.sent] == [1230]
    assert len(database.verdicts(100)) == 21
    assert database.messages_by_id([1203])[0].reactions == (Reaction("x", 2),)


async def test_who_is_left_out_is_so_at_once_also_what_waits(
    database: Database, engine: Engine
) -> None:
    slow, room = SlowEngine(engine), Room()
    pipeline = make(database, slow, room, recall_enabled=False)
    async with running(pipeline, database) as intake:
        intake.tell(incoming("Mynah, first", message_id=1201, author=MIRA))
        await slow.started.wait()
        intake.tell(said("Mynah, my secret", 2))
        await until(lambda: bool(database.messages_by_id([1202])))
        database.set_excluded(BOB.member_id, True)
        pipeline.exclude(BOB.member_id, True)
        pipeline.forget(database.drop_context_of_author(BOB.member_id))
        slow.may_go_on.set()
        await intake.drained()
    assert [asked for _, _, asked in room.sent] == [1201]
    assert "secret" not in str(database.context(TAVERN.channel_id, 100))
    assert "secret" not in str((await pipeline.transcripts.of(TAVERN.channel_id)).turns)


@pytest.mark.parametrize("what", ["quiet", "excluded", "unlisted"])
async def test_a_reply_in_the_making_is_held_back_where_it_is_no_longer_wanted(
    database: Database, engine: Engine, what: str
) -> None:
    slow, room = SlowEngine(engine), Room()
    pipeline = make(database, slow, room, recall_enabled=False)
    async with running(pipeline, database) as intake:
        intake.tell(said("Mynah?", 1))
        await slow.started.wait()
        if what == "quiet":
            pipeline.quieten(TAVERN.channel_id, START_MS + 9_000_000)
        elif what == "excluded":
            pipeline.exclude(BOB.member_id, True)
        else:
            room.closed.add(TAVERN.channel_id)
        slow.may_go_on.set()
        await intake.drained()
    assert room.sent == []
    row = database.verdict(1201)
    assert row is not None
    assert row.verdict == "silent"


async def test_what_is_said_later_is_no_memory_and_keeps_its_line(
    database: Database, engine: Engine
) -> None:
    slow = SlowEngine(engine)
    pipeline = make(database, slow)
    async with running(pipeline, database) as intake:
        intake.tell(said("Mynah, who baked the pumpkin cake?", 1))
        await slow.started.wait()
        intake.tell(said("Mynah, what of the pumpkin cake?", 2))
        intake.tell(said("the pumpkin cake was mine to bake", 3))
        await until(lambda: len(database.messages_by_id([1202, 1203])) == 2)
        slow.may_go_on.set()
        await intake.drained()
    lines = database.context(TAVERN.channel_id, 100)
    assert [line.message_id for line in lines if line.role == "said"] == [1201, 1202, 1203]
    assert not any(line.role == "note" and line.message_id == 1203 for line in lines)


async def test_unasked_it_does_not_speak_twice_in_a_row_after_a_restart_either(
    database: Database, engine: Engine
) -> None:
    room = Room()
    for number in (1, 2):
        async with running(make(database, engine, room, response_rate=1.0), database) as intake:
            intake.tell(said("what a day", number))
            await intake.drained()
    assert [asked for _, _, asked in room.sent] == [1201]


async def test_a_reply_that_may_have_gone_out_is_found_again(
    database: Database, engine: Engine
) -> None:
    class Unsure(Room):
        async def send(self, channel_id: int, text: str, **rest: Any) -> Any:
            raise DeliveryUnknownError("the line was cut")

    pipeline = make(database, engine, Unsure())
    async with running(pipeline, database) as intake:
        intake.tell(said("Mynah?", 1))
        await intake.drained()
        row = database.verdict(1201)
        assert row is not None
        assert row.outcome == SENDING
        own = MemberRecord(OWN_ID, "mynah", "Mynah", is_bot=True)
        echo = incoming("here I am", message_id=1205, author=own)
        intake.tell(replace(echo, record=replace(echo.record, reply_to_id=1201)))
        await intake.drained()
    row = database.verdict(1201)
    assert row is not None
    assert (row.outcome, row.reply_id) == (SENT, 1205)
    turns = (await pipeline.transcripts.of(TAVERN.channel_id)).turns
    assert turns[-1] == Own("here I am")


async def test_an_edit_into_a_command_takes_the_line_away(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine)
    async with running(pipeline, database) as intake:
        intake.tell(said("one", 1))
        edited = replace(said("!roll 2d6", 1).record, edited_at_ms=START_MS + 1_300_000)
        intake.tell(Edited(edited, BOB, TAVERN))
        await intake.drained()
    assert (await pipeline.transcripts.of(TAVERN.channel_id)).turns == ()
    assert database.context(TAVERN.channel_id, 10) == []


async def test_an_edit_of_what_was_said_long_ago_is_told_at_the_end(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine, recall_enabled=False, persona="You are {name}.")
    async with running(pipeline, database) as intake:
        namesake = replace(BOB, member_id=106)  # so that no line goes on
        by = [namesake if number % 2 else BOB for number in range(20)]
        for number in range(20):
            intake.tell(said("yes", number, author=by[number]))
        await intake.drained()
        await until(lambda: not pipeline.reader._tasks)
        for number, text in ((2, "no"), (19, "no"), (3, "yes")):
            changed = said(text, number, author=by[number])
            record = replace(changed.record, edited_at_ms=START_MS + 1_300_000)
            intake.tell(Edited(record, by[number], TAVERN))
        await intake.drained()
        turns = (await pipeline.transcripts.of(TAVERN.channel_id)).turns
        assert [turn.text for turn in turns[2:4]] == ["yes", "yes"]
        assert [turn.text for turn in turns[19:]] == [
            "no", 'Bob the Builder changed an earlier message to: "no"',
        ]  # fmt: skip
        rows = database.context(TAVERN.channel_id, 50)
        assert [row.text for row in (rows[2], rows[3], rows[19])] == ["no", "yes", "no"]
        intake.tell(Deleted(TAVERN.channel_id, (1202,), START_MS + 1_300_000))
        await intake.drained()
        turns = (await pipeline.transcripts.of(TAVERN.channel_id)).turns
        assert "no" not in [turn.text[-3:-1] for turn in turns if isinstance(turn, Note)]
        assert len(turns) == 19


async def test_thousands_of_threads_are_let_go_of(database: Database, engine: Engine) -> None:
    pipeline = make(database, engine)
    for number in range(KEPT_CHANNELS + 50):
        await pipeline.transcripts.append(10_000 + number, [Line(Said("mira", "hi"), number + 1)])
    assert len(pipeline.transcripts._by_channel) == KEPT_CHANNELS
    assert (await pipeline.transcripts.of(10_000)).turns == (Said("mira", "hi"),)
