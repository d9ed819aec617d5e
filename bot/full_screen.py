"""Whether something fills the screen: a game, a film, a presentation. A maximised window does not.

Nothing is loaded before the first question. What is asked, and of whom:

- Windows: its own answer to "is this a moment for a notification?".
- X11: which window the window manager calls active, and whether it calls it full screen. Through
  libxcb: libX11 ends the process when its connection dies, and python-xlib is refused by sessions
  whose authority file has entries of a kind that it does not read.
- Wayland shows nobody else's windows; those that come through XWayland, most games, are seen.
- macOS: whether a window has the size of a display.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

log = logging.getLogger(__name__)

QUNS_BUSY = 2
QUNS_RUNNING_D3D_FULL_SCREEN = 3
QUNS_PRESENTATION_MODE = 4

DESKTOP_CLASSES = frozenset({"Progman", "WorkerW"})
"""The window classes of Windows' desktop. An overlay that nobody sees (NVIDIA's) makes Windows say
"busy" while the desktop alone is in front."""

MAX_DISPLAYS = 16


def is_full_screen() -> bool | None:
    """Whether another program's window fills the screen now; None where it cannot be told.

    Takes about a millisecond, and for as long as an X server that stands still does not answer:
    so in a worker's thread, any. Never raises.
    """
    try:
        if sys.platform == "win32":
            # Of its own and not ctypes.windll, whose prototypes all of the process shares.
            return windows_says(ctypes.WinDLL("shell32"), ctypes.WinDLL("user32"))
        if sys.platform == "darwin":
            return macos_says(importlib.import_module("Quartz"))
        seen = x11_says(os.environ.get("DISPLAY", ""))
        return None if seen is False and _is_wayland() else seen
    except Exception:  # an edge: a desktop may lack anything, and nothing here is worth a crash
        log.debug("Whether something fills the screen cannot be told.", exc_info=True)
        return None


def _own_pids() -> frozenset[int]:
    """Ours, and the window's that started us."""
    return frozenset({os.getpid(), os.getppid()})


# -- Windows --------------------------------------------------------------------------------------


def windows_says(shell32: Any, user32: Any) -> bool | None:
    """The answer of Windows' two libraries. Raises OSError or AttributeError where one lacks it."""
    state = ctypes.c_int()
    shell32.SHQueryUserNotificationState.restype = ctypes.c_long
    if shell32.SHQueryUserNotificationState(ctypes.byref(state)) != 0:
        return None
    if state.value != QUNS_BUSY:
        return state.value in (QUNS_RUNNING_D3D_FULL_SCREEN, QUNS_PRESENTATION_MODE)
    class_name, pid = _in_front(user32)
    return class_name not in DESKTOP_CLASSES and pid not in _own_pids()


def _in_front(user32: Any) -> tuple[str, int]:
    """The foreground window's class and process; "" and 0 where there is none."""
    user32.GetForegroundWindow.restype = ctypes.c_void_p
    window = ctypes.c_void_p(user32.GetForegroundWindow())
    name = ctypes.create_unicode_buffer(64)
    user32.GetClassNameW(window, name, ctypes.c_int(len(name)))
    pid = ctypes.c_ulong()
    user32.GetWindowThreadProcessId(window, ctypes.byref(pid))
    return name.value, pid.value


# -- macOS ----------------------------------------------------------------------------------------


def macos_says(quartz: Any) -> bool | None:
    """The answer of pyobjc's Quartz module (there with pystray, which the window needs)."""
    windows = quartz.CGWindowListCopyWindowInfo(
        quartz.kCGWindowListOptionOnScreenOnly | quartz.kCGWindowListExcludeDesktopElements,
        quartz.kCGNullWindowID,
    )
    error, displays, count = quartz.CGGetActiveDisplayList(MAX_DISPLAYS, None, None)
    if windows is None or error != 0:  # no session with a screen
        return None
    screens = {_rectangle(quartz.CGDisplayBounds(display)) for display in displays[:count]}
    return any(_fills(window, screens) for window in windows)


def _rectangle(bounds: Any) -> tuple[float, float, float, float]:
    return (bounds.origin.x, bounds.origin.y, bounds.size.width, bounds.size.height)


def _fills(window: Any, screens: set[tuple[float, float, float, float]]) -> bool:
    """Whether a window that can be seen, of somebody else, on programs' layer, is a screen."""
    bounds = window.get("kCGWindowBounds") or {}
    return (
        window.get("kCGWindowLayer") == 0
        and window.get("kCGWindowAlpha", 1.0) > 0
        and window.get("kCGWindowOwnerPID") not in _own_pids()
        and tuple(bounds.get(side) for side in ("X", "Y", "Width", "Height")) in screens
    )


# -- X11 ------------------------------------------------------------------------------------------


def x11_says(display: str) -> bool | None:
    """The answer of the window manager on `display` (":0"); None where none keeps the hints
    (EWMH), or the display cannot be had, or stands on another computer.

    Raises OSError where libxcb is not there.
    """
    if not display.startswith((":", "unix:", "unix/:")):
        return None
    with _connected(display) as x11:
        if x11 is None:
            return None
        active, states, full, pid = x11.atoms(
            "_NET_ACTIVE_WINDOW", "_NET_WM_STATE", "_NET_WM_STATE_FULLSCREEN", "_NET_WM_PID"
        )
        windows = x11.numbers(x11.root, active)
        is_full = bool(windows and windows[0]) and full in x11.numbers(windows[0], states)
        is_own = is_full and not _own_pids().isdisjoint(x11.numbers(windows[0], pid))
        return None if not windows or x11.is_dead else is_full and not is_own


