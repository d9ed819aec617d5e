"""What stands above the moments of a rehearsal: what to rehearse, and what a fit would change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.cells import Cells, Column
from gui.components.choice import Choice
from gui.components.controls import entry
from gui.components.enabling import enable
from gui.components.keyboard import reachable
from gui.components.tooltip import Tooltip
from gui.models.rehearsal_model import ALL_CHANNELS, BUSIEST, DAY, FIRST_LAST, LAST
from gui.models.rehearsal_words import changes_something, fit_rows, fit_words

WRAP_PX = 640


def _card(parent: Any) -> dict[str, Any]:
    return {
        "master": parent,
        "fg_color": theme.CARD,
        "border_color": theme.LINE,
        "border_width": 1,
        "corner_radius": theme.RADIUS,
    }


class SourceCard(ctk.CTkFrame):
    """Channels, a day or a number of messages, and the button that begins."""

    def __init__(
        self,
        parent: Any,
        start: Callable[[str, str, str], object],
        changed: Callable[[], object],
        make: Callable[..., Any],
    ) -> None:
        """`start(channel, how, text)`; `make` is theme.primary, or secondary where another button
        is more wanted."""
        super().__init__(**_card(parent))
        self._start, self._changed = start, changed
        self._texts = {BUSIEST: "", DAY: "", LAST: FIRST_LAST}
        self._was_typed = False
        self.grid_columnconfigure(3, weight=1)
        self.channel = Choice(self, [ALL_CHANNELS], lambda name: self._choose_channel(name))
        self.how = Choice(self, list(self._texts), self._choose_how, width=160)
        self.text = entry(self, width=110)
        self.text.bind("<KeyRelease>", lambda event: self._typed(), add="+")
        self.text.bind("<Return>", lambda event: self._begin(), add="+")
        self.why = theme.muted(self, "", wraplength=190)
        self.begin = reachable(make(self, "Rehearse", self._begin, width=110))
        Tooltip(
            self.begin,
            "Goes through what was said there as if it were said now, and keeps what it would have "
            "answered. Nothing is sent.",
        )
        for column, widget in ((0, self.channel), (1, self.how), (3, self.why)):
            left = theme.GAP if column else theme.PAD
            widget.grid(row=0, column=column, sticky="w", padx=(left, 0), pady=theme.GAP)
        self.begin.grid(row=0, column=4, padx=theme.PAD, pady=theme.GAP)

    @property
    def chosen(self) -> tuple[str, str, str]:
        """Channel, how, and what was typed."""
        return self.channel.get(), self.how.get(), self.text.get()

    def offer(self, channels: Sequence[str], day: str) -> None:
        """What can be chosen; `day` stands there until another one is typed."""
        if list(self.channel.cget("values")) != list(channels):
            self.channel.configure(values=list(channels))
        if self.channel.get() not in channels:
            self.channel.set(ALL_CHANNELS)
        if not self._was_typed and self._texts[DAY] != day:
            self._texts[DAY] = day
            self._fill()

    def show(self, why_not: str) -> None:
        """Why it cannot begin, "" where it can."""
        enable(self.begin, not why_not)
        short = why_not if len(why_not) < 60 else ""
        if self.why.cget("text") != short:
            self.why.configure(text=short)

    def _choose_channel(self, name: str) -> None:
        self.channel.set(name)
        self._changed()

    def _choose_how(self, how: str) -> None:
        self.how.set(how)
        self._fill()
        if how == BUSIEST:
            self.text.grid_forget()
        else:
            self.text.grid(row=0, column=2, padx=(theme.GAP, 0))
        self._changed()

    def _fill(self) -> None:
        self.text.delete(0, "end")
        self.text.insert(0, self._texts[self.how.get()])

    def _typed(self) -> None:
        self._texts[self.how.get()] = self.text.get()
        self._was_typed = True
        self._changed()

    def _begin(self) -> None:
        self._start(*self.chosen)


class FitCard(ctk.CTkFrame):
    """A table of now and then, and whether to have it so. Made anew for each fit."""

    def __init__(
        self,
        parent: Any,
        result: Mapping[str, Any],
        apply: Callable[[], object],
        leave: Callable[[], object],
    ) -> None:
        super().__init__(**_card(parent))
        self.grid_columnconfigure(0, weight=1)
        self.words = theme.label(self, fit_words(result), wraplength=WRAP_PX)
        self.words.grid(
            row=0, column=0, columnspan=3, sticky="w", padx=theme.PAD, pady=(theme.GAP, 0)
        )
        rows = fit_rows(result)
        columns = [Column(0.5, is_name=True), Column(0.25, anchor="e"), Column(0.25, anchor="e")]
        self.table = Cells(self, columns, rows=len(rows), heads=True)
        self.table.grid(row=1, column=0, sticky="ew", padx=theme.PAD, pady=theme.GAP)
        self.table.show(rows)
        self.apply = theme.primary(self, "Have it so", apply, width=100)
        self.leave = theme.secondary(self, "Leave it", leave, width=100)
        self.leave.grid(row=1, column=2, sticky="s", padx=(0, theme.PAD), pady=theme.GAP)
        if changes_something(result) and result.get("is_enough", True):
            self.apply.grid(row=1, column=1, sticky="s", padx=theme.GAP, pady=theme.GAP)

    def show(self, is_busy: bool) -> None:
        """Whether it is being applied."""
        enable(self.apply, not is_busy)
        enable(self.leave, not is_busy)
