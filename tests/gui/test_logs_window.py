"""The logs window on a real display: files, following, searching, keys, speed."""

from __future__ import annotations

import gc
import json
import tkinter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import customtkinter as ctk
import pytest

from gui import preferences, theme
from gui.app import Window
from gui.components.log_page import CHUNK, HIT, MOST_LOADED
from gui.components.logs_window import NOTHING, NOTHING_FITS, LogsWindow, show_logs
from storage.paths import Home
from tests.gui.window import press, pump, rest, type_keys, window

BURST = 10_000


def line(message: str, level: str = "INFO", logger: str = "bot.bot") -> str:
    told = {"ts": "2026-05-01T20:15:03.123Z", "level": level, "logger": logger, "message": message}
    return json.dumps(told)


def write(home: Home, *lines: str) -> None:
    with (home.logs / "bot.jsonl").open("a", encoding="utf-8") as file:
        file.write("".join(one + "\n" for one in lines))


@pytest.fixture
def main(xvfb: str, tmp_path: Path) -> Iterator[Window]:
    gc.collect()  # an earlier test's Tk must not be found on a worker's thread
    with window(Home(tmp_path).ensure()) as shown:
        yield shown


def opened(main: Window) -> LogsWindow:
    logs = show_logs(main.root, main.app)
    pump(main, lambda: logs.winfo_viewable() and logs.shown.text.winfo_height() > 100)
    rest(main, 0.2)
    return logs


def on_screen(logs: LogsWindow) -> list[str]:
    """The last words of each line in sight."""
    text = logs.shown.text
    last = text.index(f"@0,{text.winfo_height()}")
    lines = text.get("@0,0 linestart", f"{last} lineend").splitlines()
    return [one.split("  ")[-1].strip() for one in lines if one]


def feed(main: Window, logs: LogsWindow, *lines: str) -> None:
    logs.feed(lines)
    rest(main, 0.1)


# -- what is shown ------------------------------------------------------------------------------


def test_it_shows_the_files_of_a_bot_that_is_down_and_what_comes(main: Window) -> None:
    home = main.app.home
    write(home, line("first"), line("It broke.", "ERROR"))
    (home.logs / "bot.stderr.log").write_text("Traceback\n")
    logs = opened(main)
    pump(main, lambda: logs.model.end == 3)
    rest(main, 0.1)
    assert sorted(on_screen(logs)) == ["It broke.", "Traceback", "first"]
    assert logs.foot.counts.cget("text") == "3 lines, 1 warning, 1 error"
    write(home, line("later"))
    pump(main, lambda: on_screen(logs)[-1:] == ["later"])
    tags = logs.shown.text.tag_names("2.0")
    assert "40" in tags
    assert logs.shown.text.tag_cget("40", "foreground") == logs._apply_appearance_mode(theme.BAD)


def test_a_long_logger_keeps_to_its_column(main: Window) -> None:
    logs = opened(main)
    feed(main, logs, line("short"), line("long", logger="bot.platforms.discord_connection"))
    pump(main, lambda: on_screen(logs)[-1:] == ["long"])
    text = logs.shown.text
    whole = text.get("2.0", "2.0 lineend")
    assert "bot.platforms.discord_connection" in whole  # it is still copied
    shown = text.tk.call(str(text), "get", "-displaychars", "2.0", "2.0 lineend")
    assert "s.discord_connection  long" in shown
    assert shown.index("long") == text.get("1.0", "1.0 lineend").index("short")


def test_there_is_one_and_it_remembers_its_size(main: Window) -> None:
    logs = opened(main)
    assert show_logs(main.root, main.app) is logs
    logs.geometry("800x500")
    pump(main, lambda: preferences.load(main.app.home).logs_size == "800x500")
    logs.destroy()
    again = opened(main)
    assert again is not logs
    assert again.geometry().startswith("800x500")


def test_an_empty_log_says_what_to_do(main: Window) -> None:
    logs = opened(main)
    assert logs._nothing.cget("text") == NOTHING
    assert logs._nothing.winfo_ismapped()
    feed(main, logs, line("one"))
    assert not logs._nothing.winfo_ismapped()
    logs.filter.words.insert(0, "not there")
    logs.narrow()
    rest(main, 0.05)
    assert logs._nothing.cget("text") == NOTHING_FITS
    assert logs._nothing.winfo_ismapped()


