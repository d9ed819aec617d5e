"""How long the steps of a training still take: as measured now, and as they took last time."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from storage.manifest import write_text_atomically
from storage.paths import Home


class RunPace:
    """One run's. Main thread."""

    def __init__(self, home: Home, profile: str, steps: Sequence[str]) -> None:
        self._file = home.data_storage / "steps" / f"train_all-{profile}.json"
        self._steps = steps
        self._took_s = self._read()
        """By step, of the last time that it was really done here with this profile."""
        self._step = ""
        self._stage = ""
        self._first: tuple[float, float] | None = None
        self._made: list[bool] = []

    def begin(self, step: str) -> None:
        """A step begins."""
        self._step, self._stage, self._first, self._made = step, "", None, []

    @property
    def was_made(self) -> bool:
        """Whether any part of the present step was not done before."""
        return any(self._made) or not self._made

    def hear(self, event: dict[str, Any]) -> float | None:
        """An event of the present step: seconds until all steps are done, where that is known."""
        if event["event"] == "end":
            self._made.append(bool(event.get("made")))
        if event["event"] != "progress":
            return None
        left_s = self._stage_left_s(event)
        later = [self._took_s.get(name) for name in self._later()]
        if left_s is None or None in later:
            return None
        return left_s + sum(s for s in later if s is not None)

    def keep(self, step: str, seconds: float) -> None:
        """A step was done and took so long."""
        self._took_s[step] = round(seconds, 1)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(self._file, json.dumps(self._took_s))

    def _later(self) -> Sequence[str]:
        return self._steps[self._steps.index(self._step) + 1 :] if self._step in self._steps else ()

    def _stage_left_s(self, event: dict[str, Any]) -> float | None:
        if event.get("left_s") is not None:
            return float(event["left_s"])
        step, steps = event.get("step"), event.get("steps")
        if step is None or not steps:
            return None
        now_s, stage = time.monotonic(), str(event.get("stage")) + str(event.get("what"))
        if stage != self._stage or self._first is None:
            self._stage, self._first = stage, (now_s, float(step))
            return None
        began_s, first = self._first
        return (now_s - began_s) / max(step - first, 1) * (steps - step)

    def _read(self) -> dict[str, float]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            return {str(k): float(v) for k, v in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}


def in_words(seconds: float) -> str:
    """ "40 s", "12 min", "3 h 20 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
