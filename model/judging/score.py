"""The personality score, 0 to 100: how much is reached of what real people reach.

Real people are not equal to themselves either: of 50 messages, two samples of the same community
share 0.18 of their vocabulary. So no figure counts as it is. For each metric further real replies
of the same community, with the same authors in the same shares and as many, are put in the model's
place again and again (`CEILINGS` times): that is what can be reached at all, the ceiling, with its
mean m and spread s (the samples overlap, so s is a little small: hence 2 s below and not 1.64).
Of a metric with the distance d (`distances`), the share is

    share = 1                      where d <= c, c = m + 2 s: about 95% of real samples are there
    share = (f - d) / (f - c)      between c and f
    share = 0                      from f on: the distance at which nothing is left of it

    score = 100 * product over metrics of max(share, LEAST) ^ (weight / sum of weights)

A weighted geometric mean, as BLEU (Papineni et al. 2002) and the Human Development Index use it for
the same reason: what is bad in one respect is not bought off with others. Who repeats three
frequent lines has fine words, and no score. The weights say what people notice first, and are ours:
the classifier, which sees everything a little, weighs a quarter; `f` was set by what a stock
assistant and another community reach (docs/experiments.md, scripts/bench_judge.py).

One metric is of the model and not of its replies: how well it expects held-out ones, in bits a
byte. Its ceiling are the community's replies themselves, which tell each other letter by letter
(`letters`), and at `UNKNOWN` times as many bits it knows nothing of the community. Text alone does
not show that where a base was made from like talk. Of a set of replies without a model it is left
out, and so is what else cannot be measured (no embedder; a community whose own replies show no
fit): its weight with it.

What the score cannot see: a model that says what members said word for word (that is the leak
audit's), and whether a reply is true, kind or wanted.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from model.evaluate import EvaluationError
from model.judging import distances
from model.judging.features import Embed, Features, features
from model.judging.replies import DRAWS, Reply, in_their_places, like

if TYPE_CHECKING:
    from model.judging.features import Rows

CEILINGS = 24
"""Samples of real replies in the model's place."""
SURE = 2.0
LEAST = 0.005
"""A share of nothing costs so much, and not all: a score still tells bad from worse."""
FEWEST = 20
"""Replies below which nothing is said."""

UNKNOWN = 1.5
"""Times the bits a byte of letters alone: nothing is left of expecting."""

Distance = Callable[[Features, "Rows", "Rows"], "float | None"]


@dataclass(frozen=True)
class Metric:
    """One respect in which replies are compared."""

    key: str
    title: str
    says: str
    """What its distance is, for people."""
    weight: float
    gone_at: float
    """`f` above."""
    distance: Distance = lambda of, judged, real: None


