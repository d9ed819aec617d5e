"""Shortens what is said over and over: a model that has lost itself. Pure; any thread."""

from __future__ import annotations

import re

MOST_REPEATS = 8
"""Of the same words in a row. Of 10,000 lines of #ubuntu none has as many."""
KEPT_REPEATS = 3
LONGEST_UNIT = 12
"""Words."""

_SIGNS = re.compile(r"(\S{1,6}?)\1{39,}")
_WORD = re.compile(r"\S+")


def without_repeats(text: str) -> str:
    """With KEPT_REPEATS of what is repeated MOST_REPEATS times and more, and rows of the same sign
    of ten."""
    text = _SIGNS.sub(lambda m: m[1] * 10, text)
    if len(text) < 2 * MOST_REPEATS:
        return text
    words = [(m.start(), m.end(), m[0].casefold()) for m in _WORD.finditer(text)]
    for size in range(1, min(LONGEST_UNIT, len(words) // MOST_REPEATS) + 1):
        same = 0
        for n in range(size, len(words) + 1):
            if n < len(words) and words[n][2] == words[n - size][2]:
                same += 1
                continue
            if same >= size * (MOST_REPEATS - 1):
                first = n - size - same
                start = words[first + KEPT_REPEATS * size - 1][1]
                end = words[first + (same // size + 1) * size - 1][1]
                return without_repeats(text[:start] + text[end:])
            same = 0
    return text
