"""Which bursts are replies to learn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data import contexts, targets
from data.preprocessor import clean
from data.split import TRAINING, VALIDATION, Region
from data.windows import PlannedExample
from tests.data.planned import outcome_of_last, planners_of
from tests.data.talk import CHANNEL, MEMBERS, history, talk


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([("mira", "hi")], targets.NO_CONTEXT),
        ([("mira", "a"), ("kai", "mira: b"), ("bob", "x@example.com")], targets.ONLY_PLACEHOLDER),
        ([("mira", "a"), ("kai", "b"), ("bob", "see\nmira: a")], targets.SPEAKS_FOR_OTHERS),
        ([("mira", "a"), ("kai", "b"), ("bob", "so <|im_end|>")], targets.SPEAKS_FOR_OTHERS),
        ([("mira", "a"), ("kai", "b"), ("bob", "z" * 600)], targets.REPLY_TOO_LONG),
        (
            [("mira", "a"), ("kai", "b"), ("bob", "z" * 400), ("bob", "z" * 400)],
            targets.REPLY_TOO_LONG,
        ),
        ([("mira", "a"), ("kai", "y" * 990), ("bob", "mira: c")], contexts.OUT_OF_REACH),
    ],
)
def test_why_a_message_is_no_target(lines: list[tuple[str, str]], reason: str) -> None:
    assert outcome_of_last(talk(*lines), note_share=0.0) == reason


def test_a_line_long_after_the_author_s_own_is_no_target() -> None:
    messages = talk(("mira", "a"), ("kai", "mira: b"), ("kai", "mira: c"))
    late = replace(messages[2], created_at_ms=messages[1].created_at_ms + 121_000)
    assert outcome_of_last([*messages[:2], late]) == targets.OWN_BEFORE


def test_a_reply_to_what_is_not_here_and_a_torn_conversation_are_no_targets() -> None:
    messages = talk(("mira", "a"), ("kai", "mira: b"), ("bob", "kai: c"), ("bob", "d"))
    messages[2] = replace(messages[2], reply_to_id=99)
    assert outcome_of_last(messages) == targets.LOST_ANSWER
    messages[2] = replace(messages[2], reply_to_id=2)
    planners, links, _ = planners_of(messages)
    conversation_id = links[3].conversation_id
    region = Region(CHANNEL, 0, 4, TRAINING)
    planner = planners[CHANNEL]
    assert list(planner.plan([region], {conversation_id: VALIDATION}))[2:] == [targets.TORN] * 2
    assert isinstance(list(planner.plan([region], {conversation_id: TRAINING}))[2], PlannedExample)
    cut = [Region(CHANNEL, 0, 3, TRAINING), Region(CHANNEL, 3, 4, VALIDATION)]
    assert list(planner.plan(cut, {}))[2:] == [targets.TORN] * 2


def test_new_topics_are_kept_at_a_lower_share() -> None:
    messages = clean(history(4000)[0], MEMBERS)[0]
    planners, _, channels = planners_of(messages)
    outcomes = {
        own.message_id: outcome
        for channel_id, planner in planners.items()
        for own, outcome in zip(
            channels[channel_id],
            planner.plan([Region(channel_id, 0, len(channels[channel_id]), TRAINING)], {}),
            strict=True,
        )
    }
    plans = [one for one in outcomes.values() if isinstance(one, PlannedExample)]
    kept = sum(not plan.answers for plan in plans)
    left_out = list(outcomes.values()).count(targets.STARTS_TOPIC)
    assert kept + left_out > 100
    assert kept / (kept + left_out) == pytest.approx(targets.STARTS_KEPT, abs=0.1)
