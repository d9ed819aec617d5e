"""Colours, sizes and fonts of the window, each once; and the few widgets that are made everywhere.

Colours are (light, dark). Contrast of text on its ground is at least 4.5 : 1 in both
(tests/gui/test_theme.py).
"""

from __future__ import annotations

import tkinter.font
from collections.abc import Callable
from typing import Any

import customtkinter as ctk

GROUND = ("#f4f5f7", "#1b1d21")
CARD = ("#ffffff", "#26292f")
LINE = ("#d8dbe0", "#3a3e46")
TEXT = ("#1d2026", "#e9ebee")
MUTED = ("#596070", "#a4abb8")
ACCENT = ("#2f6fde", "#3a73d6")
ACCENT_HOVER = ("#2559b5", "#2f63bd")
ON_ACCENT = ("#ffffff", "#ffffff")
GOOD = ("#1c7c43", "#52c37f")
WARN = ("#8a5a00", "#e8b04a")
BAD = ("#b3261e", "#f28b82")
HOVER = ("#e6e9ee", "#31353d")

GAP = 8
PAD = 16
RADIUS = 8

_fonts: dict[str, Any] = {}


def font(kind: str = "body") -> Any:
    """One of body, bold, small, heading, title, mono; made once a window."""
    if kind not in _fonts:
        size, weight = {
            "body": (13, "normal"),
            "bold": (13, "bold"),
            "small": (12, "normal"),
            "heading": (15, "bold"),
            "title": (20, "bold"),
            "mono": (12, "normal"),
        }[kind]
        family = None
        if kind == "mono":
            family = tkinter.font.nametofont("TkFixedFont").actual("family")
        _fonts[kind] = ctk.CTkFont(family=family, size=size, weight=weight)
    return _fonts[kind]


def forget_fonts() -> None:
    """For tests that make a second window in one process."""
    _fonts.clear()


def card(parent: Any, **rest: Any) -> Any:
    """A raised surface for things that belong together."""
    return ctk.CTkFrame(
        parent,
        fg_color=CARD,
        corner_radius=RADIUS,
        **{"border_width": 1, "border_color": LINE, **rest},
    )


def label(parent: Any, text: str = "", kind: str = "body", **rest: Any) -> Any:
    """Text, left-aligned; wrap long ones with `wraplength`."""
    options = {"text_color": TEXT, "anchor": "w", "justify": "left", **rest}
    return ctk.CTkLabel(parent, text=text, font=font(kind), **options)


def muted(parent: Any, text: str = "", **rest: Any) -> Any:
    """Text that explains."""
    return label(parent, text, "small", **{"text_color": MUTED, **rest})


def primary(parent: Any, text: str, command: Callable[[], object], **rest: Any) -> Any:
    """The button that most people want here: at most one in sight."""
    options = {
        "fg_color": ACCENT,
        "hover_color": ACCENT_HOVER,
        "text_color": ON_ACCENT,
        "corner_radius": RADIUS,
        **rest,
    }
    return _button(parent, text, command, "bold", options)


def secondary(parent: Any, text: str, command: Callable[[], object], **rest: Any) -> Any:
    """Any other button."""
    options = {
        "fg_color": "transparent",
        "hover_color": HOVER,
        "text_color": TEXT,
        "border_color": LINE,
        "border_width": 1,
        "corner_radius": RADIUS,
        **rest,
    }
    return _button(parent, text, command, "body", options)


def danger(parent: Any, text: str, command: Callable[[], object], **rest: Any) -> Any:
    """A button whose work cannot be taken back; ask before."""
    return secondary(parent, text, command, **{"text_color": BAD, "border_color": BAD, **rest})


def _button(
    parent: Any, text: str, command: Callable[[], object], kind: str, options: dict[str, Any]
) -> Any:
    from gui.components.keyboard import reachable  # which needs our colours

    made = ctk.CTkButton(parent, text=text, command=command, font=font(kind), **options)
    return reachable(made)
