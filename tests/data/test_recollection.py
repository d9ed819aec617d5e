"""Which earlier line an example remembers."""

from __future__ import annotations

import random

from data.recollection import Recollection
from tests.data.talk import talk

MESSAGES = talk(
    ("mira", "the marrowjaw hates fire and light"),
    ("bob", "we eat potato soup every single day"),
    ("kai", "ok"),
    ("bob", "who fights the marrowjaw with us"),
)


def test_a_rare_word_in_common_is_preferred() -> None:
    memory = Recollection(MESSAGES)
    for seed in range(5):
        found = memory.find(range(3, 4), 3, lambda at: True, random.Random(seed))
        assert found == 0


def test_any_line_of_some_words_else_and_none_where_none_fits() -> None:
    memory = Recollection(MESSAGES)
    assert memory.find(range(2, 3), 3, lambda at: True, random.Random(1)) in (0, 1)
    assert memory.find(range(3, 4), 3, lambda at: False, random.Random(1)) is None
    assert memory.find(range(0, 1), 0, lambda at: True, random.Random(1)) is None
