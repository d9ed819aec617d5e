"""What is cleared away and what stays; a version's table of facts outlives its files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.lineage import lines, render_lineage
from storage import manifest
from storage.database import Database
from storage.gates import PERSONALITY
from storage.model_registry import ModelRegistry, RegistryError
from storage.paths import Home
from storage.pruning import clear, plan
from storage.records import FORGOTTEN_MEMBER, ModelVersion
from storage.version_facts import compared, facts_of, results_of, run_folders
from tests.storage.rows import START_MS, version

DAY_MS = 24 * 60 * 60 * 1000


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    with Database.open(home.database) as opened:
        yield opened


@pytest.fixture
def registry(home: Home, database: Database) -> ModelRegistry:
    return ModelRegistry(database, home)


def make(folder: Path, kind: str, config: dict[str, Any], **counts: float) -> str:
    """A finished artefact of one file; its content's hash."""
    with manifest.making(folder) as work:
        (work / f"{kind}.bin").write_text(f"{kind} of {folder}")
        manifest.write_manifest(work, kind, config, counts)
    return manifest.content_hash(folder)


def trained(registry: ModelRegistry, home: Home, name: str, day: int = 0) -> ModelVersion:
    """A version with all that a training leaves, in a run of its own."""
    dataset = make(
        home.datasets / name, "dataset", {"history": {"consent_mode": "opt_in"}}, training=900 + day
    )
    profile = {"name": "demo", "sft": {"epochs": 1 + day}, "lora": {"r": 16}}
    adapter = make(home.checkpoints / name, "adapter", {"profile": profile}, steps=40, loss=2.5)
    place = home.finetuned / name
    merged = make(place / "merged", "merged", {"adapter_sha256": adapter})
    gguf = place / f"gguf-{merged[:12]}"
    config = {"merged_sha256": merged, "ftype": "Q4_K_M"}
    make(gguf, "gguf", config, nll_quantised=2.25)
    file = gguf / "gguf.bin"
    return registry.register(
        version(
            name,
            gguf_path=home.relative(file),
            sha256=manifest.sha256_file(file),
            size_bytes=file.stat().st_size,
            created_at_ms=START_MS + day * DAY_MS,
            dataset_sha256=dataset,
            profile="demo",
        )
    )


def gone(home: Home, database: Database, keep: int) -> dict[str, set[str]]:
    """By kind of folder: whose went."""
    planned = plan(home, database, keep)
    clear(home, database, planned, START_MS)
    found: dict[str, set[str]] = {}
    for one in planned.going:
        assert not one.path.exists()
        found.setdefault(one.what, set()).add(one.version_id)
    return found


def test_merged_models_go_first_and_what_answers_stays(
    registry: ModelRegistry, home: Home, database: Database
) -> None:
    for day, name in enumerate("abcdefg"):
        trained(registry, home, name, day)
    for name in "bc":
        registry.deploy(name)
    registry.record_evaluation("a", PERSONALITY, 91.0, 85.0, True, {}, "")
    registry.record_evaluation("g", PERSONALITY, 90.0, 85.0, True, {}, "")
    database.pin_model("d", True)
    before = plan(home, database, 1)
    assert before.stays == {
        "a": "scored best", "b": "a rollback takes it", "c": "it answers",
        "d": "pinned", "g": "among the newest",
    }  # fmt: skip
    assert before.going[0].what == "merged"
    assert before.size_bytes == sum(one.size_bytes for one in before.going) > 0
    assert plan(home, database, 1) == before  # nothing was touched
    assert gone(home, database, 1) == {
        "merged": set("abcdefg"), "gguf": set("ef"), "adapter": set("ef")
    }  # fmt: skip
    for name in "abcdg":
        assert registry.verify(name).pruned_at_ms is None
    for name in "ef":
        assert (registry.get(name).status, registry.get(name).pruned_at_ms) == ("retired", START_MS)
        with pytest.raises(RegistryError, match="cleared away"):
            registry.deploy(name)
    assert gone(home, database, 1) == {}
    assert registry.rollback().version_id == "b"


def test_an_adapter_is_known_again_after_its_merged_model_went(
    registry: ModelRegistry, home: Home, database: Database
) -> None:
    for day, name in enumerate("ab"):
        trained(registry, home, name, day)
    assert gone(home, database, 5) == {"merged": {"a", "b"}}
    assert gone(home, database, 1) == {"gguf": {"a"}, "adapter": {"a"}}
    folders = run_folders(home, registry.get("b"))
    assert folders is not None
    assert (folders.merged, folders.adapter) == (None, home.checkpoints / "b")
    make(home.checkpoints / "b", "adapter", {"profile": {"name": "other"}}, steps=7)
    (home.checkpoints / "b" / "adapter.bin").write_text("trained again")
    with manifest.making(home.checkpoints / "b") as work:
        (work / "adapter.bin").write_text("trained again")
        manifest.write_manifest(work, "adapter", {}, {})
    assert facts_of(home, registry.get("b"))["trained: steps"] == 40  # its own, as kept


