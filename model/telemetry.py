"""A training as it goes: an events file for the window, TensorBoard's files, and a picture.

    data_storage/logs/training/NAME/
      events.jsonl    storage/training_events.py: a logged step a line
      tensorboard/    every number that the trainer logs; look with: tensorboard --logdir ...
      training.png    model/training_picture.py: at each checkpoint and at the end

Numbers alone, no text. A training that goes on from a checkpoint takes back what was told behind
it, so each step is there once; one that begins anew begins the files anew. Nothing here ends a
training: what cannot be written is said once and left out.
"""

from __future__ import annotations

import logging
import math
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from model import training_picture
from storage.manifest import write_text_atomically
from storage.training_events import EVENTS, TrainingEvent, merged, read_events, to_line

log = logging.getLogger(__name__)

TENSORBOARD, PICTURE = "tensorboard", "training.png"


class Telemetry:
    """Of one training. Its trainer's thread alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._events: list[TrainingEvent] = []
        self._board: Any = None
        self._has_failed = False

    def callback(self) -> Any:
        """What a trainer of transformers or TRL is given among its `callbacks`. Tokens are counted
        where its arguments say `include_num_input_tokens_seen="non_padding"`."""
        return _callback(self)

    def begin(self, step: int) -> None:
        """A training starts, or goes on behind `step`."""
        self._writing(lambda: self._begin(step))

    def tell(self, event: TrainingEvent, logs: Mapping[str, Any]) -> None:
        """A logged step: its line, and all numbers of `logs` for TensorBoard."""
        self._events.append(event)
        self._writing(lambda: self._tell(event, logs))

    def draw(self) -> None:
        """The picture as it is now."""
        self._writing(lambda: training_picture.draw(merged(self._events), self.folder / PICTURE))

    def end(self) -> None:
        """Nothing more comes."""
        self.draw()
        if self._board is not None:
            self._writing(self._board.close)
            self._board = None

    def _begin(self, step: int) -> None:
        import tensorboardX

        self.folder.mkdir(parents=True, exist_ok=True)
        known = read_events(self.folder) if step else ()
        self._events = [event for event in known if event.step <= step]
        write_text_atomically(self.folder / EVENTS, "".join(map(to_line, self._events)))
        board = self.folder / TENSORBOARD
        if not step:
            shutil.rmtree(board, ignore_errors=True)
        self._board = tensorboardX.SummaryWriter(str(board), purge_step=step + 1)

    def _tell(self, event: TrainingEvent, logs: Mapping[str, Any]) -> None:
        with (self.folder / EVENTS).open("a", encoding="utf-8", newline="\n") as file:
            file.write(to_line(event))
        if self._board is None:
            return
        for name, value in logs.items():
            if _number(value) is not None:
                self._board.add_scalar(_board_name(name), value, event.step)
        self._board.flush()

    def _writing(self, write: Callable[[], object]) -> None:
        try:
            write()
        except (OSError, ImportError) as error:
            if not self._has_failed:
                log.warning("The training goes on, its curve is not written: %s", error)
            self._has_failed = True


def _callback(telemetry: Telemetry) -> Any:
    from transformers import TrainerCallback

    class Teller(TrainerCallback):
        """Hands on what the trainer logs, with the time that its steps took."""

        def __init__(self) -> None:
            self._has_begun = False
            self._began_s = self._busy_s = 0.0
            self._tokens = 0

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._begin(state)

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._began_s = time.monotonic()

        def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._busy_s += time.monotonic() - self._began_s

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and ("loss" in logs or "eval_loss" in logs):
                self._begin(state)
                telemetry.tell(self._event(state, logs), logs)

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            telemetry.draw()

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            telemetry.end()

        def _begin(self, state: Any) -> None:
            """At the first sign of life: another callback may log before the training begins."""
            if not self._has_begun:
                self._has_begun = True
                telemetry.begin(state.global_step)
                self._tokens = state.num_input_tokens_seen

        def _event(self, state: Any, logs: Mapping[str, Any]) -> TrainingEvent:
            return TrainingEvent(
                at_ms=time.time_ns() // 1_000_000,
                step=state.global_step,
                steps=state.max_steps,
                loss=_number(logs.get("loss")),
                validation_loss=_number(logs.get("eval_loss")),
                learning_rate=_number(logs.get("learning_rate")),
                tokens_per_s=self._tokens_per_s(state.num_input_tokens_seen),
                gpu_memory_bytes=gpu_memory_bytes(),
                gpu_use_percent=gpu_use_percent(),
                margin=_number(logs.get("rewards/margins")),
                validation_margin=_number(logs.get("eval_margin")),
            )

        def _tokens_per_s(self, tokens: int) -> float | None:
            """Since the last time that any were counted."""
            new, self._tokens, busy_s = tokens - self._tokens, tokens, self._busy_s
            if new <= 0 or busy_s <= 0:
                return None
            self._busy_s = 0.0
            return round(new / busy_s, 1)

    return Teller()


def gpu_memory_bytes() -> int | None:
    """What torch holds of the card now; None without CUDA."""
    import torch

    return int(torch.cuda.memory_reserved()) if torch.cuda.is_available() else None


def gpu_use_percent() -> int | None:
    """How busy the card was in the last moments, 0 to 100; None without CUDA or nvidia-ml-py."""
    import torch

    if not torch.cuda.is_available():
        return None
    try:
        return int(torch.cuda.utilization())
    except Exception:  # NVML has exceptions of its own, and a training needs no such figure
        return None


def _number(value: object) -> float | None:
    """None for what is no number, NaN and infinity among it."""
    return value if isinstance(value, (int, float)) and math.isfinite(value) else None


def _board_name(name: str) -> str:
    """As transformers names them: what is of the validation set beside what is of training."""
    return f"eval/{name[5:]}" if name.startswith("eval_") else f"train/{name}"
