"""Which name of several is the newest."""

from __future__ import annotations

from data.importers.newest_names import NewestNames


def test_new_ids_are_due_once() -> None:
    names = NewestNames([], None)
    assert names.is_due(1, "mira", 100)
    assert not names.is_due(1, "mira", 200)


def test_a_newer_name_wins_and_an_older_does_not_return() -> None:
    names = NewestNames([], None)
    assert names.is_due(1, "new", 200)
    assert not names.is_due(1, "old", 100)
    assert names.is_due(1, "newest", 300)


def test_a_stored_name_gives_way_only_to_what_is_as_new_as_the_newest_message() -> None:
    names = NewestNames([(1, "stored")], 500)
    assert not names.is_due(1, "older", 499)
    assert names.is_due(1, "newer", 500)
