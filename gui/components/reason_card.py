"""A card on the page Models: what speaks against a version, and taking it on oneself that it
answers all the same, with a reason that is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.controls import entry
from gui.components.enabling import enable
from gui.components.keyboard import reachable

WRAP_PX = 470


@dataclass(frozen=True)
class Words:
    """What it asks with."""

    button: str
    ask: str
    """With {} where the version's name goes."""
    example: str
    yes: str


TAINTED = Words(
    button="Use it all the same...",
    ask="Why may {} answer until it is retrained? It is kept with your name and the date.",
    example='Such as "retrained on Sunday"',
    yes="Let it answer",
)
NOT_PASSED = Words(
    button="Deploy all the same...",
    ask="Why may {} answer although it has not passed? It is kept with your name and the date.",
    example='Such as "for the test server"',
    yes="Deploy it",
)


class ReasonCard(ctk.CTkFrame):
    """Takes its place in the parent's grid while it has something to say. Tk's thread alone."""

    def __init__(
        self, parent: Any, words: Words, use: Callable[[str, str], object], **place: Any
    ) -> None:
        """`use` gets a version and the reason that was typed; `place` goes to `grid`."""
        super().__init__(
            parent,
            fg_color=theme.CARD,
            border_color=theme.WARN,
            border_width=1,
            corner_radius=theme.RADIUS,
        )
        self._asks, self._use = words, use
        self._place = {"sticky": "ew", **place}
        self._version = self._asked = ""
        self._is_free = True
        self.grid_columnconfigure(0, weight=1)
        self._words = theme.label(self, "", wraplength=WRAP_PX)
        self._words.grid(row=0, column=0, sticky="w", padx=theme.PAD, pady=theme.GAP)
        self.use = reachable(theme.secondary(self, words.button, self._ask, width=160))
        self.use.grid(row=0, column=1, padx=theme.PAD, pady=theme.GAP)
        self._asking = ctk.CTkFrame(self, fg_color="transparent")
        self._asking.grid_columnconfigure(0, weight=1)
        self._question = theme.label(self._asking, "", wraplength=WRAP_PX + 150)
        self._question.grid(row=0, column=0, columnspan=3, sticky="w")
        self.why = entry(self._asking, words.example)
        self.why.grid(row=1, column=0, sticky="ew")
        for event_name in ("<Key>", "<<Paste>>", "<<Cut>>"):  # they come before the field changes
            self.why.bind(event_name, lambda event: self.after_idle(self._show_yes), add="+")
        self.yes = theme.danger(self._asking, words.yes, self._answered, width=110)
        self.no = theme.secondary(self._asking, "Cancel", self._close, width=80)
        for column, button in enumerate((self.yes, self.no), start=1):
            reachable(button).grid(row=1, column=column, padx=(theme.GAP, 0))

    def show(self, words: str, version: str, is_free: bool) -> None:
        """Say this, "" takes the card away; `version` is the one that the button is for, "" where
        there is none; `is_free`: whether something can be done now."""
        self._version, self._is_free = version, is_free
        if self._asked not in ("", version) or not words:
            self._close()
        enable(self.use, is_free and bool(version))
        self._show_yes()
        if not words:
            self.grid_forget()
            return
        if self._words.cget("text") != words:
            self._words.configure(text=words)
        if not self.winfo_manager():
            self.grid(**self._place)

    @property
    def words(self) -> str:
        """What it says now."""
        return str(self._words.cget("text")) if self.winfo_manager() else ""

    def _ask(self) -> None:
        self._asked = self._version
        self._question.configure(text=self._asks.ask.format(self._asked))
        self._show_yes()
        self._asking.grid(
            row=1, column=0, columnspan=2, sticky="ew", padx=theme.PAD, pady=(0, theme.GAP)
        )
        self.why.focus_set()

    def _show_yes(self) -> None:
        if self.winfo_exists():
            enable(self.yes, self._is_free and bool(self.why.get().strip()))

    def _answered(self) -> None:
        version, why = self._asked, self.why.get().strip()
        self._close()
        self._use(version, why)

    def _close(self) -> None:
        self._asked = ""
        self.why.delete(0, "end")
        self._asking.grid_forget()
