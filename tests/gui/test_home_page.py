"""The Home page in the real window: states, troubles, settings, figures, quick actions, layout."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import customtkinter as ctk
import pytest

from gui import theme
from gui.app import Window
from gui.components.home_page import HomePage
from gui.components.page import Page
from gui.models.home_model import buttons, model_of
from gui.models.trouble import Mend
from gui.opening import opener
from gui.snapshot import Snapshot
from gui.supervision import State
from storage.database import Database
from storage.paths import Home
from storage.readonly import read_config
from storage.records import VerdictRow
from tests.discord_stand_in.stand_in import StandInThread
from tests.gui.conftest import FAKE_BOT, LONG_S, QUICK
from tests.gui.window import (
    every_widget,
    find,
    press,
    pump,
    rest,
    settle,
    stand_in_pages,
    texts,
    type_keys,
    window,
)
from tests.live.process import environment, make_home

STATS = {
    "phase": "online",
    "model": "lantern-20261120-2140",
    "serving": {
        "name": "lantern-20261120-2140",
        "state": "ready",
        "since_s": 12.0,
        "reason": "",
        "trouble": "",
        "reading": "reads along",
        "speed": "2 threads: 22 tokens a second written, 79 read; measured on 12 Mar 2026",
        "threads": 2,
        "batch_threads": 2,
        "read_tokens": 8791,
        "asked_tokens": 652,
    },
    "waiting": 2,
    "discord": {"phase": "online", "latency_ms": 43.2, "guild": "The Lantern", "channels": 3},
    "statistics": {
        key: {
            "seen": 1184,
            "answered": 96,
            "p50_s": 2.1,
            "p95_s": 6.7,
            "p99_s": 11.2,
            "errors": 0,
            "uptime_share": 0.991,
        }
        for key in ("24h", "7d", "30d")
    },
}


class OtherPage(Page):
    title = "Another page"


@pytest.fixture(autouse=True)
def collected_here() -> Iterator[None]:
    """Tcl aborts the process where a window that is gone is collected in another thread."""
    yield
    gc.collect()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def speaking(home: Home) -> Home:
    """A home whose owner lets the bot speak."""
    with Database.open(home.database, backups=home.backups) as database:
        database.set_config("speaks_in_public", "on")
    return home


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What was opened with the system's own program, which is one of the test's here."""
    if not opener():
        pytest.skip("Windows opens things without a program")
    folder, log = tmp_path / "bin", tmp_path / "opened.txt"
    folder.mkdir()
    program = folder / opener()[0]
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1 token=$DISCORD_BOT_TOKEN" >> "{log}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DISCORD_BOT_TOKEN", "")
    return lambda: log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def other_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in_pages(monkeypatch, OtherPage, "Setup", "Models", "Settings")


def with_bot(home: Home, *behaviours: str, **rest: Any) -> AbstractContextManager[Window]:
    """The window, over a small program in the bot's place that does what it is told."""
    command = [sys.executable, str(FAKE_BOT), "--home", str(home.root), *behaviours]
    return window(home, command, QUICK, **rest)


def page_of(shown: Window) -> HomePage:
    page = shown.main.page
    assert isinstance(page, HomePage)
    return page


def reach(shown: Window, state: State) -> None:
    card = page_of(shown).state_card
    pump(
        shown,
        lambda: shown.app.snapshot.state is state and said_enabled(card) == expected(shown),
        LONG_S,
        what=f"the state {state}",
    )


def said_enabled(card: Any) -> list[bool]:
    made = (card.start, card.stop, card.restart, card.force_stop)
    return [button.cget("state") == "normal" for button in made]


def expected(shown: Window) -> list[bool]:
    state = shown.supervisor.snapshot().state
    return {
        State.STOPPED: [True, False, False, False],
        State.FAILED: [True, False, False, False],
        State.WAITING: [True, True, False, False],
        State.STARTING: [False, True, True, True],
        State.ONLINE: [False, True, True, True],
        State.STOPPING: [False, False, False, True],
    }[state]


def facts_of(page: HomePage) -> dict[str, str]:
    pairs = {row[n]: row[n + 1] for row in page.state_card.facts.rows for n in (0, 2)}
    return pairs | dict(page.state_card.model.rows)  # type: ignore[arg-type]


def tell_stats(shown: Window, **changes: Any) -> None:
    shown.app.stats = {**STATS, **changes}
    shown.app.tell("stats", shown.app.stats)


