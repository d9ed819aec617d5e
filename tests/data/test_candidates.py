"""What is known of each candidate."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import numpy as np

from data.candidates import Candidate, Candidates, hour_of_week
from data.split import TRAINING, VALIDATION

ROW = Candidate(
    author_id=1 << 61,
    created_at_ms=1_700_000_000_000,
    side=TRAINING,
    kind="long",
    conversational=True,
    reactions=2,
    order=2**64 - 1,
    tokens=500,
    learned_tokens=9,
    context_lines=14,
    notes=1,
    score=None,
    emoji=-1,
    offset=1 << 40,
    length=2000,
)


def test_rows_come_back_as_columns() -> None:
    candidates = Candidates()
    assert len(candidates.columns().tokens) == 0
    other = replace(ROW, author_id=7, side=VALIDATION, score=0.5, kind="pair", reactions=90_000)
    for row in (ROW, other, replace(ROW, conversational=False)):
        candidates.add(row)
    columns = candidates.columns()
    assert len(candidates) == len(columns.side) == 3
    assert candidates.member_ids == [1 << 61, 7]
    assert columns.member.tolist() == [0, 1, 0]
    assert [candidates.kinds[k] for k in columns.kind] == ["long", "pair", "long"]
    assert columns.order.tolist() == [2**64 - 1] * 3
    assert columns.offset.tolist() == [1 << 40] * 3
    assert columns.conversational.tolist() == [True, True, False]
    assert columns.reactions.tolist() == [2, 32_767, 2]  # nobody counts further
    assert np.isnan(columns.score[0])
    assert columns.score[1] == 0.5
    assert columns.rows_of(VALIDATION).tolist() == [1]


def test_rows_take_few_bytes() -> None:
    candidates = Candidates()
    for _ in range(1000):
        candidates.add(ROW)
    columns = candidates.columns()
    assert sum(column.itemsize for column in vars(columns).values()) <= 50


def test_the_week_begins_on_monday_in_utc() -> None:
    def at(day: int, hour: int) -> int:
        moment = datetime(2026, 11, day, hour, 59, tzinfo=timezone.utc)
        return hour_of_week(int(moment.timestamp() * 1000))

    assert (at(16, 0), at(16, 23), at(22, 23), at(23, 0)) == (0, 23, 167, 0)
    candidates = Candidates()
    candidates.add(ROW)
    assert candidates.columns().hour_of_week.tolist() == [hour_of_week(ROW.created_at_ms)]
