"""Ranks which earlier line each line answers: three looks, each at fewer pairs with more features.

1. A small forest looks at the last lines and at what addressing points to, and keeps a few.
2. A forest with everything about a pair scores these, and the line itself ("answers nobody").
3. With the conversations that come out (data/link_graph) a third forest scores them again.

What is shipped (data/links/prior.npz, made by scripts/fit_link_prior.py) was fitted on #ubuntu logs
with gold reply links: Kummerfeld et al., "A Large-Scale Corpus for Conversation Disentanglement",
ACL 2019, jkkummerfeld/irc-disentanglement, licence CC-BY-4.0. It holds numbers, no words.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.links.facts import Facts, facts_of
from data.links.features import Columns, matrix, pair_columns, quick_columns
from data.links.graph import Guesses, graph_columns, softmax
from data.links.lines import read_lines
from data.links.trees import DamagedForest, Forest, Scorer, read_forest
from data.preprocessor import CleanMessage
from storage.errors import MynahError
from storage.records import Origin

PRIOR = Path(__file__).with_name("prior.npz")
WINDOW = 60
"""The last lines that may be answered by their nearness alone."""
KEPT = 12
"""Candidates that stay after the first look."""
BLOCK = 512
"""Lines looked at together."""
CERTAIN = 50.0
"""The score of an explicit reply."""
OWN_FEATURES = (
    "same_author to_them to_me same_to partners asks they_ask opens they_open words their_words "
    "marks their_marks shared shared_most shared_count shared_with_last own_shared turns_to_them "
    "turns_to_me soon_to_them soon_to_me own_count their_count they_addressed to_outsider"
).split()
"""What a community's own trees see: nothing that tells how near a candidate is."""

Candidates = NDArray[np.int64]
"""Rows of lines, n x C; -1 where there is none."""
Scores = NDArray[np.float32]
"""n x C; -inf where there is no candidate."""


class LinkRankerDamaged(MynahError):
    """The file with the fitted trees cannot be used."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """What each of n lines answers."""

    parent: NDArray[np.int64]
    """The row of the line answered; the line's own row where it answers nobody."""
    chance: NDArray[np.float32]
    """How sure that is, 0 to 1."""
    explicit: NDArray[np.bool_]
    """Where the line is a reply to its parent."""


@dataclass(frozen=True, slots=True)
class Forests:
    """The three looks' trees, and what is added to the score of "answers nobody"."""

    quick: Forest
    pair: Forest
    graph: Forest
    start_bias: float = 0.0


@dataclass(frozen=True, slots=True)
class Own:
    """A community's own trees (data/link_community) and how much they weigh beside the prior."""

    forest: Forest
    weight: float


