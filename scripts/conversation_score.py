"""How well found links agree with true ones: links, and the conversations that they make.

Links' precision, recall and F; 1 - scaled variation of information (VI); one-to-one overlap; F of
the conversations found exactly. Definitions: Kummerfeld et al., ACL 2019 (P19-1374), section 5.
All in percent.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

FIGURES = ("link_p", "link_r", "link_f", "vi", "one_to_one", "exact_p", "exact_r", "exact_f")
Parents = Mapping[int, set[int]]
"""By message id; a message that is its own parent starts a conversation."""


def score(true: Parents, found: Parents) -> dict[str, float]:
    """The figures over the messages of `true`; what `found` lacks counts as a start."""
    ours = {message: found.get(message) or {message} for message in true}
    hits = sum(len(true[message] & ours[message]) for message in true)
    link = _prf(hits, sum(map(len, ours.values())), sum(map(len, true.values())))
    true_talks, our_talks = _talks(true, true), _talks(ours, true)
    shared = _shared(true_talks, our_talks)
    exact = _exact(true_talks, our_talks)
    return {
        "link_p": link[0],
        "link_r": link[1],
        "link_f": link[2],
        "vi": _information(true_talks, our_talks, shared),
        "one_to_one": 100 * _best_matching(shared) / max(len(true), 1),
        "exact_p": exact[0],
        "exact_r": exact[1],
        "exact_f": exact[2],
        "messages": len(true),
    }


def _prf(hits: int, found: int, true: int) -> tuple[float, float, float]:
    p, r = hits / max(found, 1), hits / max(true, 1)
    return 100 * p, 100 * r, 200 * p * r / (p + r) if p + r else 0.0


def _talks(parents: Parents, members: Iterable[int]) -> list[frozenset[int]]:
    """The connected parts of the links, `members` alone."""
    root: dict[int, int] = {}

    def find(message: int) -> int:
        root.setdefault(message, message)
        while root[message] != message:
            root[message] = root[root[message]]
            message = root[message]
        return message

    for message, before in parents.items():
        for parent in before:
            root[find(message)] = find(parent)
    talks: defaultdict[int, set[int]] = defaultdict(set)
    for message in members:
        talks[find(message)].add(message)
    return [frozenset(talk) for talk in talks.values()]


def _shared(true: list[frozenset[int]], ours: list[frozenset[int]]) -> Counter[tuple[int, int]]:
    """How many messages each of our conversations shares with each true one."""
    true_of = {message: number for number, talk in enumerate(true) for message in talk}
    return Counter((a, true_of[message]) for a, talk in enumerate(ours) for message in talk)


def _information(
    true: list[frozenset[int]], ours: list[frozenset[int]], shared: Counter[tuple[int, int]]
) -> float:
    n = sum(map(len, true))
    if n < 2:
        return 100.0

    def entropy(talks: list[frozenset[int]]) -> float:
        return -sum(len(talk) / n * math.log2(len(talk) / n) for talk in talks)

    mutual = sum(
        count / n * math.log2(count * n / (len(ours[a]) * len(true[b])))
        for (a, b), count in shared.items()
    )
    return 100 - 100 * (entropy(true) + entropy(ours) - 2 * mutual) / math.log2(n)


def _exact(true: list[frozenset[int]], ours: list[frozenset[int]]) -> tuple[float, float, float]:
    """Of conversations of two or more messages."""
    there = {talk for talk in true if len(talk) > 1}
    found = {talk for talk in ours if len(talk) > 1}
    return _prf(len(there & found), len(found), len(there))


def _best_matching(shared: Counter[tuple[int, int]]) -> int:
    """The most messages that one-to-one pairs of conversations share. Conversations that share
    nothing with each other, not even by way of others, are matched apart."""
    # True conversations are numbered below 0, so that both kinds can be joined into parts.
    beside: defaultdict[int, set[int]] = defaultdict(set)
    for ours, true in shared:
        beside[ours].add(-1 - true)
    total = 0
    for part in _talks(beside, [*beside, *(one for them in beside.values() for one in them)]):
        rows = sorted(one for one in part if one >= 0)
        columns = sorted(-1 - one for one in part if one < 0)
        table = np.array([[shared[a, b] for b in columns] for a in rows], np.float64)
        total += round(_assign(table))
    return total


def _assign(gain: NDArray[np.float64]) -> float:
    """The greatest sum of a one-to-one choice (Hungarian method, shortest augmenting paths)."""
    if gain.shape[0] > gain.shape[1]:
        gain = gain.T
    rows, columns = gain.shape
    cost = -gain
    u, v = np.zeros(rows + 1), np.zeros(columns + 1)
    row_of = np.zeros(columns + 1, np.int64)
    for row in range(1, rows + 1):
        row_of[0], at = row, 0
        least = np.full(columns + 1, np.inf)
        came, used = np.zeros(columns + 1, np.int64), np.zeros(columns + 1, np.bool_)
        while row_of[at] != 0:
            used[at] = True
            slack = cost[row_of[at] - 1] - u[row_of[at]] - v[1:]
            closer = ~used[1:] & (slack < least[1:])
            least[1:][closer], came[1:][closer] = slack[closer], at
            following = 1 + int(np.argmin(np.where(used[1:], np.inf, least[1:])))
            step = least[following]
            np.add.at(u, row_of[used], step)
            v[used] -= step
            least[~used] -= step
            at = following
        while at:
            row_of[at], at = row_of[came[at]], came[at]
    taken = np.flatnonzero(row_of[1:])
    return float(sum(gain[row_of[1 + c] - 1, c] for c in taken))
