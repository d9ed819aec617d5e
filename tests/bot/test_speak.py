"""How it speaks: lines with pauses, references, nothing twice a day, growing replies, reactions,
and what a crash in between leaves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot import speak
from bot.answer import ATTEMPTS
from bot.deliver import WAITED_LONG_S, Delivery
from bot.growing import EVERY_S, LONGEST_S, LOOK_EVERY_S, Growing, finished
from bot.messages import (
    Allowed,
    IncomingMessage,
    Refused,
    RefusedBecause,
    Reply,
    ReplyReason,
    Silent,
    SilentReason,
)
from bot.model_keeper import OneEngine
from bot.pipeline import Pipeline
from bot.platforms.platform import Accepted, DeliveryError, DeliveryUnknownError
from bot.react import Reacting
from bot.recall import Recall
from bot.verdicts import REACTED, SENDING, SENT
from data.style.pace import SHORTEST_S, Pace
from model.chat_format import Own
from model.inference import Engine, Generation
from storage.connections import DatabaseError
from storage.database import Database
from storage.records import MemberRecord, MessageRecord, Origin, Reaction
from storage.settings import Settings
from tests.bot.odd_engines import LinesEngine, OddEngine
from tests.bot.scene import BOB, MIRA, OWN_ID, START_MS, TAVERN, incoming, record
from tests.bot.test_pipeline import Room

NOW_MS = START_MS + 1_250_000
PERSONA = MemberRecord(OWN_ID, "mynah", "Mynah", is_bot=True)
THREE = "nine works\nbring cake\nand a torch"


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[Engine]:
    with Engine.load(tiny, context_tokens=512, threads=1) as loaded:
        yield loaded


@dataclass
class Clock:
    """Sleeps in no time; `meanwhile` is called in the midst of each pause."""

    slept_s: list[float] = field(default_factory=list)
    meanwhile: Callable[[int], Awaitable[None]] | None = None

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await asyncio.sleep(0)
        if self.meanwhile is not None:
            await self.meanwhile(len(self.slept_s))


@dataclass
class Odd(Room):
    """Goes wrong at its n-th message; tells its own back as a platform does."""

    breaks_at: int = -1
    unknown: bool = False
    nonces: list[tuple[int | None, int]] = field(default_factory=list)

    async def send(self, channel_id: int, text: str, **rest: Any) -> Accepted:
        if len(self.sent) == self.breaks_at:
            raise DeliveryUnknownError("who knows") if self.unknown else DeliveryError("no")
        self.nonces.append((rest.get("asked_id"), rest.get("line", 0)))
        accepted = await super().send(channel_id, text, **rest)
        return replace(accepted, sent_at_ms=NOW_MS + 1000 * len(self.sent))


@pytest.fixture(autouse=True)
def no_first_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses looked at here are those between lines, but in one test."""
    monkeypatch.setattr(speak, "SOONEST_S", 0.0)


async def test_an_answer_in_lines_is_not_there_before_a_person_could_be(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speak, "SOONEST_S", 100.0)
    for delivery, waits in (("lines", True), ("whole", False)):
        room, clock = Room(), Clock()
        pipeline = make(database, engine, room, clock, delivery=delivery)
        assert (await pipeline.handle(asked(5 if waits else 6))).sent is not None
        assert [99 < seconds <= 100 for seconds in clock.slept_s[:1]] == [True] * waits


def make(
    database: Database,
    engine: Engine | OddEngine,
    room: Room,
    clock: Clock | None = None,
    *,
    now_ms: Callable[[], int] = lambda: NOW_MS,
    **settings: Any,
) -> Pipeline:
    values = {
        "context_tokens": 512, "max_reply_tokens": 50, "seed": 3, "recall_enabled": False,
        "persona": "You are {name}.", "speaks_in_public": True, **settings,
    }  # fmt: skip
    return Pipeline(
        database=database,
        model=OneEngine(engine),  # type: ignore[arg-type]
        recall=Recall(database),
        platform=room,
        settings=Settings(values),
        chance=random.Random(1),
        now_ms=now_ms,
        sleep=(clock or Clock()).sleep,
    )


def asked(number: int = 1, text: str = "Mynah, when?") -> IncomingMessage:
    return incoming(text, message_id=1200 + number)


def nobody(channel_id: int, but: int = 0) -> int:
    """Who wrote in between."""
    return 0