def end_bot(shown: Window) -> None:
    shown.supervisor.force_stop()
    shown.supervisor.wait(State.STOPPED, State.FAILED, timeout_s=LONG_S)


# -- starting and stopping ----------------------------------------------------------------------


def test_start_stop_and_restart(xvfb: str, home: Home) -> None:
    with with_bot(home, "ready") as shown:
        card = page_of(shown).state_card
        assert "Stopped" in card.words.cget("text")
        assert facts_of(page_of(shown))["Uptime"] == "\u2013"
        press(card.start)
        reach(shown, State.ONLINE)
        pump(shown, lambda: "MB" in facts_of(page_of(shown))["Memory"])
        first = shown.app.snapshot.pid
        press(card.restart)
        pump(shown, lambda: shown.app.snapshot.pid not in (first, None), LONG_S)
        reach(shown, State.ONLINE)
        press(card.stop)
        reach(shown, State.STOPPED)
        assert card.start.cget("state") == "normal"


def test_force_stop_asks_first(xvfb: str, home: Home) -> None:
    with with_bot(home, "stubborn") as shown:
        press(page_of(shown).state_card.start)
        reach(shown, State.ONLINE)
        press(page_of(shown).state_card.force_stop)
        settle(shown)
        press(find(shown.main.notices, "No", ctk.CTkButton))
        rest(shown, 0.2)
        assert shown.app.is_online
        press(page_of(shown).state_card.force_stop)
        settle(shown)
        press(find(shown.main.notices, "Force stop", ctk.CTkButton))
        reach(shown, State.STOPPED)


# -- troubles -----------------------------------------------------------------------------------


def fail(shown: Window, code: int) -> None:
    press(page_of(shown).state_card.start)
    reach(shown, State.FAILED)
    card = page_of(shown).state_card
    pump(shown, lambda: card.trouble.winfo_ismapped(), what=f"the card on {code}")


def test_a_bad_token_leads_to_the_setup(xvfb: str, home: Home, other_pages: None) -> None:
    with with_bot(home, "silent-20") as shown:
        fail(shown, 20)
        card = page_of(shown).state_card
        assert card.what.cget("text") == "Discord does not accept the bot's token."
        assert card.mend.cget("text") == "Enter the token"
        press(card.mend)
        assert shown.main.page_name == "Setup"


def test_a_missing_intent_opens_the_portal(
    xvfb: str, home: Home, opened: Callable[[], list[str]]
) -> None:
    with with_bot(home, "silent-21") as shown:
        fail(shown, 21)
        press(page_of(shown).state_card.mend)
        pump(shown, opened)
        assert opened()[0].startswith("https://")
        assert opened()[0].endswith(" token=")


def test_bad_settings_lead_to_the_settings(xvfb: str, home: Home, other_pages: None) -> None:
    with with_bot(home, "silent-2") as shown:
        fail(shown, 2)
        press(page_of(shown).state_card.mend)
        assert shown.main.page_name == "Settings"


def test_no_channels_lead_to_the_setup_and_trouble_goes(
    xvfb: str, speaking: Home, other_pages: None
) -> None:
    with with_bot(speaking, "ready") as shown:
        press(page_of(shown).state_card.start)
        reach(shown, State.ONLINE)
        card = page_of(shown).state_card
        tell_stats(shown, discord={**STATS["discord"], "channels": 0})  # type: ignore[dict-item]
        assert card.mend.cget("text") == Mend.CHOOSE_CHANNELS.value
        settle(shown)
        tell_stats(shown)
        settle(shown)
        assert not card.trouble.winfo_ismapped()
        tell_stats(shown, discord={**STATS["discord"], "channels": 0})  # type: ignore[dict-item]
        settle(shown)
        press(card.mend)
        assert shown.main.page_name == "Setup"
        end_bot(shown)


def test_a_bot_that_may_not_speak_yet_leads_to_the_rehearsal(xvfb: str, home: Home) -> None:
    with with_bot(home, "ready") as shown:
        card = page_of(shown).state_card
        pump(shown, lambda: shown.app.are_settings_read)
        assert card.what.cget("text") == "It is not to speak yet."
        press(card.start)
        reach(shown, State.ONLINE)
        assert card.what.cget("text") == "It listens and rehearses, it does not speak yet."
        tell_stats(shown, discord={**STATS["discord"], "channels": 0})  # type: ignore[dict-item]
        assert card.mend.cget("text") == Mend.CHOOSE_CHANNELS.value  # what is wrong comes first
        tell_stats(shown)
        assert card.mend.cget("text") == "See what it would have said"
        press(card.mend)
        assert shown.main.page_name == "Rehearsal"
        end_bot(shown)


