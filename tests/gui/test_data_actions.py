"""Members and backups on the page of the data, by the real scripts: consent, forgetting, copies."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gui import pages
from gui.models.backups_model import (
    EVERY_WORDS,
    backup_cells,
    check_job,
    days_of,
    every_words,
    restore_job,
    restored_words,
    rows_of,
    totals_words,
)
from gui.models.chore import STOPPED, Chore, Job
from gui.models.consent_model import (
    MODE_HELP,
    MODE_WORDS,
    ConsentModel,
    forget_details,
    forgotten_words,
)
from gui.models.outlasting import one_of
from gui.supervision import State
from storage import readonly
from storage.database import Database
from storage.paths import Home
from storage.records import ChannelRecord, MemberRecord, Origin
from storage.settings import find as find_setting
from storage.settings import load
from tests.gui.conftest import QUICK, House
from tests.gui.window import find, press, pump, rest, texts, window
from tests.storage.rows import message as row

LONG_S = 60.0
ID = 1 << 40
GENERAL = ID + 1
MIRA, BOB, BOT = ID + 101, ID + 102, ID + 103


@pytest.fixture(autouse=True)
def _own_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """And what is left of a window goes in Tk's thread: elsewhere Tcl would abort."""
    monkeypatch.setitem(pages.PAGES, "Data", ("data_page", "DataPage"))
    monkeypatch.delenv("DISCORD_CHANNEL_IDS", raising=False)
    yield
    gc.collect()


@pytest.fixture
def home(house: House) -> Home:
    """12 messages: 4 of Mira's, 8 of Bob's; from an export, and no ground declared."""
    people = [MemberRecord(MIRA, "mira_77", "Mira"), MemberRecord(BOB, "bob", "Bob")]
    with Database.open(house.home.database) as db:
        db.upsert_channels([ChannelRecord(GENERAL, 1, "Tavern", "general")])
        db.upsert_members([*people, MemberRecord(BOT, "dice", "Dice", is_bot=True)])
        db.upsert_messages(
            row(n, channel_id=GENERAL, author_id=BOB if n % 3 else MIRA, origin=Origin.EXPORT)
            for n in range(1, 13)
        )
    return house.home


@contextmanager
def data(house: House, shown_list: str, *behaviours: str) -> Iterator[Any]:
    command = house.command(*(behaviours or ("ready",)))
    with window(house.home, command, QUICK, page="Data", size=(900, 600)) as shown:
        page: Any = shown.main.page
        pump(shown, lambda: page.model.is_read)
        page.choice._buttons_dict[shown_list].invoke()
        yield shown


def told(shown: Any) -> str:
    return " ".join(texts(shown.main.notices))


def cells(table: Any, row_id: object) -> list[str]:
    return [str(cell).strip() for cell in table.tree.item(str(row_id))["values"]]


# -- the words --------------------------------------------------------------------------------


def test_every_mode_has_words_and_the_missing_ground_is_said() -> None:
    assert tuple(MODE_WORDS) == tuple(MODE_HELP) == find_setting("consent_mode").choices

    class App:
        settings = load({"consent_mode": "opt_in"})[0]

    model = ConsentModel(App(), lambda: None)  # type: ignore[arg-type]
    assert model.words == "Nothing is stored yet."
    model.coverage = {"words": "14 of 30 members, 62% of messages", "members": 30}
    model.coverage = {**model.coverage, "is_declared": False}
    assert model.words == "14 of 30 members, 62% of messages may be learned from."
    assert "until you declare a ground" in model.help
    model.coverage = {**model.coverage, "is_declared": True}
    assert model.help == MODE_HELP["opt_in"]


def test_what_goes_and_what_stays() -> None:
    said = [{"channel": name, "channel_id": "7"} for name in ("general", "general", "")]
    view = {"messages": 1204, "said": said, "vectors": 1100, "examples": {"tavern": 12}}
    words = forget_details({**view, "models": ["lantern-1"]})
    assert words.startswith(
        "Goes at once: 1,204 messages in #general, #7, 1,100 memory vectors, 12 examples of tavern;"
    )
    assert "does not answer any more: lantern-1." in words
    assert "Stays: a keyed mark of their id" in words
    said = [{"channel": str(n), "channel_id": "7"} for n in range(12)]
    nothing = {"messages": 0, "said": said, "vectors": 0, "examples": {}, "models": []}
    assert "Goes at once: 0 messages in 12 channels; and" in forget_details(nothing)
    assert "answer" not in forget_details(nothing)


