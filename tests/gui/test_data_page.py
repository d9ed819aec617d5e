"""The page of the data in the real window, over a real database and the real scripts."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from gui import pages
from gui.models import data_model
from gui.models.data_model import DataModel, summary_words
from gui.models.history_run import (
    HistoryRun,
    fetch_words,
    fetched_words,
    import_words,
    imported_words,
)
from gui.models.outlasting import one_of
from gui.models.words import left_words, many, size_words
from storage import readonly
from storage.database import Database
from storage.paths import Home
from storage.readonly import ChannelRow, Counts
from storage.records import ChannelRecord, MemberRecord
from storage.settings import load
from tests.data.importers.exports import author, export, message, write
from tests.gui.conftest import QUICK, House
from tests.gui.window import find, press, pump, rest, texts, type_keys, window
from tests.storage.rows import message as row

LONG_S = 30.0
ID = 1 << 40
GENERAL, NOTES, CLOSED, UNKNOWN = (ID + n for n in range(1, 5))
MIRA, BOB = ID + 101, ID + 102


@pytest.fixture(autouse=True)
def _own_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """And what is left of a window goes in Tk's thread: elsewhere Tcl would abort."""
    monkeypatch.setitem(pages.PAGES, "Data", ("data_page", "DataPage"))
    monkeypatch.delenv("DISCORD_CHANNEL_IDS", raising=False)
    yield
    gc.collect()


@pytest.fixture
def home(house: House) -> Home:
    with Database.open(house.home.database) as db:
        db.upsert_channels(
            [
                ChannelRecord(GENERAL, 1, "Tavern", "general"),
                ChannelRecord(NOTES, 1, "Tavern", "notes", GENERAL),
                ChannelRecord(CLOSED, 1, "Tavern", "bot-tests", is_allowed=False),
            ]
        )
        db.upsert_members([MemberRecord(MIRA, "mira_77", "Mira"), MemberRecord(BOB, "bob", "Bob")])
        db.upsert_messages(
            row(n, channel_id=GENERAL, author_id=BOB if n % 3 else MIRA) for n in range(1, 13)
        )
        db.set_config("discord_channel_ids", f"{GENERAL},{UNKNOWN}")
    return house.home


@contextmanager
def data(house: House) -> Iterator[Any]:
    with window(house.home, house.command("ready"), QUICK, page="Data", size=(900, 600)) as shown:
        page: Any = shown.main.page
        pump(shown, lambda: page.model.is_read)
        yield shown


def told(shown: Any) -> str:
    return " ".join(texts(shown.main.notices))


def cells(table: Any, row_id: int) -> list[str]:
    return [str(cell).strip() for cell in table.tree.item(str(row_id))["values"]]


def free(shown: Any) -> None:
    """Until a change was made and read again."""
    pump(shown, lambda: not shown.main.page.model.is_busy, LONG_S)
    rest(shown, 0.3)


# -- the words --------------------------------------------------------------------------------


def test_figures_in_words() -> None:
    assert [many(n, "file") for n in (0, 1, 1200)] == ["0 files", "1 file", "1,200 files"]
    assert [size_words(n) for n in (0, 800, 4_100, 20_400_000, 1.3e9)] == [
        "0 B",
        "800 B",
        "4.1 kB",
        "20.4 MB",
        "1.3 GB",
    ]
    assert [left_words(n) for n in (4, 65.9, 3725)] == ["0:04 left", "1:05 left", "1:02:05 left"]
    day_ms = 1_700_000_000_000
    assert summary_words(Counts()) == ""
    assert summary_words(Counts(1, 2, 3, day_ms, day_ms + 5)).startswith("1 message of 2023-11-")
    far = summary_words(Counts(1200, 2, 3, day_ms, day_ms + 10 * 86_400_000))
    assert far.endswith("· 3 channels · 2 members")
    assert " from 2023-11-14 to 2023-11-2" in far