def test_it_follows_at_the_end_and_stands_still_elsewhere(main: Window) -> None:
    logs = opened(main)
    feed(main, logs, *(line(f"line {n}") for n in range(3_000)))
    assert on_screen(logs)[-1] == "line 2999"
    logs.shown.text.focus_set()
    type_keys(logs, "Prior", "Prior")
    rest(main, 0.1)
    before = on_screen(logs)
    assert before[-1] != "line 2999"
    assert not logs.shown.follows
    feed(main, logs, *(line(f"line {n}") for n in range(3_000, 30_000)))
    assert on_screen(logs) == before
    type_keys(logs, "End")
    rest(main, 0.1)
    assert on_screen(logs)[-1] == "line 29999"
    feed(main, logs, line("the newest"))
    assert on_screen(logs)[-1] == "the newest"


def test_every_line_is_reached_by_scrolling_and_few_are_loaded(main: Window) -> None:
    logs = opened(main)
    feed(main, logs, *(line(f"line {n}") for n in range(3_000)))
    seen: set[str] = set()
    logs.shown.text.focus_set()
    for _ in range(400):
        seen.update(on_screen(logs))
        assert logs.shown._page.loaded <= MOST_LOADED
        if "line 0" in seen:
            break
        type_keys(logs, "Prior")
        rest(main, 0.01)
    assert seen == {f"line {n}" for n in range(3_000)}
    type_keys(logs, "Home")
    rest(main, 0.05)
    assert on_screen(logs)[0] == "line 0"
    logs.shown._scroll("moveto", 0.5)
    rest(main, 0.05)
    assert on_screen(logs)[0] == "line 1500"
    logs.shown._scroll("moveto", 1.0)
    rest(main, 0.05)
    assert on_screen(logs)[-1] == "line 2999"
    assert logs.shown.follows


def test_levels_parts_and_words_narrow_the_view(main: Window) -> None:
    logs = opened(main)
    feed(
        main,
        logs,
        line("calm"),
        line("careful", "WARNING"),
        line("lost", "WARNING", "discord.gateway"),
        line("broken", "ERROR"),
    )
    logs.filter.level.set("Warnings and errors")
    logs.filter.level._command("Warnings and errors")
    rest(main, 0.05)
    assert on_screen(logs) == ["careful", "lost", "broken"]
    logs.filter.part.set("Discord")
    logs.filter.part._command("Discord")
    rest(main, 0.05)
    assert on_screen(logs) == ["lost"]
    assert logs.foot.counts.cget("text") == "1 line of 4, 1 warning"
    logs.filter.level.set("Every level")
    logs.filter.part.set("Every part")
    logs.filter.words._entry.focus_force()
    type_keys(logs, "c", "a", "r", "e")
    pump(main, lambda: on_screen(logs) == ["careful"])


# -- keys and buttons -----------------------------------------------------------------------------


def test_search_by_keys(main: Window) -> None:
    logs = opened(main)
    feed(main, logs, *(line(f"needle {n}" if n % 500 == 3 else "hay") for n in range(2_000)))
    logs.shown.text.focus_force()
    logs.shown.text.event_generate("<Control-f>")
    rest(main, 0.1)
    assert logs.search.is_open
    logs.search.words._entry.focus_force()
    type_keys(logs, *"NEEDLE")
    pump(main, lambda: logs.search.count.cget("text") == "4 lines")
    visited = []
    for _ in range(5):
        logs.event_generate("<F3>")
        rest(main, 0.05)
        visited.append(logs.search.count.cget("text"))
        begin, end = (logs.shown.text.index(place) for place in logs.shown.text.tag_ranges("now"))
        assert logs.shown.text.get(begin, end) == "needle"
        assert logs.shown.text.bbox(begin), "the hit is not in sight"
    assert visited == ["1 of 4", "2 of 4", "3 of 4", "4 of 4", "1 of 4"]
    logs.event_generate("<Shift-F3>")
    rest(main, 0.05)
    assert logs.search.count.cget("text") == "4 of 4"
    assert logs.shown.text.tag_ranges(HIT)
    logs.event_generate("<Escape>")
    rest(main, 0.05)
    assert not logs.search.is_open
    assert not logs.shown.text.tag_ranges(HIT)
    logs.event_generate("<Escape>")
    rest(main, 0.05)
    assert not logs.winfo_exists()


