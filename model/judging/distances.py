"""How far one set of replies is from another, each in one respect.

Each function takes the features and the numbers of the rows of both sets: of the judged one, and of
the real one that it is measured against; as many of each, the i-th of both in one context. 0 is no
distance; what the largest is stands with each. None: it cannot be said with these features.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

from model.judging.telling import told_apart

if TYPE_CHECKING:
    from model.judging.features import Features, Floats, Rows

_NEAR = 0.5
"""Width of the kernel by which meanings are near, as a squared distance of unit vectors."""


def telling(of: Features, judged: Rows, real: Rows) -> float:
    """AUC of `telling.told_apart`: about 0.5 where nobody could tell, up to 1."""
    return told_apart(of.grams, judged, real)[0]


def length(of: Features, judged: Rows, real: Rows) -> float:
    """Kolmogorov-Smirnov's D of the lengths in characters, 0 to 1."""
    return _ks(of.lengths[judged], of.lengths[real])


def vocabulary(of: Features, judged: Rows, real: Rows) -> float:
    """Jensen-Shannon divergence in bits (0 to 1) of the words of `judged` and those of all real
    replies that are not among them; of as many words as the real set has at most: what is longer
    has more of them, and looks nearer for that alone."""
    most = sum(len(of.words[i]) for i in real)
    return jensen_shannon(Counter(_words(of, judged, most)), of.background_without(judged))


def order(of: Features, judged: Rows, real: Rows) -> float:
    """Kolmogorov-Smirnov's D of how well their words follow each other, 0 to 1."""
    return _ks(of.order[judged], of.order[real])


def manners_of_writing(of: Features, judged: Rows, real: Rows) -> float:
    """Root of the summed squares of the differences in how often each of `words.HABITS` is done; 0
    up to about 2."""
    import numpy as np

    apart = of.habits[judged].mean(axis=0) - of.habits[real].mean(axis=0)
    return float(np.sqrt((apart**2).sum()))


def meaning(of: Features, judged: Rows, real: Rows) -> float | None:
    """Maximum mean discrepancy of the embeddings (Gretton et al. 2012, unbiased; its root), 0 up to
    about 1: whether they speak of such things as the real ones do."""
    if of.vectors is None:
        return None
    a, b = of.vectors[judged], of.vectors[real]
    count = len(a)
    within = [(_near(x, x).sum() - count) / (count * (count - 1)) for x in (a, b)]
    return max(0.0, float(sum(within) - 2 * _near(a, b).mean())) ** 0.5


def fit(of: Features, judged: Rows, real: Rows) -> float | None:
    """How much less a reply is nearer to its own context than to the others' contexts than with the
    real ones: 0 as near or nearer, 1 no nearer than to any. None where that is not seen in the real
    ones either (less than three standard errors)."""
    own, others = lift(of, judged), lift(of, real)
    if own is None or others is None or len(real) < 3:
        return None
    wanted = float(others.mean())
    if wanted <= 3 * float(others.std(ddof=1)) / len(real) ** 0.5:
        return None
    return min(1.0, max(0.0, 1.0 - float(own.mean()) / wanted))


def lift(of: Features, rows: Rows) -> Floats | None:
    """Of each reply, the cosine with its own context less the mean one with the others' of the
    set."""
    if of.vectors is None or of.context_vectors is None:
        return None
    near = of.vectors[rows] @ of.context_vectors[rows].T
    count = len(rows)
    own = near.diagonal()
    others = (near.sum(axis=1) - own) / max(1, count - 1)
    return own - others


def variety(of: Features, judged: Rows, real: Rows) -> float:
    """Difference of distinct-2 (different pairs of words among all; Li et al. 2016), in as many
    pairs of both; 0 to 1."""
    both = [_word_pairs(of, rows) for rows in (judged, real)]
    most = min(map(len, both))
    if not most:
        return float(any(both))
    one, other = (len(set(pairs[:most])) / most for pairs in both)
    return abs(one - other)


def repetition(of: Features, judged: Rows, real: Rows) -> float:
    """How much more often a whole reply is said again in the set, and pairs of words within a
    reply; 0 to 2."""
    one, other = (
        _said_twice(of, rows) + float(of.said_again[rows].mean()) for rows in (judged, real)
    )
    return max(0.0, one - other)


def echo(of: Features, judged: Rows, real: Rows) -> float:
    """How much more of a reply is copied from its context, 0 to 1."""
    return max(0.0, float(of.echo[judged].mean() - of.echo[real].mean()))


def assistant(of: Features, judged: Rows, real: Rows) -> float:
    """How many more of the replies are an assistant's, 0 to 1."""
    return max(0.0, float(of.is_assistant[judged].mean() - of.is_assistant[real].mean()))


def jensen_shannon(one: Counter[str], other: Counter[str]) -> float:
    """In bits, 0 (the same shares) to 1 (nothing in common). With an empty one: 1."""
    import numpy as np

    if not one or not other:
        return 1.0
    kinds = sorted(one.keys() | other.keys())
    p, q = (np.array([c[k] for k in kinds], dtype=np.float64) / c.total() for c in (one, other))
    middle = (p + q) / 2
    parts = [float((x[x > 0] * np.log2(x[x > 0] / middle[x > 0])).sum() / 2) for x in (p, q)]
    return max(0.0, min(1.0, sum(parts)))


def _ks(one: Floats, other: Floats) -> float:
    import numpy as np

    values = np.sort(np.concatenate([one, other]))
    shares = [np.searchsorted(np.sort(x), values, side="right") / len(x) for x in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def _near(a: Floats, b: Floats) -> Floats:
    import numpy as np

    near: Floats = np.exp((a @ b.T - 1) / _NEAR)
    return near


def _words(of: Features, rows: Iterable[int], most: int) -> list[str]:
    return [word for i in rows for word in of.words[i]][:most]


def _word_pairs(of: Features, rows: Iterable[int]) -> list[tuple[str, str]]:
    return [pair for i in rows for pair in pairwise(of.words[i])]


def _said_twice(of: Features, rows: Rows) -> float:
    """Share of replies that another of the set says, too."""
    said = Counter(of.words[i] for i in rows)
    return sum(said[of.words[i]] > 1 for i in rows) / len(rows)
