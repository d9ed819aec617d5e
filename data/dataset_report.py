"""The figures of dataset_report.json that come from the candidates' columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.candidates import Columns

_MEMBERS_SHOWN = 10
REPLY_TOKENS = (4, 8, 16, 32, 64, 128, 256, 512)
EXAMPLE_TOKENS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
CONTEXT_LINES = (2, 4, 8, 16, 32, 64, 128)

Rows = NDArray[np.int64]


def in_kept_dropped(came_in: int, kept: int, drops: Counter[str]) -> dict[str, Any]:
    """How many came in, stayed and went, by reason."""
    assert came_in == kept + drops.total(), f"{came_in} in, {kept} kept, {drops.total()} dropped"
    return {"in": came_in, "kept": kept, "dropped": dict(drops.most_common())}


def of_side(columns: Columns, rows: Rows) -> dict[str, Any]:
    """One file's examples."""
    tokens, learned = columns.tokens[rows], columns.learned_tokens[rows]
    lines = columns.context_lines[rows]
    return {
        "examples": len(rows),
        "tokens": int(tokens.sum(dtype=np.int64)),
        "learned_tokens": int(learned.sum(dtype=np.int64)),
        **_percentiles("tokens", tokens),
        **_percentiles("reply_tokens", learned),
        **_percentiles("context_lines", lines),
        "share_with_notes": round(float((columns.notes[rows] > 0).mean()), 4) if len(rows) else 0.0,
    }


def of_members(columns: Columns, member_ids: Sequence[int], rows: Rows) -> dict[str, Any]:
    """Whose replies are learned, by member id: the file outlives nicknames and memberships."""
    counts = np.bincount(columns.member[rows], minlength=len(member_ids))
    found = sorted(
        ((int(n), member_ids[at]) for at, n in enumerate(counts) if n),
        key=lambda one: (-one[0], one[1]),
    )
    top = [
        {"member_id": member_id, "examples": n, "share": round(n / len(rows), 4)}
        for n, member_id in found[:_MEMBERS_SHOWN]
    ]
    return {"count": len(found), "top": top}


def of_lengths(columns: Columns, rows: Rows) -> dict[str, Any]:
    """How long the examples are."""
    return {
        "reply_tokens": _binned(columns.learned_tokens[rows], REPLY_TOKENS),
        "example_tokens": _binned(columns.tokens[rows], EXAMPLE_TOKENS),
        "context_lines": _binned(columns.context_lines[rows], CONTEXT_LINES),
    }


def of_kinds(columns: Columns, kinds: Sequence[str], rows: Rows) -> dict[str, int]:
    """Examples by how far their context was to reach."""
    counts = np.bincount(columns.kind[rows], minlength=len(kinds))
    return dict(sorted((kinds[at], int(n)) for at, n in enumerate(counts)))


def of_blend(report: Mapping[str, Any], member_ids: Sequence[int]) -> dict[str, Any]:
    """`Blend.report` with members' ids in place of their row keys."""
    members = {str(member_ids[int(key)]): shares for key, shares in report["members"].items()}
    return {**report, "members": members}


def _percentiles(name: str, values: NDArray[np.integer[Any]]) -> dict[str, int]:
    """The nearest-rank percentiles, 0 of nothing."""
    ordered = np.sort(values)
    count = len(ordered)
    return {
        f"{name}_p{round(share * 100)}": (
            int(ordered[min(count - 1, int(share * count))]) if count else 0
        )
        for share in (0.5, 0.9)
    }


def _binned(values: NDArray[np.integer[Any]], upto: Sequence[int]) -> dict[str, list[int]]:
    """Counts by bin, each with its largest value; the last grows as far as is needed."""
    largest = int(values.max()) if len(values) else 0
    edges = [*upto] if largest <= upto[-1] else [*upto, largest]
    while len(edges) > 1 and edges[-2] >= largest:
        edges.pop()
    counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges))
    return {"upto": edges, "count": [int(n) for n in counts]}
