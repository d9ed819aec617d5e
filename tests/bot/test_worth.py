"""worth: what is shown at all, however well it compares with the rest."""

from __future__ import annotations

import time

import pytest

from bot.worth import Gate


@pytest.mark.parametrize(
    ("text", "cosine", "close", "asked"),
    [
        ("the dungeon of cakes", 0.61, True, True),
        ("the dungeon of cakes", 0.5, False, True),
        ("a dungeon", 0.44, False, False),
        ("dungeon cake", 0.31, False, True),  # both words
        ("dungeon cake", 0.2, False, False),
        ("pastry below ground", 0.71, True, True),
        ("pastry below ground", 0.61, False, True),
        ("pastry below ground", 0.5, False, False),
    ],
)
def test_nearness_and_shared_words(text: str, cosine: float, close: bool, asked: bool) -> None:
    words = ["dungeon", "cake"]
    assert Gate(words, only_close=True, has_vectors=True).lets_in(text, cosine) is close
    assert Gate(words, only_close=False, has_vectors=True).lets_in(text, cosine) is asked


def test_without_vectors_a_word_will_do() -> None:
    gate = Gate(["dungeon"], only_close=True, has_vectors=False)
    assert gate.lets_in("DUNGEONS!", 0.0)
    assert not gate.lets_in("nothing of the kind", 0.0)


def test_a_long_line_among_long_messages_takes_no_time() -> None:
    gate = Gate([f"ask{n}" for n in range(400)], only_close=False, has_vectors=True)
    text = " ".join(f"say{n}" for n in range(400))
    began_s = time.thread_time()
    assert not any(gate.lets_in(text, 0.5) for _ in range(300))
    assert time.thread_time() - began_s < 1
