"""Why no window can be opened here, and what to do about it. Standard library alone.

Used before anything is installed (launcher.py) and when the window is opened.
"""

from __future__ import annotations

import os
import sys

INSTEAD = (
    "Without a window, `python3 launcher.py --headless` runs the bot and `python3 launcher.py "
    "--demo` shows what Mynah does."
)


def why_no_window() -> str:
    """A sentence on what is missing and how to get it, "" where a window can be opened."""
    try:
        import tkinter
    except ImportError:
        return f"This Python has no tkinter, which the window is made with. {_remedy()} {INSTEAD}"
    del tkinter
    if sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY"):
        return ""
    if os.environ.get("WAYLAND_DISPLAY"):
        return (
            "This Wayland session has no X display, which the window needs; install Xwayland (the "
            f"package is mostly called xwayland) and log in again. {INSTEAD}"
        )
    return (
        "There is no display here (DISPLAY is not set): start Mynah in a desktop session, or "
        f"connect with `ssh -X`. {INSTEAD}"
    )


def refused_display(error: Exception) -> str:
    """The sentence for a display that is named and does not let us in."""
    said = str(error).rstrip(".")
    return f"The display cannot be opened ({said}): start Mynah in a desktop session. {INSTEAD}"


def _remedy() -> str:
    """How tkinter comes to this system."""
    version = ".".join(str(part) for part in sys.version_info[:2])
    if sys.platform == "win32":
        return (
            "Run Python's own installer again, choose Modify and tick `tcl/tk and IDLE`, then "
            "start again."
        )
    if sys.platform == "darwin":
        return f"Install it (`brew install python-tk@{version}`), then start again."
    for tool, package in (
        ("apt-get", "python3-tk"),
        ("dnf", "python3-tkinter"),
        ("pacman", "tk"),
        ("zypper", "python3-tk"),
        ("apk", "python3-tkinter"),
    ):
        if _is_there(tool):
            verb = {"pacman": "-S", "apk": "add"}.get(tool, "install")
            return f"Install it (`sudo {tool} {verb} {package}`), then start again."
    return "Install your system's package of tkinter for Python 3, then start again."


def _is_there(tool: str) -> bool:
    import shutil

    return shutil.which(tool) is not None
