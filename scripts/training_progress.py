"""What a training tells of its steps: a line on stderr and events, with the time that is left."""

from __future__ import annotations

import sys

from model.training.progress import Progress
from scripts.events import Events

TITLES = {
    "sft": "Fine-tuning",
    "dpo": "Learning preferences (DPO)",
    "kto": "Learning preferences (KTO)",
    "merge": "Merging the adapter",
    "export": "Converting, quantising, checking",
}
"""The stages in order; each is a mode."""


class Pace:
    """How fast the steps of this session come; what was before the first one (loading, validation)
    is no step."""

    def __init__(self) -> None:
        self._first: Progress | None = None

    def left_s(self, progress: Progress) -> float | None:
        """Seconds until the last step; None at the first one."""
        if self._first is None or progress.step <= self._first.step:
            self._first = progress
            return None
        done = progress.step - self._first.step
        elapsed_s = progress.elapsed_s - self._first.elapsed_s
        return round(elapsed_s / max(done, 1) * (progress.steps - progress.step), 1)


class Telling:
    """What a training tells of its steps, on stderr and as events."""

    def __init__(self, stage: str, events: Events) -> None:
        self._stage = stage
        self._events = events
        self._pace = Pace()

    def __call__(self, progress: Progress) -> None:
        left_s = self._pace.left_s(progress)
        show_progress(TITLES[self._stage], progress, left_s)
        self._events.progress(
            self._stage,
            is_last=progress.step == progress.steps,
            step=progress.step,
            steps=progress.steps,
            loss=progress.loss,
            left_s=left_s,
        )


def show_progress(title: str, progress: Progress, left_s: float | None) -> None:
    """One line that is rewritten on a terminal, and now and then a line of its own elsewhere."""
    loss = "" if progress.loss is None else f", loss {progress.loss:.3f}"
    left = "" if left_s is None else f", about {left_s:.0f} s left"
    text = f"{title}: step {progress.step} of {progress.steps}{loss}{left}"
    if sys.stderr.isatty():
        print(f"\r{text}\033[K", end="", file=sys.stderr, flush=True)
        if progress.step == progress.steps:
            print(file=sys.stderr)
    elif progress.step % max(1, progress.steps // 10) == 0:
        print(text, file=sys.stderr, flush=True)
