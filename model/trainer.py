"""Fine-tuning with LoRA and merging the adapter: TRL and PEFT behind two plain functions.

An adapter is a folder with a manifest; a merged model is another. Both are made beside their place
and renamed, so that a cut run leaves nothing that looks finished. Imports torch, so never part of
the bot's process.
"""

from __future__ import annotations

import json
import logging
import math
import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model import chat_format, evaluate, served_as, trained_on
from model.profile import Profile
from model.tokenizers import TransformersTokenizer
from storage import manifest
from storage.errors import MynahError

log = logging.getLogger(__name__)

HELD_OUT_EXAMPLES = 128
"""How many validation examples tell the loss before and after."""

LINEAR_LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class TrainingError(MynahError):
    """A training run that cannot start or go on; the sentence says what to do."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: steps done of all, the last loss in nats a learned token, seconds so
    far."""

    step: int
    steps: int
    loss: float | None
    elapsed_s: float


@dataclass(frozen=True)
class TrainingReport:
    """What a run did. Losses are mean nats a learned token."""

    steps: int
    examples: int
    examples_too_long: int
    tokens: int
    learned_tokens: int
    seconds: float
    validation_loss_before: float | None
    """None where the dataset has no validation example."""
    validation_loss_after: float | None


EncodedExample = tuple[list[int], list[bool]]


def read_examples(path: Path, tokenizer: chat_format.Tokenizer) -> list[EncodedExample]:
    """The examples of a JSONL file as token ids and learned flags, in the file's order.

    Raises TrainingError where a line is not an example.
    """
    encoded = []
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            try:
                row = json.loads(text)
                turns = chat_format.turns_from_json(row["turns"])
                segments = chat_format.render_example(row["persona"], turns, row["reply"])
            except (ValueError, KeyError, TypeError) as error:
                raise TrainingError(
                    f"{path.name}, line {number} is not a training example ({error}). "
                    "Prepare the dataset again with scripts/2_prepare_training_data.py."
                ) from error
            encoded.append(chat_format.encode(segments, tokenizer))
    return encoded


def choose_within_budget(
    examples: Sequence[EncodedExample], profile: Profile
) -> tuple[list[EncodedExample], int]:
    """A seeded draw of examples that fit the profile's length and token budget, and how many were
    too long."""
    fitting = [e for e in examples if len(e[0]) <= profile.max_length]
    random.Random(profile.seed).shuffle(fitting)
    too_long = len(examples) - len(fitting)
    if profile.sft.max_tokens is None:
        return fitting, too_long
    budget = profile.sft.max_tokens // max(profile.sft.epochs, 1)
    chosen: list[EncodedExample] = []
    used = 0
    for example in fitting:
        if used + len(example[0]) > budget:
            break
        used += len(example[0])
        chosen.append(example)
    return chosen, too_long