class LinkRanker:
    """Ranks which earlier line each line answers. Any thread; nothing in it changes."""

    def __init__(self, forests: Forests, own: Own | None = None) -> None:
        self.forests, self.own = forests, own
        self._own = Scorer(own.forest) if own else None
        self._quick = Scorer(forests.quick)
        self._pair = Scorer(forests.pair)
        self._graph = Scorer(forests.graph)

    def rank(self, messages: Sequence[CleanMessage]) -> Ranking:
        """What the lines of one channel answer; `messages` come in true order."""
        if not messages:
            nothing = np.empty(0)
            return Ranking(nothing.astype(int), nothing.astype(np.float32), nothing > 0)
        facts = facts_of(read_lines(messages))
        candidates, scores = self.scores(facts)
        parent, chance = decide(candidates, scores, self.forests.start_bias)
        return Ranking(parent, chance, facts.lines.reply == parent)

    def scores(self, facts: Facts) -> tuple[Candidates, Scores]:
        """The candidates of each line, itself the last, and the third look's scores."""
        candidates = self.candidates(facts)
        first = certain(facts.lines.reply, candidates, self.first_scores(facts, candidates))
        guesses = Guesses(facts, candidates, first)
        scores = blank(candidates)
        for rows in blocks(len(candidates)):
            columns = graph_pairs(guesses, rows)
            scores[rows][candidates[rows] >= 0] = self._graph.scores(matrix(columns))
            if self._own and self.own:
                own = np.zeros_like(scores[rows])
                own[candidates[rows] >= 0] = self._own.scores(_own_matrix(columns))
                free = others_lines(facts, rows, candidates[rows])
                scores[rows] = moved(scores[rows], self.own.weight * own, free)
        return candidates, certain(facts.lines.reply, candidates, scores)

    def candidates(self, facts: Facts) -> Candidates:
        """The KEPT likeliest candidates of each line, likeliest first, and the line itself."""
        kept = np.full((len(facts.lines), KEPT + 1), -1, np.int64)
        for rows in blocks(len(kept)):
            here = np.arange(rows.start, rows.stop)
            wide = grid(facts, here)
            scores = blank(wide)
            i, j = pairs_of(wide, rows.start)
            scores[wide >= 0] = self._quick.scores(matrix(quick_columns(facts, i, j)))
            scores = certain(facts.lines.reply[here], wide, scores)
            best = np.argsort(-scores, axis=1, kind="stable")[:, :KEPT]
            kept[rows, :KEPT] = np.take_along_axis(wide, best, axis=1)
            kept[rows, KEPT] = here
        return kept

    def first_scores(self, facts: Facts, candidates: Candidates) -> Scores:
        """The second look's scores, from which the conversations are guessed."""
        scores = blank(candidates)
        for rows in blocks(len(candidates)):
            i, j = pairs_of(candidates[rows], rows.start)
            scores[rows][candidates[rows] >= 0] = self._pair.scores(
                matrix(pair_columns(facts, i, j))
            )
        return scores


def graph_pairs(guesses: Guesses, rows: slice) -> Columns:
    """The third look's columns of the pairs of lines `rows`."""
    i, j = pairs_of(guesses.candidates[rows], rows.start)
    return {**pair_columns(guesses.facts, i, j), **graph_columns(guesses, i, j, rows)}


