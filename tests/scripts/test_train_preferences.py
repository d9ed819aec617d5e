"""scripts/3_train_model.py with preferences: what it makes in which order, and what that came from.

The trainings themselves are tested in tests/model/test_preference_trainer.py.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from model import forge
from model.profile import load
from storage import manifest
from storage.database import Database
from storage.gates import gates_of
from storage.model_registry import ModelRegistry
from storage.paths import Home
from storage.records import ModelVersion

script: Any = import_module("scripts.3_train_model")
PROFILE = load("demo")


def arguments(monkeypatch: pytest.MonkeyPatch, *given: str) -> Any:
    monkeypatch.setattr(sys, "argv", ["3_train_model.py", *given])
    return script.parse_arguments()


@pytest.mark.parametrize(
    ("given", "stages"),
    [
        ((), "sft merge export"),
        (("--preference", "dpo"), "sft dpo merge export"),
        (("--preference", "kto"), "sft kto merge export"),
        (("--mode", "kto"), "kto"),
    ],
)
def test_the_stages_of_a_mode(
    given: tuple[str, ...], stages: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert " ".join(script.stages_of(arguments(monkeypatch, *given))) == stages


def test_numbers_are_of_the_training_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    of_dpo = script.chosen_profile(
        arguments(monkeypatch, "--mode", "dpo", "--learning_rate", "0.5", "--epochs", "3")
    )
    assert (of_dpo.dpo.learning_rate, of_dpo.dpo.epochs) == (0.5, 3)
    assert (of_dpo.sft, of_dpo.kto) == (PROFILE.sft, PROFILE.kto)
    of_all = script.chosen_profile(
        arguments(monkeypatch, "--preference", "dpo", "--learning_rate", "0.5")
    )
    assert (of_all.sft.learning_rate, of_all.dpo) == (0.5, PROFILE.dpo)


def test_a_preference_goes_with_the_mode_that_makes_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        arguments(monkeypatch, "--mode", "sft", "--preference", "dpo")
    assert "alone it is --mode dpo or --mode kto" in capsys.readouterr().err


def finished(run: forge.Run, **inputs: Any) -> None:
    """The folders that a run leaves; what is in the files does not matter to the registry."""
    for folder, kind, config in (
        (run.adapter_dir, "adapter", {"base": "b", "profile": {"name": "demo"}, **inputs}),
        (run.merged_dir, "merged", {}),
    ):
        folder.mkdir(parents=True)
        (folder / "weights").write_text(run.name)
        if kind == "merged":
            config["adapter_sha256"] = manifest.content_hash(run.adapter_dir)
        manifest.write_manifest(folder, kind, config, {})
    run.gguf_dir.mkdir()
    run.gguf.write_text(run.name)
    came_from = {"merged_sha256": manifest.content_hash(run.merged_dir), "ftype": run.ftype}
    manifest.write_manifest(run.gguf_dir, "gguf", came_from, {})


def registered(tmp_path: Path, *, with_parent: bool) -> list[ModelVersion]:
    home = Home(tmp_path).ensure()
    run = forge.Run.at(home, "lantern")
    finished(run)
    if with_parent:
        script.register(home, run, PROFILE)
    tuned_on = run.after("dpo")
    came_from = {"sft": run.name, "sft_sha256": manifest.content_hash(run.adapter_dir)}
    finished(tuned_on, mode="dpo", **came_from)
    script.register(home, tuned_on, PROFILE)
    with Database.open(home.database, backups=home.backups) as database:
        return ModelRegistry(database, home).list()


def test_the_version_is_experimental_and_knows_the_one_that_it_has_to_beat(tmp_path: Path) -> None:
    sft, dpo = registered(tmp_path, with_parent=True)
    assert (sft.notes, sft.parents) == ("", ())
    assert dpo.version_id.startswith("lantern-dpo-")
    assert (dpo.notes, dpo.parents) == ("experimental: DPO", (sft.version_id,))
    gates = gates_of(dpo, lambda version_id, kind: None, [sft, dpo])
    assert any(gate.is_closed and sft.version_id in gate.name for gate in gates)


def test_a_milder_profile_at_the_export_does_not_lower_the_bars() -> None:
    asking = script.asked_by(load("demo"), "rtx3070")
    assert max(one.judge.deploy_at for one in asking) == load("rtx3070").judge.deploy_at
    assert any(one.audit.is_needed for one in asking)
    assert script.asked_by(load("demo"), "our-own") == (load("demo"),)


def test_without_the_version_that_it_came_from_it_has_no_parent(tmp_path: Path) -> None:
    (dpo,) = registered(tmp_path, with_parent=False)
    assert (dpo.notes, dpo.parents) == ("experimental: DPO", ())