def test_a_dead_model_server_is_a_card_that_goes_by_itself(
    xvfb: str, speaking: Home, other_pages: None
) -> None:
    sentence = (
        "The model server at http://127.0.0.1:8080/v1 cannot be reached (Connection refused). "
        "Start it, or correct the setting model_url."
    )
    remote = {"name": "127.0.0.1:8080", "state": "ready", "reason": "", "trouble": sentence}
    with with_bot(speaking, "ready", size=(900, 600)) as shown:
        page = page_of(shown)
        card = page.state_card
        press(card.start)
        reach(shown, State.ONLINE)
        tell_stats(shown, serving=remote)
        settle(shown)
        rest(shown, 0.1)
        assert card.trouble.winfo_ismapped()
        assert sentence in card.why.cget("text")
        assert inside(card.why, shown.root)
        assert card.why.winfo_reqwidth() <= card.why.winfo_width() + 1
        assert facts_of(page)["Model"] == "127.0.0.1:8080, a model server in trouble"
        tell_stats(shown, serving={**remote, "trouble": ""})
        settle(shown)
        assert not card.trouble.winfo_ismapped()
        assert facts_of(page)["Model"] == "127.0.0.1:8080, ready"
        tell_stats(shown, serving=remote)
        settle(shown)
        press(card.mend)
        assert shown.main.page_name == "Models"
        end_bot(shown)


def test_what_the_model_is_at(xvfb: str, speaking: Home) -> None:
    with with_bot(speaking, "ready") as shown:
        page = page_of(shown)
        press(page.state_card.start)
        reach(shown, State.ONLINE)
        serving: Any = STATS["serving"]
        changes: dict[str, dict[str, str]] = {
            "lantern-20261120-2140, ready, reading along is paused: on battery": {
                "reading": "paused: on battery"
            },
            "qwen is being loaded. lantern answers as before.": {
                "state": "changing",
                "reason": "qwen is being loaded. lantern answers as before.",
            },
            "lantern-20261120-2140, not in memory: loads again with the next question": {
                "state": "unloaded"
            },
        }
        for line, change in changes.items():
            tell_stats(shown, serving={**serving, **change})
            assert facts_of(page)["Model"] == line
            assert page.state_card.shown_trouble is None
        tell_stats(shown, serving={**serving, "state": "failed", "reason": "It is gone."})
        assert page.state_card.why.cget("text") == "It is gone."
        end_bot(shown)


def test_a_crash_counts_down_and_can_be_tried_at_once(xvfb: str, speaking: Home) -> None:
    policy = QUICK.__class__(**{**QUICK.__dict__, "first_delay_s": 30.0})
    command = [sys.executable, str(FAKE_BOT), "--home", str(speaking.root), "silent-1", "ready"]
    with window(speaking, command, policy) as shown:
        press(page_of(shown).state_card.start)
        reach(shown, State.WAITING)
        card = page_of(shown).state_card
        before = card.words.cget("text")
        assert " s" in before
        pump(shown, lambda: card.words.cget("text") != before, 5)
        assert "crashed" in card.why.cget("text")
        press(card.mend)
        reach(shown, State.ONLINE)
        assert not card.trouble.winfo_ismapped()
        end_bot(shown)


# -- what is shown --------------------------------------------------------------------------------


def test_a_new_home_says_what_there_is_not(xvfb: str, home: Home) -> None:
    with with_bot(home, "ready") as shown:
        page = page_of(shown)
        pump(shown, lambda: page.stored is not None)
        assert facts_of(page)["Last reply"] == "none yet"
        assert facts_of(page)["Model"] == "demo-base"
        assert page.figures.rows[1] == ("Messages seen", "0", "0", "0")
        for chart in (page.charts.messages, page.charts.times, page.charts.memory):
            assert chart.is_empty


def test_facts_and_figures_of_a_running_bot(xvfb: str, home: Home) -> None:
    with with_bot(home, "ready") as shown:
        page = page_of(shown)
        press(page.state_card.start)
        reach(shown, State.ONLINE)
        tell_stats(shown)
        facts = facts_of(page)
        assert facts["Discord"] == "The Lantern, 3 channels, 43 ms"
        assert facts["Model"] == "lantern-20261120-2140, ready, reads along"
        assert facts["Waiting"] == "2 messages"
        assert page.figures.rows[1][1] == "1,184"
        assert page.figures.rows[5][1:] == ("11 s",) * 3
        end_bot(shown)


