"""The whole history in memory: it finds whatever guard's index finds, and what that leaves out."""

from __future__ import annotations

import random
from collections import Counter

from data.known_personal import KnownPersonal
from data.personal.kinds import EMAIL, PHONE
from data.verbatim import longest_span
from data.whole_history import WholeHistory
from storage.records import MessageRecord, Origin

ANNA, BEN = 101, 102
STORY = (
    "when my brother moved out we found the old radio under the stairs it still played "
    "and nobody knew which station that had been"
)


def said(*lines: tuple[int, str], first: int = 1) -> list[MessageRecord]:
    return [
        MessageRecord(n, 1, author, text, n, Origin.SAMPLE)
        for n, (author, text) in enumerate(lines, start=first)
    ]


def test_a_phrase_is_found_in_every_message_that_holds_it() -> None:
    """Against a search through all of it."""
    chance = random.Random(5)
    words = ["raid", "heal", "tank", "gg", "lol", "cake"]
    lines = [(chance.choice((ANNA, BEN)), " ".join(chance.choices(words, k=9))) for _ in range(400)]
    messages = said(*lines)
    history = WholeHistory(messages)
    for _ in range(200):
        phrase = " ".join(chance.choices(words, k=chance.randint(1, 4)))
        wanted = [m.message_id for m in messages if f" {phrase} " in f" {m.content} "]
        assert [m.message_id for m in history.said_with(phrase, 1000)] == wanted
        assert len(history.said_with(phrase, 3)) == min(3, len(wanted))
    assert history.said_with("never said", 10) == []
    assert WholeHistory([]).said_with("raid", 10) == []


def test_no_message_runs_on_into_the_next() -> None:
    history = WholeHistory(said((ANNA, "one two"), (BEN, "three four")))
    assert history.said_with("two three", 10) == []


def test_a_span_is_found_behind_any_number_of_messages_that_begin_like_it() -> None:
    """Guard's index would look at the first 5,000 alone."""
    like = [(BEN, " ".join(STORY.split()[:8])) for _ in range(6_000)]
    history = WholeHistory(said(*like, (ANNA, STORY)))
    span = longest_span(STORY, history)
    assert span is not None
    assert span.author_id == ANNA
    assert longest_span(STORY, history, [STORY]) is None  # in view


def test_what_is_said_line_by_line_is_one_span() -> None:
    words = STORY.split()
    parts = [" ".join(words[n : n + 8]) for n in range(0, len(words), 8)]
    lines = [(author, text) for part in parts for author, text in ((ANNA, part), (BEN, "haha"))]
    span = longest_span(STORY, WholeHistory(said(*lines)))
    assert span is not None
    assert span.author_id == ANNA
    assert span.tokens >= 20


def test_known_personal_data_is_found_however_it_is_written() -> None:
    messages = said(
        (ANNA, "mail me: anna.lind@example.org"),
        (BEN, "call +49 30 1234567 tonight"),
        *((author, "our list is list@example.com") for author in (1, 2, 3)),
    )
    known = KnownPersonal(messages)
    assert len(known) == 2  # what three people wrote is nobody's
    kinds = Counter(k.kind for k in known.said_in("Anna.Lind @ example.org, +49 (30) 123-45-67"))
    assert kinds == {EMAIL: 1, PHONE: 1}
    assert [k.message_id for k in known.said_in("so anna.lind@example.org it was")] == [1]
    assert known.said_in("write to list@example.com, or call +49 30 1234568") == []
