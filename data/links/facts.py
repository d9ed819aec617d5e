"""Who spoke before and after each line, to whom, and how lively it was: what pairs are made of.

Rows are lines in true order. A row that does not exist is -1 (before) or n (after).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.links.lines import Lines

Rows = NDArray[np.int64]
RECENT = 50
"""Who spoke within so many lines is there."""
SOON = 15
"""How far ahead somebody's next line still tells of this one."""


class Occurrences:
    """At which rows somebody (or any other number) occurs; asked for many at once."""

    def __init__(self, who: NDArray[np.integer], rows: NDArray[np.integer], lines: int) -> None:
        """who, rows: (m,); below 0 is nobody. `lines`: one more than the last row."""
        there = who >= 0
        self._span = lines + 1
        self._keys = np.sort(who[there].astype(np.int64) * self._span + rows[there])

    def _key(self, who: NDArray[np.integer], rows: NDArray[np.integer]) -> Rows:
        return who.astype(np.int64) * self._span + rows

    def before(self, who: NDArray[np.integer], rows: NDArray[np.integer]) -> Rows:
        """The last row before `rows` where `who` occurs; -1 where none does."""
        if not len(self._keys):
            return np.full(np.broadcast(who, rows).shape, -1, np.int64)
        key = self._key(who, rows)
        found = self._keys[np.maximum(np.searchsorted(self._keys, key) - 1, 0)]
        base = key - rows
        return np.where((who >= 0) & (found >= base) & (found < key), found - base, -1)

    def after(self, who: NDArray[np.integer], rows: NDArray[np.integer]) -> Rows:
        """The first row after `rows` where `who` occurs; the number of lines where none does."""
        last = self._span - 1
        if not len(self._keys):
            return np.full(np.broadcast(who, rows).shape, last, np.int64)
        key = self._key(who, rows)
        at = np.searchsorted(self._keys, key, side="right")
        found = self._keys[np.minimum(at, len(self._keys) - 1)]
        base = key - rows
        return np.where((who >= 0) & (found > key) & (found <= base + last), found - base, last)

    def between(
        self, who: NDArray[np.integer], low: NDArray[np.integer], high: NDArray[np.integer]
    ) -> Rows:
        """How often `who` occurs after row `low` and before row `high`."""
        low, high = np.maximum(low, -1), np.minimum(high, self._span - 1)
        first = np.searchsorted(self._keys, self._key(who, low), side="right")
        found = np.searchsorted(self._keys, self._key(who, high)) - first
        return np.where(who >= 0, np.maximum(found, 0), 0)


@dataclass(frozen=True, slots=True)
class Facts:
    """Lines and what is asked of them again and again. All columns have n rows."""

    lines: Lines
    authors: int
    by_author: Occurrences
    by_addressee: Occurrences
    by_pair: Occurrences
    """(author, addressee) as author * authors + addressee."""
    by_asker: Occurrences
    """Authors of lines that ask."""
    own_before: NDArray[np.int64]
    """3 x n: the author's last lines before this one, nearest first."""
    own_after: NDArray[np.int64]
    """3 x n: the author's next lines."""
    own_count: Rows
    to_last: Rows
    """The last line of whom this one is addressed to."""
    also_last: Rows
    to_me: Rows
    """The last line before this one that is addressed to its author."""
    to_me_next: Rows
    partner: NDArray[np.int32]
    """Whom the author addressed last, before this line."""
    partner_now: NDArray[np.int32]
    """The same with this line."""
    next_to: NDArray[np.int32]
    """Whom the author's next line addresses, where it comes soon."""
    present: NDArray[np.uint8]
    """How many different authors spoke within the last RECENT lines."""
    pace_ms: NDArray[np.float32]
    """Mean time between the last 20 lines."""
    addressed_share: float
    reply_share: float


def facts_of(lines: Lines) -> Facts:
    """Everything about the lines of one channel that pairs are read from."""
    n = len(lines)
    rows = np.arange(n)
    author = lines.author
    authors = int(author.max(initial=0)) + 1
    by_author = Occurrences(author, rows, n)
    by_addressee = Occurrences(lines.to, rows, n)
    pair = np.where(lines.to >= 0, author.astype(np.int64) * authors + lines.to, -1)
    before, after = _own(author)
    partner_now = _carried_on(author, lines.to)
    return Facts(
        lines=lines,
        authors=authors,
        by_author=by_author,
        by_addressee=by_addressee,
        by_pair=Occurrences(pair, rows, n),
        by_asker=Occurrences(np.where(lines.asks > 0, author, -1), rows, n),
        own_before=before,
        own_after=after,
        own_count=by_author.between(author, np.full(n, -1), rows),
        to_last=by_author.before(lines.to, rows),
        also_last=by_author.before(lines.also[:, 0], rows),
        to_me=by_addressee.before(author, rows),
        to_me_next=by_addressee.after(author, rows),
        partner=np.where(before[0] >= 0, partner_now[before[0]], -1).astype(np.int32),
        partner_now=partner_now,
        next_to=_next_to(lines.to, after[0]),
        present=_present(after[0]),
        pace_ms=_pace(lines.at_ms),
        addressed_share=float(np.mean(lines.to_kind > 0)),
        reply_share=float(np.mean(lines.reply >= 0)),
    )


def pair_key(
    facts: Facts, speaker: NDArray[np.integer], listener: NDArray[np.integer]
) -> NDArray[np.int64]:
    """What `by_pair` knows a speaker and a listener as."""
    return speaker.astype(np.int64) * facts.authors + listener


def _own(author: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same author's three lines before and after each."""
    n = len(author)
    order = np.argsort(author, kind="stable")
    same = author[order][1:] == author[order][:-1]
    before, after = np.full((3, n + 1), -1), np.full((3, n + 1), n)
    before[0, order[1:][same]] = order[:-1][same]
    after[0, order[:-1][same]] = order[1:][same]
    for step in (1, 2):
        before[step] = np.where(before[step - 1] >= 0, before[0, before[step - 1]], -1)
        after[step] = np.where(after[step - 1] < n, after[0, after[step - 1]], n)
    return before[:, :n], after[:, :n]


def _carried_on(author: NDArray[np.int32], to: NDArray[np.int32]) -> NDArray[np.int32]:
    """Whom each line's author has addressed last, the line itself included."""
    last: dict[int, int] = {}
    carried = np.full(len(author), -1, np.int32)
    for row, (speaker, listener) in enumerate(zip(author.tolist(), to.tolist(), strict=True)):
        if listener >= 0:
            last[speaker] = listener
        carried[row] = last.get(speaker, -1)
    return carried


def _next_to(to: NDArray[np.int32], after: Rows) -> NDArray[np.int32]:
    n = len(to)
    soon = (after < n) & (after - np.arange(n) <= SOON)
    return np.where(soon, to[np.minimum(after, n - 1)], -1).astype(np.int32)


def _present(after: Rows) -> NDArray[np.uint8]:
    """A line counts for its author from the next row to the author's next line, RECENT at most."""
    n = len(after)
    rows = np.arange(n)
    change = np.zeros(n + 2, np.int64)
    np.add.at(change, rows + 1, 1)
    np.add.at(change, np.minimum(np.minimum(after, rows + RECENT) + 1, n + 1), -1)
    return np.cumsum(change)[:n].astype(np.uint8)


def _pace(at_ms: NDArray[np.int64]) -> NDArray[np.float32]:
    n = len(at_ms)
    back = np.maximum(np.arange(n) - 20, 0)
    steps = np.maximum(np.arange(n) - back, 1)
    return ((at_ms - at_ms[back]) / steps + 1000).astype(np.float32)
