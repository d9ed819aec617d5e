"""One sitting of a training with TRL: from where its checkpoints are to its end, or to a stop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.profile import Profile, Rounds
from model.training import base
from model.training.progress import Progress

if TYPE_CHECKING:
    from model.training.callbacks import Validation

log = logging.getLogger(__name__)


class Session:
    """Of a trainer that was made and not started; `begun_at` is the checkpoint that it goes on
    from."""

    def __init__(self, trainer: Any, begun_at: Path | None, validation: Validation) -> None:
        from transformers import PrinterCallback

        from model.training.callbacks import LossWatch, StopAtStepEnd

        self._trainer = trainer
        self._begun_at = begun_at
        self._validation = validation
        self._stop = StopAtStepEnd()
        validation.log = trainer.log
        trainer.remove_callback(PrinterCallback)
        for callback in (LossWatch(), validation, self._stop):
            trainer.add_callback(callback)

    @property
    def state(self) -> Any:
        """transformers' TrainerState."""
        return self._trainer.state

    @property
    def kept_step(self) -> int:
        """Whose checkpoint is the best on the validation set, the last one without that."""
        return int(self.state.best_global_step or self.state.global_step)

    def run(
        self,
        started: float,
        callbacks: Sequence[Any],
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        """Until it is over. Raises KeyboardInterrupt where it was stopped before."""
        from model.training.callbacks import Telling

        telling = [Telling(started, on_progress)] if on_progress is not None else []
        for callback in (*callbacks, *telling):
            self._trainer.add_callback(callback)
        if self._is_over():
            return
        begun_at = self._begun_at
        if begun_at is not None:
            log.warning("Going on from step %s.", begun_at.name.rpartition("-")[2])
        with self._stop.listening():
            self._trainer.train(resume_from_checkpoint=str(begun_at) if begun_at else None)
        if self._stop.is_asked and not self._has_ended(self.state):
            raise KeyboardInterrupt

    def _is_over(self) -> bool:
        """Whether the last session was cut off behind its last step: the adapter is missing."""
        from transformers import TrainerState

        if self._begun_at is None:
            return False
        state = TrainerState.load_from_json(str(self._begun_at / "trainer_state.json"))
        if self._has_ended(state):
            self._trainer.state = state
        return self._has_ended(state)

    def _has_ended(self, state: Any) -> bool:
        return bool(state.global_step >= state.max_steps or self._validation.is_over(state))


def arguments(profile: Profile, rounds: Rounds, folder: Path) -> dict[str, Any]:
    """The profile in the words of transformers' TrainingArguments, for a training whose numbers are
    `rounds` and whose checkpoints come into `folder`."""
    return {
        "output_dir": str(folder),
        "num_train_epochs": rounds.epochs,
        "per_device_train_batch_size": rounds.batch_size,
        "gradient_accumulation_steps": rounds.gradient_accumulation,
        "learning_rate": rounds.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": min(rounds.warmup_share, 0.99),  # below 1 it is a share of all steps
        "weight_decay": rounds.weight_decay,
        "seed": profile.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "include_num_input_tokens_seen": "non_padding",
        "save_strategy": "steps",
        "save_steps": rounds.save_steps,
        "report_to": "none",
        "use_cpu": base.device_name() == "cpu",
        "bf16": base.has_bf16(base.device_name()),
        "gradient_checkpointing": profile.gradient_checkpointing,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }
