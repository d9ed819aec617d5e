"""Texts on a grid, drawn on one canvas: names with values, small tables of figures. Only to read.

    cells = Cells(parent, [Column(0.5), Column(0.25, "e"), Column(0.25, "e")], rows=3, heads=True)
    cells.show([("", "24 h", "7 d"), ("Seen", "12", "80"), ("Answered", "2", "9")])

Tk's thread alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gui import theme
from gui.components.drawn import Drawn

ROW = 21
GAP = 10


@dataclass(frozen=True)
class Column:
    """`share` of the width that fixed ones leave, or `width` in pixels at 100 %."""

    share: float = 0.0
    width: int = 0
    anchor: Literal["w", "e"] = "w"
    is_name: bool = False
    """Whether what stands there only names what stands beside it."""


class Cells(Drawn):
    """The widget; `grid` it with sticky="ew"."""

    def __init__(
        self,
        parent: Any,
        columns: Sequence[Column],
        *,
        rows: int,
        heads: bool = False,
        width: int = 280,
    ) -> None:
        """`heads`: the first row names the columns."""
        self._columns = tuple(columns)
        self._heads = heads
        self.rows: tuple[tuple[str, ...], ...] = ()
        """What is shown now."""
        super().__init__(parent, width, rows * ROW)

    def show(self, rows: Sequence[Sequence[str]]) -> None:
        """Show these rows instead; nothing is painted where nothing changed."""
        wanted = tuple(tuple(row) for row in rows)
        if wanted != self.rows:
            self.rows = wanted
            self.repaint()

    def paint(self) -> None:
        places = self._places()
        for number, row in enumerate(self.rows):
            y = round(self.px(ROW) * (number + 0.5))
            if self._heads and number == 1:
                line_y = self.px(ROW)
                self.canvas.create_line(
                    0, line_y, self.seen_width, line_y, fill=self.colour(theme.LINE)
                )
            for (left, right), column, text in zip(places, self._columns, row, strict=True):
                is_quiet = column.is_name or (self._heads and number == 0)
                kind = "small" if is_quiet else "body"
                self.canvas.create_text(
                    left if column.anchor == "w" else right,
                    y,
                    text=self.cut(text, right - left, kind),
                    anchor=column.anchor,
                    fill=self.colour(theme.MUTED if is_quiet else theme.TEXT),
                    font=self.font(kind),
                )

    def _places(self) -> list[tuple[int, int]]:
        """(left, right) of each column, in pixels of the screen."""
        gaps = self.px(GAP) * (len(self._columns) - 1)
        fixed = sum(self.px(column.width) for column in self._columns)
        free = max(self.seen_width - fixed - gaps, 0)
        left, found = 0, []
        for column in self._columns:
            width = self.px(column.width) if column.width else int(free * column.share)
            found.append((left, left + width))
            left += width + self.px(GAP)
        return found
