"""The settings page in the real window: every control, saving, leaving, and the window's own."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import customtkinter as ctk
import pytest

from gui import autostart, preferences
from gui.app import Window
from gui.components.settings_page import THIS_WINDOW, SettingsPage
from gui.models.settings_model import groups
from gui.supervision import State
from storage import readonly
from storage.paths import Home
from tests.gui.conftest import QUICK, House
from tests.gui.window import find, press, pump, rest, texts, type_keys, window


@pytest.fixture
def main(
    xvfb: str, house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Window]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for group in groups():
        for name in group.names:
            monkeypatch.delenv(name.upper(), raising=False)
    gc.collect()  # an earlier test's Tk must not be found on a worker's thread
    command = house.command("loading")
    with window(house.home, command, QUICK, size=(900, 600)) as shown:
        shown.main.open_page("Settings")
        rest(shown, 0.1)
        yield shown


def page_of(main: Window) -> SettingsPage:
    page = main.main.page
    assert isinstance(page, SettingsPage)
    return page


def stored(home: Home) -> dict[str, str]:
    return readonly.read_config(home.database)


def save(main: Window) -> None:
    page = page_of(main)
    press(page.save)
    pump(main, lambda: not page._is_saving, 30, what="saving")
    rest(main, 0.05)


def test_every_group_shows_its_settings_in_the_smallest_window(main: Window) -> None:
    page = page_of(main)
    for group in groups():
        press(page.group_buttons[group.title])
        rest(main, 0.05)
        assert list(page.rows) == list(group.names)
        for name, row in page.rows.items():
            assert row.label.cget("text") == group.names[name]
            assert row.setting.help.split(".")[0] in row.help.cget("text")
            assert row.help.winfo_reqwidth() <= page.area.winfo_width()
            right = row.control.winfo_rootx() + row.control.winfo_width()
            assert right <= page.area.winfo_rootx() + page.area.winfo_width()
        assert page.area.winfo_reqwidth() <= page.area.winfo_width()
    assert page.model.changed == ()
    assert page.save.cget("state") == "disabled"


def test_each_kind_of_control_changes_its_setting(main: Window) -> None:
    page = page_of(main)
    rate = page.rows["response_rate"]
    rate.slider._update_value(0.5)
    assert rate.typed() == "0.5"
    rate.slider._canvas.focus_force()
    type_keys(main, "Right", "Next")
    assert rate.typed() == "0.41"
    rate.control.delete(0, "end")
    rate.control.insert(0, "0.25")
    assert rate.slider.get() == pytest.approx(0.25)
    page.show_group("Memory")
    press(page.rows["recall_enabled"].control)
    page.show_group("Logs")
    page.rows["log_level"].control.set("DEBUG")
    page.rows["log_level"].control._command("DEBUG")
    page.show_group("Persona")
    field = page.rows["persona"].control
    field.text.focus_force()
    field.text.insert("end", "\nBe kind.")
    pump(main, lambda: "persona" in page.model.changed)
    page.show_group("Discord")
    page.rows["admin_user_ids"].control.insert(0, "12 34")
    assert dict(page.model.to_save()) == {
        "response_rate": "0.25",
        "recall_enabled": "off",
        "log_level": "DEBUG",
        "persona": page.model.text("persona"),
        "admin_user_ids": "12,34",
    }
    page.show_group("Answering")
    assert page.rows["response_rate"].typed() == "0.25"
    page.show_group("Persona")
    assert field is not page.rows["persona"].control
    assert page.rows["persona"].control.get().endswith("Be kind.")


def test_a_bad_value_says_what_is_allowed_and_is_not_saved(main: Window) -> None:
    page = page_of(main)
    row = page.rows["response_rate"]
    row.control.delete(0, "end")
    row.control.insert(0, "often")
    assert row.help.cget("text") == "This has to be a number from 0.0 to 1.0."
    assert page.save.cget("state") == "disabled"
    assert page.status.cget("text") == "To be put right first: Answers unasked."
    press(row.default)
    assert row.typed() == "0.05"
    assert "How much" in row.help.cget("text")
    assert not row.default.winfo_ismapped()
    assert page.model.changed == ()


def test_cancel_takes_changes_back(main: Window) -> None:
    page = page_of(main)
    page.rows["response_rate"].control.insert("end", "1")
    page.show_group("Memory")
    press(page.rows["recall_enabled"].control)
    assert page.status.cget("text") == "Not saved: Answers unasked, Recall old messages."
    press(page.cancel)
    assert page.rows["recall_enabled"].typed() == "on"
    assert page.model.changed == ()


def test_saved_while_the_bot_is_down(main: Window) -> None:
    page = page_of(main)
    page.rows["max_reply_tokens"].slider._update_value(1.0)
    page.show_group("Model")
    page.rows["context_tokens"].control.delete(0, "end")
    page.rows["context_tokens"].control.insert(0, "4096")
    save(main)
    assert stored(main.app.home) == {"max_reply_tokens": "500", "context_tokens": "4096"}
    assert page.model.changed == ()
    assert "Saved." in texts(main.main.notices)
    pump(main, lambda: main.app.settings["context_tokens"] == 4096)
    main.main.open_page("Home")
    main.main.open_page("Settings")
    assert page_of(main).rows["max_reply_tokens"].typed() == "500"


def test_a_restart_is_offered_where_something_counts_after_one(main: Window) -> None:
    main.supervisor.start()
    pump(main, lambda: main.app.snapshot.state is State.STARTING)
    page = page_of(main)
    page.show_group("Model")
    page.rows["threads"].slider._update_value(0.01)
    save(main)
    assert stored(main.app.home) == {"threads": "3"}
    assert any("Processor threads counts after a restart" in text for text in texts(main))
    pid = main.app.snapshot.pid
    press(find(main, "Restart the bot now"))
    pump(main, lambda: main.app.snapshot.pid not in (None, pid), 20, what="another process")
    main.supervisor.force_stop()
    pump(main, lambda: main.app.snapshot.state is State.STOPPED)


def test_leaving_with_changes_asks_first(main: Window) -> None:
    page = page_of(main)
    left: list[str] = []
    assert page.may_leave(lambda: left.append("at once"))
    page.rows["response_rate"].control.insert("end", "1")
    assert not page.may_leave(lambda: left.append("later"))
    rest(main, 0.05)
    press(find(main.main.notices, "No"))
    assert (left, page.model.changed) == ([], ("response_rate",))
    assert not page.may_leave(lambda: left.append("later"))
    rest(main, 0.05)
    press(find(main.main.notices, "Leave"))
    assert (left, page.model.changed) == (["later"], ())


def test_what_others_change_is_shown_at_once(main: Window) -> None:
    page = page_of(main)
    page.rows["max_reply_tokens"].control.insert("end", "0")
    typed = page.rows["max_reply_tokens"].typed()
    main.app.run_script("manage_settings.py", "set", "response_rate", "0.5", "--json")
    pump(main, lambda: stored(main.app.home) == {"response_rate": "0.5"}, 30)
    main.app.refresh_settings()
    pump(main, lambda: page.rows["response_rate"].typed() == "0.5")
    assert page.rows["response_rate"].slider.get() == pytest.approx(0.5)
    assert page.rows["max_reply_tokens"].typed() == typed


def test_everything_is_reached_by_tab(main: Window) -> None:
    page = page_of(main)
    page.rows["response_rate"].control.insert("end", "1")
    rest(main, 0.05)
    page.group_buttons["Answering"]._canvas.focus_force()
    reached: list[Any] = []
    for _ in range(120):
        widget = main.root.focus_get()
        if widget is None or widget in reached:
            break
        reached.append(widget)
        widget.tk_focusNext().focus_set()
        rest(main, 0.01)
    want = [*page.group_buttons.values(), page.cancel, page.save]
    want += [page.rows["response_rate"].default]
    for row in page.rows.values():
        want += [one for one in (row.slider, row.control) if one is not None]
    for one in want:
        assert any(str(widget).startswith(str(one)) for widget in reached), one


def chosen(main: Window) -> preferences.WindowPreferences:
    return preferences.load(main.app.home)


def test_the_windows_own_settings_act_at_once(main: Window) -> None:
    page = page_of(main)
    press(page.group_buttons[THIS_WINDOW])
    rest(main, 0.1)
    own = page.window_settings
    assert own is not None
    for name in ("bot_with_window", "start_minimised"):
        press(own.switches[name])
    press(own.switches["notifications"])
    pump(main, lambda: chosen(main).start_minimised and not chosen(main).notifications)
    assert chosen(main).bot_with_window
    for words, mode in (("Dark", "dark"), ("Light", "light")):
        own.theme.set(words)
        own.theme._command(words)
        pump(main, lambda mode=mode: ctk.get_appearance_mode().lower() == mode)  # type: ignore[misc]
    before = page.save.winfo_reqheight()
    own.size.set("150 %")
    own.size._command("150 %")
    pump(main, lambda: page.save.winfo_reqheight() > 1.4 * before)
    assert chosen(main).scaling == 1.5


@pytest.mark.skipif(sys.platform != "linux", reason="an XDG file stands for the system's entry")
def test_starting_with_the_system_is_switched_in_the_system(main: Window) -> None:
    page = page_of(main)
    page.show_group(THIS_WINDOW)
    rest(main, 0.1)
    assert page.window_settings is not None
    made = page.window_settings.switches["start_with_system"]
    press(made)
    pump(main, lambda: chosen(main).start_with_system)
    assert autostart.is_on(main.app.home)
    autostart.switch(main.app.home, False)
    page.show_group("Logs")
    page.show_group(THIS_WINDOW)
    made = page.window_settings.switches["start_with_system"]
    pump(main, lambda: not made.get())
