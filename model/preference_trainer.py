"""DPO and KTO (experimental): a finished adapter learns on from what people liked and disliked.

The policy is the SFT adapter, trained on; the reference is the same adapter as it was, a second one
on the same base that stays frozen (TRL's own way with a loaded adapter). What comes out is one
adapter on the same base. Checkpoints, going on and what ends it are as in model/trainer.py.
Imports torch, so never part of the bot's process.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model import served_as, trained_on
from model.profile import Preference, Profile
from model.tokenizers import TransformersTokenizer
from model.trainer import ADAPTER_FILES, HELD_OUT_EXAMPLES
from model.training import base
from model.training.errors import TrainingError, memory_in_a_sentence
from model.training.examples import EncodedExample, read_examples
from model.training.plain_head import plain_head_without_triton
from model.training.preferences import (
    FILES,
    Mode,
    Row,
    as_pairs,
    as_single,
    check_enough,
    choose,
    drawn,
    read_rows,
)
from model.training.progress import Progress
from model.training.running import Running
from model.training.session import Session, arguments
from storage import manifest

log = logging.getLogger(__name__)

HELD_OUT_ROWS = 128
"""How many held-out preferences tell where the model stands."""


@dataclass(frozen=True)
class PreferenceReport:
    """What a run did. Before: the SFT adapter; after: the step that was kept. All that is measured
    is None where nothing is held out."""

    steps: int
    kept_step: int
    examples: int
    """Pairs, or single replies of KTO."""
    examples_too_long: int
    tokens: int
    """Read, padding not counted, each prompt once a reply."""
    seconds: float
    """Of the last session alone."""
    preference_loss_before: float | None
    """ln 2 of DPO, 0.5 of KTO (model/training/standing.py)."""
    preference_loss_after: float | None
    margin_before: float | None
    margin_after: float | None
    accuracy_before: float | None
    """How often a liked reply gained more than a disliked one; a tie counts half."""
    accuracy_after: float | None
    likelier_before: float | None
    """How often a liked reply is the likelier one, a token."""
    likelier_after: float | None
    validation_loss_before: float | None
    """Nats a learned token of the training set's own validation examples, as SFT has it."""
    validation_loss_after: float | None


@dataclass(frozen=True)
class _Data:
    rows: list[Row]
    too_long: int
    held_out: list[Row]
    examples: list[EncodedExample]


def train_preferences(
    mode: Mode,
    base_dir: Path,
    dataset_dir: Path,
    sft_dir: Path,
    out_dir: Path,
    profile: Profile,
    *,
    inputs: Mapping[str, object],
    limit: int | None = None,
    callbacks: Sequence[Any] = (),
    on_progress: Callable[[Progress], None] | None = None,
) -> PreferenceReport:
    """Train the adapter of `sft_dir` on by DPO or KTO and leave it in `out_dir` with its manifest.

    `inputs`, `limit`, `callbacks` as `model.trainer.train_adapter` has them. TRL is what trains,
    whatever the profile's backend.

    Raises TrainingError where the set's preferences are too few to learn anything from, the loss is
    no number, a checkpoint cannot be written or the memory is too small; KeyboardInterrupt where it
    was stopped. Then the last checkpoint stays, beside `out_dir`.
    """
    from transformers import AutoTokenizer

    started = time.monotonic()
    running = Running(out_dir)
    with running.held(), memory_in_a_sentence(), plain_head_without_triton():
        running.open(inputs, lambda: _learned(sft_dir, dataset_dir, mode))
        tokenizer = AutoTokenizer.from_pretrained(base_dir)
        data = _read(mode, dataset_dir, tokenizer, profile, limit)
        model = _with_adapter(base_dir, sft_dir, profile)
        run = _Run(mode, running, profile, model, tokenizer, data)
        run.session.run(started, callbacks, on_progress)
        with manifest.making(out_dir) as folder:
            for name in ADAPTER_FILES:
                shutil.copyfile(running.checkpoint(run.session.kept_step) / name, folder / name)
            report = run.report(time.monotonic() - started)
            trained_on.pass_on(running.folder, folder)
            served_as.pass_on(sft_dir, folder)
            manifest.write_manifest(folder, kind="adapter", config=inputs, counts=asdict(report))
        running.remove()
    _say_whether_it_holds(report, mode)
    return report


def _read(
    mode: Mode, dataset_dir: Path, tokenizer: Any, profile: Profile, limit: int | None
) -> _Data:
    """Raises TrainingError where there is nothing to learn from."""
    ours = TransformersTokenizer(tokenizer)
    training, validation = read_rows(dataset_dir, mode, ours)
    rows = choose(training, profile, mode, limit)
    if few := check_enough(rows, mode, dataset_dir.name):
        log.warning(few)
    examples = read_examples(dataset_dir / "validation_data.jsonl", ours)
    return _Data(
        rows,
        sum(row.longest > profile.max_length for row in training),
        drawn(validation, profile)[:HELD_OUT_ROWS],
        [e for e in examples if len(e[0]) <= profile.max_length][:HELD_OUT_EXAMPLES],
    )


