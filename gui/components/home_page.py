"""Home: how the bot is, and what makes it start and stop."""

from __future__ import annotations

from gui import theme
from gui.components.page import Page
from gui.snapshot import Snapshot
from gui.state_words import words_for


class HomePage(Page):
    """State and buttons."""

    title = "Home"

    def build(self) -> None:
        self.state = theme.label(self.body, "", "heading")
        self.state.grid(row=0, column=0, sticky="w")
        self.start = theme.primary(self.body, "Start", self.app.supervisor.start)
        self.start.grid(row=1, column=0, sticky="w", pady=theme.GAP)
        self.stop = theme.secondary(self.body, "Stop", self.app.supervisor.stop)
        self.stop.grid(row=1, column=1, sticky="w", padx=theme.GAP)
        self.watch("snapshot", self._show)
        self._show(self.app.snapshot)

    def _show(self, snapshot: Snapshot) -> None:
        self.state.configure(text=f"{words_for(snapshot)} {snapshot.reason}")