def test_hits_are_marked_as_they_come(main: Window) -> None:
    logs = opened(main)
    logs.search.open()
    logs.search.words.insert(0, "lost")
    logs.search.search()
    assert logs.search.count.cget("text") == "Not found"
    feed(main, logs, line("It was lost and lost again."))
    assert logs.search.count.cget("text") == "1 line"
    assert len(logs.shown.text.tag_ranges(HIT)) == 4


def test_pause_clear_copy_export(main: Window, tmp_path: Path) -> None:
    logs = opened(main)
    feed(main, logs, line("one"), line("two"))
    press(logs.foot.buttons["Pause"])
    feed(main, logs, line("three"))
    assert on_screen(logs) == ["one", "two"]
    assert logs.foot.counts.cget("text") == "2 lines, paused, 1 new line"
    press(logs.foot.buttons["Pause"])
    rest(main, 0.05)
    assert on_screen(logs) == ["one", "two", "three"]

    press(logs.foot.buttons["Copy"])
    assert logs.clipboard_get().count("\n") == 3
    logs.shown.text.tag_add("sel", "2.0", "2.0 lineend")
    press(logs.foot.buttons["Copy"])
    assert logs.clipboard_get().endswith("two")
    assert logs.foot.said.cget("text") == "Copied 1 line."
    logs.shown.text.event_generate("<<SelectAll>>")
    press(logs.foot.buttons["Copy"])
    assert logs.clipboard_get().count("\n") == 3

    path = tmp_path / "saved.txt"
    logs.export(path)
    pump(main, path.exists)
    pump(main, lambda: logs.foot.said.cget("text") == "Saved 3 lines to saved.txt.")
    assert path.read_text(encoding="utf-8").splitlines()[2].endswith("three")
    logs.export(tmp_path / "not there" / "saved.txt")
    pump(main, lambda: "was not saved: No such file" in logs.foot.said.cget("text"))

    press(logs.foot.buttons["Clear"])
    rest(main, 0.05)
    assert on_screen(logs) == []


def test_everything_is_reached_by_tab(main: Window) -> None:
    logs = opened(main)
    logs.search.open()
    rest(main, 0.1)
    logs.filter.level._canvas.focus_force()
    reached: list[Any] = []
    for _ in range(40):
        widget = logs.focus_get()
        if widget is None or widget in reached:
            break
        reached.append(widget)
        widget.tk_focusNext().focus_set()
        rest(main, 0.01)
    names = [str(widget) for widget in reached if str(widget).startswith(str(logs))]
    want = [logs.filter.part, logs.filter.words, logs.search.words, logs.shown]
    want += [logs.filter.find, *logs.foot.buttons.values()]
    for widget in want:
        assert any(name.startswith(str(widget)) for name in names), widget


def test_themes_and_scaling(main: Window) -> None:
    logs = opened(main)
    feed(main, logs, line("one"))
    for mode in ("dark", "light"):
        ctk.set_appearance_mode(mode)
        assert logs.shown.text.cget("background") == logs._apply_appearance_mode(theme.CARD)
    before = tkinter.font.Font(font=logs.shown.text.cget("font")).actual("size")
    ctk.set_widget_scaling(2.0)
    assert tkinter.font.Font(font=logs.shown.text.cget("font")).actual("size") > 1.5 * before


# -- speed ----------------------------------------------------------------------------------


def test_a_flood_does_not_hold_the_window_up(main: Window) -> None:
    """10,000 lines at once, as a file has them: no single moment is long, and few are loaded."""
    logs = opened(main)
    write(main.app.home, *(line(f"line {n}", "DEBUG") for n in range(BURST)))
    pump(main, lambda: logs.model.end >= BURST, what="reading")
    rest(main, 0.2)
    assert on_screen(logs)[-1] == f"line {BURST - 1}"
    assert logs.shown._page.loaded <= CHUNK


def test_closing_the_main_window_closes_it_too(main: Window) -> None:
    logs = opened(main)
    feed(main, logs, line("one"))
    logs.search.open()
    logs.foot.say("Something.")
    main.close()
