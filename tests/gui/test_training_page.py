"""The page of the training in the real window; small programs stand in the two scripts' place,
which take minutes."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import customtkinter as ctk
import pytest

from data.consent import RULE_21
from gui import pages
from gui.components import training_page
from gui.models import training_model, training_packages
from gui.models.outlasting import one_of
from gui.models.training_model import Stored, run_cells
from gui.models.training_packages import PackagesRun, missing
from gui.models.training_run import (
    MAX_TOKENS,
    PROFILE,
    STAGES,
    TrainingRun,
    result_words,
    stage_words,
)
from model import profile
from storage import manifest, readonly
from storage.database import Database
from storage.manifest import sha256_file
from storage.model_registry import ModelRegistry
from storage.paths import PROGRAM_DIR, Home
from storage.records import ChannelRecord, MemberRecord, Origin
from storage.settings import load
from tests.gui.conftest import QUICK, House
from tests.gui.window import find, press, pump, rest, texts, type_keys, window
from tests.storage.rows import message, version

LONG_S = 30.0
ID = 1 << 40
RESULT = {
    "version": "demo-1",
    "total_s": 75.2,
    "counts": {
        "adapter": {
            "examples": 1625,
            "validation_loss_before": 4.48,
            "validation_loss_after": 2.86,
        }
    },
}


@pytest.fixture(autouse=True)
def _own_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """And what is left of a window goes in Tk's thread: elsewhere Tcl would abort."""
    monkeypatch.setitem(pages.PAGES, "Training", ("training_page", "TrainingPage"))
    monkeypatch.setitem(pages.PAGES, "Data", ("data_page", "DataPage"))
    monkeypatch.setattr(training_packages, "missing", lambda: ())
    yield
    gc.collect()


@pytest.fixture
def home(house: House) -> Home:
    with Database.open(house.home.database) as db:
        db.upsert_channels([ChannelRecord(ID, 1, "Tavern", "general")])
        db.upsert_members([MemberRecord(ID, "mira_77", "Mira")])
        db.upsert_messages(
            message(n, channel_id=ID, author_id=ID, origin=Origin.EXPORT) for n in range(1, 41)
        )
    return house.home


@contextmanager
def training(house: House) -> Iterator[Any]:
    with window(house.home, house.command("ready"), QUICK, page="Training", size=(900, 600)) as s:
        page: Any = s.main.page
        pump(s, lambda: page.model.is_read)
        yield s


def told(shown: Any) -> str:
    return " ".join(texts(shown.main.notices))


def stand_in(folder: Path, name: str, lines: Sequence[Any], *, end: str = "") -> str:
    """A program that tells these lines, and then does `end`; its arguments go into a file."""
    path = folder / f"{name}.py"
    path.write_text(
        "import json, pathlib, sys, time\n"
        f"pathlib.Path({str(folder / name)!r}).write_text(json.dumps(sys.argv[1:]))\n"
        f"for line in json.loads({json.dumps(lines)!r}):\n"
        "    print(json.dumps(line), flush=True)\n"
        "    time.sleep(0.005)\n"
        f"{end}\n"
    )
    return str(path)


def arguments_of(folder: Path, name: str) -> list[str]:
    found: list[str] = json.loads((folder / name).read_text())
    return found


def fine_tuning(steps: int = 60) -> list[dict[str, Any]]:
    """What scripts/3 tells: the loss is that of the last fifth step."""
    lines: list[dict[str, Any]] = [
        {"event": "end", "stage": "examples", "seconds": 1, "made": True},
        {"event": "begin", "stage": "sft"},
    ]
    for step in range(1, steps + 1):
        loss = None if step <= 5 else 5.0 - (step - 1) // 5 * 0.1
        figures = {"step": step, "steps": steps, "loss": loss, "left_s": (steps - step) / 4}
        lines.append({"event": "progress", "stage": "sft", **figures})
    for stage in ("sft", "merge", "export"):
        lines.append({"event": "end", "stage": stage, "seconds": 1, "made": True})
    return lines


def register(home: Home, name: str = "demo-1") -> None:
    """As scripts/3 leaves it."""
    place = home.finetuned / "demo" / "gguf-0123456789ab"
    with manifest.making(place) as work:
        (work / "demo-q4_k_m.gguf").write_bytes(b"GGUF")
        manifest.write_manifest(work, "gguf", {}, {})
    path = place / "demo-q4_k_m.gguf"
    with Database.open(home.database) as db:
        ModelRegistry(db, home).register(
            version(name, gguf_path=home.relative(path), sha256=sha256_file(path), size_bytes=4)
        )


