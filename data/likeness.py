"""How alike two contexts are, and whether two replies say nearly the same: words alone, in NumPy.

A context is a vector of its words: each of the last 6 lines weighs 1/k, k its place from the end,
each word by how rare it is among the contexts compared (idf, ln((1 + n) / (1 + df)) + 1), hashed
into 2,048 places with a sign (Weinberger et al., ICML 2009). The likeness of two is their cosine.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from model.chat_format import NOT_SHARED, Note, Turn

LINES = 6
PLACES = 2048
NEARLY = 0.8
"""Share of the words of two replies that both have, from which on they are nearly the same."""

_WORD = re.compile(r"\w+")
_UNSPACED = re.compile("[\u2e80-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]")
"""Scripts that are written without blanks: their words are taken to be pairs of characters."""


def words(text: str) -> list[str]:
    """The words of a text, in small letters."""
    found: list[str] = []
    for word in _WORD.findall(text.casefold()):
        if len(word) > 1 and _UNSPACED.search(word):
            found += [word[at : at + 2] for at in range(len(word) - 1)]
        else:
            found.append(word)
    return found


def nearly_same(one: str, other: str) -> bool:
    """Whether two replies have nearly the same words, or, where neither has any, the same text."""
    first, second = set(words(one)), set(words(other))
    if not (first or second):
        return "".join(one.split()) == "".join(other.split())
    return len(first & second) >= NEARLY * len(first | second)


@dataclass(frozen=True)
class Hashed:
    """One context before it is weighed: places, all different, and their signed sums."""

    places: NDArray[np.uint16]
    sums: NDArray[np.float32]


def hashed(turns: Sequence[Turn]) -> Hashed:
    """The words of the last lines of a context; memory notes and what is not shared are none."""
    lines = [turn.text for turn in turns if not isinstance(turn, Note) and turn != NOT_SHARED]
    sums: dict[int, float] = {}
    for k, text in enumerate(reversed(lines[-LINES:]), start=1):
        for word in words(text):
            place, sign = _place(word)
            sums[place] = sums.get(place, 0.0) + sign / k
    return Hashed(
        np.fromiter(sums.keys(), np.uint16, len(sums)),
        np.fromiter(sums.values(), np.float32, len(sums)),
    )


def idf(contexts: Sequence[Hashed]) -> NDArray[np.float32]:
    """Of each place, float32 (PLACES,)."""
    df = np.zeros(PLACES)
    for one in contexts:
        df[one.places] += 1
    return np.asarray(np.log((1 + len(contexts)) / (1 + df)) + 1, np.float32)


def vectors(contexts: Sequence[Hashed], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Float32 (n, PLACES), each of length 1, or 0 where a context has no words."""
    rows = np.zeros((len(contexts), PLACES), np.float32)
    for row, one in zip(rows, contexts, strict=True):
        row[one.places] = one.sums * weights[one.places]
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    np.divide(rows, lengths, out=rows, where=lengths > 0)
    return rows


@lru_cache(1 << 16)
def _place(word: str) -> tuple[int, int]:
    number = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big")
    return number // 2 % PLACES, 1 if number % 2 else -1
