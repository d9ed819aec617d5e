"""When to speak, through the whole pipeline: attention, cooldowns that outlive a restart, settings
of single channels, what keeps it silent."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot.messages import IncomingMessage, ReplyReason, Silent, SilentReason, Trace
from bot.model_keeper import OneEngine
from bot.pipeline import Pipeline
from bot.platforms.platform import Accepted
from bot.recall import Recall
from bot.style import Style
from bot.talk import KEPT_LINES, NEVER_S
from data.persona_file import Cares
from model.inference import Engine
from storage.database import Database
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin
from storage.settings import Settings
from tests.bot.odd_engines import LinesEngine
from tests.bot.scene import BOB, GUILD_ID, MIRA, OWN_ID, START_MS, TAVERN, incoming
from tests.bot.test_pipeline import Room

WANTED = "can anyone help me with the soup?"
KIT = MemberRecord(106, "kit", "kit")
ZOE = MemberRecord(107, "zoe", "zoe")
THREAD = ChannelRecord(777, GUILD_ID, "The Lantern", "a thread", parent_id=TAVERN.channel_id)
PANTRY = ChannelRecord(502, GUILD_ID, "The Lantern", "pantry")
STEP = 1000
"""Between messages' ids: the persona's own stand between."""


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[Engine]:
    with Engine.load(tiny, context_tokens=512, threads=1) as loaded:
        yield loaded


SOUP = Cares(("soup",))


class SoupStyle(Style):
    """A persona that cares about soup."""

    def __init__(self, cares: Cares = SOUP) -> None:
        super().__init__()
        self._cares = cares

    def cares(self, settings: Settings, channel: ChannelRecord) -> Cares:
        return self._cares


@dataclass
class Hall(Room):
    """Each own message stands right behind what it answers."""

    now_ms: int = START_MS + 3_600_000

    async def send(self, channel_id: int, text: str, **rest: Any) -> Accepted:
        await super().send(channel_id, text, **rest)
        return Accepted((rest["asked_id"] or 0) + 1 + rest.get("line", 0), self.now_ms)


class Scene:
    """A pipeline whose clock is when the message at hand was said; `restart` makes it anew."""

    def __init__(self, database: Database, engine: Engine, **settings: Any) -> None:
        self.database = database
        self.hall = Hall()
        self.style: Style = SoupStyle()
        self._engine = LinesEngine(engine, "soup it is")
        self._settings = Settings(
            {
                "context_tokens": 512, "max_reply_tokens": 50, "seed": 3, "recall_enabled": False,
                "persona": "You are {name}.", "delivery": "whole", "speaks_in_public": True,
                "reacts": False, **settings,
            }
        )  # fmt: skip
        self._number = 10
        self.restart()

    def restart(self) -> None:
        self.pipeline = Pipeline(
            database=self.database,
            model=OneEngine(self._engine),  # type: ignore[arg-type]
            recall=Recall(self.database),
            platform=self.hall,
            settings=self._settings,
            style=self.style,
            chance=random.Random(1),
            reads_along=False,
            now_ms=lambda: self.hall.now_ms,
        )

    def message(self, text: str, author: MemberRecord, after_s: float, **more: Any) -> Any:
        self._number += 1
        self.hall.now_ms += int(after_s * 1000)
        message = incoming(text, message_id=self._number * STEP, author=author, **more)
        return replace(message, record=replace(message.record, created_at_ms=self.hall.now_ms))

    async def say(
        self, text: str, author: MemberRecord = MIRA, *, after_s: float = 20, **more: Any
    ) -> Trace:
        return await self.pipeline.handle(self.message(text, author, after_s, **more))

    async def reasons(self, *said: tuple[str, MemberRecord]) -> list[str]:
        return [(await self.say(text, author)).verdict.reason.name for text, author in said]


@pytest.fixture
def scene(database: Database, engine: Engine) -> Scene:
    database.upsert_channels([PANTRY, THREAD])
    return Scene(database, engine)


# -- attention ----------------------------------------------------------------------------------


async def test_a_direct_continuation_is_meant_for_it(scene: Scene) -> None:
    assert await scene.reasons(
        ("Mynah, what is for dinner", MIRA),
        ("why?", BOB),
        ("i thought so", MIRA),
        ("ok", BOB),
        ("and how about the cake", BOB),
    ) == ["NAMED", "ATTENTION", "ATTENTION", "BELOW", "BELOW"]
    late = await scene.say("Mynah, and now?", KIT)
    assert late.sent is not None
    assert (await scene.say("why?", KIT, after_s=121)).verdict.reason is SilentReason.BELOW


async def test_whom_it_answered_goes_on_behind_others(scene: Scene) -> None:
    assert await scene.reasons(
        ("Mynah, what is for dinner", MIRA),
        ("raining again here", BOB),
        ("but why?", MIRA),
        ("the cellar is open", KIT),
        ("bob: is it dry there", KIT),
    ) == ["NAMED", "BELOW", "ATTENTION", "BELOW", "OTHERS"]


async def test_a_restarted_bot_knows_whom_it_answered(scene: Scene) -> None:
    await scene.say("Mynah, what is for dinner")
    scene.restart()
    assert await scene.reasons(("the day was long", BOB), ("but why?", MIRA)) == [
        "BELOW", "ATTENTION",
    ]  # fmt: skip


async def test_nobody_keeps_it_going_for_ever(scene: Scene) -> None:
    first = await scene.say("Mynah, hello?")
    assert first.verdict.reason is ReplyReason.NAMED
    reasons = await scene.reasons(*[("why?", MIRA)] * 8)
    assert reasons == ["ATTENTION"] * 6 + ["BELOW"] * 2
    assert (await scene.say("Mynah, why?")).verdict.reason is ReplyReason.NAMED
    assert (await scene.say("why?")).verdict.reason is ReplyReason.ATTENTION


async def test_what_it_began_unasked_ends_sooner(scene: Scene) -> None:
    assert await scene.reasons((WANTED, MIRA), ("how much salt do you take", MIRA)) == [
        "RELEVANT", "ATTENTION",
    ]  # fmt: skip
    assert await scene.reasons(("really?", MIRA), ("really?", MIRA)) == ["ATTENTION", "BELOW"]
    scene.restart()


# -- cooldowns ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_it_waits_before_it_speaks_unasked_again(scene: Scene, is_restarted: bool) -> None:
    async def reason(author: MemberRecord, minutes: float, **more: Any) -> str:
        if is_restarted:
            scene.restart()
        return (await scene.say(WANTED, author, after_s=60 * minutes, **more)).verdict.reason.name

    assert await reason(MIRA, 0) == "RELEVANT"
    assert await reason(BOB, 29) == "COOLING"
    assert await reason(BOB, 2) == "RELEVANT"
    assert await reason(MIRA, 28, channel=PANTRY) == "COOLING"
    assert await reason(KIT, 1, channel=PANTRY) == "RELEVANT"
    assert await reason(MIRA, 2) == "RELEVANT"
    row = scene.database.verdicts(1)[0]
    assert (row.reason, row.outcome) == (ReplyReason.RELEVANT.value, "sent")
    assert row.detail.endswith(": relevance +0.83, pressure +0.01, asks for help, named")
    assert scene.pipeline.traces[-1].explain().splitlines()[1] == (
        "urge: asks for help, named 'soup'"
    )


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_so_often_within_24_hours(
    database: Database, engine: Engine, is_restarted: bool
) -> None:
    database.upsert_channels([PANTRY, THREAD])
    scene = Scene(database, engine, unasked_a_day=3)
    reasons = []
    for _ in range(5):
        if is_restarted:
            scene.restart()
        reasons.append((await scene.say(WANTED, after_s=2 * 3600)).verdict.reason.name)
    assert reasons == ["RELEVANT"] * 3 + ["DAY_FULL"] * 2
    # 24 hours after the first of them.
    assert (await scene.say(WANTED, after_s=16 * 3600 - 1)).verdict.reason is SilentReason.DAY_FULL
    assert (await scene.say(WANTED, after_s=1)).verdict.reason is ReplyReason.RELEVANT


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_how_a_talk_began_outlives_a_restart(scene: Scene, is_restarted: bool) -> None:
    assert await scene.reasons((WANTED, MIRA), ("why?", BOB)) == ["RELEVANT", "ATTENTION"]
    if is_restarted:
        scene.restart()
    # What began unasked is gone on with twice, whoever asks, and MIRA did not ask for it.
    assert await scene.reasons(("and then?", KIT), ("and now?", ZOE)) == ["ATTENTION", "BELOW"]


async def test_a_channel_that_is_alive_is_kept_in_mind(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.talk.KEPT_ROOMS", 2)
    talk = scene.pipeline.recent.talk
    for channel_id in (1, 2, 1, 3):
        channel = replace(TAVERN, channel_id=channel_id)
        await talk.facts(scene.message("hi", MIRA, 1, channel=channel))
    assert list(talk._rooms) == [1, 3]


async def test_at_rate_one_it_answers_everything_that_is_not_for_others(
    database: Database, engine: Engine
) -> None:
    scene = Scene(database, engine, response_rate=1.0, unasked_a_day=1, attention_seconds=0)
    assert await scene.reasons(
        ("hm", MIRA), ("nice weather", MIRA), ("kit: hello", BOB), ("soup", KIT), ("kit: hi", BOB)
    ) == ["RELEVANT", "RELEVANT", "RELEVANT", "RELEVANT", "OTHERS"], "nobody called kit was there"


@pytest.mark.parametrize(
    ("then", "reasons", "answered"),
    [
        ("it is too thin", ["SAID_MORE", "RELEVANT"], [2]),
        ("bob: do you", ["SAID_MORE", "OTHERS"], []),
    ],
)
async def test_lines_of_one_person_are_answered_once_unasked_too(
    scene: Scene, then: str, reasons: list[str], answered: list[int]
) -> None:
    await scene.say("evening", BOB)
    said = [scene.message(WANTED, MIRA, 20), scene.message(then, MIRA, 2)]
    known = await scene.pipeline.store(said)
    waited = replace(known[0], arrived_s=time.perf_counter() - 3)
    traces = await scene.pipeline.take_turns(TAVERN.channel_id, [waited, known[1]])
    assert [trace.verdict.reason.name for trace in traces] == reasons
    assert [asked for _, _, asked in scene.hall.sent] == [said[n - 1].message_id for n in answered]


# -- settings of a channel ----------------------------------------------------------------------


async def test_a_channel_has_values_of_its_own_and_a_thread_its_parents(scene: Scene) -> None:
    scene.pipeline.channel_rows = {
        TAVERN.channel_id: {"response_rate": "0.0", "unasked_channel_minutes": "5"},
        THREAD.channel_id: {"response_rate": "1.0", "quiet_hours": "nonsense"},
        PANTRY.channel_id: {"temperature": "0.1", "lurk": "on"},
    }
    settings = {c.name: scene.pipeline.settings_in(c) for c in (TAVERN, THREAD, PANTRY)}
    shown = {
        name: (one.number("response_rate"), one.whole("unasked_channel_minutes"))
        for name, one in settings.items()
    }
    assert shown == {"tavern": (0.0, 5), "a thread": (1.0, 5), "pantry": (0.05, 30)}
    assert settings["pantry"].number("temperature") == 0.7, "the same in all channels"
    assert settings["pantry"].switch("lurk")
    assert (await scene.say(WANTED)).verdict.reason is SilentReason.BELOW
    assert (await scene.say("soup", channel=THREAD)).verdict.reason is ReplyReason.RELEVANT


async def test_lurking_reads_along_and_answers_nobody(scene: Scene) -> None:
    scene.pipeline.channel_rows = {TAVERN.channel_id: {"lurk": "on"}}
    for text, mentions in ((WANTED, False), ("Mynah?", False), ("hi", True)):
        trace = await scene.say(text, mentions=mentions)
        assert trace.verdict == Silent(SilentReason.LURKING)
    lines = (await scene.pipeline.transcripts.of(TAVERN.channel_id)).lines
    assert [line.turn.text for line in lines] == [WANTED, "Mynah?", "hi"]
    assert (await scene.say("hi", playground=True)).sent is not None
    assert (await scene.say("Mynah?", channel=PANTRY)).sent is not None


async def test_before_a_rehearsal_it_only_reads_along(database: Database, engine: Engine) -> None:
    scene = Scene(database, engine, speaks_in_public=False, response_rate=1.0)
    for text, mentions in ((WANTED, False), ("Mynah, are you a bot?", False), ("hi", True)):
        trace = await scene.say(text, mentions=mentions)
        assert trace.verdict == Silent(SilentReason.NOT_YET)
    assert scene.hall.sent == []
    assert len((await scene.pipeline.transcripts.of(TAVERN.channel_id)).lines) == 3
    assert (await scene.say("hi", playground=True)).sent is not None


async def test_an_answer_that_is_being_written_is_not_sent_where_it_shall_lurk_now(
    scene: Scene,
) -> None:
    class Lurks(LinesEngine):
        async def generate(self, ids: Any, **rest: Any) -> Any:
            made = await super().generate(ids, **rest)
            scene.pipeline.channel_rows = {TAVERN.channel_id: {"lurk": "on"}}
            return made

    scene._engine = Lurks(scene._engine._engine, "soup it is")
    scene.restart()
    assert (await scene.say("Mynah?")).verdict == Silent(SilentReason.LURKING)
    assert scene.hall.sent == []


async def test_quiet_hours_of_the_setting_and_of_the_persona(scene: Scene) -> None:
    local = time.localtime(scene.hall.now_ms / 1000)
    hours = f"{local.tm_hour}:00-{(local.tm_hour + 2) % 24}:00"
    scene.pipeline.channel_rows = {TAVERN.channel_id: {"quiet_hours": hours}}
    assert (await scene.say(WANTED)).verdict.reason is SilentReason.QUIET_HOURS
    assert (await scene.say("Mynah?")).verdict.reason is ReplyReason.NAMED
    assert (await scene.say("why?")).verdict.reason is ReplyReason.ATTENTION
    scene.pipeline.channel_rows = {}
    scene.style = SoupStyle(Cares(("soup",), quiet_hours=hours))
    scene.restart()
    asked = await scene.say(WANTED, KIT, after_s=300)
    assert asked.verdict.reason is SilentReason.QUIET_HOURS
    later = await scene.say(WANTED, ZOE, after_s=2 * 3600)
    assert later.verdict.reason is ReplyReason.RELEVANT


# -- what it knows of the talk ------------------------------------------------------------------


async def facts(scene: Scene, message: IncomingMessage) -> Any:
    return await scene.pipeline.recent.talk.facts(message)


async def test_pressure_and_presence_count_what_was_said(scene: Scene) -> None:
    for number in range(3):
        await scene.say(f"line {number}", (MIRA, BOB, KIT)[number], channel=PANTRY)
    await scene.say("Mynah, hm", MIRA, channel=PANTRY)
    await scene.say("brr", BOB, channel=PANTRY)
    now = scene.message("so", KIT, 20, channel=PANTRY)
    for _ in range(2):
        found = await facts(scene, now)
        assert (found.said_since, found.share) == (2, pytest.approx(1 / 7))
        assert found.people == {BOB.nickname: BOB.member_id, MIRA.nickname: MIRA.member_id}
        assert (found.is_right_behind, found.since_answered_s) == (False, NEVER_S)
        scene.restart()
    later = await facts(scene, scene.message("so", KIT, 400, channel=PANTRY))
    assert later.share == 0
    assert later.said_since == 2


async def test_a_long_silence_and_a_backlog(scene: Scene) -> None:
    records = [
        MessageRecord(n, PANTRY.channel_id, KIT.member_id, "hm", START_MS + n, Origin.EXPORT)
        for n in range(100_000, 100_200)
    ]
    scene.database.upsert_members([KIT])
    scene.database.upsert_messages(records)
    first = records[100]
    message = replace(incoming("hm", channel=PANTRY), record=replace(first, author_id=101))
    found = await facts(scene, message)
    assert found.said_since == KEPT_LINES
    assert found.people == {"kit": KIT.member_id}


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_an_orders_answer_is_none_of_its_words(scene: Scene, is_restarted: bool) -> None:
    persona = MemberRecord(OWN_ID, "mynah", "Mynah", is_bot=True)
    await scene.say("evening", BOB)
    own = await scene.say("State: online", persona)
    assert own.verdict == Silent(SilentReason.OWN)
    if is_restarted:
        scene.restart()
    assert (await scene.say("why?", BOB)).verdict.reason is SilentReason.BELOW
    found = await facts(scene, scene.message("why?", BOB, 5))
    assert (found.share, found.since_spoke_s) == (0, NEVER_S)


async def test_who_talks_with_each_other_is_left_to_it(scene: Scene) -> None:
    await scene.say("bob: did it rain", MIRA)
    assert (await facts(scene, scene.message("it did", BOB, 5))).is_engaged
    assert (await facts(scene, scene.message("and here", MIRA, 5))).is_engaged
    assert not (await facts(scene, scene.message("hello", KIT, 5))).is_engaged
    assert not (await facts(scene, scene.message("it did", BOB, 300))).is_engaged


async def test_who_is_left_out_is_known_no_more(scene: Scene) -> None:
    await scene.say("good evening", KIT)
    assert "kit" in (await facts(scene, scene.message("hm", BOB, 5))).people
    scene.pipeline.exclude(KIT.member_id, True)
    found = await facts(scene, scene.message("hm", BOB, 5))
    assert found.people == {"mira": MIRA.member_id}
