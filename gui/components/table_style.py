"""How a `ttk.Treeview` looks here: one style for all tables, in the colours of the theme."""

from __future__ import annotations

from collections.abc import Callable
from tkinter import ttk
from typing import Any

from gui import theme

STYLE = "Mynah.Treeview"
ROW_PX = 30
"""Height of a row at 100 % scaling."""

TONES = {
    "muted": theme.MUTED,
    "good": theme.GOOD,
    "warn": theme.WARN,
    "bad": theme.BAD,
}


def paint(
    tree: ttk.Treeview,
    colour: Callable[[tuple[str, str]], str],
    scaled: Callable[[Any], Any],
    px: Callable[[float], int],
) -> None:
    """Style and tags as theme and scaling are now.

    `colour` chooses of (light, dark), `scaled` makes a font of the scaling's size, `px` pixels.
    """
    style = ttk.Style(tree)
    if style.theme_use() != "default":
        style.theme_use("default")  # the systems' own themes keep their colours
    body, bold = (scaled(theme.font(kind)) for kind in ("body", "bold"))
    style.layout(STYLE, [("Treeview.treearea", {"sticky": "nswe"})])
    style.configure(
        STYLE,
        background=colour(theme.CARD),
        fieldbackground=colour(theme.CARD),
        foreground=colour(theme.TEXT),
        font=body,
        rowheight=px(ROW_PX),
        borderwidth=0,
    )
    style.map(
        STYLE,
        background=[("selected", colour(theme.ACCENT))],
        foreground=[("selected", colour(theme.ON_ACCENT))],
    )
    style.configure(
        f"{STYLE}.Heading",
        background=colour(theme.CARD),
        foreground=colour(theme.MUTED),
        font=bold,
        relief="flat",
        borderwidth=0,
        padding=(4, px(6)),
    )
    style.map(f"{STYLE}.Heading", background=[("active", colour(theme.HOVER))])
    for tone, colours in TONES.items():
        tree.tag_configure(tone, foreground=colour(colours))