EXPECTS = Metric("expects", "Expects what is said here", "bits a byte of held-out replies", 20, 4.0)
METRICS = (
    Metric("telling", "Told apart by a classifier", "AUC by character 2-5-grams", 30, 1.0,
           distances.telling),
    Metric("length", "Length", "Kolmogorov-Smirnov D of the characters", 9, 0.7, distances.length),
    Metric("vocabulary", "Vocabulary", "Jensen-Shannon divergence to all real replies, bits", 9,
           0.75, distances.vocabulary),
    Metric("order", "Order of words", "Kolmogorov-Smirnov D of how words follow", 9, 0.7,
           distances.order),
    Metric("habits", "Emoji, punctuation, casing", "distance of how often each is done", 9, 1.0,
           distances.manners_of_writing),
    Metric("meaning", "What is talked about", "discrepancy of the embeddings", 8, 0.35,
           distances.meaning),
    Metric("fit", "Fits its context", "nearness to the own context that is missing", 8, 1.0,
           distances.fit),
    Metric("variety", "Variety", "difference of distinct-2", 4, 0.3, distances.variety),
    Metric("repetition", "Repeats itself", "more repeated replies and word pairs", 5, 0.4,
           distances.repetition),
    Metric("echo", "Copies its context", "more words copied", 4, 0.4, distances.echo),
    Metric("assistant", "Sounds like an assistant", "more replies in that manner", 5, 0.25,
           distances.assistant),
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One metric of one set of replies."""

    metric: Metric
    distance: float
    ceiling: float
    """Mean distance of real samples from the real replies."""
    spread: float
    """Their standard deviation."""
    counts_from: float
    """`c` above."""

    @property
    def share(self) -> float:
        """0 to 1, of what real people reach."""
        share = (self.metric.gone_at - self.distance) / (self.metric.gone_at - self.counts_from)
        return min(1.0, max(0.0, share))

    @property
    def lost(self) -> float:
        """What it takes off the score, as a weight: 0 where nothing."""
        return -self.metric.weight * math.log(max(self.share, LEAST))


@dataclass(frozen=True)
class Score:
    """What a set of replies reaches."""

    value: float
    """0 to 100."""
    measured: tuple[Measured, ...]
    """What could be measured, in the order of `METRICS`."""
    left_out: tuple[str, ...]
    """Titles of what could not."""


class Scale:
    """What real replies reach against themselves: made once, for any number of sets of replies to
    the same contexts."""

    def __init__(
        self,
        sets: Mapping[str, Sequence[Reply]],
        real: Sequence[Reply],
        further: Sequence[Reply],
        background: Sequence[Reply],
        *,
        embed: Embed | None = None,
        seed: int = 0,
    ) -> None:
        """`sets` are judged, each as long as `real` and its i-th reply in the i-th one's context;
        `further` are real replies to draw ceilings from, `background` all real ones. Raises
        EvaluationError where there are too few.
        """
        import numpy as np

        count = len(real)
        if count < FEWEST or len(further) < count:
            raise EvaluationError(
                f"{count} held-out replies and {len(further)} further ones are too few to judge "
                f"by: it takes {FEWEST} and as many again. Prepare a set of more history."
            )
        if any(len(one) != count for one in sets.values()):
            raise EvaluationError("a set of replies is not as long as the real one")
        drawn = like(real, further, DRAWS * count, seed)
        self.sets = dict(sets)
        rows = [*real, *drawn, *(one for each in sets.values() for one in each)]
        self.features = features(rows, background, embed)
        self.real = np.arange(count)
        self._at = {
            name: np.arange(count) + len(real) + len(drawn) + i * count
            for i, name in enumerate(sets)
        }
        number = {id(one): i for i, one in enumerate(drawn, start=count)}
        samples = [
            np.array([number[id(one)] for one in in_their_places(real, sample)])
            for sample in (like(real, drawn, count, seed + k) for k in range(CEILINGS))
        ]
        self._ceilings = {m.key: self._ceiling(m, samples) for m in METRICS}

    @property
    def real_scores(self) -> tuple[float, ...]:
        """What each sample of real replies scores, against the ceilings by all the others."""
        found = []
        for k in range(CEILINGS):
            measured = [
                _measured(m, known[k], [*known[:k], *known[k + 1 :]])
                for m in METRICS
                if (known := self._ceilings[m.key]) is not None
            ]
            found.append(_mean(measured))
        return tuple(found)

    def rows(self, name: str) -> Rows:
        """Of one of the sets."""
        return self._at[name]

    def score(self, name: str, expects: Measured | None = None) -> Score:
        """Of one of the sets; `expects` is what `expecting` says of the model that wrote it."""
        measured = [expects] if expects is not None else []
        left_out = []
        for metric in METRICS:
            distance = metric.distance(self.features, self._at[name], self.real)
            ceiling = self._ceilings[metric.key]
            if distance is None or ceiling is None:
                left_out.append(metric.title)
            else:
                measured.append(_measured(metric, distance, ceiling))
        return Score(_mean(measured), tuple(measured), tuple(left_out))

    def _ceiling(self, metric: Metric, samples: Sequence[Rows]) -> list[float] | None:
        """The distances of real samples."""
        found = [metric.distance(self.features, one, self.real) for one in samples]
        known = [one for one in found if one is not None]
        return known if len(known) == len(found) else None


def expecting(bits: float, by_letters: float, error: float) -> Measured:
    """How well a model expects held-out replies, as a metric: bits a byte of its own, and of
    `letters.letter_bits` with their standard error."""
    metric = replace(EXPECTS, gone_at=max(LEAST, UNKNOWN * by_letters))
    counts_from = min(by_letters + SURE * error, 0.95 * metric.gone_at)
    return Measured(metric, bits, by_letters, error, counts_from)


def _measured(metric: Metric, distance: float, real: Sequence[float]) -> Measured:
    mean, spread = statistics.fmean(real), statistics.stdev(real)
    counts_from = min(mean + SURE * spread, 0.95 * metric.gone_at)
    return Measured(metric, distance, mean, spread, counts_from)


def _mean(measured: Sequence[Measured]) -> float:
    weights = sum(one.metric.weight for one in measured)
    return 100 * math.exp(-sum(one.lost for one in measured) / weights)
