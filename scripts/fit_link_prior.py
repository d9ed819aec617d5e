"""Fits the trees that tell who answers whom, and writes them as NumPy arrays.

    python scripts/fit_link_prior.py --exports DIR --links FILE --out data/links/prior.npz
    python scripts/fit_link_prior.py --exports DIR --links FILE --held_out 0

DIR holds exports (one file a channel and day), FILE lines `message_id<TAB>parent_id`. Beside each
day as it was a quieter copy is learned from (scripts/quiet_days.py), and of every fourth a copy in
which nobody is addressed. For each of --seeds all is fitted, and the mean of them is written. With
--held_out every fifth day is left out of the fit, from the given one on, and scored. Needs
scikit-learn. The same data, seeds and scikit-learn give the same trees. About 6 minutes a seed for
60,000 links.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.links.facts import Facts, facts_of
from data.links.features import Columns, matrix, pair_columns, quick_columns
from data.links.fit import Choices, Growth, grow
from data.links.graph import Guesses, graph_columns
from data.links.lines import read_lines
from data.links.ranker import (
    Candidates,
    Forests,
    LinkRanker,
    Scores,
    blank,
    blocks,
    certain,
    decide,
    grid,
    pairs_of,
    save_forests,
)
from data.links.trees import Forest, Scorer, mean_of
from scripts.conversation_score import score
from scripts.edge import ending_in_a_sentence
from scripts.export_days import read_channels, read_links
from scripts.quiet_days import Day, quieter, unaddressed

FOLDS, PARTS = 3, 5
NOTES = (
    "Trees fitted on #ubuntu logs with gold reply links: Kummerfeld et al., A Large-Scale Corpus "
    "for Conversation Disentanglement, ACL 2019, jkkummerfeld/irc-disentanglement, CC-BY-4.0."
)
BIASES = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25)
"""What may be added to "answers nobody"; tried on the days that were held out."""


@dataclass(slots=True)
class Known:
    """A day read into columns."""

    kind: str
    number: int
    day: Day
    facts: Facts
    parents: dict[int, list[int]]
    """Rows, by the row that was judged."""
    judged: NDArray[np.int64]
    """Rows to learn from: judged, and no explicit reply."""
    candidates: Candidates
    scores: Scores


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--exports", type=Path, required=True, metavar="DIR")
    parser.add_argument("--links", type=Path, required=True, metavar="FILE")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the .npz to write")
    parser.add_argument("--held_out", type=int, metavar="0-4", help="score every fifth day")
    parser.add_argument("--share", type=float, default=1.0, help="of the days (default: all)")
    parser.add_argument("--rounds", type=int, nargs=3, default=(40, 140, 110), metavar="N")
    parser.add_argument("--leaves", type=int, default=31)
    parser.add_argument(
        "--start_bias", type=float, default=-0.4, help="see BIASES; chosen by these"
    )
    parser.add_argument("--rate", type=float, default=0.12)
    parser.add_argument("--seeds", type=int, nargs="+", default=(7,), metavar="SEED")
    arguments = parser.parse_args()
    if arguments.out is None and arguments.held_out is None:
        parser.error("give --out, --held_out or both")
    fitted = []
    for seed in arguments.seeds:
        known = list(_read(arguments, seed))
        learned = [one for one in known if one.number % PARTS != arguments.held_out]
        fitted.append(Fitter(arguments, seed).fit(learned))
    forests = _together(fitted)
    if arguments.out is not None:
        save_forests(arguments.out, forests, NOTES)
        print(f"Written to {arguments.out} ({arguments.out.stat().st_size / 1e6:.2f} MB)")
    if arguments.held_out is not None:
        _say_scores(forests, [one for one in known if one.number % PARTS == arguments.held_out])
    return 0


def _together(fitted: Sequence[Forests]) -> Forests:
    """The first one's first look, and the means of the others."""
    pair, graph = mean_of([one.pair for one in fitted]), mean_of([one.graph for one in fitted])
    return Forests(fitted[0].quick, pair, graph, fitted[0].start_bias)


def _read(arguments: argparse.Namespace, seed: int) -> Iterable[Known]:
    links = read_links(arguments.links)
    chosen = random.Random(seed)
    for number, messages in enumerate(read_channels(arguments.exports).values()):
        if chosen.random() > arguments.share:
            continue
        there = {message.message_id for message in messages}
        day = Day(messages, {k: v for k, v in links.items() if k in there})
        rng = random.Random(seed * 1000 + number)
        yield _known("as it was", number, day)
        yield _known("quieter", number, quieter(day, rng))
        if number % 4 == 0:
            yield _known("unaddressed", number, unaddressed(day, rng))


def _known(kind: str, number: int, day: Day) -> Known:
    facts = facts_of(read_lines(day.messages))
    row = {message.message_id: number for number, message in enumerate(day.messages)}
    parents = {
        row[child]: [row[one] for one in before if one in row]
        for child, before in day.links.items()
    }
    rows = [r for r, before in sorted(parents.items()) if before and facts.lines.reply[r] < 0]
    nothing = np.empty((0, 0), np.float32)
    return Known(
        kind, number, day, facts, parents, np.array(rows, np.int64), nothing.astype(int), nothing
    )


