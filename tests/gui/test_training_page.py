"""The page of the training in the real window; small programs stand in the script's place, which
takes minutes, but for one test."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import customtkinter as ctk
import pytest

from data.consent import RULE_21
from gui import pages
from gui.components import training_page
from gui.models import base_run, training_model, training_packages
from gui.models.base_run import BaseRun, offers_of
from gui.models.outlasting import one_of
from gui.models.training_model import Stored, run_cells
from gui.models.training_packages import PackagesRun, missing
from gui.models.training_profiles import TrainingProfile, read_profiles
from gui.models.training_run import STAGES, TrainingRun, result_words, stage_words
from model import profile
from storage import manifest, readonly
from storage.database import Database
from storage.manifest import sha256_file
from storage.model_registry import ModelRegistry
from storage.paths import PROGRAM_DIR, Home
from storage.records import ChannelRecord, MemberRecord, Origin
from storage.settings import load
from tests.data.talk import MEMBERS, history
from tests.gui.conftest import QUICK, House
from tests.gui.window import find, press, pump, rest, texts, type_keys, window
from tests.scripts.test_train_all import PROFILE
from tests.storage.rows import message, version

LONG_S = 60.0
TRAINING_S = 900.0
ID = 1 << 40
LACKS = "its personality scored 40.0 of the 50 needed"
RESULT: dict[str, Any] = {
    "version": "demo-1",
    "gguf": "demo.gguf",
    "lacks": "",
    "steps": [{"name": "train", "state": "done", "why": "", "seconds": 60.0}],
    "total_s": 75.2,
}
DEMO = TrainingProfile("demo", name="demo")
BAD = {**RESULT, "lacks": LACKS}


@pytest.fixture(autouse=True)
def _own_pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """And what is left of a window goes in Tk's thread: elsewhere Tcl would abort."""
    monkeypatch.setitem(pages.PAGES, "Training", ("training_page", "TrainingPage"))
    monkeypatch.setitem(pages.PAGES, "Data", ("data_page", "DataPage"))
    monkeypatch.setitem(pages.PAGES, "Models", ("models_page", "ModelsPage"))
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


def end(step: str, state: str = "done", why: str = "") -> dict[str, Any]:
    told = {"seconds": 1, "made": state == "done", "state": state, "why": why}
    return {"event": "end", "stage": step, **told}


def part(stage: str, name: str, **figures: Any) -> dict[str, Any]:
    return {"event": "progress", "stage": stage, "part": name, "all_left_s": None, **figures}


def told_until_trained(steps: int = 60) -> list[dict[str, Any]]:
    """What scripts/train_all.py tells: the loss is that of the last fifth step."""
    lines: list[dict[str, Any]] = [
        {"event": "begin", "stage": "environment"},
        part("environment", "environment"),
        end("environment"),
        {"event": "begin", "stage": "examples"},
        part("examples", "examples", what="reading and cleaning", step=1000, steps=2500),
        end("examples"),
        {"event": "begin", "stage": "train"},
        part("train", "sft"),
    ]
    for step in range(1, steps + 1):
        loss = None if step <= 5 else 5.0 - (step - 1) // 5 * 0.1
        figures = {"step": step, "steps": steps, "loss": loss, "left_s": (steps - step) / 4}
        lines.append(part("train", "sft", **figures))
    return lines


def told_to_the_end() -> list[dict[str, Any]]:
    why = "the profile demo asks for none (--audit makes it)"
    return [
        *told_until_trained(),
        part("train", "merge"),
        part("train", "export"),
        end("train"),
        {"event": "begin", "stage": "judge"},
        part("judge", "replies", step=3, steps=100, all_left_s=130.0),
        end("judge"),
        end("audit", "skipped", why),
    ]


def register(home: Home, score: float, name: str = "demo-1") -> None:
    """As scripts/3 and 4 leave it."""
    place = home.finetuned / "demo" / "gguf-0123456789ab"
    with manifest.making(place) as work:
        (work / "demo-q4_k_m.gguf").write_bytes(b"GGUF")
        manifest.write_manifest(work, "gguf", {}, {})
    path = place / "demo-q4_k_m.gguf"
    size = {"sha256": sha256_file(path), "size_bytes": 4}
    made = version(name, gguf_path=home.relative(path), deploy_at=50.0, **size)
    with Database.open(home.database) as db:
        registry = ModelRegistry(db, home)
        registry.register(made)
        registry.record_evaluation(name, "personality", score, 50.0, score >= 50, {})
    report = home.data_storage / "evaluations" / name / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text("<p>It did well.</p>")


