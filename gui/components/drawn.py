"""A plain canvas that follows the window's theme and scaling: the base of what is drawn by hand.

Many cells or bars in one widget cost the memory of one widget. Tk's thread alone.
"""

from __future__ import annotations

import tkinter
from typing import Any

import customtkinter as ctk

from gui import theme


class Drawn(ctk.CTkBaseClass):
    """Subclasses draw in `paint`, which is called whenever size, theme, scaling or focus change."""

    def __init__(
        self, parent: Any, width: int, height: int, ground: Any = theme.CARD, *, keys: bool = False
    ) -> None:
        """Sizes are pixels at 100 %. `keys`: whether Tab leads to it."""
        self._ground = ground
        super().__init__(parent, width=width, height=height, bg_color=ground)
        self.grid_rowconfigure(0, weight=1)
        self.grid_columnconfigure(0, weight=1)
        self.canvas = tkinter.Canvas(
            self, width=1, height=1, highlightthickness=0, borderwidth=0, takefocus=keys
        )
        """The one widget that is drawn on."""
        self.grid_propagate(False)
        self.canvas.grid(row=0, column=0, sticky="nsew")
        self.canvas.bind("<Configure>", self._resized)
        if keys:
            self.canvas.bind("<FocusIn>", lambda event: self.repaint(), add="+")
            self.canvas.bind("<FocusOut>", lambda event: self.repaint(), add="+")

    # -- for subclasses ---------------------------------------------------------------------------

    def paint(self) -> None:
        """Draw everything; the canvas is empty."""

    def repaint(self) -> None:
        """Draw again what there is to see now."""
        self.canvas.delete("all")
        self.canvas.configure(background=self.colour(self._ground))
        if self.seen_width > 1 and self.seen_height > 1:
            self.paint()
            if self.canvas.cget("takefocus") == "1" and self.canvas.focus_get() is self.canvas:
                self._frame_focus()

    @property
    def seen_width(self) -> int:
        """In pixels of the screen."""
        return self.canvas.winfo_width()

    @property
    def seen_height(self) -> int:
        return self.canvas.winfo_height()

    def px(self, at_100: float) -> int:
        """Pixels of the screen."""
        return round(float(self._apply_widget_scaling(float(at_100))))

    def colour(self, pair: Any) -> str:
        """Of a (light, dark) pair, the one that counts now."""
        return str(self._apply_appearance_mode(pair))

    def font(self, kind: str) -> Any:
        """For canvas items."""
        return self._apply_font_scaling(theme.font(kind))

    def measure(self, text: str, kind: str) -> int:
        """How wide a text is, in pixels of the screen."""
        # Not by tkinter.font.Font: that rounds a size in pixels to one in points.
        return int(self.tk.call("font", "measure", self.font(kind), text))

    def line_height(self, kind: str) -> int:
        """Of a line of text, in pixels of the screen."""
        return int(self.tk.call("font", "metrics", self.font(kind), "-linespace"))

    def cut(self, text: str, width: int, kind: str) -> str:
        """The text, or as much of it as fits, with an ellipsis."""
        if self.measure(text, kind) <= width:
            return text
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.measure(text[:middle].rstrip() + "\u2026", kind) <= width
            low, high = (middle, high) if fits else (low, middle - 1)
        return text[:low].rstrip() + "\u2026"

    # -- items ----------------------------------------------------------------------------------

    def draw_text(self, x: float, y: float, text: str, colour: Any, anchor: Any) -> None:
        """Small. Places are whole pixels: canvases read decimals by the system's language."""
        self.canvas.create_text(
            round(x),
            round(y),
            text=text,
            anchor=anchor,
            fill=self.colour(colour),
            font=self.font("small"),
        )

    def draw_line(self, *at: float, colour: Any, **rest: Any) -> None:
        self.canvas.create_line(*map(round, at), fill=self.colour(colour), **rest)

    def draw_box(self, left: float, top: float, right: float, bottom: float, colour: Any) -> None:
        self.canvas.create_rectangle(
            *map(round, (left, top, right, bottom)), fill=self.colour(colour), outline="", width=0
        )

    def draw_dot(self, x: float, y: float, radius: float, colour: Any, tags: str = "") -> None:
        size = self.px(radius)
        self.canvas.create_oval(
            *map(round, (x - size, y - size, x + size, y + size)),
            fill=self.colour(colour),
            outline="",
            tags=tags,
        )

    # -- what changes -----------------------------------------------------------------------------

    def _frame_focus(self) -> None:
        self.canvas.create_rectangle(
            1,
            1,
            self.seen_width - 2,
            self.seen_height - 2,
            outline=self.colour(theme.ACCENT),
            width=self.px(2),
        )

    def _resized(self, event: object) -> None:
        self.repaint()

    def _set_scaling(self, *scaling: Any) -> None:
        super()._set_scaling(*scaling)
        self.repaint()

    def _set_appearance_mode(self, mode_string: str) -> None:
        super()._set_appearance_mode(mode_string)
        self.repaint()