def texts(room: Room) -> list[str]:
    return [text for _, text, _ in room.sent]


# -- lines --------------------------------------------------------------------------------------


async def test_each_line_is_a_message_and_all_are_one_turn(
    database: Database, engine: Engine
) -> None:
    room, clock = Odd(), Clock()
    pipeline = make(database, LinesEngine(engine, THREE), room, clock)
    trace = await pipeline.handle(asked())
    assert texts(room) == ["nine works", "bring cake", "and a torch"]
    assert room.nonces == [(1201, 0), (1201, 1), (1201, 2)]
    assert room.references == [None, None, None]
    assert room.typed == 3
    pace = Pace()
    assert len(clock.slept_s) == 2
    for slept_s, text in zip(clock.slept_s, texts(room)[1:], strict=True):
        assert pace.pause_s(text, 0.0) <= slept_s <= pace.pause_s(text, 1.0)
    assert trace.sent is not None
    assert (trace.sent.text, len(trace.sent.message_ids)) == (THREE, 3)
    assert [name for name, _ in trace.timings_s][-2:] == ["learned from", "said on"]
    assert trace.total_s == sum(s for name, s in trace.timings_s if name != "said on")
    turns = (await pipeline.transcripts.of(TAVERN.channel_id)).turns
    assert turns[-1] == Own(THREE)
    stored = {m.message_id: m.content for m in database.messages(channel_id=TAVERN.channel_id)}
    assert [stored[one] for one in trace.sent.message_ids] == texts(room)
    rows = database.replies_since(0)
    assert [(r.message_id, r.asked_id, r.line) for r in rows] == [
        (one, 1201, n) for n, one in enumerate(trace.sent.message_ids)
    ]
    row = database.verdict(1201)
    assert row is not None
    assert (row.outcome, row.reply_id) == (SENT, trace.sent.message_id)
    await pipeline.reader.close()
    again = make(database, engine, Odd())
    assert (await again.transcripts.of(TAVERN.channel_id)).turns[-1] == Own(THREE)


async def test_whole_is_one_message(database: Database, engine: Engine) -> None:
    room, clock = Odd(), Clock()
    pipeline = make(database, LinesEngine(engine, THREE), room, clock, delivery="whole")
    await pipeline.handle(asked())
    assert (texts(room), clock.slept_s) == ([THREE], [])


async def test_in_the_playground_all_comes_at_once(database: Database, engine: Engine) -> None:
    room = Odd()
    pipeline = make(database, LinesEngine(engine, THREE), room, delivery="growing")
    trace = await pipeline.handle(incoming("hi", message_id=1201, playground=True))
    assert trace.sent is not None
    assert (texts(room), trace.sent.text) == ([THREE], THREE)


async def test_it_refers_to_what_it_answers_only_where_others_spoke_in_between(
    database: Database, engine: Engine
) -> None:
    room = Odd()
    pipeline = make(database, LinesEngine(engine, THREE), room)
    known = await pipeline.store([asked(1), incoming("brb", message_id=1202, author=BOB)])
    await pipeline.take_turns(TAVERN.channel_id, known[:1])
    assert room.references == [1201, None, None]
    stored = database.messages_by_id([5000, 5001])
    assert [one.reply_to_id for one in stored] == [1201, None]


async def test_where_others_write_between_the_lines_the_rest_follows_quickly(
    database: Database, engine: Engine
) -> None:
    room, clock = Odd(), Clock()
    pipeline = make(database, LinesEngine(engine, THREE), room, clock)

    async def meanwhile(pause: int) -> None:
        if pause == 1:
            await pipeline.store([incoming("wait what", message_id=6000, author=BOB)])

    clock.meanwhile = meanwhile
    await pipeline.handle(asked())
    assert texts(room) == THREE.split("\n")
    assert room.references == [None, 1201, 1201]  # its own ids are below that one here
    assert clock.slept_s[1] == SHORTEST_S


async def test_what_the_asker_says_between_the_lines_needs_no_reference(
    database: Database, engine: Engine
) -> None:
    room, clock = Odd(), Clock()
    pipeline = make(database, LinesEngine(engine, THREE), room, clock)
    said = [("haha", MIRA, 6000), ("wait what", BOB, 6001)]

    async def meanwhile(pause: int) -> None:
        text, author, message_id = said[pause - 1]
        await pipeline.store([incoming(text, message_id=message_id, author=author)])

    clock.meanwhile = meanwhile
    await pipeline.handle(asked())
    assert room.references == [None, None, 1201]
    assert clock.slept_s[1] == SHORTEST_S  # she waits for her turn all the same


