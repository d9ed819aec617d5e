"""pipeline: all stages in order on a real database and a real, tiny, meaningless model."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import pytest

from bot.answer import ATTEMPTS
from bot.messages import Allowed, Refused, Reply, ReplyReason, Silent, SilentReason
from bot.model_keeper import OneEngine
from bot.pipeline import Pipeline
from bot.platforms.platform import Accepted, DeliveryError
from bot.read_along import LOADED_LINES, Transcripts
from bot.recall import Recall
from bot.transcript import Line
from data.preprocessor import clean
from model.chat_format import Note, Own, Said
from model.inference import Engine, EngineError
from storage.context_store import ContextLine
from storage.database import Database
from storage.records import MemberRecord, Origin
from storage.settings import Settings, Value
from tests.bot.odd_engines import (
    FailingEngine,
    LinesEngine,
    OddEngine,
    SlowEngine,
    VentriloquistEngine,
)
from tests.bot.scene import BOB, CELLAR, MIRA, OWN_ID, ROBOT, SHY, START_MS, TAVERN, incoming

STAGES = (
    "stored, decided, read along, recalled, composed, generated, guarded, delivered, learned from"
)


@dataclass
class Room:
    """A platform that keeps what was sent, and to which message each line is the answer."""

    own_id: int = OWN_ID
    origin: Origin = Origin.DISCORD_API
    can_edit: bool = True
    sent: list[tuple[int, str, int | None]] = field(default_factory=list)
    references: list[int | None] = field(default_factory=list)
    """What each showed as answered."""
    edits: list[tuple[int, str]] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    reactions: list[tuple[int, str]] = field(default_factory=list)
    typed: int = 0
    is_broken: bool = False
    closed: set[int] = field(default_factory=set)
    _ids: Iterator[int] = field(default_factory=lambda: count(5_000))

    async def send(
        self,
        channel_id: int,
        text: str,
        *,
        reply_to_id: int | None,
        pings: bool = True,
        asked_id: int | None = None,
        line: int = 0,
    ) -> Accepted:
        if self.is_broken:
            raise DeliveryError("the room is closed")
        self.sent.append((channel_id, text, asked_id))
        self.references.append(reply_to_id)
        return Accepted(next(self._ids), START_MS + 1_000_000)

    async def edit(self, channel_id: int, message_id: int, text: str) -> bool:
        self.edits.append((message_id, text))
        return True

    async def delete(self, channel_id: int, message_id: int) -> None:
        self.deleted.append(message_id)

    async def react(self, channel_id: int, message_id: int, emoji: str) -> bool:
        self.reactions.append((message_id, emoji))
        return True

    def listens_to(self, channel_id: int) -> bool:
        return channel_id not in self.closed

    @asynccontextmanager
    async def typing(self, channel_id: int) -> AsyncIterator[None]:
        self.typed += 1
        yield


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[Engine]:
    with Engine.load(tiny, context_tokens=512, threads=1) as loaded:
        yield loaded


def make(
    database: Database,
    engine: Engine | OddEngine,
    room: Room | None = None,
    **settings: Value,
) -> Pipeline:
    values: Mapping[str, Value] = {
        "context_tokens": 512,
        "max_reply_tokens": 50,
        "seed": 3,
        "response_rate": 0.0,
        "delivery": "whole",
        "speaks_in_public": True,
        **settings,
    }
    return Pipeline(
        database=database,
        model=OneEngine(engine),  # type: ignore[arg-type]
        recall=Recall(database),
        platform=room or Room(),
        settings=Settings(values),
        chance=random.Random(1),
        now_ms=lambda: START_MS + 1_250_000,
    )


async def test_an_asked_message_goes_through_every_stage(
    database: Database, engine: Engine
) -> None:
    room = Room()
    pipeline = make(database, engine, room)
    trace = await pipeline.handle(incoming("Mynah, another dungeon tonight?"))
    assert trace.verdict == Reply(ReplyReason.NAMED)
    assert trace.notes[0].text.startswith("mira once: ")
    assert trace.found_by == ("full text",)
    assert isinstance(trace.guard, Allowed)
    assert trace.sent is not None
    assert room.sent == [(TAVERN.channel_id, trace.sent.text, 900)]
    assert room.typed == 1
    assert [name for name, _ in trace.timings_s] == STAGES.split(", ")
    assert trace.total_s > 0
    assert trace.prompt_tokens > 20
    assert 0 < trace.reply_tokens <= 50 * trace.attempts
    assert trace.model_sha256 == engine.sha256
    assert pipeline.traces[-1] == trace
    assert "verdict: reply: addressed by name" in trace.explain()

    kept = {m.message_id: m for m in database.messages(channel_id=TAVERN.channel_id)}
    assert kept[900].content == "Mynah, another dungeon tonight?"
    own = kept[trace.sent.message_id]
    assert (own.author_id, own.reply_to_id, own.content) == (OWN_ID, None, trace.sent.text)
    rows = [(row.role, row.name, row.message_id) for row in database.context(500, 10)]
    assert rows == [("said", "mira", 900), ("note", "", 1), ("own", "Mynah", own.message_id)]
    row = database.verdict(900)
    assert row is not None
    assert (row.verdict, row.outcome, row.reply_id) == ("reply", "sent", own.message_id)
    assert (row.prompt_tokens, row.recalled) == (trace.prompt_tokens, 1)
    assert row.total_s == pytest.approx(trace.total_s, abs=0.2)
    assert database.cursor("live", TAVERN.channel_id) == 900
    assert trace.feedback is not None
    assert trace.feedback.reply_id == own.message_id


async def test_silence_costs_no_generation_but_is_read_along(
    database: Database, engine: Engine
) -> None:
    room = Room()
    pipeline = make(database, engine, room)
    first = await pipeline.handle(incoming("anyone about?", message_id=1201, author=BOB))
    assert first.verdict.reason is SilentReason.BELOW
    assert (room.sent, room.typed, first.attempts, first.sent) == ([], 0, 0, None)
    second = await pipeline.handle(incoming("Mynah?", message_id=1202))
    assert second.sent is not None
    turns = [(row.role, row.text) for row in database.context(500, 10)]
    assert turns[:2] == [("said", "anyone about?"), ("said", "Mynah?")]


async def test_a_second_reply_evaluates_only_what_is_new(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine)
    for number in range(4):
        await pipeline.handle(incoming(f"so much talk number {number}", message_id=910 + number))
    first = await pipeline.handle(incoming("Mynah, hm", message_id=920))
    second = await pipeline.handle(incoming("Mynah, ok", message_id=921))
    assert second.prompt_tokens > first.prompt_tokens
    assert second.evaluated_tokens < second.prompt_tokens / 2


async def test_what_may_not_be_read_is_in_no_transcript(database: Database, engine: Engine) -> None:
    pipeline = make(database, engine, response_rate=1.0)
    excluded = await pipeline.handle(incoming("Mynah, hi", message_id=930, author=SHY))
    elsewhere = await pipeline.handle(incoming("Mynah, hi", message_id=931, channel=CELLAR))
    robot = await pipeline.handle(incoming("roll Mynah", message_id=932, author=ROBOT))
    assert excluded.verdict == Silent(SilentReason.EXCLUDED)
    assert elsewhere.verdict == Silent(SilentReason.NOT_ALLOWED)
    assert robot.verdict == Silent(SilentReason.BOT)
    assert database.context(500, 10) == []
    assert database.context(501, 10) == []
    # What is said where the bot may not read is not even stored, nor what an excluded member says.
    assert [m.message_id for m in database.messages_by_id([930, 931, 932])] == [932]


async def test_a_message_is_stored_though_generation_fails(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, FailingEngine(engine))
    with pytest.raises(EngineError, match="out of words"):
        await pipeline.handle(incoming("Mynah, are you there?", message_id=940))
    assert database.messages_by_id([940])[0].content == "Mynah, are you there?"
    assert [row.message_id for row in database.context(500, 10)] == [940]


async def test_a_message_is_stored_though_delivery_fails_and_no_own_line_is_made_up(
    database: Database, engine: Engine
) -> None:
    room = Room(is_broken=True)
    pipeline = make(database, engine, room)
    with pytest.raises(DeliveryError):
        await pipeline.handle(incoming("Mynah?", message_id=941))
    assert database.messages_by_id([941])
    assert [row.role for row in database.context(500, 10)] == ["said"]
    room.is_broken = False
    assert (await pipeline.handle(incoming("Mynah??", message_id=942))).sent


async def test_a_message_handed_over_twice_is_stored_and_read_once(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine)
    for _ in range(2):
        await pipeline.handle(incoming("just talk", message_id=945))
    assert [row.message_id for row in database.context(500, 10)] == [945]


async def test_an_asked_message_handed_over_twice_is_answered_once(
    database: Database, engine: Engine
) -> None:
    room = Room()
    pipeline = make(database, engine, room)
    first = await pipeline.handle(incoming("Mynah?", message_id=946))
    again = await pipeline.handle(incoming("Mynah?", message_id=946))
    assert first.sent is not None
    assert again.verdict == Silent(SilentReason.SEEN)
    assert len(room.sent) == 1
    restarted = await make(database, engine, room).handle(incoming("Mynah?", message_id=946))
    assert restarted.verdict == Silent(SilentReason.SEEN)


async def test_a_message_is_stored_while_a_reply_is_being_written_in_its_channel(
    database: Database, engine: Engine
) -> None:
    slow = SlowEngine(engine)
    pipeline = make(database, slow, recall_enabled=False)
    asked = asyncio.create_task(pipeline.handle(incoming("Mynah?", message_id=947)))
    await slow.started.wait()
    others = [
        asyncio.create_task(pipeline.handle(incoming(f"so {n}", message_id=948 + n, author=BOB)))
        for n in range(3)
    ]
    for _ in range(200):
        if len(database.messages_by_id([948, 949, 950])) == 3:
            break
        await asyncio.sleep(0.01)
    assert len(database.messages_by_id([948, 949, 950])) == 3
    assert not any(task.done() for task in (asked, *others))
    slow.may_go_on.set()
    await asyncio.gather(asked, *others)
    said = [row.message_id for row in database.context(500, 10) if row.role == "said"]
    assert said == [947, 948, 949, 950]


async def test_the_transcript_shows_what_training_shows_and_the_history_what_was_said(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine)
    raw = (
        "hey <@123456789012345678>  and <@!223456789012345678>,\x0312 call (202) 555-0119\t"
        "<:wow:123456789012345678>"
    )
    database.upsert_members([MemberRecord(123456789012345678, "kim", "Kim")])
    await pipeline.handle(incoming(raw, message_id=951))
    shown = "hey @Kim and @someone, call [phone] :wow:"
    assert [row.text for row in database.context(500, 10)] == [shown]
    assert database.messages_by_id([951])[0].content == raw
    everything = list(database.messages())
    cleaned, _ = clean([m for m in everything if m.message_id == 951], database.members())
    assert [message.text for message in cleaned] == [shown]
    for number, dropped in enumerate(["!roll 2d6", "https://example.org/x", "\u200b"]):
        trace = await pipeline.handle(incoming(dropped, message_id=952 + number))
        assert trace.verdict == Silent(SilentReason.NOTHING_SAID)
    assert len(database.context(500, 10)) == 1


async def test_a_mention_of_the_bot_reads_as_the_persona_s_name(
    database: Database, engine: Engine
) -> None:
    room = Room(own_id=323456789012345678)
    await make(database, engine, room).handle(incoming("<@323456789012345678> hi", message_id=955))
    assert database.context(500, 10)[0].text == "@Mynah hi"


async def test_the_stored_transcript_stays_small(database: Database) -> None:
    transcripts = Transcripts(database)
    for number in range(30):
        lines = [Line(Said("mira", "hi"), 10_000 + 50 * number + i) for i in range(50)]
        await transcripts.append(500, lines)
    rows = database.context(500, 10_000)
    assert LOADED_LINES < len(rows) <= 1_000
    assert rows[-1].message_id == 10_000 + 30 * 50 - 1


async def test_what_a_channel_that_is_let_go_of_writes_stands_there_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a long absence hundreds of channels are worked through at the same time."""
    monkeypatch.setattr("bot.read_along.KEPT_CHANNELS", 1)
    transcripts, loop = Transcripts(database), asyncio.get_running_loop()
    append = database.append_context_lines

    def meanwhile(rows: list[ContextLine]) -> None:
        append(rows)
        asyncio.run_coroutine_threadsafe(transcripts.of(601), loop).result(10)

    database.append_context_lines = meanwhile  # type: ignore[method-assign,assignment]
    await transcripts.append(600, [Line(Said("mira", "hi"), 1)])
    assert (await transcripts.of(600)).turns == (Said("mira", "hi"),)


