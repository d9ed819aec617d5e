"""Which earlier line an example remembers, and for which lines."""

from __future__ import annotations

import random
from itertools import pairwise

from data.bursts import bursts
from data.recollection import CLOSE_SHARE, FAR_LINES, LINES_BETWEEN, Recollection
from tests.data.talk import talk

MESSAGES = talk(
    ("mira", "the marrowjaw hates fire and light"),
    ("bob", "we eat potato soup every single day"),
    ("kai", "ok"),
    ("bob", "who fights the marrowjaw with us"),
)


def test_a_line_with_a_rare_word_in_common_is_recalled() -> None:
    memory = Recollection(MESSAGES)
    for seed in range(5):
        found = memory.find(range(3, 4), 3, lambda at: True, random.Random(seed))
        assert found == 0


def test_nothing_is_recalled_that_does_not_bear_on_the_line_or_does_not_fit() -> None:
    memory = Recollection(MESSAGES)
    assert memory.find(range(2, 3), 2, lambda at: True, random.Random(1)) is None
    assert memory.find(range(3, 4), 3, lambda at: False, random.Random(1)) is None
    assert memory.find(range(3, 4), 0, lambda at: True, random.Random(1)) is None
    assert memory.find(range(0, 1), 0, lambda at: True, random.Random(1)) is None


def test_while_reading_a_quarter_of_the_lines_recalls_and_never_two_in_eight() -> None:
    lines = [("mira" if i % 2 else "kai", f"who knows about topic{i % 250}") for i in range(4000)]
    messages = talk(*lines)
    rows = bursts(messages)
    recalled = Recollection(messages).while_reading(
        rows, lambda at, message: True, random.Random(1)
    )
    places = sorted(recalled)
    gaps = [later - earlier for earlier, later in pairwise(places)]
    assert min(gaps) > LINES_BETWEEN
    assert abs(sum(gaps) / len(gaps) - LINES_BETWEEN - 1 / CLOSE_SHARE) < 1
    for at, message in recalled.items():
        assert message <= rows[at].start - FAR_LINES
        assert messages[message].text == messages[rows[at].start].text
