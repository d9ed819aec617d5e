"""The trainings that left something in a home: data sets, adapters and models, by their manifests.

For the window, through storage/readonly.py. Standard library alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from storage.manifest import Manifest, ManifestError, content_hash, read_manifest
from storage.paths import Home


@dataclass(frozen=True)
class TrainingRun:
    """One training, as far as it came. Losses are nats a learned token."""

    name: str
    made_at_ms: int
    stage: str
    """The last one that is done: examples, sft or export."""
    examples: int | None = None
    """Trained on, or prepared; None where it is not known any more."""
    steps: int | None = None
    loss_before: float | None = None
    loss_after: float | None = None
    gguf: Path | None = None
    """The finished model's file."""


def training_runs(home: Home) -> tuple[TrainingRun, ...]:
    """All of them, the newest first. Of a name that was trained again, the models stay, each with
    its time; the figures of the newest alone do."""
    found = [run for folder in _folders(home.finetuned) for run in _finished(home, folder)]
    whole = {(run.name, run.steps is not None) for run in found}
    for folder in _folders(home.checkpoints):
        adapter = read_manifest(folder)
        if adapter is not None and (folder.name, True) not in whole:
            found.append(TrainingRun(folder.name, adapter.created_at_ms, "sft", *_figures(adapter)))
    trained = {run.name for run in found}
    for folder in _folders(home.datasets):
        dataset = read_manifest(folder)
        if dataset is not None and folder.name not in trained:
            examples = dataset.counts.get("training")
            found.append(TrainingRun(folder.name, dataset.created_at_ms, "examples", examples))
    return tuple(sorted(found, key=lambda run: (-run.made_at_ms, run.name)))


def _finished(home: Home, folder: Path) -> list[TrainingRun]:
    """A run for each exported model below models/finetuned/NAME."""
    found = []
    newest, adapter = _newest(home, folder)
    for place in sorted(folder.glob("gguf-*")):
        manifest = read_manifest(place)
        if manifest is None:
            continue
        run = TrainingRun(
            folder.name,
            manifest.created_at_ms,
            "export",
            gguf=next((place / name for name in manifest.files if name.endswith(".gguf")), None),
        )
        is_newest = place.name == newest or place.name.startswith(f"{newest}-")  # of another type
        if adapter is not None and newest and is_newest:
            examples, steps, before, after = _figures(adapter)
            run = replace(run, examples=examples, steps=steps, loss_before=before, loss_after=after)
        found.append(run)
    return found


def _newest(home: Home, folder: Path) -> tuple[str, Manifest | None]:
    """The folder of the model that the merged one gave (model/forge.py), and the adapter that is
    in it, where that was not trained again since."""
    merged = read_manifest(folder / "merged")
    place = home.checkpoints / folder.name
    adapter = read_manifest(place)
    try:
        if merged is None or adapter is None:
            return "", None
        if merged.config.get("adapter_sha256") != content_hash(place):
            return "", None
        return f"gguf-{content_hash(folder / 'merged')[:12]}", adapter
    except ManifestError:
        return "", None  # it is being made anew just now


def _figures(adapter: Manifest) -> tuple[Any, Any, Any, Any]:
    counts = adapter.counts
    return (
        counts.get("examples"),
        counts.get("steps"),
        counts.get("validation_loss_before"),
        counts.get("validation_loss_after"),
    )


def _folders(place: Path) -> list[Path]:
    """Those that are not being made just now."""
    if not place.is_dir():
        return []
    return sorted(p for p in place.iterdir() if p.is_dir() and not p.name.startswith("."))
