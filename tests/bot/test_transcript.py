"""transcript: rows and turns are the same thing, and a transcript stays bounded."""

from __future__ import annotations

import pytest

from bot.transcript import MAX_LINES, Line, Transcript, names_in, role_of, turn_from
from model.chat_format import Note, Own, Said, Turn


@pytest.mark.parametrize("turn", [Said("mira", "hi"), Own("yo"), Note("mira on 3 May 2025")])
def test_a_turn_survives_the_table(turn: Turn) -> None:
    name = turn.name if isinstance(turn, Said) else ""
    assert turn_from(role_of(turn), name, turn.text) == turn


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown role"):
        turn_from("sung", "mira", "la")


def test_names_are_in_order_and_none_twice() -> None:
    turns: list[Turn] = [Said("mira", "a"), Own("b"), Said("bob", "c"), Said("mira", "d")]
    assert names_in(turns) == ("mira", "bob")


def test_it_is_halved_where_nobody_asks_anything() -> None:
    transcript = Transcript()
    for number in range(MAX_LINES + 1):
        transcript = transcript.appended([Line(Said("mira", str(number)), number)])
    assert len(transcript.lines) == MAX_LINES // 2 + 1
    assert transcript.has(MAX_LINES)
    assert not transcript.has(0)