def test_what_forgetting_did() -> None:
    report: dict[str, Any] = {"messages": 63, "removed": [], "tainted": [], "answers_now": ""}
    done = forgotten_words({"reports": [{**report, "unfinished": {}}]})
    assert done == "The member is forgotten: 63 messages and every copy are erased."
    tainted = {"version_id": "l-1", "is_known": False, "retrain_by_ms": 1_760_000_000_000}
    report |= {"removed": ["a.zip"], "tainted": [tainted], "answers_now": "base"}
    words = forgotten_words({"reports": [{**report, "unfinished": {"vectors": "In use."}}]})
    assert words == (
        "The member is forgotten: 63 messages are erased here. 1 file went as a whole. "
        "l-1 may have learned from them: train a new model by 2025-10-09. base answers now. "
        "Not done yet in vectors: In use. The rest is tried again at the bot's next start."
    )


def test_backups_in_words() -> None:
    listed = {"name": "mynah-1.zip", "at_ms": 1_760_000_000_000, "size_bytes": 84_600}
    whole = {**listed, "verified_at_ms": None, "problem": "", "messages": 3936}
    whole |= {"is_encrypted": True, "deployed": None, "models_bytes": 2_500_000_000}
    damaged = {**listed, "verified_at_ms": None, "problem": "damaged"}
    one, other = rows_of([whole, damaged])
    assert backup_cells(one)[1:] == ("84.6 kB", "3,936", "\u2014", "yes", "not yet")
    assert backup_cells(other)[2:] == ("\u2014", "\u2014", "\u2014", "damaged")
    assert totals_words([one, other]) == (
        "2 backups, 169.2 kB, and models of at least 2.5 GB beside."
    )
    assert totals_words([]) == ""
    assert [days_of(every_words(days)) for days in (*EVERY_WORDS, 5, 90)] == [*EVERY_WORDS, 5, 90]
    result = {"messages": 1, "aside": "/home/a.db", "forgotten": 1, "deleted": 2}
    remarks = ["Not in it: python scripts/x.py", "Its model is not there."]
    assert restored_words({**result, "remarks": remarks}) == (
        "Restored: 1 message. What was there is a.db in the folder of backups now. Forgotten or "
        "deleted since, and so in it too: 1 member, 2 messages. Its model is not there."
    )
    assert check_job(one).stdin is None
    assert restore_job(one, "secret words").stdin == "secret words\n"
    assert "secret words" not in restore_job(one, "secret words").arguments


# -- a long job, without a window -----------------------------------------------------------------


