"""From a dataset to a checked GGUF: the stages of one training run and the folders they leave.

    dataset -> adapter -> merged -> gguf

Each is a folder with a manifest, so any stage restarts alone.

A stage whose folder is there and was made from the same inputs is not made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from model import evaluate, export, gguf_check, served_as, trained_on, trainer
from model.profile import Profile
from model.tokenizers import TransformersTokenizer, VocabularyFile
from storage import manifest
from storage.manifest import content_hash
from storage.paths import Home

log = logging.getLogger(__name__)

F16_TOLERANCE = 0.01
"""Largest relative difference between the merged model's NLL and its F16 GGUF's."""

QUANTISED_TOLERANCE = 0.25
"""Largest rise of the NLL from F16 to the quantised file, in nats a token."""

CHECK_EXAMPLES = 50
CHECK_TOKENS = 1024

LAYOUT = "chatml/1"
"""The layout of model/chat_format.py that a model is trained in; raise it when that changes."""


@dataclass(frozen=True)
class Run:
    """The folders of one training run in a home."""

    name: str
    adapter_dir: Path
    merged_dir: Path

    @classmethod
    def at(cls, home: Home, name: str) -> Run:
        return cls(name, home.checkpoints / name, home.finetuned / name / "merged")

    @property
    def gguf_dir(self) -> Path:
        """Beside the merged model, a folder for each: what is registered is never replaced.

        Raises ManifestError where the merged model is not there.
        """
        return self.merged_dir.parent / f"gguf-{content_hash(self.merged_dir)[:12]}"

    @property
    def gguf(self) -> Path:
        """The quantised file, where the export stage has been through."""
        return self.gguf_dir / f"{self.name}-q4_k_m.gguf"

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
        "layout": LAYOUT,
        "base": base_dir.name,
        "base_sha256": base_hash(base_dir),
        "dataset_sha256": content_hash(dataset_dir, manifest.ADDED_LATER),
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
        base_dir,
        dataset_dir,
        run.adapter_dir,
        profile,
        inputs=inputs,
        limit=limit,
        on_progress=on_progress,
    )
    return True


def merge(run: Run, base_dir: Path) -> bool:
    """The merged model, in 16 bits. False where it was there already.

    Raises TrainingError where the adapter was trained on another base.
    """
    adapter = manifest.read_manifest(run.adapter_dir)
    if adapter is None:
        raise trainer.TrainingError(f"There is no whole adapter in {run.adapter_dir}.")
    if adapter.config.get("base_sha256") != base_hash(base_dir):
        raise trainer.TrainingError(
            f"The adapter in {run.adapter_dir} was trained on another base than {base_dir}."
        )
    if is_made_from(run.merged_dir, adapter_sha256=content_hash(run.adapter_dir)):
        return False
    trainer.merge_adapter(base_dir, run.adapter_dir, run.merged_dir)
    return True


def export_gguf(run: Run, dataset_dir: Path) -> bool:
    """F16, then Q4_K_M, then the checks. False where it was there already.

    Raises export.ExportError where a check fails; then nothing is left that looks finished.
    """
    if manifest.read_manifest(run.merged_dir) is None:
        raise export.ExportError(f"There is no merged model in {run.merged_dir}: run --mode merge.")
    if run.gguf_sha256() is not None:
        return False
    with manifest.making(run.gguf_dir) as folder:
        f16 = folder / "f16.gguf"
        quantised = folder / run.gguf.name
        export.convert_to_gguf(run.merged_dir, f16, converter_dir=export.find_converter())
        export.quantize(f16, quantised, "Q4_K_M")
        figures = check_parity(run.merged_dir, f16, quantised, dataset_dir)
        f16.unlink()
        trained_on.pass_on(run.merged_dir, folder)
        served_as.pass_on(run.merged_dir, folder)
        inputs = {"merged_sha256": content_hash(run.merged_dir), "ftype": "Q4_K_M"}
        manifest.write_manifest(folder, kind="gguf", config=inputs, counts=figures)
    return True


def check_parity(
    merged_dir: Path, f16: Path, quantised: Path, dataset_dir: Path
) -> dict[str, float]:
    """Tokens, and NLL of merged, F16 and quantised on held-out examples.

    Raises ExportError where they part. A set too small for a validation set is checked on its
    training examples.
    """
    from transformers import AutoTokenizer

    gguf_check.check(quantised)
    tokenizer = TransformersTokenizer(AutoTokenizer.from_pretrained(merged_dir))
    file = dataset_dir / "validation_data.jsonl"
    if not file.stat().st_size:
        file = dataset_dir / "training_data.jsonl"
    examples = trainer.read_examples(file, tokenizer)
    with VocabularyFile(quantised) as vocabulary:
        if trainer.read_examples(file, vocabulary.tokenizer) != examples:
            raise export.ExportError(
                "The GGUF splits text into other tokens than the model was trained with: "
                "it is not deployed. Please report this with the base's name."
            )
    chosen = [e for e in examples if len(e[0]) <= CHECK_TOKENS][:CHECK_EXAMPLES]
    merged_nll = evaluate.transformers_nll(merged_dir, chosen).mean
    f16_nll = evaluate.gguf_nll(f16, chosen).mean
    quantised_nll = evaluate.gguf_nll(quantised, chosen).mean
    log.info("NLL: merged %.4f, F16 %.4f, quantised %.4f", merged_nll, f16_nll, quantised_nll)
    if not math.isclose(merged_nll, f16_nll, rel_tol=F16_TOLERANCE):
        raise export.ExportError(
            f"The GGUF does not compute what the model computes (NLL {f16_nll:.3f} against "
            f"{merged_nll:.3f}): it is not deployed. Please report this with the step's output."
        )
    if not quantised_nll <= f16_nll + QUANTISED_TOLERANCE:
        raise export.ExportError(
            f"Quantising cost too much (NLL {quantised_nll:.3f} against {f16_nll:.3f}): "
            "the model is not deployed."
        )
    return {
        "nll_merged": round(merged_nll, 4),
        "nll_f16": round(f16_nll, 4),
        "nll_quantised": round(quantised_nll, 4),
        "examples": len(chosen),
    }
