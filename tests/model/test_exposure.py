"""exposure: ranks that are known by hand, and the test's power against a simulation."""

from __future__ import annotations

import math
import random

import pytest

from model.auditing.exposure import ALPHA, POWER, exposure, found_from, rank_test


def test_exposure_is_the_bits_that_a_rank_gives() -> None:
    controls = [float(n) for n in range(1, 16)]  # with it, 16
    assert exposure(0.0, controls) == 4.0  # the first of 16
    assert exposure(1.5, controls) == 3.0  # the second
    assert exposure(99.0, controls) == 0.0  # the last
    assert exposure(1.0, controls) == pytest.approx(4 - math.log2(1.5))  # as good as the best


def test_planted_texts_that_come_first_are_told() -> None:
    controls = [float(n) for n in range(100, 200)]
    first = rank_test([1.0, 2.0, 3.0, 4.0, 5.0], controls)
    assert first.auc == 1.0
    assert first.is_told
    last = rank_test([300.0, 301.0, 302.0, 303.0, 304.0], controls)
    assert last.auc == 0.0
    assert not last.is_told
    like_any = rank_test([100.5, 120.5, 150.5, 180.5, 198.5], controls)
    assert like_any.auc == pytest.approx(0.5, abs=0.02)
    assert like_any.p == pytest.approx(0.5, abs=0.1)


def test_nothing_is_told_where_all_are_known_alike() -> None:
    test = rank_test([1.0] * 30, [1.0] * 200)
    assert test.auc == 0.5
    assert not test.is_told
    with pytest.raises(ValueError, match="both sides"):
        rank_test([], [1.0])


def test_p_is_as_the_exact_count_has_it() -> None:
    """Of 5 among 5, the planted ones take the first places in one of 252 orders."""
    test = rank_test([1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0])
    assert test.p == pytest.approx(1 / math.comb(10, 5), rel=0.6)


def test_the_power_is_what_a_simulation_gives() -> None:
    """Texts that are known better by the stated effect are told in four of five audits; such as are
    known like the controls are, in about one of a hundred."""
    chance = random.Random(3)
    planted, controls = 57, 200
    auc = found_from(planted, controls)
    assert 0.6 < auc < 0.65
    shift = 2**0.5 * _normal_quantile(auc)  # of normal ones, AUC = Phi(shift / sqrt 2)

    def share_told(shift: float, audits: int) -> float:
        told = 0
        for _ in range(audits):
            known = [chance.gauss(-shift, 1) for _ in range(planted)]
            told += rank_test(known, [chance.gauss(0, 1) for _ in range(controls)]).is_told
        return told / audits

    assert share_told(shift, 200) == pytest.approx(POWER, abs=0.09)
    assert share_told(0.0, 200) <= 4 * ALPHA


def test_more_canaries_find_less() -> None:
    assert found_from(128, 512) < found_from(40, 512) < found_from(12, 96) < 1


def _normal_quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)