# -- what must agree with what the window does not import ---------------------------------------


def test_the_same_as_elsewhere() -> None:
    assert training_model.RULE_21 == RULE_21
    assert (profile.load("demo").max_length, profile.load("demo").name) == (MAX_TOKENS, PROFILE)
    required = (PROGRAM_DIR / "requirements-train.txt").read_text()
    assert all(f"\n{name}==" in required for name in ("torch", "trl", "peft", "datasets", "gguf"))


def test_missing_packages_are_found_without_importing_them() -> None:
    assert missing(("json", "no_such_package_here")) == ("no_such_package_here",)


# -- the words --------------------------------------------------------------------------------


def test_stages_and_results_in_words() -> None:
    sft = {"step": 210, "steps": 640, "loss": 3.2141, "left_s": 65.0}
    assert stage_words("sft", sft) == "Fine-tuning: step 210 of 640 · loss 3.214 · 1:05 left"
    assert stage_words("sft", {"step": 1, "steps": 9, "loss": None, "left_s": None}) == (
        "Fine-tuning: step 1 of 9"
    )
    examples = {"what": "reading and cleaning", "step": 1000, "steps": 2500}
    assert stage_words("examples", examples) == "Reading and cleaning: 1,000 of 2,500"
    assert all(stage_words(stage, {}).endswith(("history", ".")) for stage in ("", *STAGES))
    assert result_words(RESULT, True) == (
        "demo-1 is ready: it learned from 1,625 examples in 75 s. The loss on what it never saw "
        "went from 4.48 to 2.86."
    )
    assert result_words(RESULT, False).startswith("Nothing changed since demo-1 was trained")


def test_a_run_in_the_table(tmp_path: Path) -> None:
    gguf = tmp_path / "a.gguf"
    run = readonly.TrainingRun("demo", 1_700_000_000_000, "export", 1625, 407, 4.484, 2.86, gguf)
    half = readonly.TrainingRun("demo", 1_700_000_000_000, "sft")
    stored = Stored(versions=((run, version("demo-1", status="deployed")),))
    assert run_cells(run, stored)[2:] == ("1,625", "407", "4.48 → 2.86", "answers now")
    assert run_cells(half, stored)[2:] == ("—", "—", "—", "not finished")
    assert (stored.status_of("demo-1"), stored.status_of("gone")) == ("deployed", "")


# -- the run, without a window --------------------------------------------------------------------


class QuietApp:
    """What TrainingRun needs of an AppModel: scripts are noted, and answered by the test."""

    def __init__(self) -> None:
        self.settings = load({})[0]
        self.scripts: list[tuple[str, ...]] = []
        self.last: dict[str, Any] = {}
        self.cancelled = 0

    def run_script(self, *arguments: str, **callbacks: Any) -> Any:
        self.scripts.append(arguments)
        self.last = callbacks
        return self

    def cancel(self) -> None:
        self.cancelled += 1

    def tell(self, topic: str) -> None:
        assert topic == "data"


def test_two_scripts_one_after_the_other() -> None:
    app: Any = QuietApp()
    run = TrainingRun()
    run.start(app, "  open data ")
    run.start(app)
    assert len(app.scripts) == 1
    script = app.scripts[0]
    assert script[0] == "2_prepare_training_data.py"
    assert script[script.index("--declare") + 1] == "open data"
    app.last["done"]({})
    assert app.scripts[1][0] == "3_train_model.py"
    assert run.words == "The training packages are being loaded."
    for line in fine_tuning():
        app.last["on_line"](line)
    assert run.steps == 60
    assert len(run.points) == 11
    assert run.points[0] == (6.0, 4.9)
    app.last["on_line"](RESULT)
    app.last["done"](RESULT)
    assert (run.state, run.version, run.failure) == ("idle", "demo-1", "")
    assert run.finished == STAGES


def test_a_cancel_between_the_scripts_counts() -> None:
    app: Any = QuietApp()
    run = TrainingRun()
    run.start(app)
    run.cancel()
    run.cancel()
    assert app.cancelled == 1
    app.last["done"]({})
    assert len(app.scripts) == 1
    assert (run.state, run.version) == ("idle", "")
    assert "goes on from there" in run.outcome


class QuietUi:
    """Work is done at once."""

    def run(self, work: Any, done: Any, failed: Any) -> None:
        done(work())