def test_progress_and_outcome_in_words() -> None:
    figures = {
        "bytes_done": 4_100_000,
        "bytes_total": 20_400_000,
        "messages": 12_300,
        "per_s": 9800.4,
        "left_s": 4.2,
    }
    words = "4.1 of 20.4 MB · 12,300 messages · 9,800 a second · 0:04 left"
    assert import_words(figures) == words
    fetch = {"channel": "general", "channels_done": 1, "channels_total": 5, "messages": 3200}
    fetch |= {"per_s": 48.0, "reached_ms": 1_700_000_000_000}
    assert fetch_words(fetch) == (
        "channel 2 of 5 · 3,200 messages · 48 a second · #general up to 2023-11-14"
    )
    result = {"new": 10, "changed": 1, "unchanged": 5, "files_skipped": [1, 2], "quarantined": 1}
    assert imported_words(result) == (
        "The import is done: 10 messages new, 1 changed, 5 known before. 2 files passed over: not "
        "exports in JSON. 1 record kept aside, with the reasons."
    )
    result = {"new": 10, "changed": 0, "files_skipped": [{"file": "a/b.pdf", "reason": "a PDF"}]}
    result["packages"] = [{"private_messages": 7}, {"private_messages": 1}]
    assert imported_words(result) == (
        "The import is done: 10 messages new, 0 changed. b.pdf was passed over: a PDF. 8 private "
        "messages of data packages left out, unread."
    )
    skipped = [{"name": name, "reason": "may not be read."} for name in "abc"]
    assert fetched_words({"new": 1, "changed": 0, "skipped": skipped}) == (
        "The fetch is done: 1 message new, 0 changed. #a was left out: may not be read. "
        "#b was left out: may not be read. 1 more channels were left out."
    )


# -- the model, without a window ----------------------------------------------------------------


class QuietApp:
    """What DataModel needs of an AppModel; asks and scripts are noted, and answered by the test."""

    def __init__(self, is_online: bool) -> None:
        self.is_online = is_online
        self.settings = load({"discord_channel_ids": f"{GENERAL}"})[0]
        self.calls: list[Any] = []

    def ask(self, do: str, done: Any, failed: Any, **given: Any) -> None:
        self.calls.append((do, given))
        done({})

    def run_script(self, *arguments: str, done: Any, failed: Any) -> None:
        self.calls.append(arguments)
        failed("There is no such member.")

    def set_setting(self, *given: Any) -> None:
        self.calls.append(given[:2])

    def tell(self, topic: str) -> None:
        self.calls.append(topic)


def test_a_running_bot_is_asked_and_else_a_script() -> None:
    heard: list[Any] = []
    mira = readonly.MemberRow(MIRA, "mira_77", "Mira", False, False, "unset")
    for is_online in (True, False):
        app: Any = QuietApp(is_online)
        model = DataModel(app, lambda: None, lambda *why: heard.append(why), heard.append, {})
        model.set_excluded(mira, True)
        assert not model.is_busy
        if is_online:
            assert app.calls == [("exclude", {"member_id": MIRA, "is_excluded": True}), "data"]
        else:
            assert app.calls == [("manage_members.py", "exclude", str(MIRA), "--json")]
    assert heard == [
        "Mira is left out of everything.",
        ("This could not be changed.", "There is no such member."),
    ]


def test_one_change_at_a_time_and_what_the_environment_says() -> None:
    app: Any = QuietApp(True)
    environment = {"DISCORD_CHANNEL_IDS": "1"}
    model = DataModel(app, lambda: None, lambda *why: None, lambda line: None, environment)
    assert "DISCORD_CHANNEL_IDS" in model.overridden
    general = ChannelRow(GENERAL, "general", "Tavern", None, True)
    thread = ChannelRow(NOTES, "notes", "Tavern", GENERAL, True)
    assert model.is_live(general)
    assert model.is_live(thread)
    assert (model.is_live_by_parent(general), model.is_live_by_parent(thread)) == (False, True)
    model.set_live(general, False)
    model.set_live(thread, True)  # the other is not done
    assert app.calls == [("discord_channel_ids", "")]
    assert model.is_busy


