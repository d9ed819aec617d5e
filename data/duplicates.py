"""Finds candidates that say what another says: duplicates, lines too often, near-duplicates.

Decided on hash columns alone, in the given random order: the first of equals stays, so a seed
chooses which. Where equals stand on both sides, validation's stays and training's goes: a model is
never measured by what it was shown, and validation keeps what people really say.

A candidate takes 16 bytes, one with a long reply 152; deciding takes some 65 more for a while.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

KEEP, DUPLICATE, TOO_OFTEN, NEAR_DUPLICATE = range(4)
REASONS = ("", "duplicate", "same line too often", "near-duplicate")
"""By code."""

TAIL_LINES = 2
REPEATS_AT_LEAST = 10
REPEATS_SHARE = 0.001
LONG_WORDS = 8
"""A shorter reply has no near-duplicates: "lol yes" and "yes lol" are talk."""
ALIKE = 0.8
"""Jaccard similarity of two replies' sets of words, from which on they say the same."""
PERMUTATIONS = 128
_BANDS = 16
"""Of 8 permutations each: a pair at 0.8 shares a band in 95 of 100, at 0.9 in 9,999 of 10,000."""
_LEADERS = 8
"""With so many others of its band, one after another, a reply is compared."""
_CHANCE = 1 / 256
"""Of a permutation's hash only 8 bits are kept, equal by chance so often; taken off the estimate:
Li & Koenig, b-Bit Minwise Hashing, WWW 2010."""
_LEAST_EQUAL = ceil(PERMUTATIONS * (ALIKE * (1 - _CHANCE) + _CHANCE))
_CHUNK = 65_536

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[^\W{_UNSPACED}]+")
_RUN = re.compile(rf"[{_UNSPACED}]+")
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese have no spaces: two letters count as a word."""


class Duplicates:
    """Grows by a candidate; then says which go. Not for several threads."""

    def __init__(self) -> None:
        self._pairs = array("Q")
        self._replies = array("Q")
        self._long = array("Q")
        """The rows that have a signature."""
        self._signatures = bytearray()
        self._sign: Callable[[Sequence[str]], bytes] | None = None

    def __len__(self) -> int:
        return len(self._replies)

    @property
    def long_ones(self) -> int:
        """How many replies have 8 words or more."""
        return len(self._long)

    def add(self, reply: str, tail: Sequence[str]) -> None:
        """The next candidate. `tail`: the lines before its reply, of which the last two count."""
        reply = reply.casefold()
        if is_long(reply):
            self._long.append(len(self._replies))
            self._signatures += self._signature(words_of(reply))
        self._replies.append(_hash(reply))
        last = [line.casefold() for line in tail[-TAIL_LINES:]]
        self._pairs.append(_hash("\0".join([*last, reply])))

    def drops(self, order: NDArray[np.uint64], sides: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A code for each candidate (REASONS), KEEP where it stays.

        `order`: 0 to 2^64 - 1, ascending is first; equal ones go by row. `sides`: 0 training,
        1 validation. A reply's text stays max(10, 0.001 of the candidates) times, by `order` alone.
        Raises ValueError where the columns are not as long as what was added.
        """
        if not len(order) == len(sides) == len(self):
            raise ValueError(f"{len(order)} orders, {len(sides)} sides, {len(self)} candidates")
        codes = np.full(len(self), DUPLICATE, np.uint8)
        taken = np.lexsort((order, sides == 0))
        codes[taken[_first_of_each(_column(self._pairs)[taken])]] = KEEP
        by_order = np.argsort(order, kind="stable")
        by_order = by_order[codes[by_order] == KEEP]
        most = max(REPEATS_AT_LEAST, int(REPEATS_SHARE * len(self)))
        codes[by_order[_place_among_equals(_column(self._replies)[by_order]) >= most]] = TOO_OFTEN
        codes[self._near(taken, codes)] = NEAR_DUPLICATE
        return codes

    def _near(self, taken: NDArray[np.int64], codes: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The rows that nearly say what a kept one says that was `taken` before."""
        place = np.empty(len(taken), np.int64)
        place[taken] = np.arange(len(taken))
        rows = _column(self._long).astype(np.int64)
        own = np.flatnonzero(codes[rows] == KEEP)
        own = own[np.argsort(place[rows[own]])]
        signatures = np.frombuffer(self._signatures, np.uint8).reshape(-1, PERMUTATIONS)
        return rows[own[_goes(_alike(signatures, own), len(own))]]

    def _signature(self, words: Sequence[str]) -> bytes:
        if self._sign is None:
            self._sign = _signer()
        return self._sign(words)


def is_long(text: str) -> bool:
    """Whether it has 8 words or more."""
    return len(_WORD.findall(text)) + sum(len(run) // 2 for run in _RUN.findall(text)) >= LONG_WORDS


def words_of(text: str) -> list[str]:
    """The words that are compared: case-folded, without punctuation; overlapping pairs of letters
    in scripts without spaces."""
    text = text.casefold()
    pairs = [run[at : at + 2] for run in _RUN.findall(text) for at in range(max(len(run) - 1, 1))]
    return _WORD.findall(text) + pairs


def _signer() -> Callable[[Sequence[str]], bytes]:
    """What makes of a reply's words their MinHash, the low 8 bits of each permutation."""
    from datasketch import MinHash  # brings SciPy: 0.3 s and 60 MB, for whoever has long replies

    minhash = MinHash(num_perm=PERMUTATIONS, hashfunc=zlib.crc32)

    def sign(words: Sequence[str]) -> bytes:
        minhash.clear()
        minhash.update_batch([word.encode("utf-8", "surrogatepass") for word in set(words)])
        return bytes(minhash.hashvalues.astype(np.uint8))

    return sign


def _alike(signatures: NDArray[np.uint8], own: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs that are alike, shape (pairs, 2), as places in `own`: the earlier one, the later one.

    `signatures` has shape (rows, PERMUTATIONS), of which only the rows in `own` count.

    Within a band's group the first is compared with all others, then the first of those that are
    not like it with the rest, and so on for `_LEADERS` rounds: linear in the rows.
    """
    count = max(len(own), 1)
    bands = signatures.view(np.uint64)
    found = np.empty(0, np.int64)
    for band in range(_BANDS):
        keys = bands[own, band]
        by_key = np.argsort(keys, kind="stable")
        for earlier, later in _led(by_key, keys[by_key], signatures, own):
            found = np.union1d(found, later * count + earlier)
    return np.stack([found % count, found // count], axis=1)


def _led(
    places: NDArray[np.int64],
    keys: NDArray[np.uint64],
    signatures: NDArray[np.uint8],
    own: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The pairs that are alike within one band, a round at a time; `keys` are sorted."""
    for _ in range(_LEADERS):
        starts = _starts(keys)
        leads = places[_last_start(starts)][~starts]
        places, keys = places[~starts], keys[~starts]
        if not len(places):
            return
        alike = _are_alike(signatures, own[leads], own[places])
        yield leads[alike], places[alike]
        places, keys = places[~alike], keys[~alike]


def _are_alike(
    signatures: NDArray[np.uint8], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.bool_]:
    alike = np.empty(len(left), bool)
    for start in range(0, len(left), _CHUNK):
        part = slice(start, start + _CHUNK)
        equal = np.count_nonzero(signatures[left[part]] == signatures[right[part]], axis=1)
        alike[part] = equal >= _LEAST_EQUAL
    return alike


def _goes(pairs: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Which of `count` rows are like an earlier one that stays. Pairs come by their later row."""
    goes = bytearray(count)
    for start in range(0, len(pairs), _CHUNK):
        for earlier, later in pairs[start : start + _CHUNK].tolist():
            if not goes[earlier]:
                goes[later] = True
    return np.frombuffer(goes, bool)


def _column(values: array[int]) -> NDArray[np.uint64]:
    return np.frombuffer(values, np.uint64)


def _hash(text: str) -> int:
    """64 bits: of a million different texts any two are equal with a chance of 3 in 100 million."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _first_of_each(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    return np.unique(keys, return_index=True)[1]


def _place_among_equals(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each key, how many equal ones come before it."""
    by_key = np.argsort(keys, kind="stable")
    places = np.empty(len(keys), np.int64)
    places[by_key] = np.arange(len(keys)) - _last_start(_starts(keys[by_key]))
    return places


def _starts(keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Where another key than before stands; `keys` are sorted."""
    starts = np.ones(len(keys), bool)
    starts[1:] = keys[1:] != keys[:-1]
    return starts


def _last_start(starts: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each place the last start at or before it."""
    return np.maximum.accumulate(np.where(starts, np.arange(len(starts)), 0))
