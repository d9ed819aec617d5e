"""The page of the models in the real window, over the real registry and the real script."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gui.components.models_page import LEAST_LIST_PX, MADE, ModelsPage
from gui.models.model_listing import (
    Listing,
    barred,
    cells_of,
    dataset_words,
    details_of,
    order_of,
    size_words,
    taint_words,
    tainted_words,
    tone_of,
)
from gui.models.models_model import NoGgufError, gguf_path, pruning_words
from gui.supervision import State
from storage import manifest, readonly
from storage.database import Database
from storage.manifest import sha256_file
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, Home
from storage.records import DELETED_MESSAGE, FORGOTTEN_MEMBER, Evaluation
from tests.discord_stand_in.stand_in import StandInThread
from tests.gui.conftest import QUICK, House
from tests.gui.fake_bot import REFUSAL
from tests.gui.window import (
    find,
    press,
    pump,
    rest,
    stand_in_pages,
    texts,
    type_keys,
    window,
)
from tests.live.process import environment, make_home
from tests.storage.rows import version

LONG_S = 30.0
DAY_MS = 24 * 3600 * 1000


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What is left of a window goes in Tk's thread: another's collector would abort in Tcl."""
    yield
    gc.collect()


class OtherPage(ModelsPage):
    """In the place of Setup."""

    title = "Setup"


@pytest.fixture
def home(house: House) -> Home:
    """Three versions: `old` was deployed before `new`; `gone` has lost its file."""
    home = house.home
    with manifest.making(home.datasets / "tavern") as folder:
        (folder / "train.jsonl").write_text("{}\n")
        manifest.write_manifest(folder, "dataset", {}, {})
    sha256 = manifest.content_hash(home.datasets / "tavern")
    with Database.open(home.database) as db:
        registry = ModelRegistry(db, home)
        for day, name in enumerate(("old", "new", "gone")):
            path = home.finetuned / f"{name}.gguf"
            path.write_bytes(b"GGUF" + name.encode() * (day + 1))
            registry.register(
                version(
                    name,
                    gguf_path=home.relative(path),
                    sha256=sha256_file(path),
                    size_bytes=path.stat().st_size,
                    created_at_ms=1_700_000_000_000 + day * DAY_MS,
                    dataset_sha256=sha256 if name == "new" else "",
                    profile="demo",
                )
            )
        registry.deploy("old")
        registry.deploy("new")
    (home.finetuned / "gone.gguf").unlink()
    return home


@contextmanager
def models(house: House, monkeypatch: pytest.MonkeyPatch, *behaviours: str) -> Iterator[Any]:
    stand_in_pages(monkeypatch, OtherPage, "Setup")
    command = house.command(*(behaviours or ("ready",)))
    with window(house.home, command, QUICK, page="Models", size=(900, 600)) as shown:
        page: Any = shown.main.page
        pump(shown, lambda: page.model.is_read)
        yield shown


def told(shown: Any) -> str:
    return " ".join(texts(shown.main.notices))


def deployed(home: Home) -> str:
    found = readonly.deployed_model(home.database)
    return found.version_id if found else ""


# -- the words --------------------------------------------------------------------------------


def test_a_version_in_words(home: Home) -> None:
    versions = tuple(readonly.model_versions(home.database))
    assert [v.version_id for v in versions] == ["old", "new", "gone"]
    names = readonly.dataset_names(home.datasets)
    assert list(names.values()) == ["tavern"]
    listing = Listing(versions, names, frozenset({"gone"}))
    old, new, gone = versions
    dash = "\u2014"
    assert cells_of(new, listing)[:5] == ("new", "answers now", dash, dash, "0.0 MB")
    assert cells_of(new, listing)[6] == "tavern"
    assert cells_of(gone, listing)[1] == "file missing"
    assert [tone_of(v, listing) for v in versions] == ["muted", "good", "bad"]
    assert order_of(old, listing)[MADE] < order_of(new, listing)[MADE]
    details = dict(details_of(gone, listing, home))
    assert details["File"].endswith("gone.gguf (missing)")
    assert dataset_words(version("x", dataset_sha256="ab" * 32), names) == (
        "no longer here (abababab)"
    )
    assert [size_words(n) for n in (3_790_592, 2_497_281_120)] == ["3.8 MB", "2.5 GB"]


