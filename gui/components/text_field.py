"""A field for a text of many lines, which follows theme and scaling. Tk's thread alone.

Tab leads out of it. Its edge shows the focus.
"""

from __future__ import annotations

import tkinter
from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components import controls


class TextField(ctk.CTkFrame):
    """`changed` is called after each change of the user's; `set` is silent."""

    def __init__(self, parent: Any, changed: Callable[[], object], *, lines: int = 6) -> None:
        super().__init__(
            parent,
            fg_color=theme.CARD,
            border_color=theme.LINE,
            border_width=1,
            corner_radius=theme.RADIUS,
            height=1,
        )
        self._changed = changed
        self._seen = ""
        self.grid_columnconfigure(0, weight=1)
        self.text = tkinter.Text(
            self,
            wrap="word",
            undo=True,
            borderwidth=0,
            highlightthickness=0,
            width=20,
            height=lines,
        )
        self.text.grid(row=0, column=0, sticky="nsew", padx=(4, 0), pady=4)
        bar = ctk.CTkScrollbar(self, command=self.text.yview, width=14, height=1)
        bar.grid(row=0, column=1, sticky="ns", padx=(0, 2), pady=4)
        self.text.configure(yscrollcommand=controls.follow(bar))
        self.text.bind("<<Modified>>", self._modified)
        self.text.bind("<Tab>", lambda event: self._leave(event.widget.tk_focusNext()))
        for back in ("<Shift-Tab>", "<<PrevWindow>>"):
            self.text.bind(back, lambda event: self._leave(event.widget.tk_focusPrev()))
        self.text.bind("<FocusIn>", lambda event: self.configure(border_color=theme.ACCENT))
        self.text.bind("<FocusOut>", lambda event: self.configure(border_color=theme.LINE))
        self._paint()

    def get(self) -> str:
        """What stands there."""
        return self.text.get("1.0", "end-1c")

    def set(self, text: str) -> None:
        """Show a text."""
        if text != self.get():
            self._seen = text
            self.text.delete("1.0", "end")
            self.text.insert("1.0", text)
            self.text.edit_reset()

    def _modified(self, event: object) -> None:
        """Tk tells it once, until the mark is taken back (which it tells too)."""
        if self.text.edit_modified():
            self.text.edit_modified(False)
            if self.get() != self._seen:
                self._seen = self.get()
                self._changed()

    def _leave(self, widget: Any) -> str:
        if widget is not None:
            widget.focus_set()
        return "break"

    def _set_appearance_mode(self, mode_string: str) -> None:
        super()._set_appearance_mode(mode_string)
        self._paint()

    def _set_scaling(self, *args: Any, **kwargs: Any) -> None:
        super()._set_scaling(*args, **kwargs)
        self._paint()

    def _paint(self) -> None:
        colour = self._apply_appearance_mode
        self.text.configure(
            font=self._apply_font_scaling(theme.font()),
            background=colour(theme.CARD),
            foreground=colour(theme.TEXT),
            insertbackground=colour(theme.TEXT),
            selectbackground=colour(theme.ACCENT),
            selectforeground=colour(theme.ON_ACCENT),
            padx=6,
            pady=4,
        )
