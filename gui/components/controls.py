"""Fields, menus and switches in the window's colours, each reachable by Tab. Tk's thread alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import customtkinter as ctk

from gui import theme
from gui.components.keyboard import reachable


def entry(parent: Any, hint: str = "", **rest: Any) -> Any:
    """A field for one line; `hint` stands in it while it is empty."""
    options = {
        "fg_color": theme.CARD,
        "border_color": theme.LINE,
        "border_width": 1,
        "corner_radius": theme.RADIUS,
        "text_color": theme.TEXT,
        "placeholder_text_color": theme.MUTED,
        **rest,
    }
    if hint:
        options["placeholder_text"] = hint
    made = ctk.CTkEntry(parent, font=theme.font(), **options)
    made.bind("<FocusIn>", lambda event: _edge(made, theme.ACCENT), add="+")
    made.bind("<FocusOut>", lambda event: _edge(made, theme.LINE), add="+")
    return made


def menu(parent: Any, values: Sequence[str], command: Callable[[str], object], **rest: Any) -> Any:
    """One of a few values. Space, Enter or Down opens it, then the arrows choose."""
    made = ctk.CTkOptionMenu(
        parent,
        values=list(values),
        command=command,
        **{
            "dynamic_resizing": False,
            "corner_radius": theme.RADIUS,
            "fg_color": theme.HOVER,
            "button_color": theme.HOVER,
            "button_hover_color": theme.LINE,
            "text_color": theme.TEXT,
            "dropdown_fg_color": theme.CARD,
            "dropdown_hover_color": theme.HOVER,
            "dropdown_text_color": theme.TEXT,
            "font": theme.font(),
            "dropdown_font": theme.font(),
            **rest,
        },
    )
    canvas = made._canvas
    canvas.configure(takefocus=1)
    for key in ("<space>", "<Return>", "<KP_Enter>", "<Down>"):
        canvas.bind(key, lambda event: _open(made), add="+")
    canvas.bind("<FocusIn>", lambda event: _arrow(made, theme.ACCENT), add="+")
    canvas.bind("<FocusOut>", lambda event: _arrow(made, theme.HOVER), add="+")
    return made


def switch(parent: Any, text: str, command: Callable[[], object], **rest: Any) -> Any:
    """On or off; `text` stands beside it."""
    options = {
        "fg_color": theme.LINE,
        "progress_color": theme.ACCENT,
        "button_color": theme.TEXT,
        "button_hover_color": theme.MUTED,
        "text_color": theme.TEXT,
        **rest,
    }
    made = ctk.CTkSwitch(parent, text=text, command=command, font=theme.font(), **options)
    return reachable(made)


def follow(bar: Any) -> Callable[[Any, Any], None]:
    """For `yscrollcommand`: a bar that has nowhere to go is not seen, and keeps its place."""

    def set_bar(begin: Any, end: Any) -> None:
        bar.set(float(begin), float(end))
        seen = bar.get()  # drawing may have called this again, with newer places
        colour = theme.CARD if seen[0] <= 0.0 and seen[1] >= 1.0 else theme.MUTED
        if bar.cget("button_color") != colour:
            bar.configure(button_color=colour)

    return set_bar


def _edge(made: Any, colour: Any) -> None:
    if made.winfo_exists():
        made.configure(border_color=colour)


def _arrow(made: Any, colour: Any) -> None:
    if made.winfo_exists():
        made.configure(button_color=colour)


def _open(made: Any) -> str:
    if made.cget("state") != "disabled":
        made._open_dropdown_menu()
    return "break"
