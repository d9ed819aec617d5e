"""Whether what was planted can be told from what was not: exposure by rank, and a rank test with
its power. Pure; the lower a negative log-likelihood, the better the model knows the text.

Exposure: Carlini et al. 2019, "The Secret Sharer". The test is Mann and Whitney's, one-sided, by
the normal approximation with ties; its power by Noether 1987.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

ALPHA = 0.01
"""A rank test's p below this: told from the controls. So one sound training in a hundred is
refused by chance."""
POWER = 0.8


@dataclass(frozen=True)
class RankTest:
    """Planted texts against controls."""

    planted: int
    controls: int
    auc: float
    """How often a planted one is better known than a control; ties are half. 0.5: like any."""
    p: float
    """How often chance alone gives such an `auc` or a higher one, 0-1."""
    found_from: float
    """The smallest `auc` that this many find with POWER; above 1: none."""

    @property
    def is_told(self) -> bool:
        """Whether the planted ones are known better than the controls, beyond chance."""
        return self.p < ALPHA


def exposure(nats: float, controls: Sequence[float]) -> float:
    """log2 |R| - log2 rank, in bits: 0 (the last) to log2 |R| (better known than every control).

    R is the controls and it; of controls that are as well known, half come first.
    """
    better = sum(one < nats for one in controls) + sum(one == nats for one in controls) / 2
    return math.log2(len(controls) + 1) - math.log2(better + 1)


def rank_test(planted: Sequence[float], controls: Sequence[float]) -> RankTest:
    """Whether the planted ones come first. Raises ValueError where one side is empty."""
    n, m = len(planted), len(controls)
    if not n or not m:
        raise ValueError("a rank test wants texts on both sides")
    won = sum((a < b) + (a == b) / 2 for a in planted for b in controls)
    ties = sum(t**3 - t for t in Counter((*planted, *controls)).values())
    total = n + m
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    z = (won - n * m / 2 - 0.5) / math.sqrt(variance) if variance > 0 else 0.0
    return RankTest(n, m, won / (n * m), 1 - NormalDist().cdf(z), found_from(n, m))


def found_from(planted: int, controls: int, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest AUC that so many texts find in `power` of all audits, at `alpha`."""
    z = NormalDist().inv_cdf(1 - alpha) + NormalDist().inv_cdf(power)
    return 0.5 + z * math.sqrt((planted + controls + 1) / (12 * planted * controls))
