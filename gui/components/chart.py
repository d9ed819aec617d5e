"""A chart on one canvas: lines and bars over time or over steps, with axes, a hover and a legend.

    chart = Chart(parent, "Reply time", unit="s", empty="Nobody was answered in this time yet.")
    chart.show([Series("half within", points, theme.ACCENT)], x_range=(start_ms, now_ms))
    chart.show([Series("loss", [(1, 4.2), (2, 3.9)], theme.ACCENT)], is_time=False)

The y axis begins at 0. The pointer, or the arrow keys, show the values at one place. Tk's thread
alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from gui import theme
from gui.components.drawn import Drawn
from gui.models import axis
from gui.models.plot import (
    Plot,
    Series,
    nearest,
    place_words,
    places_of,
    span_of,
    thinned,
    values_at,
)

MOST_DOTS = 40
PAD = 12
HOVER = "hover"


class Chart(Drawn):
    """The widget; `grid` it with sticky="nsew", it takes the room that it gets."""

    def __init__(
        self,
        parent: Any,
        title: str,
        *,
        unit: str = "",
        empty: str = "There is nothing to show yet.",
        width: int = 200,
        height: int = 140,
        y_least: float = 1.0,
    ) -> None:
        """`y_least`: the y axis reaches at least to there."""
        self.title_text = title
        self.unit = unit
        self.empty = empty
        self._y_least = y_least
        self._series: tuple[Series, ...] = ()
        self._x_range: tuple[float, float] = (0.0, 1.0)
        self._is_time = True
        self._plot: Plot | None = None
        self._at: float | None = None
        self.hovered = ""
        """What the hover says now, for tests."""
        super().__init__(parent, width, height, keys=True)
        self.canvas.bind("<Motion>", self._pointed)
        self.canvas.bind("<Leave>", lambda event: self._hover_at(None))
        self.canvas.bind("<FocusOut>", lambda event: self._hover_at(None), add="+")
        self.canvas.bind("<Left>", lambda event: self._step(-1))
        self.canvas.bind("<Right>", lambda event: self._step(1))

    def show(
        self,
        series: Sequence[Series],
        x_range: tuple[float, float] | None = None,
        *,
        is_time: bool = True,
        title: str | None = None,
        unit: str | None = None,
    ) -> None:
        """Show these instead. `x_range` defaults to what the points span."""
        self._series = tuple(series)
        self._x_range = x_range or span_of(self._series)
        self._is_time = is_time
        self.title_text = self.title_text if title is None else title
        self.unit = self.unit if unit is None else unit
        self.repaint()

    @property
    def is_empty(self) -> bool:
        """Whether there is no value to show; bars that are all 0 are none."""
        return not any(
            value is not None and (value != 0 or not one.bar_width)
            for one in self._series
            for _, value in one.points
        )

    # -- painting ---------------------------------------------------------------------------------

    def paint(self) -> None:
        self._plot = None
        pad, line = self.px(PAD), self.line_height("small")
        self._paint_head(pad)
        if self.is_empty:
            self._paint_empty(line)
            return
        values = [v for one in self._series for _, v in one.points if v is not None]
        top = pad // 2 + round(line * 1.6)
        bottom = self.seen_height - line - self.px(8)
        y_high = axis.round_top(max(values), self._y_intervals(bottom - top), self._y_least)
        ticks = axis.round_ticks(0, y_high, self._y_intervals(bottom - top))
        step = ticks[1] - ticks[0] if len(ticks) > 1 else y_high
        words = [axis.number_text(tick, step) for tick in ticks]
        if self.unit:
            words[-1] += f" {self.unit}"
        left = pad + max(self.measure(word, "small") for word in words) + self.px(6)
        low, high = self._x_range
        high = high if high > low else low + 1
        self._plot = plot = Plot(left, top, self.seen_width - pad, bottom, low, high, y_high)
        self._paint_y(plot, list(zip(ticks, words, strict=True)))
        self._paint_x(plot)
        for one in self._series:
            self._paint_bars(plot, one) if one.bar_width else self._paint_line(plot, one)
        if self._at is not None:
            self._hover_at(self._at)

    def _y_intervals(self, height: float) -> int:
        return max(2, min(5, int(height // (self.line_height("small") * 1.8))))

    def _paint_head(self, pad: int) -> None:
        """The title at the left, the names of the series at the right."""
        y = pad // 2 + self.line_height("small") // 2
        names = [one for one in self._series if one.name]
        x = self.seen_width - pad
        for one in reversed(names if len(names) > 1 else []):
            x -= self.measure(one.name, "small")
            self.draw_text(x, y, one.name, theme.MUTED, "w")
            x -= self.px(13)
            self.draw_box(x, y - self.px(4), x + self.px(8), y + self.px(4), one.colour)
            x -= self.px(12)
        title = self.cut(self.title_text, x - pad, "small")
        self.draw_text(pad, y, title, theme.TEXT, "w")

    def _paint_empty(self, line: int) -> None:
        self.canvas.create_text(
            self.seen_width // 2,
            (self.seen_height + line) // 2,
            text=self.empty,
            fill=self.colour(theme.MUTED),
            font=self.font("small"),
            width=self.seen_width - 2 * self.px(PAD),
            justify="center",
        )

    def _paint_y(self, plot: Plot, ticks: list[tuple[float, str]]) -> None:
        for value, words in ticks:
            y = plot.y(value)
            self.draw_line(plot.left, y, plot.right, y, colour=theme.LINE)
            self.draw_text(plot.left - self.px(6), y, words, theme.MUTED, "e")

    def _paint_x(self, plot: Plot) -> None:
        room = self.measure("00:00", "small") * 1.8 if self._is_time else self.px(64)
        most = max(1, int((plot.right - plot.left) // room))
        for at, words in self._x_ticks(plot, most):
            x, half = plot.x(at), self.measure(words, "small") / 2
            self.draw_line(x, plot.bottom, x, plot.bottom + self.px(3), colour=theme.MUTED)
            x = min(max(x, half + 2), self.seen_width - half - 2)
            self.draw_text(x, plot.bottom + self.px(4), words, theme.MUTED, "n")

    def _x_ticks(self, plot: Plot, most: int) -> list[tuple[float, str]]:
        if self._is_time:
            return axis.time_ticks(plot.x_low, plot.x_high, most)
        ticks = axis.round_ticks(plot.x_low, plot.x_high, most)
        step = ticks[1] - ticks[0] if len(ticks) > 1 else 0.0
        return [(tick, axis.number_text(tick, step)) for tick in ticks]

    def _paint_bars(self, plot: Plot, one: Series) -> None:
        gap = 1 if plot.x(plot.x_low + one.bar_width) - plot.left > 4 else 0
        for at, value in one.points:
            if value:
                left, right = plot.x(at), plot.x(at + one.bar_width) - gap
                right = max(right, left + 1)
                self.draw_box(
                    left, min(plot.y(value), plot.bottom - 1), right, plot.bottom, one.colour
                )

    def _paint_line(self, plot: Plot, one: Series) -> None:
        run: list[float] = []
        dots = len(one.points) <= MOST_DOTS
        for at, value in thinned(one.points, int(plot.right - plot.left)):
            if value is None:
                self._paint_run(run, one.colour)
                run = []
                continue
            x, y = plot.x(at), plot.y(value)
            run += [x, y]
            if dots:
                self.draw_dot(x, y, 2, one.colour)
        self._paint_run(run, one.colour)

    def _paint_run(self, run: list[float], colour: Any) -> None:
        if len(run) == 2:
            self.draw_dot(run[0], run[1], 2, colour)
        elif run:
            self.draw_line(*run, colour=colour, width=max(1, self.px(2)))

    # -- the hover ------------------------------------------------------------------------------

    def _pointed(self, event: Any) -> None:
        plot = self._plot
        if plot is None or not plot.left <= event.x <= plot.right or event.y > plot.bottom:
            self._hover_at(None)
            return
        share = (event.x - plot.left) / max(plot.right - plot.left, 1)
        self._hover_at(nearest(self._series, plot.x_low + share * (plot.x_high - plot.x_low)))

    def _step(self, step: int) -> None:
        places = places_of(self._series)
        if self._plot is None or not places:
            return
        if self._at is None:
            self._hover_at(places[-1])
            return
        place = bisect_left(places, self._at) + step
        self._hover_at(places[min(max(place, 0), len(places) - 1)])

    def _hover_at(self, at: float | None) -> None:
        """Show the values there; None takes the hover away."""
        self.canvas.delete(HOVER)
        self._at, self.hovered = at, ""
        plot = self._plot
        if at is None or plot is None:
            return
        lines = values_at(self._series, at)
        if not lines:
            return
        bar = max(one.bar_width for one in self._series)
        x = plot.x(at + bar / 2)
        self.draw_line(x, plot.top, x, plot.bottom, colour=theme.MUTED, dash=(2, 2), tags=HOVER)
        for one, value in lines:
            if not one.bar_width:
                self.draw_dot(x, plot.y(value), 4, one.colour, tags=HOVER)
        words = [place_words(at, bar, self._x_range, self._is_time)]
        words += [
            f"{one.name}: {axis.exact_text(value)} {self.unit}".rstrip() for one, value in lines
        ]
        self.hovered = "\n".join(words)
        self._paint_hover_words(plot, x)

    def _paint_hover_words(self, plot: Plot, x: float) -> None:
        pad, away = self.px(5), self.px(8)
        lines = self.hovered.split("\n")
        width = max(self.measure(line, "small") for line in lines) + 2 * pad
        height = self.line_height("small") * len(lines) + 2 * pad
        left = x + away if x + away + width < self.seen_width else x - away - width
        left = min(max(left, 0), max(self.seen_width - width, 0))
        top = max(0, min(plot.top, self.seen_height - height))
        self.canvas.create_rectangle(
            *map(round, (left, top, left + width, top + height)),
            fill=self.colour(theme.TEXT),
            outline="",
            tags=HOVER,
        )
        self.canvas.create_text(
            round(left + pad),
            round(top + pad),
            text=self.hovered,
            anchor="nw",
            fill=self.colour(theme.GROUND),
            font=self.font("small"),
            tags=HOVER,
        )
