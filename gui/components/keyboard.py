"""Makes CustomTkinter's widgets reachable by Tab and pressed by Space or Enter: theirs are not.

reachable(theme.secondary(parent, "Stop", stop))
"""

from __future__ import annotations

from typing import Any

import customtkinter as ctk

from gui import theme

_MARK = "_is_reachable"


def reachable(widget: Any) -> Any:
    """The widget (button, switch or check box; once is enough), with a ring while it has focus."""
    if getattr(widget, _MARK, False):
        return widget
    setattr(widget, _MARK, True)
    canvas = widget._canvas
    canvas.configure(takefocus=1)
    for key in ("<space>", "<Return>", "<KP_Enter>"):
        canvas.bind(key, lambda event: _press(widget), add="+")
    ring = _Ring(widget)
    canvas.bind("<FocusIn>", ring.show, add="+")
    canvas.bind("<FocusOut>", ring.hide, add="+")
    return widget


def reachable_all(segmented: Any) -> Any:
    """The same for each choice of a CTkSegmentedButton."""
    for button in segmented._buttons_dict.values():
        reachable(button)
    return segmented


def _press(widget: Any) -> str:
    if isinstance(widget, ctk.CTkButton):
        widget.invoke()
    elif widget.cget("state") != "disabled":
        widget.toggle()
    return "break"


class _Ring:
    """A border in a colour that stands out, and the one before when the focus goes on."""

    def __init__(self, widget: Any) -> None:
        self._widget = widget
        self._before: dict[str, Any] | None = None

    def show(self, event: object) -> None:
        widget = self._widget
        if self._before is None:
            self._before = {name: widget.cget(name) for name in ("border_width", "border_color")}
        filled = isinstance(widget, ctk.CTkButton) and widget.cget("fg_color") == theme.ACCENT
        widget.configure(border_width=2, border_color=theme.TEXT if filled else theme.ACCENT)

    def hide(self, event: object) -> None:
        if self._before is not None and self._widget.winfo_exists():
            self._widget.configure(**self._before)
        self._before = None