def test_who_waited_long_gets_the_lines_sooner() -> None:
    delivery = Delivery(Room(), asked(), nobody)
    slow = delivery.pause_s("x" * 30, Pace(), 0.5, 1.0)
    assert delivery.pause_s("x" * 30, Pace(), 0.5, WAITED_LONG_S + 1) == slow / 2


@pytest.mark.parametrize(
    "what", ["deleted", "moderated", "quiet", "excluded", "forgotten", "closed"]
)
async def test_what_happens_between_the_lines_ends_them(
    database: Database, engine: Engine, what: str
) -> None:
    room, clock = Odd(), Clock()
    pipeline = make(database, LinesEngine(engine, THREE), room, clock)
    await pipeline.handle(incoming("my secret is a lantern", message_id=1100, author=BOB))

    async def meanwhile(pause: int) -> None:
        if what == "deleted":
            pipeline.recent.note_deleted(1201)
        elif what == "moderated":
            pipeline.recent.note_deleted(5000)
        elif what == "quiet":
            pipeline.quieten(TAVERN.channel_id, NOW_MS + 1)
        elif what == "excluded":
            pipeline.exclude(MIRA.member_id, True)
        elif what == "closed":
            room.closed.add(TAVERN.channel_id)
        else:
            database.mark_deleted([1100], 1)
            pipeline.forget([1100])

    clock.meanwhile = meanwhile
    trace = await pipeline.handle(asked())
    assert texts(room) == ["nine works"]
    assert trace.sent is not None
    assert (trace.sent.text, len(database.replies_since(0))) == ("nine works", 1)
    row = database.verdict(1201)
    assert row is not None
    assert row.outcome == SENT


async def test_a_line_that_is_not_taken_ends_the_reply(database: Database, engine: Engine) -> None:
    room = Odd(breaks_at=1)
    trace = await make(database, LinesEngine(engine, THREE), room).handle(asked())
    assert (texts(room), trace.error) == (["nine works"], "")
    row = database.verdict(1201)
    assert row is not None
    assert row.outcome == SENT


async def test_what_nobody_foresaw_between_the_lines_costs_only_the_rest(
    database: Database, engine: Engine
) -> None:
    room, clock = Odd(), Clock()
    pipeline = make(database, LinesEngine(engine, THREE), room, clock)

    async def meanwhile(pause: int) -> None:
        raise RuntimeError("a bug")

    clock.meanwhile = meanwhile
    known = await pipeline.store([asked(), incoming("Mynah, why?", message_id=1300, author=BOB)])
    traces = await pipeline.take_turns(TAVERN.channel_id, known)
    assert len(traces) == 2
    assert room.nonces == [(1201, 0), (1300, 0)]
    for message_id in (1201, 1300):
        row = database.verdict(message_id)
        assert row is not None
        assert row.outcome == SENT


# -- a crash between the lines --------------------------------------------------------------------


def own(message_id: int, text: str, at_s: int = 1, **more: Any) -> IncomingMessage:
    """A line of its own as the platform tells it."""
    made = incoming(text, message_id=message_id, author=PERSONA)
    said = replace(made.record, created_at_ms=NOW_MS + 1000 * at_s, origin=Origin.DISCORD_API)
    return replace(made, record=said, **more)


@pytest.mark.parametrize("has_nonce", [True, False])
async def test_after_a_crash_nothing_is_sent_again_and_what_arrived_is_known(
    database: Database, engine: Engine, has_nonce: bool
) -> None:
    room, clock = Odd(), Clock()
    pipeline = make(database, LinesEngine(engine, THREE), room, clock)

    async def crash(pause: int) -> None:
        if pause == 2:
            raise asyncio.CancelledError

    clock.meanwhile = crash
    with pytest.raises(asyncio.CancelledError):
        await pipeline.handle(asked())
    assert texts(room) == ["nine works", "bring cake"]
    row = database.verdict(1201)
    assert row is not None
    assert row.outcome == SENDING
    await pipeline.reader.close()
    # The third was sent just before the power went, as far as anybody knows.
    again = make(database, LinesEngine(engine, THREE), later := Odd())
    marked = (lambda n: {"asked_id": 1201, "line": n}) if has_nonce else lambda n: {}
    back = [
        asked(),
        own(5000, "nine works", 1, is_backfill=True),
        own(5001, "bring cake", 2, is_backfill=True),
        own(5002, "and a torch", 3, is_backfill=not has_nonce, **marked(2)),
        own(5003, "Answers to an order are none of it.", 300, is_backfill=True),
    ]
    await again.take_turns(TAVERN.channel_id, await again.store(back))
    assert later.sent == []
    turns = (await again.transcripts.of(TAVERN.channel_id)).turns
    assert turns[-1] == Own(THREE)
    row = database.verdict(1201)
    assert row is not None
    assert (row.outcome, row.reply_id) == (SENT, 5000)
    assert {r.message_id for r in database.replies_since(0)} == {5000, 5001, 5002}


