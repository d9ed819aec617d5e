"""Says whether an earlier message is worth showing for a line at all. Pure; any thread.

The order of what was found does not: the first of many that do not fit is still the first. So
absolute signs count: how near the two lines are in meaning, and the words that they share. The
figures are for all-MiniLM-L6-v2 on chat lines; how they were chosen stands in docs/experiments.md.
"""

from __future__ import annotations

from collections.abc import Collection

from bot.query_words import WORD
from data.notes import root

CLOSE_WORDS = 2
"""While nobody asks: a line of fewer words that say anything ("thanks, I'll try") recalls
nothing."""

CLOSE_COSINE = 0.6
"""From here on two lines say nearly the same. Of 334 lines of #ubuntu 30% have such an earlier line
among 10,000, out of view."""
SAME_COSINE = 0.7
"""From here on they need not share a word."""

MIN_COSINE = 0.45
"""Below this two lines are about different things, unless they share their words."""
FAR_COSINE = 0.3
"""Below this also then."""
SHARED = 0.5
"""Of the words that say anything: so many are as good as meaning alike."""


class Gate:
    """For one line."""

    def __init__(self, words: Collection[str], *, only_close: bool, has_vectors: bool) -> None:
        """`words` of the line that say anything, case-folded. `only_close`: only what says nearly
        the same."""
        self._roots = tuple(map(root, words))
        self._only_close = only_close
        self._has_vectors = has_vectors

    def lets_in(self, text: str, cosine: float) -> bool:
        """Whether a message of that text, so near to the line, is worth showing."""
        said = {root(word.casefold()) for word in WORD.findall(text)}
        shared = sum(one in said for one in self._roots)
        if not self._has_vectors:
            return shared > 0
        if self._only_close:
            return cosine >= (CLOSE_COSINE if shared else SAME_COSINE)
        if shared >= max(2, SHARED * len(self._roots)):
            return cosine >= FAR_COSINE
        return cosine >= (MIN_COSINE if shared else CLOSE_COSINE)
