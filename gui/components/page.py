"""What every page of the window is: a frame with a title, made when it is opened and destroyed when
it is left, so that the pages that are not in sight cost no memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import customtkinter as ctk

from gui import theme
from gui.app_model import AppModel, Topic


class Shell(Protocol):
    """What a page may ask of the window around it."""

    def open_page(self, name: str) -> None:
        """Leave this page for another one."""

    def show_error(
        self, what: str, why: str, mend: str = "", act: Callable[[], object] | None = None
    ) -> None:
        """A card above the page: what happened, why, and a button that mends it."""

    def confirm(
        self, question: str, yes: str, act: Callable[[], object], details: str = ""
    ) -> None:
        """Ask before something that cannot be taken back; `details` stand below the question."""

    def notify(self, text: str) -> None:
        """A line that goes by itself."""


class Page(ctk.CTkFrame):
    """One page. Subclasses build their widgets in `build` and may watch the model there."""

    title = ""

    def __init__(self, parent: Any, app: AppModel, shell: Shell) -> None:
        super().__init__(parent, fg_color="transparent")
        self.app = app
        self.shell = shell
        self._ends: list[Callable[[], object]] = []
        self.grid_columnconfigure(0, weight=1)
        theme.label(self, self.title, "title").grid(
            row=0, column=0, sticky="ew", padx=theme.PAD, pady=(theme.PAD, theme.GAP)
        )
        self.body = ctk.CTkFrame(self, fg_color="transparent")
        self.body.grid(row=1, column=0, sticky="nsew", padx=theme.PAD, pady=(0, theme.PAD))
        self.grid_rowconfigure(1, weight=1)
        self.build()

    def build(self) -> None:
        """Make the widgets in `self.body`."""

    def watch(self, topic: Topic, call: Callable[[Any], object]) -> None:
        """Watch the model until the page is left."""
        self._ends.append(self.app.watch(topic, call))

    def every(self, interval_ms: int, call: Callable[[], object]) -> None:
        """Call again and again until the page is left."""
        self._ends.append(self.app.ui.every(interval_ms, call))

    def at_end(self, call: Callable[[], object]) -> None:
        """Call when the page is left."""
        self._ends.append(call)

    def may_leave(self, go_on: Callable[[], object]) -> bool:
        """Whether the page may be left now; one with unsaved changes asks, and calls `go_on`."""
        return True

    def leave(self) -> None:
        """End what the page watches and destroy it."""
        for end in self._ends:
            end()
        self._ends.clear()
        self.destroy()

    @property
    def is_alive(self) -> bool:
        """Whether it is still there: an answer may come after the page was left."""
        return bool(self.winfo_exists())