# -- what must agree with what the window does not import ---------------------------------------


def test_the_same_as_elsewhere() -> None:
    assert training_model.RULE_21 == RULE_21
    required = (PROGRAM_DIR / "requirements-train.txt").read_text()
    assert all(f"\n{name}==" in required for name in ("torch", "trl", "peft", "datasets", "gguf"))


def test_missing_packages_are_found_without_importing_them() -> None:
    assert missing(("json", "no_such_package_here")) == ("no_such_package_here",)


# -- the words --------------------------------------------------------------------------------


def test_stages_and_results_in_words() -> None:
    sft = {"step": 210, "steps": 640, "loss": 3.2141, "left_s": 65.0, "all_left_s": 200.0}
    assert stage_words("sft", sft) == (
        "Fine-tuning: step 210 of 640 · loss 3.214 · 1:05 left · 3:20 left of all"
    )
    assert stage_words("sft", {"step": 1, "steps": 9, "loss": None, "left_s": None}) == (
        "Fine-tuning: step 1 of 9"
    )
    examples = {"what": "reading and cleaning", "step": 1000, "steps": 2500}
    assert stage_words("examples", examples) == "Reading and cleaning: 1,000 of 2,500"
    assert all(stage_words(stage, {}).endswith(".") for stage in ("", *STAGES))
    assert result_words(RESULT) == "demo-1 is trained, in 75 s."
    assert result_words(BAD) == f"demo-1 is trained, in 75 s. It may not answer yet: {LACKS}."
    kept = {**RESULT, "steps": [{"name": "train", "state": "done before"}]}
    assert result_words(kept).startswith("Nothing changed since demo-1 was trained")


def test_a_run_in_the_table(tmp_path: Path) -> None:
    gguf = tmp_path / "a.gguf"
    run = readonly.TrainingRun("demo", 1_700_000_000_000, "export", 1625, 407, 4.484, 2.86, gguf)
    half = readonly.TrainingRun("demo", 1_700_000_000_000, "sft")
    stored = Stored(versions=((run, version("demo-1", status="deployed")),))
    assert run_cells(run, stored)[2:] == ("1,625", "407", "4.48 → 2.86", "—", "answers now")
    assert run_cells(half, stored)[2:] == ("—", "—", "—", "—", "not finished")


# -- profiles and bases ---------------------------------------------------------------------------


def test_profiles_are_read_as_the_training_reads_them(tmp_path: Path) -> None:
    home = Home(tmp_path)
    own = tmp_path / "own.yaml"
    own.write_text('name: "mine"  # of all\nbase: qwen2.5-0.5b-instruct\nlora: {r: 4}\n')
    found = read_profiles(home, str(own))
    assert [one.key for one in found] == [*profile.shipped(), str(own)]
    for one in found[:-1]:
        real = profile.load(one.key)
        assert (one.name, one.about, one.base) == (real.name, real.about, real.base)
        assert one.has_base is (one.base == "demo-base")
    assert found[-1].name == "mine"
    assert not found[-1].has_base
    with manifest.making(home.models / "bases" / "qwen2.5-0.5b-instruct") as work:
        manifest.write_manifest(work, "base", {}, {})
    assert read_profiles(home, str(own))[-1].has_base
    assert "cannot be read" in read_profiles(home, "gone.yaml")[-1].about


