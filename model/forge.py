"""From a dataset to a checked GGUF: the stages of one training run and the folders they leave.

    dataset -> adapter -> merged -> gguf
    adapter + preferences -> adapter -> merged -> gguf      (DPO, KTO: experimental)

Each is a folder with a manifest, so any stage restarts alone.

A stage whose folder is there and was made from the same inputs is not made again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model import export, parity, preference_trainer, served_as, trained_on, trainer
from model.base_check import check_converts, layout_of_base
from model.profile import Profile
from model.training import preferences
from model.training.fitting import check_memory
from model.training.running import Running
from storage import manifest
from storage.manifest import content_hash
from storage.paths import Home

F16 = "f16.gguf"


@dataclass(frozen=True)
class Run:
    """The folders of one training run in a home."""

    name: str
    adapter_dir: Path
    merged_dir: Path
    ftype: str = export.DEFAULT_FTYPE
    """One of export.FTYPES."""

    @classmethod
    def at(cls, home: Home, name: str, ftype: str = export.DEFAULT_FTYPE) -> Run:
        return cls(name, home.checkpoints / name, home.finetuned / name / "merged", ftype)

    def after(self, mode: preferences.Mode) -> Run:
        """The run that goes on from this one's adapter with preferences: lantern-dpo."""
        folder = self.merged_dir.parent
        return replace(
            self,
            name=f"{self.name}-{mode}",
            adapter_dir=self.adapter_dir.with_name(f"{self.adapter_dir.name}-{mode}"),
            merged_dir=folder.with_name(f"{folder.name}-{mode}") / "merged",
        )

    @property
    def type_suffix(self) -> str:
        """What folders and versions are told apart by: "-q6_k"; "" for the usual type."""
        return "" if self.ftype == export.DEFAULT_FTYPE else f"-{self.ftype.lower()}"

    @property
    def gguf_dir(self) -> Path:
        """Beside the merged model, a folder for each of them and each type: what is registered is
        never replaced.

        Raises ManifestError where the merged model is not there.
        """
        name = f"gguf-{content_hash(self.merged_dir)[:12]}{self.type_suffix}"
        return self.merged_dir.parent / name

    @property
    def gguf(self) -> Path:
        """The quantised file, where the export stage has been through."""
        return self.gguf_dir / f"{self.name}-{self.ftype.lower()}.gguf"

    def gguf_sha256(self) -> str | None:
        """The quantised file's hash as its manifest has it; None where the stage is not done."""
        if manifest.read_manifest(self.merged_dir) is None:
            return None
        found = manifest.read_manifest(self.gguf_dir)
        return found.files[self.gguf.name].sha256 if found is not None else None


def is_made_from(folder: Path, **inputs: object) -> bool:
    """Whether `folder` is whole and its manifest's configuration holds just these inputs."""
    found = manifest.read_manifest(folder)
    return found is not None and all(found.config.get(k) == v for k, v in inputs.items())


def base_hash(base_dir: Path) -> str:
    """SHA-256 over a base's configuration, tokenizer and weights: which base, whatever its name."""
    names = [
        "config.json",
        "tokenizer.json",
        *sorted(p.name for p in base_dir.glob("*.safetensors")),
    ]
    listed = [(n, manifest.sha256_file(base_dir / n)) for n in names if (base_dir / n).is_file()]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def adapter_inputs(
    base_dir: Path, dataset_dir: Path, profile: Profile, limit: int | None
) -> dict[str, object]:
    """What an adapter is made from, as its manifest keeps it."""
    return {
        "profile": profile.inputs("sft"),
        "limit": limit,
        "layout": layout_of_base(base_dir).name,
        "base": base_dir.name,
        "base_sha256": base_hash(base_dir),
        "dataset_sha256": content_hash(dataset_dir, manifest.ADDED_LATER),
    }


def preference_inputs(
    run: Run,
    mode: preferences.Mode,
    base_dir: Path,
    dataset_dir: Path,
    profile: Profile,
    limit: int | None,
) -> dict[str, object]:
    """What `run.after(mode)` is made from: the run's adapter and the set's preferences.

    Raises TrainingError where the adapter is missing or another base's.
    """
    _adapter_of(run, base_dir)
    dataset = manifest.read_manifest(dataset_dir)
    files = dataset.files if dataset is not None else {}
    return {
        **adapter_inputs(base_dir, dataset_dir, profile, limit),
        "profile": profile.inputs(mode),
        "mode": mode,
        "sft": run.name,
        "sft_sha256": content_hash(run.adapter_dir),
        "preferences_sha256": [
            files[name].sha256 for name in preferences.FILES[mode] if name in files
        ],
    }


