"""Rehearsal: where the bot would have spoken, what, and why; its owner says what of it is right."""

from __future__ import annotations

from gui import theme
from gui.components.page import Page
from gui.components.rehearsal_view import RehearsalView
from gui.components.scroll_area import ScrollArea


class RehearsalPage(Page):
    """The view in the room of a page, its actions in the row of the title."""

    title = "Rehearsal"

    def build(self) -> None:
        self.body.grid_columnconfigure(0, weight=1)
        self.body.grid_rowconfigure(0, weight=1)
        area = ScrollArea(self.body)
        area.grid(row=0, column=0, sticky="nsew")
        area.inner.grid_columnconfigure(0, weight=1)
        area.inner.grid_rowconfigure(0, weight=1)
        self.view = RehearsalView(area.inner, self.app, self.shell, self.shell.show_error)
        self.view.grid(row=0, column=0, sticky="nsew")
        self.model = self.view.model
        actions = self.view.make_actions(self)
        actions.grid(row=0, column=0, sticky="e", padx=theme.PAD, pady=(theme.PAD, theme.GAP))
        actions.lower(self.body)  # Tab comes here first
