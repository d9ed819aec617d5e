"""A name, a slider and its value in one row of a grid; by mouse, or by keys once Tab is there.

Left and right, or up and down, move it by a step, Page Up and Down by ten, Home and End to its
ends. The wheel does not move it: a page that is scrolled must not change the bot. Tk's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.tooltip import Tooltip

VALUE_WIDTH = 76
_KEYS = {
    "<Left>": -1,
    "<Down>": -1,
    "<Right>": 1,
    "<Up>": 1,
    "<Prior>": 10,
    "<Next>": -10,
    "<Home>": -100_000,
    "<End>": 100_000,
}


class Slider:
    """Three widgets in row `row` of `parent`'s grid; column 1 is the one that stretches."""

    def __init__(
        self,
        parent: Any,
        row: int,
        name: str,
        *,
        low: float,
        high: float,
        step: float,
        written: Callable[[float], str],
        moved: Callable[[float], object],
        tooltip: str = "",
    ) -> None:
        """`moved` hears each move of the user's, `set` is silent."""
        self._low, self._high, self._step = low, high, step
        self._written, self._moved = written, moved
        self.name_label = theme.label(parent, name)
        self.name_label.grid(row=row, column=0, sticky="w", padx=(theme.PAD, theme.GAP))
        self.bar = ctk.CTkSlider(
            parent,
            from_=low,
            to=high,
            number_of_steps=round((high - low) / step),
            width=100,
            height=18,
            border_width=5,
            fg_color=theme.LINE,
            progress_color=theme.ACCENT,
            button_color=theme.ACCENT,
            button_hover_color=theme.ACCENT_HOVER,
            command=self._dragged,
        )
        self.bar.grid(row=row, column=1, sticky="ew")
        self.value_label = theme.label(parent, "", width=VALUE_WIDTH, anchor="e")
        self.value_label.grid(row=row, column=2, sticky="e", padx=(theme.GAP, theme.PAD))
        if tooltip:
            Tooltip(self.name_label, tooltip)
            Tooltip(self.bar, tooltip)
        self._listen()

    @property
    def value(self) -> float:
        return round(float(self.bar.get()), 6)  # its steps come as 0.30000000000000004

    def set(self, value: float) -> None:
        """Show a value."""
        self.bar.set(value)
        self.value_label.configure(text=self._written(value))

    def enable(self, is_enabled: bool) -> None:
        """Whether it can be moved."""
        self.bar.configure(state="normal" if is_enabled else "disabled")

    def _listen(self) -> None:
        canvas = self.bar._canvas
        for event in ("<Button-4>", "<Button-5>", "<MouseWheel>"):
            canvas.unbind(event)
        canvas.configure(takefocus=1)
        for key, steps in _KEYS.items():
            canvas.bind(key, lambda event, steps=steps: self._by_key(steps))
        canvas.bind("<FocusIn>", lambda event: self._ring(theme.TEXT), add="+")
        canvas.bind("<FocusOut>", lambda event: self._ring(theme.ACCENT), add="+")

    def _ring(self, colour: Any) -> None:
        if self.bar.winfo_exists():
            self.bar.configure(button_color=colour)

    def _by_key(self, steps: int) -> str:
        if self.bar.cget("state") != "disabled":
            value = min(max(self.value + steps * self._step, self._low), self._high)
            self.bar.set(value)
            self._dragged(self.value)
        return "break"

    def _dragged(self, value: float) -> None:
        self.value_label.configure(text=self._written(value))
        self._moved(value)
