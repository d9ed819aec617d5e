"""The row in the logs window that searches: words, which hit of how many, next and previous."""

from __future__ import annotations

from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components import controls
from gui.components.keyboard import reachable
from gui.components.log_text import LogText
from gui.models.logs_model import LogsModel
from gui.ui_thread import UiThread

TYPED_MS = 150


class LogSearch(ctk.CTkFrame):
    """Grid it, then `close` it: `open` brings it back."""

    def __init__(self, parent: Any, model: LogsModel, shown: LogText, ui: UiThread) -> None:
        super().__init__(parent, fg_color="transparent")
        self._model = model
        self._shown = shown
        self._ui = ui
        self._timer = ""
        self.is_open = False
        self.grid_columnconfigure(0, weight=1)
        self.words = controls.entry(self, "Search in the shown lines")
        self.words.grid(row=0, column=0, sticky="ew")
        self.count = theme.muted(self, "", width=110)
        self.count.grid(row=0, column=1, padx=theme.GAP)
        buttons = (
            ("Previous", lambda: self.step(False)),
            ("Next", lambda: self.step(True)),
            ("Close", self.close),
        )
        for column, (text, act) in enumerate(buttons, start=2):
            button = reachable(theme.secondary(self, text, act, width=72))
            button.grid(row=0, column=column, padx=(theme.GAP if column > 2 else 0, 0))
        for event in ("<Key>", "<<Paste>>", "<<Cut>>"):
            self.words.bind(event, self._typed, add="+")
        for key, forwards in (("Return", True), ("KP_Enter", True), ("Shift-Return", False)):
            self.words.bind(f"<{key}>", lambda _, forwards=forwards: self.step(forwards))

    def open(self) -> None:
        """Show the row, and search for what stands there."""
        self.is_open = True
        self.grid()
        self.words.focus_set()
        self.words.select_range(0, "end")
        self.search()

    def close(self) -> None:
        """Search for nothing."""
        self.is_open = False
        self.grid_remove()
        self._model.search("")
        self._shown.mark_hits()
        self._shown.text.focus_set()

    def search(self) -> None:
        """Look for what is typed now."""
        self._timer = ""
        if not self.is_open:
            return
        self._model.search(self.words.get())
        self._shown.mark_hits()
        self.refresh()

    def step(self, forwards: bool) -> str:
        """To the next hit or the previous one; what is typed and not searched yet counts."""
        if not self.is_open:
            self.open()
        if self.words.get().lower() != self._model.words_searched:
            self.search()
        at = self._shown.at
        self._shown.go_to(self._model.step(forwards, at))
        self.refresh()
        return "break"

    def refresh(self) -> None:
        """Say how many there are."""
        hits = len(self._model.hits)
        if not self._model.words_searched:
            words = ""
        elif not hits:
            words = "Not found"
        elif self._shown.at is None:
            words = f"{hits:,} lines" if hits > 1 else "1 line"
        else:
            words = f"{self._model.place_of(self._shown.at):,} of {hits:,}"
        self.count.configure(text=words)

    def destroy(self) -> None:
        self._ui.cancel(self._timer)
        super().destroy()

    def _typed(self, event: Any) -> None:
        if event.keysym in ("Return", "KP_Enter", "Escape", "F3", "Tab", "Shift_L", "Shift_R"):
            return
        self._ui.cancel(self._timer)
        self._timer = self._ui.after(TYPED_MS, self.search)
