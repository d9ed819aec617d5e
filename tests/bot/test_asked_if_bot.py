"""asked_if_bot: nobody is to take the persona for a person; and what only sounds like it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.asked_if_bot import language_asked_in, what_it_is
from bot.decide import Facts, decide
from bot.messages import Allowed, Reply, ReplyReason, Silent, SilentReason
from bot.model_keeper import OneEngine
from bot.pipeline import Pipeline
from bot.recall import Recall
from bot.talk import TalkFacts
from model.inference import Engine
from storage.database import Database
from storage.settings import Settings, Value
from tests.bot.odd_engines import FailingEngine
from tests.bot.scene import OWN_ID, SHY, START_MS, TAVERN, incoming
from tests.bot.test_pipeline import Room

ENGLISH = """
are you a bot
Mynah, are you a bot?
so   are you actually a bot, mynah
ARE YOU REAL?
are you a real person?
wait, are you even human??
r u a bot lol
are you an AI or a human?
are you an A.I.?
aren't you a bot?
aren’t you just a machine?
you're a bot?
@Mynah you are a bot, right?
am i talking to a human?
is Mynah a bot?
is @Mynah a real person?
are you chatgpt
are you a bot @Mynah
are you an AI chatbot?
are you an ai assistant
are you a large language model?
are you chat gpt?
are you a bot account
so you're not a real person?
u a bot?
ru a bot
"""
GERMAN = """
bist du n bot
bist du ein bot
Bist du eigentlich ein Mensch?
bist du echt?
bist du ne KI oder so
rede ich hier mit einem Bot?
ist Mynah ein Roboter?
"""
OTHERS = [("es-tu un robot ?", "fr"), ("t'es humain?", "fr"), ("¿eres un bot?", "es")]
NOT_ASKED = """
is mira a bot?
are you a robot fan?
are you for real
are you real about this
are you real rn
is this real?
are you an AI researcher?
are you a person who likes cake?
are you a computer scientist?
are you a machine learning engineer?
are you really going
are you bottled up
you are a bot hater
you're a bot.
i am a bot
the bot is down
who made the bot?
is this machine yours?
bist du echt müde?
bist du ein botaniker
eres un botón

