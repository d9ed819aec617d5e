"""Finds an earlier message of a channel that fits the last lines of a window: an example's memory.

Thin on purpose: a rare word in common, else any earlier line. The bot recalls by meaning
(storage/vectordb.py); what an example teaches is to read a note, which may fit well or badly.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from data.preprocessor import CleanMessage

MIN_NOTE_WORDS = 4
_RARE_SHARE = 0.01
_RARE_AT_LEAST = 5
_TRIES = 20

_WORD = re.compile(r"\w{4,}")


class Recollection:
    """The rare words of one channel, and the lines that hold them. Indexes are into `messages`."""

    def __init__(self, messages: Sequence[CleanMessage]) -> None:
        self._messages = messages
        self._words = [frozenset(_WORD.findall(m.text.casefold())) for m in messages]
        frequency = Counter(word for words in self._words for word in words)
        limit = max(_RARE_AT_LEAST, int(_RARE_SHARE * len(messages)))
        self._frequency = {word: n for word, n in frequency.items() if 2 <= n <= limit}
        self._lines: dict[str, list[int]] = defaultdict(list)
        for index, words in enumerate(self._words):
            if len(messages[index].text.split()) >= MIN_NOTE_WORDS:
                for word in words:
                    if word in self._frequency:
                        self._lines[word].append(index)

    def find(
        self,
        last_lines: range,
        before: int,
        fits: Callable[[int], bool],
        rng: random.Random,
    ) -> int | None:
        """An index below `before` that `fits`, sharing the rarest word it can with `last_lines`.

        Where none shares one, a random one; None where a few tries find nothing.
        """
        words = {word for at in last_lines for word in self._words[at] if word in self._frequency}
        for word in sorted(words, key=lambda w: (self._frequency[w], w)):
            found = [at for at in self._lines[word] if at < before and fits(at)]
            if found:
                return rng.choice(found)
        for _ in range(_TRIES if before > 0 else 0):
            at = rng.randrange(before)
            if len(self._messages[at].text.split()) >= MIN_NOTE_WORDS and fits(at):
                return at
        return None
