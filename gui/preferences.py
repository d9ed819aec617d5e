"""What a user chose about the window itself, in the home's data_storage/window.json.

    chosen = preferences.load(home)
    chosen = preferences.change(home, theme="dark")    # load, change, save: keeps what others wrote
    appearance.apply(chosen)                           # theme and scaling act at once
    autostart.switch(home, on=True)                    # what start_with_system stands for

A small file of its own: it is read before the first paint, and the database may not exist yet.
Standard library alone. What is unreadable or out of range counts as not chosen.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from storage.paths import Home

FILE_NAME = "window.json"
THEMES = ("system", "light", "dark")
SCALING_RANGE = (1.0, 2.0)


@dataclass(frozen=True)
class WindowPreferences:
    """One home's. The first six are for the settings page, the rest is the window's memory."""

    start_with_system: bool = False
    """Mynah opens when the user logs in. What counts is what the system has: autostart.is_on."""
    bot_with_window: bool = False
    """The bot is started when the window opens."""
    start_minimised: bool = False
    """The window opens in the tray, or minimised where there is none."""
    notifications: bool = True
    """The tray tells when the bot goes down or comes back."""
    theme: str = "system"
    """One of THEMES."""
    scaling: float = 1.0
    """Size of everything, within SCALING_RANGE."""
    geometry: str = ""
    """Size and place as Tk writes them: "1000x680+40+30"; "" before the first time."""
    logs_size: str = ""
    """Size of the logs window, "900x560"; "" before the first time."""
    notice_seen: bool = False
    """Whether it was told once that closing leaves Mynah in the tray."""


def path_of(home: Home) -> Path:
    """Where they lie."""
    return home.data_storage / FILE_NAME


def load(home: Home) -> WindowPreferences:
    """Read them; never raises. Takes well under a millisecond."""
    try:
        stored = json.loads(path_of(home).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return WindowPreferences()
    return _checked(stored) if isinstance(stored, dict) else WindowPreferences()


def save(home: Home, chosen: WindowPreferences) -> None:
    """Write them, whole or not at all. Raises OSError."""
    path = path_of(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{FILE_NAME}.{os.getpid()}.partial")
    partial.write_text(json.dumps(asdict(chosen), indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def change(home: Home, **changes: Any) -> WindowPreferences:
    """Load, change these fields, save; the result. Raises OSError."""
    chosen = replace(load(home), **changes)
    save(home, chosen)
    return chosen


def _checked(stored: dict[str, Any]) -> WindowPreferences:
    right: dict[str, Any] = {}
    for field in fields(WindowPreferences):
        value = stored.get(field.name)
        if field.name == "scaling":
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                right["scaling"] = min(max(float(value), SCALING_RANGE[0]), SCALING_RANGE[1])
        elif field.name == "theme":
            if value in THEMES:
                right["theme"] = value
        elif isinstance(value, type(field.default)):
            right[field.name] = value
    return WindowPreferences(**right)
