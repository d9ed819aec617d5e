"""Whose words may come up where: the whole rule as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.audience import may_be_quoted_in, may_be_recalled_in
from storage.records import NOBODY, ChannelRecord, Readers

STAFF, MODS, MUTED, ALICE = 901, 902, 903, 904
OPEN = Readers(everyone=True)
OPEN_BUT_MUTED = Readers(everyone=True, without=frozenset({MUTED}))
MUTED_BUT_MODS = Readers(everyone=True, without=frozenset({MUTED}), despite=frozenset({MODS}))
FOR_STAFF = Readers(may=frozenset({STAFF}))
FOR_STAFF_AND_NOBODY = Readers(may=frozenset({STAFF, NOBODY}))
WITHOUT_NOBODY = Readers(everyone=True, without=frozenset({NOBODY}))
FOR_STAFF_AND_MODS = Readers(may=frozenset({STAFF, MODS}))
FOR_ALICE = Readers(may=frozenset({ALICE}))
FOR_ADMINISTRATORS = Readers()
PRIVATE = Readers(everyone=True, is_private=True)
HERE, THERE, ABOVE = 1, 2, 3


def place(channel_id: int, readers: Readers | None, parent_id: int | None = None) -> ChannelRecord:
    name = f"room {channel_id}"
    return ChannelRecord(channel_id, 50, "The Lantern", name, parent_id, readers=readers)


@pytest.mark.parametrize(
    ("source", "target", "may"),
    [
        (OPEN, OPEN, True),
        (OPEN, FOR_STAFF, True),
        (OPEN, None, True),
        (OPEN, PRIVATE, True),
        (OPEN, FOR_ADMINISTRATORS, True),
        (FOR_STAFF, OPEN, False),
        (FOR_STAFF, None, False),
        (FOR_STAFF, FOR_STAFF, True),
        (FOR_STAFF, FOR_STAFF_AND_MODS, False),
        (FOR_STAFF_AND_MODS, FOR_STAFF, True),
        (FOR_STAFF, FOR_ALICE, False),  # whether alice is of the staff nobody said
        (FOR_STAFF, FOR_ADMINISTRATORS, True),
        (FOR_ADMINISTRATORS, FOR_STAFF, False),
        (OPEN_BUT_MUTED, OPEN, False),
        (OPEN_BUT_MUTED, OPEN_BUT_MUTED, True),
        (OPEN, OPEN_BUT_MUTED, True),
        (OPEN_BUT_MUTED, MUTED_BUT_MODS, False),  # a muted one of the mods reads that alone
        (MUTED_BUT_MODS, OPEN_BUT_MUTED, True),
        (MUTED_BUT_MODS, MUTED_BUT_MODS, True),
        (OPEN, MUTED_BUT_MODS, True),
        (FOR_STAFF_AND_NOBODY, FOR_STAFF, True),
        (FOR_STAFF_AND_NOBODY, FOR_STAFF_AND_NOBODY, False),  # two forgotten members, perhaps
        (WITHOUT_NOBODY, WITHOUT_NOBODY, False),
        (PRIVATE, OPEN, False),
        (PRIVATE, PRIVATE, False),
        (None, OPEN, False),
        (None, None, False),
        (None, FOR_ADMINISTRATORS, False),
    ],
)
def test_between_two_channels(source: Readers | None, target: Readers | None, may: bool) -> None:
    assert may_be_recalled_in(place(HERE, source), place(THERE, target)) is may
    elsewhere = replace(place(THERE, target), guild_id=51)
    assert not may_be_recalled_in(place(HERE, source), elsewhere)


@pytest.mark.parametrize("readers", [None, OPEN, FOR_STAFF, PRIVATE])
def test_a_place_s_own_words_come_up_in_it_and_in_its_threads(readers: Readers | None) -> None:
    here = place(HERE, readers)
    assert may_be_recalled_in(here, here)
    assert may_be_recalled_in(here, place(THERE, None, parent_id=HERE))


@pytest.mark.parametrize(("readers", "may"), [(FOR_STAFF, True), (PRIVATE, False), (None, False)])
def test_a_thread_s_words_in_its_channel_and_the_threads_beside_it(
    readers: Readers | None, may: bool
) -> None:
    thread = place(HERE, readers, parent_id=ABOVE)
    assert may_be_recalled_in(thread, place(ABOVE, FOR_STAFF)) is may
    assert may_be_recalled_in(thread, place(THERE, FOR_STAFF, parent_id=ABOVE)) is may


def test_exchanges_of_channels_that_nobody_described_may_be_quoted() -> None:
    target = place(THERE, OPEN)
    assert may_be_quoted_in(None, target)
    assert may_be_quoted_in(place(HERE, None), target)
    assert may_be_quoted_in(place(HERE, OPEN), target)
    assert not may_be_quoted_in(place(HERE, FOR_STAFF), target)


@pytest.mark.parametrize("readers", [OPEN, MUTED_BUT_MODS, FOR_STAFF_AND_MODS, PRIVATE])
def test_readers_are_stored_as_they_are(readers: Readers) -> None:
    assert Readers.from_text(readers.as_text()) == readers


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"everyone": 1, "may": ["x"]}'])
def test_what_is_no_description_says_nothing(text: str | None) -> None:
    assert Readers.from_text(text) is None
