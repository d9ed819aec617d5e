"""Cards above a page: errors with what, why and a mending button; questions; short lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.ui_thread import UiThread

LINE_MS = 5_000
MOST_CARDS = 3
WRAP = 420


class Notices(ctk.CTkFrame):
    """The place for cards; takes no room while there are none."""

    def __init__(self, parent: Any, ui: UiThread) -> None:
        super().__init__(parent, fg_color="transparent", height=0)
        self._ui = ui
        self._cards: list[Any] = []
        self.grid_columnconfigure(0, weight=1)

    def error(
        self, what: str, why: str, mend: str = "", act: Callable[[], object] | None = None
    ) -> None:
        """What happened, why, and what a button does about it."""
        card = self._card(theme.BAD)
        theme.label(card, what, "bold", text_color=theme.BAD, wraplength=WRAP).grid(
            row=0, column=0, sticky="w", padx=theme.PAD, pady=(theme.GAP, 0)
        )
        theme.label(card, why, wraplength=WRAP).grid(
            row=1, column=0, sticky="w", padx=theme.PAD, pady=(0, theme.GAP)
        )
        if act is not None:
            self._button(card, theme.primary, mend, act, 1)
        self._button(card, theme.secondary, "Close", lambda: None, 2)

    def question(self, question: str, yes: str, act: Callable[[], object]) -> None:
        """Asks; `act` only when `yes` is pressed."""
        card = self._card(theme.WARN)
        theme.label(card, question, "bold", wraplength=WRAP).grid(
            row=0, column=0, rowspan=2, sticky="w", padx=theme.PAD, pady=theme.PAD
        )
        self._button(card, theme.danger, yes, act, 1)
        self._button(card, theme.secondary, "No", lambda: None, 2)

    def line(self, text: str) -> None:
        """A line that goes by itself after five seconds."""
        card = self._card(theme.LINE)
        theme.label(card, text, wraplength=WRAP).grid(
            row=0, column=0, sticky="w", padx=theme.PAD, pady=theme.GAP
        )
        self._ui.after(LINE_MS, lambda: self._drop(card))

    def clear(self) -> None:
        """Take all cards away."""
        for card in list(self._cards):
            self._drop(card)

    def _card(self, colour: Any) -> Any:
        while len(self._cards) >= MOST_CARDS:
            self._drop(self._cards[0])
        card = theme.card(self, border_color=colour)
        card.grid_columnconfigure(0, weight=1)
        card.pack(fill="x", padx=theme.PAD, pady=(theme.PAD, 0))
        self._cards.append(card)
        return card

    def _button(
        self, card: Any, make: Callable[..., Any], text: str, act: Callable[[], object], column: int
    ) -> None:
        def pressed() -> None:
            self._drop(card)
            act()

        make(card, text, pressed, width=90).grid(
            row=0, column=column, rowspan=2, padx=(0, theme.PAD), pady=theme.GAP
        )

    def _drop(self, card: Any) -> None:
        if card in self._cards:
            self._cards.remove(card)
            card.destroy()
        if not self._cards:
            self.configure(height=1)