def decide(
    candidates: Candidates, scores: Scores, start_bias: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Each line's likeliest parent and its chance. `start_bias` goes to the line's own score."""
    biased = scores.copy()
    biased[:, -1] += start_bias
    chances = softmax(biased)
    best, rows = chances.argmax(axis=1), np.arange(len(chances))
    return candidates[rows, best], chances[rows, best]


def moved(scores: Scores, own: Scores, free: NDArray[np.bool_]) -> Scores:
    """Scores plus `own` where `free`, so that the chances of all others stay as they were."""
    before = np.where(free, scores, -np.inf).astype(np.float32)
    after = before + own
    with np.errstate(invalid="ignore"):
        return np.where(free, after + _log_sum(before) - _log_sum(after), scores)


def others_lines(facts: Facts, rows: slice, candidates: Candidates) -> NDArray[np.bool_]:
    """Which candidates of lines `rows` are lines of somebody else."""
    author = facts.lines.author
    return (candidates >= 0) & (author[np.maximum(candidates, 0)] != author[rows][:, None])


def _log_sum(scores: Scores) -> Scores:
    """Of each row, n x 1; -inf where nothing is in it."""
    highest = scores.max(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Scores = highest + np.log(np.exp(scores - highest).sum(axis=1, keepdims=True))
    return np.where(np.isfinite(highest), found, -np.inf).astype(np.float32)


def own_columns(facts: Facts, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The matrix that a community's own trees see."""
    return _own_matrix(pair_columns(facts, i, j))


def _own_matrix(columns: Columns) -> NDArray[np.uint8]:
    return matrix({name: columns[name] for name in OWN_FEATURES})


def certain(reply: NDArray[np.int32], candidates: Candidates, scores: Scores) -> Scores:
    """The scores, those of explicit replies (by line, -1 for none) raised beyond all others."""
    told = (candidates == reply[:, None]) & (reply >= 0)[:, None]
    return np.where(told, np.float32(CERTAIN), scores)


def grid(facts: Facts, rows: NDArray[np.int64]) -> Candidates:
    """The candidates of lines `rows`: the last WINDOW lines and farther ones that talk points to.

    len(rows) x (WINDOW + 5).
    """
    near = rows[:, None] - np.arange(1, WINDOW + 1)
    far = np.stack(
        [
            facts.own_before[0][rows],
            facts.to_last[rows],
            facts.to_me[rows],
            facts.also_last[rows],
            facts.lines.reply[rows].astype(np.int64),
        ],
        axis=1,
    )
    far[far >= rows[:, None] - WINDOW] = -1
    for column in range(1, far.shape[1]):
        seen = (far[:, :column] == far[:, column : column + 1]).any(axis=1)
        far[seen, column] = -1
    return np.maximum(np.concatenate([near, far], axis=1), -1)


def pairs_of(candidates: Candidates, first: int = 0) -> tuple[Candidates, Candidates]:
    """The rows i and j of all candidates that exist; the first line's row is `first`."""
    there = candidates >= 0
    i = np.broadcast_to(np.arange(len(candidates))[:, None] + first, candidates.shape)
    return i[there], candidates[there]


def blank(candidates: Candidates) -> Scores:
    """No candidate has a score yet."""
    return np.full(candidates.shape, -np.inf, np.float32)


def blocks(lines: int) -> list[slice]:
    """Slices of BLOCK rows."""
    return [slice(a, min(a + BLOCK, lines)) for a in range(0, lines, BLOCK)]


def save_forests(path: Path, forests: Forests, notes: str) -> None:
    """Writes an npz without pickle; `notes` names the data and its licence."""
    arrays: dict[str, NDArray[np.generic]] = {
        **forests.quick.arrays("quick"),
        **forests.pair.arrays("pair"),
        **forests.graph.arrays("graph"),
        "start_bias": np.array(forests.start_bias, np.float32),
        "feature_names": np.array(" ".join(feature_names())),
        "notes": np.array(notes),
    }
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def feature_names() -> tuple[str, ...]:
    """Of the third look; the second's are the first of them, and the first look's the first of
    those."""
    facts = facts_of(read_lines([CleanMessage(1, 1, 1, "a", "a", 0, Origin.SAMPLE)]))
    guesses = Guesses(facts, np.array([[-1, 0]]), np.array([[-np.inf, 0]], np.float32))
    return tuple(graph_pairs(guesses, slice(0, 1)))


@lru_cache(maxsize=1)
def feature_counts() -> tuple[int, int, int]:
    """How many features each look has."""
    facts = facts_of(read_lines([CleanMessage(1, 1, 1, "a", "a", 0, Origin.SAMPLE)]))
    row = np.zeros(1, np.int64)
    quick, pair = quick_columns(facts, row, row), pair_columns(facts, row, row)
    return len(quick), len(pair), len(feature_names())


def load_forests(path: Path) -> Forests:
    """Raises LinkRankerDamaged where the file is not there or is none that was saved so."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        bias = float(arrays["start_bias"])
        if not abs(bias) < CERTAIN:
            raise DamagedForest("the start's score is out of range")
        if str(arrays["feature_names"]) != " ".join(feature_names()):
            raise DamagedForest("it was made for other features")
        quick, pair, graph = feature_counts()
        return Forests(
            read_forest(arrays, "quick", quick),
            read_forest(arrays, "pair", pair),
            read_forest(arrays, "graph", graph),
            bias,
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise LinkRankerDamaged(
            f"{path.name} (who answers whom) cannot be read: {error}. Copy it from the program's "
            "download again."
        ) from error


@lru_cache(maxsize=1)
def prior() -> LinkRanker:
    """The ranker that is shipped. Raises LinkRankerDamaged."""
    return LinkRanker(load_forests(PRIOR))
