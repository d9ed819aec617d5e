"""The playground in the real window: with the small base in its process, and with a running bot."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gui.components.playground_page import AS_THE_BOT_WORDS, NOBODY_WORDS, PlaygroundPage
from gui.models.playground_model import AS_THE_BOT, Exchange, PlaygroundModel
from gui.models.reply_words import details_of, in_words, pieces_of
from storage.database import Database
from storage.manifest import sha256_file
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, Home
from tests.gui.conftest import QUICK, House
from tests.gui.window import find, press, pump, texts, type_keys, window
from tests.storage.rows import version

LONG_S = 30.0
ANSWER = {
    "reply": "nine works for me",
    "verdict": "reply: asked in the playground",
    "notes": ["bob on 3 May 2025: never again before nine"],
    "prompt_tokens": 60,
    "evaluated_tokens": 20,
    "reply_tokens": 5,
    "attempts": 2,
    "guard": "allowed, a name cut off",
    "timings_s": {"stored": 0.01, "recalled": 0.02, "generated": 1.5, "guarded": 0.001},
    "total_s": 1.6,
}


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What is left of a window goes in Tk's thread: another's collector would abort in Tcl."""
    yield
    gc.collect()


# -- the words --------------------------------------------------------------------------------


def test_a_reply_says_how_it_came_about() -> None:
    assert details_of(ANSWER) == [
        "Spoke: asked in the playground; check: allowed, a name cut off; 2 attempts",
        "Recalled: bob on 3 May 2025: never again before nine",
        "Took 1.6 s (remembering 20 ms, writing 1.5 s, checking 1 ms, the rest 79 ms): "
        "60 tokens read, 40 of them known already, 5 written",
    ]
    assert [in_words(s) for s in (-0.1, 0.004, 0.12, 9.94, 75.4)] == [
        "0 ms",
        "4 ms",
        "0.1 s",
        "9.9 s",
        "75 s",
    ]


def test_silence_and_errors_have_words_too() -> None:
    exchanges = [
        Exchange(
            "hi", [{**ANSWER, "reply": None, "guard": "refused: nothing of its own was left"}]
        ),
        Exchange("there?", [{"error": "The disk is full."}]),
        Exchange("hm", [None]),
    ]
    pieces = pieces_of(exchanges, 0, "Mynah")
    assert ("(says nothing)\n", "silent") in pieces
    assert any("refused: nothing of its own" in text for text, _ in pieces)
    assert ("The disk is full.\n", "bad") in pieces
    assert pieces[-1] == ("\u2026\n", "silent")


# -- the model --------------------------------------------------------------------------------


class Run:
    """In place of a ScriptRun."""

    def __init__(self, flags: tuple[str, ...], callbacks: dict[str, Any]) -> None:
        self.flags = flags
        self.callbacks = callbacks
        self.told: list[dict[str, Any]] = []
        self.is_running = True

    def tell(self, line: str) -> None:
        self.told.append(json.loads(line))

    def cancel(self) -> None:
        self.is_running = False

    def say(self, **line: Any) -> None:
        self.callbacks["on_line"](line)


class App:
    """What of AppModel the playground uses."""

    def __init__(self) -> None:
        self.is_online = False
        self.runs: list[Run] = []
        self.asked: list[dict[str, Any]] = []

    def run_script(self, script: str, *flags: str, talks: bool, **callbacks: Any) -> Run:
        assert talks
        self.runs.append(Run(flags, callbacks))
        return self.runs[-1]

    def ask(
        self,
        do: str,
        done: Callable[[dict[str, Any]], object],
        failed: Callable[[str], object],
        **data: Any,
    ) -> None:
        self.asked.append({"do": do, "done": done, "failed": failed, **data})


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def failures() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def model(app: App, failures: list[tuple[str, str]]) -> PlaygroundModel:
    return PlaygroundModel(app, lambda: None, lambda *why: failures.append(why))  # type: ignore[arg-type]


