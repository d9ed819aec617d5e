"""transcript: rows and turns are the same thing, and a transcript stays bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.transcript import MAX_LINES, Line, Transcript, names_in, role_of, turn_from
from model.chat_format import GOES_ON_MS, Note, Own, Said, Turn, as_text, render


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


# -- lines that go on ---------------------------------------------------------------------------


def said(message_id: int, at_s: float, author_id: int | None = 1, name: str = "mira") -> Line:
    return Line(Said(name, f"m{message_id}"), message_id, round(at_s * 1000), author_id)


def own(message_id: int, at_s: float) -> Line:
    return Line(Own(f"m{message_id}"), message_id, round(at_s * 1000))


def shown(*lines: Line) -> list[str]:
    """The lines of the transcript as the model is shown them, without what stands around turns."""
    text = as_text(render("p", Transcript(lines).turns))
    return [line for line in text.splitlines() if "<|" not in line]


def as_shown(transcript: Transcript) -> list[str]:
    return shown(*transcript.lines)


def test_what_a_member_writes_within_two_minutes_goes_on() -> None:
    late = GOES_ON_MS / 1000
    lines = [said(1, 0), said(2, late), said(3, 2 * late), said(4, 3 * late + 0.001)]
    assert shown(*lines) == ["mira: m1", "  m2", "  m3", "mira: m4"]
    bob = said(5, 3 * late + 1, author_id=2, name="bob")
    assert shown(*lines[:2], bob, said(6, late + 2)) == ["mira: m1", "  m2", "bob: m5", "mira: m6"]


def test_two_members_of_one_name_do_not_go_on_each_other() -> None:
    assert shown(said(1, 0, author_id=1), said(2, 1, author_id=2)) == ["mira: m1", "mira: m2"]
    # Nobody knows who said these.
    assert shown(said(1, 0, author_id=None), said(2, 1, author_id=None)) == ["mira: m1", "mira: m2"]
    # Who replies to something does not go on.
    reply = replace(said(2, 1), is_reply=True)
    assert shown(said(1, 0), reply, said(3, 2)) == ["mira: m1", "mira: m2", "  m3"]
    # A new name is told.
    assert shown(said(1, 0), said(2, 1, name="mia"), said(3, 2, name="mia")) == [
        "mira: m1", "mia: m2", "  m3",
    ]  # fmt: skip


def test_what_goes_on_follows_from_what_stands_there() -> None:
    bob = said(2, 10, author_id=2, name="bob")
    burst = Transcript((said(1, 0), bob, said(3, 20), said(4, 30)))
    assert as_shown(burst) == ["mira: m1", "bob: m2", "mira: m3", "  m4"]
    assert as_shown(burst.without([2])) == ["mira: m1", "  m3", "  m4"]
    assert as_shown(burst.without([1, 2, 3])) == ["mira: m4"]
    assert as_shown(burst.without([2, 3]).replaced(4, "new\nwords")) == [
        "mira: m1", "  new", "  words",
    ]  # fmt: skip
    noted = burst.recalled([Line(Note("bob on 3 May 2025"), 7)])
    assert as_shown(noted)[2:] == ["mira: m3", "* memory: bob on 3 May 2025", "mira: m4"]
    assert as_shown(noted.without([7])) == as_shown(burst)
    assert as_shown(burst.without_oldest(3)) == ["mira: m4"]
    assert names_in(burst.turns) == ("mira", "bob")


def test_own_lines_that_go_on_are_one_turn() -> None:
    lines = (said(1, 0), own(2, 5), own(3, 10), own(4, 10 + GOES_ON_MS / 1000 + 1), said(5, 200))
    transcript = Transcript(lines)
    assert transcript.turns == (
        Said("mira", "m1"), Own("m2\nm3"), Own("m4"), Said("mira", "m5"),
    )  # fmt: skip
    assert transcript.without([2]).turns[1] == Own("m3")
    assert transcript.replaced(3, "other").turns[1] == Own("m2\nother")
    for turns, left in enumerate([5, 4, 2, 1, 0]):
        assert len(transcript.without_oldest_turns(turns).lines) == left