def test_only_a_gguf_file_is_taken(tmp_path: Path) -> None:
    gguf = next(DEMO_BASE_DIR.glob("*.gguf"))
    assert gguf_path(gguf) == str(gguf.resolve())
    (tmp_path / "notes.txt").write_text("no model")
    with pytest.raises(NoGgufError, match=r"notes\.txt is no GGUF file"):
        gguf_path(tmp_path / "notes.txt")
    with pytest.raises(NoGgufError, match="cannot be read"):
        gguf_path(tmp_path / "nowhere.gguf")


def test_nothing_stored_is_an_empty_list(tmp_path: Path) -> None:
    assert readonly.model_versions(tmp_path / "no.db") == []
    assert readonly.dataset_names(tmp_path / "nowhere") == {}


def test_what_learned_from_the_erased_in_words() -> None:
    day_ms = 1_760_000_000_000
    tainted = {"tainted_at_ms": day_ms, "retrain_by_ms": day_ms + 30 * DAY_MS}
    barred_one = version("a", tainted_because=FORGOTTEN_MEMBER, **tainted)
    kept = version("b", tainted_because=DELETED_MESSAGE, **tainted)
    deferred = {"deferred_at_ms": day_ms, "deferred_by": "ada", "deferred_why": "Sunday."}
    allowed = version("c", tainted_because=FORGOTTEN_MEMBER, **tainted, **deferred)
    assert taint_words(barred_one) == (
        "a learned from a member who was forgotten and does not answer any more: train a new one "
        "by 2025-11-08."
    )
    assert taint_words(kept) == (
        "b learned from a message that was deleted: train a new one by 2025-11-08."
    )
    assert taint_words(allowed) == (
        "c learned from a member who was forgotten and may answer all the same until you train a "
        "new one by 2025-11-08. ada took that on them on 2025-10-09: Sunday."
    )
    assert tainted_words([version("d")]) == ""
    assert tainted_words([barred_one, version("d"), kept]).startswith("b learned")
    assert tainted_words([kept] * 5).endswith("\nSo did 2 earlier ones; their details say more.")
    assert tainted_words([kept] * 4).endswith("\nSo did an earlier one; its details say more.")
    assert barred([barred_one, kept, allowed], None) == "a"
    other = replace(barred_one, version_id="e")
    assert [barred([barred_one, other], chosen) for chosen in (None, "b", "e")] == ["", "", "e"]
    listing = Listing((barred_one, kept))
    assert [cells_of(v, listing)[1] for v in listing.versions] == ["may not answer", "new"]
    assert {tone_of(v, listing) for v in listing.versions} == {"warn"}


def result(version_id: str, kind: str, score: float | None, passed: bool, at_ms: int) -> Evaluation:
    return Evaluation(0, version_id, kind, at_ms, score, 85.0, passed, {}, "")


def test_what_a_version_has_passed_in_words() -> None:
    new = version("new", deploy_at=85.0, audit_needed=True)
    good = version("good", deploy_at=85.0, audit_needed=True, status="judged")
    low = version("low", deploy_at=85.0)
    forced = replace(
        low, version_id="forced", forced_at_ms=1_760_000_000_000, forced_by="ada", forced_why="Why."
    )
    best = version("best", status="deployed")
    cleared = version("cleared", status="retired", pruned_at_ms=1)
    base = version("base", kind="base")
    versions = (new, good, low, forced, best, cleared, base)
    results = (
        result("good", "personality", 88.25, True, 1),
        result("good", "audit", None, True, 2),
        result("low", "personality", 60.0, False, 3),
        result("best", "personality", 90.0, True, 4),
    )
    listing = Listing(versions, evaluations=results)
    dash = "\u2014"
    assert [cells_of(v, listing)[1:4] for v in versions] == [
        ("not judged", dash, "not tested"),
        ("passed", "88.2", "passed"),
        ("not passed", "60.0", dash),
        ("not judged", dash, dash),
        ("answers now", "90.0", dash),
        ("cleared away", dash, dash),
        ("new", dash, dash),
    ]
    assert cells_of(base, listing)[6] == "base"
    assert [bool(listing.refusal(v)) for v in versions] == [True, False, True, *[False] * 4]
    assert listing.refusal(low) == (
        "low may not answer yet: its personality scored 60.0 of the 85 needed."
    )
    assert "python scripts/4b_audit_leaks.py --version new" in listing.refusal(new)
    assert [tone_of(v, listing) for v in versions] == [
        "warn", "", "warn", "", "good", "muted", ""
    ]  # fmt: skip
    assert [order_of(v, listing)[2] for v in versions[:3]] == [-1.0, 88.25, 60.0]
    details = dict(details_of(low, listing, Home(Path("/nowhere"))))
    assert details["Personality"].startswith("failed; its personality scored 60.0")
    assert details["Remark"] == "low scores lower (60.0) than best (90.0)."
    kept = dict(details_of(forced, listing, Home(Path("/nowhere"))))
    assert kept["Let through"] == "by ada on 2025-10-09: Why."


