"""Which of pystray's ways to a tray works on this desktop, and what X11's lacks made good.

For the tray's helper process alone. On Linux there are two kinds of trays:

- a StatusNotifier host on the session bus (GNOME's extension, KDE, most panels). Needs PyGObject
  and an AppIndicator library of the system; a venv does not see the system's PyGObject, so it is
  looked for where the venv's Python came from, and taken where it was built for this Python.
- a tray of X11's own (trayer, older panels). pystray's xorg backend has neither menu nor tooltip,
  and its icon hears no click: here it hears them and tells where, and the window draws them.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import select
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

LOOK_AGAIN_S = 2.0
"""How often it is seen whether a tray has come (at login a panel may be later than we are)."""
STATUS_NOTIFIER = "org.kde.StatusNotifierWatcher"
CHOICE = "MYNAH_TRAY"
"""A variable for tests and for a desktop where the choice is wrong: appindicator or xorg."""

Tell = Callable[[dict[str, Any]], None]


def choose() -> str:
    """The name of the backend that pystray is to use here: its module, without the underscore."""
    if sys.platform == "win32":
        return "win32"
    if sys.platform == "darwin":
        return "darwin"
    if os.environ.get(CHOICE):
        return os.environ[CHOICE]
    return "appindicator" if _has_status_notifier() and _has_appindicator() else "xorg"


def icon_class(backend: str, tell: Tell) -> Any:
    """pystray's Icon of this backend. Raises ImportError; on Linux without a display others."""
    os.environ["PYSTRAY_BACKEND"] = backend
    logging.getLogger("pystray").setLevel(logging.CRITICAL)  # no host yet is no error here
    module = importlib.import_module(f"pystray._{backend}")
    return _hearing(module.Icon, tell) if backend == "xorg" else module.Icon


def notify(icon: Any, text: str) -> None:
    """Show it where the system can; else nothing."""
    if icon is not None and type(icon).HAS_NOTIFICATION:
        icon.notify(text, "Mynah")
    else:
        with suppress(OSError):
            subprocess.Popen(
                ["notify-send", "--app-name=Mynah", "Mynah", text],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )


def _has_status_notifier() -> bool:
    """Whether a StatusNotifier host is on the session bus, as one of the system's tools says."""
    if not os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return False
    bus, path = "org.freedesktop.DBus", "/org/freedesktop/DBus"
    asked = f"{bus}.NameHasOwner"
    for command in (
        f"gdbus call --session --dest {bus} --object-path {path} --method {asked} "
        f"{STATUS_NOTIFIER}",
        f"dbus-send --session --print-reply --dest={bus} {path} {asked} string:{STATUS_NOTIFIER}",
    ):
        with suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(command.split(), capture_output=True, text=True, timeout=3)
            if done.returncode == 0:
                return "true" in done.stdout
    return False


def _has_appindicator() -> bool:
    """Whether PyGObject and an AppIndicator library can be had; the former is put on sys.path."""
    if importlib.util.find_spec("gi") is None:
        folder = _folder_of_gi()
        if folder is None:
            return False
        sys.path.append(str(folder))
    try:
        import gi

        for name in ("AppIndicator3", "AyatanaAppIndicator3"):
            with suppress(ValueError):
                gi.require_version("Gtk", "3.0")
                gi.require_version(name, "0.1")
                return True
    except Exception:  # a PyGObject that does not fit fails in many ways
        return False
    return False


def _folder_of_gi() -> Path | None:
    """Where the system keeps a PyGObject that was built for this very Python."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX") or ".so"
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for folder in (
        Path(sys.base_prefix, "lib", version, "site-packages"),
        Path(sys.base_prefix, "lib64", version, "site-packages"),
        Path("/usr/lib/python3/dist-packages"),
        Path("/usr/lib64", version, "site-packages"),
        Path("/usr/lib", version, "site-packages"),
    ):
        if (folder / "gi" / f"_gi{suffix}").is_file():
            return folder
    return None


def _hearing(base: Any, tell: Tell) -> Any:
    """X11's icon, which hears the pointer and says when a tray has taken it in."""
    from Xlib import X
    from Xlib.error import XError

    class HearingIcon(base):
        between: Callable[[Any], object]
        """Called in X11's thread at least every LOOK_AGAIN_S, for what else is to be done."""
        woken_by: int
        """A file descriptor that is ready where it is to be called at once."""
        _systray_manager: Any

        def __init__(self, *arguments: Any, **rest: Any) -> None:
            super().__init__(*arguments, **rest)
            self._message_handlers.update(
                {
                    X.ReparentNotify: self._on_reparent,
                    X.EnterNotify: self._on_pointer,
                    X.LeaveNotify: self._on_pointer,
                }
            )

        @property
        def is_docked(self) -> bool:
            return self._systray_manager is not None

        def _assert_docked(self) -> None:
            """pystray asks to be docked anew at each change of the picture, and the icon jumps."""
            if self._systray_manager is None:
                super()._assert_docked()

        def _events(self) -> Iterator[Any]:
            """All of X11 in this one thread: python-xlib loses events where two share it."""
            while True:
                while self._display.pending_events():
                    yield self._display.next_event()
                self.between(self)
                if not self._display.pending_events():
                    waited = [self._display.fileno(), self.woken_by]
                    select.select(waited, [], [], LOOK_AGAIN_S)

        def _create_window(self) -> Any:
            window = super()._create_window()
            window.change_attributes(
                event_mask=X.ExposureMask
                | X.StructureNotifyMask
                | X.ButtonPressMask
                | X.EnterWindowMask
                | X.LeaveWindowMask
            )
            return window

        def _on_button_press(self, event: Any) -> None:
            if event.detail == 1:
                self()
            elif event.detail == 3:
                tell({"menu_at": [event.root_x, event.root_y]})

        def _on_pointer(self, event: Any) -> None:
            is_over = event.type == X.EnterNotify
            tell({"tip_at": [event.root_x, event.root_y] if is_over else None})

        def _on_reparent(self, event: Any) -> None:
            if event.window.id == self._window.id:
                is_there = event.parent.id != self._display.screen().root.id
                tell({"tray": is_there, "backend": "xorg"})

        def _on_destroy_notify(self, event: Any) -> None:
            """The tray has gone. Another may come: the helper docks anew."""
            if self._systray_manager and event.window.id == self._systray_manager.id:
                self._systray_manager = None
                tell({"tray": False, "backend": "xorg"})

        def _draw(self) -> None:
            with suppress(XError):
                super()._draw()

    return HearingIcon