async def test_a_first_line_nobody_knows_of_is_found_by_its_verdict(
    database: Database, engine: Engine
) -> None:
    room = Odd(breaks_at=0, unknown=True)
    pipeline = make(database, LinesEngine(engine, THREE), room)
    with pytest.raises(DeliveryUnknownError):
        await pipeline.handle(asked())
    await pipeline.handle(own(5000, "nine works", is_backfill=True))
    row = database.verdict(1201)
    assert row is not None
    assert (row.outcome, row.reply_id) == (SENT, 5000)
    assert (await pipeline.transcripts.of(TAVERN.channel_id)).turns[-1] == Own("nine works")


# -- nothing twice a day ---------------------------------------------------------------------------


class Drafts(OddEngine):
    """Writes these, one after the other."""

    def __init__(self, engine: Engine, *drafts: str) -> None:
        super().__init__(engine)
        self.left = list(drafts)

    async def generate(self, ids: Any, **rest: Any) -> Generation:
        return replace(await self._engine.generate(ids, **rest), text=self.left.pop(0))


LONG = "the healer always oversleeps on fridays"


async def test_a_line_that_it_said_today_gets_one_new_try_then_goes_without(
    database: Database, engine: Engine
) -> None:
    room = Odd()
    drafts = Drafts(engine, LONG, LONG, "hm", f"ok\n{LONG}", f"{LONG.upper()}!\nok", LONG, LONG)
    pipeline = make(database, drafts, room)
    await pipeline.handle(asked(1))
    assert texts(room) == [LONG]
    second = await pipeline.handle(asked(2))
    assert (texts(room)[1:], second.attempts) == (["hm"], ATTEMPTS)
    third = await pipeline.handle(asked(3))
    assert texts(room)[2:] == ["ok"]
    assert isinstance(third.guard, Allowed)
    assert third.guard.changes == ("without a line that it said today",)
    fourth = await pipeline.handle(asked(4))
    assert texts(room)[3:] == []
    assert fourth.guard == Refused(RefusedBecause.SAID_TODAY)
    assert drafts.left == []


async def test_a_day_later_and_short_ones_may_be_said_again(
    database: Database, engine: Engine
) -> None:
    now = [NOW_MS]
    room = Odd()
    pipeline = make(
        database, LinesEngine(engine, f"same here\n{LONG}"), room, now_ms=lambda: now[0]
    )
    await pipeline.handle(asked(1))
    now[0] += 24 * 3_600_000 + 4_000
    await pipeline.handle(replace(asked(2), record=replace(asked(2).record, created_at_ms=now[0])))
    assert texts(room) == ["same here", LONG] * 2


# -- growing ---------------------------------------------------------------------------------------


class Streaming(OddEngine):
    """Writes in pieces; between them the clock of the reply goes on."""

    def __init__(self, engine: Engine, *drafts: Sequence[str]) -> None:
        super().__init__(engine)
        self.drafts = list(drafts)
        self.on_piece: Callable[[int], None] = lambda number: None

    async def generate(self, ids: Any, *, on_text: Any = None, **rest: Any) -> Generation:
        made = await self._engine.generate(ids, **rest)
        pieces = self.drafts.pop(0)
        for number, piece in enumerate(pieces):
            if on_text is not None:
                on_text(piece)
            self.on_piece(number)
            await asyncio.sleep(0.06)
        return replace(made, text="".join(pieces))


class Fast(Clock):
    """Sleeps a hundredth of the time."""

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await asyncio.sleep(seconds / 100)