# -- the page -----------------------------------------------------------------------------------


def test_a_new_home_says_what_to_do(xvfb: str, house: House) -> None:
    with data(house) as shown:
        page = shown.main.page
        assert "Nothing is stored yet." in page.summary.cget("text")
        assert any("No channel is known yet" in text for text in texts(page.list.table))
        assert page.list.live.cget("state") == page.list.allow.cget("state") == "disabled"
        press(page.fetch)
        assert "No channel is read live." in told(shown)
        assert not page.run.is_busy
        page._choose("Members")
        assert any("Nobody is known yet" in text for text in texts(page.list.table))


def test_channels_are_read_and_learned_from_or_not(xvfb: str, house: House, home: Home) -> None:
    with data(house) as shown:
        page = shown.main.page
        table = page.list.table
        assert page.summary.cget("text").startswith("12 messages")
        assert cells(table, GENERAL)[:2] == ["#general", "12"]
        assert cells(table, GENERAL)[4:] == ["yes", "yes"]
        assert cells(table, NOTES)[4:] == ["yes (thread)", "yes"]
        assert cells(table, CLOSED)[4:] == ["no", "no"]
        assert cells(table, UNKNOWN)[:2] == [f"#channel {UNKNOWN}", "0"]
        assert table.row_ids[0] == str(GENERAL)

        table.select(str(NOTES))
        assert page.list.live.cget("state") == "disabled"
        table.select(str(UNKNOWN))
        assert page.list.allow.cget("state") == "disabled"
        press(page.list.live)
        free(shown)
        assert readonly.read_config(home.database)["discord_channel_ids"] == str(GENERAL)
        assert str(UNKNOWN) not in table.row_ids

        table.tree.focus_force()
        type_keys(shown, "End")
        table.select(str(CLOSED))
        assert page.list.allow.cget("text") == "Learn from it"
        press(page.list.allow)
        assert page.list.allow.cget("state") == "disabled"
        free(shown)
        assert "#bot-tests may be learned from." in told(shown)
        assert cells(table, CLOSED)[5] == "yes"
        assert page.list.allow.cget("text") == "Do not learn from it"
        assert all(c.is_allowed for c in readonly.channels(home.database))


def test_members_are_found_and_excluded(xvfb: str, house: House, home: Home) -> None:
    with data(house) as shown:
        page = shown.main.page
        page.choice._buttons_dict["Members"].invoke()
        table = page.list.table
        assert table.row_ids == (str(BOB), str(MIRA))
        assert cells(table, BOB) == ["Bob", "bob", "8", "not said", "no"]
        page.list.search._entry.focus_force()
        shown.root.update()  # the hint goes with the focus
        type_keys(shown, "m", "i", "r")
        pump(shown, lambda: table.row_ids == (str(MIRA),))
        type_keys(shown, "x")
        pump(shown, lambda: table.row_ids == ())
        assert any("Nobody is called so." in text for text in texts(table))
        type_keys(shown, "Escape")
        pump(shown, lambda: len(table.row_ids) == 2)
        table.select(str(MIRA))
        press(page.list.exclude)
        free(shown)
        assert cells(table, MIRA)[4] == "yes"
        assert page.list.exclude.cget("text") == "Include again"
        assert readonly.members(home.database, 5, "mira")[0].is_excluded
        press(page.list.exclude)
        free(shown)
        assert not readonly.members(home.database, 5, "mira")[0].is_excluded
        page.choice._buttons_dict["Channels"].invoke()
        assert not table.winfo_ismapped()