def test_charts_of_what_is_stored_by_period(xvfb: str, home: Home) -> None:
    now_ms = int(time.time() * 1000)
    with Database.open(home.database, backups=home.backups) as database:
        days = 24 * 3_600_000
        database.record_verdicts(
            VerdictRow(n + 1, 1, now_ms - n * days, "reply", "", outcome="sent", total_s=2.0)
            for n in range(20)
        )
    with with_bot(home, "ready") as shown:
        page = page_of(shown)
        pump(shown, lambda: page.stored is not None)
        assert page.figures.rows[1][1:] == ("1", "7", "20")
        assert "took 2.0 s" in facts_of(page)["Last reply"]
        found = []
        for name in ("7 d", "30 d", "24 h"):
            press(page.charts.choice._buttons_dict[name])
            pump(shown, lambda: page.stored and page.stored.period is page.model.period)
            assert page.stored is not None
            assert page.stored.period.name == name
            found.append(sum(bucket.seen for bucket in page.stored.buckets))
        assert found == [7, 20, 1]
        assert page.charts.messages.title_text == "Each hour"
        press(page.charts.choice._buttons_dict["30 d"])
        shown.main.open_page("Home")
        assert page_of(shown).charts.choice.get() == "30 d"


def test_memory_is_kept_while_another_page_is_shown(
    xvfb: str, home: Home, other_pages: None
) -> None:
    with with_bot(home, "ready") as shown:
        history = model_of(shown.app).memory
        shown.main.open_page("Setup")
        history.note(time.time() * 1000, 50_000_000)
        shown.main.open_page("Home")
        assert model_of(shown.app).memory is history
        assert not page_of(shown).charts.memory.is_empty
        assert "since" in page_of(shown).charts.memory.title_text


# -- how it talks ---------------------------------------------------------------------------------


def stored(home: Home, name: str) -> str | None:
    return read_config(home.database).get(name)


def drag(slider: Any, share: float) -> None:
    """Press and move on a slider, as a hand does."""
    canvas, settled = slider.bar._canvas, 0.05
    for step in (settled, share / 2, share):
        kind = "<Button-1>" if step == settled else "<B1-Motion>"
        canvas.event_generate(kind, x=int(canvas.winfo_width() * step), y=8)
    canvas.event_generate("<ButtonRelease-1>", x=int(canvas.winfo_width() * share), y=8)


def test_a_slider_is_stored_while_no_bot_runs(xvfb: str, home: Home) -> None:
    with with_bot(home, "ready") as shown:
        controls = page_of(shown).controls
        drag(controls.sliders["temperature"], 0.4)
        moved_to = controls.sliders["temperature"].value
        assert 0.3 < moved_to < 0.5
        assert controls.quick["temperature"].is_pending
        pump(shown, lambda: shown.app.settings.number("temperature") == moved_to, LONG_S)
        assert controls.sliders["temperature"].value == moved_to
        assert controls.sliders["temperature"].value_label.cget("text") == f"{moved_to:.2f}"
        assert stored(home, "temperature") == str(moved_to)


def test_what_the_bot_refuses_is_a_card_and_the_slider_goes_back(xvfb: str, home: Home) -> None:
    """The small program in the bot's place knows no `set`."""
    with with_bot(home, "ready") as shown:
        press(page_of(shown).state_card.start)
        reach(shown, State.ONLINE)
        controls = page_of(shown).controls
        drag(controls.sliders["max_reply_tokens"], 0.9)
        assert controls.sliders["max_reply_tokens"].value > 400
        pump(shown, lambda: "The setting was not stored." in texts(shown.main.notices))
        pump(shown, lambda: controls.sliders["max_reply_tokens"].value == 120)
        end_bot(shown)


def test_only_when_addressed_is_a_rate_of_0_and_back(xvfb: str, home: Home) -> None:
    with Database.open(home.database, backups=home.backups) as database:
        database.set_config("response_rate", "0.3")
    with with_bot(home, "ready") as shown:
        controls = page_of(shown).controls
        rate = controls.sliders["response_rate"]
        pump(shown, lambda: rate.value == 0.3)
        press(controls.switch)
        assert rate.value == 0
        pump(shown, lambda: shown.app.settings.number("response_rate") == 0, LONG_S)
        assert controls.switch.get() == 1
        press(controls.switch)
        assert rate.value == 0.3
        pump(shown, lambda: shown.app.settings.number("response_rate") == 0.3, LONG_S)
        assert controls.switch.get() == 0


