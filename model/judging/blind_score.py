"""What raters of a blind sheet found: how often they tell the model, and how good they find it.

Intervals are of 95%. One is Wilson's over all answers as if each were independent (Wilson 1927,
Journal of the American Statistical Association 22, 209-212). Answers of one rater are not, so with
several raters a second one is drawn by bootstrap: raters with replacement, then the answers of each
with replacement, 2.5th to 97.5th percentile of the pooled mean (two-stage cluster bootstrap,
Davison and Hinkley 1997, Bootstrap Methods, 3.8: rather too wide than too narrow). With few raters
both say little about raters who were not asked.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from model.evaluate import EvaluationError
from model.judging.blind_answers import RUBRIC, Answer, Key, Rater

DETECTED_BELOW = 0.60
"""The share of right answers that is aimed at: under this; by chance it is 0.5."""
RUBRIC_AT = 4.0
"""The mean over the rubric's three questions that is aimed at for the model's replies."""
DRAWS = 4000
_Z = statistics.NormalDist().inv_cdf(0.975)

Interval = tuple[float, float]


@dataclass(frozen=True)
class Mean:
    """Of a rubric's question (1 to 5), with its bootstrap interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Found:
    """Shares are 0 to 1."""

    raters: int
    answers: int
    detected: float
    """Share of right answers, to both sorts of replies."""
    wilson: Interval
    by_rater: Interval | None
    """None with one rater."""
    each: tuple[float, ...]
    """The share of each rater."""
    sensitivity: float
    """Of the model's replies, the share called a bot's."""
    specificity: float
    """Of the real ones, the share called a member's."""
    d_prime: float
    bot: dict[str, Mean]
    """By `RUBRIC`'s names, and "all": the mean of the three."""
    real: dict[str, Mean]
    agreement: dict[str, float | None]
    """Krippendorff's alpha by `RUBRIC`'s names, and of "guess"; None where it is not defined."""

    @property
    def passed(self) -> bool:
        return self.detected < DETECTED_BELOW and round(self.bot["all"].value, 6) >= RUBRIC_AT

    @property
    def said(self) -> str:
        """In a sentence, nobody's name."""
        low, high = self.by_rater or self.wilson
        raters = "1 rater" if self.raters == 1 else f"{self.raters} raters"
        return (
            f"{raters} told {self.detected:.0%} of {self.answers} replies right (95% interval "
            f"{low:.0%} to {high:.0%}; under {DETECTED_BELOW:.0%} aimed at, 50% is chance) and "
            f"gave its replies {self.bot['all'].value:.1f} of 5, members' "
            f"{self.real['all'].value:.1f} ({RUBRIC_AT:g} aimed at)"
        )


def score(key: Key, raters: Sequence[Rater], seed: int = 0) -> Found:
    """Of at least one rater. Raises EvaluationError where they answered only one sort of reply."""
    pairs = [[(key.is_bot[i], one) for i, one in r.answers.items()] for r in raters]
    pooled = [pair for rater in pairs for pair in rater]
    bots = [one.says_bot for is_bot, one in pooled if is_bot]
    real = [one.says_bot for is_bot, one in pooled if not is_bot]
    if not bots or not real:
        raise EvaluationError("There are no answers yet to replies of both sorts: ask for more.")
    right = [[float(one.says_bot == is_bot) for is_bot, one in rater] for rater in pairs]
    hits, alarms = sum(bots), sum(real)
    correct = hits + len(real) - alarms
    return Found(
        raters=len(raters),
        answers=len(pooled),
        detected=correct / len(pooled),
        wilson=wilson(correct, len(pooled)),
        by_rater=bootstrap(right, seed) if len(raters) > 1 else None,
        each=tuple(statistics.fmean(one) for one in right),
        sensitivity=hits / len(bots),
        specificity=1 - alarms / len(real),
        d_prime=d_prime(hits, len(bots), alarms, len(real)),
        bot=_means(pairs, True, seed),
        real=_means(pairs, False, seed),
        agreement=_agreement(key, raters),
    )


def figures(found: Found) -> dict[str, Any]:
    """As JSON knows it: what the registry keeps. Nobody's name."""

    def means(of: dict[str, Mean]) -> dict[str, Any]:
        return {
            name: {"mean": round(one.value, 3), "interval": _rounded(one.interval)}
            for name, one in of.items()
        }

    return {
        "raters": found.raters,
        "answers": found.answers,
        "detected": round(found.detected, 4),
        "wilson": _rounded(found.wilson),
        "by_rater": _rounded(found.by_rater) if found.by_rater else None,
        "each": [round(one, 4) for one in found.each],
        "sensitivity": round(found.sensitivity, 4),
        "specificity": round(found.specificity, 4),
        "d_prime": round(found.d_prime, 3),
        "rubric": {"bot": means(found.bot), "real": means(found.real)},
        "agreement": {
            name: None if one is None else round(one, 3) for name, one in found.agreement.items()
        },
        "detected_below": DETECTED_BELOW,
        "rubric_at": RUBRIC_AT,
        "said": found.said,
    }


