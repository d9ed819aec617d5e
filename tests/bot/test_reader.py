"""reader: what is said is read while nobody waits, so that an ask costs its own line; and what is
taken away leaves the engine too."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.compose import compose, read_ids
from bot.messages import IncomingMessage, Prompt, Trace
from bot.model_change import Sizes
from bot.model_keeper import ModelKeeper, OneEngine
from bot.pipeline import Pipeline
from bot.reader import Place
from bot.recall import Recall
from bot.transcript import Line, Transcript
from model import scheduler
from model.chat_format import Note, Own, Said, Turn, as_text, render
from model.compute import ComputeWorker
from model.fit import KEPT
from model.inference import Engine, Generation
from storage.database import Database
from storage.paths import DEMO_BASE_DIR
from storage.records import ChannelRecord, MemberRecord
from storage.settings import Settings, Value
from storage.vectordb import VectorIndex
from tests.bot.odd_engines import OddEngine
from tests.bot.scene import BOB, GUILD_ID, MIRA, OWN_ID, TAVERN, incoming
from tests.bot.test_pipeline import Room, make
from tests.bot.test_recall import Directions

ANN = MemberRecord(105, "ann", "ann")
KITCHEN = ChannelRecord(502, GUILD_ID, "The Lantern", "kitchen")
DEMO = next(iter(DEMO_BASE_DIR.glob("*.gguf")))
ROOM = 512 - 50 - 8
"""What a prompt may have in these tests (bot/compose.py)."""
CHEAP = 32
"""More than an asked line, its turn's end and the header of a reply take here, with what a reply
before it leaves open."""
READ: dict[str, Any] = {
    "recall_enabled": False,
    "persona": "You are {name}.",
    "replies_per_minute_member": 100,
    "replies_per_minute_channel": 100,
}


class Watched(OddEngine):
    """Keeps what it was asked and what it wrote."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.prompts: list[list[int]] = []
        self.made: list[Generation] = []

    async def generate(self, ids: Any, **rest: Any) -> Generation:
        self.prompts.append(list(ids))
        self.made.append(await self._engine.generate(ids, **rest))
        return self.made[-1]


@pytest.fixture
def engine(tiny: Path) -> Iterator[Engine]:
    with Engine.load(tiny, context_tokens=512, channels=3, threads=1) as loaded:
        yield loaded


@pytest.fixture(autouse=True)
def _nothing_spare_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.scheduler.SPARE_AFTER_S", 0.0)


async def until(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.002)


def author_of(number: int) -> MemberRecord:
    """Two take turns, so that each line has its name."""
    return MIRA if number % 2 else ANN


def talk(number: int, text: str = "", channel: ChannelRecord = TAVERN) -> IncomingMessage:
    return incoming(
        text or f"yeah {number}",
        message_id=1000 + number,
        channel=channel,
        author=author_of(number),
    )


async def say(pipeline: Pipeline, numbers: range, text: str = "") -> None:
    for number in numbers:
        await pipeline.handle(talk(number, text))


def place_of(pipeline: Pipeline, channel: ChannelRecord = TAVERN) -> Place:
    return pipeline.reader._places[channel.channel_id]


async def standing(pipeline: Pipeline, channel: ChannelRecord = TAVERN) -> Transcript:
    return await pipeline.transcripts.of(channel.channel_id)


def persona(pipeline: Pipeline) -> str:
    engine = pipeline.reader._lender.engine
    assert engine is not None
    return pipeline.reader._persona(TAVERN, engine)


def ids_of(pipeline: Pipeline, engine: Engine, turns: tuple[Turn, ...]) -> list[int]:
    return read_ids(persona(pipeline), turns, engine.tokenizer)


def prompt_of(pipeline: Pipeline, engine: Engine, turns: tuple[Turn, ...]) -> Prompt:
    return compose(
        persona(pipeline), turns, engine.tokenizer, context_tokens=512, max_reply_tokens=50
    )


async def is_told(pipeline: Pipeline) -> None:
    await until(lambda: not pipeline.reader._tasks)


async def has_read(
    pipeline: Pipeline, engine: Engine, channel: ChannelRecord = TAVERN
) -> list[int]:
    """Wait until the engine holds all that stands; returns it."""
    await is_told(pipeline)
    place = place_of(pipeline, channel)
    turns = (await standing(pipeline, channel)).turns
    ids = ids_of(pipeline, engine, turns)
    await until(lambda: engine.missing(place.key, ids) == 0)
    if place.left_out:
        half = ids_of(pipeline, engine, turns[place.left_out :])
        await until(lambda: engine.missing(place.next_key, half) == 0)
    return ids


def cost(pipeline: Pipeline, engine: Engine, turns: tuple[Turn, ...], new: int) -> int:
    """Tokens of the last `new` turns and of what asks behind them."""
    asked = prompt_of(pipeline, engine, turns).tokens
    return asked - len(ids_of(pipeline, engine, turns[:-new]))


def shown(trace: Trace, transcript: Transcript) -> tuple[Turn, ...]:
    """What stood there when it was asked."""
    return Transcript(transcript.lines[:-1] if trace.sent else transcript.lines).turns


