"""What the ranker reads of lines: whom they address, what they share, what comes around them."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from data.links.facts import Occurrences, facts_of
from data.links.features import TOP, overlap, pair_columns
from data.links.graph import Guesses
from data.links.lines import EXACT, NAMED, NOBODY, OUTSIDER, PREFIX, read_lines
from data.links.ranker import WINDOW, feature_names, graph_pairs, grid
from data.preprocessor import clean
from tests.data.talk import MEMBERS, history, talk


@pytest.mark.parametrize(
    ("text", "to", "kind"),
    [
        ("mira: no", 0, EXACT),
        ("Mira, no", 0, EXACT),
        ("@mira no", 0, EXACT),
        ("mira : no", 0, EXACT),
        ("mira no", 0, NAMED),
        ("mir: no", 0, PREFIX),
        ("mira_: no", 0, PREFIX),
        ("nobodyhere: no", OUTSIDER, PREFIX),
        ("no idea, mira", NOBODY, 0),
        ("bob: to myself", NOBODY, 0),
        ("", NOBODY, 0),
        (":", NOBODY, 0),
        ("🦀", NOBODY, 0),
    ],
)
def test_whom_a_line_addresses(text: str, to: int, kind: int) -> None:
    messages = talk(("mira", "anyone?"), ("bob", "x"))
    lines = read_lines([messages[0], replace(messages[1], text=text)])
    assert (lines.to[1], lines.to_kind[1]) == (to, kind)


def test_a_mention_and_a_reply_address_as_well() -> None:
    first, second = talk(("mira", "anyone?"), ("bob", "sure"))
    mention = replace(second, mentioned_ids=(first.author_id,))
    reply = replace(second, reply_to_id=first.message_id)
    stranger = replace(second, mentioned_ids=(987,))
    assert [read_lines([first, one]).to[1] for one in (mention, reply, stranger)] == [0, 0, -2]
    assert read_lines([first, reply]).reply.tolist() == [-1, 0]


def test_others_named_within_a_line_are_known() -> None:
    lines = read_lines(talk(("mira", "hi"), ("Dove", "hi"), ("bob", "mira: ask Dove")))
    assert (lines.to[2], lines.also[2].tolist()) == (0, [1, NOBODY])


def test_a_word_that_is_a_nick_too_addresses_nobody() -> None:
    said = [("bob", "please kai here")] * 12 + [("kai", "x"), ("mira", "kai is a word")]
    assert read_lines(talk(*said)).to[-1] == NOBODY


def test_rare_words_weigh_more_than_common_ones() -> None:
    lines = [("mira", f"the door {i}") for i in range(30)]
    facts = facts_of(read_lines(talk(*lines, ("bob", "the grub menu"), ("kai", "the grub menu"))))
    i, j = np.array([31, 31]), np.array([30, 3])
    total, most, count = overlap(facts, i, j)
    assert count.tolist() == [3, 1]
    assert total[0] > total[1] * 4
    assert most[0] > most[1]


def test_occurrences_know_what_a_search_through_the_rows_finds() -> None:
    rng = np.random.default_rng(2)
    who, n = rng.integers(-1, 4, 60), 60
    found = Occurrences(who, np.arange(n), n)
    for one in range(4):
        rows = np.flatnonzero(who == one)
        for row in range(0, n, 7):
            ask, at = np.array([one]), np.array([row])
            before, after = rows[rows < row], rows[rows > row]
            assert found.before(ask, at)[0] == (before[-1] if len(before) else -1)
            assert found.after(ask, at)[0] == (after[0] if len(after) else n)
            assert found.between(ask, at - 9, at)[0] == ((rows > row - 9) & (rows < row)).sum()


def test_features_stay_within_their_codes_on_any_channel() -> None:
    rng = random.Random(1)
    messages = clean(history(700, seed=9, channels=(500,))[0], MEMBERS)[0]
    odd = [replace(m, created_at_ms=m.created_at_ms * rng.choice((1, 1, 3))) for m in messages]
    odd.sort(key=lambda m: (m.created_at_ms, m.message_id))
    facts = facts_of(read_lines(odd))
    candidates = np.concatenate([grid(facts, np.arange(len(odd))), np.arange(len(odd))[:, None]], 1)
    assert candidates.shape[1] == WINDOW + 6
    scores = np.where(candidates >= 0, 0.0, -np.inf).astype(np.float32)
    columns = graph_pairs(Guesses(facts, candidates, scores), slice(0, 300))
    assert tuple(columns) == feature_names()
    assert {c.dtype for c in columns.values()} == {np.dtype(np.uint8)}
    assert max(int(c.max()) for c in columns.values()) <= TOP
    i = np.array([5, 9])
    assert list(pair_columns(facts, i, i)) == list(columns)[: len(pair_columns(facts, i, i))]
