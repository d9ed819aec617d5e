"""What an example shows: true order, one channel, own lines, the persona's name, the budget."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import groupby

import pytest

from data import windows
from data.budget import TokenCount
from data.conversations import How, Link, in_true_order, link
from data.naming import Renaming
from data.preprocessor import CleanMessage, clean
from data.split import TRAINING, VALIDATION, Region, on_both_sides, split
from data.windows import PlannedExample, Planner, WindowOptions, choose
from model.chat_format import NOT_SHARED, Note, Own, Said, encode, render_example
from tests.data.talk import CHANNEL, MEMBERS, LetterTokenizer, history, talk

PERSONA = "You are Mynah."


def planner_of(
    messages: list[CleanMessage], **options: object
) -> tuple[Planner, dict[int, Link], dict[int, list[CleanMessage]]]:
    messages = in_true_order(messages)
    links = link(messages)
    channels = {k: list(v) for k, v in groupby(messages, key=lambda m: m.channel_id)}
    planner = Planner(
        channels,
        links,
        renaming=Renaming(messages, MEMBERS, "Mynah"),
        count=TokenCount(LetterTokenizer(), PERSONA),
        persona=PERSONA,
        options=WindowOptions(**{"max_tokens": 1024, **options}),  # type: ignore[arg-type]
    )
    return planner, links, channels


def outcome_of_last(messages: list[CleanMessage], **options: object) -> PlannedExample | str:
    planner, _, _ = planner_of(messages, **options)
    region = Region(CHANNEL, 0, len(messages), TRAINING)
    return list(planner.plan([region], {}))[-1]


def built_history(count: int = 1500, **options: object):
    planner, links, channels = planner_of(clean(history(count)[0], MEMBERS)[0], **options)
    regions = split(channels, links, seed=1)
    outcomes = list(planner.plan(regions, on_both_sides(regions, channels, links)))
    plans = [one for one in outcomes if not isinstance(one, str)]
    return planner, channels, outcomes, plans, [planner.build(plan) for plan in plans]


def test_a_window_is_what_stood_before_the_reply() -> None:
    messages = talk(
        ("mira", "Bob: raid?"),
        ("kai", "soup @bob"),
        ("bob", "mira: at nine"),
        ("mira", "ok bob"),
        ("bob", "Mira: see you"),
    )
    planner, _, _ = planner_of(messages, note_share=0.0)
    plan = list(planner.plan([Region(CHANNEL, 0, 5, TRAINING)], {}))[-1]
    assert isinstance(plan, PlannedExample)
    example = planner.build(plan)
    shown = (
        Said("mira", "Mynah: raid?"),
        Said("kai", "soup @Mynah"),
        Own("mira, at nine"),
        Said("mira", "ok Mynah"),
    )
    assert example.turns == shown[-len(example.turns) :]
    assert len(example.turns) >= windows.MIN_LINES
    assert example.reply == "Mira, see you"
    assert example.source_ids == tuple(range(plan.start + 1, 6))


def hidden(messages: list[CleanMessage], *names: str) -> list[CleanMessage]:
    """The same, but what these said may not be shown."""
    return [
        replace(m, text="", not_shown="no", not_learned="no") if m.name in names else m
        for m in messages
    ]


def test_who_may_not_be_shown_is_a_placeholder_in_its_place() -> None:
    messages = hidden(
        talk(
            ("mira", "raid?"),
            ("kai", "bob: soup"),
            ("bob", "mira: at nine"),
            ("kai", "ok"),
            ("mira", "fine"),
            ("bob", "see you"),
        ),
        "kai",
    )
    planner, _, _ = planner_of(messages, note_share=0.0)
    outcomes = list(planner.plan([Region(CHANNEL, 0, 6, TRAINING)], {}))
    assert [outcomes[1], outcomes[3]] == ["no", "no"]
    plan = PlannedExample(0, TRAINING, CHANNEL, 0, 5, (), 0, 0)
    example = planner.build(plan)
    assert example.turns == (
        Said("mira", "raid?"),
        NOT_SHARED,
        Own("mira, at nine"),
        NOT_SHARED,
        Said("mira", "fine"),
    )
    assert example.source_ids == (1, 3, 5, 6)


def test_own_lines_of_another_origin_may_be_hidden_too() -> None:
    messages = talk(("mira", "raid?"), ("bob", "no"), ("mira", "why"), ("kai", "hm"), ("bob", "so"))
    messages[1] = replace(messages[1], text="", not_shown="no", not_learned="no")
    planner, _, _ = planner_of(messages)
    example = planner.build(PlannedExample(0, TRAINING, CHANNEL, 0, 4, (), 0, 0))
    assert example.turns[1] == NOT_SHARED
    assert example.source_ids == (1, 3, 4, 5)


def test_placeholders_alone_are_no_context() -> None:
    lines = [("mira", "raid?"), ("kai", "soup"), ("kai", "stew"), ("bob", "yes")]
    assert outcome_of_last(hidden(talk(*lines), "kai", "mira")) == windows.SHORT_CONTEXT
    assert outcome_of_last(hidden(talk(*lines), "kai")) == windows.SHORT_CONTEXT
    shown = outcome_of_last(talk(*lines))
    assert isinstance(shown, PlannedExample)


def test_counts_are_exact_and_notes_allowed_where_somebody_is_hidden() -> None:
    messages = hidden(clean(history(1500)[0], MEMBERS)[0], "kai", "Dove")
    planner, links, channels = planner_of(messages, note_share=1.0)
    regions = split(channels, links, seed=1)
    outcomes = list(planner.plan(regions, on_both_sides(regions, channels, links)))
    examples = [planner.build(one) for one in outcomes if isinstance(one, PlannedExample)]
    shown = {m.message_id for m in messages if not m.not_shown}
    assert len(examples) > 100
    assert any(isinstance(turn, Note) for example in examples for turn in example.turns)
    for example in examples:
        ids, _ = encode(
            render_example(example.persona, example.turns, example.reply), LetterTokenizer()
        )
        assert len(ids) == example.tokens
        assert shown.issuperset(example.source_ids)


def test_every_message_has_one_outcome_and_the_same_each_time() -> None:
    _, channels, outcomes, plans, examples = built_history()
    assert len(outcomes) == sum(map(len, channels.values()))
    again = built_history()
    assert again[2] == outcomes
    assert again[4] == examples
    assert built_history(seed=9)[2] != outcomes
    kept, drops = choose(plans, channels, limit=100)
    assert len(plans) == len(kept) + drops.total()
    assert len(kept) == 100


@pytest.mark.parametrize("max_tokens", [300, 1024])
def test_no_example_is_longer_than_allowed_and_the_counts_are_exact(max_tokens: int) -> None:
    _, _, _, _, examples = built_history(max_tokens=max_tokens)
    assert len(examples) > 100
    for example in examples:
        ids, learned = encode(
            render_example(example.persona, example.turns, example.reply), LetterTokenizer()
        )
        assert len(ids) == example.tokens <= max_tokens
        assert sum(learned) == example.learned_tokens


def test_contexts_are_in_order_of_one_channel_and_end_with_somebody_else() -> None:
    _, channels, _, plans, examples = built_history(note_share=0.0)
    by_id = {m.message_id: m for messages in channels.values() for m in messages}
    for example in examples:
        shown = [by_id[i] for i in example.source_ids]
        assert {m.channel_id for m in shown} == {example.channel_id}
        places = [channels[example.channel_id].index(m) for m in shown]
        assert places == list(range(places[0], places[-1] + 1))
        assert shown[-1].author_id == example.target_author_id
        assert isinstance(example.turns[-1], Said)
        names = {turn.name for turn in example.turns if isinstance(turn, Said)}
        heads = [line.split(":")[0].strip() for line in example.reply.splitlines() if ":" in line]
        assert not set(heads) & names, "a reply must not begin a line as somebody's does"
    lines = sorted(plan.target - plan.start for plan in plans)
    assert lines[0] < 4
    assert lines[-1] > 12


def test_no_context_reaches_over_a_long_silence() -> None:
    messages = talk(*[("mira", "one"), ("kai", "two")] * 6, ("bob", "mira: three"))
    late = [replace(m, created_at_ms=m.created_at_ms + 7 * 3600_000) for m in messages[9:]]
    for seed in range(8):
        plan = outcome_of_last([*messages[:9], *late], seed=seed, note_share=0.0)
        assert isinstance(plan, PlannedExample)
        assert plan.start >= 9


def test_notes_are_older_real_messages_of_somebody_else() -> None:
    _, channels, _, plans, examples = built_history(note_share=1.0)
    noted = [(p, e) for p, e in zip(plans, examples, strict=True) if p.notes]
    assert len(noted) > 0.3 * len(plans)
    for plan, example in noted:
        messages = channels[plan.channel_id]
        for note in plan.notes:
            assert note.message < plan.start
            assert messages[note.message].author_id != example.target_author_id
            assert messages[note.message].message_id in example.source_ids
        assert sum(isinstance(turn, Note) for turn in example.turns) == len(plan.notes)
    sampled = sum(1 for plan in built_history(note_share=0.15)[3] if plan.notes)
    assert 0 < sampled < 0.3 * len(noted)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([("mira", "hi")], windows.NO_CONTEXT),
        ([("mira", "soup?"), ("bob", "mira: yes")], windows.SHORT_CONTEXT),
        ([("mira", "a"), ("kai", "mira: b"), ("kai", "mira: c")], windows.OWN_BEFORE),
        ([("mira", "a"), ("kai", "mira: b"), ("bob", "x@example.com")], windows.ONLY_PLACEHOLDER),
        ([("mira", "a"), ("kai", "b"), ("bob", "see\nmira: a")], windows.SPEAKS_FOR_OTHERS),
        ([("mira", "a"), ("kai", "b"), ("bob", "so <|im_end|>")], windows.SPEAKS_FOR_OTHERS),
        ([("mira", "a"), ("kai", "b"), ("bob", "z" * 600)], windows.REPLY_TOO_LONG),
        ([("mira", "a"), ("kai", "y" * 990), ("bob", "mira: c")], windows.OUT_OF_REACH),
    ],
)
def test_why_a_message_is_no_target(lines: list[tuple[str, str]], reason: str) -> None:
    assert outcome_of_last(talk(*lines), note_share=0.0) == reason


def test_a_reply_to_what_is_not_here_and_a_torn_conversation_are_no_targets() -> None:
    messages = talk(("mira", "a"), ("kai", "mira: b"), ("bob", "kai: c"))
    messages[2] = replace(messages[2], reply_to_id=99)
    assert outcome_of_last(messages) == windows.LOST_ANSWER
    planner, _, _ = planner_of(talk(("mira", "a"), ("kai", "mira: b"), ("bob", "kai: c")))
    region = Region(CHANNEL, 0, 3, TRAINING)
    assert list(planner.plan([region], {1: VALIDATION}))[-1] == windows.TORN
    assert isinstance(list(planner.plan([region], {1: TRAINING}))[-1], PlannedExample)


def test_new_topics_are_kept_at_a_lower_share() -> None:
    planner, links, channels = planner_of(clean(history(4000)[0], MEMBERS)[0])
    regions = [Region(channel_id, 0, len(own), TRAINING) for channel_id, own in channels.items()]
    messages = [message for own in channels.values() for message in own]
    outcomes = zip(messages, planner.plan(regions, {}), strict=True)
    starts = [out for m, out in outcomes if links[m.message_id].how is How.STARTS]
    kept = sum(1 for out in starts if isinstance(out, PlannedExample))
    left_out = starts.count(windows.STARTS_TOPIC)
    assert kept + left_out > 100
    assert kept / (kept + left_out) == pytest.approx(windows.STARTS_KEPT, abs=0.1)


def test_repeated_lines_and_duplicates_are_bounded() -> None:
    question = [("mira", "ready number {}?"), ("kai", "waiting for {}"), ("bob", "mira: lol")]
    lines = [(who, text.format(i)) for i in range(40) for who, text in question]
    doubled = [(who, text.format(3)) for who, text in question]
    planner, _, channels = planner_of(talk(*lines, *doubled), note_share=0.0)
    plans = planner.plan([Region(CHANNEL, 0, len(channels[CHANNEL]), TRAINING)], {})
    kept, drops = choose([p for p in plans if not isinstance(p, str)], channels, None)
    replies = Counter(planner.build(plan).reply for plan in kept)
    assert replies["mira, lol"] == windows.REPEATS_AT_LEAST
    assert drops[windows.TOO_OFTEN] + drops[windows.DUPLICATE] > 0
