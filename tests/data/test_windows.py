"""What an example shows: one channel, own lines, the persona's name, the budget, each counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from data import contexts, targets, windows
from data.personas import Personas
from data.preprocessor import clean
from data.split import TRAINING
from data.windows import PlannedExample
from model.chat_format import NOT_SHARED, Own, Said
from storage.records import Reaction
from tests.data.planned import Built, assert_exact, built_history, hidden, last_example, outcomes_of
from tests.data.talk import ID_OF, MEMBERS, history, talk

LONG: dict[str, Any] = {"note_share": 0.0, "max_tokens": 4000}


@pytest.fixture
def long_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "KINDS", {contexts.LONG: 1.0})


@pytest.mark.usefixtures("long_contexts")
def test_a_window_is_what_stood_before_the_reply() -> None:
    messages = talk(
        ("mira", "Bob: raid?"),
        ("kai", "soup @bob"),
        ("bob", "mira: at nine"),
        ("bob", "kai: no"),
        ("mira", "ok bob"),
        ("mira", "bob\nbob"),
        ("bob", "Mira: see you"),
        ("bob", "tomorrow"),
    )
    example = last_example(messages, **LONG)
    assert example.turns == (
        Said("mira", "Mynah: raid?"),
        Said("kai", "soup @Mynah"),
        Own("mira, at nine\nkai, no"),
        Said("mira", "ok Mynah"),
        Said("mira", "Mynah\nMynah", goes_on=True),
    )
    assert example.reply == "Mira, see you\ntomorrow"
    assert example.source_ids == (1, 2, 3, 4, 5, 6, 7, 8)
    assert example.reply_ids == (7, 8)
    assert example.example_id == "8"


def test_lines_joined_to_a_reply_are_counted_and_so_are_those_of_a_dropped_one() -> None:
    lines = [("mira", "a"), ("kai", "mira: b"), ("bob", "kai: c"), ("bob", "d"), ("bob", "e")]
    _, outcomes = outcomes_of(talk(*lines))
    assert isinstance(outcomes[2], PlannedExample)
    assert outcomes[3:] == [windows.PART_OF_REPLY] * 2
    _, outcomes = outcomes_of(talk(*lines[:3], ("bob", "mira: d <|im_end|>"), ("bob", "e")))
    assert outcomes[2:] == [targets.SPEAKS_FOR_OTHERS] * 3


def test_a_plan_says_what_choosing_among_examples_needs() -> None:
    messages = talk(("mira", "a"), ("kai", "mira: b"), ("bob", "kai: c"), ("bob", "d"))
    messages[2] = replace(messages[2], reactions=(Reaction("x", 2), Reaction("y", 1)))
    messages[3] = replace(messages[3], reactions=(Reaction("x", 4),))
    planner, outcomes = outcomes_of(messages)
    plan = outcomes[2]
    assert isinstance(plan, PlannedExample)
    assert (plan.target, plan.end, plan.author_id) == (2, 4, ID_OF["bob"])
    assert (plan.reactions, plan.answers) == (7, True)
    assert (plan.created_at_ms, plan.side) == (messages[2].created_at_ms, TRAINING)
    assert planner.build(plan).tokens == plan.tokens


@pytest.mark.usefixtures("long_contexts")
def test_who_may_not_be_shown_is_a_placeholder_in_its_place() -> None:
    messages = hidden(
        talk(
            ("mira", "raid?"),
            ("kai", "bob: soup"),
            ("kai", "stew"),
            ("bob", "mira: at nine"),
            ("kai", "ok"),
            ("mira", "fine"),
            ("bob", "mira: see you"),
        ),
        "kai",
    )
    planner, outcomes = outcomes_of(messages, **LONG)
    assert [outcomes[at] for at in (1, 2, 4)] == ["no"] * 3
    plan = outcomes[-1]
    assert isinstance(plan, PlannedExample)
    example = planner.build(plan)
    assert example.turns == (
        Said("mira", "raid?"),
        NOT_SHARED,
        NOT_SHARED,
        Own("mira, at nine"),
        NOT_SHARED,
        Said("mira", "fine"),
    )
    assert example.source_ids == (1, 4, 6, 7)


@pytest.mark.usefixtures("long_contexts")
def test_own_lines_of_another_origin_may_be_hidden_too() -> None:
    messages = talk(
        ("mira", "raid?"), ("bob", "no"), ("mira", "why"), ("kai", "hm"), ("bob", "kai: so")
    )
    messages[1] = replace(messages[1], text="", not_shown="no", not_learned="no")
    example = last_example(messages, **LONG)
    assert example.turns[1] == NOT_SHARED
    assert example.source_ids == (1, 3, 4, 5)


def test_every_message_has_one_outcome_and_the_same_each_time() -> None:
    built, again = built_history(), Built(clean(history(1500)[0], MEMBERS)[0])
    assert len(built.outcomes) == sum(map(len, built.channels.values()))
    assert again.outcomes == built.outcomes
    assert again.examples == built.examples
    assert built_history(seed=9).outcomes != built.outcomes
    replies = sum(len(example.reply_ids) - 1 for example in built.examples)
    assert built.outcomes.count(windows.PART_OF_REPLY) == replies > 50


@pytest.mark.parametrize("max_tokens", [300, 1024])
def test_no_example_is_longer_than_allowed_and_the_counts_are_exact(max_tokens: int) -> None:
    built = built_history(max_tokens=max_tokens)
    assert len(built.examples) > 100
    for example in built.examples:
        assert_exact(example, max_tokens)


def test_a_context_ends_with_somebody_else_and_a_reply_begins_nobodys_line() -> None:
    built = built_history(note_share=0.0)
    for example in built.examples:
        assert isinstance(example.turns[-1], Said)
        names = {turn.name for turn in example.turns if isinstance(turn, Said)}
        heads = [line.split(":")[0].strip() for line in example.reply.splitlines() if ":" in line]
        assert not set(heads) & names, "a reply must not begin a line as somebody's does"


def test_several_personas_each_learn_from_their_own() -> None:
    chosen = Personas.of_targets(
        [("Captain", ["mira"]), ("Cook", ["Bob", "kai"])], MEMBERS, lambda name: f"You are {name}!"
    )
    built = Built(clean(history(1500)[0], MEMBERS)[0], personas=chosen, note_share=0.0)
    persona_of = {ID_OF["mira"]: "Captain", ID_OF["bob"]: "Cook", ID_OF["kai"]: "Cook"}
    assert {e.target_author_id for e in built.examples} == set(persona_of)
    for example in built.examples:
        assert example.persona == f"You are {persona_of[example.target_author_id]}!"
        assert_exact(example, 1024)
    called = Counter(
        name
        for example in built.examples
        for turn in example.turns
        for name in ("Captain:", "Cook:")
        if isinstance(turn, Said)
        and turn.text.startswith(name)
        and example.persona.startswith(f"You are {name[:-1]}")
    )
    assert min(called["Captain:"], called["Cook:"]) > 10
    others = [m for own in built.channels.values() for m in own if m.name == "Dove"]
    assert built.outcomes.count(targets.NOT_A_TARGET) == len(others) > 100