class QuietApp:
    """What a Chore needs of an AppModel; the test answers for the script."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.told: list[str] = []

    def run_script(self, *arguments: str, **rest: Any) -> Any:
        self.given = {"arguments": arguments, **rest}

        class Run:
            is_cancelled = False

            def cancel(self) -> None:
                self.is_cancelled = True

        self.run = Run()
        return self.run

    def tell(self, topic: str) -> None:
        self.told.append(topic)

    def refresh_settings(self) -> None:
        self.told.append("settings")

    def refresh_stats(self) -> None:
        self.told.append("stats")


def test_a_job_says_how_far_it_is_and_what_came_of_it() -> None:
    app: Any = QuietApp()
    chore = Chore()
    job = Job("It is done", "It was not done.", "x.py", ("go",), lambda r: f"{r['n']}.", True)
    chore.begin(app, job)
    assert app.given["arguments"] == ("x.py", "go", "--json")
    assert (chore.words, chore.share) == ("It is done.", None)
    app.given["on_said"]("3 of 8: the database's log ...")
    assert (chore.words, chore.share) == ("It is done: the database's log.", 0.25)
    chore.begin(app, Job("Another", "", "y.py", (), str))  # one at a time
    assert app.given["arguments"][0] == "x.py"
    app.given["on_line"]({"n": 3})
    app.given["failed"]("8 of 8: backups ...")  # a status of its own: not all of it is done
    assert (chore.words, chore.failure, chore.is_busy) == ("3.", None, False)
    assert app.told == ["data", "settings", "stats"]
    chore.begin(app, job)
    app.given["failed"]("The disk is full.")
    assert chore.failure == ("It was not done.", "The disk is full.")
    chore.begin(app, job)
    assert chore.failure is None
    chore.stop()
    assert not chore.may_stop
    app.given["failed"]("Stopped.")
    assert (chore.words, chore.failure) == (STOPPED, None)
    chore.dismiss()
    assert chore.words == ""


# -- members --------------------------------------------------------------------------------------


def test_who_is_learned_from_follows_mode_and_members(xvfb: str, house: House, home: Home) -> None:
    with data(house, "Members") as shown:
        page = shown.main.page
        card = page.list.card
        pump(shown, lambda: "0 of 2 members" in card.words.cget("text"), LONG_S)
        assert card.mode.get() == "Nobody: only recalled"
        card.mode._dropdown_callback("Who opted in")
        assert card.mode.cget("state") == "disabled"
        pump(shown, lambda: readonly.read_config(home.database).get("consent_mode"), LONG_S)
        pump(shown, lambda: "until you declare a ground" in card.help.cget("text"), LONG_S)
        with Database.open(home.database) as db:
            db.record_declaration("ada", "open data", 1)
        page.list.table.select(str(MIRA))
        press(page.list.opt_in)
        pump(shown, lambda: "Mira may be learned from." in told(shown), LONG_S)
        pump(shown, lambda: cells(page.list.table, MIRA)[3] == "opted in", LONG_S)
        pump(
            shown,
            lambda: (
                card.words.cget("text") == "1 of 2 members, 33% of messages may be learned from."
            ),
            LONG_S,
        )
        assert page.list.opt_in.cget("state") == "disabled"
        press(page.list.opt_out)
        pump(shown, lambda: cells(page.list.table, MIRA)[3] == "opted out", LONG_S)
        pump(shown, lambda: "0 of 2 members" in card.words.cget("text"), LONG_S)
        page.list.table.select(str(BOT))
        shown.root.update()
        assert page.list.opt_in.cget("state") == page.list.opt_out.cget("state") == "disabled"
        assert page.list.exclude.cget("state") == "normal"


def test_forgetting_asks_and_erases(xvfb: str, house: House, home: Home) -> None:
    with data(house, "Members") as shown:
        page = shown.main.page
        page.list.table.select(str(MIRA))
        press(page.list.forget)
        assert "is being looked up" in page.list.line.cget("text")
        pump(shown, lambda: "Forget Mira (mira_77)?" in told(shown), LONG_S)
        assert "Goes at once: 4 messages in #general;" in told(shown)
        press(find(shown.main.notices, "No"))
        assert not page.chore.is_busy
        press(page.list.forget)
        pump(shown, lambda: "Forget Mira" in told(shown), LONG_S)
        press(find(shown.main.notices, "Forget for good"))
        assert page.chore.is_busy
        assert not page.stop.winfo_manager()  # cut off, it would be gone on with at the next start
        assert page.list.forget.cget("state") == page.fetch.cget("state") == "disabled"
        shown.main.open_page("Settings")
        shown.main.open_page("Data")
        page = shown.main.page
        assert page.chore is one_of(shown.app, Chore)
        pump(shown, lambda: not page.chore.is_busy, LONG_S)
        assert page.chore_card.words == (
            "The member is forgotten: 4 messages and every copy are erased."
        )
        pump(shown, lambda: page.summary.cget("text").startswith("8 messages"), LONG_S)
        press(page.close)
        assert page.chore_card.words == ""
    assert [one.nickname for one in readonly.members(home.database, 9)] == ["Bob", "Dice"]
    with Database.open(home.database) as db:
        assert db.is_forgotten(MIRA)
        assert not db.message_ids_of(MIRA)


# -- backups ------------------------------------------------------------------------------------


def wait(shown: Any) -> None:
    """Until a job is done and its page has read the list anew."""
    page = shown.main.page
    assert page.chore.is_busy
    pump(shown, lambda: not page.chore.is_busy and not page.backups._is_reading, LONG_S)
    rest(shown, 0.1)


def test_backing_up_checking_and_restoring(xvfb: str, house: House, home: Home) -> None:
    with data(house, "Backups") as shown:
        page = shown.main.page
        pump(shown, lambda: page.backups.is_read, LONG_S)
        assert any("There is no backup yet." in text for text in texts(page.list.table))
        assert page.list.check.cget("state") == page.list.restore.cget("state") == "disabled"
        press(page.list.create)
        assert page.stop.winfo_manager()
        wait(shown)
        assert "The backup is made and checked: 12 messages" in page.chore_card.words
        (name,) = page.list.table.row_ids
        assert cells(page.list.table, name)[2] == "12"
        page.list.table.select(name)
        press(page.list.check)
        wait(shown)
        assert page.chore_card.words == f"{name} is whole: 12 messages."

        with Database.open(home.database) as db:
            db.upsert_messages([row(99, channel_id=GENERAL, author_id=BOB)])
        press(page.list.restore)
        assert "with 12 messages?" in told(shown)
        press(find(shown.main.notices, "Restore"))
        wait(shown)
        assert page.chore_card.words.startswith("Restored: 12 messages. What was there is ")
        pump(shown, lambda: page.summary.cget("text").startswith("12 messages"), LONG_S)

        (home.backups / name).write_bytes(b"no zip")
        page.list.reload()
        pump(shown, lambda: cells(page.list.table, name)[5] == "damaged", LONG_S)
        assert page.list.restore.cget("state") == "disabled"
        press(page.list.check)
        wait(shown)
        assert "The backup is not what it should be." in told(shown)


def test_an_encrypted_one_asks_for_its_passphrase(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyrage")
    from data.backup_key import make_key

    make_key(home, "correct horse battery")
    with data(house, "Backups") as shown:
        page = shown.main.page
        press(page.list.create)
        wait(shown)
        page.list.table.select(page.list.table.row_ids[0])
        shown.root.update()
        assert page.list.passphrase.winfo_ismapped()
        assert page.list.check.cget("state") == "disabled"
        for given, said in (("wrong horse", "not"), ("correct horse battery", "is whole")):
            page.list.passphrase.delete(0, "end")
            page.list.passphrase.insert(0, given)
            page.list._show_chosen()
            press(page.list.check)
            assert page.list.passphrase.get() == ""
            wait(shown)
            assert said in f"{told(shown)} {page.chore_card.words}"
        page._choose("Channels")
        assert page.list is not page._lists["Backups"]
        assert page._lists["Backups"].passphrase.get() == ""


def test_a_bot_that_runs_is_stopped_first(xvfb: str, house: House, home: Home) -> None:
    with data(house, "Backups") as shown:
        page = shown.main.page
        press(page.list.create)
        wait(shown)
        shown.supervisor.start()
        pump(shown, lambda: shown.app.snapshot.state is State.ONLINE, LONG_S)
        page.list.table.select(page.list.table.row_ids[0])
        press(page.list.restore)
        assert "A backup can be restored while the bot is stopped." in told(shown)
        press(find(shown.main.notices, "Stop the bot"))
        pump(shown, lambda: shown.app.snapshot.state is State.STOPPED, LONG_S)
        press(page.list.restore)
        assert "with 12 messages?" in told(shown)


def test_how_often_the_bot_makes_one(xvfb: str, house: House, home: Home) -> None:
    with data(house, "Backups") as shown:
        page = shown.main.page
        assert page.list.every.get() == "every week"
        page.list.every._dropdown_callback("never")
        pump(shown, lambda: readonly.read_config(home.database).get("backup_every_days"), LONG_S)
        assert readonly.read_config(home.database)["backup_every_days"] == "0"
        pump(shown, lambda: page.list.every.get() == "never", LONG_S)
        pump(shown, lambda: page.list.every.cget("state") == "normal", LONG_S)
