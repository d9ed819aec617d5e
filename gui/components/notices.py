"""Cards above a page: errors with what, why and a mending button; questions; short lines.

Escape takes the newest away. A question gets the focus, on "No"; the focus goes back afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from tkinter import TclError
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.ui_thread import UiThread

LINE_MS = 5_000
MOST_CARDS = 3
FIRST_WRAP = 420
"""Width of the lines until the card's own is known."""
LEAST_WRAP = 160


class Notices(ctk.CTkFrame):
    """The place for cards; takes no room while there are none."""

    def __init__(self, parent: Any, ui: UiThread) -> None:
        super().__init__(parent, fg_color="transparent", height=0)
        self._ui = ui
        self._cards: list[Any] = []
        self._before: dict[Any, Any] = {}
        self.grid_columnconfigure(0, weight=1)
        self.winfo_toplevel().bind("<Escape>", self._drop_newest, add="+")

    def error(
        self, what: str, why: str, mend: str = "", act: Callable[[], object] | None = None
    ) -> None:
        """What happened, why, and what a button does about it."""
        card = self._card(theme.BAD)
        said = theme.label(card, what, "bold", text_color=theme.BAD, wraplength=FIRST_WRAP)
        said.grid(row=0, column=0, sticky="w", padx=theme.PAD, pady=(theme.GAP, 0))
        reason = theme.label(card, why, wraplength=FIRST_WRAP)
        reason.grid(row=1, column=0, sticky="w", padx=theme.PAD, pady=(0, theme.GAP))
        if act is not None:
            self._button(card, theme.primary, mend, act, 1)
        self._button(card, theme.secondary, "Close", lambda: None, 2)
        _Wrap(card, said, reason)

    def question(
        self, question: str, yes: str, act: Callable[[], object], details: str = ""
    ) -> None:
        """Asks; `act` only when `yes` is pressed."""
        card = self._card(theme.WARN)
        asked = theme.label(card, question, "bold", wraplength=FIRST_WRAP)
        labels = [asked]
        if details:
            asked.grid(row=0, column=0, sticky="w", padx=theme.PAD, pady=(theme.GAP, 0))
            labels.append(theme.label(card, details, wraplength=FIRST_WRAP))
            labels[1].grid(row=1, column=0, sticky="w", padx=theme.PAD, pady=(0, theme.GAP))
        else:
            asked.grid(row=0, column=0, rowspan=2, sticky="w", padx=theme.PAD, pady=theme.PAD)
        self._button(card, theme.danger, yes, act, 1)
        no = self._button(card, theme.secondary, "No", lambda: None, 2)
        _Wrap(card, *labels)
        # Later: who asks may only now bring the window into sight, which takes the focus.
        self._ui.after(1, lambda: self._focus_on(no))

    def line(self, text: str) -> None:
        """A line that goes by itself after five seconds."""
        card = self._card(theme.LINE)
        told = theme.label(card, text, wraplength=FIRST_WRAP)
        told.grid(row=0, column=0, sticky="w", padx=theme.PAD, pady=theme.GAP)
        _Wrap(card, told)
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
        self._before[card] = self._focused()
        return card

    def _button(
        self, card: Any, make: Callable[..., Any], text: str, act: Callable[[], object], column: int
    ) -> Any:
        def pressed() -> None:
            self._drop(card)
            act()

        made = make(card, text, pressed, width=90)
        made.grid(row=0, column=column, rowspan=2, padx=(0, theme.PAD), pady=theme.GAP)
        return made

    def _focus_on(self, button: Any) -> None:
        with suppress(TclError):  # it has been pressed already
            if button.winfo_exists():
                button._canvas.focus_set()

    def _focused(self) -> Any:
        with suppress(KeyError, TclError):  # a part of Tk's own that tkinter does not know
            return self.focus_get()
        return None

    def _drop_newest(self, event: object = None) -> None:
        if self._cards:
            self._drop(self._cards[-1])

    def _drop(self, card: Any) -> None:
        if card in self._cards:
            self._cards.remove(card)
            self._give_focus_back(card, self._before.pop(card, None))
            card.destroy()
        if not self._cards:
            self.configure(height=1)

    def _give_focus_back(self, card: Any, before: Any) -> None:
        """To where it was when the card came, if it is on the card now."""
        if not str(self._focused() or "").startswith(f"{card}."):
            return
        with suppress(TclError):
            is_there = before is not None and before.winfo_exists() and before.winfo_viewable()
            (before if is_there else self.winfo_toplevel()).focus_set()


class _Wrap:
    """Wraps a card's words at the width that its buttons leave."""

    def __init__(self, card: Any, *labels: Any) -> None:
        self._card = card
        self._labels = labels
        self._last = 0
        card.bind("<Configure>", self._fit, add="+")

    def _fit(self, event: Any) -> None:
        buttons = [slave for slave in self._card.grid_slaves() if slave not in self._labels]
        scaling = self._card._get_widget_scaling()
        taken = sum(button.winfo_reqwidth() / scaling + theme.PAD for button in buttons)
        # Its own border and the padding of CustomTkinter's label come on top of ours.
        wrap = max(LEAST_WRAP, int(event.width / scaling - taken - 2 * theme.PAD - 2 * theme.GAP))
        if wrap != self._last:
            self._last = wrap
            for label in self._labels:
                label.configure(wraplength=wrap)
