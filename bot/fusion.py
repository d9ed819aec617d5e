"""Fuses two ways of searching into one order: standardised scores, and what neighbours lend.

A score of full text (BM25) and one of vectors (cosine) have no common measure. Each is standardised
over the candidates of both ways (how many standard deviations above their mean), then summed. What
was said around a hit is about the same: a hit lends its neighbours a share of what it has above the
mean. The weights were chosen on LoCoMo's first half (docs/experiments.md). Pure; any thread.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from storage.talk_store import Spoken

NEAR_MS = 15 * 60_000
"""What was said longer before or after is no neighbour."""

RANK_CONSTANT = 60
"""Of reciprocal-rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009); for comparison alone."""


@dataclass(frozen=True)
class Ways:
    """How it is searched and ordered; the defaults are what serves."""

    by_text: bool = True
    by_vectors: bool = True
    by_ranks: bool = False
    """Reciprocal ranks in place of standardised scores."""
    lent: tuple[float, ...] = (0.5, 0.25)
    """What share a hit lends to the messages next to it, to the next but one, ..."""
    reads_names: bool = True
    """Whether names and times are told from the words to look for."""
    speaker: float = 1.0
    """In standard deviations, for being of somebody whom the question names."""
    time: float = 2.0
    """The same for being of the time that it names."""


def standardised(
    scores: Mapping[int, float], candidates: Collection[int], members: Collection[int]
) -> dict[int, float]:
    """Standard deviations above the candidates' mean, for `members`; a missing score is 0.

    BM25 of what holds none of the words is 0. Where all candidates score alike, all are 0.
    """
    if not scores or not candidates:
        return dict.fromkeys(members, 0.0)
    values = [scores.get(one, 0.0) for one in candidates]
    mean, spread = statistics.fmean(values), statistics.pstdev(values)
    if spread == 0.0:
        return dict.fromkeys(members, 0.0)
    return {one: (scores.get(one, 0.0) - mean) / spread for one in members}


def by_ranks(ways: Sequence[Mapping[int, float]], members: Collection[int]) -> dict[int, float]:
    """The sum of 1 / (60 + rank) over the ways that found a message."""
    total = dict.fromkeys(members, 0.0)
    for scores in ways:
        best_first = sorted(total.keys() & scores, key=lambda one: (-scores[one], one))
        for rank, one in enumerate(best_first, 1):
            total[one] += 1 / (RANK_CONSTANT + rank)
    return total


def with_lent(
    own: Mapping[int, float], spoken: Sequence[Spoken], lent: Sequence[float]
) -> dict[int, float]:
    """`own` and what the neighbours of each lend it: of the part above 0 of theirs.

    `spoken` are by channel and id (`TalkStore.around`).
    """
    total = dict(own)
    places = [own[one.message_id] for one in spoken]
    unbroken = [
        at > 0
        and one.before_id == spoken[at - 1].message_id
        and one.created_at_ms - spoken[at - 1].created_at_ms <= NEAR_MS
        for at, one in enumerate(spoken)
    ]
    for at, one in enumerate(spoken):
        for distance, share in enumerate(lent, 1):
            if at < distance or not unbroken[at - distance + 1]:
                break
            before = spoken[at - distance].message_id
            total[one.message_id] += share * max(0.0, places[at - distance])
            total[before] += share * max(0.0, places[at])
    return total
