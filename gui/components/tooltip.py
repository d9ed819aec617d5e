"""A few words beside a widget on which the pointer rests, or that the keyboard reaches."""

from __future__ import annotations

import tkinter
from typing import Any

import customtkinter as ctk

from gui import theme

REST_MS = 500
WRAP = 320
"""Width of its lines, before scaling."""
_WITHOUT_FOCUS = (ctk.CTkLabel, ctk.CTkFrame, tkinter.Label)


class Tooltip:
    """One widget's. The little window exists only while it is shown."""

    def __init__(self, widget: Any, text: str) -> None:
        self.text = text
        self._widget = widget
        self._timer: str | None = None
        self._shown: tkinter.Toplevel | None = None
        widget.bind("<Enter>", self._soon, add="+")
        for event in ("<Leave>", "<ButtonPress>", "<Destroy>"):
            widget.bind(event, self._hide, add="+")
        if not isinstance(widget, _WITHOUT_FOCUS):
            part = _part_with_focus(widget)
            part.bind("<FocusIn>", self._soon, add="+")
            for event in ("<FocusOut>", "<Key>"):
                part.bind(event, self._hide, add="+")

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
            wraplength=widget._apply_widget_scaling(WRAP),
            font=widget._apply_font_scaling(theme.font("small")),
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


def _part_with_focus(widget: Any) -> Any:
    """What of CustomTkinter's widget gets the keys. Tk stops with Tab at whatever has a binding for
    keys or focus, so the label inside of a button must have none."""
    for name in ("_entry", "_textbox", "_canvas"):
        part = getattr(widget, name, None)
        if part is not None:
            return part
    return widget
