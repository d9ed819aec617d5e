"""Text to read, select and copy, in a few kinds of type; follows theme and scaling.

    shown = ReadingText(parent, KINDS)
    shown.show([("mira\n", "name"), ("nine works for me\n", "body")])

What is shown again in the same way is not touched, so a selection in it stays. Tk's thread alone.
"""

from __future__ import annotations

import tkinter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.scroll_bar import ScrollBar


@dataclass(frozen=True)
class Kind:
    """How one kind of text looks; distances in pixels at 100 %."""

    colour: tuple[str, str] = theme.TEXT
    font: str = "body"
    above_px: int = 0
    indent_px: int = 0


class ReadingText(ctk.CTkFrame):
    """The widget; `grid` it with sticky="nsew"."""

    def __init__(self, parent: Any, kinds: Mapping[str, Kind], *, lines: int = 4) -> None:
        """`lines` is the least height."""
        super().__init__(
            parent,
            fg_color=theme.CARD,
            border_color=theme.LINE,
            border_width=1,
            corner_radius=theme.RADIUS,
        )
        self._kinds = dict(kinds)
        self._shown: list[tuple[str, str]] = []
        self.grid_columnconfigure(0, weight=1)
        self.grid_rowconfigure(0, weight=1)
        self.text = tkinter.Text(
            self,
            wrap="word",
            state="disabled",
            borderwidth=0,
            highlightthickness=0,
            height=lines,
            width=20,
        )
        """For tests and for what is not said here."""
        self.text.grid(row=0, column=0, sticky="nsew", padx=(4, 0), pady=4)
        self.bar = ScrollBar(self, self.text.yview)
        self.bar.grid(row=0, column=1, sticky="ns", padx=(0, 2), pady=4)
        self.text.configure(yscrollcommand=self.bar.set)
        self.text.bind("<Button-1>", lambda event: self.text.focus_set(), add="+")
        self.text.bind("<FocusIn>", lambda event: self.configure(border_color=theme.ACCENT))
        self.text.bind("<FocusOut>", lambda event: self.configure(border_color=theme.LINE))
        self._paint()

    def show(self, pieces: Sequence[tuple[str, str]], *, to_end: bool = True) -> None:
        """Show these (text, kind) one after the other; `to_end` scrolls down where that changed."""
        same = 0
        while same < min(len(pieces), len(self._shown)) and pieces[same] == self._shown[same]:
            same += 1
        if same == len(pieces) == len(self._shown):
            return
        self.text.configure(state="normal")
        if same < len(self._shown):
            self.text.delete(f"piece{same}", "end-1c")
            self.text.mark_unset(*(f"piece{n}" for n in range(same, len(self._shown))))
        for n, (words, kind) in enumerate(pieces[same:], start=same):
            self.text.mark_set(f"piece{n}", "end-1c")
            self.text.mark_gravity(f"piece{n}", "left")
            self.text.insert("end-1c", words, (kind,))
        self.text.configure(state="disabled")
        self._shown = list(pieces)
        self.text.see("end" if to_end else "1.0")

    @property
    def words(self) -> str:
        """All that stands there."""
        return self.text.get("1.0", "end-1c")

    def _set_appearance_mode(self, mode_string: str) -> None:
        super()._set_appearance_mode(mode_string)
        self._paint()

    def _set_scaling(self, *args: Any, **kwargs: Any) -> None:
        super()._set_scaling(*args, **kwargs)
        self._paint()

    def _paint(self) -> None:
        colour = self._apply_appearance_mode
        self.text.configure(
            background=colour(theme.CARD),
            foreground=colour(theme.TEXT),
            insertbackground=colour(theme.TEXT),
            selectbackground=colour(theme.ACCENT),
            selectforeground=colour(theme.ON_ACCENT),
            inactiveselectbackground=colour(theme.ACCENT),
            font=self._apply_font_scaling(theme.font("body")),
            padx=self._px(8),
            pady=self._px(4),
        )
        for name, kind in self._kinds.items():
            self.text.tag_configure(
                name,
                foreground=colour(kind.colour),
                font=self._apply_font_scaling(theme.font(kind.font)),
                spacing1=self._px(kind.above_px),
                lmargin1=self._px(kind.indent_px),
                lmargin2=self._px(kind.indent_px),
            )
        self.text.tag_raise("sel")

    def _px(self, at_100: float) -> int:
        return round(self._apply_widget_scaling(at_100))