async def test_notes_stand_in_the_same_order_after_a_restart(database: Database) -> None:
    transcripts = Transcripts(database)
    lines = [Line(Said("mira", f"hi {number}"), 1300 + number, START_MS) for number in range(4)]
    notes = [Line(Note(f"bob: {number}"), number, START_MS) for number in (1, 2, 5)]
    await transcripts.append(500, lines[:2])
    await transcripts.recall(500, notes[:2])
    await transcripts.append(500, lines[2:])
    await transcripts.recall(500, notes[2:])
    before = (await transcripts.of(500)).lines
    assert [line.message_id for line in before] == [1300, 1, 2, 1301, 1302, 5, 1303]
    assert (await Transcripts(database).of(500)).lines == before


async def test_a_channel_has_one_turn_for_as_long_as_somebody_waits_for_it(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine)
    inside = most = 0

    async def work() -> None:
        nonlocal inside, most
        async with pipeline.turn(500):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def pass_by(number: int) -> None:
        async with pipeline.turn(10_000 + number):
            await asyncio.sleep(0)

    working = [asyncio.create_task(work()) for _ in range(20)]
    for number in range(1_500):
        await pass_by(number)
    await asyncio.gather(*working)
    assert most == 1
    assert len(pipeline._turns) <= 1


async def test_many_members_cost_a_message_that_is_not_answered_nothing(
    database: Database, engine: Engine
) -> None:
    """All names are read for a reply alone, and never on the event loop's thread."""
    pipeline = make(database, engine)
    read_on: list[int] = []
    members = database.members

    def watched() -> list[MemberRecord]:
        read_on.append(threading.get_ident())
        return members()

    database.members = watched  # type: ignore[method-assign]
    await pipeline.handle(incoming("just talk", message_id=956))
    assert read_on == []
    assert (await pipeline.handle(incoming("Mynah?", message_id=957))).sent
    assert read_on
    assert threading.get_ident() not in read_on


