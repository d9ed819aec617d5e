"""Where a model came from, as far as this home knows: its training set, its base, its numbers."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from model.base_models import DEMO_BASE, NoSuchBaseError, known_base
from model.evaluate import EvaluationError
from model.judging.card import Origin
from storage.database import Database
from storage.gates import AUDIT, PEOPLE
from storage.manifest import ADDED_LATER, ManifestError, content_hash, read_manifest
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, Home
from storage.records import ModelVersion


def find_dataset(home: Home, version: ModelVersion | None, named: Path | None) -> Path:
    """The folder that was named (a set of the home by its name alone), else the set that the
    version was made from. Raises EvaluationError."""
    if named is not None:
        found = [one for one in (named, home.datasets / named) if read_manifest(one) is not None]
        if found:
            return found[0]
        raise EvaluationError(
            f"{named} is no complete training set: python scripts/2_prepare_training_data.py makes "
            "one."
        )
    for folder in sorted(home.datasets.glob("[!.]*/")):
        with suppress(ManifestError):
            if version and content_hash(folder, ADDED_LATER) == version.dataset_sha256:
                return folder
    raise EvaluationError(
        "The set that it was made from is not here any more: name one with --data DIR."
    )


def base_gguf(home: Home, database: Database, version: ModelVersion | None) -> Path | None:
    """The base of a version as a GGUF, where there is one; it is not made for this."""
    if version is None or version.kind == "base":
        return None
    registry = ModelRegistry(database, home)
    for one in registry.list():
        if one.kind == "base" and one.base == version.base and registry.path(one).is_file():
            return registry.path(one)
    shipped = sorted(DEMO_BASE_DIR.glob("*.gguf"))
    return shipped[0] if version.base == DEMO_BASE and shipped else None


def origin_of(
    home: Home,
    database: Database,
    gguf: Path,
    version: ModelVersion | None,
    dataset_dir: Path,
) -> Origin:
    """For a model card: counts and numbers, nobody's name."""
    base = version.base if version is not None else ""
    return Origin(
        name=version.version_id if version is not None else gguf.stem,
        base=base,
        licence=licence_of(base),
        profile=version.profile if version is not None else "",
        size_bytes=gguf.stat().st_size,
        dataset=_dataset(dataset_dir),
        training=_training(home, gguf),
        audit=_audit(home, database, version),
        people=_people(home, database, version),
    )


def licence_of(base: str) -> str:
    """ "" where it is not known."""
    if base == DEMO_BASE:
        return "MIT, as Mynah"
    try:
        known = known_base(base)
    except NoSuchBaseError:
        return ""
    return f"{known.licence} ({known.licence_url})"


def _dataset(folder: Path) -> dict[str, Any]:
    manifest = read_manifest(folder)
    if manifest is None:
        return {}
    report: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        report = json.loads((folder / "dataset_report.json").read_text(encoding="utf-8"))
    consent = report.get("consent", {})
    return {
        "Examples trained on": manifest.counts.get("training"),
        "Examples held out": manifest.counts.get("validation"),
        "Messages read": report.get("messages", {}).get("in"),
        "Members": consent.get("members"),
        "Members learned from": consent.get("members_learned_from"),
        "Consent mode": consent.get("mode"),
        "Longest example, tokens": manifest.config.get("max_tokens"),
    }


def _training(home: Home, gguf: Path) -> dict[str, Any]:
    """The adapter's numbers, where it is still the one that this file was made from."""
    run = gguf.parent.parent
    merged, adapter = read_manifest(run / "merged"), read_manifest(home.checkpoints / run.name)
    if merged is None or adapter is None:
        return {}
    with suppress(ManifestError):
        if merged.config.get("adapter_sha256") != content_hash(home.checkpoints / run.name):
            return {}
    profile = adapter.config.get("profile", {})
    lora, counts = profile.get("lora", {}), adapter.counts
    mode = next((one for one in ("dpo", "kto", "sft") if one in profile), "sft")
    numbers = profile.get(mode, {})
    return {
        "Mode": mode,
        "LoRA": f"r {lora.get('r')}, alpha {lora.get('alpha')}, dropout {lora.get('dropout')}",
        "Learning rate": numbers.get("learning_rate"),
        "Epochs": numbers.get("epochs"),
        "Steps": counts.get("steps"),
        "Examples": counts.get("examples"),
        "Tokens": counts.get("tokens"),
        "Validation loss before, nats a token": counts.get("validation_loss_before"),
        "Validation loss after, nats a token": counts.get("validation_loss_after"),
        "Layout": adapter.config.get("layout"),
    }


def _audit(home: Home, database: Database, version: ModelVersion | None) -> str:
    if version is None:
        return ""
    done = [
        one
        for one in ModelRegistry(database, home).evaluations(version.version_id)
        if one.kind == AUDIT
    ]
    if not done:
        return "not needed" if version.deploy_at is not None and not version.audit_needed else ""
    return "passed" if done[-1].passed else "not passed"


def _people(home: Home, database: Database, version: ModelVersion | None) -> str:
    """What raters of its latest blind sheet found."""
    if version is None:
        return ""
    evaluations = ModelRegistry(database, home).evaluations(version.version_id)
    said = [str(one.figures.get("said", "")) for one in evaluations if one.kind == PEOPLE]
    return said[-1] if said else ""
