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


def test_notes_stand_before_the_line_they_are_for() -> None:
    lines = [Line(Said("mira", "a"), 1), Line(Said("bob", "b"), 2)]
    notes = [Line(Note("old"), 7), Line(Note("older"), 8)]
    transcript = Transcript().appended(lines).recalled(notes)
    assert transcript.lines == (lines[0], *notes, lines[1])
    assert not transcript.has(7)
    assert transcript.message_ids == {1, 2, 7, 8}


def test_new_words_of_a_message_leave_what_was_recalled_of_it() -> None:
    lines = [Line(Note("b"), 2), Line(Said("bob", "b"), 2), Line(Own("b"), 3)]
    replaced = Transcript(tuple(lines)).replaced(2, "c")
    assert [line.turn.text for line in replaced.lines] == ["b", "c", "b"]
    assert replaced.without([2]).lines == (lines[2],)
    assert replaced.without([9]) is replaced


def test_it_is_halved_where_nobody_asks_anything() -> None:
    transcript = Transcript()
    for number in range(MAX_LINES + 1):
        transcript = transcript.appended([Line(Said("mira", str(number)), number)])
    assert len(transcript.lines) == MAX_LINES // 2 + 1
    assert transcript.has(MAX_LINES)
    assert not transcript.has(0)