def test_what_was_moved_is_stored_although_the_page_is_left(
    xvfb: str, home: Home, other_pages: None
) -> None:
    with with_bot(home, "ready") as shown:
        drag(page_of(shown).controls.sliders["response_rate"], 0.8)
        moved_to = page_of(shown).controls.sliders["response_rate"].value
        shown.main.open_page("Setup")
        pump(shown, lambda: shown.app.settings.number("response_rate") == moved_to, LONG_S)


def test_the_wheel_moves_no_slider(xvfb: str, home: Home) -> None:
    with with_bot(home, "ready") as shown:
        slider = page_of(shown).controls.sliders["temperature"]
        for button in ("<Button-4>", "<Button-5>"):
            slider.bar._canvas.event_generate(button, x=5, y=5)
        settle(shown)
        assert slider.value == 0.7


# -- quick actions --------------------------------------------------------------------------------


def test_folders_are_opened(xvfb: str, home: Home, opened: Callable[[], list[str]]) -> None:
    with with_bot(home, "ready") as shown:
        page = page_of(shown)
        press(page.open_data)
        pump(shown, lambda: len(opened()) == 1)
        press(page.open_logs)
        pump(shown, lambda: len(opened()) == 2)
        assert [line.split(" token=")[0] for line in opened()] == [
            str(home.data_storage),
            str(home.logs),
        ]


