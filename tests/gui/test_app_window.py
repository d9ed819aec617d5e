"""The window's life: closing, second starts, Exit, killed windows, preferences, crashes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import customtkinter as ctk
import pytest

from gui import app, appearance, crash_dialog, preferences, theme
from gui.components.page import Page
from gui.components.tooltip import Tooltip
from gui.no_window import why_no_window
from gui.own_bot import OwnBot
from gui.preferences import WindowPreferences
from gui.presence import BARS_PX, FIRST_GEOMETRY, IN_TRAY, fitting, smallest
from gui.second_start import ask_first, folder_of
from gui.snapshot import Snapshot
from gui.supervision import State
from storage.errors import MynahError
from storage.paths import PROGRAM_DIR, Home
from tests.gui.conftest import House, eventually, lives
from tests.gui.window import (
    find,
    forget_window,
    is_open,
    press,
    pump,
    rest,
    settle,
    stand_in_pages,
    texts,
    type_keys,
    window,
)

OPEN = [sys.executable, str(PROGRAM_DIR / "gui" / "open_window.py")]
DRIVER = [sys.executable, str(Path(__file__).with_name("window_process.py"))]


# -- closing -------------------------------------------------------------------------------------


def test_closing_hides_to_the_tray_and_says_so_once(
    house: House, xvfb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    with window(house.home) as shown:
        monkeypatch.setattr(shown.tray, "notify", told.append)
        shown.presence.note_tray(True)
        close_as_a_user(shown)
        assert shown.root.state() == "withdrawn"
        assert told == [IN_TRAY]
        shown.presence.show()
        settle(shown)
        assert shown.root.state() == "normal"
        close_as_a_user(shown)
    with window(house.home) as shown:
        monkeypatch.setattr(shown.tray, "notify", told.append)
        shown.presence.note_tray(True)
        close_as_a_user(shown)
    assert told == [IN_TRAY]
    assert preferences.load(house.home).notice_seen


def test_closing_without_a_tray_minimises_and_offers_to_exit(
    house: House, xvfb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    minimised: list[str] = []
    with window(house.home) as shown:
        # Without a window manager nothing can be minimised: see that it is asked for.
        monkeypatch.setattr(shown.root, "iconify", lambda: minimised.append("yes"))
        close_as_a_user(shown)
        assert minimised == ["yes"]
        assert is_open(shown)
        press(find(shown, "Exit Mynah"))
        pump(shown, lambda: shown.is_closed)


def test_size_and_place_are_kept(house: House, xvfb: str) -> None:
    with window(house.home) as shown:
        assert shown.root.geometry().startswith(FIRST_GEOMETRY)
        shown.root.geometry("1100x700+30+40")
        settle(shown)
    with window(house.home) as shown:
        assert shown.root.geometry() == "1100x700+30+40"


@pytest.mark.parametrize(
    ("stored", "used"),
    [
        ("", FIRST_GEOMETRY),
        ("nonsense", FIRST_GEOMETRY),
        ("1000x700+10+20", "1000x700+10+20"),
        ("5000x4000+10+20", "1920x1000+10+20"),
        ("1000x700+3000+20", "1000x700"),
        ("1000x700+-900+20", "1000x700"),
    ],
)
def test_a_place_off_the_screen_is_not_taken(stored: str, used: str) -> None:
    assert fitting(stored, 1920, 1080) == used


@pytest.mark.parametrize("scaling", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("screen", [(1920, 1080), (1366, 768)])
@pytest.mark.parametrize("stored", ["", "1000x680+10+20", "5000x4000+10+20"])
def test_it_is_never_larger_than_the_screen(
    stored: str, screen: tuple[int, int], scaling: float
) -> None:
    size = fitting(stored, *screen, scaling).split("+")[0]
    width, height = (int(part) for part in size.split("x"))
    least = smallest(*screen, scaling)
    assert width * scaling <= screen[0]
    assert height * scaling <= screen[1] - BARS_PX
    assert least[0] <= width
    assert least[1] <= height
    if scaling == 1.0:
        assert least == (900, 600)


def test_it_stays_on_the_screen_when_everything_becomes_larger(house: House, xvfb: str) -> None:
    with window(house.home) as shown:
        root = shown.root
        root.geometry("1000x680+500+200")
        settle(shown)
        for scaling in (2.0, 1.0):
            appearance.apply(preferences.change(house.home, scaling=scaling))
            settle(shown)
            rest(shown, 1.2)  # CustomTkinter holds the size for a second
            assert root.winfo_x() + root.winfo_width() <= root.winfo_screenwidth()
            assert root.winfo_y() + root.winfo_height() <= root.winfo_screenheight() - BARS_PX
        assert root._min_width == 900


def test_it_opens_out_of_sight_where_that_was_chosen(house: House, xvfb: str) -> None:
    preferences.change(house.home, start_minimised=True)
    with window(house.home) as shown:
        assert shown.root.state() == "withdrawn"
        shown.presence.show()
        settle(shown)
        assert shown.root.winfo_viewable()


# -- a second start ------------------------------------------------------------------------------


def test_a_second_start_shows_the_first_window_and_ends(house: House, xvfb: str) -> None:
    with window(house.home) as shown:
        shown.presence.note_tray(True)
        shown.presence.hide()
        second = open_window(house.home)
        pump(shown, lambda: second.poll() is not None, what="the second start's end")
        assert second.returncode == 0
        pump(shown, shown.root.winfo_viewable, what="the sight of the first")
    assert not (folder_of(house.home) / "control.json").exists()


def test_where_no_window_looks_after_the_home_a_second_start_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.supervise("ready")  # as launcher.py --headless does
    assert not ask_first(house.home, patience_s=0.2)
    monkeypatch.setenv("DISPLAY", ":987")  # not reached: the lock comes first
    second = open_window(house.home)
    _, said = second.communicate(timeout=20)
    assert second.returncode == 2
    assert "looks after" in said
    assert "Traceback" not in said


# -- Exit, and a window that is killed -----------------------------------------------------------


def test_exit_stops_the_bot_that_it_started(house: House, xvfb: str) -> None:
    with window(house.home, house.command("ready")) as shown:
        shown.supervisor.start()
        pump(shown, lambda: shown.app.is_online)
        pid = house.starts[0]["pid"]
        shown.root.event_generate("<Control-q>")
        pump(shown, lambda: shown.is_closed)
        assert not lives(pid)


def test_exit_leaves_a_bot_that_was_not_started_from_a_window(house: House, xvfb: str) -> None:
    started_elsewhere = subprocess.Popen(
        house.command("ready"), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert started_elsewhere.stdin is not None
    started_elsewhere.stdin.close()
    try:
        eventually(lambda: (house.home.data_storage / "control.json").exists())
        with window(house.home, house.command("ready")) as shown:
            pump(shown, lambda: shown.app.is_online)
            assert shown.app.snapshot.is_adopted
            shown.exit()
            assert shown.is_closed
        assert started_elsewhere.poll() is None
    finally:
        started_elsewhere.kill()
        started_elsewhere.wait()


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
def test_a_killed_window_leaves_its_bot_and_tray_helper_and_the_next_one_adopts_it(
    house: House, xvfb: str
) -> None:
    preferences.change(house.home, bot_with_window=True)
    killed = subprocess.Popen([*DRIVER, str(house.home.root), *house.command("ready")])
    note = folder_of(house.home) / "bot.json"
    eventually(note.exists)
    helpers = tray_helpers(killed.pid)
    killed.kill()
    killed.wait()
    eventually(lambda: house.starts)
    bot = house.starts[0]["pid"]
    assert lives(bot)
    began_s = time.monotonic()
    with window(house.home, house.command("ready")) as shown:
        pump(shown, lambda: shown.app.is_online, 5, what="the adoption")
        assert time.monotonic() - began_s < 5
        assert (shown.app.snapshot.pid, shown.app.snapshot.is_adopted) == (bot, True)
        shown.exit()  # a window had started it
        pump(shown, lambda: shown.is_closed)
    assert not lives(bot)
    eventually(lambda: not any(lives(pid) for pid in helpers))
    assert len(house.starts) == 1


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
def test_a_terminated_window_ends_politely_and_the_bot_goes_on(house: House, xvfb: str) -> None:
    preferences.change(house.home, bot_with_window=True)
    ended = subprocess.Popen([*DRIVER, str(house.home.root), *house.command("ready")])
    eventually((folder_of(house.home) / "bot.json").exists)
    ended.send_signal(signal.SIGTERM)
    assert ended.wait(10) == 0
    eventually(house.alive)


def test_whose_bot_it_is(tmp_path: Path) -> None:
    home = Home(tmp_path)
    started = Snapshot(State.ONLINE, pid=7, started_at_ms=1_000_000)
    adopted = replace(started, is_adopted=True, started_at_ms=1_000_900)
    assert not OwnBot(home).is_own(adopted)
    OwnBot(home).note(started)
    assert OwnBot(home).is_own(adopted)
    assert not OwnBot(home).is_own(replace(adopted, started_at_ms=90_000_000))  # the pid again
    assert not OwnBot(home).is_own(Snapshot())
    (folder_of(home) / "bot.json").write_text("[")
    assert not OwnBot(home).is_own(adopted)


class Unsaved(Page):
    """A page that asks before it is left."""

    is_saved = False

    def may_leave(self, go_on: Callable[[], object]) -> bool:
        def leave() -> None:
            self.is_saved = True
            go_on()

        if not self.is_saved:
            self.shell.confirm("1 change is not saved.", "Leave", leave)
        return self.is_saved


def test_exit_asks_where_something_is_not_saved(
    house: House, xvfb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_pages(monkeypatch, Unsaved, "Settings")
    with window(house.home, page="Settings") as shown:
        shown.presence.note_tray(True)
        shown.presence.hide()
        shown.exit()
        settle(shown)
        assert not shown.is_closed
        assert shown.root.winfo_viewable()
        press(find(shown, "No"))
        assert not shown.is_closed
        shown.exit()
        settle(shown)
        press(find(shown, "Leave"))
        assert shown.is_closed


def test_cards_by_keyboard(house: House, xvfb: str) -> None:
    done: list[str] = []
    with window(house.home) as shown:
        before = shown.main.buttons()["Home"]._canvas
        before.focus_force()
        settle(shown)
        shown.main.show_error("It failed.", "Nobody knows why. " * 9)
        rest(shown, 0.1)
        assert shown.root.focus_get() is before
        shown.main.confirm("Shall it be?", "Yes", lambda: done.append("yes"))
        rest(shown, 0.1)
        assert shown.root.focus_get() is find(shown, "No")._canvas
        type_keys(shown, "Return")
        assert "Shall it be?" not in texts(shown)
        assert shown.root.focus_get() is before
        reason = find(shown, "Nobody knows why. " * 9)
        assert reason.cget("wraplength") > 420  # there is room for more
        type_keys(shown, "Escape")
        assert "It failed." not in texts(shown)
        assert done == []


def test_a_tooltip_makes_no_stop_for_tab_of_a_label(house: House, xvfb: str) -> None:
    with window(house.home) as shown:
        words = theme.label(shown.main, "Words")
        button = theme.secondary(shown.main, "Press", lambda: None)
        for widget in (words, button):
            widget.place(x=0, y=0)
            tip = Tooltip(widget, "A tip. " * 30)
        settle(shown)
        parts = (words._canvas, words._label, button._text_label, button._canvas)
        stops = [bool(shown.root.tk.getboolean(takes_focus(part))) for part in parts]
        assert stops == [False, False, False, True]
        button._canvas.focus_force()
        pump(shown, lambda: tip._shown is not None)
        type_keys(shown, "a")
        assert tip._shown is None


# -- preferences ---------------------------------------------------------------------------------


def test_preferences_are_kept_and_what_is_wrong_counts_as_not_chosen(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert preferences.load(home) == WindowPreferences()
    chosen = WindowPreferences(
        start_with_system=True, theme="dark", scaling=1.5, geometry="900x600+0+0"
    )
    preferences.save(home, chosen)
    assert preferences.load(home) == chosen
    assert preferences.change(home, notifications=False).theme == "dark"
    wrong = {"theme": "pink", "scaling": 9, "notifications": "no", "geometry": 3, "more": 1}
    preferences.path_of(home).write_text(json.dumps(wrong))
    assert preferences.load(home) == WindowPreferences(scaling=2.0)
    preferences.path_of(home).write_bytes(b"\xff{")
    assert preferences.load(home) == WindowPreferences()


def test_theme_and_scaling_act_at_once(house: House, xvfb: str) -> None:
    preferences.change(house.home, theme="dark", scaling=1.5)
    with window(house.home) as shown:
        assert ctk.get_appearance_mode() == "Dark"
        assert shown.root._get_window_scaling() == 1.5
        appearance.apply(preferences.change(house.home, theme="light", scaling=1.0))
        settle(shown)
        assert ctk.get_appearance_mode() == "Light"
        assert shown.root._get_window_scaling() == 1.0
        appearance.apply(preferences.change(house.home, theme="system"), system="Dark")
        assert ctk.get_appearance_mode() == "Dark"
        appearance.apply(preferences.load(house.home), system="Light")


# -- what keeps it from opening ------------------------------------------------------------------


def test_the_windows_process_stays_light() -> None:
    heavy = (
        "discord torch llama_cpp lancedb numpy matplotlib sqlalchemy alembic aiohttp PIL pystray"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(PROGRAM_DIR)!r}); import gui.open_window, gui.app; "
        f"print([name for name in {heavy.split()!r} if sys.modules.get(name)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there is always a display")
def test_without_a_display_a_sentence_names_what_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, says in [("", "DISPLAY is not set"), (":987", "cannot be opened")]:
        monkeypatch.setenv("DISPLAY", name)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        refused = open_window(Home(tmp_path))
        _, said = refused.communicate(timeout=20)
        assert refused.returncode == 2
        assert says in said
        assert "--headless" in said
        assert "Traceback" not in said


def test_without_tkinter_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tkinter", None)
    sentence = why_no_window()
    assert "no tkinter" in sentence
    assert "nstall" in sentence
    assert "--headless" in sentence
    assert "--demo" in sentence


def test_a_crash_is_a_dialog_with_a_report_to_copy(xvfb: str) -> None:
    dialog = crash_dialog.Dialog("It went wrong.", lambda: "the report")
    try:
        settle(dialog.window)
        assert dialog.sentence.cget("text") == "It went wrong."
        dialog.copy.invoke()
        pump(dialog.window, lambda: "copied" in str(dialog.said.cget("text")))
        assert dialog.window.clipboard_get() == "the report"
        dialog.close.invoke()
    finally:
        destroy(dialog.window)


def test_a_report_that_cannot_be_made_is_a_sentence(xvfb: str) -> None:
    def fail() -> str:
        raise MynahError("The report could not be made.")

    dialog = crash_dialog.Dialog("It went wrong.", fail)
    try:
        dialog.copy.invoke()
        pump(dialog.window, lambda: "could not" in str(dialog.said.cget("text")))
        dialog.window.event_generate("<Escape>")
        dialog.window.update()
    except Exception:
        destroy(dialog.window)
        raise


def test_where_an_error_came_from_names_no_folder_and_no_value() -> None:
    try:
        Home(Path("secret")).absolute(3)  # type: ignore[arg-type]
    except TypeError as error:
        told = crash_dialog.where_of(error)
    assert "TypeError" in told
    assert "storage/paths.py" in told
    assert str(PROGRAM_DIR) not in told
    assert "secret" not in told


def test_a_damaged_database_is_said_on_home(house: House, xvfb: str) -> None:
    house.home.database.parent.mkdir(parents=True, exist_ok=True)
    house.home.database.write_bytes(b"this is no database" * 400)
    with window(house.home, page=None, errors_allowed=True) as shown:
        assert shown.main.page_name == "Home"
        assert "Open the backups folder" in texts(shown)


def test_what_cannot_be_made_leaves_no_dead_window(
    house: House, xvfb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    def fail(window: Any) -> None:
        made.append(window)
        raise MynahError("It cannot be made.")

    monkeypatch.setattr(app.Window, "_open_first_page", fail)
    try:
        with pytest.raises(MynahError, match="cannot be made"):
            app.Window(house.home, tray=False)
        assert not is_open(made[0])
    finally:
        forget_window()


# -- parts ---------------------------------------------------------------------------------------


def close_as_a_user(shown: Any) -> None:
    """What the system's close button does, without a window manager to press it in."""
    shown.root.tk.call(*shown.root.tk.splitlist(shown.root.protocol("WM_DELETE_WINDOW")))
    settle(shown)


def takes_focus(part: Any) -> Any:
    """What Tk's own Tab asks of each widget."""
    return part.tk.call("tk::FocusOK", str(part))


def open_window(home: Home) -> subprocess.Popen[str]:
    command = [*OPEN, "--home", str(home.root)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def tray_helpers(pid: int) -> list[int]:
    import psutil

    helpers: list[int] = []

    def found() -> bool:
        children = psutil.Process(pid).children()
        helpers[:] = [child.pid for child in children if "tray_process" in str(child.cmdline())]
        return bool(helpers)

    eventually(found)
    return helpers


def destroy(root: Any) -> None:
    try:
        root.destroy()
    except Exception:  # it has gone already
        return