def test_the_page_says_what_script_2_would(home: Home) -> None:
    app: Any = QuietApp()
    app.home, app.ui = home, QuietUi()
    model = training_model.TrainingModel(app, lambda: None, lambda *why: None)

    def now(**settings: str) -> Any:
        with Database.open(home.database) as db:
            for name, value in settings.items():
                db.set_config(name, value)
        model.reload()
        return model

    words = "40 messages may be learned from once a ground is declared, 0 now;"
    assert words in now().source_words
    assert model.why_not("") == "A ground has to be declared first."
    assert model.why_not("ours") == ""
    assert now(consent_mode="opt_in").why_not("ours") == model.source_words
    assert "has opted in yet" in model.source_words
    assert not model.needs_ground
    with Database.open(home.database) as db:
        db.upsert_channels([ChannelRecord(ID, 1, "Tavern", "general")])
        db.upsert_messages([message(99, channel_id=ID, author_id=ID, origin=Origin.DATA_PACKAGE)])
        db.record_declaration("mira", "open data", 5)
    assert "1 message may be learned from; " in now().source_words
    assert "who has not opted in, bots" in model.source_words
    assert now(consent_mode="retrieval_only").why_not("") == model.source_words
    assert "Nobody here is learned from" in model.source_words
    assert now(consent_mode="declared").why_not("") == ""
    assert "41 messages may be learned from; " in model.source_words


# -- the page -----------------------------------------------------------------------------------


def test_a_new_home_says_what_to_do(xvfb: str, house: House) -> None:
    with training(house) as shown:
        page = shown.main.page
        assert "nothing to learn from yet" in page.source.words
        assert page.train.cget("state") == "disabled"
        assert "Nothing was trained yet." in " ".join(texts(page.table))
        press(page.source.to_data)
        assert shown.main.page_name == "Data"


def test_declared_trained_tried_and_deployed(xvfb: str, house: House, home: Home) -> None:
    root = home.root
    with training(house) as shown:
        page = shown.main.page
        page.run.scripts = (
            stand_in(root, "prepare", [{"event": "begin", "stage": "examples"}, {"messages": 1}]),
            stand_in(root, "train", [*fine_tuning(), RESULT]),
        )
        assert "40 messages may be learned from" in page.source.words
        assert RULE_21 in " ".join(texts(page.source))
        assert page.train.cget("state") == "disabled"
        page.source.field._entry.focus_force()
        shown.root.update()  # the hint goes with the focus
        type_keys(shown, "o", "k")
        pump(shown, lambda: page.train.cget("state") == "normal")
        press(page.train)
        assert page.cancel.winfo_ismapped()
        pump(shown, lambda: page.run.stage == "sft", LONG_S)
        shown.main.open_page("Settings")  # it goes on
        pump(shown, lambda: len(one_of(shown.app, TrainingRun).points) > 3, LONG_S)
        shown.main.open_page("Training")
        page = shown.main.page
        register(home)
        shown.app.tell("data")  # where the training was quicker
        pump(shown, lambda: not page.run.is_busy, LONG_S)
        pump(shown, lambda: bool(page.model.stored.versions), LONG_S)
        assert page.progress.words.startswith("demo-1 is ready: it learned from 1,625 examples")
        assert not page.progress.chart.is_empty
        assert all(label.cget("text").startswith("✓") for label in page.progress.stages.values())
        prepared = arguments_of(root, "prepare")
        assert prepared[prepared.index("--declare") + 1] == "ok"
        assert "--events" in arguments_of(root, "train")
        row = [str(cell).strip() for cell in page.table.tree.item("0")["values"]]
        assert (row[0], row[5]) == ("demo-1", "new")
        pump(shown, page.progress.deploy.winfo_ismapped)
        press(page.progress.deploy)
        pump(shown, lambda: page.progress.deploy.cget("text") == "Deployed", LONG_S)
        deployed = readonly.deployed_model(home.database)
        assert deployed is not None
        assert deployed.version_id == "demo-1"
        press(page.progress.attempt)
        assert shown.main.page_name == "Playground"


