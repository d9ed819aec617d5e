"""The tray: what it shows, and the helper process with a real tray of X11's (trayer)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gui import preferences, tray_backends
from gui.app import Window
from gui.components import system_tray
from gui.snapshot import Snapshot
from gui.supervision import State
from gui.tray_face import AMBER, GREEN, GREY, RED, TOOLTIP_CHARS, Changes, Face, face_of
from tests.gui.conftest import House, lives
from tests.gui.window import pump, rest, window

ICON = "mynahSystemTrayIcon"


def texts_of(face: Face) -> list[str]:
    return [entry.text for entry in face.entries]


# -- what is shown -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("snapshot", "colour", "act"),
    [
        (Snapshot(State.STOPPED), GREY, "Start the bot"),
        (Snapshot(State.STARTING, phase="loading"), AMBER, "Stop the bot"),
        (Snapshot(State.ONLINE, phase="online"), GREEN, "Stop the bot"),
        (Snapshot(State.ONLINE, phase="connecting"), AMBER, "Stop the bot"),
        (Snapshot(State.STOPPING), AMBER, "Stop the bot"),
        (Snapshot(State.WAITING, next_attempt_in_s=4.0), AMBER, "Start the bot"),
        (Snapshot(State.FAILED, reason="The token is wrong."), RED, "Start the bot"),
    ],
)
def test_each_state_has_its_face(snapshot: Snapshot, colour: str, act: str) -> None:
    face = face_of(snapshot, {}, is_shown=True)
    assert (face.colour, face.mark) == (colour, snapshot.state.value)
    assert texts_of(face) == ["Hide Mynah", "", act, "Open logs", "", "Exit"]
    assert texts_of(face_of(snapshot, {}, is_shown=False))[0] == "Show Mynah"
    can_act = face.entries[2].is_enabled
    assert can_act is (snapshot.state is not State.STOPPING)


def test_the_tooltip_has_figures() -> None:
    online = Snapshot(State.ONLINE, phase="online", memory_bytes=512_000_000)
    stats = {"uptime_s": 11_580.0, "statistics": {"24h": {"answered": 42}}}
    assert face_of(online, stats, True).tooltip == (
        "Mynah: online\nup 3 h 13 min, 42 replies in 24 h, 512 MB"
    )
    assert face_of(online, {}, True, False).tooltip.startswith("Mynah: online, listens in silence")
    assert face_of(Snapshot(), {}, True).tooltip == "Mynah: stopped"
    assert face_of(Snapshot(), {}, True, False).tooltip == "Mynah: stopped"
    failed = Snapshot(State.FAILED, reason="The token is wrong. " * 20)
    assert len(face_of(failed, {}, True).tooltip) == TOOLTIP_CHARS


def test_what_is_told_of_a_bot_that_goes_and_comes() -> None:
    changes = Changes()
    said = [
        changes.sentence(Snapshot(state, phase=phase, reason=reason))
        for state, phase, reason in [
            (State.STARTING, "loading", ""),
            (State.ONLINE, "online", ""),
            (State.WAITING, "", "It ended by itself."),
            (State.STARTING, "loading", ""),
            (State.WAITING, "", "It ended by itself."),
            (State.ONLINE, "connecting", ""),
            (State.ONLINE, "online", ""),
            (State.STOPPING, "", ""),
            (State.STOPPED, "", ""),
            (State.STARTING, "", ""),
            (State.FAILED, "", "The token is wrong."),
        ]
    ]
    assert [sentence for sentence in said if sentence] == [
        "The bot went down; it is started again. It ended by itself.",
        "The bot is back.",
        "The bot is down and does not start again by itself. The token is wrong.",
    ]
    assert said[2]
    assert said[6]


# -- the helper and a real tray ------------------------------------------------------------------


def start_trayer() -> subprocess.Popen[bytes]:
    if shutil.which("trayer") is None or shutil.which("xdotool") is None:
        pytest.skip("needs trayer and xdotool")
    return subprocess.Popen(
        ["trayer", "--edge", "top", "--align", "right", "--width", "10", "--height", "24"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture
def trayer(xvfb: str) -> Iterator[subprocess.Popen[bytes]]:
    process = start_trayer()
    yield process
    process.kill()
    process.wait()


def xdotool(*arguments: str) -> str:
    done = subprocess.run(["xdotool", *arguments], capture_output=True, text=True, timeout=10)
    return done.stdout.strip()


def icon() -> str:
    """The X window of our icon in the tray; "" where it is not in one."""
    return xdotool("search", "--onlyvisible", "--classname", ICON)


def click_icon(button: int) -> None:
    xdotool("mousemove", "--window", icon(), "8", "8", "click", str(button))


def with_tray(house: House) -> Any:
    return window(house.home, house.command("ready"), tray=True)


def wait_for_tray(shown: Window) -> None:
    pump(shown, lambda: shown.tray.is_there and icon(), 10, what="the tray's icon")


def choose(shown: Window, text: str) -> None:
    """Open the icon's menu, and click an entry with the pointer."""
    rest(shown, 0.05)  # until the menu before has let the pointer go
    click_icon(3)
    pump(shown, lambda: shown.tray.menu and shown.tray.menu.winfo_viewable(), what="the menu")
    menu = shown.tray.menu
    assert menu is not None
    index = menu.index(text)
    assert index is not None
    x = menu.winfo_rootx() + 20
    y = menu.winfo_rooty() + menu.yposition(index) + 8
    xdotool("mousemove", str(x), str(y))
    rest(shown, 0.1)
    xdotool("click", "1")


