"""Chooses which candidates a set holds: duplicates go, then the blend and the limit decide.

On columns alone, so it costs little at any size; and all draws are seeded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.blend import blend
from data.candidates import SIDE_CODES, Candidates, Columns
from data.dataset_report import of_blend
from data.duplicates import KEEP, REASONS
from data.split import TRAINING, VALIDATION

GAVE_WAY = "gave way to the blend"
OVER_LIMIT = "over the limit asked for"

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Chosen:
    """What each file holds, as rows of the candidates in the order in which they are written."""

    rows: dict[str, Rows]
    """By side; each row at most once."""
    drops: Counter[str]
    """Candidates that are in no file, by reason."""
    blend: dict[str, Any]
    """How members' shares were before and after, ready for the report."""

    @property
    def all_rows(self) -> Rows:
        """Both files' rows, one behind the other."""
        return np.concatenate([self.rows[TRAINING], self.rows[VALIDATION]])


def choose(
    candidates: Candidates, codes: NDArray[np.uint8], seed: int, limit: int | None
) -> Chosen:
    """The rows to write. `codes` are those of data/duplicates.py, one a candidate. `limit` is for
    both sides together; each keeps its part of it."""
    columns = candidates.columns()
    drops = Counter({REASONS[int(code)]: int((codes == code).sum()) for code in np.unique(codes)})
    del drops[REASONS[KEEP]]
    left = {side: _rows_left(columns, codes, side) for side in SIDE_CODES}
    most = _limits(left, limit)
    training = left[TRAINING]
    blended = blend(
        columns.member[training],
        columns.hour_of_week[training],
        columns.conversational[training],
        columns.reactions[training],
        seed=seed,
        limit=most[TRAINING],
    )
    rows = {
        TRAINING: training[blended.kept],
        VALIDATION: _by_order(columns, left[VALIDATION])[: most[VALIDATION]],
    }
    reason = GAVE_WAY if most[TRAINING] is None else OVER_LIMIT
    drops[reason] += sum(len(left[side]) - len(rows[side]) for side in SIDE_CODES)
    return Chosen(rows, +drops, of_blend(blended.report, candidates.member_ids))


def _rows_left(columns: Columns, codes: NDArray[np.uint8], side: str) -> Rows:
    return np.flatnonzero((codes == KEEP) & (columns.side == SIDE_CODES[side])).astype(np.int64)


def _limits(left: dict[str, Rows], limit: int | None) -> dict[str, int | None]:
    """How many each side may keep: of a limit its own part."""
    total = sum(map(len, left.values()))
    if limit is None or limit >= total:
        return dict.fromkeys(left)
    validation = round(limit * len(left[VALIDATION]) / total)
    return {TRAINING: limit - validation, VALIDATION: validation}


def _by_order(columns: Columns, rows: Rows) -> Rows:
    return rows[columns.order[rows].argsort(kind="stable")]
