"""decide: the table of verdicts, each with its reason, and what holds for all of them."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace
from typing import Any

import pytest

from bot.decide import (
    MOST_ATTENDED,
    MOST_ATTENDED_UNASKED,
    Facts,
    cooldown_factor,
    could_be_near,
    decide,
    may_read,
    spoken_to,
    threshold_at,
    urge_of,
)
from bot.messages import IncomingMessage, Reply, ReplyReason, Silent, SilentReason, Verdict
from bot.talk import TalkFacts
from storage.records import MemberRecord, MessageKind
from tests.bot.scene import BOB, MIRA, OWN_ID, ROBOT, incoming

FACTS = Facts(own_id=OWN_ID, persona_name="Mynah", response_rate=0.05)
OWN = MemberRecord(OWN_ID, "mynah", "Mynah", is_bot=True)
RAIDS = ("raids", "retro games")
LIVELY = TalkFacts(people={"Bob the Builder": BOB.member_id}, said_since=40)
EAGER = replace(FACTS, cares=RAIDS, talk=LIVELY)
WANTED = incoming("does anyone know who leads the raid tonight?")
"""It asks for help about what it cares about."""


def talking(**values: Any) -> Facts:
    return replace(EAGER, talk=replace(LIVELY, **values))


FORBIDDEN: dict[SilentReason, dict[str, Any]] = {
    SilentReason.NOT_ALLOWED: {"channel_is_allowed": False},
    SilentReason.EXCLUDED: {"author_is_excluded": True},
    SilentReason.SEEN: {"is_seen": True},
    SilentReason.DELETED: {"is_gone": True},
    SilentReason.NOT_YET: {"may_speak": False},
    SilentReason.LURKING: {"lurks": True},
    SilentReason.WENT_DOWN: {"times_begun": 2},
    SilentReason.STALE: {"age_s": 15 * 60 + 1.0},
    SilentReason.QUIET: {"is_quiet": True},
    SilentReason.FLOOD: {"is_flooding": True},
}
"""Why what is addressed to it is not answered."""
FORBIDS_NOTHING: list[dict[str, Any]] = [
    {"times_begun": 1},
    {"age_s": 15 * 60.0},
    {"spoke_since": True},
    {"in_quiet_hours": True, "response_rate": 0.0},
    {"talk": TalkFacts(share=0.9, unasked_today=99)},
]
MENTIONED = Reply(ReplyReason.MENTIONED)


@pytest.mark.parametrize(
    ("message", "facts", "expected"),
    [
        (incoming("hi all"), FACTS, Silent(SilentReason.BELOW)),
        (incoming("hi", mentions=True), FACTS, Reply(ReplyReason.MENTIONED)),
        (incoming("hi", answers=True), FACTS, Reply(ReplyReason.ANSWERED)),
        (incoming("hi", playground=True), FACTS, Reply(ReplyReason.PLAYGROUND)),
        (incoming("what say you, MYNAH?"), FACTS, Reply(ReplyReason.NAMED)),
        (incoming("mynahs are birds"), FACTS, Silent(SilentReason.BELOW)),
        (incoming("mynah said so yesterday"), FACTS, Silent(SilentReason.BELOW)),
        (incoming("Mynah!", author=OWN), FACTS, Silent(SilentReason.OWN)),
        (incoming("Mynah!", author=ROBOT), FACTS, Silent(SilentReason.BOT)),
        (incoming("   ", mentions=True), FACTS, Silent(SilentReason.NOTHING_SAID)),
        (
            incoming("Mynah joined", kind=MessageKind.SYSTEM),
            FACTS,
            Silent(SilentReason.NOTHING_SAID),
        ),
        *(
            (incoming("Mynah?", mentions=True), replace(FACTS, **changed), Silent(why))
            for why, changed in FORBIDDEN.items()
        ),
        *(
            (incoming("Mynah?", mentions=True), replace(FACTS, **changed), MENTIONED)
            for changed in FORBIDS_NOTHING
        ),
        (
            incoming("hi", playground=True),
            replace(FACTS, age_s=1e6, is_flooding=True, is_quiet=True, may_speak=False, lurks=True),
            Reply(ReplyReason.PLAYGROUND),
        ),
        (WANTED, EAGER, Reply(ReplyReason.RELEVANT)),
        (WANTED, replace(EAGER, response_rate=0.0), Silent(SilentReason.BELOW)),
        (WANTED, replace(EAGER, spoke_since=True), Silent(SilentReason.SPOKE_SINCE)),
        (WANTED, replace(EAGER, age_s=61.0), Silent(SilentReason.STALE)),
        (WANTED, replace(EAGER, in_quiet_hours=True), Silent(SilentReason.QUIET_HOURS)),
        (WANTED, replace(EAGER, learned=-1.0), Reply(ReplyReason.RELEVANT)),
        (
            WANTED,
            replace(EAGER, learned=-1.0, talk=TalkFacts(share=0.3)),
            Silent(SilentReason.BELOW),
        ),
        (WANTED, replace(EAGER, dislikes=("raid",)), Reply(ReplyReason.RELEVANT)),
        (incoming("a raid again"), replace(EAGER, dislikes=("raid",)), Silent(SilentReason.BELOW)),
        (WANTED, talking(unasked_channel_s=30 * 60 - 1), Silent(SilentReason.COOLING)),
        (WANTED, talking(unasked_channel_s=30 * 60), Reply(ReplyReason.RELEVANT)),
        (WANTED, talking(unasked_member_s=60 * 60 - 1), Silent(SilentReason.COOLING)),
        (WANTED, talking(unasked_member_s=60 * 60), Reply(ReplyReason.RELEVANT)),
        (WANTED, talking(unasked_today=20), Silent(SilentReason.DAY_FULL)),
        (WANTED, talking(unasked_today=19), Reply(ReplyReason.RELEVANT)),
    ],
)
def test_table(message: IncomingMessage, facts: Facts, expected: Verdict) -> None:
    verdict = decide(message, facts, 0.5)
    assert (type(verdict), verdict.reason) == (type(expected), expected.reason)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("bob: does anyone know the raid leader?", {}),
        ("hey bob, does anyone know the raid leader?", {}),
        ("does anyone know the raid leader, bob?", {}),
        ("@bob does anyone lead the raid", {}),
        ("does anyone lead the raid", {"replied_to": BOB.member_id, "answers_other": True}),
        ("does anyone lead the raid", {"answers_other": True}),
    ],
)
def test_others_are_left_alone_at_any_rate(text: str, changed: dict[str, Any]) -> None:
    for rate in (0.05, 1.0):
        verdict = decide(incoming(text), replace(talking(**changed), response_rate=rate), 0.999)
        assert verdict == Silent(SilentReason.OTHERS)
        both = decide(incoming(text, mentions=True), talking(**changed), 0.5)
        assert both == Reply(ReplyReason.MENTIONED)


def test_a_mention_of_somebody_else_and_of_oneself() -> None:
    message = incoming("does anyone know the raid leader?")
    of_bob, of_self = (
        replace(message, record=replace(message.record, mentioned_ids=ids))
        for ids in ((BOB.member_id,), (MIRA.member_id, OWN_ID))
    )
    assert decide(of_bob, EAGER, 0.5) == Silent(SilentReason.OTHERS)
    assert spoken_to(of_bob, EAGER) == BOB.member_id
    assert decide(of_self, EAGER, 0.5).reason is ReplyReason.RELEVANT
    assert spoken_to(of_self, EAGER) is None


@pytest.mark.parametrize(
    ("text", "talk", "is_answered"),
    [
        ("why?", TalkFacts(since_spoke_s=5, is_right_behind=True), True),
        ("and then", TalkFacts(since_spoke_s=5, is_right_behind=True), True),
        ("lol true", TalkFacts(since_spoke_s=5, is_right_behind=True), True),
        ("why?", TalkFacts(since_spoke_s=121, is_right_behind=True), False),
        ("i had soup for dinner", TalkFacts(since_spoke_s=5, is_right_behind=True), False),
        ("why?", TalkFacts(since_spoke_s=5), False),
        (
            "can anyone assist, i get an error when i build it",
            TalkFacts(since_spoke_s=5, is_right_behind=True),
            False,
        ),
        ("i had soup", TalkFacts(since_answered_s=5, is_right_behind=True), True),
        ("i had soup", TalkFacts(since_answered_s=5), False),
        ("but why?", TalkFacts(since_answered_s=5), True),
        (
            "i had soup",
            TalkFacts(since_answered_s=5, began_unasked=True),
            False,
        ),
        ("ok", TalkFacts(since_answered_s=5), False),
        ("thanks a lot!", TalkFacts(since_spoke_s=5, is_right_behind=True), False),
        ("lol", TalkFacts(since_spoke_s=5, is_right_behind=True), False),
        ("😂", TalkFacts(since_answered_s=5), False),
        (
            "why?",
            TalkFacts(since_spoke_s=5, is_right_behind=True, attended=MOST_ATTENDED),
            False,
        ),
        (
            "why?",
            TalkFacts(
                since_spoke_s=5,
                is_right_behind=True,
                attended=MOST_ATTENDED_UNASKED,
                began_unasked=True,
            ),
            False,
        ),
        (
            "bob, why?",
            TalkFacts(since_spoke_s=5, is_right_behind=True, people={"bob": BOB.member_id}),
            False,
        ),
    ],
)
def test_attention_to_a_direct_continuation(text: str, talk: TalkFacts, is_answered: bool) -> None:
    for rate in (0.0, 0.05):
        facts = replace(FACTS, response_rate=rate, talk=talk, in_quiet_hours=True)
        verdict = decide(incoming(text), facts, 0.5)
        assert (verdict == Reply(ReplyReason.ATTENTION)) is is_answered
        assert isinstance(verdict, Reply) is is_answered
    off = replace(FACTS, talk=replace(talk, since_spoke_s=0.1, since_answered_s=0.1), attention_s=0)
    assert isinstance(decide(incoming(text), off, 0.5), Silent)


def test_the_formula_is_the_one_that_is_written_down() -> None:
    assert [round(threshold_at(r, 0.7), 2) for r in (0.02, 0.05, 0.1, 0.3, 1)] == [
        0.91, 0.7, 0.54, 0.28, 0.0,
    ]  # fmt: skip
    assert [round(30 * cooldown_factor(r)) for r in (0.02, 0.05, 0.1, 0.3, 1)] == [77, 30, 14, 4, 0]
    asked = incoming("who leads the raid tonight?")
    urge = urge_of(asked, talking(share=0.25, is_engaged=True))
    assert urge.relevance == pytest.approx(0.38 + 0.38 - 0.25)
    assert urge.pressure == pytest.approx(0.30)
    assert urge.presence == pytest.approx(-0.15)
    assert urge.total == pytest.approx(0.51 + 0.30 - 0.15)
    assert urge.why == ("asks the room", "named 'raids'", "others are talking with each other")
    json.dumps(urge.as_json(), allow_nan=False)
    assert json.dumps(urge_of(WANTED, replace(EAGER, response_rate=0)).as_json(), allow_nan=False)


def test_nearness_counts_where_no_word_does_and_is_asked_for_where_it_matters() -> None:
    message = incoming("is anyone up for the castle at nine")
    facts = replace(EAGER, talk=replace(LIVELY, said_since=1))
    below = decide(message, facts, 0.5)
    assert below.reason is SilentReason.BELOW
    assert could_be_near(below, facts)
    assert decide(message, replace(facts, nearness=0.6), 0.5).reason is ReplyReason.RELEVANT
    assert not could_be_near(below, replace(facts, cares=()))
    assert not could_be_near(decide(incoming("hm"), facts, 0.5), facts)


def test_the_row_that_is_kept_holds_no_word_of_the_message() -> None:
    verdict = decide(WANTED, EAGER, 0.5)
    detail = "1.13 of 0.70: relevance +0.83, pressure +0.30, asks for help, named"
    assert verdict.detail == detail
    assert str(verdict) == f"reply: unasked: it concerns it enough ({verdict.detail})"
    assert str(Silent(SilentReason.BOT)) == "silent: a bot spoke"


TEXTS = (
    "does anyone know the raid leader?", "anyone up for retro games", "how do i get there",
    "mynah said so", "soup", "bob: what now?", "are you ok?", "why?", "thanks", "hi all",
)  # fmt: skip


def drawn(chance: random.Random) -> tuple[IncomingMessage, Facts]:
    """Some message in some talk; not addressed to the persona."""
    talk = TalkFacts(
        people={"bob": BOB.member_id},
        said_since=chance.randint(1, 60),
        share=chance.random() * 0.6,
        since_spoke_s=chance.choice([1e9, 5.0, 90.0]),
        is_right_behind=chance.random() < 0.3,
        since_answered_s=chance.choice([1e9, 1e9, 5.0]),
        attended=chance.randint(0, 8),
        began_unasked=chance.random() < 0.5,
        is_engaged=chance.random() < 0.3,
        unasked_channel_s=chance.choice([1e9, 60.0, 900.0, 4000.0]),
        unasked_member_s=chance.choice([1e9, 60.0, 900.0, 4000.0]),
        unasked_today=chance.randint(0, 30),
    )
    facts = replace(
        FACTS,
        talk=talk,
        cares=chance.choice([(), RAIDS]),
        nearness=chance.random(),
        learned=chance.uniform(-1, 1),
        in_quiet_hours=chance.random() < 0.2,
        threshold=chance.random(),
        unasked_a_day=chance.randint(0, 40),
        spoke_since=chance.random() < 0.1,
        age_s=chance.choice([0.0, 61.0]),
    )
    return incoming(chance.choice(TEXTS)), facts


def test_what_holds_at_every_rate() -> None:
    chance = random.Random(8)
    rates = (0.0, 0.01, 0.02, 0.05, 0.1, 0.3, 0.7, 0.999, 1.0)
    unasked = 0
    for _ in range(4_000):
        message, facts = drawn(chance)
        draw, spoke_before = chance.random(), False
        for rate in rates:
            verdict = decide(message, replace(facts, response_rate=rate), draw)
            spoke = isinstance(verdict, Reply)
            assert spoke or not spoke_before, "a higher rate never speaks less"
            spoke_before = spoke
            if verdict.reason is not ReplyReason.RELEVANT:
                assert verdict.reason is not SilentReason.COOLING or rate < 1
                continue
            unasked += 1
            factor = cooldown_factor(rate)
            assert rate > 0
            assert not facts.in_quiet_hours
            assert facts.talk.unasked_channel_s >= facts.channel_cooldown_s * factor
            assert facts.talk.unasked_member_s >= facts.member_cooldown_s * factor
            assert rate == 1 or facts.talk.unasked_today < facts.unasked_a_day / factor
            assert spoken_to(message, facts) is None
        loud = isinstance(verdict, Reply)  # at 1.0
        left_alone = {SilentReason.OTHERS, SilentReason.QUIET_HOURS}
        is_late = facts.spoke_since or facts.age_s > 60
        assert loud or verdict.reason in left_alone or is_late
    assert unasked > 1_000


def test_chance_breaks_ties_alone() -> None:
    message, sure = incoming("soup"), []
    for total in (0.64, 0.70, 0.76):
        facts = replace(FACTS, learned=(total - 0.3) / 0.3, talk=TalkFacts(said_since=20))
        spoken = [isinstance(decide(message, facts, i / 100), Reply) for i in range(100)]
        sure.append(sum(spoken))
    assert sure[0] == 0
    assert 40 <= sure[1] <= 60
    assert sure[2] == 100


def test_it_is_fast() -> None:
    began = time.process_time()
    for _ in range(500):
        decide(WANTED, EAGER, 0.5)
    assert (time.process_time() - began) / 500 < 1e-3


def test_what_training_drops_is_not_read() -> None:
    assert may_read(incoming("a die fell"), FACTS)
    assert not may_read(incoming("a die fell", author=ROBOT), FACTS)
    assert not may_read(incoming(""), FACTS)
    assert not may_read(incoming("hi"), Facts(OWN_ID, "Mynah", 1.0, author_is_excluded=True))
    assert not may_read(incoming("hi"), Facts(OWN_ID, "Mynah", 1.0, channel_is_allowed=False))
    assert not may_read(incoming("hi"), Facts(OWN_ID, "Mynah", 1.0, is_seen=True))
    assert may_read(incoming("hi"), replace(FACTS, lurks=True, may_speak=False))
