"""The keyboard in the setup: every button, radio and menu can be reached and pressed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.keyboard import reachable

_PRESSING = ("<space>", "<Return>", "<KP_Enter>")


def reach_all(parent: Any) -> None:
    """All below `parent`; those that were reachable before stay as they are."""
    for widget in _below(parent):
        if isinstance(widget, ctk.CTkButton):
            reachable(widget)
        elif isinstance(widget, ctk.CTkRadioButton):
            _reach(
                widget, widget.invoke, {"border_color": theme.ACCENT, "text_color": theme.ACCENT}
            )
        elif isinstance(widget, ctk.CTkOptionMenu):
            _reach(widget, widget._clicked, {"fg_color": theme.HOVER})


def focus_on(widget: Any) -> None:
    """Give it the keyboard; CustomTkinter's own widgets take it on an inner part."""
    inner = getattr(widget, "_canvas", None)
    if isinstance(widget, ctk.CTkButton) and inner is not None:
        inner.focus_set()
    else:
        widget.focus_set()


def _reach(widget: Any, press: Any, ring: dict[str, Any]) -> None:
    canvas = widget._canvas
    if str(canvas.cget("takefocus")) == "1":
        return
    canvas.configure(takefocus=1)
    usual = {name: widget.cget(name) for name in ring}

    def pressed(event: object) -> str:
        press()
        return "break"

    for key in _PRESSING:
        canvas.bind(key, pressed, add="+")
    canvas.bind("<FocusIn>", lambda event: widget.configure(**ring), add="+")
    canvas.bind("<FocusOut>", lambda event: widget.configure(**usual), add="+")


def _below(parent: Any) -> Iterator[Any]:
    for child in parent.winfo_children():
        yield child
        if not isinstance(child, ctk.CTkButton | ctk.CTkRadioButton | ctk.CTkOptionMenu):
            yield from _below(child)