def is_finished(
    run: Run, base_dir: Path, dataset_dir: Path, profile: Profile, limit: int | None = None
) -> bool:
    """Whether all stages are done for just these inputs. Needs no torch."""
    return (
        manifest.read_manifest(dataset_dir) is not None
        and is_made_from(run.adapter_dir, **adapter_inputs(base_dir, dataset_dir, profile, limit))
        and is_made_from(run.merged_dir, adapter_sha256=content_hash(run.adapter_dir))
        and run.gguf_sha256() is not None
    )


def is_begun(
    run: Run, base_dir: Path, dataset_dir: Path, profile: Profile, limit: int | None = None
) -> bool:
    """Whether the adapter is there, or was begun, for just these inputs."""
    inputs = adapter_inputs(base_dir, dataset_dir, profile, limit)
    return is_made_from(run.adapter_dir, **inputs) or Running(run.adapter_dir).is_of(inputs)


def train(
    run: Run,
    base_dir: Path,
    dataset_dir: Path,
    profile: Profile,
    *,
    limit: int | None,
    callbacks: Sequence[Any] = (),
    on_progress: Callable[[trainer.Progress], None] | None = None,
) -> bool:
    """The adapter; one that was begun goes on. False where it was there already.

    Raises vram.NoRoomError where it would not fit into the memory, UnsuitedBaseError where no GGUF
    could be made of it afterwards, TrainingError.
    """
    inputs = adapter_inputs(base_dir, dataset_dir, profile, limit)
    if is_made_from(run.adapter_dir, **inputs):
        return False
    check_memory(base_dir, profile, "sft")
    check_converts(base_dir)
    trainer.train_adapter(
        base_dir,
        dataset_dir,
        run.adapter_dir,
        profile,
        inputs=inputs,
        limit=limit,
        callbacks=callbacks,
        on_progress=on_progress,
    )
    return True


def train_preferences(
    run: Run,
    mode: preferences.Mode,
    base_dir: Path,
    dataset_dir: Path,
    profile: Profile,
    *,
    limit: int | None,
    callbacks: Sequence[Any] = (),
    on_progress: Callable[[trainer.Progress], None] | None = None,
) -> bool:
    """The adapter of `run.after(mode)`, out of the run's own; one that was begun goes on. False
    where it was there already.

    Raises vram.NoRoomError where it would not fit into the memory, TrainingError.
    """
    inputs = preference_inputs(run, mode, base_dir, dataset_dir, profile, limit)
    out_dir = run.after(mode).adapter_dir
    if is_made_from(out_dir, **inputs):
        return False
    check_memory(base_dir, profile.with_(backend="trl"), mode)
    preference_trainer.train_preferences(
        mode,
        base_dir,
        dataset_dir,
        run.adapter_dir,
        out_dir,
        profile,
        inputs=inputs,
        limit=limit,
        callbacks=callbacks,
        on_progress=on_progress,
    )
    return True


def are_preferences_begun(
    run: Run,
    mode: preferences.Mode,
    base_dir: Path,
    dataset_dir: Path,
    profile: Profile,
    limit: int | None = None,
) -> bool:
    """Whether the adapter of `run.after(mode)` is there, or was begun, for just these inputs."""
    inputs = preference_inputs(run, mode, base_dir, dataset_dir, profile, limit)
    folder = run.after(mode).adapter_dir
    return is_made_from(folder, **inputs) or Running(folder).is_of(inputs)


def merge(run: Run, base_dir: Path) -> bool:
    """The merged model, in 16 bits. False where it was there already.

    Raises TrainingError where the adapter was trained on another base, or another process is at it.
    """
    _adapter_of(run, base_dir)
    if is_made_from(run.merged_dir, adapter_sha256=content_hash(run.adapter_dir)):
        return False
    with Running(run.adapter_dir).held():
        trainer.merge_adapter(base_dir, run.adapter_dir, run.merged_dir)
    return True


