"""The rows above and below the lines of the logs window: which are shown, and what is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components import controls
from gui.components.keyboard import reachable
from gui.components.tooltip import Tooltip
from gui.models.logs_model import LEVELS, PARTS, Narrowing
from gui.ui_thread import UiThread

TYPED_MS = 150
"""A filter counts when nothing is typed for so long."""
SAID_MS = 5_000

Act = tuple[str, Callable[[], object], str]
"""A button's words, what it does, and its tooltip."""


class LogFilter(ctk.CTkFrame):
    """Level, part and words. `changed` is called after each change of the user's."""

    def __init__(
        self,
        parent: Any,
        ui: UiThread,
        changed: Callable[[], object],
        search: Callable[[], object],
    ) -> None:
        super().__init__(parent, fg_color="transparent")
        self._ui = ui
        self._changed = changed
        self._timer = ""
        self.grid_columnconfigure(2, weight=1)
        self.level = controls.menu(self, list(LEVELS), lambda _: changed(), width=170)
        self.part = controls.menu(self, list(PARTS), lambda _: changed(), width=160)
        self.words = controls.entry(self, "Only lines with these words")
        for event in ("<Key>", "<<Paste>>", "<<Cut>>"):
            self.words.bind(event, self._typed, add="+")
        self.find = _button(self, ("Search", search, "Ctrl+F"))
        for column, widget in enumerate((self.level, self.part, self.words, self.find)):
            widget.grid(row=0, column=column, sticky="ew", padx=(theme.GAP if column else 0, 0))

    def narrowing(self) -> Narrowing:
        """What is chosen now."""
        words = self.words.get().strip().lower()
        return Narrowing(LEVELS[self.level.get()], PARTS[self.part.get()], words)

    def destroy(self) -> None:
        self._ui.cancel(self._timer)
        super().destroy()

    def _typed(self, event: object) -> None:
        self._ui.cancel(self._timer)
        self._timer = self._ui.after(TYPED_MS, self._changed)


class LogFoot(ctk.CTkFrame):
    """Counts at the left, buttons at the right."""

    def __init__(self, parent: Any, ui: UiThread, acts: Sequence[Act]) -> None:
        super().__init__(parent, fg_color="transparent")
        self._ui = ui
        self._timer = ""
        self.grid_columnconfigure(1, weight=1)
        self.counts = theme.muted(self)
        self.counts.grid(row=0, column=0, sticky="w")
        self.said = theme.muted(self)
        self.said.grid(row=0, column=1, sticky="w", padx=theme.PAD)
        self.buttons: dict[str, Any] = {}
        for column, act in enumerate(acts, start=2):
            self.buttons[act[0]] = _button(self, act)
            self.buttons[act[0]].grid(row=0, column=column, padx=(theme.GAP, 0))

    def say(self, sentence: str) -> None:
        """For five seconds, beside the counts."""
        if self.winfo_exists():
            self._ui.cancel(self._timer)
            self.said.configure(text=sentence)
            self._timer = self._ui.after(SAID_MS, lambda: self.said.configure(text=""))

    def destroy(self) -> None:
        self._ui.cancel(self._timer)
        super().destroy()


def count_of(count: int, what: str) -> str:
    """ "1 line", "12,000 lines"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _button(parent: Any, act: Act) -> Any:
    text, command, tip = act
    width = 100 if len(text) > 8 else 72
    made = reachable(theme.secondary(parent, text, command, width=width))
    Tooltip(made, tip)
    return made