def test_the_first_line_waits_for_the_model(app: App, model: PlaygroundModel) -> None:
    assert model.say(" hello ")
    assert not model.say("again?")
    [run] = app.runs
    assert run.flags == ("--version", AS_THE_BOT)
    assert run.told == []
    run.say(loading="demo", number=1, of=2)
    assert model.loading == "demo is being loaded (1 of 2)."
    run.say(ready=["demo"], load_s=0.1)
    assert (model.loading, run.told) == ("", [{"say": "hello"}])
    run.say(side=0, **ANSWER)
    assert not model.is_busy
    assert model.exchanges[0].answers[0] is not None
    model.again()
    assert run.told[-1] == {"again": True}
    assert model.is_busy
    run.say(side=0, **ANSWER)
    model.clear()
    assert run.told[-1] == {"clear": True}
    assert model.exchanges == []


def test_another_choice_ends_what_is_loaded(app: App, model: PlaygroundModel) -> None:
    model.say("hello")
    first = app.runs[0]
    model.choose(("a", "b"))
    assert (first.is_running, model.exchanges, model.loading) == (False, [], "")
    first.say(side=0, **ANSWER)  # too late
    first.callbacks["failed"]("Stopped; what was finished stays.")
    model.say("hello")
    assert app.runs[1].flags == ("--version", "a", "--version", "b")
    app.runs[1].say(ready=["a", "b"])
    app.runs[1].say(side=1, **ANSWER)
    assert [answer is not None for answer in model.exchanges[0].answers] == [False, True]
    assert model.is_busy


def test_a_running_bot_is_asked_instead(app: App, model: PlaygroundModel) -> None:
    app.is_online = True
    model.choose((AS_THE_BOT, "b"))
    model.say("hello")
    [asked] = app.asked
    assert (asked["do"], asked["text"], asked["again"]) == ("say", "hello", False)
    assert asked["fresh"]
    assert app.runs[0].flags == ("--version", "b")
    reply = {k: ANSWER[k] for k in ("reply", "verdict")}
    asked["done"]({**reply, "trace": {"model": "lantern", "guard": "None", "notes": []}})
    app.runs[0].say(ready=["b"])
    app.runs[0].say(side=0, **ANSWER)
    first, second = model.exchanges[0].answers
    assert first is not None
    assert second is not None
    assert (first["version"], first["guard"], first["reply"]) == ("lantern", "", ANSWER["reply"])
    assert second["prompt_tokens"] == 60
    model.again()
    assert (app.asked[1]["again"], "fresh" in app.asked[1]) == (True, False)
    assert app.runs[0].told[-1] == {"again": True}
    app.asked[1]["failed"]("The bot did not answer in time; try again in a moment.")
    assert "in time" in model.exchanges[0].answers[0]["error"]  # type: ignore[index]
    model.clear()
    app.asked[1]["done"]({"reply": "too late"})
    assert model.exchanges == []


def test_a_talk_with_a_loaded_model_goes_on_there(app: App, model: PlaygroundModel) -> None:
    model.say("hello")
    app.runs[0].say(ready=["demo"])
    app.runs[0].say(side=0, **ANSWER)
    app.is_online = True
    model.say("and?")
    assert app.asked == []
    assert app.runs[0].told[-1] == {"say": "and?"}
    app.runs[0].say(side=0, **ANSWER)
    model.forget_loaded()
    model.say("now?")
    assert app.asked[0]["text"] == "now?"


def test_a_process_that_ends_is_told_of_and_can_be_tried_again(
    app: App, model: PlaygroundModel, failures: list[tuple[str, str]]
) -> None:
    model.say("hello")
    app.runs[0].callbacks["failed"]("There is no model at x.")
    assert failures == [("The model cannot talk here.", "There is no model at x.")]
    assert not model.is_busy
    model.again()
    app.runs[1].say(ready=["demo"])
    assert app.runs[1].told == [{"say": "hello"}]
    model.stop()
    assert model.exchanges[0].answers == [{"error": "Stopped before there was a reply."}]
    assert not app.runs[1].is_running
    model.clear()
    assert model.exchanges == []


# -- the page ---------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home").ensure()
    gguf = next(DEMO_BASE_DIR.glob("*.gguf"))
    with Database.open(home.database) as db:
        db.set_config("threads", "1")
        registry = ModelRegistry(db, home)
        for name in ("first", "second"):
            size_bytes = gguf.stat().st_size
            registry.register(
                version(name, gguf_path=str(gguf), sha256=sha256_file(gguf), size_bytes=size_bytes)
            )
        registry.deploy("first")
    return home