def test_what_cannot_be_opened_is_a_card(
    xvfb: str, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not opener():
        pytest.skip("Windows opens things without a program")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with with_bot(home, "ready") as shown:
        press(page_of(shown).open_logs)
        pump(shown, lambda: "It could not be opened." in texts(shown.main.notices))


@pytest.mark.slow
def test_a_report_goes_to_the_clipboard(xvfb: str, home: Home) -> None:
    with with_bot(home, "ready") as shown:
        press(page_of(shown).report)
        assert page_of(shown).report.cget("state") == "disabled"
        pump(shown, lambda: page_of(shown).report.cget("state") == "normal", 180)
        report = shown.root.clipboard_get()
        assert report.startswith("Mynah:")
        assert "Python:" in report


# -- layout and keyboard --------------------------------------------------------------------------


def inside(widget: Any, outer: Any) -> bool:
    left, top = widget.winfo_rootx(), widget.winfo_rooty()
    outer_left, outer_top = outer.winfo_rootx(), outer.winfo_rooty()
    return bool(
        left >= outer_left - 1
        and top >= outer_top - 1
        and left + widget.winfo_width() <= outer_left + outer.winfo_width() + 1
        and top + widget.winfo_height() <= outer_top + outer.winfo_height() + 1
    )


def test_all_of_it_fits_the_smallest_window(xvfb: str, home: Home) -> None:
    with with_bot(home, "silent-20", size=(900, 600)) as shown:
        pump(shown, lambda: shown.root.winfo_height() == 600)
        page = page_of(shown)
        rest(shown, 0.1)
        assert not page.area.scrolls
        fail(shown, 20)
        rest(shown, 0.1)
        assert not page.area.scrolls
        for widget in every_widget(page):
            if widget.winfo_ismapped() and isinstance(widget, (ctk.CTkButton, ctk.CTkLabel)):
                assert inside(widget, shown.root), widget
                assert widget.winfo_reqwidth() <= widget.winfo_width() + 1, texts(widget)


def test_at_200_percent_it_scrolls_and_nothing_is_cut_at_the_side(xvfb: str, home: Home) -> None:
    with with_bot(home, "ready") as shown:
        ctk.set_widget_scaling(2.0)
        shown.root.minsize(400, 300)
        shown.root.geometry("1500x700+0+0")
        page = page_of(shown)
        pump(shown, lambda: page.area.scrolls and page.area._bar.winfo_ismapped())
        rest(shown, 0.2)
        for card in (page.state_card.card, page.controls.card, page.charts.card):
            right = card.winfo_rootx() + card.winfo_width()
            assert right <= page.area.winfo_rootx() + page.area.winfo_width()
        assert page.figures.line_height("body") <= page.figures.px(21)


def test_both_themes_reach_everything_that_is_drawn(xvfb: str, home: Home) -> None:
    with with_bot(home, "ready") as shown:
        page = page_of(shown)
        for mode, number in (("light", 0), ("dark", 1)):
            ctk.set_appearance_mode(mode)
            settle(shown)
            for drawn in (page.figures, page.state_card.facts, page.charts.messages):
                assert drawn.canvas.cget("background") == theme.CARD[number]
            assert page.area.canvas.cget("background") == theme.GROUND[number]
        ctk.set_appearance_mode("system")


def test_every_control_is_reached_by_tab_and_pressed_by_keys(
    xvfb: str, home: Home, opened: Callable[[], list[str]]
) -> None:
    with with_bot(home, "ready") as shown:
        page = page_of(shown)
        shown.root.focus_force()
        pump(shown, lambda: shown.root.focus_get() is not None)
        reached = []
        for _ in range(60):
            following = (shown.root.focus_get() or shown.root).tk_focusNext()
            if following is None or following in reached:
                break
            following.focus_set()
            shown.root.update()
            reached.append(following)
        wanted = [
            *(button._canvas for button in (page.open_data, page.open_logs, page.report)),
            page.state_card.start._canvas,
            *(slider.bar._canvas for slider in page.controls.sliders.values()),
            page.controls.switch._canvas,
            *(button._canvas for button in page.charts.choice._buttons_dict.values()),
            page.charts.messages.canvas,
        ]
        assert [one for one in wanted if one not in reached] == []
        page.open_logs._canvas.focus_set()
        shown.root.update()
        assert page.open_logs.cget("border_color") == theme.ACCENT
        type_keys(shown, "space")
        pump(shown, opened)
        slider = page.controls.sliders["temperature"]
        slider.bar._canvas.focus_set()
        shown.root.update()
        type_keys(shown, "Right", "Right", "Left")
        assert slider.value == pytest.approx(0.71)
        assert page.open_logs.cget("border_color") == theme.LINE
        pump(shown, lambda: shown.app.settings.number("temperature") == 0.71, LONG_S)


def test_an_answer_after_the_page_was_left_touches_nothing(
    xvfb: str, home: Home, other_pages: None
) -> None:
    with with_bot(home, "ready") as shown:
        for _ in range(5):
            shown.main.open_page("Home")
            shown.main.open_page("Setup")
        rest(shown, 1.3)
        shown.main.open_page("Home")
        pump(shown, lambda: page_of(shown).stored is not None)


# -- with a real bot --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_running_bot_is_shown_and_takes_settings_at_once(
    xvfb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StandInThread() as discord:
        home = make_home(tmp_path / "home", discord, speaks_in_public="on")
        for name, value in environment(discord).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("DISCORD_BOT_TOKEN", raising=False)
        with window(home) as shown:
            page = page_of(shown)
            press(page.state_card.start)
            pump(shown, lambda: shown.app.stats.get("phase") == "online", 90)
            facts = facts_of(page)
            assert facts["Discord"].endswith("1 channel") or " ms" in facts["Discord"]
            assert facts["Waiting"] == "0 messages"
            assert page.state_card.shown_trouble is None
            drag(page.controls.sliders["response_rate"], 0.5)
            moved_to = page.controls.sliders["response_rate"].value
            pump(shown, lambda: stored(home, "response_rate") == str(moved_to), LONG_S)
            assert texts(shown.main.notices) == []
            press(page.state_card.stop)
            reach(shown, State.STOPPED)


def test_a_bot_that_comes_online_brings_its_settings_and_its_state_is_not_cut(
    xvfb: str, home: Home
) -> None:
    with window(home, page="Home", size=(900, 600)) as shown:
        rest(shown, 0.2)
        with Database.open(home.database) as db:
            db.set_config("discord_channel_ids", "5")  # as the bot takes it from .env
        page: Any = shown.main.page
        snapshot = Snapshot(State.ONLINE, phase="waiting for the network")
        shown.app.note_snapshot(snapshot)
        page.state_card.show(snapshot, None, buttons(snapshot), [], "demo-base")
        shown.root.update_idletasks()
        words = page.state_card.words
        assert words.cget("text").endswith("Waiting for the network")
        assert words.winfo_reqwidth() <= words.winfo_width()
        assert not shown.app.settings.ids("discord_channel_ids")
        shown.app.note_snapshot(Snapshot(State.ONLINE, phase="online"))
        pump(shown, lambda: shown.app.settings.ids("discord_channel_ids"))
