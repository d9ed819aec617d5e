"""How a memory note reads."""

from __future__ import annotations

from collections.abc import Callable

from data.notes import MAX_NOTE_CHARS, fitted_note, memory_note

MAY_3_2025_MS = 1_746_274_500_000


def test_a_note_says_who_when_and_what() -> None:
    assert memory_note("mira", MAY_3_2025_MS, 'never\n"again"') == (
        "mira on 3 May 2025: \"never 'again'\""
    )


def test_a_long_message_is_cut_and_a_name_cannot_speak() -> None:
    note = memory_note("a: b", MAY_3_2025_MS, "word " * 100)
    assert note.startswith("a b on 3 May 2025: ")
    assert note.endswith('…"')
    assert len(note) < MAX_NOTE_CHARS + 30


def shorter_than(limit: int) -> Callable[[str], bool]:
    return lambda note: len(note) <= limit


LONG = "we met at the old mill and then the dungeon was flooded up to the third step again"


def test_what_is_too_long_loses_the_day_first() -> None:
    note = fitted_note("mira", MAY_3_2025_MS, "the dungeon was flooded", [], shorter_than(42))
    assert note == 'mira once: "the dungeon was flooded"'
    whole = fitted_note("mira", MAY_3_2025_MS, "the dungeon was flooded", [], shorter_than(60))
    assert whole == 'mira on 3 May 2025: "the dungeon was flooded"'


def test_then_it_quotes_what_is_around_the_words_that_match() -> None:
    note = fitted_note("mira", MAY_3_2025_MS, LONG, ["dungeons"], shorter_than(48))
    assert note == 'mira once: "…then the dungeon was flooded up…"'
    first = fitted_note("mira", MAY_3_2025_MS, LONG, ["cake"], shorter_than(48))
    assert first == 'mira once: "we met at the old mill and then…"'
    last = fitted_note("mira", MAY_3_2025_MS, LONG, ["third"], shorter_than(48))
    assert last == 'mira once: "…flooded up to the third step again"'


def test_next_to_nothing_is_left_out() -> None:
    assert fitted_note("mira", MAY_3_2025_MS, LONG, ["dungeon"], shorter_than(30)) is None
    assert fitted_note("mira", MAY_3_2025_MS, "", [], shorter_than(5)) is None