# -- reading along ------------------------------------------------------------------------------


async def test_an_ask_costs_its_own_line_and_the_header(database: Database, engine: Engine) -> None:
    watched = Watched(engine)
    pipeline = make(database, watched, **READ)
    await say(pipeline, range(12))
    await has_read(pipeline, engine)
    trace = await pipeline.handle(incoming("Mynah, hm?", message_id=1100))
    turns = shown(trace, await standing(pipeline))
    assert trace.evaluated_tokens == cost(pipeline, engine, turns, new=1) < CHEAP
    assert trace.prompt_tokens > 100
    assert watched.prompts == [list(prompt_of(pipeline, engine, turns).ids)]


async def test_who_asks_does_not_wait_for_what_was_said_too_fast(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(engine)
    pipeline = make(database, watched, Room(), **READ)
    await say(pipeline, range(12))
    before = len(await has_read(pipeline, engine))
    monkeypatch.setattr("bot.compose.LEAST_IN_VIEW", before)
    monkeypatch.setattr("bot.reader.CATCH_UP_S", 0.0)
    engine.set_reading(0.0)  # this machine can read no more for now
    await say(pipeline, range(12, 20), "what nobody has read by now")
    await is_told(pipeline)
    trace = await pipeline.handle(talk(20, "Mynah, are you there?"))
    assert trace.sent is not None
    assert trace.unread == 8
    assert "8 of the lines before" in trace.explain()
    assert trace.evaluated_tokens <= CHEAP
    assert watched.prompts[0][:before] == ids_of(
        pipeline, engine, (await standing(pipeline)).turns[:12]
    )
    # Behind the reply all of it is read, in its order.
    engine.set_reading(1.0)
    await has_read(pipeline, engine)
    assert sum("nobody has read" in turn.text for turn in (await standing(pipeline)).turns) == 8
    trace = await pipeline.handle(talk(21, "Mynah, and now?"))
    assert trace.unread == 0


async def test_its_notes_are_evaluated_with_it_and_nothing_else(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine)
    await say(pipeline, range(8))
    await has_read(pipeline, engine)
    trace = await pipeline.handle(incoming("Mynah, another dungeon?", message_id=1100))
    turns = shown(trace, await standing(pipeline))
    assert [type(turn) for turn in turns[-3:]] == [Said, Note, Said]
    assert trace.evaluated_tokens == cost(pipeline, engine, turns, new=2)
    after = await pipeline.handle(incoming("Mynah, and now?", message_id=1101))
    assert after.evaluated_tokens < after.prompt_tokens / 2  # though nothing was waited for


async def test_a_reply_is_not_evaluated_again_where_its_tokens_are_the_tokenizer_s(
    database: Database,
) -> None:
    with Engine.load(DEMO, context_tokens=512, threads=1) as engine:
        engine.set_reading(0.0)  # only asks compute
        watched = Watched(engine)
        pipeline = make(database, watched, **READ)
        canonical, most = 0, 0
        for number in range(10):
            pipeline.settings = with_settings(pipeline, seed=number)
            trace = await pipeline.handle(incoming("Mynah?", message_id=1100 + number))
            if most:
                assert watched.made[-trace.attempts].evaluated_tokens <= most
                canonical += 1
            reply = engine.tokenizer.text_ids(trace.sent.text) if trace.sent else []
            is_canonical = reply == list(watched.made[-1].token_ids)
            turns = (*(await standing(pipeline)).turns, Said("mira", "Mynah?"))
            # The reply's last token was drawn and maybe not evaluated; two end its turn.
            asked = cost(pipeline, engine, turns, new=1)
            is_halved = prompt_of(pipeline, engine, turns).dropped > 0
            most = 1 + 2 + asked if is_canonical and not is_halved else 0
        assert canonical >= 3
        await pipeline.reader.close()


def with_settings(pipeline: Pipeline, **values: Value) -> Settings:
    return Settings({**pipeline.settings, **values})


async def test_an_own_message_that_comes_back_changes_nothing_that_was_read(
    database: Database, engine: Engine, tmp_path: Path
) -> None:
    """Nothing is recalled for it: a note before the reply would have it read again."""
    pipeline = make_with_vectors(database, engine, tmp_path)
    trace = await pipeline.handle(incoming("Mynah?", message_id=1100))
    assert trace.sent is not None
    await has_read(pipeline, engine)
    before = (await standing(pipeline)).lines
    own = replace(BOB, member_id=OWN_ID, is_bot=True)
    echo = incoming("some sweet pastry maybe", message_id=trace.sent.message_id, author=own)
    await pipeline.handle(replace(echo, record=replace(echo.record, reply_to_id=1100)))
    await has_read(pipeline, engine)
    assert (await standing(pipeline)).lines == before


# -- lines that go on ---------------------------------------------------------------------------


def goes_on(message_id: int, text: str, author: MemberRecord = MIRA) -> IncomingMessage:
    return incoming(text, message_id=message_id, author=author)


def text_of(pipeline: Pipeline, turns: tuple[Turn, ...]) -> str:
    return as_text(render(persona(pipeline), turns))


async def test_a_line_that_goes_on_costs_its_own_tokens(database: Database) -> None:
    with Engine.load(DEMO, context_tokens=512, channels=2, threads=1) as engine:
        watched = Watched(engine)
        pipeline = make(database, watched, **READ)
        await pipeline.handle(goes_on(1000, "anyone up for the raid", BOB))
        await pipeline.handle(goes_on(1001, "me"))
        before = await has_read(pipeline, engine)
        for number, text in enumerate(("or no", "two lines\nof one message", "yes"), 1002):
            read = engine.evaluated.read
            await pipeline.handle(goes_on(number, text))
            ids = await has_read(pipeline, engine)
            shown_as = "  " + text.replace("\n", "\n  ") + "\n"
            assert ids == before + engine.tokenizer.text_ids(shown_as)
            assert engine.evaluated.read - read == len(ids) - len(before)
            before = ids
        assert text_of(pipeline, (await standing(pipeline)).turns).endswith(
            "Bob the Builder: anyone up for the raid\n"
            "mira: me\n  or no\n  two lines\n  of one message\n  yes\n"
        )
        trace = await pipeline.handle(goes_on(1006, "Mynah?"))
        turns = shown(trace, await standing(pipeline))
        assert turns[-1] == Said("mira", "Mynah?", goes_on=True)
        assert trace.evaluated_tokens == cost(pipeline, engine, turns, new=1)
        assert watched.prompts == [list(prompt_of(pipeline, engine, turns).ids)]
        await pipeline.reader.close()


@pytest.mark.parametrize("what", ["its first line goes", "the line between goes", "an edit"])
async def test_what_goes_on_is_right_after_a_change(
    database: Database, engine: Engine, what: str
) -> None:
    watched = Watched(engine)
    pipeline = make(database, watched, **READ)
    says = [(MIRA, "one"), (MIRA, "two"), (BOB, "but"), (MIRA, "three"), (MIRA, "four")]
    for number, (author, text) in enumerate(says, 1000):
        await pipeline.handle(goes_on(number, text, author))
    whole = await has_read(pipeline, engine)
    name = BOB.nickname
    wanted = {
        "its first line goes": f"mira: two\n{name}: but\nmira: three\n  four\n",
        "the line between goes": "mira: one\n  two\n  three\n  four\n",
        "an edit": f"mira: one\n  2\n{name}: but\nmira: three\n  four\n",
    }[what]
    if what == "an edit":
        async with pipeline.turn(TAVERN.channel_id):
            await pipeline.edit(TAVERN.channel_id, 1001, "2")
    elif what == "its first line goes":
        database.mark_deleted([1000], 1)
        pipeline.forget([1000])
    else:
        database.set_excluded(BOB.member_id, True)
        pipeline.exclude(BOB.member_id, True)
        pipeline.forget(database.drop_context_of_author(BOB.member_id))
    ids = await has_read(pipeline, engine)
    assert ids != whole
    assert text_of(pipeline, (await standing(pipeline)).turns).endswith(f"user\n{wanted}")
    again = make(database, engine, **READ)
    assert text_of(again, (await standing(again)).turns).endswith(f"user\n{wanted}")
    trace = await pipeline.handle(incoming("Mynah?", message_id=1200))
    turns = shown(trace, await standing(pipeline))
    assert watched.prompts == [list(prompt_of(pipeline, engine, turns).ids)]
    assert trace.evaluated_tokens == cost(pipeline, engine, turns, new=1)


async def test_what_is_left_of_one_member_s_long_talk_begins_with_the_name(
    database: Database, engine: Engine
) -> None:
    watched = Watched(engine)
    pipeline = make(database, watched, **READ)
    for number in range(140):
        await pipeline.handle(goes_on(1000 + number, f"yeah {number}"))
        await has_read(pipeline, engine)
    assert place_of(pipeline).epoch >= 1
    trace = await pipeline.handle(goes_on(1140, "Mynah?"))
    turns = shown(trace, await standing(pipeline))
    assert 20 < len(turns) < 130
    assert not any(turn.goes_on for turn in turns[:1] if isinstance(turn, Said))
    assert all(turn.goes_on for turn in turns[1:] if isinstance(turn, Said))
    assert watched.prompts == [list(prompt_of(pipeline, engine, turns).ids)]
    assert trace.evaluated_tokens < CHEAP


# -- halving ------------------------------------------------------------------------------------


async def fill_up(pipeline: Pipeline, engine: Engine) -> int:
    """Talk until what will be left is to be read beside, and pause reading; returns how many lines
    were said. The last one is not read, and is all that will be left."""
    for number in range(100):
        turns = (await standing(pipeline)).turns
        last = Said(author_of(number).nickname, f"yeah {number}")
        if prompt_of(pipeline, engine, (*turns, last)).tokens > (1 - KEPT) * ROOM:
            engine.set_reading(0.0)
        await pipeline.handle(talk(number))
        await is_told(pipeline)
        if place_of(pipeline).left_out:
            return number + 1
        await has_read(pipeline, engine)
    raise AssertionError


async def test_while_half_of_a_talk_is_read_beside_the_whole_one_answers(
    database: Database, engine: Engine
) -> None:
    watched = Watched(engine)
    pipeline = make(database, watched, **READ)
    said = await fill_up(pipeline, engine)
    assert place_of(pipeline).left_out == said - 1
    trace = await pipeline.handle(incoming("Mynah?", message_id=1200))
    turns = shown(trace, await standing(pipeline))
    assert len(turns) == said + 1
    assert trace.evaluated_tokens == cost(pipeline, engine, turns, new=2)
    assert watched.prompts == [list(prompt_of(pipeline, engine, turns).ids)]


async def cut(pipeline: Pipeline, engine: Engine, first: int) -> list[int]:
    """Talk until the transcript is cut; what was said stands there, but for the last line of it."""
    place, number = place_of(pipeline), first
    while True:
        lines, turns = (await standing(pipeline)).lines, (await standing(pipeline)).turns
        whole = await read_again(pipeline, engine)
        if place.left_out:
            newer = ids_of(pipeline, engine, turns[place.left_out :])
            if scheduler.SPARE_AFTER_S == 0:
                await until(lambda: engine.missing(place.next_key, newer) == 0)  # noqa: B023
        left_out = place.left_out
        await pipeline.handle(talk(number))
        await is_told(pipeline)
        after = (await standing(pipeline)).lines
        if len(after) <= len(lines):
            assert after[:-1] == lines[left_out:]
            return whole
        number += 1


async def test_what_is_left_of_a_talk_was_read_before_it_is_cut(
    database: Database, engine: Engine
) -> None:
    watched = Watched(engine)
    pipeline = make(database, watched, **READ)
    said = await fill_up(pipeline, engine)
    place, key = place_of(pipeline), place_of(pipeline).key
    engine.set_reading(1.0)
    whole = await cut(pipeline, engine, said)
    assert (place.epoch, place.is_closed_up) == (1, False)
    read = engine.evaluated.read
    await has_read(pipeline, engine)
    assert engine.evaluated.read - read < CHEAP  # nothing of it again
    await until(lambda: engine.missing(key, whole) > len(whole) * 0.8)
    trace = await pipeline.handle(incoming("Mynah?", message_id=1220))
    turns = shown(trace, await standing(pipeline))
    assert trace.evaluated_tokens == cost(pipeline, engine, turns, new=1)
    assert watched.prompts[-1] == list(prompt_of(pipeline, engine, turns).ids)


async def test_where_there_was_no_time_for_it_what_is_left_moves_up(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.scheduler.SPARE_AFTER_S", 3600.0)
    watched = Watched(engine)
    pipeline = make(database, watched, **READ)
    said = await fill_up(pipeline, engine)
    place = place_of(pipeline)
    engine.set_reading(1.0)
    await cut(pipeline, engine, said)
    assert (place.epoch, place.is_closed_up) == (0, True)
    ids = ids_of(pipeline, engine, (await standing(pipeline)).turns)
    await until(lambda: engine.missing(place.key, ids) == 0)
    evaluated = engine.evaluated
    assert evaluated.read < said * 3 * CHEAP  # far less than with half of it twice
    trace = await pipeline.handle(incoming("Mynah?", message_id=1220))
    turns = shown(trace, await standing(pipeline))
    assert trace.evaluated_tokens == cost(pipeline, engine, turns, new=1)
    assert watched.prompts[-1] == list(prompt_of(pipeline, engine, turns).ids)

    # It was computed with words in view that may be what is to be forgotten: all is read again.
    read = engine.evaluated.read
    pipeline.forget([1000])
    assert not place.is_closed_up
    ids = await read_again(pipeline, engine)
    assert engine.evaluated.read - read >= len(ids) * 0.8


async def read_again(pipeline: Pipeline, engine: Engine) -> list[int]:
    await is_told(pipeline)
    ids = ids_of(pipeline, engine, (await standing(pipeline)).turns)
    await until(lambda: engine.missing(place_of(pipeline).key, ids) == 0)
    return ids


async def test_no_ask_reads_a_long_talk_again(database: Database, engine: Engine) -> None:
    """Over a random talk with edits and deletions, while reading keeps up."""
    watched = Watched(engine)
    pipeline = make(database, watched, max_reply_tokens=50, **READ)
    chance = random.Random(4)
    halved = asks = 0
    await pipeline.handle(talk(0))
    await has_read(pipeline, engine)
    for number in range(220):
        lines = (await standing(pipeline)).lines
        what = chance.random()
        if what < 0.08 and lines:
            line = chance.choice(lines)
            async with pipeline.turn(TAVERN.channel_id):
                await pipeline.edit(TAVERN.channel_id, line.message_id or 0, f"again {number}")
        elif what < 0.16 and lines:
            gone = [line.message_id or 0 for line in chance.sample(lines, 1)]
            database.mark_deleted(gone, 1)
            pipeline.forget(gone)
        elif what < 0.3:
            trace = await pipeline.handle(incoming("Mynah?", message_id=2000 + number))
            now = await standing(pipeline)
            asked = prompt_of(pipeline, engine, shown(trace, now))
            assert watched.prompts[-1] == list(asked.ids)
            assert asked.dropped == 0
            assert trace.evaluated_tokens <= CHEAP * trace.attempts
            asks += 1
        else:
            text = "so much to say " * chance.randint(1, 4)
            await pipeline.handle(talk(1000 + number, text))
        epoch = place_of(pipeline).epoch
        await has_read(pipeline, engine)
        halved += place_of(pipeline).epoch == epoch + 1
        assert len(ids_of(pipeline, engine, (await standing(pipeline)).turns)) <= ROOM
    assert halved >= 3
    assert asks > 20


async def test_after_a_restart_the_newer_half_is_read_alone(
    database: Database, engine: Engine
) -> None:
    written = make(database, engine, **READ)
    lines = [Line(Said("mira", f"an old line number {n}"), 2000 + n) for n in range(400)]
    await written.transcripts.append(TAVERN.channel_id, lines)
    pipeline = make(database, engine, **READ)
    await pipeline.handle(talk(1500))
    ids = await has_read(pipeline, engine)
    assert ROOM / 4 < len(ids) < ROOM * 0.6
    assert engine.evaluated.read <= len(ids)
    trace = await pipeline.handle(incoming("Mynah?", message_id=2600))
    assert trace.evaluated_tokens < CHEAP


async def test_where_reading_did_not_keep_up_an_ask_reads_half_and_the_persona_once(
    database: Database, engine: Engine
) -> None:
    engine.set_reading(0.0)
    pipeline = make(database, engine, **READ)
    await pipeline.handle(incoming("Mynah?", message_id=999))
    await say(pipeline, range(60), "lantern raid healer " * 3)
    trace = await pipeline.handle(incoming("Mynah?", message_id=1100))
    kept = len(ids_of(pipeline, engine, ()))
    assert trace.evaluated_tokens <= trace.prompt_tokens - kept + 1
    assert trace.prompt_tokens > kept * 4


async def test_a_transcript_that_is_halved_itself_loses_no_more(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(engine)
    pipeline = make(database, watched, **READ)
    said = await fill_up(pipeline, engine)
    monkeypatch.setattr("bot.transcript.MAX_LINES", said)
    await pipeline.handle(talk(300))
    left = len((await standing(pipeline)).lines)
    assert left == said + 1 - said // 2
    trace = await pipeline.handle(incoming("Mynah?", message_id=1400))
    turns = shown(trace, await standing(pipeline))
    assert len(turns) == left + 1
    assert watched.prompts == [list(prompt_of(pipeline, engine, turns).ids)]


async def test_a_talk_that_begins_anew_while_it_is_halved_is_answered_on_what_is_said(
    database: Database, engine: Engine
) -> None:
    """The playground's "fresh"."""
    watched = Watched(engine)
    pipeline = make(database, watched, **READ)
    await fill_up(pipeline, engine)
    async with pipeline.turn(TAVERN.channel_id):
        pipeline.transcripts.begin_with(TAVERN.channel_id, (), since_ms=0)
    trace = await pipeline.handle(incoming("Mynah, who are you?", message_id=1400))
    turns = shown(trace, await standing(pipeline))
    assert turns == (Said("mira", "Mynah, who are you?"),)
    assert watched.prompts == [list(prompt_of(pipeline, engine, turns).ids)]


@pytest.mark.parametrize("what", ["an old line goes", "a new line goes", "an edit"])
async def test_what_changes_while_a_talk_is_halved_is_right_afterwards(
    database: Database, engine: Engine, what: str
) -> None:
    watched = Watched(engine)
    pipeline = make(database, watched, **READ)
    said = await fill_up(pipeline, engine)
    lines = (await standing(pipeline)).lines
    at = 1 if what == "an old line goes" else said - 2
    changed = lines[at].message_id or 0
    if what == "an edit":
        async with pipeline.turn(TAVERN.channel_id):
            await pipeline.edit(TAVERN.channel_id, changed, "said otherwise")
    else:
        database.mark_deleted([changed], 1)
        pipeline.forget([changed])
    engine.set_reading(1.0)
    await has_read(pipeline, engine)
    await say(pipeline, range(500, 503))
    await has_read(pipeline, engine)
    trace = await pipeline.handle(incoming("Mynah?", message_id=1600))
    transcript = await standing(pipeline)
    assert trace.evaluated_tokens < CHEAP
    turns = shown(trace, transcript)
    assert watched.prompts[-1] == list(prompt_of(pipeline, engine, turns).ids)
    texts = [turn.text for turn in turns]
    assert ("said otherwise" in texts) == (what == "an edit")
    # Of the newer half no line is lost beside the one that went.
    gone = {changed} if what != "an edit" else set()
    newer = [line.message_id for line in lines[said * 3 // 4 :] if line.message_id not in gone]
    assert set(newer) <= transcript.message_ids
    assert not gone & transcript.message_ids


async def test_a_message_longer_than_the_room_is_read_as_far_as_it_is_asked_about(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine, **READ)
    await pipeline.handle(talk(0, "lantern " * 700))
    await is_told(pipeline)
    place = place_of(pipeline)
    ids = ids_of(pipeline, engine, (await standing(pipeline)).turns)
    assert len(ids) > 512
    await until(lambda: engine.missing(place.key, ids) <= len(ids) - ROOM)
    await asyncio.sleep(0.05)
    assert engine.evaluated.read <= ROOM


# -- edits --------------------------------------------------------------------------------------


async def test_a_late_line_is_changed_in_place_and_only_what_stands_behind_it_read_again(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine, **READ)
    await say(pipeline, range(20))
    await has_read(pipeline, engine)
    read = engine.evaluated.read
    async with pipeline.turn(TAVERN.channel_id):
        await pipeline.edit(TAVERN.channel_id, 1017, "I take that back")
    ids = await has_read(pipeline, engine)
    turns = (await standing(pipeline)).turns
    assert turns[17] == Said(MIRA.nickname, "I take that back")
    assert len(turns) == 20
    before = len(ids_of(pipeline, engine, turns[:17]))
    assert 0 < engine.evaluated.read - read <= len(ids) - before
    assert database.context(TAVERN.channel_id, 50)[17].text == "I take that back"


async def test_an_early_line_is_corrected_at_the_end(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.scheduler.SPARE_AFTER_S", 3600.0)
    pipeline = make(database, engine, **READ)
    await say(pipeline, range(38))
    await read_again(pipeline, engine)
    read = engine.evaluated.read
    async with pipeline.turn(TAVERN.channel_id):
        await pipeline.edit(TAVERN.channel_id, 1001, "I take that back")
        # Discord tells an edit for a link's preview as well.
        await pipeline.edit(TAVERN.channel_id, 1002, "yeah 2")
    ids = await read_again(pipeline, engine)
    turns = (await standing(pipeline)).turns
    note = Note(f'{MIRA.nickname} changed an earlier message to: "I take that back"')
    assert turns[1].text == "yeah 1"
    assert turns[38:] == (note,)
    assert engine.evaluated.read - read == len(ids) - len(ids_of(pipeline, engine, turns[:-1]))
    rows = database.context(TAVERN.channel_id, 50)
    assert [row.text for row in rows[:3]] == [
        "yeah 0", "I take that back", "yeah 2",
    ]  # fmt: skip
    assert len(rows) == 38
    database.mark_deleted([1001], 1)
    pipeline.forget([1001])
    turns = (await standing(pipeline)).turns
    assert len(turns) == 37
    assert note not in turns


# -- forgetting ---------------------------------------------------------------------------------


async def test_a_deleted_line_leaves_the_engine_and_what_stood_before_it_stays(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine, **READ)
    await say(pipeline, range(20))
    whole = await has_read(pipeline, engine)
    read = engine.evaluated.read
    turns = (await standing(pipeline)).turns
    behind = len(whole) - len(ids_of(pipeline, engine, turns[:18]))
    database.mark_deleted([1018], 1)
    pipeline.forget([1018])
    place = place_of(pipeline)
    await is_told(pipeline)
    await until(lambda: engine.missing(place.key, whole) >= behind - 10)
    await has_read(pipeline, engine)
    assert engine.missing(place.key, whole) >= behind - 10  # but how the next line begins
    assert engine.evaluated.read - read <= behind


async def test_an_excluded_member_leaves_the_engine_at_once(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine, **READ)
    await pipeline.handle(incoming("my secret is a lantern", message_id=1000, author=BOB))
    await say(pipeline, range(1, 12))
    whole = await has_read(pipeline, engine)
    secret = ids_of(pipeline, engine, (await standing(pipeline)).turns[:1])
    engine.set_reading(0.0)  # what leaves does so while reading along pauses, too
    database.set_excluded(BOB.member_id, True)
    pipeline.exclude(BOB.member_id, True)
    pipeline.forget(database.drop_context_of_author(BOB.member_id))
    await is_told(pipeline)
    place = place_of(pipeline)
    kept = len(ids_of(pipeline, engine, ())) + 4
    await until(lambda: len(whole) - engine.missing(place.key, whole) <= kept, timeout_s=1)
    assert len(secret) - engine.missing(object(), secret) <= kept
    assert "secret" not in str((await standing(pipeline)).turns)


# -- recalling while nobody asks ----------------------------------------------------------------


def make_with_vectors(
    database: Database, engine: Engine | OddEngine, folder: Path, **settings: Any
) -> Pipeline:
    embedder = Directions()
    index = VectorIndex(folder / "vectors", 8)
    messages = list(database.messages())
    index.add([m.message_id for m in messages], embedder.embed([m.content for m in messages]))
    recall = Recall(database, index=index, embedder=embedder)  # type: ignore[arg-type]
    pipeline = make(database, engine, persona="You are {name}.", **settings)
    pipeline.reader._recall = pipeline._answerer._recall = recall
    return pipeline


CAKE = Note('Bob the Builder on 3 May 2025: "who brought cake to the raid"')


async def test_what_says_nearly_the_same_is_recalled_before_its_line(
    database: Database, engine: Engine, tmp_path: Path
) -> None:
    pipeline = make_with_vectors(database, engine, tmp_path)
    await pipeline.handle(talk(0))
    await pipeline.handle(talk(1, "some sweet pastry maybe"))
    await has_read(pipeline, engine)
    turns = (await standing(pipeline)).turns
    assert [type(turn) for turn in turns] == [Said, Note, Said]
    assert isinstance(turns[1], Note)
    assert turns[1].text.endswith('"who brought cake to the raid"')
    # A restarted bot has it in the same place.
    again = make(database, engine, persona="You are {name}.")
    assert (await standing(again)).turns == turns

    # Not again within a few lines; and the asked line gets none that stands there already.
    database.upsert_messages([incoming("a cake is a cake", message_id=30).record])
    pipeline.reader._recall._vectors[0].add([30], Directions().embed(["cake"]))  # type: ignore[index]
    await pipeline.handle(talk(2, "another piece of pastry maybe"))
    await has_read(pipeline, engine)
    assert [type(turn) for turn in (await standing(pipeline)).turns] == [Said, Note, Said, Said]
    trace = await pipeline.handle(incoming("Mynah, which pastry was that", message_id=1100))
    assert [note.text[-18:] for note in trace.notes] == ['"a cake is a cake"']
    notes = [turn for turn in (await standing(pipeline)).turns if isinstance(turn, Note)]
    assert len(notes) == len(set(notes)) == 2


@pytest.mark.parametrize(
    "settings", [{"reading_along": "off"}, {"recall_enabled": False}, {"recall_notes": 0}]
)
async def test_nothing_is_recalled_where_the_settings_say_so(
    database: Database, engine: Engine, tmp_path: Path, settings: dict[str, Value]
) -> None:
    pipeline = make_with_vectors(database, engine, tmp_path, **settings)
    await pipeline.handle(talk(1, "some sweet pastry maybe"))
    await is_told(pipeline)
    assert [type(turn) for turn in (await standing(pipeline)).turns] == [Said]


async def test_no_note_is_put_where_somebody_asked_meanwhile(
    database: Database, engine: Engine, tmp_path: Path
) -> None:
    pipeline = make_with_vectors(database, engine, tmp_path, recall_notes=1)
    found, go_on = asyncio.Event(), asyncio.Event()
    run = engine.run

    async def slow(function: Any, *given: Any) -> Any:
        vector = await run(function, *given)
        if not found.is_set():
            found.set()
            await go_on.wait()
        return vector

    engine.run = slow  # type: ignore[method-assign,assignment]
    await pipeline.handle(talk(1, "some sweet pastry maybe"))
    await found.wait()
    await pipeline.handle(incoming("Mynah?", message_id=1100))
    go_on.set()
    await has_read(pipeline, engine)
    assert [type(turn) for turn in (await standing(pipeline)).turns] == [Said, Said, Own]


# -- places -------------------------------------------------------------------------------------


def channel(number: int) -> ChannelRecord:
    return ChannelRecord(600 + number, GUILD_ID, "The Lantern", f"room {number}")


async def test_so_many_channels_are_read_along_and_one_that_is_asked_always(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = make(database, engine, channels_read_along=2, **READ)
    for number in range(3):
        await pipeline.handle(talk(number, f"{number} and so on", channel(number)))
    await is_told(pipeline)
    assert set(pipeline.reader._places) == {600, 601}
    old = await has_read(pipeline, engine, channel(0))
    key = place_of(pipeline, channel(0)).key
    await pipeline.handle(incoming("Mynah?", message_id=1100, channel=channel(2)))
    await is_told(pipeline)
    assert set(pipeline.reader._places) == {601, 602}
    # What the other one had read is gone, but for the persona that all begin with.
    persona_ids = ids_of(pipeline, engine, ())
    await until(lambda: engine.missing(key, old) >= len(old) - len(persona_ids) - 12)
    # One in which nobody speaks any more gives its place away.
    monkeypatch.setattr("bot.reader.LEFT_AFTER_S", 0.0)
    await pipeline.handle(talk(9, channel=channel(7)))
    assert set(pipeline.reader._places) == {602, 607}


async def test_more_channels_asked_at_once_than_there_are_places_are_all_answered(
    database: Database, engine: Engine
) -> None:
    """None takes the place of another that is being written."""
    room, watched = Room(), Watched(engine)
    pipeline = make(database, watched, room, channels_read_along=1, **READ)
    may_go_on = threading.Event()
    engine._worker.submit(may_go_on.wait, 20)
    asks = [incoming("Mynah?", message_id=1100 + n, channel=channel(n)) for n in range(3)]
    asking = []
    for number, ask in enumerate(asks, 1):
        asking.append(asyncio.create_task(pipeline.handle(ask)))
        await until(lambda: len(watched.prompts) == number)  # noqa: B023
    may_go_on.set()
    traces = await asyncio.gather(*asking)
    assert all(trace.sent for trace in traces)
    assert len(watched.prompts) == sum(trace.attempts for trace in traces)
    await is_told(pipeline)
    assert len(pipeline.reader._places) == 1


async def test_what_may_not_be_read_takes_no_place(database: Database, engine: Engine) -> None:
    room = Room(closed={KITCHEN.channel_id})
    pipeline = make(database, engine, room, channels_read_along=1, **READ)
    await pipeline.handle(talk(1, channel=KITCHEN))
    await pipeline.handle(talk(2))
    assert set(pipeline.reader._places) == {TAVERN.channel_id}


async def test_hundreds_of_channels_leave_nothing_behind(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.reader.LEFT_AFTER_S", 0.0)
    pipeline = make(database, engine, channels_read_along=2, **READ)
    tasks = len(asyncio.all_tasks())
    for number in range(250):
        known = await pipeline.store([talk(number, channel=channel(number))])
        await pipeline.take_turns(600 + number, known)
    await is_told(pipeline)
    assert len(pipeline.reader._places) == 2
    assert len(pipeline._turns) <= 2
    assert len(asyncio.all_tasks()) == tasks
    await pipeline.reader.close()
    pipeline.reader.note(TAVERN)
    assert len(asyncio.all_tasks()) == tasks


async def test_closing_ends_also_what_reads_for_a_channel_that_lost_its_place(
    database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.reader.LEFT_AFTER_S", 0.0)
    pipeline = make(database, engine, channels_read_along=1, **READ)
    tasks = len(asyncio.all_tasks())
    async with pipeline.turn(600):
        pipeline.reader.note(channel(0))
        await asyncio.sleep(0)
        pipeline.reader.note(channel(1))
        await pipeline.reader.close()
        assert len(asyncio.all_tasks()) == tasks


async def test_what_goes_wrong_beside_is_logged_and_the_next_line_read(
    database: Database, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = make(database, engine, **READ)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(engine, "read", lambda key, ids: 1 / 0)
        await pipeline.handle(talk(0))
        await is_told(pipeline)
    assert "A channel is not read along" in caplog.text
    await pipeline.handle(talk(1))
    await has_read(pipeline, engine)


# -- another model ------------------------------------------------------------------------------


@pytest.fixture
def keeper(tiny: Path) -> Iterator[ModelKeeper]:
    worker = ComputeWorker()

    def opened(model: Any) -> Engine:
        return Engine.load(model, worker=worker, context_tokens=512, channels=2, threads=1)

    yield ModelKeeper(opened, Sizes(lambda model: 1, lambda: 100), patience_s=10)
    worker.close()


async def test_another_model_reads_everything_anew_and_answers_at_once(
    database: Database, keeper: ModelKeeper, tiny: Path
) -> None:
    pipeline = make(database, OneEngine, **READ)  # type: ignore[arg-type]
    pipeline.reader._lender = pipeline._answerer._lender = keeper
    keeper.on_change = lambda engine: engine and pipeline.reader.read_anew()  # type: ignore[assignment,func-returns-value]
    try:
        # Nothing is loaded: what is said silently does not load it, and an ask does.
        keeper._wanted = ("old", tiny)
        await say(pipeline, range(6))
        await is_told(pipeline)
        assert keeper.engine is None
        assert (await pipeline.handle(incoming("Mynah?", message_id=1100))).sent
        old = keeper.engine
        assert isinstance(old, Engine)
        await has_read(pipeline, old)

        other = tiny.parent / "tiny-f16.gguf"
        changing = asyncio.create_task(keeper.change("new", other))
        await asyncio.sleep(0)
        asked = asyncio.create_task(pipeline.handle(incoming("Mynah?", message_id=1101)))
        await changing
        assert (await asked).sent
        new = keeper.engine
        assert isinstance(new, Engine)
        assert new is not old
        await has_read(pipeline, new)
        trace = await pipeline.handle(incoming("Mynah?", message_id=1102))
        assert trace.model_sha256 == new.sha256
        assert trace.evaluated_tokens < CHEAP
    finally:
        await pipeline.reader.close()
        await keeper.close()


async def test_another_persona_is_read_before_somebody_asks(
    database: Database, engine: Engine
) -> None:
    pipeline = make(database, engine, **READ)
    await say(pipeline, range(12))
    await has_read(pipeline, engine)
    pipeline.settings = with_settings(pipeline, persona="You are somebody else, {name}.")
    pipeline.reader.read_anew()
    await has_read(pipeline, engine)
    trace = await pipeline.handle(incoming("Mynah, hm?", message_id=1100))
    assert "somebody else" in persona(pipeline)
    assert trace.evaluated_tokens < CHEAP


async def test_a_change_while_it_is_told_what_to_read_is_followed(
    database: Database, keeper: ModelKeeper, tiny: Path
) -> None:
    """The old model is closed under the reader's thread."""
    pipeline = make(database, OneEngine, **READ)  # type: ignore[arg-type]
    pipeline.reader._lender = pipeline._answerer._lender = keeper
    keeper.on_change = lambda engine: engine and pipeline.reader.read_anew()  # type: ignore[assignment,func-returns-value]
    try:
        await keeper.load("old", tiny)
        await say(pipeline, range(3))
        await is_told(pipeline)
        old = keeper.engine
        assert isinstance(old, Engine)
        async with pipeline.turn(TAVERN.channel_id):
            pipeline.reader.note(TAVERN)
            await asyncio.sleep(0.02)
            await keeper.change("new", tiny.parent / "tiny-f16.gguf")
            await until(lambda: old._is_closed)
            assert pipeline.reader._tokenizer is not None
            pipeline.reader._tokenizer.clear()
        assert isinstance(keeper.engine, Engine)
        await has_read(pipeline, keeper.engine)
    finally:
        await pipeline.reader.close()
        await keeper.close()
