"""The rehearsal in the real window, over a real database: the answers go through the real script,
a program stands in only where a model would write for minutes."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bot import rehearsal_report
from gui import appearance, preferences
from gui.components.moment_card import BUBBLE
from gui.models.outlasting import one_of
from gui.models.rehearsal_answers import RehearsalAnswers
from gui.models.rehearsal_model import (
    LEAST_ANSWERED,
    NEARLY,
    NOTHING_REHEARSED,
    NOTHING_STORED,
    NOTHING_TO_ACCEPT,
    UNANSWERED,
)
from gui.models.rehearsal_run import RehearsalRun
from storage import readonly
from storage.database import Database
from storage.paths import Home
from tests.gui.conftest import QUICK, House
from tests.gui.rehearsing import (
    GENERAL,
    MIRA,
    answers_in,
    asked_in,
    furnish,
    stand_in,
    talk,
)
from tests.gui.window import find, press, pump, rest, settle, texts, type_keys, window

LONG_S = 40.0
HEARTBEAT_MS = 10


@pytest.fixture(autouse=True)
def _collect() -> Iterator[None]:
    """What is left of a window goes in Tk's thread: elsewhere Tcl would abort."""
    yield
    gc.collect()


@contextmanager
def rehearsal(house: House, size: tuple[int, int] = (900, 600)) -> Iterator[Any]:
    with window(house.home, house.command("ready"), QUICK, page="Rehearsal", size=size) as shown:
        pump(shown, lambda: view_of(shown).model.is_read)
        settle(shown)
        yield shown


def view_of(shown: Any) -> Any:
    return shown.main.page.view


def focus(shown: Any) -> Any:
    """The cards, with the keyboard."""
    cards = view_of(shown).timeline.cards
    cards.canvas.focus_force()
    settle(shown)
    return cards


def stored_all(shown: Any) -> None:
    answers = one_of(shown.app, RehearsalAnswers)
    pump(shown, lambda: not answers.unstored, LONG_S, what="the answers in the database")


def words_on(cards: Any) -> str:
    canvas = cards.canvas
    return "\n".join(
        canvas.itemcget(item, "text") for item in canvas.find_all() if canvas.type(item) == "text"
    )


def setting(home: Home) -> str | None:
    return readonly.read_config(home.database).get("speaks_in_public")


# -- what stands there --------------------------------------------------------------------------


def test_a_new_home_says_what_to_do(xvfb: str, house: House) -> None:
    with rehearsal(house) as shown:
        view = view_of(shown)
        assert NOTHING_STORED in texts(view)
        assert view.source.begin.cget("state") == "disabled"
        assert "does not speak in public yet" in view.words.cget("text")
        assert "small base that ships with Mynah" in view.words.cget("text")
        for button in (view.fit, view.speak, view.back):
            assert button.cget("state") == "disabled"


def test_history_without_a_rehearsal(xvfb: str, house: House) -> None:
    talk(house.home, 3)
    with rehearsal(house) as shown:
        assert NOTHING_REHEARSED in texts(view_of(shown))
        assert view_of(shown).source.begin.cget("state") == "normal"


def test_a_moment_shows_the_talk_the_draft_and_why(xvfb: str, house: House) -> None:
    furnish(house.home)
    with rehearsal(house) as shown:
        cards = focus(shown)
        words = words_on(cards)
        assert "line 1: what time is the raid @Bob?" in words
        assert "line 0:" in words
        assert "nine works for me 0" in words
        assert "Asks a question, said 40 lines since it last spoke" in words
        assert "1  Yes" in words
        assert "#general" in words
        filled = {cards.canvas.itemcget(one, "fill") for one in cards.canvas.find_all()}
        assert cards.colour(BUBBLE) in filled
        view = view_of(shown)
        assert view.summary.cget("text") == "Nothing was answered yet."
        assert not view.chart.is_empty


def test_what_excluded_members_said_is_not_shown(xvfb: str, house: House) -> None:
    furnish(house.home)
    with Database.open(house.home.database) as db:
        member = db.member(MIRA)
        assert member is not None
        db.set_excluded(MIRA, True)
    with rehearsal(house) as shown:
        assert "Mira" not in words_on(focus(shown))