async def test_a_refused_draft_gets_one_new_try_and_then_silence(
    database: Database, engine: Engine
) -> None:
    odd = VentriloquistEngine(engine)
    pipeline = make(database, odd)
    trace = await pipeline.handle(incoming("Mynah?", message_id=950))
    assert isinstance(trace.guard, Refused)
    assert (trace.attempts, trace.sent, odd.seeds) == (ATTEMPTS, None, [3, 4])
    assert [row.role for row in database.context(500, 10)] == ["said"]
    assert trace.timings_s[-1][0] == "guarded"
    assert len(database.statistics_since("guard_refused_empty", 0)) == ATTEMPTS
    assert database.summary(0, 1).kept_back == {"empty": ATTEMPTS}


async def test_a_reply_of_several_lines_is_one_message_as_it_was_written(
    database: Database, engine: Engine
) -> None:
    room = Room()
    pipeline = make(database, LinesEngine(engine, "yeah\nmonday: raid\n\n  nine? \nmira: no"), room)
    trace = await pipeline.handle(incoming("Mynah?", message_id=950))
    said = "yeah\nmonday: raid\n\n  nine?"
    assert trace.guard == Allowed(said, ("cut where it spoke for somebody else",))
    assert room.sent == [(TAVERN.channel_id, said, 950)]
    assert trace.sent is not None
    assert database.messages_by_id([trace.sent.message_id])[0].content == said
    for one in (pipeline, make(database, engine)):
        turns = (await one.transcripts.of(TAVERN.channel_id)).turns
        assert turns == (Said("mira", "Mynah?"), Own(said))


