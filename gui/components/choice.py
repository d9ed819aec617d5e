"""A drop-down choice that the keyboard reaches: Space and Enter open it, Up and Down change it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import customtkinter as ctk

from gui import theme


class Choice(ctk.CTkOptionMenu):
    """One of some texts; `get()` tells which. `command` hears what the user chooses, not `set`."""

    def __init__(
        self,
        parent: Any,
        values: Sequence[str],
        command: Callable[[str], object],
        *,
        width: int = 180,
        **rest: Any,
    ) -> None:
        options: dict[str, Any] = {
            "dynamic_resizing": False,
            "fg_color": theme.CARD,
            "button_color": theme.LINE,
            "button_hover_color": theme.HOVER,
            "text_color": theme.TEXT,
            "dropdown_fg_color": theme.CARD,
            "dropdown_hover_color": theme.HOVER,
            "dropdown_text_color": theme.TEXT,
            "font": theme.font(),
            "dropdown_font": theme.font(),
            "corner_radius": theme.RADIUS,
            **rest,
        }
        super().__init__(parent, values=list(values), command=command, width=width, **options)
        canvas = self._canvas
        canvas.configure(takefocus=1)
        for key in ("<space>", "<Return>", "<KP_Enter>"):
            canvas.bind(key, lambda event: self._open_by_key())
        canvas.bind("<Down>", lambda event: self.step(1))
        canvas.bind("<Up>", lambda event: self.step(-1))
        canvas.bind("<FocusIn>", lambda event: self._ring(theme.ACCENT))
        canvas.bind("<FocusOut>", lambda event: self._ring(theme.LINE))

    def step(self, by: int) -> str:
        """The user goes to the next one (1) or the one before (-1)."""
        values = self.cget("values")
        if self.cget("state") != "disabled" and self.get() in values:
            place = min(max(values.index(self.get()) + by, 0), len(values) - 1)
            if values[place] != self.get():
                self._dropdown_callback(values[place])
        return "break"

    def focus_set(self) -> None:
        self._canvas.focus_set()

    def _open_by_key(self) -> str:
        if self.cget("state") != "disabled":
            self._open_dropdown_menu()
        return "break"

    def _ring(self, colour: tuple[str, str]) -> None:
        if self.winfo_exists():
            self.configure(button_color=colour)