# -- answering ----------------------------------------------------------------------------------


def test_keys_answer_and_go_on_and_undo(xvfb: str, house: House) -> None:
    furnish(house.home)
    with rehearsal(house) as shown:
        cards, model = focus(shown), view_of(shown).model
        rows = [one.row_id for one in model.shown]
        type_keys(shown, "1", "n", "3")
        assert [model.answer_of(one) for one in model.shown[:3]] == ["yes", "no", "too_much"]
        assert cards.chosen.row_id == rows[3]
        assert "not stored yet" in view_of(shown).summary.cget("text")
        stored_all(shown)
        assert answers_in(house.home) == {rows[0]: "yes", rows[1]: "no", rows[2]: "too_much"}
        assert "Accepted 1 of 3 (6-79%)" in view_of(shown).summary.cget("text")
        type_keys(shown, "u")
        assert cards.chosen.row_id == rows[2]
        stored_all(shown)
        assert answers_in(house.home) == {rows[0]: "yes", rows[1]: "no"}
        press(view_of(shown).back)
        type_keys(shown, "Home", "Down", "y")
        stored_all(shown)
        assert answers_in(house.home) == {rows[0]: "yes", rows[1]: "yes"}
    with rehearsal(house) as shown:  # and after a restart
        model = view_of(shown).model
        assert [model.answer_of(one) for one in model.shown[:3]] == ["yes", "yes", ""]


