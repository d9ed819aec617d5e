"""What the judge knows of each reply: a row each, computed once, so that any two sets of replies
can be compared by the numbers of their rows.

Of N replies: those of a model, the real ones to the same contexts, and further real ones. The
background is every real reply of the training set.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from model.judging.manner import manners
from model.judging.replies import Reply
from model.judging.words import habits, words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats: TypeAlias = npt.NDArray[np.float64]
    Rows: TypeAlias = npt.NDArray[np.intp]

Embed = Callable[[Sequence[str]], Any]
"""Lines to an array of unit vectors, a row each (model.embedder.Embedder.embed)."""

GRAM_PLACES = 1 << 18
"""Character 2-5-grams are hashed into so many."""
FIT_LINES = 2
"""Of a context, what a reply is held to by the embedder: what it answers is among them mostly."""
_BEGIN, _END = "\x02", "\x03"
_KNOWN = 0.7
"""Of a word's chance, how much is told by the word before it; the rest by how frequent it is."""


@dataclass(frozen=True)
class Features:
    """N replies; all arrays have N rows."""

    replies: tuple[Reply, ...]
    lengths: Floats
    """Characters."""
    words: tuple[tuple[str, ...], ...]
    habits: Floats
    """N x len(words.HABITS), 0 or 1."""
    grams: Any
    """Character 2-5-grams: N x GRAM_PLACES, tf-idf over all N, rows of length 1 (scipy CSR)."""
    order: Floats
    """Nats a word: how much more often its words follow each other in the background than by chance
    (the reply itself left out)."""
    echo: Floats
    """Share of its word 3-grams (of a shorter one: whether all of it) that stand in its context."""
    said_again: Floats
    """Share of its words' 2-grams that it said before."""
    is_assistant: Floats
    """0 or 1: any of manner.SAYINGS."""
    vectors: Floats | None
    """N x d, by the embedder; None without one."""
    context_vectors: Floats | None
    """Of the lines before it."""
    background: Counter[str]
    """Every word of the background, and how often."""
    in_background: tuple[bool, ...]
    """Whether somebody said just that."""

    def background_without(self, rows: Iterable[int]) -> Counter[str]:
        """The background's words without those of the rows that are in it."""
        own = Counter(w for i in rows if self.in_background[i] for w in self.words[i])
        return self.background - own


def features(
    replies: Sequence[Reply], background: Sequence[Reply], embed: Embed | None = None
) -> Features:
    """The rows of `replies`. What is said in the background in the very same words is left out of
    it once where it is compared with it: a real reply is in it, and a model's is to be no worse off
    for saying "yes" than a member."""
    import numpy as np

    taken = tuple(tuple(words(one.text)) for one in replies)
    said = [words(one.text) for one in background]
    model = Follows(said)
    known = {one.text for one in background}
    vectors = contexts = None
    if embed is not None:
        vectors = np.asarray(embed([one.text for one in replies]), dtype=np.float64)
        before = ["\n".join(one.context[-FIT_LINES:]) for one in replies]
        contexts = np.asarray(embed(before), dtype=np.float64)
    return Features(
        replies=tuple(replies),
        lengths=np.array([len(one.text) for one in replies], dtype=np.float64),
        words=taken,
        habits=np.array([habits(one.text) for one in replies], dtype=np.float64),
        grams=_grams([one.text for one in replies]),
        order=np.array(
            [
                model.order(own, own if one.text in known else ())
                for one, own in zip(replies, taken, strict=True)
            ]
        ),
        echo=np.array([_echo(own, one) for one, own in zip(replies, taken, strict=True)]),
        said_again=np.array([_said_again(own) for own in taken]),
        is_assistant=np.array([bool(manners(one.text)) for one in replies], dtype=np.float64),
        vectors=vectors,
        context_vectors=contexts,
        background=Counter(word for one in said for word in one),
        in_background=tuple(one.text in known for one in replies),
    )


class Follows:
    """Which words follow which, by counts of pairs."""

    def __init__(self, said: Sequence[Sequence[str]]) -> None:
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._singles: Counter[str] = Counter()
        self._firsts: Counter[str] = Counter()
        for one in said:
            self._count(one, self._pairs, self._singles, self._firsts)
        self._total = sum(self._singles.values())
        self._kinds = len(self._singles) + 1

    def order(self, said: Sequence[str], left_out: Sequence[str] = ()) -> float:
        """Mean pointwise mutual information of neighbouring words, both ends included, without what
        `left_out` gave to the counts. A rare word is no reason for a low one."""
        pairs, singles, firsts = Counter[tuple[str, str]](), Counter[str](), Counter[str]()
        if left_out:
            self._count(left_out, pairs, singles, firsts)
        total = self._total - sum(singles.values())
        nats = 0.0
        for before, word in _pairs_of(said):
            alone = (self._singles[word] - singles[word] + 1) / (total + self._kinds)
            base = self._firsts[before] - firsts[before]
            follows = (self._pairs[before, word] - pairs[before, word]) / base if base else alone
            nats += math.log(_KNOWN * follows / alone + 1 - _KNOWN)
        return nats / (len(said) + 1)

    @staticmethod
    def _count(
        said: Sequence[str],
        pairs: Counter[tuple[str, str]],
        singles: Counter[str],
        firsts: Counter[str],
    ) -> None:
        for before, word in _pairs_of(said):
            pairs[before, word] += 1
            singles[word] += 1
            firsts[before] += 1


def _pairs_of(said: Sequence[str]) -> zip[tuple[str, str]]:
    return zip((_BEGIN, *said), (*said, _END), strict=True)


def _grams(texts: Sequence[str]) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    hashed = HashingVectorizer(
        analyzer="char", ngram_range=(2, 5), n_features=GRAM_PLACES, lowercase=False,
        alternate_sign=False, norm=None,
    ).transform([f"{_BEGIN}{text}{_END}" for text in texts])  # fmt: skip
    return TfidfTransformer(sublinear_tf=True).fit_transform(hashed)


def _echo(own: Sequence[str], reply: Reply) -> float:
    if len(own) < 2:
        return 0.0
    size = min(3, len(own))
    there = {
        found[i : i + size]
        for found in (tuple(words(line)) for line in reply.context)
        for i in range(len(found) - size + 1)
    }
    grams = [tuple(own[i : i + size]) for i in range(len(own) - size + 1)]
    return sum(gram in there for gram in grams) / len(grams)


def _said_again(own: Sequence[str]) -> float:
    grams = list(pairwise(own))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