def test_a_click_on_the_icon_hides_and_shows(house: House, trayer: Any) -> None:
    with with_tray(house) as shown:
        wait_for_tray(shown)
        assert shown.tray.backend == "xorg"
        click_icon(1)
        pump(shown, lambda: shown.root.state() == "withdrawn", what="the hiding")
        click_icon(1)
        pump(shown, lambda: shown.root.state() == "normal", what="the showing")
        pump(shown, shown.root.winfo_viewable)


def test_the_menu_starts_and_stops_the_bot_and_ends_mynah(house: House, trayer: Any) -> None:
    with with_tray(house) as shown:
        wait_for_tray(shown)
        shown.presence.close()
        pump(shown, lambda: shown.root.state() == "withdrawn")
        choose(shown, "Start the bot")
        pump(shown, lambda: shown.app.is_online, what="the bot")
        pump(shown, lambda: "online" in xdotool("getwindowname", icon()), what="the tooltip")
        choose(shown, "Open logs")
        pump(shown, lambda: logs_are_shown(shown), what="the logs")
        choose(shown, "Stop the bot")
        pump(shown, lambda: shown.app.snapshot.state is State.STOPPED, what="the bot's end")
        choose(shown, "Show Mynah")
        pump(shown, lambda: shown.root.state() == "normal", what="the showing")
        helper = shown.tray.pid
        assert helper is not None
        choose(shown, "Exit")
        pump_until_closed(shown)
        wait_until(lambda: not lives(helper))


def test_the_tooltip_is_drawn_beside_the_icon(house: House, trayer: Any) -> None:
    with with_tray(house) as shown:
        wait_for_tray(shown)
        xdotool("mousemove", "--window", icon(), "8", "8")
        pump(shown, lambda: shown.tray.tip is not None, what="the tooltip")
        xdotool("mousemove", "300", "300")
        pump(shown, lambda: shown.tray.tip is None, what="the tooltip's end")


def test_a_tray_that_goes_leaves_the_window_within_reach_and_one_that_comes_is_taken(
    house: House, trayer: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    minimised: list[str] = []
    with with_tray(house) as shown:
        # Without a window manager nothing can be minimised: see that it is asked for.
        monkeypatch.setattr(shown.root, "iconify", lambda: minimised.append("yes"))
        wait_for_tray(shown)
        shown.presence.hide()
        assert shown.root.state() == "withdrawn"
        trayer.kill()
        trayer.wait()
        pump(shown, lambda: not shown.tray.is_there, what="the tray's end")
        assert minimised == ["yes"]
        another = start_trayer()
        try:
            wait_for_tray(shown)
            assert shown.root.state() == "withdrawn"
            assert len(minimised) == 1
        finally:
            another.kill()
            another.wait()


def test_a_helper_that_dies_is_started_again(
    house: House, trayer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_tray, "AGAIN_AFTER_MS", 50)
    with with_tray(house) as shown:
        wait_for_tray(shown)
        first = shown.tray.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        pump(shown, lambda: shown.tray.pid not in (None, first), what="another helper")
        wait_for_tray(shown)


def test_without_a_tray_host_nothing_is_missing(house: House, xvfb: str) -> None:
    with with_tray(house) as shown:
        pump(shown, lambda: shown.tray.backend, what="the helper's word")
        assert not shown.tray.is_there
        assert shown.presence.is_shown


def test_a_bot_that_goes_down_is_told_unless_that_is_switched_off(
    house: House, xvfb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    with window(house.home, house.command("ready")) as shown:
        monkeypatch.setattr(shown.tray, "notify", told.append)
        shown.app.note_snapshot(Snapshot(State.ONLINE, phase="online"))
        shown.app.note_snapshot(Snapshot(State.WAITING, reason="It crashed."))
        assert told == ["The bot went down; it is started again. It crashed."]
        preferences.change(house.home, notifications=False)
        shown.app.note_snapshot(Snapshot(State.ONLINE, phase="online"))
        assert len(told) == 1


def test_notifications_go_to_the_system_where_the_icon_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "notify-send"
    program.write_text(f'#!/bin/sh\nprintf "%s|" "$@" > {tmp_path}/said\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    tray_backends.notify(None, "The bot is back.")
    wait_until(lambda: (tmp_path / "said").exists() and (tmp_path / "said").read_text())
    assert (tmp_path / "said").read_text() == "--app-name=Mynah|Mynah|The bot is back.|"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there is one tray")
def test_which_of_linux_trays_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tray_backends.CHOICE, raising=False)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    assert tray_backends.choose() == "xorg"
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tray_backends.choose() == "xorg"
    program = tmp_path / "gdbus"
    program.write_text(
        '#!/bin/sh\ncase "$*" in *org.kde.StatusNotifierWatcher*) echo "(true,)";; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(tray_backends, "_has_appindicator", lambda: True)
    assert tray_backends.choose() == "appindicator"
    monkeypatch.setattr(tray_backends, "_has_appindicator", lambda: False)
    assert tray_backends.choose() == "xorg"
    monkeypatch.setenv(tray_backends.CHOICE, "appindicator")
    assert tray_backends.choose() == "appindicator"


def logs_are_shown(shown: Window) -> bool:
    windows = [child for child in shown.root.winfo_children() if "logs" in str(child)]
    return any(child.winfo_viewable() for child in windows)


def wait_until(holds: Any, timeout_s: float = 10.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it did not come about in time"
        time.sleep(0.02)


def pump_until_closed(shown: Window, timeout_s: float = 15.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not shown.is_closed:
        assert time.monotonic() < end_s, "the window was not closed in time"
        shown.root.update()
        time.sleep(0.01)
