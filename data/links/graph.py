"""What first guesses say about each other: the features of the second look.

From the first look's probabilities every line has a likeliest parent, and so lines form trees, the
conversations. A candidate is then seen in its conversation: who takes part, when it was last heard,
whether it has its answer already, and whether the neighbours' guesses agree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data.links.facts import Facts, Occurrences
from data.links.features import TOP, Column, Columns, capped, gap_code, row_code, time_code


class Guesses:
    """First guesses: n lines x C candidates (the last column is the line itself)."""

    def __init__(
        self, facts: Facts, candidates: NDArray[np.int64], scores: NDArray[np.float32]
    ) -> None:
        """candidates: rows, -1 where there is none. scores: any real; -inf where none."""
        self.facts = facts
        self.candidates = candidates
        self.scores = scores
        self.chances = softmax(scores)
        n = len(candidates)
        best = self.chances.argmax(axis=1)
        self.parent = candidates[np.arange(n), best]
        self.root = _roots(self.parent)
        self._sum_up()

    def _sum_up(self) -> None:
        """Sorted keys by which chances and lines are summed for many pairs at once."""
        facts, n = self.facts, len(self.candidates)
        author, rows = facts.lines.author, np.arange(n)
        child = np.broadcast_to(rows[:, None], self.candidates.shape)
        likely = (self.chances > 0.02) & (self.candidates < child) & (self.candidates >= 0)
        parent, child = self.candidates[likely], child[likely]
        chance = self.chances[likely]
        self.answers = _Sums(parent * (n + 1) + child, chance)
        self.answers_of = _Sums(parent * facts.authors + author[child], chance)
        self.turns = _Sums(child * facts.authors + author[parent], chance)
        self.in_talk = Occurrences(self.root, rows, n)
        self.own_in_talk = Occurrences(self.root * facts.authors + author, rows, n)
        self.children = Occurrences(np.where(self.parent < rows, self.parent, -1), rows, n)
        self.words = _TalkWords(facts, self.root)


class _Sums:
    """Sums of chances by key."""

    def __init__(self, keys: NDArray[np.int64], chances: NDArray[np.float32]) -> None:
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._upto = np.concatenate([[0.0], np.cumsum(chances[order], dtype=np.float64)])

    def between(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.float64]:
        """The sum of what has keys from `low` to below `high`."""
        first, last = np.searchsorted(self._keys, low), np.searchsorted(self._keys, high)
        return self._upto[last] - self._upto[first]

    def of(self, keys: NDArray[np.int64]) -> NDArray[np.float64]:
        """The sum of what has these very keys."""
        return self.between(keys, keys + 1)


class _TalkWords:
    """In which conversation a word was first said, and when."""

    def __init__(self, facts: Facts, root: NDArray[np.int64]) -> None:
        tokens = facts.lines.tokens
        self._words = max(len(facts.lines.rarity), 1)
        self._rarity, self._tokens = facts.lines.rarity, tokens
        there = tokens >= 0
        talk = np.broadcast_to(root[:, None], tokens.shape)[there]
        row = np.broadcast_to(np.arange(len(tokens))[:, None], tokens.shape)[there]
        keys, first = np.unique(talk * self._words + tokens[there], return_index=True)
        self._keys, self._row = keys, row[first]

    def shared(
        self, i: NDArray[np.int64], talk: NDArray[np.int64], j: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """The summed rarity of the words of lines i said in conversations `talk` up to line j."""
        mine = self._tokens[i]
        if not len(self._keys):
            return np.zeros(len(i), np.float32)
        wanted = talk[:, None] * self._words + mine
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        hit = (self._keys[at] == wanted) & (mine >= 0) & (self._row[at] <= j[:, None])
        weighed: NDArray[np.float32] = (self._rarity[np.maximum(mine, 0)] * hit).sum(axis=1)
        return weighed


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """By rows; -inf has no chance."""
    away = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances: NDArray[np.float32] = away / away.sum(axis=1, keepdims=True)
    return chances


def _roots(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first line of each line's conversation; a parent is never later than its child."""
    root: list[int] = []
    for row, before in enumerate(parent.tolist()):
        root.append(row if before == row else root[before])
    return np.array(root, np.int64)


def _share(values: NDArray[np.floating]) -> Column:
    """A chance, or a sum of chances up to 2, as a code."""
    return capped(np.rint(47 * values))


def graph_columns(
    guesses: Guesses, i: NDArray[np.int64], j: NDArray[np.int64], rows: slice | NDArray[np.int64]
) -> Columns:
    """Features that come from the guesses, of all pairs of lines `rows`. i, j: (pairs,)."""
    return {
        **_chances(guesses, rows),
        **_talk(guesses, i, j),
        **_agreement(guesses, i, j),
    }