@contextmanager
def playground(home: Home, monkeypatch: pytest.MonkeyPatch, **rest: Any) -> Iterator[Any]:
    """The window with this page open, its list of versions read."""
    with window(home, page="Playground", size=(900, 600), **rest) as shown:
        page: Any = shown.main.page
        pump(shown, lambda: "second" in page.second.cget("values") or not home.database.exists())
        yield shown


def words(page: PlaygroundPage, side: int = 0) -> str:
    return page.panes[side].words


def test_a_talk_by_keyboard_with_one_model_then_two(
    xvfb: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with playground(home, monkeypatch) as shown:
        page = shown.main.page
        assert "Write a line below" in words(page)
        assert page.regenerate.cget("state") == page.clear.cget("state") == "disabled"
        page.entry.focus_force()
        type_keys(shown, "h", "i", "Return")
        assert page.entry.get() == ""
        assert "You\nhi\nMynah\n\u2026" in words(page)
        assert page.working.stop.winfo_ismapped()
        pump(shown, lambda: not page.model.is_busy, LONG_S)
        assert not page.working.stop.winfo_ismapped()
        before = words(page)
        assert "Spoke: asked in the playground\nRecalled: nothing\nTook " in before
        page.regenerate._canvas.focus_force()
        type_keys(shown, "Return")
        pump(shown, lambda: not page.model.is_busy, LONG_S)
        assert words(page) != before
        assert words(page).count("You\n") == 1

        page.second._canvas.focus_force()
        type_keys(shown, "Down")
        assert page.model.versions == (AS_THE_BOT, page.second.get())
        assert len(page.panes) == 2
        page.entry.insert(0, "hello there")
        press(page.send)
        pump(shown, lambda: not page.model.is_busy, LONG_S)
        for side in (0, 1):
            assert "You\nhello there\nMynah\n" in words(page, side)
            assert "written" in words(page, side)
        press(page.clear)
        assert "Write a line below" in words(page, 1)
        assert str(page.panes[0].text["state"]) == "disabled"


def test_what_goes_wrong_is_a_card_that_mends(
    xvfb: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with playground(home, monkeypatch) as shown:
        page = shown.main.page
        with Database.open(home.database) as db:
            db.set_config("model_path", "nowhere.gguf")
        page.entry.insert(0, "hi")
        press(page.send)
        pump(shown, lambda: not page.model.is_busy, LONG_S)
        assert any("There is no model at" in text for text in texts(shown.main.notices))
        assert "There is no model at" in words(page)
        with Database.open(home.database) as db:
            db.reset_config("model_path")
        press(find(shown.main.notices, "Try again"))
        pump(shown, lambda: not page.model.is_busy, LONG_S)
        assert "Took " in words(page)


def test_leaving_the_page_ends_the_model_also_while_it_loads(
    xvfb: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with playground(home, monkeypatch) as shown:
        page = shown.main.page
        page.entry.insert(0, "hi")
        press(page.send)
        run = page.model._run
        shown.main.open_page("Models")
        pump(shown, lambda: not run.is_running)
        shown.main.open_page("Playground")
        page = shown.main.page
        page.entry.insert(0, "hi")
        press(page.send)
        press(page.working.stop)
        assert "Stopped before there was a reply." in words(page)
        assert not page.model.is_busy
        page.entry.insert(0, "hi")
        press(page.send)
        last = page.model._run
    assert last._process.wait(10) is not None


def test_the_running_bot_answers_where_one_runs(
    xvfb: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = house.command("ready")
    with playground(house.home, monkeypatch, command=command, policy=QUICK) as shown:
        shown.supervisor.start()
        pump(shown, lambda: shown.app.is_online, LONG_S)
        page = shown.main.page
        assert "The running bot answers" in words(page)
        assert page.first.get() == AS_THE_BOT_WORDS
        assert page.second.get() == NOBODY_WORDS
        page.entry.insert(0, "hello")
        press(page.send)
        pump(shown, lambda: not page.model.is_busy, LONG_S)
        assert "You\nhello\nMynah\nHELLO\n" in words(page)
        assert page.model._run is None
