"""Whether the window is to be seen: shown, hidden in the tray, minimised; and where it stood.

Closing hides it to the tray where there is one, else minimises it. Tk's thread alone.
"""

from __future__ import annotations

import re
import tkinter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import customtkinter as ctk

from gui import preferences
from gui.components.main_window import SMALLEST
from gui.ui_thread import UiThread
from storage.paths import Home

FIRST_GEOMETRY = "1000x680"
BARS_PX = 80
"""What a title bar and the desktop's own bar take of the screen's height, about."""
IN_TRAY = (
    "Mynah is still here: closing the window leaves it in the tray, beside the clock. Click the "
    "icon to see the window again; Exit in its menu ends Mynah and the bot."
)
NO_TRAY = (
    "This desktop has no tray, so closing minimised Mynah.\nDo you want to end Mynah and its bot?"
)
_GEOMETRY = re.compile(r"(\d+)x(\d+)\+(-?\d+)\+(-?\d+)")


class Root(ctk.CTk):
    """The root window, never larger than its screen: CustomTkinter multiplies each size by the
    scaling, and keeps the size that it had when the scaling changes."""

    def fit(self, geometry: str) -> None:
        """Take the smallest size for this screen and scaling, and a stored size and place."""
        self.minsize(*smallest(*self._screen(), self._get_window_scaling()))
        self.geometry(fitting(geometry, *self._screen(), self._get_window_scaling()))

    _current_width: int
    _current_height: int

    def _set_scaling(self, new_widget_scaling: float, new_window_scaling: float) -> None:
        """CustomTkinter calls this when the scaling changed, and grows the window by it."""
        width, height = room(*self._screen(), new_window_scaling)
        least = self._min_width, self._min_height = smallest(*self._screen(), new_window_scaling)
        self._current_width = max(least[0], min(self._current_width, width))
        self._current_height = max(least[1], min(self._current_height, height))
        super()._set_scaling(new_widget_scaling, new_window_scaling)
        if self.winfo_viewable():
            self._move_onto_screen(new_window_scaling)

    def _move_onto_screen(self, scaling: float) -> None:
        screen_width, screen_height = self._screen()
        most_x = screen_width - round(self._current_width * scaling)
        most_y = screen_height - BARS_PX - round(self._current_height * scaling)
        before = self.winfo_x(), self.winfo_y()
        after = max(0, min(before[0], most_x)), max(0, min(before[1], most_y))
        if after != before:
            self.geometry(f"+{after[0]}+{after[1]}")

    def _screen(self) -> tuple[int, int]:
        return self.winfo_screenwidth(), self.winfo_screenheight()


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
        root.fit(preferences.load(home).geometry)
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


def room(screen_width: int, screen_height: int, scaling: float) -> tuple[int, int]:
    """The largest size of a window in units of CustomTkinter's, which are `scaling` pixels each."""
    return int(screen_width / scaling), int((screen_height - BARS_PX) / scaling)


def smallest(screen_width: int, screen_height: int, scaling: float) -> tuple[int, int]:
    """The smallest size in the same units: SMALLEST, or less where the screen has less."""
    width, height = room(screen_width, screen_height, scaling)
    return min(SMALLEST[0], width), min(SMALLEST[1], height)


def fitting(geometry: str, screen_width: int, screen_height: int, scaling: float = 1.0) -> str:
    """A stored geometry as it can be used on this screen: its size has room, its corner is on it.

    The screen and places in pixels, sizes in units of `scaling` pixels. Without a place, or with
    one off the screen (another monitor is gone), the system chooses the place.
    """
    most = room(screen_width, screen_height, scaling)
    match = _GEOMETRY.fullmatch(geometry)
    if match is None:
        width, height = (int(part) for part in FIRST_GEOMETRY.split("x"))
        return f"{min(width, most[0])}x{min(height, most[1])}"
    width, height, x, y = (int(part) for part in match.groups())
    size = f"{min(width, most[0])}x{min(height, most[1])}"
    is_on_screen = -50 <= x <= screen_width - 100 and -20 <= y <= screen_height - 60
    return f"{size}+{x}+{y}" if is_on_screen else size
