"""The raking: sums come out, chances stay within 0 and 1, and what cannot be is seen."""

from __future__ import annotations

import numpy as np
import pytest

from data.raking import Margin, rake


def test_deming_and_stephans_kind_of_table_comes_out() -> None:
    """A 2 x 2 table whose cross ratio stays: the property that defines the method."""
    part = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    sizes = np.array([400.0, 100.0, 100.0, 400.0])
    margins = [Margin(part[0], np.array([200.0, 50.0])), Margin(part[1], np.array([150.0, 100.0]))]
    chances = rake(sizes, np.ones(4), margins)
    rows = chances * sizes
    assert margins[0].sums_of(rows) == pytest.approx([200, 50], rel=1e-2)
    assert margins[1].sums_of(rows) == pytest.approx([150, 100], rel=1e-2)
    ratio = rows[0] * rows[3] / (rows[1] * rows[2])
    assert ratio == pytest.approx(16.0)


@pytest.mark.parametrize("seed", range(5))
def test_what_goes_together_comes_out_and_stays_below_one(seed: int) -> None:
    """Sums taken from a table of chances that exists, so the margins go together."""
    rng = np.random.default_rng(seed)
    cells = 500
    sizes = rng.integers(1, 50, cells).astype(float)
    parts = [rng.integers(0, 2, cells), rng.integers(0, 42, cells), rng.integers(0, 20, cells)]
    there = np.minimum(1, rng.uniform(0.1, 1.3, cells))
    margins = [
        Margin(part, np.bincount(part, there * sizes, number).astype(float))
        for part, number in zip(parts, (2, 42, 20), strict=True)
    ]
    chances = rake(sizes, rng.uniform(1, 1.5, cells), margins)
    assert chances.min() >= 0
    assert chances.max() <= 1
    for margin in margins:
        assert margin.off(chances * sizes) < 2e-3


def test_where_margins_do_not_go_together_the_last_one_comes_out() -> None:
    part = np.array([0, 1])
    sizes = np.array([10.0, 10.0])
    margins = [Margin(part, np.array([9.0, 1.0])), Margin(part, np.array([1.0, 9.0]))]
    rows = rake(sizes, np.ones(2), margins) * sizes
    assert rows == pytest.approx([1, 9])
    assert margins[0].off(rows) == pytest.approx(0.8)


def test_who_is_wanted_whole_is_kept_whole() -> None:
    part = np.array([0, 0, 1, 1])
    sizes = np.array([5.0, 1.0, 50.0, 50.0])
    chances = rake(sizes, np.array([1.0, 1.5, 1.0, 1.5]), [Margin(part, np.array([6.0, 10.0]))])
    assert chances[:2] == pytest.approx([1, 1])
    assert chances[3] / chances[2] == pytest.approx(1.5)
