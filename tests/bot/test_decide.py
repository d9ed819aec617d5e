"""decide: the table of verdicts, each with its reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.decide import Facts, decide, may_read
from bot.messages import IncomingMessage, Reply, ReplyReason, Silent, SilentReason, Verdict
from storage.records import MemberRecord, MessageKind
from tests.bot.scene import OWN_ID, ROBOT, incoming

FACTS = Facts(own_id=OWN_ID, persona_name="Mynah", response_rate=0.05)
OWN = MemberRecord(OWN_ID, "mynah", "Mynah", is_bot=True)


@pytest.mark.parametrize(
    ("message", "facts", "draw", "expected"),
    [
        (incoming("hi all"), FACTS, 0.9, Silent(SilentReason.NO_CHANCE, "0.05")),
        (incoming("hi all"), FACTS, 0.01, Reply(ReplyReason.CHANCE, "0.05")),
        (incoming("hi", mentions=True), FACTS, 0.9, Reply(ReplyReason.MENTIONED)),
        (incoming("hi", answers=True), FACTS, 0.9, Reply(ReplyReason.ANSWERED)),
        (incoming("hi", playground=True), FACTS, 0.9, Reply(ReplyReason.PLAYGROUND)),
        (incoming("what say you, MYNAH?"), FACTS, 0.9, Reply(ReplyReason.NAMED)),
        (incoming("mynahs are birds"), FACTS, 0.9, Silent(SilentReason.NO_CHANCE, "0.05")),
        (incoming("Mynah!", author=OWN), FACTS, 0.0, Silent(SilentReason.OWN)),
        (incoming("Mynah!", author=ROBOT), FACTS, 0.0, Silent(SilentReason.BOT)),
        (incoming("   ", mentions=True), FACTS, 0.0, Silent(SilentReason.NOTHING_SAID)),
        (
            incoming("Mynah joined", kind=MessageKind.SYSTEM),
            FACTS,
            0.0,
            Silent(SilentReason.NOTHING_SAID),
        ),
        (
            incoming("Mynah?"),
            Facts(OWN_ID, "Mynah", 1.0, channel_is_allowed=False),
            0.0,
            Silent(SilentReason.NOT_ALLOWED),
        ),
        (
            incoming("Mynah?", mentions=True),
            Facts(OWN_ID, "Mynah", 1.0, author_is_excluded=True),
            0.0,
            Silent(SilentReason.EXCLUDED),
        ),
        *(
            (incoming("Mynah?", mentions=True), facts, 0.0, Silent(why))
            for facts, why in [
                (replace(FACTS, is_seen=True), SilentReason.SEEN),
                (replace(FACTS, is_gone=True), SilentReason.DELETED),
                (replace(FACTS, times_begun=2), SilentReason.WENT_DOWN),
                (replace(FACTS, age_s=15 * 60 + 1.0), SilentReason.STALE),
                (replace(FACTS, is_quiet=True), SilentReason.QUIET),
                (replace(FACTS, is_flooding=True), SilentReason.FLOOD),
            ]
        ),
        *(
            (incoming("Mynah?", mentions=True), facts, 0.9, Reply(ReplyReason.MENTIONED))
            for facts in [
                replace(FACTS, times_begun=1),
                replace(FACTS, age_s=15 * 60.0),
                replace(FACTS, spoke_since=True),
            ]
        ),
        (incoming("hi"), replace(FACTS, spoke_since=True), 0.0, Silent(SilentReason.SPOKE_SINCE)),
        (incoming("hi"), replace(FACTS, age_s=61.0), 0.0, Silent(SilentReason.STALE)),
        (
            incoming("hi", playground=True),
            replace(FACTS, age_s=1e6, is_flooding=True, is_quiet=True),
            0.9,
            Reply(ReplyReason.PLAYGROUND),
        ),
    ],
)
def test_table(message: IncomingMessage, facts: Facts, draw: float, expected: Verdict) -> None:
    assert decide(message, facts, draw) == expected


@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999999])
def test_rate_zero_never_and_rate_one_always(draw: float) -> None:
    never, always = Facts(OWN_ID, "Mynah", 0.0), Facts(OWN_ID, "Mynah", 1.0)
    assert isinstance(decide(incoming("hi"), never, draw), Silent)
    assert isinstance(decide(incoming("hi"), always, draw), Reply)


def test_what_training_drops_is_not_read() -> None:
    assert may_read(incoming("a die fell"), FACTS)
    assert not may_read(incoming("a die fell", author=ROBOT), FACTS)
    assert not may_read(incoming(""), FACTS)
    assert not may_read(incoming("hi"), Facts(OWN_ID, "Mynah", 1.0, author_is_excluded=True))
    assert not may_read(incoming("hi"), Facts(OWN_ID, "Mynah", 1.0, channel_is_allowed=False))
    assert not may_read(incoming("hi"), Facts(OWN_ID, "Mynah", 1.0, is_seen=True))


def test_verdicts_are_sentences() -> None:
    verdict = decide(incoming("hi all"), FACTS, 0.01)
    assert str(verdict) == "reply: chance, at the response rate (0.05)"
    assert str(Silent(SilentReason.BOT)) == "silent: a bot spoke"
