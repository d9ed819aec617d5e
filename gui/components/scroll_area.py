"""Room for a page that may be higher than the window: fills it where it fits, else scrolls.

    area = ScrollArea(page)
    area.grid(row=0, column=0, sticky="nsew")
    theme.label(area.inner, "...").grid(...)

The bar is there only while it is needed; what Tab leads to is brought into sight. Tk's thread.
"""

from __future__ import annotations

import sys
import tkinter
from typing import Any

import customtkinter as ctk

from gui import theme

WHEEL_PX = 48
BAR_WIDTH = 12
SLACK_PX = 24
"""The bar goes only where so much is free: narrower, beside it, a page may be lower, as its words
wrap otherwise; it would come and go for ever."""


class ScrollArea(ctk.CTkFrame):
    """Put widgets into `inner`; its grid may have rows that stretch."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent, fg_color=theme.GROUND, corner_radius=0)
        self._timer = ""
        self.canvas = tkinter.Canvas(
            self, width=1, height=1, highlightthickness=0, borderwidth=0, takefocus=0
        )
        self._lay_out(0)
        self._bar = ctk.CTkScrollbar(self, command=self.canvas.yview, width=BAR_WIDTH)
        self.canvas.configure(yscrollcommand=self._bar.set, yscrollincrement=1)
        self._held = tkinter.Frame(self.canvas)
        self._held.grid_columnconfigure(0, weight=1)
        self._held.grid_rowconfigure(0, weight=1)
        self.inner = ctk.CTkFrame(
            self._held, fg_color=theme.GROUND, bg_color=theme.GROUND, corner_radius=0
        )
        self.inner.grid(row=0, column=0, sticky="nsew")
        self._item = self.canvas.create_window(0, 0, window=self._held, anchor="nw")
        self.canvas.bind("<Configure>", self._fit)
        self._held.bind("<Configure>", self._fit)
        self._listen()
        self._paint()

    @property
    def scrolls(self) -> bool:
        """Whether the page is higher than its room."""
        return self.inner.winfo_reqheight() > self._room

    @property
    def _room(self) -> int:
        return int(self.canvas.winfo_height())

    def _fit(self, event: object = None) -> None:
        """In a moment: Tk tells of new sizes while it lays out, and loses what is changed then.
        Not when idle: a CTkScrollbar that is drawn runs all idle calls, in the middle of that."""
        if not self._timer:
            self._timer = self.winfo_toplevel().after(1, self._fit_now)

    def _fit_now(self) -> None:
        self._timer = ""
        is_shown = bool(self._bar.winfo_manager())
        if self.scrolls and not is_shown:
            self._bar.place(relx=1, rely=0, relheight=1, anchor="ne")
            self._lay_out(self._px(BAR_WIDTH + 2))
        elif is_shown and self.inner.winfo_reqheight() <= self._room - self._px(SLACK_PX):
            self._bar.place_forget()
            self._lay_out(0)
        width, room = self.canvas.winfo_width(), self._room
        self.canvas.itemconfigure(self._item, width=width)
        self._held.grid_rowconfigure(0, minsize=room)
        height = max(room, self.inner.winfo_reqheight())
        self.canvas.configure(scrollregion=(0, 0, width, height))
        if not self.scrolls:
            self.canvas.yview_moveto(0)

    def _lay_out(self, bar_px: int) -> None:
        self.canvas.place(x=0, y=0, relwidth=1, relheight=1, width=-bar_px)

    # -- wheel and focus ------------------------------------------------------------------------

    def _listen(self) -> None:
        top = self.winfo_toplevel()
        wheel = ("<Button-4>", "<Button-5>") if sys.platform == "linux" else ("<MouseWheel>",)
        self._bound = [(event, top.bind(event, self._wheeled, add="+")) for event in wheel]
        self._bound.append(("<FocusIn>", top.bind("<FocusIn>", self._focused, add="+")))

    def destroy(self) -> None:
        top = self.winfo_toplevel()
        if self._timer:
            top.after_cancel(self._timer)
        for event, name in self._bound:
            _unbind(top, event, name)
        super().destroy()

    def _wheeled(self, event: Any) -> None:
        if not self.scrolls or not self._holds(event.widget):
            return
        up = event.num == 4 or event.delta > 0
        self.canvas.yview_scroll(-self._px(WHEEL_PX) if up else self._px(WHEEL_PX), "units")

    def _focused(self, event: Any) -> None:
        if not self.scrolls or not self._holds(event.widget):
            return
        top = event.widget.winfo_rooty() - self.inner.winfo_rooty()
        bottom = top + event.widget.winfo_height()
        seen, room = self.canvas.canvasy(0), self.canvas.winfo_height()
        gap = self._px(theme.PAD)
        if top < seen:
            self._move_to(top - gap)
        elif bottom > seen + room:
            self._move_to(bottom + gap - room)

    def _move_to(self, y: float) -> None:
        self.canvas.yview_moveto(max(y, 0) / max(self.inner.winfo_height(), 1))

    def _holds(self, widget: Any) -> bool:
        return str(widget).startswith(f"{self.inner}.")

    # -- looks ----------------------------------------------------------------------------------

    def _paint(self) -> None:
        self.canvas.configure(background=self._apply_appearance_mode(theme.GROUND))

    def _px(self, at_100: int) -> int:
        return int(self._apply_widget_scaling(at_100))

    def _set_appearance_mode(self, mode_string: str) -> None:
        super()._set_appearance_mode(mode_string)
        self._paint()


def _unbind(widget: Any, event: str, name: str) -> None:
    """Take one binding back and leave the others: `unbind` before Python 3.12 takes all."""
    kept = [
        line
        for line in widget.tk.call("bind", str(widget), event).split("\n")
        if line and name not in line
    ]
    widget.tk.call("bind", str(widget), event, "\n".join(kept))
    widget.deletecommand(name)
