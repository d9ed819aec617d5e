"""To how many of the moments in which the persona would have spoken its owner said yes, and how
sure that is. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

Z_95 = 1.959964
"""Two-sided, 95%."""


@dataclass(frozen=True)
class Acceptance:
    """`accepted` of the `answered` moments got a yes; it spoke in `spoken`."""

    accepted: int
    answered: int
    spoken: int = 0

    @property
    def share(self) -> float | None:
        """0-1; None where nothing was answered."""
        return self.accepted / self.answered if self.answered else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's score interval at 95% (Wilson 1927), 0-1; None where nothing was answered."""
        if not self.answered:
            return None
        n, p = self.answered, self.accepted / self.answered
        middle = p + Z_95**2 / (2 * n)
        width = Z_95 * sqrt(p * (1 - p) / n + Z_95**2 / (4 * n * n))
        whole = 1 + Z_95**2 / n
        return max(0.0, (middle - width) / whole), min(1.0, (middle + width) / whole)

    def __str__(self) -> str:
        """Such as "accepted 34 of 40 (71-93%)"."""
        if (interval := self.interval) is None:
            return "nothing was answered yet"
        low, high = (round(100 * bound) for bound in interval)
        return f"accepted {self.accepted} of {self.answered} ({low}-{high}%)"

    def as_json(self) -> dict[str, Any]:
        low, high = self.interval or (None, None)
        return {**vars(self), "share": self.share, "low": low, "high": high, "sentence": str(self)}