def train_adapter(
    base_dir: Path,
    dataset_dir: Path,
    out_dir: Path,
    profile: Profile,
    *,
    inputs: Mapping[str, object],
    limit: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainingReport:
    """Train a LoRA adapter on a dataset folder and leave it in `out_dir` with its manifest.

    `inputs` go into the manifest as what it was made from. `limit` takes the first so many of the
    drawn examples. Raises TrainingError where no example fits or the loss is no number; then, and
    when it is interrupted, nothing is left.
    """
    import torch
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback

    started = time.monotonic()
    hf_tokenizer = AutoTokenizer.from_pretrained(base_dir)
    tokenizer = TransformersTokenizer(hf_tokenizer)
    training = read_examples(dataset_dir / "training_data.jsonl", tokenizer)
    validation = read_examples(dataset_dir / "validation_data.jsonl", tokenizer)
    learned = trained_on.of_dataset(dataset_dir / "training_data.jsonl")
    made = manifest.read_manifest(dataset_dir)
    served = served_as.of_dataset(made.config if made is not None else {})
    chosen, too_long = choose_within_budget(training, profile)
    chosen = chosen[:limit]
    if not chosen:
        raise TrainingError(
            "No training example fits: import more history, or prepare the dataset with a smaller "
            f"--max_length than {profile.max_length} tokens."
        )
    held_out = [e for e in validation if len(e[0]) <= profile.max_length][:HELD_OUT_EXAMPLES]

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(base_dir, dtype=torch.float32).to(device)
    before = _validation_loss(model, held_out)
    with manifest.making(out_dir) as folder:
        trainer = _trainer_class()(
            model=model,
            args=_sft_config(profile, folder / "trainer", len(chosen), device),
            train_dataset=_as_dataset(chosen),
            processing_class=hf_tokenizer,
            peft_config=LoraConfig(
                r=profile.lora.r,
                lora_alpha=profile.lora.alpha,
                lora_dropout=profile.lora.dropout,
                target_modules=LINEAR_LAYERS,
                task_type="CAUSAL_LM",
            ),
            callbacks=[_reporter(started, on_progress)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        trained = trainer.accelerator.unwrap_model(trainer.model)
        after = _validation_loss(trained, held_out)
        if after is not None and not math.isfinite(after):
            raise TrainingError(
                "The loss is no longer a number: train with a smaller --learning_rate."
            )
        trained.save_pretrained(folder)
        shutil.rmtree(folder / "trainer", ignore_errors=True)
        report = TrainingReport(
            steps=trainer.state.global_step,
            examples=len(chosen),
            examples_too_long=too_long,
            tokens=sum(len(e[0]) for e in chosen) * profile.sft.epochs,
            learned_tokens=sum(sum(e[1]) for e in chosen) * profile.sft.epochs,
            seconds=round(time.monotonic() - started, 1),
            validation_loss_before=before,
            validation_loss_after=after,
        )
        trained_on.write(folder / trained_on.NAME, learned)
        served_as.write(folder, served)
        manifest.write_manifest(folder, kind="adapter", config=inputs, counts=asdict(report))
    return report


def merge_adapter(base_dir: Path, adapter_dir: Path, out_dir: Path) -> None:
    """Merge an adapter into its base, reloaded in 16 bits, as a Hugging Face folder with a
    manifest."""
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    declared = AutoConfig.from_pretrained(base_dir).dtype
    dtype = declared if declared in (torch.float16, torch.bfloat16) else torch.bfloat16
    model = AutoModelForCausalLM.from_pretrained(base_dir, dtype=dtype)
    merged = PeftModel.from_pretrained(model, adapter_dir).merge_and_unload()
    with manifest.making(out_dir) as folder:
        merged.save_pretrained(folder)
        AutoTokenizer.from_pretrained(base_dir).save_pretrained(folder)
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


def _as_dataset(examples: Sequence[EncodedExample]) -> Any:
    """Columns input_ids and labels (-100 where nothing is learned), as TRL takes them
    ready-made."""
    from datasets import Dataset

    return Dataset.from_dict(
        {
            "input_ids": [ids for ids, _ in examples],
            "labels": [
                [token if learned else -100 for token, learned in zip(ids, flags, strict=True)]
                for ids, flags in examples
            ],
        }
    )


def _validation_loss(model: Any, examples: Sequence[EncodedExample]) -> float | None:
    """Mean nats a learned token over `examples`; None where there are none."""
    return evaluate.model_nll(model, examples).mean if examples else None


def _sft_config(profile: Profile, folder: Path, examples: int, device: str) -> Any:
    """The profile in TRL's words."""
    import torch
    from trl import SFTConfig

    steps = profile.sft.epochs * math.ceil(
        examples / (profile.sft.batch_size * profile.sft.gradient_accumulation)
    )
    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=profile.sft.epochs,
        per_device_train_batch_size=profile.sft.batch_size,
        gradient_accumulation_steps=profile.sft.gradient_accumulation,
        learning_rate=profile.sft.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=max(1, round(steps * profile.sft.warmup_share)),
        weight_decay=profile.sft.weight_decay,
        max_length=profile.max_length,
        seed=profile.seed,
        logging_steps=5,
        save_strategy="no",
        report_to="none",
        use_cpu=device == "cpu",
        bf16=torch.cuda.is_bf16_supported() if device == "cuda" else _cpu_has_bf16(),
        gradient_checkpointing=device == "cuda",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )


def _trainer_class() -> Any:
    """TRL's trainer; without Triton (any processor, Windows, macOS) with the model's own loss.

    TRL 1.15 computes the loss in a fused head that exists with Triton alone: elsewhere its
    compute_loss ends in an AttributeError.
    """
    from transformers import Trainer
    from trl import SFTTrainer
    from trl.trainer import utils

    if utils._ChunkedLogProbFunction is not None:
        return SFTTrainer

    class PlainLossTrainer(SFTTrainer):
        """SFTTrainer with the loss of transformers' Trainer, from whole logits."""

        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            return Trainer.compute_loss(self, *args, **kwargs)

    return PlainLossTrainer


def _reporter(started: float, on_progress: Callable[[Progress], None] | None) -> Any:
    """A callback that hands the trainer's steps on."""
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        """Keeps the last loss that was logged."""

        loss: float | None = None

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            self.loss = (logs or {}).get("loss", self.loss)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if on_progress is not None:
                elapsed = time.monotonic() - started
                on_progress(Progress(state.global_step, state.max_steps, self.loss, elapsed))

    return Reporter()


def _cpu_has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 itself; elsewhere autocasting only costs time."""
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