def test_what_a_clearing_that_was_cut_off_left_goes_with_the_next(
    registry: ModelRegistry, home: Home, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day, name in enumerate("ab"):
        trained(registry, home, name, day)
    planned = plan(home, database, 1)
    with monkeypatch.context() as patch:

        def killed(path: Path) -> None:
            next(path.iterdir()).unlink()
            raise KeyboardInterrupt

        patch.setattr("storage.pruning.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            clear(home, database, planned, START_MS)
    (home.checkpoints / "b-dpo.running").mkdir()  # it goes on from b's adapter
    left = gone(home, database, 0)
    assert left["remains"] == {""}
    assert left["adapter"] == {"a"}
    assert not [p for p in home.models.rglob("*") if p.is_file() and "a" in p.parts]
    assert not list(home.models.rglob(".pruned-*"))
    assert registry.verify("b").pruned_at_ms is None


def test_what_is_not_ours_or_at_work_is_left_alone(
    registry: ModelRegistry, home: Home, database: Database
) -> None:
    for day, name in enumerate("abc"):
        trained(registry, home, name, day)
    elsewhere = home.models / "elsewhere.gguf"
    elsewhere.write_text("GGUF")
    registry.register(version("x", gguf_path=home.relative(elsewhere), created_at_ms=1))
    registry.register(version("base", kind="base", gguf_path="models/base.gguf"))
    (home.checkpoints / "b.running").mkdir()
    found = run_folders(home, registry.get("c"))
    assert found is not None
    with manifest.making(found.gguf.parent / "gguf-other") as work:
        assert gone(home, database, 0) == {"merged": {"a", "c"}, "gguf": {"a", "c"}, "adapter": {"a", "c"}}  # noqa: E501  # fmt: skip
        (work / "x").write_text("x")
        manifest.write_manifest(work, "gguf", {}, {})
    assert elsewhere.is_file()
    assert registry.get("x").pruned_at_ms is None
    assert registry.verify("b").status == "candidate"


def test_a_file_that_the_settings_name_and_one_that_may_not_answer(
    registry: ModelRegistry, home: Home, database: Database
) -> None:
    for day, name in enumerate("abc"):
        trained(registry, home, name, day)
        registry.record_evaluation(name, PERSONALITY, 95.0 - day, 85.0, True, {}, "")
    database.set_config("model_path", registry.get("c").gguf_path)
    database.taint_model("a", FORGOTTEN_MEMBER, 1, 2)
    assert plan(home, database, 0).stays == {
        "b": "scored best", "c": "the settings name its file"
    }  # fmt: skip


def test_the_facts_stay_and_two_versions_are_compared(
    registry: ModelRegistry, home: Home, database: Database
) -> None:
    for day, name in enumerate("ab"):
        made = trained(registry, home, name, day)
        registry.record_evaluation(
            name, PERSONALITY, 80.0 + day, 85.0, False, {"length": {"ks": 0.25, "list": [1]}}, ""
        )
    before = facts_of(home, registry.get("a"))
    assert before["dataset training"] == 900
    assert before["dataset consent mode"] == "opt_in"
    assert (before["training: sft epochs"], before["trained: loss"]) == (1, 2.5)
    assert (before["type"], before["export: nll_quantised"]) == ("Q4_K_M", 2.25)
    gone(home, database, 0)
    for name in "ab":
        (home.datasets / name / "dataset.bin").unlink()
        (home.datasets / name / manifest.MANIFEST_NAME).unlink()
    assert facts_of(home, registry.get("a")) == before
    first, second = (
        facts_of(home, registry.get(name))
        | results_of(registry.get(name), registry.evaluations(name), "")
        for name in "ab"
    )
    lines = {one.name: one for one in compared(first, second)}
    assert lines["training: sft epochs"].differs
    assert not lines["training: lora r"].differs
    assert (lines["personality score"].first, lines["personality score"].second) == (80.0, 81.0)
    assert lines["personality: length ks"].first == 0.25
    assert "personality: length list" not in lines
    assert made.version_id == "b"


def test_the_lineage_page_names_what_happened_and_no_member(
    registry: ModelRegistry, home: Home, database: Database
) -> None:
    for day, name in enumerate("ab"):
        made = trained(registry, home, name, day)
        registry.deploy(name)
    registry.rollback()
    gated = replace(
        made, version_id="<c>", deploy_at=85.0, sha256="c" * 64, created_at_ms=START_MS + 9 * DAY_MS
    )
    registry.register(gated)
    registry.record_evaluation("<c>", PERSONALITY, 60.0, 85.0, False, {}, "")
    with pytest.raises(RegistryError):
        registry.deploy("<c>")
    database.deploy_model("<c>", START_MS, how="forced", who="ada", why="a <b>test</b>")
    database.taint_model("b", FORGOTTEN_MEMBER, 1, 2)
    page = render_lineage(home, database).read_text(encoding="utf-8")
    assert page.index("&lt;c&gt;") < page.index('id="b"') < page.index('id="a"')
    for part in (
        "deployed by force by ada: a &lt;b&gt;test&lt;/b&gt;",
        "personality 60.0 (85 needed): not passed",
        "answered again after a rollback",
        "gave way to b",
        "learned from a member who was forgotten",
        "consent_mode opt_in",
        "900 examples",
        "default-src 'none'",
    ):
        assert part in page
    assert "<script" not in page
    chain = lines(home, database)[-1].chain
    assert [step.name for step in chain] == ["base", "data set", "adapter", "merged", "file"]
    assert "No model has been registered yet" not in page


def test_a_home_without_models_has_a_page_too(home: Home, database: Database) -> None:
    page = render_lineage(home, database)
    assert "No model has been registered yet" in page.read_text(encoding="utf-8")
