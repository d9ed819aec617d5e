"""The window: a bar of pages at the left, the bot's state below it, one page at the right.

Tk's thread alone. Pages are made when they are opened (gui/components/page.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import customtkinter as ctk

from gui import pages, theme
from gui.app_model import AppModel
from gui.components.keyboard import reachable
from gui.components.notices import Notices
from gui.components.page import Page
from gui.snapshot import Snapshot
from gui.state_words import colour_of, words_for

SMALLEST = (900, 600)
BAR_WIDTH = 168

Acts = Mapping[str, Callable[[], object]]
"""What else the bar offers, by the words on the button."""


class MainWindow(ctk.CTkFrame):
    """Everything in the root window. A `Shell` to its pages."""

    def __init__(self, root: ctk.CTk, app: AppModel, acts: Acts) -> None:
        super().__init__(root, fg_color=theme.GROUND, corner_radius=0)
        self._window = root
        self._app = app
        self._buttons: dict[str, ctk.CTkButton] = {}
        self.page: Page | None = None
        self.page_name = ""
        self.grid_columnconfigure(1, weight=1)
        self.grid_rowconfigure(0, weight=1)
        self._make_bar(acts)
        self._place = ctk.CTkFrame(self, fg_color="transparent", corner_radius=0)
        self._place.grid(row=0, column=1, sticky="nsew")
        self._place.grid_columnconfigure(0, weight=1)
        self._place.grid_rowconfigure(1, weight=1)
        self.notices = Notices(self._place, app.ui)
        self.notices.grid(row=0, column=0, sticky="ew")
        app.watch("snapshot", self._show_state)
        self._show_state(app.snapshot)

    # -- what pages ask (gui.components.page.Shell) ---------------------------------------------

    def open_page(self, name: str) -> None:
        """Show a page; the one before is destroyed, unless it has something to be saved."""
        if self.page is not None:
            if not self.page.may_leave(lambda: self.open_page(name)):
                return
            self.page.leave()
        self.notices.clear()
        self.page_name = name
        self.page = pages.page_class(name)(self._place, self._app, self)
        self.page.grid(row=1, column=0, sticky="nsew")
        for title, button in self._buttons.items():
            chosen = title == name
            button.configure(
                fg_color=theme.HOVER if chosen else "transparent",
                font=theme.font("bold" if chosen else "body"),
            )

    def show_error(
        self, what: str, why: str, mend: str = "", act: Callable[[], object] | None = None
    ) -> None:
        self.notices.error(what, why, mend, act)

    def confirm(
        self, question: str, yes: str, act: Callable[[], object], details: str = ""
    ) -> None:
        self.notices.question(question, yes, act, details)

    def notify(self, text: str) -> None:
        self.notices.line(text)

    # -- the bar ------------------------------------------------------------------------------

    def _make_bar(self, acts: Acts) -> None:
        bar = ctk.CTkFrame(self, width=BAR_WIDTH, fg_color=theme.CARD, corner_radius=0)
        bar.grid(row=0, column=0, sticky="ns")
        bar.grid_propagate(False)
        bar.grid_columnconfigure(0, weight=1)
        theme.label(bar, "Mynah", "title").grid(
            row=0, column=0, sticky="w", padx=theme.PAD, pady=theme.PAD
        )
        for row, name in enumerate(pages.PAGES, start=1):
            opens = partial(self.open_page, name)
            self._buttons[name] = self._bar_button(bar, name, row, opens)
            self._window.bind(f"<Alt-Key-{row}>", lambda event, opens=opens: opens())
        bar.grid_rowconfigure(len(pages.PAGES) + 1, weight=1)
        for row, (words, act) in enumerate(acts.items(), start=len(pages.PAGES) + 2):
            self._bar_button(bar, words, row, act)
        self._state = theme.label(bar, "", "small", wraplength=BAR_WIDTH - 2 * theme.PAD)
        last = len(pages.PAGES) + len(acts) + 2
        self._state.grid(row=last, column=0, sticky="ew", padx=theme.PAD, pady=theme.PAD)

    def _bar_button(
        self, bar: ctk.CTkFrame, words: str, row: int, act: Callable[[], object]
    ) -> ctk.CTkButton:
        button = ctk.CTkButton(
            bar,
            text=words,
            anchor="w",
            fg_color="transparent",
            hover_color=theme.HOVER,
            text_color=theme.TEXT,
            font=theme.font(),
            command=act,
        )
        button.grid(row=row, column=0, sticky="ew", padx=theme.GAP, pady=2)
        reachable(button)
        return button

    def _show_state(self, snapshot: Snapshot) -> None:
        self._state.configure(text=f"\u25cf {words_for(snapshot)}", text_color=colour_of(snapshot))

    def buttons(self) -> dict[str, Any]:
        """The bar's buttons by page, for tests."""
        return dict(self._buttons)
