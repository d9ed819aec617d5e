"""How much memory the bot took since the window was opened: bounded, however long that is. Pure."""

from __future__ import annotations

MOST_SAMPLES = 720


class MemoryHistory:
    """(time in ms since 1970, bytes or None) in order; a full one thins itself to every other.

    So it always reaches back to the first sample, ever more coarsely: at one sample in five
    seconds it is full after an hour, and then keeps between 360 and 720.
    """

    def __init__(self, most: int = MOST_SAMPLES) -> None:
        self._most = most
        self._samples: list[tuple[float, int | None]] = []
        self._every = 1
        self._skipped = 0

    def note(self, at_ms: float, memory_bytes: int | None) -> None:
        """One sample; None where no bot runs, which is a gap in the line."""
        self._skipped += 1
        if self._skipped < self._every:
            return
        self._skipped = 0
        self._samples.append((at_ms, memory_bytes))
        if len(self._samples) >= self._most:
            del self._samples[1::2]
            self._every *= 2

    @property
    def samples(self) -> tuple[tuple[float, int | None], ...]:
        return tuple(self._samples)

    def __len__(self) -> int:
        return len(self._samples)