def test_a_click_answers(xvfb: str, house: House) -> None:
    furnish(house.home)
    with rehearsal(house) as shown:
        cards = focus(shown)
        [no, *_] = cards.canvas.find_withtag("answer:no")
        left, top, right, bottom = cards.canvas.bbox(no)
        cards.canvas.event_generate("<Button-1>", x=(left + right) // 2, y=(top + bottom) // 2)
        settle(shown)
        model = view_of(shown).model
        assert model.answer_of(model.shown[0]) == "no"
        stored_all(shown)
        assert list(answers_in(house.home).values()) == ["no"]


def test_what_could_not_be_stored_is_said_and_tried_again(
    xvfb: str, house: House, tmp_path: Path
) -> None:
    furnish(house.home)
    with rehearsal(house) as shown:
        answers = one_of(shown.app, RehearsalAnswers)
        real, answers.script = (
            answers.script,
            stand_in(tmp_path, [], "sys.exit('The disk is full.')"),
        )
        cards = focus(shown)
        type_keys(shown, "1")
        pump(shown, lambda: "The disk is full." in texts(shown.main.notices), LONG_S)
        assert "1 answer could not be stored yet." in texts(shown.main.notices)
        assert "not stored yet" in words_on(cards)
        assert answers_in(house.home) == {}
        answers.script = real
        press(find(shown.main.notices, "Try again"))
        stored_all(shown)
        assert "not stored yet" not in words_on(cards)
        assert list(answers_in(house.home).values()) == ["yes"]


def test_filters(xvfb: str, house: House) -> None:
    furnish(house.home, spoken=3, silent=4)
    with rehearsal(house) as shown:
        cards, model = focus(shown), view_of(shown).model
        model.choose_filter(UNANSWERED)
        type_keys(shown, "1", "1")
        assert len(model.shown) == 3  # what was answered just now stays in sight
        model.choose_filter(UNANSWERED)
        assert len(model.shown) == 1
        model.choose_filter(NEARLY)
        settle(shown)
        assert len(model.shown) == 2
        assert "It should have spoken" in words_on(cards)
        focus(shown)
        type_keys(shown, "2")  # is no answer to a silent moment
        assert model.answer_of(model.shown[0]) == ""
        type_keys(shown, "3")
        assert model.answer_of(model.shown[0]) == "too_much"
        assert "Accepted 2 of 2" in view_of(shown).summary.cget("text")  # of the spoken alone
        stored_all(shown)


# -- looks ----------------------------------------------------------------------------------------


def test_a_thousand_moments_scroll_smoothly(xvfb: str, house: House) -> None:
    furnish(
        house.home,
        spoken=1000,
        silent=0,
        drafts={n: "word " * (n % 90) or "x" for n in range(1000)},
    )
    with rehearsal(house, (1000, 680)) as shown:
        cards = focus(shown)
        slowest_s = 0.0
        for step in range(300):
            began_s = time.thread_time()
            cards.canvas.event_generate("<Button-5>" if step < 250 else "<Next>")
            shown.root.update_idletasks()
            slowest_s = max(slowest_s, time.thread_time() - began_s)
        assert len(cards.in_sight) < 12
        assert len(cards.canvas.find_all()) < 200
        assert slowest_s < 0.1
        for part in ("0.5", "1.0", "0.0"):
            cards.yview("moveto", part)
        assert cards.in_sight[0].row_id == view_of(shown).model.shown[0].row_id
        type_keys(shown, "End")
        assert cards.chosen.row_id == view_of(shown).model.shown[-1].row_id
        assert cards.in_sight[-1] is cards.chosen
        type_keys(shown, "Up", "Up", "Home")
        assert cards.chosen is cards.in_sight[0]


ODD = {
    0: "word " * 400,
    1: "ok \U0001f600\U0001f3f4\u200d\u2620\ufe0f fine",
    2: "\u05e9\u05dc\u05d5\u05dd \u05d7\u05d1\u05e8\u05d9\u05dd, \u05de\u05d4 \u05d6\u05d4?",
    3: "a\nb\nc",
    4: "x" * 900,
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("scaling", [1.0, 2.0])
def test_odd_drafts_are_whole_and_inside(
    xvfb: str, house: House, theme: str, scaling: float
) -> None:
    furnish(house.home, drafts=ODD)
    with rehearsal(house, (int(900 * scaling), int(600 * scaling))) as shown:
        appearance.apply(preferences.change(house.home, theme=theme, scaling=scaling))
        rest(shown, 0.3)
        cards = focus(shown)
        for place, draft in ODD.items():
            cards.choose(place)
            settle(shown)
            canvas = cards.canvas
            [item] = [
                one
                for one in canvas.find_withtag(f"card{place}")
                if canvas.type(one) == "text" and canvas.itemcget(one, "text") == draft
            ]
            left, _, right, _ = canvas.bbox(item)
            assert 0 <= left < right <= canvas.winfo_width()
            frame = canvas.bbox(canvas.find_withtag(f"card{place}")[0])
            assert canvas.bbox(item)[3] < frame[3]
        preferences.change(house.home, theme="light", scaling=1.0)


def test_a_long_draft_can_be_read_to_its_end(xvfb: str, house: House) -> None:
    furnish(house.home, spoken=2, silent=0, drafts={0: "word " * 900})
    with rehearsal(house) as shown:
        cards, model = focus(shown), view_of(shown).model
        assert model.unseen == 2
        type_keys(shown, *["Next"] * 12)
        assert model.unseen == 0
        type_keys(shown, "Down")
        assert cards.chosen is cards.in_sight[-1]


# -- the rehearsal itself -------------------------------------------------------------------------


def plan(run: int, done: int, **rest: Any) -> dict[str, Any]:
    return {"event": "progress", "rehearsal_id": run, "done": done, "messages": 40, **rest}


def test_it_rehearses_what_was_chosen_and_shows_how_far_it_is(
    xvfb: str, house: House, tmp_path: Path
) -> None:
    run_id = furnish(house.home)
    with rehearsal(house) as shown:
        view, run = view_of(shown), one_of(shown.app, RehearsalRun)
        run.script = stand_in(
            tmp_path,
            [
                {"event": "plan", "rehearsal_id": run_id, "messages": 40, "done": 0},
                plan(run_id, 10, spoken=3, left_s=61.0),
            ],
            "time.sleep(30)",
        )
        view.source.channel._dropdown_callback("#general")
        view.source.how._dropdown_callback("The last messages")
        view.source.text._entry.focus_force()
        settle(shown)
        view.source.text.delete(0, "end")
        view.source.text.insert(0, "7")
        view.source.text._entry.event_generate("<KeyRelease-7>")
        settle(shown)
        assert view.source.begin.cget("state") == "disabled"
        view.source.text.insert("end", "00")
        view.source.text._entry.event_generate("<KeyRelease-0>")
        settle(shown)
        press(view.source.begin)
        pump(shown, lambda: "10 of 40 messages" in view.card.words, LONG_S)
        assert "it would have spoken 3 times \u00b7 1:01 left" in view.card.words
        assert asked_in(tmp_path)[0][:5] == ["run", "--channel", str(GENERAL), "--last", "700"]
        assert run.share == 0.25
        shown.main.open_page("Home")
        shown.main.open_page("Rehearsal")
        view = view_of(shown)
        pump(shown, lambda: view.model.is_read)
        assert "10 of 40" in view.card.words
        press(view.stop)
        pump(shown, lambda: not run.is_busy, LONG_S)
        assert view.card.words.startswith("Stopped. What was rehearsed stays")
        press(view.close)
        assert view.card.words == ""


@pytest.mark.slow
def test_a_real_rehearsal_with_the_small_base(xvfb: str, house: House) -> None:
    talk(house.home, 8)
    with Database.open(house.home.database) as db:
        for name, value in {"response_rate": "1", "threads": "1", "max_reply_tokens": "50"}.items():
            db.set_config(name, value)
    with rehearsal(house) as shown:
        view, run = view_of(shown), one_of(shown.app, RehearsalRun)
        view.source.channel._dropdown_callback("#general")
        press(view.source.begin)
        pump(shown, lambda: not run.is_busy, 120, what="the end of the rehearsal")
        assert texts(shown.main.notices) == []
        assert view.card.words.startswith("Of 8 messages it would have answered ")
        pump(shown, lambda: view.model.shown, LONG_S, what="the moments")
        assert all(one.draft for one in view.model.shown)
        cards = focus(shown)
        type_keys(shown, "2")
        stored_all(shown)
        assert list(answers_in(house.home).values()) == ["no"]
        assert cards.in_sight[0].draft in words_on(cards)
        assert setting(house.home) != "on"


def test_a_rehearsal_that_fails_says_why(xvfb: str, house: House, tmp_path: Path) -> None:
    furnish(house.home)
    with rehearsal(house) as shown:
        run = one_of(shown.app, RehearsalRun)
        run.script = stand_in(tmp_path, [], "sys.exit('There is no model at /m.gguf.')")
        press(view_of(shown).source.begin)
        pump(shown, lambda: "There is no model at /m.gguf." in texts(shown.main.notices), LONG_S)
        assert not run.is_busy


# -- what follows ---------------------------------------------------------------------------------


def test_it_may_speak_once_all_was_seen_and_something_answered(xvfb: str, house: House) -> None:
    furnish(house.home, spoken=4)
    with rehearsal(house) as shown:
        view = view_of(shown)
        assert "You have not seen all yet" in view.words.cget("text")
        assert view.speak.cget("state") == "disabled"
        focus(shown)
        type_keys(shown, "End")
        type_keys(shown, *["Prior"] * 6)
        pump(shown, lambda: "Answer at least 4 moments" in view.words.cget("text"))
        focus(shown)
        type_keys(shown, "Home", "1", "1", "1", "2")
        stored_all(shown)
        pump(shown, lambda: view.speak.cget("state") == "normal")
        press(view.speak)
        asked = " ".join(texts(shown.main.notices))
        assert "You accepted 3 of 4" in asked
        assert "where everybody there sees it" in asked
        assert setting(house.home) != "on"
        press(find(shown.main.notices, "Let it speak"))
        pump(shown, lambda: view.speak.cget("text") == "Silence again", LONG_S)
        assert setting(house.home) == "on"
        assert view.words.cget("text").startswith("It speaks in public.")
        press(view.speak)
        pump(shown, lambda: view.speak.cget("text") == "Let it speak", LONG_S)
        assert setting(house.home) == "off"


def test_more_no_than_yes_is_said_before(xvfb: str, house: House) -> None:
    furnish(house.home, spoken=3, silent=0)
    with rehearsal(house) as shown:
        focus(shown)
        type_keys(shown, "2", "3", "1")
        stored_all(shown)
        pump(shown, lambda: view_of(shown).speak.cget("state") == "normal")
        press(view_of(shown).speak)
        assert "Most of what you answered was not a yes." in " ".join(texts(shown.main.notices))
        press(find(shown.main.notices, "No"))
        assert setting(house.home) != "on"


FIT = {
    "rehearsal_id": 1,
    "before": {"response_rate": 0.05, "speak_threshold": 0.7, "channels": [], "replies": 6,
               "agreement": 0.5},
    "after": {"response_rate": 0.02, "speak_threshold": 0.8, "channels": [], "replies": 3,
              "agreement": 0.9},
    "changes": [], "why": "It spoke too much.", "is_enough": True, "applied": False,
}  # fmt: skip


def test_it_takes_as_many_answers_as_the_script() -> None:
    assert LEAST_ANSWERED == rehearsal_report.LEAST_ANSWERED


def test_a_day_without_a_word_is_none_to_judge_by(xvfb: str, house: House) -> None:
    furnish(house.home, spoken=0, silent=4)
    with rehearsal(house) as shown:
        view = view_of(shown)
        assert NOTHING_TO_ACCEPT in view.words.cget("text")
        assert view.speak.cget("state") == "disabled"


def test_a_fit_is_shown_before_it_is_applied(xvfb: str, house: House, tmp_path: Path) -> None:
    furnish(house.home)
    with rehearsal(house) as shown:
        view: Any = view_of(shown)
        assert view.fit.cget("state") == "disabled"
        focus(shown)
        type_keys(shown, "3", "3")
        stored_all(shown)
        pump(shown, lambda: view.fit.cget("state") == "normal")
        view.model.script = stand_in(tmp_path, [FIT])
        press(view.fit)
        pump(shown, lambda: view._fit_card is not None, LONG_S)
        card = view._fit_card
        assert card.words.cget("text") == "It spoke too much."
        assert ("Answers in this rehearsal", "6", "3") in card.table.rows
        press(card.leave)
        assert view._fit_card is None
        press(view.fit)
        pump(shown, lambda: view._fit_card is not None, LONG_S)
        card = view._fit_card
        assert card is not None
        press(card.apply)
        pump(shown, lambda: not view.model.doing and view._fit_card is None, LONG_S)
        assert [one[:3] for one in asked_in(tmp_path)] == [
            ["fit", "1", "--json"],
            ["fit", "1", "--json"],
            ["fit", "1", "--apply"],
        ]


def test_the_real_fit_reads_the_answers(xvfb: str, house: House) -> None:
    furnish(house.home, spoken=12, silent=6)
    with rehearsal(house) as shown:
        view = view_of(shown)
        focus(shown)
        type_keys(shown, *["3"] * 12)
        stored_all(shown)
        pump(shown, lambda: view.fit.cget("state") == "normal")
        press(view.fit)
        pump(shown, lambda: view._fit_card is not None, LONG_S)
        assert view._fit_card.words.cget("text")
        assert view._fit_card.table.rows[1][0] == "Answers unasked"


# -- keyboard, a window that lives ----------------------------------------------------------------


def test_everything_is_reached_by_tab(xvfb: str, house: House) -> None:
    furnish(house.home)
    with rehearsal(house) as shown:
        view = view_of(shown)
        focus(shown)
        type_keys(shown, "1")
        shown.root.focus_force()
        reached: list[str] = []
        for _ in range(60):
            type_keys(shown, "Tab")
            name = str(shown.root.focus_get())
            if name in reached:
                break
            reached.append(name)
        want = [view.source.channel, view.source.how, view.source.begin, view.which]
        want += [view.back, view.timeline.cards, view.chart, *view.filter._buttons_dict.values()]
        for one in want:
            assert any(name.startswith(str(one)) for name in reached), one
        stored_all(shown)


def test_the_window_lives_while_a_large_rehearsal_is_read(xvfb: str, house: House) -> None:
    furnish(house.home, spoken=500, silent=1500)
    with rehearsal(house) as shown:
        beats: list[float] = []
        end = shown.ui.every(HEARTBEAT_MS, lambda: beats.append(time.monotonic()))
        for _ in range(3):
            view_of(shown).model.reload()
            rest(shown, 0.3)
        end()
        gaps = [after - before for before, after in pairwise(beats)]
        assert max(gaps) < 0.25