async def test_a_growing_reply_is_one_message_that_is_edited(
    database: Database, engine: Engine
) -> None:
    room, clock = Odd(), Fast()
    pieces = ["nine wor", "ks for", " me, and br", "ing cake", " please\nall", " of it"]
    pipeline = make(database, Streaming(engine, pieces), room, clock, delivery="growing")
    trace = await pipeline.handle(asked())
    assert texts(room)[0] in ("nine", "nine works")
    assert len(room.sent) == 1
    shown = [texts(room)[0], *(text for _, text in room.edits)]
    whole = "".join(pieces)
    assert all(whole.startswith(text) for text in shown)
    assert shown[-1] == whole
    assert len(shown) >= 3
    assert {one for one, _ in room.edits} == {5000}
    assert {LOOK_EVERY_S, EVERY_S} == set(clock.slept_s)
    assert trace.sent is not None
    assert trace.sent.text == whole
    [stored] = database.messages_by_id([5000])
    assert (stored.content, stored.edited_at_ms) == (whole, NOW_MS)
    turns = (await pipeline.transcripts.of(TAVERN.channel_id)).turns
    assert turns[-1] == Own(whole)


async def test_an_edit_that_is_held_up_doubles_the_pause(
    database: Database, engine: Engine
) -> None:
    class Slow(Odd):
        async def edit(self, channel_id: int, message_id: int, text: str) -> bool:
            await super().edit(channel_id, message_id, text)
            return False

    clock = Fast()
    pieces = [f"word{n} " for n in range(14)]
    pipeline = make(database, Streaming(engine, pieces), Slow(), clock, delivery="growing")
    await pipeline.handle(asked())
    pauses = [s for s in clock.slept_s if s != LOOK_EVERY_S]
    assert list(dict.fromkeys(pauses))[:3] == [EVERY_S, 2 * EVERY_S, 4 * EVERY_S]
    assert max(pauses) <= LONGEST_S


async def test_nothing_that_guard_refuses_is_ever_shown_and_the_rest_is_taken_back(
    database: Database, engine: Engine
) -> None:
    """Here: what it said today already. The message goes, and the new try is another one."""
    room = Odd()
    bad = ["so, ", "listen:\n", "the healer ", "always oversleeps ", "on fridays\n", "you know"]
    drafts = Streaming(engine, [LONG], bad, ["never mind"])
    pipeline = make(database, drafts, room, Fast(), delivery="growing")
    await pipeline.handle(asked(1))
    trace = await pipeline.handle(asked(2))
    shown = [*texts(room)[1:], *(text for one, text in room.edits if one > 5000)]
    assert "so, listen:" in shown
    assert not any(LONG in text for text in shown)
    assert room.deleted == [5001]
    assert room.nonces == [(1201, 0), (1202, 0), (1202, 1)]  # a nonce of its own
    assert trace.sent is not None
    assert (trace.sent.message_ids, trace.sent.text) == ((5002,), "never mind")


@pytest.mark.parametrize("error", [DatabaseError("locked"), RuntimeError("a bug")])
async def test_what_was_shown_is_taken_back_though_showing_it_went_wrong(error: Exception) -> None:
    room, calls = Room(), list[str]()

    async def allowed(text: str) -> str | None:
        calls.append(text)
        if len(calls) > 1:
            raise error
        return text

    async def may_begin() -> bool:
        return True

    delivery = Delivery(room, asked(), nobody)
    growing = Growing(
        delivery, allowed, may_begin, names=(), now_ms=lambda: NOW_MS, sleep=Clock().sleep
    )
    for piece in ("nine works for ", "all of us "):
        growing.take(piece)
        await asyncio.sleep(0.05)
    assert len(calls) == 2
    assert len(delivery.lines) == 1
    with suppress(RuntimeError):
        await growing.take_back()
    assert delivery.lines == []
    assert len(room.deleted) == 1


async def test_a_growing_reply_is_whole_though_showing_it_went_wrong() -> None:
    room, calls = Room(), list[str]()

    async def allowed(text: str) -> str | None:
        calls.append(text)
        if len(calls) > 1:
            raise DatabaseError("locked")
        return text

    async def may_begin() -> bool:
        return True

    delivery = Delivery(room, asked(), nobody)
    growing = Growing(
        delivery, allowed, may_begin, names=(), now_ms=lambda: NOW_MS, sleep=Clock().sleep
    )
    for piece in ("nine works for ", "all of us "):
        growing.take(piece)
        await asyncio.sleep(0.05)
    line = await growing.finish("nine works for all of us")
    assert line is not None
    assert (line.text, len(calls)) == ("nine works for all of us", 2)