def test_a_real_import_and_another_page_meanwhile(
    xvfb: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [message(n, author=author(1, id=str(ID + n % 3))) for n in range(300)]
    source = write(house.home.root / "in" / "a.json", export(said))
    write(house.home.root / "in" / "other.json", {"a": 1})
    ask = "gui.components.data_page.filedialog"
    monkeypatch.setattr(f"{ask}.askdirectory", lambda **rest: str(source.parent))
    monkeypatch.setattr(f"{ask}.askopenfilenames", lambda **rest: (str(source),))
    with data(house) as shown:
        press(shown.main.page.import_folder)
        page = shown.main.page
        assert page.run.state == "running"
        assert page.fetch.cget("state") == "disabled"
        shown.main.open_page("Settings")
        shown.main.open_page("Data")
        page = shown.main.page
        pump(shown, lambda: page.run.state == "idle", LONG_S)
        assert page.card.words == (
            "The import is done: 300 messages new, 0 changed. other.json was passed over: no "
            "DiscordChatExporter file: channel or messages missing."
        )
        pump(shown, lambda: page.summary.cget("text").startswith("300 messages"))
        press(page.cancel)  # it says Close now
        assert page.card.words == ""
        press(page.import_files)
        pump(shown, lambda: page.run.state == "idle", LONG_S)
        assert "300 known before" in page.card.words


def test_pause_goes_on_from_there_and_cancel_stays_stopped(
    xvfb: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(house.home.root / "a.json", export([message(n) for n in range(40_000)]))
    monkeypatch.setattr(
        "gui.components.data_page.filedialog.askopenfilenames", lambda **rest: (str(source),)
    )
    with data(house) as shown:
        page = shown.main.page
        press(page.import_files)
        pump(shown, lambda: page.run.progress.get("messages", 0) > 3000, LONG_S)
        assert " a second" in page.card.words
        press(page.pause)
        assert page.cancel.cget("state") == "disabled"
        pump(shown, lambda: page.run.state == "paused", LONG_S)
        assert "goes on from there" in page.card.words
        kept = count(house.home)
        assert 0 < kept < 40_000
        assert page.pause.cget("text") == "Go on"
        press(page.pause)
        pump(shown, lambda: page.run.progress, LONG_S)
        press(page.cancel)
        pump(shown, lambda: page.run.state == "idle", LONG_S)
        assert page.card.words == "Stopped. What was read up to there stays."
        assert kept <= count(house.home) < 40_000
        assert told(shown) == ""


def test_what_fails_is_said_also_when_the_page_is_opened_later(
    xvfb: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with data(house) as shown:
        page = shown.main.page
        page.run.import_paths(shown.app, [house.home.root / "nowhere.json"])
        shown.main.open_page("Settings")
        run = one_of(shown.app, HistoryRun)
        assert run is page.run
        pump(shown, lambda: run.state == "idle", LONG_S)
        shown.main.open_page("Data")
        assert "The import failed." in told(shown)
        assert "does not exist" in told(shown)
        press(find(shown.main.notices, "Try again"))
        assert run.is_busy
        pump(shown, lambda: not run.is_busy, LONG_S)


def test_all_of_it_is_reached_by_tab(xvfb: str, house: House, home: Home) -> None:
    with data(house) as shown:
        page = shown.main.page
        page.list.table.select(str(GENERAL))
        page.import_files._canvas.focus_force()
        reached = []
        for _ in range(12):
            reached.append(str(shown.root.focus_get()))
            shown.root.focus_get().tk_focusNext().focus_force()
            shown.root.update()
        lists = (page.choice, page.list.live, page.list.allow, page.list.table)
        for widget in (page.import_folder, page.fetch, *lists):
            assert any(path.startswith(str(widget)) for path in reached), widget


def test_many_members_say_that_they_are_not_all(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_model, "MOST_MEMBERS", 1)
    monkeypatch.setattr("gui.components.member_list.MOST_MEMBERS", 1)
    with data(house) as shown:
        page = shown.main.page
        page._choose("Members")
        shown.root.update()
        assert "a search finds the others" in page.list.line.cget("text")
        assert page.list.line.winfo_ismapped()


def count(home: Home) -> int:
    with closing(sqlite3.connect(f"{home.database.as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM messages").fetchone()[0])
