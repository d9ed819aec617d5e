"""The values of a chart, and where they lie on it. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gui.models import axis

Point = tuple[float, float | None]


@dataclass(frozen=True)
class Series:
    """One thing that is shown."""

    name: str
    points: Sequence[Point]
    """(x, value), by ascending x: milliseconds since 1970 where it is over time. None is a gap."""
    colour: Any
    bar_width: float = 0.0
    """In units of x: each value is a bar from x to there. 0: a line."""


@dataclass(frozen=True)
class Plot:
    """The place that the values are drawn in, and what it stands for."""

    left: float
    top: float
    right: float
    bottom: float
    x_low: float
    x_high: float
    y_high: float

    def x(self, value: float) -> float:
        share = (value - self.x_low) / (self.x_high - self.x_low)
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - min(max(value / self.y_high, 0.0), 1.0) * (self.bottom - self.top)


def span_of(series: Sequence[Series]) -> tuple[float, float]:
    places = [at for one in series for at, _ in one.points]
    ends = [at + one.bar_width for one in series for at, _ in one.points[-1:]]
    return (min(places), max(*places, *ends)) if places else (0.0, 1.0)


def thinned(points: Sequence[Point], most: int) -> Sequence[Point]:
    """No more points than there are pixels: of each stretch the lowest and the highest stay."""
    if len(points) <= max(most, 4):
        return points
    size = math.ceil(2 * len(points) / most)
    kept: list[Point] = []
    for start in range(0, len(points), size):
        stretch = [one for one in points[start : start + size] if one[1] is not None]
        if len(stretch) < min(size, len(points) - start):
            kept.append((points[start][0], None))
        if stretch:
            ends = {min(stretch, key=_value), max(stretch, key=_value)}
            kept += sorted(ends, key=lambda one: one[0])
    return kept


def _value(point: Point) -> float:
    return point[1] or 0.0


def places_of(series: Sequence[Series]) -> list[float]:
    """Where there are values, in order."""
    return sorted({at for one in series for at, value in one.points if value is not None})


def nearest(series: Sequence[Series], at: float) -> float | None:
    """The place of the values that are meant by `at`: of the bar there, else of the next point."""
    places = places_of(series)
    bar = max((one.bar_width for one in series), default=0.0)
    if bar:
        return next((place for place in places if place <= at < place + bar), None)
    after = bisect_left(places, at)
    near = places[max(after - 1, 0) : after + 1]
    return min(near, key=lambda one: abs(one - at)) if near else None


def values_at(series: Sequence[Series], at: float) -> list[tuple[Series, float]]:
    """What each series that has a value there has."""
    found = [(one, dict(one.points).get(at)) for one in series]
    return [(one, value) for one, value in found if value is not None]


def place_words(at: float, bar: float, x_range: tuple[float, float], is_time: bool) -> str:
    """How a hover names a place: "Sat 3 May, 14:00 to 15:00", "1,200"."""
    if not is_time:
        return axis.exact_text(at)
    if bar:
        return axis.span_text(at, bar / 1000)
    return axis.time_text(at, 1 if x_range[1] - x_range[0] < 600_000 else 60)
