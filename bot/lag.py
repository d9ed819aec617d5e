"""How late the event loop comes: what a message, a click or a heartbeat waits before it is seen."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

SAMPLE_S = 0.05
WINDOW_S = 60.0
_KEPT = round(WINDOW_S / SAMPLE_S)


@dataclass(frozen=True)
class Lag:
    """Over the last 60 s, in milliseconds."""

    p50_ms: float
    p99_ms: float
    max_ms: float


class LagMeter:
    """Sleeps 50 ms over and over and notes by how much it wakes too late.

    A loop that stands still for two seconds would be noted once, though whatever came in during
    them waited: so the samples that were missed are noted too, with what each would have waited
    (the correction for "coordinated omission"). The percentiles are then those of an event that
    arrives at any instant. Belongs to the loop's thread.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._samples: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        """When, in clock seconds, and the lag in seconds."""

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            began_s = self._clock_s()
            await asyncio.sleep(SAMPLE_S)
            self.note(self._clock_s() - began_s - SAMPLE_S)

    def note(self, late_s: float) -> None:
        """One sample: the loop came `late_s` seconds too late, now."""
        now_s = self._clock_s()
        late_s = max(0.0, late_s)
        missed = min(int(late_s / SAMPLE_S), _KEPT - 1)
        for n in range(missed, -1, -1):
            self._samples.append((now_s, late_s - n * SAMPLE_S))

    def lag(self) -> Lag:
        """The percentiles of the last 60 s; zeros before the first sample."""
        since_s = self._clock_s() - WINDOW_S
        lags = sorted(late_s for at_s, late_s in self._samples if at_s >= since_s)
        if not lags:
            return Lag(0.0, 0.0, 0.0)
        p50_s, p99_s = (lags[ceil(share * len(lags)) - 1] for share in (0.50, 0.99))
        return Lag(*(round(lag_s * 1000, 1) for lag_s in (p50_s, p99_s, lags[-1])))