def wilson(count: int, total: int) -> Interval:
    """(p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) with p = count/total, n = total."""
    share, z2 = count / total, _Z * _Z
    middle = share + z2 / (2 * total)
    far = _Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    whole = 1 + z2 / total
    return max(0.0, (middle - far) / whole), min(1.0, (middle + far) / whole)


def d_prime(hits: int, bots: int, alarms: int, real: int) -> float:
    """z(hit rate) - z(false alarm rate), 0 where nothing is told. Each rate is (n + 0.5) / (N + 1),
    so that all or none has a finite z (Hautus 1995, Behavior Research Methods 27, 46-51)."""
    z = statistics.NormalDist().inv_cdf
    return z((hits + 0.5) / (bots + 1)) - z((alarms + 0.5) / (real + 1))


def bootstrap(by_rater: Sequence[Sequence[float]], seed: int = 0) -> Interval:
    """Of the mean over all values: raters, then each one's values, with replacement. With one rater
    the values alone."""
    import numpy as np

    chance = np.random.default_rng(seed)
    values = [np.asarray(one) for one in by_rater if len(one)]
    sums, counts = np.zeros(DRAWS), np.zeros(DRAWS)
    for _ in values:
        drawn = chance.integers(len(values), size=DRAWS)
        for number, own in enumerate(values):
            rows = np.flatnonzero(drawn == number)
            again = chance.integers(len(own), size=(len(rows), len(own)))
            sums[rows] += own[again].sum(axis=1)
            counts[rows] += len(own)
    low, high = np.quantile(sums / counts, (0.025, 0.975))
    return float(low), float(high)


def alpha(units: Iterable[Sequence[int]]) -> float | None:
    """Krippendorff's alpha for ordinal values; a unit is the values that raters gave to one item.

    1 - (n - 1) sum_ck o_ck d_ck / sum_ck n_c n_k d_ck over values c < k, where o_ck is how often c
    meets k within a unit (each pair weighted by 1 / (values in the unit - 1)), n_c how often c is
    in units of two values and more, and d_ck = (sum of n_g for g = c..k - (n_c + n_k) / 2)^2
    (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, C and E). 1 is full agreement, 0
    what chance gives; for two values it is the nominal one. None where there is nothing to compare,
    or only one value.
    """
    paired = [Counter(unit) for unit in units if len(unit) > 1]
    totals: Counter[int] = sum(paired, Counter())
    values = sorted(totals)
    if len(values) < 2:
        return None
    observed = expected = 0.0
    for at, c in enumerate(values):
        for to, k in enumerate(values[at + 1 :], start=at + 1):
            between = sum(totals[g] for g in values[at : to + 1])
            far = (between - (totals[c] + totals[k]) / 2) ** 2
            observed += far * sum(one[c] * one[k] / (one.total() - 1) for one in paired)
            expected += far * totals[c] * totals[k]
    return 1 - (totals.total() - 1) * observed / expected


def _means(
    pairs: Sequence[Sequence[tuple[bool, Answer]]], is_bot: bool, seed: int
) -> dict[str, Mean]:
    by_rater = [[one.rubric for sort, one in rater if sort == is_bot] for rater in pairs]
    found = {
        name: _mean([[float(one[i]) for one in rater] for rater in by_rater], seed)
        for i, name in enumerate(RUBRIC)
    }
    return {**found, "all": _mean([[sum(one) / 3 for one in rater] for rater in by_rater], seed)}


def _mean(by_rater: Sequence[Sequence[float]], seed: int) -> Mean:
    value = statistics.fmean(one for rater in by_rater for one in rater)
    return Mean(value, bootstrap(by_rater, seed))


def _agreement(key: Key, raters: Sequence[Rater]) -> dict[str, float | None]:
    units = [[r.answers[i] for r in raters if i in r.answers] for i in key.is_bot]
    found = {
        name: alpha([one.rubric[at] for one in unit] for unit in units)
        for at, name in enumerate(RUBRIC)
    }
    return {"guess": alpha([int(one.says_bot) for one in unit] for unit in units), **found}


def _rounded(interval: Interval) -> list[float]:
    return [round(one, 4) for one in interval]
