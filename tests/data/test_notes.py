"""How a memory note reads."""

from __future__ import annotations

from data.notes import MAX_NOTE_CHARS, memory_note

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
