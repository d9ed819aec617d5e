"""Where a training stands. Standard library alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a run stands: steps done of all, the loss in nats a learned token (the mean of the last
    steps), seconds of this session."""

    step: int
    steps: int
    loss: float | None
    elapsed_s: float
