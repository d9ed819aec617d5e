"""A message with its verdict on its way through the stages, and the watch that times them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from bot.decide import Facts
from bot.messages import Draft, GuardVerdict, IncomingMessage, Silent, SilentReason, Trace


def with_draft(trace: Trace, draft: Draft, checked: GuardVerdict) -> Trace:
    """The trace with one more attempt in it."""
    return replace(
        trace,
        attempts=trace.attempts + 1,
        evaluated_tokens=trace.evaluated_tokens + draft.evaluated_tokens,
        reply_tokens=trace.reply_tokens + draft.reply_tokens,
        guard=checked,
    )


@dataclass(frozen=True)
class Judged:
    """A message and its verdict, on its way through the stages."""

    message: IncomingMessage
    facts: Facts
    trace: Trace
    watch: Stopwatch

    @property
    def is_own(self) -> bool:
        return self.trace.verdict == Silent(SilentReason.OWN)

    @property
    def attempts(self) -> int:
        return self.facts.times_begun + 1


class Stopwatch:
    """Seconds between laps, the first from `began_s` on; a stage that runs twice gets their sum."""

    def __init__(self, began_s: float) -> None:
        self._began_s = self._last_s = began_s
        self._laps: dict[str, float] = {}

    @property
    def age_s(self) -> float:
        """Since the message arrived. From any thread."""
        return time.perf_counter() - self._began_s

    def lap(self, stage: str) -> None:
        now_s = time.perf_counter()
        self._laps[stage] = self._laps.get(stage, 0.0) + now_s - self._last_s
        self._last_s = now_s

    @property
    def laps(self) -> tuple[tuple[str, float], ...]:
        return tuple(self._laps.items())
