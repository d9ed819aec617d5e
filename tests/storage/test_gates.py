"""What a version has to pass before it answers: gates, force, and every way to a deployment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from storage import readonly
from storage.before_deploy import FOLDER, NotKeptError, changed_since
from storage.database import Database
from storage.gates import AUDIT, FAILED, MISSING, NOT_NEEDED, PASSED, PEOPLE, PERSONALITY
from storage.model_registry import ModelRegistry, RegistryError
from storage.paths import PROGRAM_DIR, Home
from storage.records import DEPLOYED, FELL_BACK, FORCED, FORGOTTEN_MEMBER, ROLLED_BACK
from tests.storage.rows import START_MS
from tests.storage.test_model_registry import add, deployed_ids

FORCE = ("ada", "it is for a test server")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path).ensure()


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    with Database.open(home.database) as db:
        yield db


@pytest.fixture
def registry(home: Home, database: Database) -> ModelRegistry:
    ticks = count(START_MS)
    return ModelRegistry(database, home, clock_ms=lambda: next(ticks))


def judge(registry: ModelRegistry, name: str, score: float, needed: float = 85.0) -> None:
    registry.record_evaluation(
        name, PERSONALITY, score, needed, score >= needed, {"auc": {"score": 0.6}}, ""
    )


def audit(registry: ModelRegistry, name: str, passed: bool) -> None:
    registry.record_evaluation(name, AUDIT, None, None, passed, {"exposure": 1.5}, "")


def states(registry: ModelRegistry, name: str) -> dict[str, str]:
    return {gate.name: gate.state for gate in registry.gates(name)}


def test_a_version_that_nobody_asks_anything_of(registry: ModelRegistry, home: Home) -> None:
    add(registry, home, "a")
    assert states(registry, "a") == {PERSONALITY: NOT_NEEDED, AUDIT: NOT_NEEDED}
    assert registry.deploy("a").forced_at_ms is None
    add(registry, home, "b", audit_needed=True)
    with pytest.raises(RegistryError, match="leak audit was not made yet"):
        registry.deploy("b")


def test_what_is_missing_is_named_with_its_command(registry: ModelRegistry, home: Home) -> None:
    add(registry, home, "a", deploy_at=85.0, audit_needed=True)
    with pytest.raises(RegistryError) as refused:
        registry.deploy("a")
    for command in (
        "python scripts/4_evaluate_personality.py --version a",
        "python scripts/4b_audit_leaks.py --version a",
        'python scripts/6_manage_models.py deploy a --force --why "..."',
    ):
        assert command in str(refused.value)
    with pytest.raises(RegistryError, match="not judged yet"):
        registry.record_deployed("a")  # what verified the file and tried it out in between
    judge(registry, "a", 88.25)
    with pytest.raises(RegistryError, match=r"a is not deployed: its leak audit was not made yet"):
        registry.deploy("a")
    assert registry.get("a").status == "candidate"
    audit(registry, "a", True)
    assert registry.get("a").status == "judged"
    assert states(registry, "a") == {PERSONALITY: PASSED, AUDIT: PASSED}
    assert registry.deploy("a").status == "deployed"


@pytest.mark.parametrize(
    ("score", "passed", "said"),
    [
        (84.9, False, "scored 84.9 of the 85 needed"),
        (84.9, True, "scored 84.9 of the 85 needed"),
        (90.0, False, "scored 90.0, but did not pass"),
    ],
)
def test_the_bar_is_the_version_s_own(
    registry: ModelRegistry, home: Home, score: float, passed: bool, said: str
) -> None:
    add(registry, home, "a", deploy_at=85.0)
    registry.record_evaluation("a", PERSONALITY, score, 50.0, passed, {}, "")
    with pytest.raises(RegistryError, match=said):
        registry.deploy("a")
    assert deployed_ids(registry) == []


def test_the_newest_result_counts(registry: ModelRegistry, home: Home) -> None:
    add(registry, home, "a", deploy_at=85.0, audit_needed=True)
    audit(registry, "a", True)
    judge(registry, "a", 90.0)
    assert registry.get("a").status == "judged"
    audit(registry, "a", False)
    assert states(registry, "a")[AUDIT] == FAILED
    assert registry.get("a").status == "candidate"
    with pytest.raises(RegistryError, match="gives away"):
        registry.deploy("a")
    assert [(e.kind, e.passed) for e in registry.evaluations("a")] == [
        (AUDIT, True), (PERSONALITY, True), (AUDIT, False)
    ]  # fmt: skip


def test_force_is_on_record_and_holds_until_it_is_tested_anew(
    registry: ModelRegistry, home: Home, database: Database
) -> None:
    add(registry, home, "old")
    registry.deploy("old")
    add(registry, home, "a", deploy_at=85.0)
    for who, why in ((" ", "because"), ("ada", " ")):
        with pytest.raises(RegistryError, match="a name and a reason"):
            registry.deploy("a", who, why)
    made = registry.deploy("a", *FORCE)
    assert (made.forced_by, made.forced_why) == FORCE
    assert made.forced_at_ms is not None
    assert readonly.deployed_model(home.database) == made
    last = database.last_deployment()
    assert last is not None
    assert (last.how, last.before, last.who, last.why) == (FORCED, "old", *FORCE)
    registry.deploy("old")
    registry.deploy("a")  # it is on record already
    registry.deploy("old")
    judge(registry, "a", 20.0)
    with pytest.raises(RegistryError, match=r"20\.0 of the 85"):
        registry.deploy("a")


def test_force_that_was_not_needed_is_not_noted(registry: ModelRegistry, home: Home) -> None:
    add(registry, home, "a", deploy_at=85.0)
    judge(registry, "a", 86.0)
    assert registry.deploy("a", *FORCE).forced_at_ms is None


def test_force_does_not_let_one_answer_that_learned_from_the_forgotten(
    registry: ModelRegistry, home: Home, database: Database
) -> None:
    add(registry, home, "a")
    database.taint_model("a", FORGOTTEN_MEMBER, 1, 2)
    with pytest.raises(RegistryError, match="forgotten"):
        registry.deploy("a", *FORCE)


def test_an_experimental_one_has_to_be_better_than_its_parent(
    registry: ModelRegistry, home: Home
) -> None:
    add(registry, home, "base", kind="base")
    add(registry, home, "sft", deploy_at=50.0, parents=("base",))
    notes = "experimental: DPO on 200 pairs"
    add(registry, home, "dpo", deploy_at=50.0, parents=("base", "sft"), notes=notes)
    assert states(registry, "dpo")["better than sft"] == MISSING
    judge(registry, "dpo", 60.0, 50.0)
    with pytest.raises(RegistryError, match=r"better than sft, which.*--version sft"):
        registry.deploy("dpo")
    judge(registry, "sft", 60.0, 50.0)
    assert states(registry, "dpo") == {
        PERSONALITY: PASSED, AUDIT: NOT_NEEDED, "better than sft": FAILED
    }  # fmt: skip
    with pytest.raises(RegistryError, match=r"it scored 60\.0, sft, which it was made from, 60\.0"):
        registry.deploy("dpo")
    judge(registry, "dpo", 61.0, 50.0)
    assert registry.get("dpo").status == "judged"
    assert "better than" not in str(states(registry, "sft"))
    add(registry, home, "orphan", deploy_at=50.0, parents=("base",), notes=notes)
    judge(registry, "orphan", 99.0, 50.0)
    with pytest.raises(RegistryError, match="went on from is not registered"):
        registry.deploy("orphan")
    registry.deploy("dpo")


def test_a_retrain_that_scores_lower_is_let_in_and_said(
    registry: ModelRegistry, home: Home
) -> None:
    for name, score in (("a", 90.0), ("b", 86.0)):
        add(registry, home, name, deploy_at=85.0)
        judge(registry, name, score)
    assert registry.lower_than_deployed("b") == ""
    registry.deploy("a")
    assert registry.lower_than_deployed("a") == ""
    assert registry.lower_than_deployed("b") == "b scores lower (86.0) than a (90.0)."
    assert registry.deploy("b").status == "deployed"


def test_ways_back_have_no_gates(registry: ModelRegistry, home: Home, database: Database) -> None:
    add(registry, home, "a", deploy_at=85.0)
    judge(registry, "a", 90.0)
    registry.deploy("a")
    judge(registry, "a", 10.0)  # judged again, by other data
    add(registry, home, "b")
    registry.deploy("b")
    assert registry.rollback().version_id == "a"
    assert registry.deploy_again("b").version_id == "b"
    database.taint_model("b", FORGOTTEN_MEMBER, 1, 2)
    answers = registry.fall_back(None)
    assert answers is not None
    assert answers.version_id == "a"
    assert [(one.version_id, one.how) for one in database.deployment_history()] == [
        ("a", DEPLOYED), ("b", DEPLOYED), ("a", ROLLED_BACK), ("b", ROLLED_BACK), ("a", FELL_BACK)
    ]  # fmt: skip
    assert [one.is_on_trial for one in database.deployment_history()] == [
        False, True, False, False, False
    ]  # fmt: skip


def test_figures_are_figures(registry: ModelRegistry, home: Home) -> None:
    add(registry, home, "a")
    report = home.data_storage / "evaluations" / "a" / "report.html"
    made = registry.record_evaluation("a", PEOPLE, 58.0, 60.0, True, {"ü": [1, 2.5]}, report)
    assert made.report == "data_storage/evaluations/a/report.html"
    assert registry.evaluations("a") == (made,)
    assert readonly.evaluations(home.database) == [made]
    for kind, figures in ((PERSONALITY, {"nll": float("nan")}), ("taste", {})):
        with pytest.raises(RegistryError):
            registry.record_evaluation("a", kind, 1.0, 1.0, True, figures, "")
    with pytest.raises(RegistryError, match="no model version x"):
        registry.record_evaluation("x", PEOPLE, 1.0, 1.0, True, {}, "")
    assert len(registry.evaluations()) == 1


def test_what_stood_before_is_kept_for_the_last_three(
    registry: ModelRegistry, home: Home, database: Database
) -> None:
    for name in "abcde":
        add(registry, home, name)
        registry.deploy(name)
        database.set_config("temperature", f"0.{ord(name) - ord('a') + 1}")
    kept = sorted((home.backups / FOLDER).iterdir())
    assert [path.stem[-1] for path in kept] == ["c", "d", "e"]
    content = json.loads(kept[-1].read_text(encoding="utf-8"))
    assert content["settings"]["temperature"] == "0.4"
    statuses = {one["version_id"]: one["status"] for one in content["versions"]}
    assert (statuses["d"], statuses["e"]) == ("deployed", "candidate")
    assert changed_since(home, database, "e") == {"temperature": ("0.4", "0.5")}
    assert changed_since(home, database, "a") == {}


def test_where_nothing_can_be_kept_nothing_is_deployed(registry: ModelRegistry, home: Home) -> None:
    for name in ("a", "b"):
        add(registry, home, name)
    registry.deploy("a")
    home.backups.mkdir(parents=True, exist_ok=True)
    (home.backups / FOLDER).write_text("a file where the folder should be")
    with pytest.raises(NotKeptError, match="nothing was deployed"):
        registry.deploy("b")
    assert deployed_ids(registry) == ["a"]


def test_what_was_cleared_away_is_not_deployed_until_it_is_there_again(
    registry: ModelRegistry, home: Home, database: Database
) -> None:
    for name in ("a", "b"):
        add(registry, home, name)
        registry.deploy(name)
    path = home.finetuned / "a.gguf"
    words = path.read_bytes()
    database.note_pruned("a", START_MS)
    path.unlink()
    with pytest.raises(RegistryError, match=r"cleared away on 2023-11-14.*[Tt]rain it again"):
        registry.deploy("a")
    with pytest.raises(RegistryError, match="no earlier"):
        registry.rollback()
    path.write_bytes(words)
    assert registry.deploy("a").pruned_at_ms is None


def test_the_window_reads_without_a_library(home: Home, registry: ModelRegistry) -> None:
    add(registry, home, "a", deploy_at=85.0)
    judge(registry, "a", 20.0)
    code = (
        "import sys; from pathlib import Path; from storage import readonly as r;"
        "p = Path(sys.argv[1]); v = r.model_versions(p);"
        "g = r.gates_of(v[0], r.latest_of(r.evaluations(p)), v);"
        "print(r.lacking(g)); print('sqlalchemy' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(home.database)],
        cwd=PROGRAM_DIR, capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert "scored 20.0 of the 85 needed" in out
    assert out.strip().endswith("False")