def _chances(guesses: Guesses, rows: slice | NDArray[np.int64]) -> Columns:
    """What the first look said of each candidate, and of those with its author or conversation."""
    chances, scores = guesses.chances[rows], guesses.scores[rows]
    candidates = guesses.candidates[rows]
    where = candidates >= 0
    order = np.sort(scores, axis=1)
    best, second = order[:, -1:], order[:, -2:-1]
    rival = np.where(scores == best, second, best)
    margin = np.where(np.isfinite(scores) & np.isfinite(rival), scores - rival, 0)
    talk = guesses.root[np.maximum(candidates, 0)]
    together = (talk[:, None, :] == talk[:, :, None]) * chances[:, None, :]
    starts = np.broadcast_to(chances[:, -1:], chances.shape)
    author = guesses.facts.lines.author[np.maximum(candidates, 0)]
    theirs = (author[:, None, :] == author[:, :, None]) & np.isfinite(scores)[:, None, :]
    ahead = scores[:, None, :] > scores[:, :, None]
    their_best = np.where(theirs, scores[:, None, :], -np.inf).max(axis=2)
    behind = np.where(np.isfinite(scores), their_best - np.where(np.isfinite(scores), scores, 0), 0)
    return {
        "their_chance": _share(2 * (theirs * chances[:, None, :]).sum(axis=2))[where],
        "behind_their_best": capped(np.rint(6 * behind))[where],
        "their_rank": capped((theirs & ahead).sum(axis=2))[where],
        "their_choices": capped(theirs.sum(axis=2))[where],
        "chance": _share(2 * chances)[where],
        "margin": capped(np.rint(48 + 6 * margin))[where],
        "rank": capped(ahead.sum(axis=2))[where],
        "talk_chance": _share(2 * together.sum(axis=2))[where],
        "start_chance": _share(2 * starts)[where],
    }


def _talk(guesses: Guesses, i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
    """The candidate's conversation before line i."""
    facts, root = guesses.facts, guesses.root
    n, author, at = len(root), facts.lines.author, facts.lines.at_ms
    talk = np.where(i == j, i, root[j])
    last = guesses.in_talk.before(talk, i)
    own_last = guesses.own_in_talk.before(talk * facts.authors + author[i], i)
    last_there, next_own = np.maximum(last, 0), facts.own_after[0][i]
    return {
        "talk_lines": row_code(guesses.in_talk.between(talk, np.full(len(i), -1), i)),
        "talk_lines_since": row_code(guesses.in_talk.between(talk, j, i)),
        "talk_gap": gap_code(i, last, n),
        "talk_time_gap": np.where(last < 0, TOP, time_code(at[i] - at[last_there])).astype(
            np.uint8
        ),
        "talk_age": time_code(at[i] - at[talk]),
        "talk_own_gap": gap_code(i, own_last, n),
        "talk_last_own": ((last >= 0) & (author[last_there] == author[i])).astype(np.uint8),
        "talk_next_gap": gap_code(guesses.in_talk.after(talk, i), i, n),
        "talk_own_next_gap": gap_code(
            guesses.own_in_talk.after(talk * facts.authors + author[i], i), i, n
        ),
        "talk_words": capped(np.rint(2 * guesses.words.shared(i, talk, j))),
        "talk_of_own_last": _same_talk(root, facts.own_before[0][i], talk),
        "talk_of_addressee": _same_talk(root, facts.to_last[i], talk),
        "talk_of_to_me": _same_talk(root, facts.to_me[i], talk),
        "talk_of_line_before": _same_talk(root, i - 1, talk),
        "talk_of_next_own": _same_talk(root, np.where(next_own < n, next_own, -1), talk),
    }


def _same_talk(root: NDArray[np.int64], row: NDArray[np.int64], talk: NDArray[np.int64]) -> Column:
    """0 where there is no such row, 1 in another conversation, 2 in this one."""
    return np.where(row < 0, 0, 1 + (root[np.maximum(row, 0)] == talk)).astype(np.uint8)


def _agreement(guesses: Guesses, i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
    """Who answered the candidate, whom it answers, and what the authors' other lines do."""
    facts, parent = guesses.facts, guesses.parent
    n, authors, author = len(parent), facts.authors, facts.lines.author
    author_i, author_j = author[i], author[j]
    own, own_next = facts.own_before[0][i], facts.own_after[0][i]
    next_there = np.minimum(own_next, n - 1)
    by_me = guesses.answers_of.of(j * authors + author_i)
    mine = guesses.turns
    children = guesses.children
    best = parent[i]
    return {
        "answered": _share(guesses.answers.between(j * (n + 1) + j, j * (n + 1) + i)),
        "answered_later": _share(guesses.answers.between(j * (n + 1) + i + 1, (j + 1) * (n + 1))),
        "answered_by_me": _share(by_me),
        "my_answers": _share(guesses.answers.between(i * (n + 1) + i, (i + 1) * (n + 1))),
        "answers_by_them": _share(guesses.answers_of.of(i * authors + author_j)),
        "they_answer_me": _share(mine.of(j * authors + author_i)),
        "they_answer_themselves": _share(mine.of(j * authors + author_j)),
        "they_start": _share(2 * guesses.chances[j, -1]),
        "own_answers_them": _share(np.where(own < 0, 0, mine.of(own * authors + author_j))),
        "next_answers_them": _share(
            np.where(own_next < n, mine.of(next_there * authors + author_j), 0)
        ),
        "next_answers_me": _share(
            np.where(own_next < n, mine.of(next_there * authors + author_i), 0)
        ),
        "children": row_code(children.between(j, j, i)),
        "last_child_gap": gap_code(i, children.before(j, i), n),
        "next_child_gap": gap_code(children.after(j, i), i, n),
        "same_parent_as_own": np.where(own < 0, 0, 1 + (parent[own] == j)).astype(np.uint8),
        "parent_of_best": (parent[best] == j).astype(np.uint8) * (best != j),
        "best_is_parent": (parent[j] == best).astype(np.uint8) * (best != j),
        "best_author": (author[best] == author_j).astype(np.uint8),
        "parent_gap": gap_code(j, np.where(parent[j] == j, -1, parent[j]), n),
    }