def _adapter_of(run: Run, base_dir: Path) -> None:
    """Raises TrainingError where the run has no adapter on that base, in today's layout."""
    adapter = manifest.read_manifest(run.adapter_dir)
    if adapter is None:
        raise trainer.TrainingError(f"There is no whole adapter in {run.adapter_dir}.")
    if adapter.config.get("base_sha256") != base_hash(base_dir):
        raise trainer.TrainingError(
            f"The adapter in {run.adapter_dir} was trained on another base than {base_dir}."
        )
    layout = layout_of_base(base_dir).name
    if adapter.config.get("layout", layout) != layout:
        raise trainer.TrainingError(
            f"The adapter in {run.adapter_dir} was trained in the chat layout "
            f"{adapter.config['layout']}, and Mynah serves {layout}: train it again."
        )


def export_gguf(
    run: Run, base_dir: Path, dataset_dir: Path, *, max_size_gb: float | None = None
) -> tuple[Run, bool]:
    """F16, then the run's type, then the checks; the F16 file goes again. The run as it is then:
    `max_size_gb` (decimal) takes the best type that fits. False where it was there already.

    Raises export.ExportError where no type or no file fits, or a check fails, TrainingError where
    another process is at it; then nothing is left that looks finished.
    """
    if manifest.read_manifest(run.merged_dir) is None:
        raise export.ExportError(f"There is no merged model in {run.merged_dir}: run --mode merge.")
    max_bytes = None if max_size_gb is None else max_size_gb * 1e9
    if max_bytes is not None and (sizes := _known_sizes(run)) is not None:
        run = replace(run, ftype=export.best_that_fits(sizes, max_bytes))
        max_bytes = None
    if max_bytes is None and run.gguf_sha256() is not None:
        return run, False
    with Running(run.adapter_dir).held(), _in_16_bits(run, max_bytes) as f16:
        sizes = export.sizes(f16)
        if max_bytes is not None:
            run = replace(run, ftype=export.best_that_fits(sizes, max_bytes))
            if run.gguf_sha256() is not None:
                return run, False
        _quantise(run, f16, sizes, base_dir, dataset_dir)
    return run, True


def _quantise(
    run: Run, f16: Path, sizes: dict[str, int], base_dir: Path, dataset_dir: Path
) -> None:
    """The artefact of one type, once it was checked. Raises export.ExportError."""
    merged = manifest.read_manifest(run.merged_dir)
    has_adapter = manifest.read_manifest(run.adapter_dir) is not None
    adapter = content_hash(run.adapter_dir) if has_adapter else ""
    is_its_own = merged is not None and merged.config.get("adapter_sha256") == adapter
    with manifest.making(run.gguf_dir) as folder:
        quantised = export.quantize(f16, folder / run.gguf.name, run.ftype)
        figures = parity.check(
            run.adapter_dir if is_its_own else None,
            run.merged_dir,
            f16,
            quantised,
            dataset_dir,
            base_dir,
            ftype=run.ftype,
        )
        trained_on.pass_on(run.merged_dir, folder)
        served_as.pass_on(run.merged_dir, folder)
        inputs = {"merged_sha256": content_hash(run.merged_dir), "ftype": run.ftype}
        manifest.write_manifest(
            folder, kind="gguf", config=inputs, counts={**figures, "sizes": sizes}
        )


@contextmanager
def _in_16_bits(run: Run, max_bytes: float | None) -> Iterator[Path]:
    """The merged model as F16 GGUF, for as long as it is needed; what a kill left is used."""
    folder = run.merged_dir.parent / "f16"
    merged = content_hash(run.merged_dir)
    try:
        if not is_made_from(folder, merged_sha256=merged):
            ftype = run.ftype if max_bytes is None else None
            export.refuse_too_little_room(run.merged_dir, folder.parent, ftype, max_bytes)
            with manifest.making(folder) as work:
                converter = export.find_converter()
                export.convert_to_gguf(run.merged_dir, work / F16, converter_dir=converter)
                manifest.write_manifest(work, "f16", {"merged_sha256": merged}, {})
        yield folder / F16
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _known_sizes(run: Run) -> dict[str, int] | None:
    """Of each type, as an earlier export of the same merged model noted them."""
    for ftype in export.FTYPES:
        found = manifest.read_manifest(replace(run, ftype=ftype).gguf_dir)
        if found is not None and "sizes" in found.counts:
            return {name: int(size) for name, size in found.counts["sizes"].items()}
    return None
