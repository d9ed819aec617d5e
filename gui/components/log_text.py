"""Thousands of log lines in one `tk.Text` that holds only those around what is in sight.

    text = LogText(parent, model, ui)
    text.refresh()                # after each change of the model: new lines, another filter
    text.go_to(model.step(True, text.at))

What is loaded is a page of the model's shown lines (gui/components/log_page.py). At the end it
follows; elsewhere it stands still, whatever comes. Selecting is Tk's own. Tk's thread alone.
"""

from __future__ import annotations

import tkinter
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components import controls
from gui.components.log_page import CHUNK, HIT, LogPage
from gui.models.log_lines import DEBUG, ERROR, INFO, PRINTED, WARNING, rank_of
from gui.models.logs_model import LogsModel
from gui.ui_thread import UiThread

COLOURS = {
    DEBUG: theme.MUTED,
    INFO: theme.TEXT,
    WARNING: theme.WARN,
    ERROR: theme.BAD,
}
HIT_GROUND = ("#ffe28a", "#6b5600")
NOW = "now"
HIT_NOW_GROUND = ("#ff9f45", "#b35c00")
HIDDEN = "hidden"
PART_CHARS = 20
"""The width of the loggers' column; of a longer name the last part is in sight."""
PART_BEFORE = 50
"""It begins before this column."""


class Lines(LogPage):
    """Lines whose loggers' names keep to their column: what is cut is hidden, and still copied."""

    def _mark(self, begin: int, end: int) -> None:
        super()._mark(begin, end)
        begin = max(begin, self.begin)
        places: list[str] = []
        for line, row in enumerate(self._model.lines(begin, min(end, self.end)), start=1):
            surplus = len(row.part) - PART_CHARS
            if surplus > 0 and row.part != PRINTED and row.rank == rank_of(row.rank):
                at = row.text.find(row.part, 0, PART_BEFORE + len(row.part))
                if at >= 0:
                    number = begin - self.begin + line
                    places += [f"{number}.{at}", f"{number}.{at + surplus}"]
        if places:
            self._text.tag_add(HIDDEN, *places)