def test_what_would_be_cleared_away_in_words() -> None:
    going = [{"what": "merged", "size_bytes": 6_200_000_000, "path": "/m/merged"}]
    planned = {"going": going, "pruned": ["old"], "size_bytes": 6_200_000_000}
    question, details = pruning_words(planned)
    assert question == "Clear 1 folder away, 6.2 GB?"
    assert details == "merged, 6.2 GB: /m/merged\nNo longer able to answer: old."
    assert pruning_words({"going": [], "pruned": [], "size_bytes": 0}) == ("", "")


# -- the page ---------------------------------------------------------------------------------


def test_a_home_without_models_says_what_to_do(
    xvfb: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with models(house, monkeypatch) as shown:
        page = shown.main.page
        assert any("There is no model of your own yet" in text for text in texts(page.table))
        for button in (page.deploy, page.roll_back, page.verify, page.show_details):
            assert button.cget("state") == "disabled"
        press(page.get_another)
        assert shown.main.page_name == "Setup"


def test_deploying_rolling_back_and_verifying(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with models(house, monkeypatch) as shown:
        page = shown.main.page

        def wait() -> None:
            assert page.working.winfo_ismapped() or page.model.doing
            pump(shown, lambda: not page.model.doing, LONG_S)
            rest(shown, 0.1)

        assert page.table.row_ids == ("gone", "new", "old")
        assert page.deploy.cget("state") == "disabled"
        page.table.tree.focus_force()
        type_keys(shown, "End")
        assert page.table.selected == "old"
        press(page.deploy)  # no bot runs: nothing is asked
        wait()
        assert deployed(home) == "old"
        assert "old answers from now on." in told(shown)
        pump(shown, lambda: page.deploy.cget("state") == "disabled")
        assert page.table.selected == "old"

        press(page.roll_back)
        press(find(shown.main.notices, "Roll back"))
        wait()
        assert deployed(home) == "new"

        press(page.verify)
        wait()
        assert "old: the file is what was registered." in told(shown)
        page.table.select("gone")
        press(page.verify)
        wait()
        assert "gone.gguf is missing" in told(shown)
        press(page.deploy)
        wait()
        assert "The model was not put to use." in told(shown)
        assert deployed(home) == "new"
        page.table.select(None)
        press(page.verify)
        wait()
        assert "A model is not what was registered." in told(shown)


def test_one_that_learned_from_the_forgotten_answers_only_when_somebody_says_why(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Database.open(home.database) as db:
        for name, why in (("old", FORGOTTEN_MEMBER), ("new", DELETED_MESSAGE)):
            db.taint_model(name, why, 1_760_000_000_000, 1_770_000_000_000)
    with models(house, monkeypatch) as shown:
        page = shown.main.page
        assert "old learned from a member who was forgotten and does not" in page.tainted.words
        assert "new learned from a message that was deleted" in page.tainted.words
        page.table.select("old")
        shown.root.update()
        assert page.deploy.cget("state") == "disabled"
        press(page.tainted.use)
        assert page.tainted.yes.cget("state") == "disabled"
        page.tainted.why.focus_set()
        shown.root.update()
        page.tainted.why.insert(0, "retrained on Sunday")
        page.tainted.why._entry.event_generate("<Key-period>")
        shown.root.update()
        press(page.tainted.yes)
        pump(shown, lambda: deployed(home) == "old" and not page.model.doing, LONG_S)
        found = readonly.deployed_model(home.database)
        assert found is not None
        assert found.deferred_why.rstrip(".") == "retrained on Sunday"
        pump(
            shown,
            lambda: (
                "old learned from a member who was forgotten and may answer all"
                in page.tainted.words
            ),
            LONG_S,
        )
        assert page.tainted.use.cget("state") == "disabled"


def test_one_that_has_not_passed_takes_a_reason_and_two_are_compared(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(
        "gui.components.models_page.open_file", lambda path, failed: opened.append(path)
    )
    with Database.open(home.database) as db:
        registry = ModelRegistry(db, home)
        low = replace(registry.get("old"), version_id="low", deploy_at=85.0, status="candidate")
        registry.register(replace(low, created_at_ms=low.created_at_ms + 1))
        for name, score in (("low", 60.0), ("new", 90.0)):
            registry.record_evaluation(name, "personality", score, 85.0, score > 85.0, {}, "")
    with models(house, monkeypatch) as shown:
        page = shown.main.page
        assert page.compare.cget("state") == "disabled"
        page.table.select("low")
        shown.root.update()
        assert page.deploy.cget("state") == "disabled"
        assert page.not_passed.words.startswith("low may not answer yet: its personality scored 60")
        press(page.compare)
        pump(shown, lambda: page.model.comparison is not None, LONG_S)
        assert "new and low\n" in page.details.words
        assert "personality score: 90 / 60\n" in page.details.words
        press(page.lineage)
        pump(shown, lambda: bool(opened), LONG_S)
        assert "low" in opened[0].read_text(encoding="utf-8")
        press(page.prune)
        pump(shown, lambda: "There is nothing to clear away." in told(shown), LONG_S)
        press(page.not_passed.use)
        page.not_passed.why.insert(0, "for the test server")
        page.not_passed._show_yes()
        press(page.not_passed.yes)
        pump(shown, lambda: deployed(home) == "low" and not page.model.doing, LONG_S)
        assert "low scores lower (60.0) than new (90.0)." in told(shown)
        found = readonly.deployed_model(home.database)
        assert found is not None
        assert found.forced_why == "for the test server"
        pump(shown, lambda: not page.not_passed.words, LONG_S)
        page.table.select("new")
        assert page._beside == "low"


def test_details_of_the_chosen_one(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with models(house, monkeypatch) as shown:
        page = shown.main.page
        press(page.show_details)
        assert "Choose a model" in page.details.words
        page.table.select("new")
        shown.root.update()
        assert "Trained on: tavern\nProfile: demo\n" in page.details.words
        assert "SHA-256: " in page.details.words
        page.table.tree.focus_force()
        type_keys(shown, "Return")
        assert not page.details.winfo_ismapped()
        assert page.show_details.cget("text") == "Show details"


def start_bot(shown: Any) -> int:
    """Start the one in the bot's place and wait until it tells of its model; its pid."""
    shown.supervisor.start()
    pump(shown, lambda: shown.app.snapshot.state is State.ONLINE, LONG_S)
    shown.app.refresh_stats()
    pump(shown, lambda: shown.main.page.serving.winfo_ismapped(), LONG_S)
    pid = shown.app.snapshot.pid
    assert pid is not None
    return int(pid)


def test_a_running_bot_tries_a_version_out_and_is_not_restarted(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with models(house, monkeypatch, "keeps") as shown:
        page = shown.main.page
        pid = start_bot(shown)
        assert page.serving.cget("text") == "Now: lantern, ready, does not read along."
        page.table.select("old")
        press(page.deploy)
        assert told(shown) == ""  # nothing stops for it, so nothing is asked
        assert "loaded and tried out; with a large model that takes" in page.model.doing
        assert page.use_file.cget("state") == "disabled"
        pump(shown, lambda: "old is being loaded." in page.serving.cget("text"), LONG_S)
        assert page.working.winfo_ismapped()
        pump(shown, lambda: deployed(home) == "old" and not page.model.doing, LONG_S)
        assert "old answers from now on." in told(shown)
        press(page.roll_back)
        press(find(shown.main.notices, "Roll back"))
        pump(shown, lambda: page.model.doing)
        pump(shown, lambda: not page.model.doing, LONG_S)
        pump(shown, lambda: "what is named, ready" in page.serving.cget("text"), LONG_S)
        assert deployed(home) == "new"
        assert shown.app.snapshot.pid == pid


def test_what_a_running_bot_cannot_use_changes_nothing(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    gguf = next(DEMO_BASE_DIR.glob("*.gguf"))
    monkeypatch.setattr(
        "gui.components.models_page.filedialog.askopenfilename", lambda **rest: str(gguf)
    )

    def refused(act: Any) -> None:
        shown.main.notices.clear()
        press(act)
        if act is page.roll_back:
            press(find(shown.main.notices, "Roll back"))
        pump(shown, lambda: page.model.doing)
        pump(shown, lambda: not page.model.doing, LONG_S)
        assert "was not put to use." in told(shown)
        assert REFUSAL in told(shown)
        assert deployed(home) == "new"
        pump(shown, lambda: not shown.app.settings.text("model_path"), LONG_S)

    with models(house, monkeypatch, "refuses") as shown:
        page = shown.main.page
        start_bot(shown)
        page.table.select("old")
        for button in (page.deploy, page.roll_back, page.use_file):
            refused(button)
        pump(shown, lambda: page.serving.cget("text").endswith(REFUSAL), LONG_S)
        assert not page.own_file.winfo_ismapped()


def test_a_running_bot_follows_to_ones_own_file_and_back(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    gguf = next(DEMO_BASE_DIR.glob("*.gguf"))
    monkeypatch.setattr(
        "gui.components.models_page.filedialog.askopenfilename", lambda **rest: str(gguf)
    )
    with Database.open(home.database) as db:
        db.set_config("model_url", "http://127.0.0.1:9/v1")
    with models(house, monkeypatch, "keeps") as shown:
        page = shown.main.page
        pid = start_bot(shown)
        pump(shown, lambda: page.own_file.winfo_ismapped(), LONG_S)
        press(page.use_file)
        pump(shown, lambda: f"{gguf.name} answers from now on." in told(shown), LONG_S)
        stored = readonly.read_config(home.database)
        assert (stored["model_path"], stored["model_url"]) == (str(gguf.resolve()), "")
        pump(shown, lambda: gguf.name in " ".join(texts(page.own_file)), LONG_S)
        press(page.use_deployed)
        pump(shown, lambda: "The deployed model answers from now on." in told(shown), LONG_S)
        pump(shown, lambda: not page.own_file.winfo_ismapped(), LONG_S)
        assert shown.app.snapshot.pid == pid


def test_how_fast_the_model_is_stands_above_the_list(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    speed = "2 threads: 22 tokens a second written, 79 read; measured on 12 Mar 2026"
    failure = (
        "qwen2.5-3b-q4_k_m was not put to use: qwen2.5-3b-q4_k_m needs about 3.1 GB of memory, and "
        "only 1.9 GB are free: end other programs, or choose a smaller model or quantisation. "
        "lantern answers as before."
    )
    serving = {"name": "lantern", "state": "ready", "reading": "reads along", "speed": speed}
    with models(house, monkeypatch, "keeps") as shown:
        page = shown.main.page
        start_bot(shown)
        shown.app.close()  # what it tells next is the test's
        shown.app.stats = {"serving": {**serving, "reason": failure}}
        page._take_stats(shown.app.stats)
        assert page.serving.cget("text") == (
            f"Now: lantern, ready, reads along. It computes with {speed}. {failure}"
        )

        def right() -> int:
            return int(page.serving.winfo_rootx() + page.serving.winfo_reqwidth())

        edge = shown.root.winfo_rootx() + shown.root.winfo_width()
        pump(shown, lambda: page.serving.winfo_ismapped() and right() <= edge, LONG_S)
        assert page.table.winfo_height() >= LEAST_LIST_PX


def test_a_model_that_somebody_else_deployed_is_seen(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with models(house, monkeypatch, "keeps") as shown:
        page = shown.main.page
        start_bot(shown)
        shown.app.ask("deploy", version_id="old")
        pump(shown, lambda: deployed(home) == "old", LONG_S)
        shown.app.refresh_stats()
        pump(shown, lambda: page.model.listing.find("old").status == "deployed", LONG_S)


def test_a_file_of_ones_own_answers_until_it_is_taken_back(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    gguf = next(DEMO_BASE_DIR.glob("*.gguf"))
    chosen = [str(house.home.env_file), str(gguf), ""]
    house.home.env_file.write_text("")
    monkeypatch.setattr(
        "gui.components.models_page.filedialog.askopenfilename", lambda **rest: chosen.pop(0)
    )
    with models(house, monkeypatch) as shown:
        page = shown.main.page
        press(page.use_file)
        pump(shown, lambda: "is no GGUF file" in told(shown))
        press(page.use_file)
        pump(shown, lambda: page.own_file.winfo_ismapped(), LONG_S)
        assert readonly.read_config(home.database)["model_path"] == str(gguf.resolve())
        press(page.use_file)  # nothing chosen
        page.table.select("old")
        press(page.deploy)
        assert "Your own file answers now; it would no longer be used." in told(shown)
        press(find(shown.main.notices, "No"))
        assert page.use_deployed.cget("text") == "Use the deployed model"
        page.table.select("gone")
        press(page.deploy)
        press(find(shown.main.notices, "Deploy and use it"))
        pump(shown, lambda: "The model was not put to use." in told(shown), LONG_S)
        pump(
            shown,
            lambda: readonly.read_config(home.database).get("model_path") == str(gguf.resolve()),
            LONG_S,
        )
        pump(shown, lambda: page.own_file.winfo_ismapped(), LONG_S)
        page.table.select("old")
        press(page.deploy)
        press(find(shown.main.notices, "Deploy and use it"))
        pump(shown, lambda: deployed(home) == "old" and not page.model.doing, LONG_S)
        pump(shown, lambda: not page.own_file.winfo_ismapped(), LONG_S)
        assert readonly.read_config(home.database).get("model_path", "") == ""


def test_a_server_answers_instead_of_the_small_base(
    xvfb: str, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Database.open(house.home.database) as db:
        db.set_config("model_url", "http://127.0.0.1:9/v1")
        db.set_config("model_path", "some.gguf")
    with models(house, monkeypatch) as shown:
        page = shown.main.page
        pump(shown, lambda: page.own_file.winfo_ismapped())
        assert page.use_deployed.cget("text") == "Use the small base"
        press(page.use_deployed)
        pump(shown, lambda: not page.own_file.winfo_ismapped(), LONG_S)
        assert "The small base answers from the next start on." in told(shown)
        stored = readonly.read_config(house.home.database)
        assert not stored.get("model_url")
        assert not stored.get("model_path")


def test_one_takes_ones_own_file_back(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Database.open(home.database) as db:
        db.set_config("model_path", str(next(DEMO_BASE_DIR.glob("*.gguf"))))
    with models(house, monkeypatch) as shown:
        page = shown.main.page
        pump(shown, lambda: page.own_file.winfo_ismapped())
        press(page.use_deployed)
        pump(shown, lambda: not page.own_file.winfo_ismapped(), LONG_S)
        assert readonly.read_config(home.database).get("model_path", "") == ""


def test_all_of_it_is_reached_by_tab(
    xvfb: str, house: House, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with models(house, monkeypatch) as shown:
        page = shown.main.page
        page.table.select("old")
        page.deploy._canvas.focus_force()
        reached = []
        for _ in range(10):
            reached.append(str(shown.root.focus_get()))
            shown.root.focus_get().tk_focusNext().focus_force()
            shown.root.update()
        for widget in (page.roll_back, page.verify, page.show_details, page.use_file, page.table):
            assert any(path.startswith(str(widget)) for path in reached), widget
        shown.root.focus_force()
        shown.root.update()


@pytest.mark.slow
def test_a_real_bot_changes_its_model_and_stays_online(
    xvfb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gguf = next(DEMO_BASE_DIR.glob("*.gguf"))
    with StandInThread() as discord:
        home = make_home(tmp_path / "home", discord, model_path="", threads=0)
        for name, value in environment(discord).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("DISCORD_BOT_TOKEN", raising=False)
        broken = home.finetuned / "broken.gguf"
        broken.write_bytes(gguf.read_bytes()[:100_000])
        with Database.open(home.database) as db:
            for version_id, path in (("first", gguf), ("broken", broken)):
                ModelRegistry(db, home).register(
                    version(
                        version_id,
                        gguf_path=home.relative(path),
                        sha256=sha256_file(path),
                        size_bytes=path.stat().st_size,
                    )
                )
        with window(home, page="Models") as shown:
            page: Any = shown.main.page
            shown.supervisor.start()
            pump(shown, lambda: shown.app.stats.get("phase") == "online", 90)
            pid = shown.app.snapshot.pid
            page.table.select("first")
            press(page.deploy)
            pump(shown, lambda: "first answers from now on." in told(shown), 60)
            pump(shown, lambda: page.serving.cget("text").startswith("Now: first, ready"), 60)
            assert "It computes with 1 thread: so small" in page.serving.cget("text")
            page.table.select("broken")
            press(page.deploy)
            pump(shown, lambda: "The model was not put to use." in told(shown), 60)
            assert "first answers as before." in told(shown)
            assert (shown.app.snapshot.pid, deployed(home)) == (pid, "first")
            shown.supervisor.stop()
            pump(shown, lambda: shown.app.snapshot.state is State.STOPPED, 60)
