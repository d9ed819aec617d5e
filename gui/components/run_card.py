"""A card for something long: what it is and how far, a bar, and buttons for it."""

from __future__ import annotations

from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.keyboard import reachable

WRAP_PX = 430
BAR_PX = 3


class RunCard(ctk.CTkFrame):
    """Takes its place in the parent's grid while it has something to say. Tk's thread alone."""

    def __init__(self, parent: Any, *, wrap: int = WRAP_PX, **place: Any) -> None:
        """Lines are `wrap` pixels wide at 100 %; `place` goes to `grid`."""
        super().__init__(
            parent,
            fg_color=theme.CARD,
            border_color=theme.LINE,
            border_width=1,
            corner_radius=theme.RADIUS,
        )
        self._place = {"sticky": "ew", **place}
        self.grid_columnconfigure(0, weight=1)
        self._words = theme.label(self, "", wraplength=wrap)
        self._words.grid(row=0, column=0, sticky="w", padx=theme.PAD, pady=theme.GAP)
        self._bar = ctk.CTkProgressBar(
            self, height=BAR_PX * 2, progress_color=theme.ACCENT, fg_color=theme.LINE
        )
        self._buttons: list[Any] = []

    def button(self, text: str, command: Any, **rest: Any) -> Any:
        """One more at the right."""
        made = reachable(theme.secondary(self, text, command, **{"width": 80, **rest}))
        self._buttons.append(made)
        self.offer(made, True)
        return made

    def offer(self, button: Any, is_offered: bool) -> None:
        """Whether one of the buttons is there now."""
        if is_offered:
            column = self._buttons.index(button) + 1
            button.grid(row=0, column=column, padx=(0, theme.PAD), pady=theme.GAP)
        else:
            # Not grid_remove: CustomTkinter brings that back when the scaling changes.
            button.grid_forget()

    def show(self, words: str, share: float | None = None, *, tone: Any = theme.LINE) -> None:
        """Say this, "" takes the card away; `share` (0 to 1) is the bar, None leaves it out."""
        if not words:
            self.grid_forget()
            return
        if self._words.cget("text") != words:
            self._words.configure(text=words)
        self.configure(border_color=tone)
        if share is None:
            self._bar.grid_forget()
        else:
            self._bar.set(share)
            if not self._bar.winfo_manager():
                columns = len(self._buttons) + 1
                self._bar.grid(
                    row=1,
                    column=0,
                    columnspan=columns,
                    sticky="ew",
                    padx=theme.PAD,
                    pady=(0, theme.GAP),
                )
        if not self.winfo_manager():
            self.grid(**self._place)

    @property
    def words(self) -> str:
        """What it says now."""
        return str(self._words.cget("text")) if self.winfo_manager() else ""
