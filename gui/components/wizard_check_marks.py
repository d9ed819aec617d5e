"""The little boxes in front of a list's rows: drawn for theme and scaling, smooth at the edges."""

from __future__ import annotations

import itertools
import math
import tkinter
from typing import Any

Point = tuple[float, float]

SIDE_PX = 16
GAP_PX = 8
"""Between a box and what stands behind it; part of the picture."""

_TICK: tuple[Point, ...] = ((0.24, 0.53), (0.43, 0.72), (0.77, 0.31))
_BAR: tuple[Point, ...] = ((0.27, 0.5), (0.73, 0.5))


def box(
    parent: Any, side: int, gap: int, *, fill: str, edge: str, mark: str, ground: str, shape: str
) -> Any:
    """A picture for Tk. Colours are "#rrggbb"; `shape` is "on", "some" or "off"."""
    line = {"on": _TICK, "some": _BAR, "off": ()}[shape]
    radius, stroke = side * 0.22, max(0.8, side * 0.065)
    picture = tkinter.PhotoImage(master=parent, width=side + gap, height=side)
    rows = []
    for y in range(side):
        row = []
        for x in range(side):
            at = (x + 0.5, y + 0.5)
            outside = _outside(at, side, radius)
            colour = _blend(edge, fill, _covers(outside + 1.0))
            colour = _blend(ground, colour, _covers(outside))
            if line:
                away = min(
                    _away(at, _scaled(a, side), _scaled(b, side))
                    for a, b in itertools.pairwise(line)
                )
                colour = _blend(colour, mark, _covers(away - stroke))
            row.append(colour)
        rows.append("{" + " ".join(row) + "}")
    picture.put(" ".join(rows), to=(0, 0))
    return picture


def _scaled(point: Point, side: int) -> Point:
    return (point[0] * side, point[1] * side)


def _covers(distance: float) -> float:
    """How much of a pixel lies within an edge that is so far away (negative: inside)."""
    return max(0.0, min(1.0, 0.5 - distance))


def _outside(at: Point, side: int, radius: float) -> float:
    """Distance to a square with round corners; negative inside."""
    half = side / 2
    x, y = (abs(one - half) - (half - radius) for one in at)
    return math.hypot(max(x, 0.0), max(y, 0.0)) + min(max(x, y), 0.0) - radius


def _away(at: Point, a: Point, b: Point) -> float:
    """Distance to the line from a to b."""
    along_x, along_y = b[0] - a[0], b[1] - a[1]
    share = (at[0] - a[0]) * along_x + (at[1] - a[1]) * along_y
    share = max(0.0, min(1.0, share / (along_x**2 + along_y**2)))
    return math.hypot(at[0] - a[0] - share * along_x, at[1] - a[1] - share * along_y)


def _blend(below: str, above: str, share: float) -> str:
    parts = [
        round(int(below[i : i + 2], 16) * (1 - share) + int(above[i : i + 2], 16) * share)
        for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{part:02x}" for part in parts)