class Fitter:
    """Fits the three forests, one after the other; each sees what the one before makes."""

    def __init__(self, arguments: argparse.Namespace, seed: int) -> None:
        self._rounds, self._start_bias = arguments.rounds, arguments.start_bias
        self._leaves, self._rate, self._seed = arguments.leaves, arguments.rate, seed
        self._began = time.monotonic()

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:6.0f} s  {text}", flush=True)

    def fit(self, known: Sequence[Known]) -> Forests:
        self._say(f"{len(known)} days, {sum(len(k.judged) for k in known)} lines to learn from")
        wide = _joined([_wide_choices(one) for one in known[::2]])
        quick = grow(wide, Growth(self._rounds[0], 16, 0.3, seed=self._seed))
        looks = LinkRanker(Forests(quick, quick, quick))
        for one in known:
            one.candidates = looks.candidates(one.facts)
        self._say("candidates are chosen")
        pair = self._second(known)
        growth = Growth(self._rounds[2], self._leaves, self._rate, seed=self._seed)
        graph = grow(_joined([_graph_choices(one) for one in known]), growth)
        self._say("third forest")
        return Forests(quick, pair, graph, self._start_bias)

    def _second(self, known: Sequence[Known]) -> Forest:
        """The second forest. The scores that the third learns from are of trees that had not seen
        the day."""
        growth = Growth(self._rounds[1], self._leaves, self._rate, seed=self._seed)
        choices = [_pair_choices(one) for one in known]
        self._say("pairs are read")
        for fold in range(FOLDS):
            others = zip(choices, known, strict=True)
            seen = [choice for choice, one in others if one.number % FOLDS != fold]
            scorer = Scorer(grow(_joined(seen), growth))
            for one in known:
                if one.number % FOLDS == fold:
                    one.scores = _scored(one, scorer)
            self._say(f"second forest without fold {fold}")
        return grow(_joined(choices), growth)


def _wide_choices(one: Known) -> Choices:
    def columns(i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
        return quick_columns(one.facts, i, j)

    return _choices(one, grid(one.facts, one.judged), columns)


def _pair_choices(one: Known) -> Choices:
    def columns(i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
        return pair_columns(one.facts, i, j)

    return _choices(one, one.candidates[one.judged], columns)


def _graph_choices(one: Known) -> Choices:
    sure = certain(one.facts.lines.reply, one.candidates, one.scores)
    guesses = Guesses(one.facts, one.candidates, sure)

    def columns(i: NDArray[np.int64], j: NDArray[np.int64]) -> Columns:
        rows = np.unique(i)
        return {**pair_columns(one.facts, i, j), **graph_columns(guesses, i, j, rows)}

    return _choices(one, one.candidates[one.judged], columns)


def _choices(
    one: Known,
    candidates: Candidates,
    columns: Callable[[NDArray[np.int64], NDArray[np.int64]], Columns],
) -> Choices:
    """What is to be learned of a day's judged lines, where a true parent is a candidate."""
    wanted = np.zeros(candidates.shape, np.float32)
    for number, row in enumerate(one.judged.tolist()):
        wanted[number] = np.isin(candidates[number], one.parents[row])
    use = wanted.sum(axis=1) > 0
    candidates, wanted = candidates[use], wanted[use]
    there = candidates >= 0
    i = np.broadcast_to(one.judged[use][:, None], candidates.shape)[there]
    found = matrix(columns(i, candidates[there])) if len(i) else np.empty((0, 0), np.uint8)
    return Choices(found, there, wanted / np.maximum(wanted.sum(axis=1, keepdims=True), 1))


def _joined(parts: Sequence[Choices]) -> Choices:
    full = [part for part in parts if len(part.there)]
    return Choices(
        np.concatenate([part.matrix for part in full], axis=1),
        np.concatenate([part.there for part in full]),
        np.concatenate([part.wanted for part in full]),
    )


def _scored(one: Known, scorer: Scorer) -> Scores:
    """Scores of all candidates of all lines of a day."""
    scores = blank(one.candidates)
    for rows in blocks(len(scores)):
        i, j = pairs_of(one.candidates[rows], rows.start)
        found = scorer.scores(matrix(pair_columns(one.facts, i, j)))
        scores[rows][one.candidates[rows] >= 0] = found
    return scores


def _say_scores(forests: Forests, held_out: Sequence[Known]) -> None:
    """The figures of days that were not learned from, by kind and start bias."""
    ranker = LinkRanker(forests)
    ranked = [(one, *ranker.scores(one.facts)) for one in held_out]
    for kind in dict.fromkeys(one.kind for one in held_out):
        for bias in BIASES:
            true: dict[int, set[int]] = {}
            found: dict[int, set[int]] = {}
            for number, (one, candidates, scores) in enumerate(ranked):
                if one.kind != kind:
                    continue
                parent, _ = decide(candidates, scores, bias)
                base = number * 10_000_000
                for row, before in one.parents.items():
                    if before:
                        true[base + row] = {base + p for p in before}
                        found[base + row] = {base + int(parent[row])}
            figures = score(true, found)
            told = "  ".join(f"{name} {value:.1f}" for name, value in figures.items())
            print(f"{kind:12} start {bias:+.2f}  {told}", flush=True)


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
