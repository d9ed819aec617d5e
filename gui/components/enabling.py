"""Whether a button can be pressed now, and that it looks so: a filled one loses its colour."""

from __future__ import annotations

from typing import Any

from gui import theme


def enable(button: Any, may: bool) -> None:
    """Of theme.primary or theme.secondary; nothing is drawn where nothing changes."""
    state = "normal" if may else "disabled"
    if button.cget("state") == state:
        return
    if button.cget("fg_color") in (theme.ACCENT, theme.LINE):
        button.configure(
            fg_color=theme.ACCENT if may else theme.LINE, text_color_disabled=theme.MUTED
        )
    button.configure(state=state)
