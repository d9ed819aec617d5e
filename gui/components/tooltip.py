"""A few words beside a widget on which the pointer rests, or that the keyboard reaches."""

from __future__ import annotations

import tkinter
from typing import Any

from gui import theme

REST_MS = 500
WRAP_PX = 320


class Tooltip:
    """One widget's. The little window exists only while it is shown."""

    def __init__(self, widget: Any, text: str) -> None:
        self.text = text
        self._widget = widget
        self._timer: str | None = None
        self._shown: tkinter.Toplevel | None = None
        for event in ("<Enter>", "<FocusIn>"):
            widget.bind(event, self._soon, add="+")
        for event in ("<Leave>", "<FocusOut>", "<ButtonPress>", "<Destroy>"):
            widget.bind(event, self._hide, add="+")

    def _soon(self, event: object = None) -> None:
        self._hide()
        self._timer = self._widget.after(REST_MS, self._show)

    def _show(self) -> None:
        self._timer = None
        widget = self._widget
        shown = self._shown = tkinter.Toplevel(widget)
        shown.wm_overrideredirect(True)
        tkinter.Label(
            shown,
            text=self.text,
            justify="left",
            wraplength=WRAP_PX,
            padx=8,
            pady=4,
            background=widget._apply_appearance_mode(theme.TEXT),
            foreground=widget._apply_appearance_mode(theme.GROUND),
        ).pack()
        x, y = widget.winfo_rootx(), widget.winfo_rooty() + widget.winfo_height() + 4
        shown.update_idletasks()
        x = max(0, min(x, widget.winfo_screenwidth() - shown.winfo_reqwidth()))
        if y + shown.winfo_reqheight() > widget.winfo_screenheight():
            y = widget.winfo_rooty() - shown.winfo_reqheight() - 4
        shown.wm_geometry(f"+{x}+{y}")

    def _hide(self, event: object = None) -> None:
        if self._timer is not None:
            self._widget.after_cancel(self._timer)
            self._timer = None
        if self._shown is not None:
            self._shown.destroy()
            self._shown = None
