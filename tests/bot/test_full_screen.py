"""full_screen: asked of a real X server, and of Windows' and macOS' calls as they are documented.

No window manager is there: the tests set the properties that one would. What stands for Windows and
macOS has never met the real ones.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from bot import full_screen
from bot.full_screen import is_full_screen, macos_says, windows_says, x11_says
from storage.paths import PROGRAM_DIR
from tests.gui.display import virtual_display

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs an X server of its own")

SOMEBODY = 4_194_305
"""A process id that Linux never gives out, so never ours."""


class Desk:
    """A client that says of windows what a window manager says."""

    def __init__(self, name: str) -> None:
        from Xlib import Xatom, display

        self._atoms = Xatom
        self.display = display.Display(name)
        self.root = self.display.screen().root

    def window(self, *states: str, pid: int = SOMEBODY) -> Any:
        window = self.root.create_window(0, 0, 1600, 1000, 0, self.display.screen().root_depth)
        window.map()
        self._set(window, "_NET_WM_PID", self._atoms.CARDINAL, [pid])
        self.put(window, *states)
        return window

    def put(self, window: Any, *states: str) -> None:
        atoms = [self.display.intern_atom(f"_NET_WM_STATE_{state}") for state in states]
        self._set(window, "_NET_WM_STATE", self._atoms.ATOM, atoms)

    def activate(self, window: Any) -> None:
        self._set(self.root, "_NET_ACTIVE_WINDOW", self._atoms.WINDOW, [window.id if window else 0])

    def _set(self, on: Any, name: str, kind: int, values: list[int]) -> None:
        on.change_property(self.display.intern_atom(name), kind, 32, values)
        self.display.sync()

    def leave(self) -> None:
        self.root.delete_property(self.display.intern_atom("_NET_ACTIVE_WINDOW"))
        self.display.sync()
        self.display.close()


@pytest.fixture
def desk(xvfb: str) -> Iterator[Desk]:
    desk = Desk(xvfb)
    yield desk
    desk.leave()


# -- X11 ------------------------------------------------------------------------------------------


@linux
def test_the_active_window_fills_the_screen(desk: Desk) -> None:
    game = desk.window("FULLSCREEN")
    desk.activate(game)
    assert is_full_screen() is True
    desk.put(game, "FOCUSED", "ABOVE", "FULLSCREEN")
    assert is_full_screen() is True
    desk.put(game)
    assert is_full_screen() is False


@linux
def test_a_maximised_window_is_not_full_screen(desk: Desk) -> None:
    desk.activate(desk.window("MAXIMIZED_VERT", "MAXIMIZED_HORZ", "FOCUSED"))
    assert is_full_screen() is False


@linux
def test_a_game_left_behind_another_window_is_not_played(desk: Desk) -> None:
    desk.window("FULLSCREEN")
    desk.activate(desk.window())
    assert is_full_screen() is False
    desk.activate(None)
    assert is_full_screen() is False


@linux
@pytest.mark.parametrize("own", [os.getpid, os.getppid])
def test_our_own_window_is_no_game(desk: Desk, own: Callable[[], int]) -> None:
    desk.activate(desk.window("FULLSCREEN", pid=own()))
    assert is_full_screen() is False


@linux
def test_a_window_that_has_gone_is_not_full_screen(desk: Desk) -> None:
    game = desk.window("FULLSCREEN")
    desk.activate(game)
    game.destroy()
    desk.display.sync()
    assert is_full_screen() is False


@linux
def test_without_a_window_manager_it_cannot_be_told(xvfb: str) -> None:
    assert is_full_screen() is None


@linux
def test_a_property_of_another_shape_is_none(desk: Desk) -> None:
    name = desk.display.intern_atom("_NET_ACTIVE_WINDOW")
    desk.root.change_property(name, desk._atoms.STRING, 8, b"nonsense")
    desk.display.sync()
    assert is_full_screen() is None


@linux
@pytest.mark.parametrize(
    "named", [{"WAYLAND_DISPLAY": "wayland-0"}, {"XDG_SESSION_TYPE": "wayland"}]
)
def test_under_wayland_a_yes_is_a_yes_and_a_no_is_unknown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, named: dict[str, str]
) -> None:
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    game = desk.window("FULLSCREEN")
    desk.activate(game)
    assert is_full_screen() is True
    desk.put(game)
    assert is_full_screen() is None


@linux
@pytest.mark.parametrize(
    "display", ["", ":", ":97531", "nonsense", "localhost:10.0", "192.0.2.1:0", "unix:x", ":0.99"]
)
def test_no_display_that_can_be_had(monkeypatch: pytest.MonkeyPatch, display: str) -> None:
    monkeypatch.setenv("DISPLAY", display)
    began_s = time.monotonic()
    assert is_full_screen() is None
    assert time.monotonic() - began_s < 1  # nobody on a network was asked


@linux
def test_without_a_display_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    assert is_full_screen() is None


@linux
def test_a_second_screen_is_asked_where_it_is_named(xvfb: str, desk: Desk) -> None:
    desk.activate(desk.window("FULLSCREEN"))
    assert x11_says(f"unix{xvfb}.0") is True
    assert x11_says(f"{xvfb}.7") is None  # the server has no such screen


@linux
def test_without_libxcb_it_cannot_be_told(xvfb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Any:
        raise OSError("libxcb.so.1: cannot open shared object file")

    monkeypatch.setattr(full_screen, "_libraries", missing)
    assert is_full_screen() is None


@linux
def test_a_connection_that_dies_while_it_is_asked_ends_nobody() -> None:
    with virtual_display() as name:
        server = _server(name)
        server.send_signal(signal.SIGSTOP)
        answers: list[bool | None] = []
        asking = threading.Thread(target=lambda: answers.append(is_full_screen()))
        asking.start()
        asking.join(0.3)
        assert asking.is_alive()  # it waits for the display that stands still
        server.kill()
        asking.join(10)
        assert answers == [None]
        assert is_full_screen() is None


@linux
def test_looking_leaves_nothing_behind(desk: Desk) -> None:
    desk.activate(desk.window("FULLSCREEN"))
    me = psutil.Process()
    is_full_screen()
    files, memory_bytes = me.num_fds(), me.memory_info().rss
    for _ in range(2_000):
        assert is_full_screen()
    assert me.num_fds() == files
    assert me.memory_info().rss - memory_bytes < 2_000_000


@linux
def test_nothing_is_loaded_before_the_first_look() -> None:
    script = (
        "import sys, bot.full_screen\n"
        "maps = open('/proc/self/maps').read()\n"
        "print('libxcb' in maps, [name for name in ('Xlib', 'Quartz') if name in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROGRAM_DIR,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert out.stdout.strip() == "False []"


def _server(display: str) -> psutil.Process:
    """The Xvfb that was started last: that of this display."""
    servers = [child for child in psutil.Process().children() if child.name() == "Xvfb"]
    newest = max(servers, key=lambda server: server.create_time())
    assert os.environ["DISPLAY"] == display
    return newest


# -- Windows: the functions are C functions, called through ctypes as the real ones are ------------


def libraries(state: int, in_front: str = "UnrealWindow", pid: int = SOMEBODY, failed: int = 0):
    """shell32 and user32 as documented: SHQueryUserNotificationState and the foreground window."""

    def query(state_out: Any) -> int:
        state_out[0] = state
        return failed

    def class_name(window: int, buffer: int, room: int) -> int:
        text = ctypes.create_unicode_buffer(in_front[: room - 1])
        ctypes.memmove(buffer, text, ctypes.sizeof(text))
        return len(in_front) if window else 0

    def process(window: int, pid_out: Any) -> int:
        pid_out[0] = pid
        return 1

    pointer, number = ctypes.c_void_p, ctypes.c_int
    shell32 = SimpleNamespace(
        SHQueryUserNotificationState=ctypes.CFUNCTYPE(ctypes.c_long, ctypes.POINTER(number))(query)
    )
    user32 = SimpleNamespace(
        GetForegroundWindow=ctypes.CFUNCTYPE(pointer)(lambda: 0x7FFF_0000_1234),
        GetClassNameW=ctypes.CFUNCTYPE(number, pointer, pointer, number)(class_name),
        GetWindowThreadProcessId=ctypes.CFUNCTYPE(
            ctypes.c_ulong, pointer, ctypes.POINTER(ctypes.c_ulong)
        )(process),
    )
    return shell32, user32


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (1, False),  # locked, or a screen saver
        (2, True),  # busy: something fills the screen
        (3, True),  # Direct3D has the screen for itself
        (4, True),  # a presentation
        (5, False),
        (6, False),  # the first hour of a new user
        (7, False),  # a Store app; an open start menu is one
    ],
)
def test_windows_states(state: int, expected: bool) -> None:
    assert windows_says(*libraries(state)) is expected


@pytest.mark.parametrize("desktop", ["Progman", "WorkerW"])
def test_windows_busy_with_the_desktop_in_front_is_an_overlay(desktop: str) -> None:
    assert windows_says(*libraries(2, in_front=desktop)) is False
    assert windows_says(*libraries(3, in_front=desktop)) is True


def test_windows_busy_with_our_own_window_is_no_game() -> None:
    assert windows_says(*libraries(2, pid=os.getpid())) is False


def test_windows_that_does_not_say() -> None:
    assert windows_says(*libraries(2, failed=-2147467259)) is None  # E_FAIL


# -- macOS: the module's functions and keys as documented -----------------------------------------


def rectangle(x: float, y: float, width: float, height: float) -> Any:
    origin, size = SimpleNamespace(x=x, y=y), SimpleNamespace(width=width, height=height)
    return SimpleNamespace(origin=origin, size=size)


SCREENS = {1: rectangle(0.0, 0.0, 1440.0, 900.0), 7: rectangle(1440.0, 0.0, 1920.0, 1080.0)}


def quartz(windows: Any, error: int = 0) -> Any:
    return SimpleNamespace(
        kCGWindowListOptionOnScreenOnly=1,
        kCGWindowListExcludeDesktopElements=16,
        kCGNullWindowID=0,
        CGWindowListCopyWindowInfo=lambda options, beside: windows if options == 17 else None,
        CGGetActiveDisplayList=lambda most, ids, count: (error, tuple(SCREENS), len(SCREENS)),
        CGDisplayBounds=SCREENS.__getitem__,
    )


def mac_window(x: int, y: int, width: int, height: int, **other: Any) -> dict[str, Any]:
    bounds = {"X": x, "Y": y, "Width": width, "Height": height}
    usual = {"kCGWindowLayer": 0, "kCGWindowAlpha": 1, "kCGWindowOwnerPID": SOMEBODY}
    return {**usual, "kCGWindowBounds": bounds, **other}


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (mac_window(0, 0, 1440, 900), True),
        (mac_window(1440, 0, 1920, 1080), True),  # on the second screen
        (mac_window(0, 25, 1440, 875), False),  # maximised, below the menu bar
        (mac_window(0, 0, 1920, 1080), False),  # another screen's size here
        (mac_window(0, 0, 1440, 900, kCGWindowLayer=20), False),  # the Dock's
        (mac_window(0, 0, 1440, 900, kCGWindowAlpha=0), False),  # nobody sees it
        (mac_window(0, 0, 1440, 900, kCGWindowOwnerPID=os.getpid()), False),
        ({"kCGWindowLayer": 0}, False),
    ],
)
def test_macos_windows(window: dict[str, Any], expected: bool) -> None:
    assert macos_says(quartz([mac_window(10, 10, 300, 200), window])) is expected


def test_macos_without_a_session() -> None:
    assert macos_says(quartz(None)) is None
    assert macos_says(quartz([], error=1000)) is None
    assert macos_says(quartz([])) is False
