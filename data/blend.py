"""Draws the training examples so that a few members do not drown the rest: the server's blend.

A row is an example that may be learned from. Its chance to be kept is raked (data/raking.py) to
each member's wanted share, with hours and weekdays and the share of conversational lines as they
were; within that, reactions raise it. The draw is systematic, in random order (Madow, On the Theory
of Systematic Sampling II, Annals of Mathematical Statistics 1949; Hartley & Rao, Sampling with
Unequal Probabilities and without Replacement, ibid. 1962): each row is kept with just its chance
and never twice, and a member's number of rows is met to within one.

At least 70% is kept. The wanted shares give way where they do not go with that, or with the hours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.raking import Floats, Ints, Margin, rake

FULL_SHARE = 0.05
"""Up to here a member's share is wanted as it is; of what is above, half."""
CAP = 0.12
CAP_TOLERANCE = 0.01
"""Up to so much above the cap nobody is told of it."""
MEMBERS_FOR_CAP = 9
"""Fewer cannot all stay below the cap."""
LEAST_KEPT = 0.7
BOOST = 0.05
"""By so much each reaction raises a row's chance."""
MOST_BOOSTS = 10
BAND_HOURS = 4
BANDS = 168 // BAND_HOURS
"""Four hours of each weekday."""
HOURS_TOLERANCE = 0.05
"""Hours are as they were while at most this share of the rows stands in other bands."""
TALK_TOLERANCE = 0.01
"""The same for conversational lines, as a share of all."""
SMALL_SHARE = 0.005
"""Members below it are raked as one: their shares are wanted alike, and the table stays small."""

_HALVINGS = 7
_SURE = 1 - 1e-6


@dataclass(frozen=True)
class Blend:
    """Which rows are learned from, and how that compares with what there was."""

    kept: Ints
    """Row numbers, each at most once, in random order."""
    report: dict[str, Any]
    """Ready for JSON; its members' keys are the numbers that were handed in, as text."""


def blend(
    members: NDArray[np.int32],
    hour_of_week: NDArray[np.uint8],
    conversational: NDArray[np.bool_],
    reactions: NDArray[np.int16],
    *,
    seed: int,
    limit: int | None = None,
) -> Blend:
    """Draw from the rows; all columns have one length.

    `hour_of_week`: 0-167, UTC, Monday 0. `conversational`: whether the reply answers somebody.
    `reactions`: how many stand under it. `limit`: at most so many rows are kept, 70% or not. The
    same columns and seed give the same draw. While it works it takes some 60 bytes a row.
    Raises ValueError where the columns differ in length.
    """
    columns = (members, hour_of_week, conversational, reactions)
    if len({len(column) for column in columns}) > 1:
        raise ValueError(f"columns of {[len(column) for column in columns]} rows")
    ids, member = np.unique(members, return_inverse=True)
    stratum = conversational.astype(np.int64) * BANDS + hour_of_week // BAND_HOURS
    stratum += member * (2 * BANDS)
    del member
    most = len(members) if limit is None else min(max(limit, 0), len(members))
    before = _Counts(stratum, len(ids))
    wanted = wanted_shares(_shares(before.of_member))
    rng = np.random.Generator(np.random.PCG64(seed))
    kept = _draw(stratum, _chances(stratum, reactions, before.of_member, wanted, most), rng)
    return Blend(kept, _report(ids.tolist(), before, wanted, _Counts(stratum[kept], len(ids))))


