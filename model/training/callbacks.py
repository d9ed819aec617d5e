"""What happens between two steps: the loss is watched, told and validated, and who asked for a stop
gets a checkpoint. Imports transformers."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers import TrainerCallback

from model.training.errors import DivergedError
from model.training.progress import Progress

log = logging.getLogger(__name__)

SHOWN_STEPS = 10
"""The loss that is told is the mean over so many steps: one alone jumps about."""
VALIDATION = "eval_loss"
"""As transformers calls the loss on held-out examples in what it logs."""

ONE_ORDER_S = 2.0

Measure = Callable[[Any], dict[str, float]]
"""What a model is worth: the loss that counts as VALIDATION, with other figures to be logged."""


class Telling(TrainerCallback):
    """Hands each step on."""

    def __init__(self, started: float, on_progress: Callable[[Progress], None]) -> None:
        self._started = started
        self._on_progress = on_progress

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "loss" in (logs or {}):
            newest = state.log_history[-2 * SHOWN_STEPS :]
            losses = [entry["loss"] for entry in newest if "loss" in entry][-SHOWN_STEPS:]
            elapsed = time.monotonic() - self._started
            loss = sum(losses) / len(losses)
            self._on_progress(Progress(state.global_step, state.max_steps, loss, elapsed))


class LossWatch(TrainerCallback):
    """Ends a training whose loss or gradient is no number before that is in any checkpoint."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        for name in ("loss", "grad_norm", VALIDATION):
            if not math.isfinite((logs or {}).get(name, 0.0)):
                raise DivergedError(
                    f"The loss is no longer a number (step {state.global_step}). What the steps "
                    "before gave stays in the last checkpoint. Start again with a smaller "
                    f"--learning_rate: {args.learning_rate / 2:g}, say."
                )


class Validation(TrainerCallback):
    """The loss on what is held out, before the first step and at each checkpoint that is due; the
    best one is remembered in the trainer's state. `log` is the trainer's, given once it is made;
    `measure` is None where nothing is held out."""

    log: Callable[[dict[str, float]], None]

    def __init__(self, measure: Measure | None, patience: int) -> None:
        self._measure = measure
        self._patience = patience

    def on_train_begin(self, args: Any, state: Any, control: Any, **what: Any) -> None:
        if state.global_step == 0 and self._measure is not None:
            self._look(self._measure, what["model"])

    def on_step_end(self, args: Any, state: Any, control: Any, **what: Any) -> None:
        if not control.should_save or self._measure is None:
            return
        is_log_due = control.should_log  # which our own logging takes as done
        loss = self._look(self._measure, what["model"])
        control.should_log = is_log_due
        if state.best_metric is None or loss < state.best_metric:
            state.best_metric, state.best_global_step = loss, state.global_step
        if self.is_over(state):
            control.should_training_stop = True

    def is_over(self, state: Any) -> bool:
        """Whether there were as many looks without a better loss as there is patience."""
        best = state.best_global_step
        since = [e for e in state.log_history if VALIDATION in e and e["step"] > (best or 0)]
        return bool(self._patience and best is not None and len(since) >= self._patience)

    def _look(self, measure: Measure, model: Any) -> float:
        figures = measure(model)
        self.log(figures)
        return figures[VALIDATION]


class StopAtStepEnd(TrainerCallback):
    """Ctrl-C (and what acts as it) lets the step finish, with a checkpoint behind it; a second one
    ends at once. One order may come twice, of who started us and of who started them: what comes
    within ONE_ORDER_S is one."""

    asked_s: float | None = None

    @property
    def is_asked(self) -> bool:
        return self.asked_s is not None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.is_asked:
            control.should_save = control.should_training_stop = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While the block lasts; from the main thread, elsewhere it does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _ask(self, number: int, frame: Any) -> None:
        now_s = time.monotonic()
        if self.asked_s is not None and now_s - self.asked_s > ONE_ORDER_S:
            raise KeyboardInterrupt
        if self.asked_s is not None:
            return
        self.asked_s = now_s
        log.warning("Stopping: this step is finished first, then a checkpoint is written.")