def test_what_the_script_lists_is_understood(tmp_path: Path) -> None:
    script = PROGRAM_DIR / "scripts" / "download_base.py"
    listed = subprocess.run(
        [sys.executable, str(script), "list", "--json", "--home", str(tmp_path)],
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    run = BaseRun()
    run.offers = offers_of(json.loads(listed.stdout))
    for one in read_profiles(Home(tmp_path), "demo"):
        assert one.has_base or one.base in run.offers
    words = run.words("qwen2.5-3b-instruct")
    assert "6.2 GB" in words
    assert "Its licence is Qwen Research (not for commercial use), https://" in words
    assert run.offers["qwen2.5-3b-instruct"].must_be_accepted
    assert not run.offers["qwen2.5-0.5b-instruct"].must_be_accepted


# -- the run, without a window --------------------------------------------------------------------


class QuietApp:
    """What TrainingRun needs of an AppModel: scripts are noted, and answered by the test."""

    def __init__(self) -> None:
        self.settings = load({})[0]
        self.are_settings_read = True
        self.home = Home(Path("nowhere"))
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


def started(app: Any, ground: str = "") -> TrainingRun:
    run = TrainingRun()
    run.start(app, DEMO, ground)
    return run


def test_from_the_machine_to_the_judge() -> None:
    app: Any = QuietApp()
    run = started(app, "  open data ")
    run.start(app, DEMO)
    assert len(app.scripts) == 1
    told = ("--declare", "open data", "--json", "--events")
    assert app.scripts[0] == ("train_all.py", "--profile", "demo", *told)
    assert run.words == "The training begins."
    for line in told_until_trained():
        app.last["on_line"](line)
    assert (run.stage, run.steps, len(run.points)) == ("sft", 60, 11)
    assert run.points[0] == (6.0, 4.9)
    assert run.ended == {"environment": "done", "examples": "done"}
    lines = told_to_the_end()
    for line in lines[len(told_until_trained()) : -2]:
        app.last["on_line"](line)
    assert run.words == (
        "It is judged whether it writes as people here do: 3 of 100 · 2:10 left of all"
    )
    assert [run.ended.get(stage) for stage in ("sft", "merge", "export")] == ["done"] * 3
    for line in lines[-2:]:
        app.last["on_line"](line)
    app.last["on_line"](RESULT)
    app.last["done"](RESULT)
    assert (run.state, run.version, run.failure) == ("idle", "demo-1", "")
    assert tuple(run.ended) == STAGES
    assert run.ended["audit"] == "skipped"
    assert run.remarks == ("Audit is left out: the profile demo asks for none.",)


def test_a_part_that_fails_is_marked_and_those_before_it_stay() -> None:
    app: Any = QuietApp()
    run = started(app)
    for line in [*told_until_trained(), part("train", "merge"), end("train", "not done")]:
        app.last["on_line"](line)
    app.last["failed"]("No disk is left.")
    assert (run.ended["sft"], run.ended["merge"]) == ("done", "not done")
    assert "export" not in run.ended
    assert (run.state, run.failure) == ("idle", "No disk is left.")


def test_stopped_it_says_that_it_goes_on() -> None:
    app: Any = QuietApp()
    run = started(app)
    run.cancel()
    run.cancel()
    assert app.cancelled == 1
    app.last["failed"]("Stopped; what was finished stays.")
    assert (run.state, run.version, run.failure) == ("idle", "", "")
    assert "goes on from there" in run.outcome


def test_the_curve_of_a_training_that_goes_on_is_whole(tmp_path: Path) -> None:
    app: Any = QuietApp()
    app.home = Home(tmp_path)
    run = started(app)
    folder = app.home.logs / "training" / "demo"
    folder.mkdir(parents=True)
    lines = [json.dumps({"at_ms": 1, "step": n, "steps": 60, "loss": 5.0 - n}) for n in (5, 10, 15)]
    (folder / "events.jsonl").write_text("\n".join(lines))
    figures = {"steps": 60, "left_s": None}
    app.last["on_line"](part("train", "sft"))
    app.last["on_line"](part("train", "sft", step=12, loss=None, **figures))
    app.last["on_line"](part("train", "sft", step=16, loss=3.5, **figures))
    assert run.points == [(5.0, 0.0), (10.0, -5.0), (16.0, 3.5)]


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


def test_declared_trained_tried_and_deployed(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(training_page, "open_file", lambda path, failed: opened.append(path))
    root = home.root
    with training(house) as shown:
        page = shown.main.page
        begun, whole = told_until_trained(), [*told_to_the_end(), RESULT]
        go_on = (
            f"while not pathlib.Path({str(root / 'go')!r}).exists():\n    time.sleep(0.01)\n"
            f"for line in json.loads({json.dumps(whole[len(begun) :])!r}):\n"
            "    print(json.dumps(line), flush=True)"
        )
        page.run.script = stand_in(root, "train", begun, end=go_on)
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
        assert page.profile.choice.cget("state") == "disabled"
        shown.main.open_page("Settings")  # it goes on
        pump(shown, lambda: len(one_of(shown.app, TrainingRun).points) > 3, LONG_S)
        shown.main.open_page("Training")
        page = shown.main.page
        register(home, 62.3)
        (root / "go").touch()
        pump(shown, lambda: not page.run.is_busy, LONG_S)
        pump(shown, lambda: bool(page.model.stored.versions), LONG_S)
        assert page.progress.words == "demo-1 is trained, in 75 s."
        assert "Audit is left out" in " ".join(texts(page.progress))
        assert not page.progress.chart.is_empty
        marks = "".join(label.cget("text")[0] for label in page.progress.stages.values())
        assert marks == "✓✓✓✓✓✓–"
        assert arguments_of(root, "train")[:4] == ["--profile", "demo", "--declare", "ok"]
        row = [str(cell).strip() for cell in page.table.tree.item("0")["values"]]
        assert (row[0], row[5], row[6]) == ("demo-1", "62.3", "passed")
        pump(shown, page.progress.deploy.winfo_ismapped)
        assert page.progress.score == "Score 62.3; 50 are needed"
        press(page.progress.report)
        assert opened == [home.data_storage / "evaluations" / "demo-1" / "report.html"]
        press(page.progress.deploy)
        pump(shown, lambda: page.progress.deploy.cget("text") == "Deployed", LONG_S)
        deployed = readonly.deployed_model(home.database)
        assert deployed is not None
        assert deployed.version_id == "demo-1"
        press(page.progress.attempt)
        assert shown.main.page_name == "Playground"


def declare(home: Home) -> None:
    with Database.open(home.database) as db:
        db.record_declaration("mira", "open data", 5)
        db.set_config("consent_mode", "declared")


def test_trained_but_not_good_enough(xvfb: str, house: House, home: Home) -> None:
    declare(home)
    register(home, 40.0)
    with training(house) as shown:
        page = shown.main.page
        lines = [*told_to_the_end(), BAD]
        page.run.script = stand_in(home.root, "train", lines, end="sys.exit(1)")
        press(page.train)
        pump(shown, lambda: not page.run.is_busy, LONG_S)
        pump(shown, page.progress.to_models.winfo_ismapped)
        assert page.progress.words.endswith(f"It may not answer yet: {LACKS}.")
        assert page.progress.score == "Score 40.0; 50 are needed"
        assert page.progress.deploy.cget("state") == "disabled"
        assert told(shown) == ""
        press(page.progress.to_models)
        assert shown.main.page_name == "Models"


def test_stopped_and_failed(xvfb: str, house: House, home: Home) -> None:
    root = home.root
    declare(home)
    with training(house) as shown:
        page = shown.main.page
        assert 'mira declared on 1970-01-01: "open data".' in page.source.words
        assert not page.source.field.winfo_ismapped()
        lines = told_until_trained()
        page.run.script = stand_in(root, "slow", lines, end="time.sleep(60)")
        press(page.train)
        pump(shown, lambda: page.run.points, LONG_S)
        press(page.cancel)
        pump(shown, lambda: not page.run.is_busy, LONG_S)
        rest(shown, 0.1)
        assert "goes on from there" in page.progress.words
        assert not page.cancel.winfo_ismapped()
        assert told(shown) == ""
        # 1 with events and no result is no end that a result comes with.
        fails = "sys.stderr.write('No disk is left.\\n'); sys.exit(1)"
        page.run.script = stand_in(root, "bad", lines[:3], end=fails)
        press(page.train)
        pump(shown, lambda: "No disk is left." in told(shown), LONG_S)
        assert "The training did not come to its end." in told(shown)
        find(shown.main.notices, "Try again")


def test_another_profile_and_its_base(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The licence is accepted by a press of its own; stopped, the download goes on."""
    declare(home)
    read: list[str] = []
    monkeypatch.setattr(training_page, "open_url", lambda url, failed: read.append(url))
    base = {
        "base": "qwen2.5-3b-instruct",
        "name": "Qwen2.5 3B Instruct",
        "licence": "Qwen Research",
        "licence_url": "https://licence.example/",
        "must_be_accepted": True,
        "download_bytes": 6_200_000_000,
        "part_bytes": 0,
    }
    monkeypatch.setattr(base_run, "SCRIPT", stand_in(home.root, "list", [{"bases": [base]}]))
    with training(house) as shown:
        page = shown.main.page
        assert page.profile.words.startswith("The small base that ships")
        assert not page.base.card.winfo_ismapped()
        page.profile.choice.focus_set()
        assert page.profile.choice.cget("values") == ["demo", "laptop-cpu", "rtx3070"]
        page.profile.choice.step(1)
        page.profile.choice.step(1)
        pump(shown, lambda: shown.app.settings.text("training_profile") == "rtx3070", LONG_S)
        pump(shown, page.base.get.winfo_ismapped, LONG_S)
        assert "8 GB" in page.profile.words
        assert page.train.cget("state") == "disabled"
        pump(shown, lambda: page.base.get.cget("text") == "I accept the licence", LONG_S)
        assert "6.2 GB. Its licence is Qwen Research, https://licence.example/." in (
            page.base.card.words
        )
        press(page.base.licence)
        assert read == ["https://licence.example/"]

        coming = [{"event": "progress", "stage": "download", "step": 3, "steps": 4}]
        slow = stand_in(home.root, "slow", coming, end="time.sleep(60)")
        monkeypatch.setattr(base_run, "SCRIPT", slow)
        press(page.base.get)
        pump(shown, lambda: "75 % of 6.2 GB" in page.base.card.words, LONG_S)
        assert arguments_of(home.root, "slow")[:3] == ["get", base["base"], "--accept-licence"]
        part_of_it = {**base, "part_bytes": 5}
        again = stand_in(home.root, "list", [{"bases": [part_of_it]}])
        monkeypatch.setattr(base_run, "SCRIPT", again)
        press(page.base.leave)
        pump(shown, lambda: page.base.get.cget("text") == "Go on", LONG_S)
        assert told(shown) == ""

        fails = stand_in(home.root, "fails", [], end="sys.exit('The disk has 1 GB free.')")
        monkeypatch.setattr(base_run, "SCRIPT", fails)
        press(page.base.get)
        pump(shown, lambda: "The disk has 1 GB free." in told(shown), LONG_S)
        with manifest.making(home.models / "bases" / str(base["base"])) as work:
            manifest.write_manifest(work, "base", {}, {})
        shown.app.tell("data")
        pump(shown, lambda: page.train.cget("state") == "normal", LONG_S)
        assert not page.base.card.winfo_ismapped()


@pytest.mark.slow
def test_a_real_training(xvfb: str, house: House) -> None:
    """The script itself, with a profile of one's own: trained, judged and deployed."""
    home = house.home
    own = home.root / "tiny.yaml"
    short = PROFILE.replace("BAR", "0").replace("max_tokens: 6000", "max_tokens: 3000")
    own.write_text(short, encoding="utf-8")
    records, channels = history(800)
    with Database.open(home.database) as db:
        db.upsert_channels(channels)
        db.upsert_members(MEMBERS)
        db.upsert_messages(records)
        db.set_config("training_profile", str(own))
    with training(house) as shown:
        page = shown.main.page
        own_words = "A profile of your own; it trains demo-base."
        pump(shown, lambda: page.profile.words == own_words, LONG_S)
        assert page.profile.choice.get() == str(own)
        press(page.train)
        pump(shown, lambda: not page.run.is_busy, TRAINING_S, what="the end of the training")
        assert told(shown) == ""
        pump(shown, lambda: page.model.stored.listing.find(page.run.version), LONG_S)
        assert page.run.words.startswith("tiny-")
        assert page.run.points
        assert [page.run.ended[stage] for stage in STAGES] == [*["done"] * 6, "skipped"]
        assert page.progress.score.endswith("; 0 are needed")
        assert page.progress.report.cget("state") == "normal"
        press(page.progress.deploy)
        pump(shown, lambda: page.progress.deploy.cget("text") == "Deployed", LONG_S)
    deployed = readonly.deployed_model(home.database)
    assert deployed is not None
    assert deployed.version_id.startswith("tiny-")


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
        page.report.invoke()
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
        for _ in range(9):
            reached.append(str(shown.root.focus_get()))
            shown.root.focus_get().tk_focusNext().focus_force()
            shown.root.update()
        for widget in (
            page.train,
            page.profile,
            page.source.field,
            page.progress.chart,
            page.table,
        ):
            assert any(path.startswith(str(widget)) for path in reached), widget
