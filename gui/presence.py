"""Whether the window is to be seen: shown, hidden in the tray, minimised; and where it stood.

Closing hides it to the tray where there is one, else minimises it. Tk's thread alone.
"""

from __future__ import annotations

import re
import tkinter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gui import preferences
from gui.ui_thread import UiThread
from storage.paths import Home

FIRST_GEOMETRY = "1000x680"
IN_TRAY = (
    "Mynah is still here: closing the window leaves it in the tray, beside the clock. Click the "
    "icon to see the window again; Exit in its menu ends Mynah and the bot."
)
NO_TRAY = (
    "This desktop has no tray, so closing minimised Mynah.\nDo you want to end Mynah and its bot?"
)
_GEOMETRY = re.compile(r"(\d+)x(\d+)\+(-?\d+)\+(-?\d+)")


class Presence:
    """One root window's."""

    def __init__(
        self,
        root: Any,
        ui: UiThread,
        home: Home,
        *,
        notify: Callable[[str], object],
        offer_exit: Callable[[str], object],
    ) -> None:
        """`notify` tells a sentence outside the window (in the tray), `offer_exit` inside of it,
        with a button."""
        self._window = root
        self._ui = ui
        self._home = home
        self._notify = notify
        self._offer_exit = offer_exit
        self.has_tray = False
        self.is_shown = True
        """As the user last wanted it."""
        self.on_change: Callable[[], object] = lambda: None
        """Called when it was shown or hidden."""
        chosen = preferences.load(home)
        root.geometry(fitting(chosen.geometry, root.winfo_screenwidth(), root.winfo_screenheight()))
        for event in ("<Map>", "<Unmap>"):
            root.bind(event, self._seen, add="+")

    def show(self) -> None:
        """To the front, wherever it was."""
        self.is_shown = True
        self._window.deiconify()
        self._window.lift()
        self._window.focus_force()
        self.on_change()

    def hide(self) -> None:
        """Into the tray; minimised where there is none."""
        self.is_shown = False
        self.remember()
        if self.has_tray:
            self._window.withdraw()
        else:
            self._window.iconify()
        self.on_change()

    def toggle(self) -> None:
        """What a click on the tray's icon does."""
        self.hide() if self.is_shown else self.show()

    def close(self) -> None:
        """The user closed the window, which ends nothing: it is said how to end it."""
        if not self.has_tray:
            self._offer_exit(NO_TRAY)
        self.hide()
        if self.has_tray and not preferences.load(self._home).notice_seen:
            self._notify(IN_TRAY)
            self._keep(notice_seen=True)

    def note_tray(self, has_tray: bool) -> None:
        """The tray came or went: a window that is hidden stays within reach."""
        if has_tray == self.has_tray:
            return
        self.has_tray = has_tray
        self.stay_within_reach()

    def stay_within_reach(self) -> None:
        """A hidden window without a tray has to be in the bar of windows."""
        if not self.is_shown:
            self.hide()

    def remember(self) -> None:
        """Store size and place; does nothing where the window was never seen."""
        with suppress(tkinter.TclError):
            if self._window.state() == "normal" and self._window.winfo_viewable():
                self._keep(geometry=str(self._window.geometry()))

    def _keep(self, **changes: Any) -> None:
        if any(getattr(preferences.load(self._home), name) != new for name, new in changes.items()):
            with suppress(OSError):  # a full disk must not keep a window from closing
                preferences.change(self._home, **changes)

    def _seen(self, event: Any) -> None:
        """The system's own button minimised it or brought it back."""
        if event.widget is not self._window:
            return
        is_shown = event.type == tkinter.EventType.Map
        if is_shown != self.is_shown:
            self.is_shown = is_shown
            self.on_change()


def fitting(geometry: str, screen_width: int, screen_height: int) -> str:
    """A stored geometry as it can be used on this screen: its corner is on it.

    Sizes in pixels. Without a place, or with one off the screen (another monitor is gone), the
    system chooses the place.
    """
    match = _GEOMETRY.fullmatch(geometry)
    if match is None:
        return FIRST_GEOMETRY
    width, height, x, y = (int(part) for part in match.groups())
    size = f"{min(width, screen_width)}x{min(height, screen_height)}"
    is_on_screen = -50 <= x <= screen_width - 100 and -20 <= y <= screen_height - 60
    return f"{size}+{x}+{y}" if is_on_screen else size
