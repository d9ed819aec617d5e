"""Rakes a table to given sums: chances of at most 1 that sum up, in each margin, to what is wanted.

Iterative proportional fitting (Deming & Stephan, On a Least Squares Adjustment of a Sampled
Frequency Table, Annals of Mathematical Statistics 1940), bounded above as in Deville & Saerndal,
Calibration Estimators in Survey Sampling, JASA 1992: a chance is min(1, its weight times one factor
for each margin).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDS = 60
_CLOSE = 1e-3
_SOLVES = 3
"""Steps for one margin's factors: what reaches 1 leaves the others more to give."""
_LAST_SOLVES = 10


@dataclass(frozen=True)
class Margin:
    """One division of the cells, and what each part is to sum up to."""

    part_of: Ints
    """Each cell's part, 0 to `len(sums) - 1`."""
    sums: Floats
    """Rows wanted of each part, no more than it has."""

    def sums_of(self, values: Floats) -> Floats:
        """What the parts sum up to."""
        return np.bincount(self.part_of, values, len(self.sums)).astype(np.float64, copy=False)

    def off(self, values: Floats) -> float:
        """Which share of the wanted rows stands in another part than wanted (total variation)."""
        return float(np.abs(self.sums_of(values) - self.sums).sum() / 2 / max(self.sums.sum(), 1))


def rake(sizes: Floats, weights: Floats, margins: Sequence[Margin]) -> Floats:
    """Each cell's chance, 0 to 1; `sizes` are the cells' rows, `weights` their chances' ratios.

    Where the margins go together all come out to a thousandth. Where they do not, the last one
    does, and the others are as near as 60 rounds bring them.
    """
    raw = weights.astype(np.float64)
    for turn in range(_ROUNDS):
        for margin in margins:
            raw = _scaled(raw, sizes, margin)
        off = sum(margin.off(np.minimum(raw, 1) * sizes) for margin in margins)
        if turn % 10 == 0:
            tenth_before = off if turn else float("inf")
        if off < _CLOSE or (turn % 10 == 9 and tenth_before - off < _CLOSE):
            break
    for _ in range(_LAST_SOLVES):
        raw = _scaled(raw, sizes, margins[-1])
    return np.minimum(raw, 1)


def _scaled(raw: Floats, sizes: Floats, margin: Margin) -> Floats:
    """The chances, which may be above 1 here, times their part's factor."""
    for _ in range(_SOLVES):
        full = margin.sums_of(np.where(raw >= 1, sizes, 0))
        free = margin.sums_of(np.where(raw < 1, sizes * raw, 0))
        room = margin.sums - full
        solvable = (room > 0) & (free > 0)
        ratio = np.where(solvable, room, margin.sums) / np.maximum(
            np.where(solvable, free, free + full), 1e-300
        )
        raw = np.clip(raw * np.clip(ratio, 1e-6, 1e6)[margin.part_of], 1e-12, 1e12)
    return raw
