"""Fine-tuning with LoRA and merging the adapter: TRL and PEFT behind two plain functions.

An adapter is a folder with a manifest; a merged model is another. Both are made beside their place
and renamed, so that a cut run leaves nothing that looks finished. What a training has learned so
far lies in checkpoints (model/training/running.py): it goes on from there. Imports torch, so never
part of the bot's process.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model import evaluate, served_as, trained_on
from model.base_files import copy_tokenizer
from model.profile import Profile
from model.tokenizers import TransformersTokenizer
from model.training import base
from model.training.errors import OutOfMemoryError, TrainingError, memory_in_a_sentence
from model.training.examples import (
    EncodedExample,
    as_dataset,
    choose_within_budget,
    read_examples,
)
from model.training.plain_head import plain_head_without_triton
from model.training.progress import Progress
from model.training.running import Running
from model.training.session import Session, arguments
from storage import manifest

log = logging.getLogger(__name__)

__all__ = [
    "EncodedExample",
    "OutOfMemoryError",
    "Progress",
    "TrainingError",
    "TrainingReport",
    "choose_within_budget",
    "merge_adapter",
    "read_examples",
    "train_adapter",
]

HELD_OUT_EXAMPLES = 128
"""How many validation examples tell the loss before, at each checkpoint and after."""

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
"""Of a checkpoint, what is the adapter."""


@dataclass(frozen=True)
class TrainingReport:
    """What a run did, all its sessions together. Losses are mean nats a learned token."""

    steps: int
    kept_step: int
    """Whose checkpoint became the adapter: the best on the validation set."""
    examples: int
    examples_too_long: int
    tokens: int
    """Read, padding not counted."""
    learned_tokens: int
    seconds: float
    """Of the last session alone."""
    validation_loss_before: float | None
    """None where the dataset has no validation example."""
    validation_loss_after: float | None
    is_packed: bool


@dataclass(frozen=True)
class _Examples:
    """What a run learns from, and what it is measured on."""

    chosen: list[EncodedExample]
    too_long: int
    held_out: list[EncodedExample]


def train_adapter(
    base_dir: Path,
    dataset_dir: Path,
    out_dir: Path,
    profile: Profile,
    *,
    inputs: Mapping[str, object],
    limit: int | None = None,
    callbacks: Sequence[Any] = (),
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainingReport:
    """Train a LoRA adapter on a dataset folder and leave it in `out_dir` with its manifest.

    `inputs` say what it is made from: they go into the manifest, and a training that was begun with
    the same ones goes on from its last whole checkpoint, to the same adapter. `limit` takes the
    first so many of the drawn examples; `callbacks` are transformers' TrainerCallbacks.

    Raises TrainingError where no example fits, the loss is no number, a checkpoint cannot be
    written or the memory is too small; KeyboardInterrupt where it was stopped. Then the last
    checkpoint stays, beside `out_dir`.
    """
    started = time.monotonic()
    base.prepare_backend(profile)
    running = Running(out_dir)
    with running.held(), memory_in_a_sentence(), plain_head_without_triton():
        from transformers import AutoTokenizer

        training_file = dataset_dir / "training_data.jsonl"
        running.open(inputs, lambda: trained_on.of_dataset(training_file))
        made = manifest.read_manifest(dataset_dir)
        served = served_as.of_dataset(made.config if made is not None else {})
        tokenizer = AutoTokenizer.from_pretrained(base_dir)
        examples = _read(dataset_dir, tokenizer, profile, limit)
        model = base.load_base(base_dir, profile)
        trainer = _Sft(running, profile, model, tokenizer, examples)
        trainer.session.run(started, callbacks, on_progress)
        with manifest.making(out_dir) as folder:
            for name in ADAPTER_FILES:
                shutil.copyfile(running.checkpoint(trainer.session.kept_step) / name, folder / name)
            report = trainer.report(time.monotonic() - started)
            trained_on.pass_on(running.folder, folder)
            served_as.write(folder, served)
            manifest.write_manifest(folder, kind="adapter", config=inputs, counts=asdict(report))
        running.remove()
    return report


def _read(dataset_dir: Path, tokenizer: Any, profile: Profile, limit: int | None) -> _Examples:
    """Raises TrainingError where none fits."""
    ours = TransformersTokenizer(tokenizer)
    training = read_examples(dataset_dir / "training_data.jsonl", ours)
    validation = read_examples(dataset_dir / "validation_data.jsonl", ours)
    chosen, too_long = choose_within_budget(training, profile)
    if not chosen:
        raise TrainingError(
            "No training example fits: import more history, or prepare the dataset with a smaller "
            f"--max_length than {profile.max_length} tokens."
        )
    held_out = [e for e in validation if len(e[0]) <= profile.max_length][:HELD_OUT_EXAMPLES]
    return _Examples(chosen[:limit], too_long, held_out)


class _Sft:
    """One training with TRL: made, run from where it was, and what it did."""

    def __init__(
        self,
        running: Running,
        profile: Profile,
        model: Any,
        tokenizer: Any,
        examples: _Examples,
    ) -> None:
        from trl import SFTTrainer

        from model.training.callbacks import VALIDATION, Validation
        from model.training.checkpointing import sealing

        self._examples = examples
        self._profile = profile
        self._is_packed = profile.packing and not base.packed_see_each_other(model)
        if profile.packing and not self._is_packed:
            log.warning("With this base, packed examples would see each other: none are packed.")

        def measure(model: Any) -> dict[str, float]:
            return {VALIDATION: evaluate.model_nll(model, examples.held_out).mean}

        logging.getLogger("trl").setLevel(logging.ERROR)  # packing without Flash Attention is tried
        trainer = sealing(SFTTrainer, running)(
            model=model,
            args=sft_config(profile, running.folder, is_packed=self._is_packed),
            train_dataset=as_dataset(examples.chosen),
            processing_class=tokenizer,
            peft_config=base.lora_config(profile) if profile.backend == "trl" else None,
        )
        validation = Validation(measure if examples.held_out else None, profile.sft.patience)
        self.session = Session(trainer, running.begun_at, validation)

    def report(self, seconds: float) -> TrainingReport:
        from model.training.callbacks import VALIDATION

        state, chosen = self.session.state, self._examples.chosen
        seen = [entry[VALIDATION] for entry in state.log_history if VALIDATION in entry]
        learned = sum(sum(flags) for _, flags in chosen) * self._profile.sft.epochs
        return TrainingReport(
            steps=state.global_step,
            kept_step=self.session.kept_step,
            examples=len(chosen),
            examples_too_long=self._examples.too_long,
            tokens=int(state.num_input_tokens_seen),
            learned_tokens=round(learned * state.global_step / state.max_steps),
            seconds=round(seconds, 1),
            validation_loss_before=seen[0] if seen else None,
            validation_loss_after=state.best_metric,
            is_packed=self._is_packed,
        )


def merge_adapter(base_dir: Path, adapter_dir: Path, out_dir: Path) -> None:
    """Merge an adapter into its base, reloaded in 16 bits, as a Hugging Face folder with a
    manifest. Raises TrainingError where it cannot be written."""
    import torch
    from peft import PeftModel
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM

    declared = AutoConfig.from_pretrained(base_dir).dtype
    dtype = declared if declared in (torch.float16, torch.bfloat16) else torch.bfloat16
    model = AutoModelForCausalLM.from_pretrained(base_dir, dtype=dtype)
    merged = PeftModel.from_pretrained(model, adapter_dir).merge_and_unload()
    with manifest.making(out_dir) as folder:
        try:
            merged.save_pretrained(folder)
        except SafetensorError as error:  # no OSError, also where the disk is full
            raise TrainingError(
                f"The merged model could not be written ({error}): is the disk full? Make room, "
                "then start again; the adapter is there."
            ) from error
        copy_tokenizer(base_dir, folder)
        trained_on.pass_on(adapter_dir, folder)
        served_as.pass_on(adapter_dir, folder)
        manifest.write_manifest(
            folder,
            kind="merged",
            config={
                "base": base_dir.name,
                "adapter_sha256": manifest.content_hash(adapter_dir),
                "dtype": str(dtype).removeprefix("torch."),
            },
            counts={"parameters": sum(p.numel() for p in merged.parameters())},
        )


def sft_config(profile: Profile, folder: Path, *, is_packed: bool) -> Any:
    """The profile in TRL's words."""
    from trl import SFTConfig

    return SFTConfig(
        **arguments(profile, profile.sft, folder), max_length=profile.max_length, packing=is_packed
    )
