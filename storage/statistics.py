"""What the bot did in a span of time, out of the verdicts and statistics: one SQL for two readers.

`Database.summary` asks it through SQLAlchemy, `storage.readonly` with sqlite3. Standard library
alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Query = Callable[[str, tuple[Any, ...]], Sequence[Sequence[Any]]]
"""Runs a SELECT with ? places and gives all its rows."""

_COUNTS = """
    SELECT count(*), total(outcome = 'sent'), total(verdict = 'silent'),
           total(outcome = 'refused'), total(outcome = 'failed')
    FROM verdicts WHERE at_ms >= ? AND verdict <> 'order'
"""
_TIMES = """
    SELECT total_s FROM verdicts WHERE at_ms >= ? AND verdict <> 'order' AND outcome = 'sent'
    ORDER BY total_s
"""
_NOTED = """
    SELECT (SELECT count(*) FROM statistics WHERE name = 'error' AND at_ms >= ?),
           (SELECT total(value) FROM statistics WHERE name = 'up_s' AND at_ms >= ?)
"""
_KEPT_BACK = """
    SELECT replace(name, 'guard_refused_', ''), count(*) FROM statistics
    WHERE name GLOB 'guard_refused_*' AND at_ms >= ? GROUP BY name ORDER BY count(*) DESC, name
"""


@dataclass(frozen=True)
class Summary:
    """A span of time in figures. Orders do not count; times are seconds from arrival to sent."""

    seen: int = 0
    """Messages that a verdict was reached on."""
    answered: int = 0
    silent: int = 0
    refused: int = 0
    """Guard let nothing out."""
    failed: int = 0
    errors: int = 0
    """`error` statistics."""
    p50_s: float | None = None
    """Percentiles of the answered ones by nearest rank; None where none was answered."""
    p95_s: float | None = None
    p99_s: float | None = None
    uptime_share: float = 0.0
    """0 to 1: the span's `up_s` statistics over its seconds."""
    kept_back: dict[str, int] = field(default_factory=dict)
    """How many drafts guard let nothing out of, by reason: `guard_refused_...` statistics. A new
    try may have been said then."""


def summarise(query: Query, since_ms: int, now_ms: int) -> Summary:
    """What happened from `since_ms` until `now_ms`. A table that is missing may give no rows."""
    counted = next(iter(query(_COUNTS, (since_ms,))), (0,) * 5)
    seen, answered, silent, refused, failed = (int(value) for value in counted)
    times_s = [row[0] for row in query(_TIMES, (since_ms,))]
    errors, up_s = next(iter(query(_NOTED, (since_ms, since_ms))), (0, 0.0))
    kept_back = {str(row[0]): int(row[1]) for row in query(_KEPT_BACK, (since_ms,))}
    span_s = (now_ms - since_ms) / 1000
    return Summary(
        seen=seen,
        answered=answered,
        silent=silent,
        refused=refused,
        failed=failed,
        errors=errors,
        p50_s=nearest_rank(times_s, 0.50),
        p95_s=nearest_rank(times_s, 0.95),
        p99_s=nearest_rank(times_s, 0.99),
        uptime_share=min(up_s / span_s, 1.0) if span_s > 0 else 0.0,
        kept_back=kept_back,
    )


def nearest_rank(ascending: Sequence[float], share: float) -> float | None:
    """The smallest of the values that at least `share` (0 to 1) of them do not exceed.

    The nearest-rank percentile: always a value that was measured. None of none.
    """
    return ascending[max(math.ceil(share * len(ascending)), 1) - 1] if ascending else None