def test_cancelled_and_failed(xvfb: str, house: House, home: Home) -> None:
    root = home.root
    with Database.open(home.database) as db:
        db.record_declaration("mira", "open data", 5)
        db.set_config("consent_mode", "declared")
    with training(house) as shown:
        page = shown.main.page
        assert 'mira declared on 1970-01-01: "open data".' in page.source.words
        assert not page.source.field.winfo_ismapped()
        prepare = stand_in(root, "prepare", [{"messages": 1}])
        page.run.scripts = (prepare, stand_in(root, "slow", fine_tuning(), end="time.sleep(60)"))
        press(page.train)
        pump(shown, lambda: page.run.points, LONG_S)
        press(page.cancel)
        pump(shown, lambda: not page.run.is_busy, LONG_S)
        rest(shown, 0.1)
        assert "goes on from there" in page.progress.words
        assert not page.cancel.winfo_ismapped()
        assert told(shown) == ""
        page.run.scripts = (prepare, stand_in(root, "bad", [], end="sys.exit('No disk is left.')"))
        press(page.train)
        pump(shown, lambda: "No disk is left." in told(shown), LONG_S)
        assert "The training did not come to its end." in told(shown)
        find(shown.main.notices, "Try again")


def test_the_report_of_a_set_is_opened(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(training_page, "open_file", lambda path, failed: opened.append(path))
    made = stand_in(home.root, "report", [{"page": "/home/set/dataset_report.html"}])
    monkeypatch.setattr(training_model, "REPORT", made)
    with training(house) as shown:
        page = shown.main.page
        assert page.report.cget("state") == "disabled"
        with manifest.making(home.datasets / "demo") as work:
            (work / "training_data.jsonl").write_text("{}\n")
            manifest.write_manifest(work, "dataset", {}, {"training": 1})
        shown.app.tell("data")
        pump(shown, lambda: page.report.cget("state") == "normal")
        press(page.report)
        assert page.report.cget("state") == "disabled"  # until it is there
        pump(shown, lambda: opened, LONG_S)
        assert opened == [Path("/home/set/dataset_report.html")]
        assert arguments_of(home.root, "report") == ["--json", "--home", str(home.root)]
        pump(shown, lambda: page.report.cget("state") == "normal")
        fails = stand_in(home.root, "fails", [], end="sys.exit('There is no room for it.')")
        monkeypatch.setattr(training_model, "REPORT", fails)
        press(page.report)
        pump(shown, lambda: "There is no room for it." in told(shown), LONG_S)
        assert training_model.NO_REPORT in told(shown)
        assert len(opened) == 1
        pump(shown, lambda: page.report.cget("state") == "normal")


def test_missing_packages_are_installed(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks = ["torch"]
    monkeypatch.setattr(training_packages, "missing", lambda: tuple(lacks))
    installs = "sys.stderr.write('Installing the packages.\\n'); sys.stderr.flush(); time.sleep(1)"
    monkeypatch.setattr(
        training_packages, "SCRIPT", stand_in(home.root, "install", [], end=installs)
    )
    with training(house) as shown:
        page = shown.main.page
        assert page.packages_card.winfo_ismapped()
        assert page.train.cget("state") == "disabled"
        press(page.packages_card.install)
        assert page.packages_card.leave.winfo_ismapped()
        pump(shown, lambda: "Installing the packages." in texts(page.packages_card), LONG_S)
        lacks.clear()
        pump(shown, lambda: not one_of(shown.app, PackagesRun).is_busy, LONG_S)
        pump(shown, lambda: not page.packages_card.winfo_ismapped(), LONG_S)
        assert arguments_of(home.root, "install")[0] == "--train"


def test_what_was_taken_away_stays_away_in_another_size(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CustomTkinter lays everything out again where the scaling changes."""
    monkeypatch.setattr(training_packages, "missing", lambda: ("torch",))
    with training(house) as shown:
        page = shown.main.page
        for scaling in (1.5, 1.0):
            ctk.set_widget_scaling(scaling)
            rest(shown, 0.2)
            assert not page.packages_card.leave.winfo_ismapped()
            assert not page.cancel.winfo_ismapped()
            assert page.packages_card.install.winfo_ismapped()


def test_all_of_it_is_reached_by_tab(xvfb: str, house: House, home: Home) -> None:
    with training(house) as shown:
        page = shown.main.page
        page.source.field.insert(0, "open data")
        page._show_buttons()
        page.train._canvas.focus_force()
        reached = []
        for _ in range(8):
            reached.append(str(shown.root.focus_get()))
            shown.root.focus_get().tk_focusNext().focus_force()
            shown.root.update()
        for widget in (page.train, page.source.field, page.progress.chart, page.table):
            assert any(path.startswith(str(widget)) for path in reached), widget