async def test_a_growing_reply_whose_question_is_deleted_goes_too(
    database: Database, engine: Engine
) -> None:
    room = Odd()
    drafts = Streaming(engine, ["a lot ", "of words ", "come ", "before ", "the end"])
    pipeline = make(database, drafts, room, Fast(), delivery="growing")
    drafts.on_piece = lambda n: pipeline.recent.note_deleted(1201) if n == 3 else None
    trace = await pipeline.handle(asked())
    assert trace.verdict == Silent(SilentReason.DELETED)
    assert room.deleted == [5000]
    assert database.replies_since(0) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nine wor", "nine"),
        ("nine works ", "nine works"),
        ("call +49 171 1", "call"),
        ("ok\nbob the", "ok"),
        ("ok\n**Bob** the builder:", "ok"),
        ("ok\nwell then ", "ok\nwell then"),
        ("mira", ""),
    ],
)
def test_what_may_become_something_else_is_held_back(text: str, shown: str) -> None:
    assert finished(text, ["mira", "bobthebuilder", "mynah"]) == shown


async def test_the_real_model_s_own_pieces_make_the_reply(
    database: Database, engine: Engine
) -> None:
    room = Odd()
    pipeline = make(database, engine, room, Fast(), delivery="growing")
    trace = await pipeline.handle(asked())
    assert trace.sent is not None
    assert len(room.sent) == 1
    assert (room.edits[-1][1] if room.edits else texts(room)[0]) == trace.sent.text


async def test_where_nothing_can_be_edited_it_is_one_whole_message(
    database: Database, engine: Engine
) -> None:
    room = Odd(can_edit=False)
    await make(database, LinesEngine(engine, THREE), room, delivery="growing").handle(asked())
    assert (texts(room), room.edits) == ([THREE], [])


# -- reactions -------------------------------------------------------------------------------------


def reacted(message_id: int, text: str, *reactions: tuple[str, int]) -> MessageRecord:
    given = tuple(Reaction(emoji, count) for emoji, count in reactions)
    return replace(record(message_id, BOB, text), reactions=given)


@pytest.fixture
def mornings(database: Database) -> Database:
    """People here greet a good morning with a sun."""
    database.upsert_messages(
        [reacted(20 + n, "good morning all", ("🌞", 3), ("👍", 1)) for n in range(4)]
        + [reacted(30, "good evening folks")]
    )
    return database


async def test_a_line_that_people_just_react_to_gets_a_reaction(
    mornings: Database, engine: Engine
) -> None:
    reacting = Reacting(mornings, random.Random(1))
    assert await reacting.emoji_for(incoming("good morning all!", message_id=1000)) == "🌞"
    assert await reacting.emoji_for(incoming("good morning all?", message_id=1000)) is None
    assert await reacting.emoji_for(incoming("who heals tonight", message_id=1000)) is None
    # Where somebody answers such lines in words, so does it.
    answers = [replace(record(40 + n, MIRA, "hi bob"), reply_to_id=20 + n) for n in range(3)]
    mornings.upsert_messages(answers)
    assert await reacting.emoji_for(incoming("good morning all", message_id=1000)) is None


async def test_an_unasked_reply_becomes_a_reaction_and_costs_no_model(
    mornings: Database, engine: Engine
) -> None:
    room = Odd()
    pipeline = make(mornings, Drafts(engine), room, response_rate=1.0)
    said = incoming("good morning all", message_id=1300)
    trace = await pipeline.handle(said)
    assert isinstance(trace.verdict, Reply)
    assert trace.verdict.reason is ReplyReason.RELEVANT
    assert (trace.reacted, trace.attempts, room.reactions) == ("🌞", 0, [(1300, "🌞")])
    assert "reacted: 🌞" in trace.explain()
    row = mornings.verdict(1300)
    assert row is not None
    assert (row.outcome, row.reply_id) == (REACTED, None)
    assert room.sent == []


async def test_reactions_can_be_switched_off(mornings: Database, engine: Engine) -> None:
    room = Odd()
    pipeline = make(mornings, LinesEngine(engine, "hey"), room, response_rate=1.0, reacts=False)
    await pipeline.handle(incoming("good morning all", message_id=1300))
    assert (room.reactions, texts(room)) == ([], ["hey"])
