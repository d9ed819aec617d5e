"""The window: a bar of pages at the left, the bot's state below it, one page at the right.

Tk's thread alone. Pages are made when they are opened (gui/components/page.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.app_model import AppModel
from gui.components.notices import Notices
from gui.components.page import Page
from gui.snapshot import Snapshot
from gui.state_words import colour_of, words_for

SMALLEST = (900, 600)
BAR_WIDTH = 168

Pages = Mapping[str, type[Page]]
"""By the name that stands in the bar, in its order."""


class MainWindow(ctk.CTkFrame):
    """Everything in the root window. A `Shell` to its pages."""

    def __init__(self, root: ctk.CTk, app: AppModel, pages: Pages) -> None:
        super().__init__(root, fg_color=theme.GROUND, corner_radius=0)
        self._window = root
        self._app = app
        self._pages = pages
        self._buttons: dict[str, ctk.CTkButton] = {}
        self.page: Page | None = None
        self.page_name = ""
        self.grid_columnconfigure(1, weight=1)
        self.grid_rowconfigure(0, weight=1)
        self._make_bar()
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
        """Show a page; the one before is destroyed."""
        if self.page is not None:
            self.page.leave()
        self.notices.clear()
        self.page_name = name
        self.page = self._pages[name](self._place, self._app, self)
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

    def confirm(self, question: str, yes: str, act: Callable[[], object]) -> None:
        self.notices.question(question, yes, act)

    def notify(self, text: str) -> None:
        self.notices.line(text)

    # -- the bar ------------------------------------------------------------------------------

    def _make_bar(self) -> None:
        bar = ctk.CTkFrame(self, width=BAR_WIDTH, fg_color=theme.CARD, corner_radius=0)
        bar.grid(row=0, column=0, sticky="ns")
        bar.grid_propagate(False)
        bar.grid_columnconfigure(0, weight=1)
        theme.label(bar, "Mynah", "title").grid(
            row=0, column=0, sticky="w", padx=theme.PAD, pady=theme.PAD
        )
        for row, name in enumerate(self._pages, start=1):
            button = ctk.CTkButton(
                bar,
                text=name,
                anchor="w",
                fg_color="transparent",
                hover_color=theme.HOVER,
                text_color=theme.TEXT,
                font=theme.font(),
                command=lambda name=name: self.open_page(name),
            )
            button.grid(row=row, column=0, sticky="ew", padx=theme.GAP, pady=2)
            self._buttons[name] = button
            if row < 10:
                self._window.bind(f"<Alt-Key-{row}>", lambda _, name=name: self.open_page(name))
        bar.grid_rowconfigure(len(self._pages) + 1, weight=1)
        self._state = theme.label(bar, "", "small", wraplength=BAR_WIDTH - 2 * theme.PAD)
        self._state.grid(
            row=len(self._pages) + 2, column=0, sticky="ew", padx=theme.PAD, pady=theme.PAD
        )

    def _show_state(self, snapshot: Snapshot) -> None:
        self._state.configure(text=f"\u25cf {words_for(snapshot)}", text_color=colour_of(snapshot))

    def buttons(self) -> dict[str, Any]:
        """The bar's buttons by page, for tests."""
        return dict(self._buttons)