"""


@pytest.mark.parametrize("text", ENGLISH.split("\n")[1:-1])
def test_asked_in_english(text: str) -> None:
    assert language_asked_in(text, "Mynah") == "en"


@pytest.mark.parametrize("text", GERMAN.split("\n")[1:-1])
def test_asked_in_german(text: str) -> None:
    assert language_asked_in(text, "Mynah") == "de"


@pytest.mark.parametrize(("text", "language"), OTHERS)
def test_asked_in_other_languages(text: str, language: str) -> None:
    assert language_asked_in(text, "Mynah") == language


@pytest.mark.parametrize("text", NOT_ASKED.split("\n")[1:])
def test_what_only_sounds_like_it(text: str) -> None:
    assert language_asked_in(text, "Mynah") == ""


def test_the_sentence_is_in_the_language_of_the_question() -> None:
    assert what_it_is("Are you a bot?", "Mynah").startswith("I am a bot: a language model writes")
    assert what_it_is("bist du ein bot", "Mynah").startswith("Ich bin ein Bot: Was Mynah sagt")
    assert what_it_is("well?", "Mynah").startswith("I am a bot")
    assert language_asked_in("is a bot here?", "") == ""
    assert what_it_is("are you a bot", " ").startswith("I am a bot")


def test_the_name_may_hold_anything() -> None:
    assert language_asked_in("is C++ (bot) a bot?", "C++ (bot)") == "en"
    assert language_asked_in("are you a bot, C++ (bot)?", "C++ (bot)") == "en"


def test_long_lines_take_no_time() -> None:
    assert language_asked_in("are you " + "a really " * 20_000, "Mynah") == ""


FACTS = Facts(own_id=OWN_ID, persona_name="Mynah", response_rate=0.05)


def test_the_verdict_has_its_own_reason() -> None:
    asked = Reply(ReplyReason.ASKED_IF_BOT)
    assert decide(incoming("are you a bot?", mentions=True), FACTS, 0.9) == asked
    assert decide(incoming("are you a bot?", answers=True), FACTS, 0.9) == asked
    assert decide(incoming("are you a bot?", playground=True), FACTS, 0.9) == asked
    assert decide(incoming("Mynah, are you a bot?"), FACTS, 0.9) == asked
    lively = replace(FACTS, response_rate=0.8)
    assert decide(incoming("are you a bot?"), lively, 0.9) == asked, "it would chime in"
    assert decide(incoming("are you a bot?"), FACTS, 0.5).reason is SilentReason.BELOW
    behind = TalkFacts(since_spoke_s=9, is_right_behind=True)
    assert decide(incoming("are you a bot?"), replace(FACTS, talk=behind), 0.5) == asked
    carried = Facts(OWN_ID, "Mynah", 0.0, carried=ReplyReason.ASKED_IF_BOT)
    assert decide(incoming("well, Mynah?"), carried, 0.9) == asked
    assert str(asked) == "reply: asked whether it is a bot"


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[Engine]:
    with Engine.load(tiny, context_tokens=512, threads=1) as loaded:
        yield loaded


def make(database: Database, engine: Engine, room: Room) -> Pipeline:
    values: dict[str, Value] = {"context_tokens": 512, "response_rate": 0.0}
    values["speaks_in_public"] = True
    return Pipeline(
        database=database,
        model=OneEngine(FailingEngine(engine)),  # type: ignore[arg-type]
        recall=Recall(database),
        platform=room,
        settings=Settings(values),
        chance=random.Random(1),
        now_ms=lambda: START_MS + 1_250_000,
    )


async def test_it_is_answered_without_a_model_and_sent_like_any_reply(
    database: Database, engine: Engine
) -> None:
    room = Room()
    pipeline = make(database, engine, room)
    trace = await pipeline.handle(incoming("Mynah, are you real?", message_id=1300))
    sentence = what_it_is("are you real?", "Mynah")
    assert trace.verdict == Reply(ReplyReason.ASKED_IF_BOT)
    assert room.sent == [(TAVERN.channel_id, sentence, 1300)]
    assert trace.guard == Allowed(sentence)
    assert (trace.attempts, trace.reply_tokens, room.typed) == (0, 0, 0)
    assert "asked whether it is a bot" in trace.explain()
    assert trace.sent is not None
    assert trace.feedback is not None
    row = database.verdict(1300)
    assert row is not None
    assert (row.reason, row.outcome) == ("asked whether it is a bot", "sent")
    said = [(one.role, one.text) for one in database.context(TAVERN.channel_id, 9)]
    assert said == [("said", "Mynah, are you real?"), ("own", sentence)]
    again = await pipeline.handle(incoming("Mynah, are you real?", message_id=1300))
    assert again.verdict == Silent(SilentReason.SEEN)


async def test_what_forbids_an_answer_forbids_this_one(database: Database, engine: Engine) -> None:
    room = Room()
    pipeline = make(database, engine, room)
    excluded = await pipeline.handle(incoming("Mynah, are you a bot?", message_id=1301, author=SHY))
    assert excluded.verdict == Silent(SilentReason.EXCLUDED)
    pipeline.quieten(TAVERN.channel_id, START_MS + 9_000_000)
    quiet = await pipeline.handle(incoming("Mynah, are you a bot?", message_id=1302))
    assert quiet.verdict == Silent(SilentReason.QUIET)
    pipeline.quieten(TAVERN.channel_id, 0)
    pipeline.channel_rows = {TAVERN.channel_id: {"lurk": "on"}}
    lurking = await pipeline.handle(incoming("Mynah, are you a bot?", message_id=1303))
    assert lurking.verdict == Silent(SilentReason.LURKING)
    pipeline.channel_rows = {}
    pipeline.settings = Settings({**pipeline.settings, "speaks_in_public": False})
    not_yet = await pipeline.handle(incoming("Mynah, are you a bot?", message_id=1304))
    assert not_yet.verdict == Silent(SilentReason.NOT_YET)
    assert room.sent == []