class _Counts:
    """How many rows there are by member, by four hours of the week, and by kind."""

    def __init__(self, stratum: Ints, members: int) -> None:
        self.of_all = len(stratum)
        self.of_member = np.bincount(stratum // (2 * BANDS), minlength=members)
        by_hours = np.bincount(stratum % (2 * BANDS), minlength=2 * BANDS).reshape(2, BANDS)
        self.of_band = by_hours.sum(axis=0)
        self.of_talk = by_hours.sum(axis=1)
        """Those that stand alone, those that are conversational."""


def wanted_shares(shares: Floats) -> Floats:
    """Each member's wanted share of the draw, by their shares of what there is; both sum to 1.

    A share s weighs s up to 5%, (s + 5%)/2 up to 20%, at most 12%; the wanted shares are these
    weights divided by their sum. From nine members on, what that lifts above 12% goes to the
    others, in the ratio of their weights. Fewer members cannot all stay below it, and do not.
    """
    weights = np.minimum(np.where(shares <= FULL_SHARE, shares, (shares + FULL_SHARE) / 2), CAP)
    wanted = weights / max(weights.sum(), 1e-300)
    capped = np.zeros(len(wanted), bool)
    while len(shares) >= MEMBERS_FOR_CAP and (wanted > CAP + 1e-12).any():
        capped |= wanted > CAP
        rest = (1 - CAP * capped.sum()) / weights[~capped].sum()
        wanted = np.where(capped, CAP, weights * rest)
    return wanted


def _chances(
    stratum: Ints, reactions: NDArray[np.int16], of_member: Ints, wanted: Floats, most: int
) -> Floats:
    """Each row's chance to be kept.

    As many rows as the wanted shares allow; where the hours do not go with that, fewer, to 70%;
    where that does not help, the members' numbers move on from there to those of all that is here.
    """
    total = len(stratum)
    if not most:
        return np.zeros(total)
    have = of_member.astype(np.float64)
    least = min(most, ceil(LEAST_KEPT * total))
    exact = max(least, min(most, int((have / wanted).min() + 1e-6)))
    fewest, everybody = _numbers(have, wanted, least), have * (most / total)

    def fewer(step: float) -> Floats:
        return _numbers(have, wanted, exact - round((exact - least) * step))

    def looser(step: float) -> Floats:
        more = round((most - least) * step) / (most - least) if most > least else step
        return fewest + (everybody - fewest) * more

    if exact >= total:
        return np.ones(total)
    table = _Table(stratum, reactions, have)
    chances = _first_that_fits(table, fewer)
    if chances is None:
        chances = _first_that_fits(table, looser)
    return np.full(total, most / total) if chances is None else chances[table.cell_of]


def _numbers(have: Floats, wanted: Floats, total: int) -> Floats:
    """How many rows of each member: `total` by their wanted shares; who has fewer gives all."""
    gives_all = np.zeros(len(have), bool)
    while True:
        left = total - have[gives_all].sum()
        share = wanted / max(wanted[~gives_all].sum(), 1e-300)
        numbers = np.where(gives_all, have, share * left)
        over = ~gives_all & (numbers > have * (1 + 1e-12))
        if not over.any():
            return np.minimum(numbers, have)
        gives_all |= over


class _Table:
    """The rows by what tells them apart, for the raking: member, hours, talk, reactions."""

    def __init__(self, stratum: Ints, reactions: NDArray[np.int16], have: Floats) -> None:
        small = have < SMALL_SHARE * len(stratum)
        self._one = np.where(small, 0, np.cumsum(~small))
        """The number of each member in the table; the small ones share 0."""
        cells = self._one[stratum // (2 * BANDS)] * (2 * BANDS) + stratum % (2 * BANDS)
        cells = cells * (MOST_BOOSTS + 1) + np.clip(reactions, 0, MOST_BOOSTS)
        there = np.bincount(cells)
        cell = np.flatnonzero(there)
        self.cell_of = (np.cumsum(there > 0) - 1)[cells]
        self._sizes = there[cell].astype(np.float64)
        rest, boosts = np.divmod(cell, MOST_BOOSTS + 1)
        self._weights = 1 + BOOST * boosts
        self._member, rest = np.divmod(rest, 2 * BANDS)
        self._talk, self._band = np.divmod(rest, BANDS)

    def raked(self, numbers: Floats) -> tuple[Floats, bool]:
        """The cells' chances at these numbers of members' rows; whether hours and talk stay."""
        share = numbers.sum() / self._sizes.sum()
        talk = Margin(self._talk, np.bincount(self._talk, self._sizes, 2) * share)
        hours = Margin(self._band, np.bincount(self._band, self._sizes, BANDS) * share)
        of_members = np.bincount(self._one, numbers).astype(np.float64, copy=False)
        members = Margin(self._member, of_members)
        chances = rake(self._sizes, self._weights, (talk, hours, members))
        rows = chances * self._sizes
        fits = members.off(rows) < 1e-3
        fits = fits and hours.off(rows) <= HOURS_TOLERANCE and talk.off(rows) <= TALK_TOLERANCE
        return chances, fits


def _first_that_fits(table: _Table, numbers_at: Callable[[float], Floats]) -> Floats | None:
    """The chances at the least step, 0 to 1, that fits; None where the last one does not."""
    chances, fits = table.raked(numbers_at(0.0))
    if fits:
        return chances
    chances, fits = table.raked(numbers_at(1.0))
    if not fits:
        return None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        tried, fits = table.raked(numbers_at(middle))
        if fits:
            high, chances = middle, tried
        else:
            low = middle
    return chances


def _draw(stratum: Ints, chances: Floats, rng: np.random.Generator) -> Ints:
    """Rows, each with its chance, in random order: systematic by member, then talk and hours.

    Members come in random order, and so do the rows of a stratum.
    """
    sure = chances >= _SURE
    open_rows = np.flatnonzero(~sure)
    place = np.argsort(rng.random(int(stratum.max(initial=0)) // (2 * BANDS) + 1))
    own = stratum[open_rows]
    key = (place[own // (2 * BANDS)] * (2 * BANDS) + own % (2 * BANDS)) << 24
    key += (rng.random(len(own)) * (1 << 24)).astype(np.int64)
    open_rows = open_rows[np.argsort(key, kind="stable")]
    upto = np.concatenate(([0.0], np.cumsum(chances[open_rows])))
    nearest = np.round(upto[-1])
    if upto[-1] > 0 and nearest > 0:
        upto *= nearest / upto[-1]  # the numbers sum to a whole one, but for the last digits
    drawn = np.diff(np.floor(upto + rng.random())) > 0
    kept = np.concatenate([np.flatnonzero(sure), open_rows[drawn]])
    return kept[np.argsort(rng.random(len(kept)))]


def _report(ids: list[int], before: _Counts, wanted: Floats, after: _Counts) -> dict[str, Any]:
    members = [_shares(counts.of_member) for counts in (before, after)]
    hours = [_shares(counts.of_band) for counts in (before, after)]
    talk = [float(_shares(counts.of_talk)[1]) for counts in (before, after)]
    moved = float(np.abs(hours[1] - hours[0]).sum() / 2) if after.of_all else 0.0
    rows = zip(ids, members[0], wanted, members[1], strict=True)
    return {
        "members": {
            str(key): {"before": _round(b), "wanted": _round(w), "after": _round(a)}
            for key, b, w, a in rows
        },
        "gave_way": _gave_way(members[1], after.of_all, moved, talk),
        "kept": after.of_all,
        "of": before.of_all,
        "hours": {
            "band_hours": BAND_HOURS,
            "before": [_round(share) for share in hours[0]],
            "after": [_round(share) for share in hours[1]],
            "moved": _round(moved),
        },
        "conversational": {"before": _round(talk[0]), "after": _round(talk[1])},
    }


def _gave_way(after: Floats, kept: int, moved: float, talk: list[float]) -> list[str]:
    """What is not as aimed at, in words with figures, in the order in which it gives way."""
    if not kept:
        return []
    words = []
    over = np.sort(after[after > CAP + max(CAP_TOLERANCE, 1 / kept)])[::-1]
    if len(over):
        most = ", ".join(f"{share:.1%}" for share in over[:3])
        whom = "one member" if len(over) == 1 else f"{len(over)} members"
        words.append(f"the cap ({most} instead of {CAP:.0%} for {whom})")
    if moved > HOURS_TOLERANCE:
        words.append(f"hours and weekdays ({moved:.1%} of the lines stand in others than before)")
    if abs(talk[1] - talk[0]) > TALK_TOLERANCE:
        words.append(f"conversational lines ({talk[1]:.1%} instead of {talk[0]:.1%})")
    return words


def _shares(counts: Ints) -> Floats:
    return counts / max(int(counts.sum()), 1)


def _round(share: float) -> float:
    return round(float(share), 6)
