"""A scroll bar that keeps its place and shows its thumb only where there is something to scroll.

Taking it away instead would change the place of what it scrolls, which may need it again then: the
window would never come to rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import customtkinter as ctk

from gui import theme


class ScrollBar(ctk.CTkScrollbar):
    """An upright one; grid it with sticky="ns". Asks for no height of its own."""

    def __init__(
        self, parent: Any, command: Callable[..., object], ground: tuple[str, str] = theme.CARD
    ) -> None:
        """`ground` is the colour behind it; `command` the scrolled widget's `yview`."""
        super().__init__(
            parent,
            command=command,
            width=14,
            height=1,
            fg_color=ground,
            button_color=ground,
            button_hover_color=ground,
        )
        self._ground = ground
        self.has_thumb = False

    def set(self, start_value: float, end_value: float) -> None:
        """Where the view begins and ends, 0.0-1.0; as Tk's `yscrollcommand` tells it."""
        first, last = float(start_value), float(end_value)
        needed = 0.0 < last - first < 1.0
        if needed != self.has_thumb:
            self.has_thumb = needed
            self.configure(
                button_color=theme.MUTED if needed else self._ground,
                button_hover_color=theme.TEXT if needed else self._ground,
            )
        super().set(first, last)