class LogText(ctk.CTkFrame):
    """The text with its two bars; `grid` it with sticky="nsew"."""

    def __init__(self, parent: Any, model: LogsModel, ui: UiThread) -> None:
        super().__init__(
            parent,
            fg_color=theme.CARD,
            border_color=theme.LINE,
            border_width=1,
            corner_radius=theme.RADIUS,
        )
        self._model = model
        self._ui = ui
        self._generation = -1
        self.follows = True
        """Whether the newest line is in sight and stays so."""
        self.at: int | None = None
        """The number of the hit that was gone to last."""
        self._filling = ""
        self._was_by_hand = False
        self.grid_columnconfigure(0, weight=1)
        self.grid_rowconfigure(0, weight=1)
        self.text = tkinter.Text(
            self,
            wrap="none",
            state="disabled",
            undo=False,
            relief="flat",
            borderwidth=0,
            highlightthickness=0,
            padx=8,
            pady=6,
            width=1,
            height=1,
            takefocus=True,
            cursor="xterm",
        )
        self.text.grid(row=0, column=0, sticky="nsew", padx=(2, 0), pady=(2, 0))
        bar = ctk.CTkScrollbar(self, command=self._scroll, width=14)
        bar.grid(row=0, column=1, sticky="ns", padx=(0, 2), pady=4)
        across = ctk.CTkScrollbar(
            self, command=self.text.xview, orientation="horizontal", height=14
        )
        across.grid(row=1, column=0, sticky="ew", padx=4, pady=(0, 2))
        self.text.configure(yscrollcommand=self._moved, xscrollcommand=controls.follow(across))
        self.text.tag_configure(HIDDEN, elide=True)
        self._page = Lines(self.text, model)
        self._set_bar = controls.follow(bar)
        self._listen()
        self._paint()

    # -- what is shown ------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show what the model shows now."""
        if self._generation != self._model.generation:
            self._generation = self._model.generation
            self.at = None
            self._page.load(self._model.end - CHUNK, self._model.end)
            self.text.yview_moveto(1.0)
            self.follows = True
        elif self.follows:
            self._append()
        self._show_place(*self.text.yview())

    def go_to_end(self) -> None:
        """Show the newest line, and follow."""
        end = self._model.end
        if self._page.end != end or not self.follows:
            self._page.load(end - CHUNK, end)
        self.follows = True
        self.text.yview_moveto(1.0)

    def go_to_start(self) -> None:
        """Show the oldest line."""
        self.follows = False
        self._page.load(self._model.first, self._model.first + CHUNK)
        self.text.yview_moveto(0.0)

    def go_to(self, number: int | None) -> None:
        """Bring a hit into sight and mark it; None: no line is marked."""
        self.at = number
        self.text.tag_remove(NOW, "1.0", "end")
        if number is None:
            return
        if not self._page.begin <= number < self._page.end:
            self._page.load(number - CHUNK // 2, number + CHUNK // 2)
        line = number - self._page.begin + 1
        columns = self._page.columns(line)
        self.follows = False
        self.text.yview(max(0, line - 1 - self._lines_in_sight() // 2))
        if columns:
            self.text.see(f"{line}.{columns[0][1]}")
            self.text.see(f"{line}.{columns[0][0]}")
            self.text.tag_add(NOW, *(f"{line}.{c}" for pair in columns for c in pair))

    def mark_hits(self) -> None:
        """What is searched has changed."""
        self.go_to(None)
        self._page.mark_all()

    def selected(self) -> str | None:
        """What the user selected: "" nothing, None everything that is shown."""
        ranges = self.text.tag_ranges("sel")
        if not ranges:
            return ""
        begin, end = (self.text.index(place) for place in (ranges[0], ranges[-1]))
        is_all = begin == "1.0" and self.text.compare(end, ">=", "end - 1 chars")
        return None if is_all else self.text.get(begin, end)

    def _append(self) -> None:
        """What is new at the end, which stays in sight."""
        count = self._model.end - self._page.end
        if count >= CHUNK:
            self._page.load(self._model.end - CHUNK, self._model.end)
        elif count > 0:
            self._page.load_below(count)
        else:
            return
        self.text.yview_moveto(1.0)

    # -- places ---------------------------------------------------------------------------------

    def _moved(self, above: Any, below: Any) -> None:
        """Tk tells what part of the loaded lines is in sight."""
        self._show_place(float(above), float(below))
        self._soon()

    def _by_hand(self, event: object = None) -> None:
        """The user moves: whether they move to the end is seen when Tk has moved."""
        self._was_by_hand = True
        self._soon()

    def _soon(self) -> None:
        if not self._filling:
            self._filling = self._ui.after(1, self._settle)

    def _settle(self) -> None:
        self._filling = ""
        if self._was_by_hand:
            self._was_by_hand = False
            self.follows = self.text.yview()[1] >= 0.9999 and self._page.end >= self._model.end
        if self.follows:
            self.text.yview_moveto(1.0)
        else:
            self._page.fill()

    def _show_place(self, above: float, below: float) -> None:
        """The bar is for all shown lines, not for the loaded ones alone."""
        first, loaded = self._model.first, self._page.loaded
        total = max(1, self._model.end - first)
        place = (self._page.begin - first + above * loaded) / total
        size = min(1.0, (below - above) * loaded / total)
        place = min(max(place, 0.0), 1.0 - size)
        self._set_bar(place, 1.0 if self.follows else place + size)

    def _scroll(self, action: str, amount: Any, what: str = "units") -> None:
        """The bar is dragged, or the wheel turned over it."""
        if action != "moveto":
            self.text.yview(action, amount, what)
            self._by_hand()
            return
        self.follows = False
        first = self._model.first
        number = first + round(max(0.0, float(amount)) * (self._model.end - first))
        in_sight = self._lines_in_sight()
        if number + in_sight >= self._model.end:
            self.go_to_end()
            return
        if number < self._page.begin or number + in_sight > self._page.end:
            self._page.load(number - CHUNK // 2, number + CHUNK // 2)
        self.text.yview(max(0, number - self._page.begin))

    def _lines_in_sight(self) -> int:
        above, below = self.text.yview()
        return round((below - above) * (self._page.loaded))

    # -- keys and looks -------------------------------------------------------------------------

    def _listen(self) -> None:
        text = self.text
        for key, amount, what in (
            ("Up", -1, "units"),
            ("Down", 1, "units"),
            ("Prior", -1, "pages"),
            ("Next", 1, "pages"),
        ):
            text.bind(f"<{key}>", lambda _, n=amount, w=what: self._step(n, w))  # type: ignore[misc]
        for key in ("Home", "Control-Home"):
            text.bind(f"<{key}>", lambda _: self._then(self.go_to_start))
        for key in ("End", "Control-End"):
            text.bind(f"<{key}>", lambda _: self._then(self.go_to_end))
        text.bind("<<SelectAll>>", lambda _: self._then(self.select_all))
        text.bind("<Control-a>", lambda _: self._then(self.select_all))
        text.bind("<FocusIn>", lambda _: self.configure(border_color=theme.ACCENT))
        text.bind("<FocusOut>", lambda _: self.configure(border_color=theme.LINE))
        for event in ("MouseWheel", "Button-4", "Button-5", "B1-Motion", "B2-Motion"):
            text.bind(f"<{event}>", self._by_hand)
        text.bind("<Configure>", lambda _: self._soon())
        text.bind("<ButtonPress-1>", lambda _: text.focus_set(), add="+")

    def select_all(self) -> None:
        """Everything that is shown; `selected` is None then."""
        self.text.tag_add("sel", "1.0", "end")

    def _step(self, amount: int, what: str) -> str:
        self.text.yview("scroll", amount, what)
        self._by_hand()
        return "break"

    def _then(self, call: Any) -> str:
        call()
        return "break"

    def destroy(self) -> None:
        self._ui.cancel(self._filling)
        super().destroy()

    def _set_appearance_mode(self, mode_string: str) -> None:
        super()._set_appearance_mode(mode_string)
        self._paint()

    def _set_scaling(self, *args: Any, **kwargs: Any) -> None:
        super()._set_scaling(*args, **kwargs)
        self._paint()

    def _paint(self) -> None:
        """Colours and font as theme and scaling are now."""
        colour = self._apply_appearance_mode
        self.text.configure(
            font=self._apply_font_scaling(theme.font("mono")),
            background=colour(theme.CARD),
            foreground=colour(theme.TEXT),
            selectbackground=colour(theme.ACCENT),
            selectforeground=colour(theme.ON_ACCENT),
            inactiveselectbackground=colour(theme.ACCENT),
        )
        for rank, pair in COLOURS.items():
            self.text.tag_configure(str(rank), foreground=colour(pair))
        self.text.tag_configure(HIT, background=colour(HIT_GROUND), foreground=colour(theme.TEXT))
        self.text.tag_configure(
            NOW, background=colour(HIT_NOW_GROUND), foreground=colour(theme.TEXT)
        )
        self.text.tag_raise(NOW)
        self.text.tag_raise("sel")
