"""What an export may change of a message that is stored."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from data.importers.merging import merged
from storage.records import MessageRecord, Origin, Reaction

STORED = MessageRecord(1, 2, 3, "first words", 1000, Origin.EXPORT, reactions=(Reaction("😀", 2),))


def test_the_same_again_is_the_very_same() -> None:
    assert merged(STORED, replace(STORED)) is STORED


def test_the_later_edit_wins_whole_and_the_earlier_changes_nothing() -> None:
    edited = replace(STORED, content="second", edited_at_ms=2000, reactions=())
    assert merged(STORED, edited) == edited
    assert merged(edited, STORED) is edited


def test_reactions_of_the_same_edit_only_grow() -> None:
    more = replace(STORED, reactions=(Reaction("😀", 1), Reaction(":pog:", 4)))
    assert merged(STORED, more).reactions == (Reaction("😀", 2), Reaction(":pog:", 4))
    assert merged(STORED, replace(STORED, reactions=())) is STORED


def test_deleted_stays_deleted() -> None:
    deleted = replace(STORED, content="", deleted_at_ms=5000)
    assert merged(deleted, replace(STORED, content="back", edited_at_ms=9000)) is deleted


@pytest.mark.parametrize("held", ["", "[sticker: Wave]"])
def test_words_fill_what_had_none(held: str) -> None:
    empty = replace(STORED, content=held)
    assert merged(empty, STORED).content == "first words"
    assert merged(STORED, empty) is STORED


def test_another_rendering_of_the_same_edit_is_no_change() -> None:
    assert merged(STORED, replace(STORED, content="first words, @Newer")) is STORED


def test_the_first_origin_stays() -> None:
    edited = replace(STORED, edited_at_ms=2000, origin=Origin.SAMPLE)
    assert merged(STORED, edited).origin is Origin.EXPORT


def test_the_order_of_exports_does_not_matter() -> None:
    told = [
        STORED,
        replace(STORED, reactions=(Reaction("😀", 5),)),
        replace(STORED, content="second", edited_at_ms=2000, reactions=(Reaction("😀", 1),)),
        replace(STORED, content="second", edited_at_ms=2000, reactions=(Reaction("😀", 4),)),
    ]
    for first, *rest in permutations(told):
        state = first
        for one in rest:
            state = merged(state, one)
        assert (state.content, state.reactions) == ("second", (Reaction("😀", 4),))
