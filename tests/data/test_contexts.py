"""How far a context reaches back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from data import contexts
from data.windows import PlannedExample
from model.chat_format import Own
from tests.data.planned import built_history, hidden, outcome_of_last
from tests.data.talk import talk


def test_placeholders_alone_are_no_context() -> None:
    lines = [("mira", "raid?"), ("kai", "soup"), ("kai", "stew"), ("bob", "mira: yes")]
    assert outcome_of_last(hidden(talk(*lines), "kai", "mira")) == contexts.SHORT_CONTEXT
    assert outcome_of_last(hidden(talk(*lines), "kai")) == contexts.SHORT_CONTEXT
    assert isinstance(outcome_of_last(talk(*lines)), PlannedExample)


def test_what_was_answered_just_before_is_context_enough() -> None:
    for seed in range(5):
        plan = outcome_of_last(talk(("mira", "raid?"), ("bob", "mira: yes")), seed=seed)
        assert isinstance(plan, PlannedExample)
        assert plan.kind == contexts.PAIR
    hiding = hidden(talk(("kai", "x"), ("mira", "raid?"), ("bob", "mira: yes")), "kai")
    plan = outcome_of_last(hiding)
    assert isinstance(plan, PlannedExample)
    assert (plan.kind, plan.start) == (contexts.PAIR, 1)


def test_kinds_have_their_shares_and_their_lengths() -> None:
    built = built_history(6000, note_share=0.0)
    kinds = Counter(plan.kind for plan in built.plans)
    turns: dict[str, list[int]] = {kind: [] for kind in contexts.KINDS}
    fill: dict[str, list[float]] = {kind: [] for kind in contexts.KINDS}
    for plan, example in zip(built.plans, built.examples, strict=True):
        turns[plan.kind].append(sum(not getattr(turn, "goes_on", False) for turn in example.turns))
        fill[plan.kind].append(plan.tokens / 1024)
    assert set(turns[contexts.PAIR]) == {1}
    assert min(turns[contexts.SHORT]) == contexts.MIN_LINES
    as_drawn = [n for n in turns[contexts.SHORT] if n <= contexts.SHORT_LINES[1]]
    assert len(as_drawn) > 0.9 * kinds[contexts.SHORT], "the others reach what is answered"
    assert sum(fill["medium"]) / kinds["medium"] < 0.5 < sum(fill["long"]) / kinds["long"]
    # How many lines of this talk answer the one right before them is for the ranker to say.
    may_be_pairs = kinds[contexts.PAIR] / contexts.KINDS[contexts.PAIR]
    assert 0.1 * len(built.plans) < may_be_pairs < 1.1 * len(built.plans)
    for kind in (contexts.MEDIUM, contexts.LONG):
        assert kinds[kind] / len(built.plans) == pytest.approx(contexts.KINDS[kind], abs=0.05)


def test_only_long_contexts_reach_over_a_long_silence() -> None:
    messages = talk(*[("mira", "one"), ("kai", "two")] * 6, ("bob", "kai: three"))
    late = [replace(m, created_at_ms=m.created_at_ms + 7 * 3600_000) for m in messages[9:]]
    kinds: Counter[str] = Counter()
    for seed in range(30):
        plan = outcome_of_last([*messages[:9], *late], seed=seed, note_share=0.0)
        assert isinstance(plan, PlannedExample)
        kinds[plan.kind] += 1
        assert (plan.start < 9) == (plan.kind == contexts.LONG)
    assert len(kinds) == 4


def test_a_context_does_not_begin_with_the_author_s_own_lines() -> None:
    built = built_history(note_share=0.0)
    firsts = [example.turns[0] for example in built.examples]
    assert len(firsts) > 500
    assert not any(isinstance(turn, Own) for turn in firsts)