def _with_adapter(base_dir: Path, sft_dir: Path, profile: Profile) -> Any:
    """The base with the SFT adapter on it, to be trained on."""
    from peft import PeftModel

    model = base.load_base(base_dir, profile.with_(backend="trl"))
    return PeftModel.from_pretrained(model, sft_dir, is_trainable=True)


def _learned(sft_dir: Path, dataset_dir: Path, mode: Mode) -> trained_on.TrainedOn:
    """All that the SFT adapter learned from, and the preferences on top."""
    files = (dataset_dir / name for name in FILES[mode])
    new = trained_on.of_dataset(*(file for file in files if file.is_file()))
    old = trained_on.read(sft_dir) or trained_on.of_dataset(dataset_dir / "training_data.jsonl")
    return trained_on.TrainedOn(
        old.messages | new.messages, old.members | new.members, old.lost or new.lost
    )


def _say_whether_it_holds(report: PreferenceReport, mode: Mode) -> None:
    before, after = report.preference_loss_before, report.preference_loss_after
    if before is not None and after is not None and after >= before:
        log.warning(
            f"{mode.upper()} learned nothing that holds: on held-out preferences its loss is "
            f"{after:.3f}, at the start it was {before:.3f}. Take the version without it."
        )


class _Run:
    """One training with TRL: made, and what it did."""

    def __init__(
        self,
        mode: Mode,
        running: Running,
        profile: Profile,
        model: Any,
        tokenizer: Any,
        data: _Data,
    ) -> None:
        from model.training.callbacks import Validation
        from model.training.checkpointing import sealing
        from model.training.standing import HeldOut

        self._data = data
        rounds: Preference = getattr(profile, mode)
        held_out = HeldOut(mode, rounds.beta, data.held_out, data.examples)
        if not held_out:
            log.warning("No preferences are held out: nobody measures what this training gives.")
        logging.getLogger("trl").setLevel(logging.ERROR)  # which thinks aloud about our columns
        make = {"dpo": _dpo, "kto": _kto}[mode]
        trainer_class, its_arguments, columns = make(rounds, data.rows)
        trainer = sealing(trainer_class, running)(
            model=model,
            args=its_arguments(
                **arguments(profile, rounds, running.folder), max_length=None, beta=rounds.beta
            ),
            train_dataset=columns,
            processing_class=tokenizer,
        )
        measure = held_out.measure if held_out else None
        self.session = Session(trainer, running.begun_at, Validation(measure, rounds.patience))

    def report(self, seconds: float) -> PreferenceReport:
        from model.training.callbacks import VALIDATION
        from model.training.standing import ACCURACY, LIKELIER, MARGIN, NLL

        state, kept = self.session.state, self.session.kept_step
        looks = {e["step"]: e for e in state.log_history if VALIDATION in e}
        before, after = looks.get(0, {}), looks.get(kept, {})
        return PreferenceReport(
            steps=state.global_step,
            kept_step=kept,
            examples=len(self._data.rows),
            examples_too_long=self._data.too_long,
            tokens=int(state.num_input_tokens_seen),
            seconds=round(seconds, 1),
            preference_loss_before=before.get(VALIDATION),
            preference_loss_after=after.get(VALIDATION),
            margin_before=before.get(MARGIN),
            margin_after=after.get(MARGIN),
            accuracy_before=before.get(ACCURACY),
            accuracy_after=after.get(ACCURACY),
            likelier_before=before.get(LIKELIER),
            likelier_after=after.get(LIKELIER),
            validation_loss_before=before.get(NLL),
            validation_loss_after=after.get(NLL),
        )


def _dpo(rounds: Preference, rows: Sequence[Row]) -> tuple[Any, Any, Any]:
    """Trainer, arguments and columns."""
    from trl import DPOConfig, DPOTrainer

    return _taking_ids(DPOTrainer), DPOConfig, as_pairs(rows)


def _kto(rounds: Preference, rows: Sequence[Row]) -> tuple[Any, Any, Any]:
    """Liked and disliked replies count alike over the whole set, however many there are of each
    (Ethayarajh et al. 2024, eq. 8), so that the loss is 0.5 at the start."""
    from functools import partial

    from trl import KTOConfig, KTOTrainer

    if rounds.batch_size < 2:
        raise TrainingError(
            "KTO compares the replies of a batch with one another: give it --batch_size 2 or more."
        )
    liked = sum(row.liked is not None for row in rows)
    weights = {
        "desirable_weight": len(rows) / (2 * liked),
        "undesirable_weight": len(rows) / (2 * (len(rows) - liked)),
    }
    in_order = partial(KTOConfig, train_sampling_strategy="sequential", **weights)
    return _taking_ids(KTOTrainer), in_order, as_single(rows, rounds.batch_size)


def _taking_ids(trainer_class: Any) -> Any:
    """A trainer of TRL that takes tokens ready-made and keeps the reference out of checkpoints."""

    class TakingIds(trainer_class):
        """TRL tokenises what it is given by a chat template, and adds an end of its own."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            """Without the reference: it is the SFT adapter, and where it lies in a checkpoint
            transformers 5.17 goes on from that alone, the policy as it was at the start."""
            from model.training.standing import REFERENCE

            super()._save_checkpoint(model, trial)
            step = self.state.global_step
            shutil.rmtree(Path(self.args.output_dir) / f"checkpoint-{step}" / REFERENCE)

    return TakingIds
