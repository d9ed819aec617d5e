"""Light or dark, and how large: what the preferences say, put into effect. Tk's thread alone.

    appearance.apply(chosen)                 # at once, also while the window is open
    FollowSystem(root, ui, home)             # "system": looks again when the window is entered

CustomTkinter's own following of the system is switched off: on Linux it starts a process thirty
times a second to ask, on Tk's thread.
"""

from __future__ import annotations

import time
from typing import Any

import customtkinter as ctk
import darkdetect
from customtkinter.windows.widgets.appearance_mode import AppearanceModeTracker
from customtkinter.windows.widgets.scaling import ScalingTracker

from gui import preferences
from gui.preferences import WindowPreferences
from gui.ui_thread import UiThread
from storage.paths import Home

LOOK_AGAIN_S = 5.0
_NEVER_MS = 24 * 3_600_000
_SCALING_MS = 1_000
"""How often it is seen whether the window was moved to a screen of another density (Windows)."""


def prepare() -> None:
    """Before the first widget: CustomTkinter looks less often."""
    AppearanceModeTracker.update_loop_interval = _NEVER_MS
    ScalingTracker.update_loop_interval = _SCALING_MS


def apply(chosen: WindowPreferences, system: str | None = None) -> None:
    """Put theme and scaling into effect. `system` is the system's theme ("light", "dark"), where it
    was just asked; else the one that was found at the start counts."""
    global _system
    _system = (system or _system or _found_at_start()).lower()
    mode = _system if chosen.theme == "system" else chosen.theme
    if ctk.get_appearance_mode().lower() != mode:
        ctk.set_appearance_mode(mode)
    if AppearanceModeTracker.appearance_mode_set_by == "system":
        AppearanceModeTracker.appearance_mode_set_by = "user"  # else it asks at each look
    if ScalingTracker.widget_scaling != chosen.scaling:
        ctk.set_widget_scaling(chosen.scaling)
    if ScalingTracker.window_scaling != chosen.scaling:
        ctk.set_window_scaling(chosen.scaling)


_system = ""


def _found_at_start() -> str:
    """CustomTkinter asked the system when it was imported."""
    return str(ctk.get_appearance_mode())


class FollowSystem:
    """Asks for the system's theme on a worker when the window gets the focus."""

    def __init__(self, root: Any, ui: UiThread, home: Home) -> None:
        self._root = root
        self._ui = ui
        self._home = home
        self._asked_at_s = time.monotonic()
        root.bind("<FocusIn>", self._entered, add="+")

    def _entered(self, event: Any) -> None:
        if event.widget is not self._root:
            return
        if time.monotonic() - self._asked_at_s < LOOK_AGAIN_S:
            return
        self._asked_at_s = time.monotonic()
        self._ui.run(darkdetect.theme, self._seen)

    def _seen(self, system: str | None) -> None:
        apply(preferences.load(self._home), system or "light")