def _is_wayland() -> bool:
    named = os.environ.get("XDG_SESSION_TYPE", "").lower() == "wayland"
    return named or bool(os.environ.get("WAYLAND_DISPLAY"))


class _Cookie(ctypes.Structure):
    _fields_ = (("sequence", ctypes.c_uint),)


class _Screens(ctypes.Structure):
    """xcb_screen_iterator_t; a screen begins with the id of its root window."""

    _fields_ = (
        ("root", ctypes.POINTER(ctypes.c_uint32)),
        ("left", ctypes.c_int),
        ("index", ctypes.c_int),
    )


class _Atom(ctypes.Structure):
    """xcb_intern_atom_reply_t, as far as it is read."""

    _fields_ = (("head", ctypes.c_uint32 * 2), ("atom", ctypes.c_uint32))


class _Property(ctypes.Structure):
    """xcb_get_property_reply_t; the value follows."""

    _fields_ = (
        ("response", ctypes.c_uint8),
        ("format", ctypes.c_uint8),
        ("sequence", ctypes.c_uint16),
        ("length", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("bytes_after", ctypes.c_uint32),
        ("count", ctypes.c_uint32),
        ("padding", ctypes.c_uint8 * 12),
    )


MAX_NUMBERS = 64
"""Of one property; a window has a handful of states."""


@cache
def _libraries() -> tuple[Any, Any]:
    """libxcb with its prototypes, and what holds `free`. Raises OSError."""
    xcb, c = ctypes.CDLL("libxcb.so.1"), ctypes.CDLL(None)
    pointer, number, byte = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint8
    for name, result, arguments in (
        ("xcb_connect", pointer, (ctypes.c_char_p, ctypes.POINTER(ctypes.c_int))),
        ("xcb_connection_has_error", ctypes.c_int, (pointer,)),
        ("xcb_disconnect", None, (pointer,)),
        ("xcb_get_setup", pointer, (pointer,)),
        ("xcb_setup_roots_iterator", _Screens, (pointer,)),
        ("xcb_screen_next", None, (ctypes.POINTER(_Screens),)),
        ("xcb_intern_atom", _Cookie, (pointer, byte, ctypes.c_uint16, ctypes.c_char_p)),
        ("xcb_intern_atom_reply", pointer, (pointer, _Cookie, pointer)),
        ("xcb_get_property", _Cookie, (pointer, byte, *[number] * 5)),
        ("xcb_get_property_reply", pointer, (pointer, _Cookie, pointer)),
    ):
        function = getattr(xcb, name)
        function.restype, function.argtypes = result, arguments
    c.free.restype, c.free.argtypes = None, (pointer,)
    return xcb, c


class _X11:
    """One connection, for one look: none is kept that could die or fill with events."""

    def __init__(self, connection: int, screen: int) -> None:
        self._xcb, self._c = _libraries()
        self._connection = connection
        screens = self._xcb.xcb_setup_roots_iterator(self._xcb.xcb_get_setup(connection))
        while screen > 0 and screens.left > 1:
            self._xcb.xcb_screen_next(ctypes.byref(screens))
            screen -= 1
        self.root = int(screens.root[0])

    @property
    def is_dead(self) -> bool:
        return bool(self._xcb.xcb_connection_has_error(self._connection))

    def atoms(self, *names: str) -> list[int]:
        """Their numbers, 0 for one that nobody has used yet. All are asked before one is read."""
        ask = self._xcb.xcb_intern_atom
        cookies = [ask(self._connection, 1, len(name), name.encode()) for name in names]
        return [self._atom(cookie) for cookie in cookies]

    def _atom(self, cookie: _Cookie) -> int:
        with self._freed(self._xcb.xcb_intern_atom_reply(self._connection, cookie, None)) as reply:
            return int(_Atom.from_address(reply).atom) if reply else 0

    def numbers(self, window: int, name: int) -> list[int]:
        """A property's numbers of 32 bits; none where there is no such property or window."""
        any_type = 0
        cookie = self._xcb.xcb_get_property(
            self._connection, 0, window, name, any_type, 0, MAX_NUMBERS
        )
        with self._freed(self._xcb.xcb_get_property_reply(self._connection, cookie, None)) as reply:
            if not reply:
                return []
            found = _Property.from_address(reply)
            count = found.count if found.format == 32 else 0
            return list((ctypes.c_uint32 * count).from_address(reply + ctypes.sizeof(_Property)))

    @contextmanager
    def _freed(self, reply: int | None) -> Iterator[int | None]:
        try:
            yield reply
        finally:
            self._c.free(reply)


@contextmanager
def _connected(display: str) -> Iterator[_X11 | None]:
    """A connection to this display, None where it is refused."""
    xcb, _ = _libraries()
    screen = ctypes.c_int()
    connection = xcb.xcb_connect(display.encode(), ctypes.byref(screen))
    try:
        is_refused = xcb.xcb_connection_has_error(connection)
        yield None if is_refused else _X11(connection, screen.value)
    finally:
        xcb.xcb_disconnect(connection)