async def test_lines_go_on_after_a_restart_as_before(database: Database, engine: Engine) -> None:
    """Whose a line is stands with its message, not with the name."""
    namesake = MemberRecord(106, "mira2", "mira")
    renamed = replace(BOB, nickname="bobby")
    pipeline = make(database, engine)
    for number, (text, author) in enumerate(
        [("a", BOB), ("b", BOB), ("c", renamed), ("d", MIRA), ("e", namesake), ("f", namesake)]
    ):
        await pipeline.handle(incoming(text, message_id=950 + number, author=author))
    reply = incoming("g", message_id=956, author=namesake)
    await pipeline.handle(replace(reply, record=replace(reply.record, reply_to_id=950)))
    await pipeline.handle(incoming("late", message_id=956 + 121, author=namesake))
    for one in (pipeline, make(database, engine)):
        turns = (await one.transcripts.of(TAVERN.channel_id)).turns
        assert [(turn.text, turn.goes_on) for turn in turns if isinstance(turn, Said)] == [
            ("a", False), ("b", True), ("c", True), ("d", False), ("e", False), ("f", True),
            ("g", False), ("late", False),
        ]  # fmt: skip


async def test_a_restarted_pipeline_goes_on_with_its_transcript(
    database: Database, engine: Engine
) -> None:
    trace = await make(database, engine).handle(incoming("Mynah, a dungeon?", message_id=960))
    assert trace.sent is not None
    again = make(database, engine)
    transcript = await again.transcripts.of(TAVERN.channel_id)
    assert transcript.turns == (
        Note('mira once: "never again a dungeon before nine"'),
        Said("mira", "Mynah, a dungeon?"),
        Own(trace.sent.text),
    )


