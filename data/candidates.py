"""What is known of each example that could be taken, as columns; its words are in the spool.

Rows come in the order in which the history is walked. Everything that chooses among them
(data/duplicates.py, data/blend.py, data/preferences.py) works on these columns alone: some 50 bytes
a row, whatever the history's size.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.split import SIDES

HOUR_MS = 3600_000
HOURS_A_WEEK = 168
_MONDAY_HOURS = 72
"""1 January 1970 was a Thursday."""
_MOST_REACTIONS = 32_767
SIDE_CODES = {side: code for code, side in enumerate(SIDES)}
"""0 training, 1 validation."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One example that could be taken."""

    author_id: int
    created_at_ms: int
    side: str
    kind: str
    """How far its context was to reach (data/contexts.py)."""
    conversational: bool
    """Whether the reply answers somebody; else it stands alone."""
    reactions: int
    order: int
    """0 to 2^64 - 1, random by seed and message."""
    tokens: int
    learned_tokens: int
    context_lines: int
    notes: int
    score: float | None
    """How the reply was received (data/reception.py), where that is known."""
    emoji: int
    """Which emoji leads under it, as a place in `Reception.emoji`; -1: none."""
    offset: int
    """Where its JSON line begins in the spool."""
    length: int
    """The line's bytes, line break included."""


@dataclass(frozen=True)
class Columns:
    """All candidates, a row each; `n` rows everywhere. They are views: copy before changing."""

    member: NDArray[np.int32]
    """Index into `Candidates.member_ids`."""
    hour_of_week: NDArray[np.uint8]
    """0-167, UTC, Monday 0."""
    side: NDArray[np.uint8]
    """By SIDE_CODES."""
    kind: NDArray[np.uint8]
    """Index into `Candidates.kinds`."""
    conversational: NDArray[np.bool_]
    reactions: NDArray[np.int16]
    order: NDArray[np.uint64]
    tokens: NDArray[np.int32]
    learned_tokens: NDArray[np.int32]
    context_lines: NDArray[np.uint16]
    notes: NDArray[np.uint8]
    score: NDArray[np.float32]
    """NaN where it is not known."""
    emoji: NDArray[np.int32]
    """A place in `Reception.emoji`; -1: none."""
    offset: NDArray[np.int64]
    length: NDArray[np.int32]

    def rows_of(self, side: str) -> NDArray[np.int64]:
        """The numbers of one side's rows, ascending."""
        return np.flatnonzero(self.side == SIDE_CODES[side]).astype(np.int64)


_TYPES = {
    "member": "i",
    "hour_of_week": "B",
    "side": "B",
    "kind": "B",
    "conversational": "B",
    "reactions": "h",
    "order": "Q",
    "tokens": "i",
    "learned_tokens": "i",
    "context_lines": "H",
    "notes": "B",
    "score": "f",
    "emoji": "i",
    "offset": "q",
    "length": "i",
}


class Candidates:
    """Grows by a row an example. Not for several threads."""

    def __init__(self) -> None:
        self._columns: dict[str, array[Any]] = {name: array(code) for name, code in _TYPES.items()}
        self._appends = [column.append for column in self._columns.values()]
        self._members: dict[int, int] = {}
        self._kinds: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._columns["side"])

    @property
    def member_ids(self) -> list[int]:
        """Whose replies they are: what `Columns.member` counts in, in the order of appearance."""
        return list(self._members)

    @property
    def kinds(self) -> list[str]:
        """What `Columns.kind` counts in."""
        return list(self._kinds)

    def add(self, row: Candidate) -> None:
        """One more row."""
        values = (
            self._members.setdefault(row.author_id, len(self._members)),
            hour_of_week(row.created_at_ms),
            SIDE_CODES[row.side],
            self._kinds.setdefault(row.kind, len(self._kinds)),
            row.conversational,
            min(row.reactions, _MOST_REACTIONS),
            row.order,
            row.tokens,
            row.learned_tokens,
            min(row.context_lines, 65_535),
            min(row.notes, 255),
            float("nan") if row.score is None else row.score,
            row.emoji,
            row.offset,
            row.length,
        )
        for append, value in zip(self._appends, values, strict=True):
            append(value)

    def columns(self) -> Columns:
        """The rows so far. No row can be added while these are held."""
        arrays = {name: np.asarray(column) for name, column in self._columns.items()}
        arrays["conversational"] = arrays["conversational"].view(np.bool_)
        return Columns(**arrays)


def hour_of_week(at_ms: int) -> int:
    """0-167, UTC, Monday 0."""
    return (at_ms // HOUR_MS + _MONDAY_HOURS) % HOURS_A_WEEK
