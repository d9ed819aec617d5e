"""fusion: one order out of two ways of searching, and what neighbours lend."""

from __future__ import annotations

import pytest

from bot.fusion import NEAR_MS, by_ranks, standardised, with_lent
from storage.talk_store import Spoken


def spoken(message_id: int, *, before: int | None, at_ms: int = 0, channel: int = 1) -> Spoken:
    return Spoken(message_id, channel, 7, at_ms, "words", "mira", before)


def test_scores_are_standard_deviations_above_the_candidates_mean() -> None:
    found = standardised({1: 3.0, 2: 1.0}, {1, 2}, {1, 2, 9})
    assert found == {1: 1.0, 2: -1.0, 9: -2.0}
    assert standardised({1: 4.0, 2: 4.0}, {1, 2}, {1, 2}) == {1: 0.0, 2: 0.0}
    assert standardised({}, {1}, {1}) == {1: 0.0}


def test_what_a_way_missed_counts_as_nothing() -> None:
    found = standardised({1: 2.0}, {1, 2}, {1, 2})
    assert found == {1: 1.0, 2: -1.0}


def test_ranks_add_up() -> None:
    found = by_ranks([{1: 9.0, 2: 5.0}, {2: 0.9}], {1, 2, 3})
    assert found[2] == pytest.approx(1 / 62 + 1 / 61)
    assert found[1] == pytest.approx(1 / 61)
    assert found[3] == 0.0


def test_a_hit_lends_to_both_sides_and_less_to_the_next_but_one() -> None:
    talk = [spoken(1, before=None), *(spoken(n, before=n - 1) for n in (2, 3, 4, 5, 6))]
    own = {1: 0.0, 2: 0.0, 3: 4.0, 4: 0.0, 5: 0.0, 6: -1.0}
    assert with_lent(own, talk, (0.5, 0.25)) == {1: 1.0, 2: 2.0, 3: 4.0, 4: 2.0, 5: 1.0, 6: -1.0}
    assert with_lent(own, talk, ()) == own


def test_nothing_is_lent_over_a_gap() -> None:
    far = NEAR_MS + 1
    apart = [
        spoken(1, before=None),
        spoken(2, before=1, at_ms=far),  # later
        spoken(5, before=4, at_ms=far),  # another one stands between
        spoken(6, before=None, at_ms=far, channel=2),
    ]
    own = {1: 4.0, 2: 1.0, 5: 2.0, 6: 0.0}
    assert with_lent(own, apart, (0.5, 0.25)) == own
