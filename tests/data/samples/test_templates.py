"""Templates: nesting, optional words, slots, articles; and that every bank expands."""

from __future__ import annotations

from random import Random

import pytest

from data.samples.converse import Said, fitting
from data.samples.lantern import lantern
from data.samples.templates import expand, parse_bank
from data.samples.topics import all_banks
from data.samples.voices import say


def test_alternatives_nest_and_slots_are_filled() -> None:
    seen = {expand("[a [b|c]|{x}]!", Random(s), lambda n: n.upper()) for s in range(40)}
    assert seen == {"a b!", "a c!", "X!"}


def test_optional_words_follow_fullness() -> None:
    assert expand("yes< indeed>", Random(1), str, fullness=1.0) == "yes indeed"
    assert expand("yes< indeed>", Random(1), str, fullness=0.0) == "yes"


def test_articles_agree() -> None:
    words = {"x": "oak", "y": "pie"}
    assert expand("a {x} and a {y}", Random(1), lambda slot: words[slot]) == "an oak and a pie"


@pytest.mark.parametrize("broken", ["[a|b", "a]", "<a", "a>"])
def test_unbalanced_templates_are_refused(broken: str) -> None:
    with pytest.raises(ValueError, match=r"unbalanced|stray|no closing"):
        expand(broken, Random(1), str)


def test_there_are_many_topics_and_templates() -> None:
    topics = [t for bank in (*all_banks(), lantern().extra_bank) for t in parse_bank(bank)]
    templates = [
        text
        for topic in topics
        for beat in topic.beats
        for text in (*beat.asks, *beat.seconds, *(t for _, t in (*beat.answers, *beat.takeups)))
    ]
    assert len(topics) >= 35
    assert len(set(templates)) >= 900
    assert all(any(beat.opens for beat in topic.beats) for topic in topics)


def test_a_reply_takes_up_what_was_said() -> None:
    takeups = [("A", "pizza? bold"), ("A", "ok"), ("A", "soup, lovely")]
    fit = fitting(takeups, Said("pizza", "pizza"), ["pizza", "soup"], strict=True)
    assert {t for _, t in fit} == {"pizza? bold", "ok"}


def test_voices_keep_links_and_numbers() -> None:
    link = "https://example.com/clips/12"
    for member in lantern().members:
        for seed in range(20):
            assert link in " ".join(say(member.voice, f"look at this {link}", Random(seed)))
