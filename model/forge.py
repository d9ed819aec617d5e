"""From a dataset to a checked GGUF: the stages of one training run and the folders they leave.

    dataset -> adapter -> merged -> gguf      each a folder with a manifest, so any stage restarts
    alone

A stage whose folder is there and was made from the same inputs is not made again.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from model import evaluate, export, gguf_check, trainer
from model.profiles import Profile
from model.tokenizers import TransformersTokenizer
from storage import manifest
from storage.manifest import content_hash
from storage.paths import Home

log = logging.getLogger(__name__)

F16_TOLERANCE = 0.01
"""Largest relative difference between the merged model's NLL and its F16 GGUF's."""

QUANTISED_TOLERANCE = 0.10
"""Largest relative rise of the NLL from F16 to the quantised file."""

CHECK_EXAMPLES = 50


@dataclass(frozen=True)
class Run:
    """The folders of one training run in a home."""

    name: str
    adapter_dir: Path
    merged_dir: Path
    gguf_dir: Path

    @classmethod
    def at(cls, home: Home, name: str) -> Run:
        finetuned = home.finetuned / name
        return cls(name, home.checkpoints / name, finetuned / "merged", finetuned / "gguf")

    @property
    def gguf(self) -> Path:
        """The quantised file, where the export stage has been through."""
        return self.gguf_dir / f"{self.name}-q4_k_m.gguf"

    def gguf_sha256(self) -> str | None:
        """The quantised file's hash as its manifest has it; None where the stage is not done."""
        found = manifest.read_manifest(self.gguf_dir)
        return found.files[self.gguf.name].sha256 if found is not None else None


def is_made_from(folder: Path, **inputs: object) -> bool:
    """Whether `folder` is whole and its manifest's configuration holds just these inputs."""
    found = manifest.read_manifest(folder)
    return found is not None and all(found.config.get(k) == v for k, v in inputs.items())


def adapter_inputs(
    base_dir: Path, dataset_dir: Path, profile: Profile, limit: int | None
) -> dict[str, object]:
    """What an adapter is made from, as its manifest keeps it."""
    return {
        "profile": asdict(profile),
        "limit": limit,
        "base": base_dir.name,
        "dataset": content_hash(dataset_dir),
    }


def is_finished(
    run: Run, base_dir: Path, dataset_dir: Path, profile: Profile, limit: int | None = None
) -> bool:
    """Whether all stages are done for just these inputs. Needs no torch."""
    return (
        manifest.read_manifest(dataset_dir) is not None
        and is_made_from(run.adapter_dir, **adapter_inputs(base_dir, dataset_dir, profile, limit))
        and is_made_from(run.merged_dir, adapter=content_hash(run.adapter_dir))
        and is_made_from(run.gguf_dir, merged=content_hash(run.merged_dir))
    )


def train(
    run: Run,
    base_dir: Path,
    dataset_dir: Path,
    profile: Profile,
    *,
    limit: int | None,
    on_progress: Callable[[trainer.Progress], None] | None = None,
) -> bool:
    """The adapter. False where it was there already."""
    inputs = adapter_inputs(base_dir, dataset_dir, profile, limit)
    if is_made_from(run.adapter_dir, **inputs):
        return False
    trainer.train_adapter(
        base_dir, dataset_dir, run.adapter_dir, profile, limit=limit, on_progress=on_progress
    )
    return True


def merge(run: Run, base_dir: Path) -> bool:
    """The merged model, in 16 bits. False where it was there already."""
    if is_made_from(run.merged_dir, adapter=content_hash(run.adapter_dir)):
        return False
    trainer.merge_adapter(base_dir, run.adapter_dir, run.merged_dir)
    return True


def export_gguf(run: Run, dataset_dir: Path, *, ftype: str = "Q4_K_M") -> bool:
    """F16, then the quantised file, then the checks. False where it was there already.

    Raises export.ExportError where a check fails; then nothing is left that looks finished.
    """
    inputs = {"merged": content_hash(run.merged_dir), "ftype": ftype}
    if is_made_from(run.gguf_dir, **inputs):
        return False
    with manifest.making(run.gguf_dir) as folder:
        f16 = folder / "f16.gguf"
        quantised = folder / run.gguf.name
        export.convert_to_gguf(run.merged_dir, f16, converter_dir=export.find_converter())
        export.quantize(f16, quantised, ftype)
        figures = check_parity(run.merged_dir, f16, quantised, dataset_dir)
        f16.unlink()
        manifest.write_manifest(folder, kind="gguf", config=inputs, counts=figures)
    return True


def check_parity(
    merged_dir: Path, f16: Path, quantised: Path, dataset_dir: Path
) -> dict[str, float]:
    """NLL of merged, F16 and quantised on the validation set; raises ExportError where they
    part."""
    from transformers import AutoTokenizer

    gguf_check.check(quantised)
    tokenizer = TransformersTokenizer(AutoTokenizer.from_pretrained(merged_dir))
    examples = trainer.read_examples(dataset_dir / "validation_data.jsonl", tokenizer)
    examples = [e for e in examples if len(e[0]) <= 1024][:CHECK_EXAMPLES]
    merged_nll = evaluate.transformers_nll(merged_dir, examples).mean
    f16_nll = evaluate.gguf_nll(f16, examples).mean
    quantised_nll = evaluate.gguf_nll(quantised, examples).mean
    figures = {
        "nll_merged": round(merged_nll, 4),
        "nll_f16": round(f16_nll, 4),
        "nll_quantised": round(quantised_nll, 4),
        "examples": len(examples),
    }
    log.info("parity %s", figures)
    if not math.isclose(merged_nll, f16_nll, rel_tol=F16_TOLERANCE):
        raise export.ExportError(
            f"The GGUF does not compute what the model computes (NLL {f16_nll:.3f} against "
            f"{merged_nll:.3f}): it is not deployed. Please report this with the step's output."
        )
    if quantised_nll > f16_nll * (1 + QUANTISED_TOLERANCE):
        raise export.ExportError(
            f"Quantising cost too much (NLL {quantised_nll:.3f} against {f16_nll:.3f}): "
            "the model is not deployed."
        )
    return figures