async def test_a_long_channel_is_halved_and_still_answered(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine, recall_enabled=False)
    for number in range(60):
        await pipeline.handle(incoming("lantern raid healer " * 3, message_id=1000 + number))
    trace = await pipeline.handle(incoming("Mynah?", message_id=1100))
    assert trace.sent is not None
    assert trace.prompt_tokens <= 512 - 50
    assert len((await pipeline.transcripts.of(TAVERN.channel_id)).lines) < 61


async def test_the_event_loop_is_free_while_a_reply_is_generated(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine, max_reply_tokens=400, recall_enabled=False)
    gaps_s: list[float] = []

    async def heart() -> None:
        last_s = time.perf_counter()
        while True:
            await asyncio.sleep(0.002)
            now_s = time.perf_counter()
            gaps_s.append(now_s - last_s)
            last_s = now_s

    beating = asyncio.create_task(heart())
    traces = [
        await pipeline.handle(incoming("Mynah?", message_id=1200 + number)) for number in range(3)
    ]
    beating.cancel()
    generated_s = sum(dict(trace.timings_s)["generated"] for trace in traces)
    # Not a figure of speed: a loop that waited for the engine would have gaps as long as a reply.
    assert max(gaps_s) < generated_s / 2
    assert len(gaps_s) > 10


async def test_a_forgotten_member_is_neither_stored_nor_read_nor_answered(
    database: Database, engine: Engine
) -> None:
    room, gone = Room(), replace(BOB, member_id=BOB.member_id << 50)
    pipeline = make(database, engine, room)
    await pipeline.handle(incoming("well", message_id=930, author=gone))
    database.forget_member(database.begin_forgetting(gone.member_id, "ada", START_MS))
    trace = await pipeline.handle(incoming("Mynah, hi", message_id=931, author=gone))
    assert trace.verdict == Silent(SilentReason.EXCLUDED)
    assert database.messages_by_id([930, 931]) == []
    assert database.member(gone.member_id) is None
    assert (database.context(TAVERN.channel_id, 5), room.sent) == ([], [])
