"""A line that says what is being done, with a bar that moves and a button that leaves it off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.keyboard import reachable
from gui.ui_thread import UiThread

STEP_MS = 40


class Working(ctk.CTkFrame):
    """Takes its place in the parent's grid while it is shown. Tk's thread alone."""

    def __init__(self, parent: Any, ui: UiThread, stop: Callable[[], object], **place: Any) -> None:
        """`stop` is the button's work; `place` goes to `grid`."""
        super().__init__(parent, fg_color="transparent")
        self._ui = ui
        self._where = {"sticky": "ew", **place}
        self._end: Callable[[], None] | None = None
        self.grid_columnconfigure(0, weight=1)
        self.words = theme.muted(self, "")
        self.words.grid(row=0, column=0, sticky="w")
        self._bar = ctk.CTkProgressBar(
            self, mode="indeterminate", width=120, progress_color=theme.ACCENT
        )
        self._bar.grid(row=0, column=1, padx=theme.GAP)
        self.stop = reachable(theme.secondary(self, "Stop", stop, width=70))
        self.stop.grid(row=0, column=2)

    def show(self, words: str) -> None:
        """Say this; "" takes the line away."""
        if not words:
            self._rest()
            self.grid_forget()
            return
        self.words.configure(text=words)
        if self._end is None:
            self.grid(**self._where)
            # The bar's own clock outlives it where the window closes meanwhile.
            self._end = self._ui.every(STEP_MS, self._bar.step)

    def destroy(self) -> None:
        self._rest()
        super().destroy()

    def _rest(self) -> None:
        if self._end is not None:
            self._end()
            self._end = None
