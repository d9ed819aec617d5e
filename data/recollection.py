"""Finds an earlier message of a channel that bears on a line: an example's memory.

Thin on purpose: a rare word in common. The bot recalls by meaning (storage/vectordb.py); what an
example teaches is to read a note, which may fit well or badly. Where notes stand is as the bot puts
them: before a line as it was said, while reading along (bot/reader.py), and before the asked line.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial

from data.bursts import Burst
from data.preprocessor import CleanMessage

MIN_NOTE_WORDS = 4
LINES_BETWEEN = 8
"""As many lines as the bot keeps between what it recalls while nobody asks."""
CLOSE_SHARE = 0.25
"""Of the lines: so many have an earlier one that says nearly the same (bot/recall.py)."""
FAR_LINES = 100
"""Only what was said longer ago is looked for: the rest is mostly in view."""

_RARE_SHARE = 0.01
_RARE_AT_LEAST = 5

_WORD = re.compile(r"\w{4,}")


class Recollection:
    """The rare words of one channel, and the lines that hold them. Indexes are into `messages`."""

    def __init__(self, messages: Sequence[CleanMessage]) -> None:
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
        self, lines: range, before: int, fits: Callable[[int], bool], rng: random.Random
    ) -> int | None:
        """An index below `before` that `fits`, sharing the rarest word it can with `lines`."""
        if before <= 0:
            return None
        words = {word for at in lines for word in self._words[at] if word in self._frequency}
        for word in sorted(words, key=lambda w: (self._frequency[w], w)):
            found = [at for at in self._lines[word] if at < before and fits(at)]
            if found:
                return rng.choice(found)
        return None

    def while_reading(
        self, bursts: Sequence[Burst], fits: Callable[[int, int], bool], rng: random.Random
    ) -> dict[int, int]:
        """Which message is recalled for which burst, as nobody asks: by index of the burst.

        For a quarter of them, nothing within eight lines of the note before. `fits` says of a
        burst and a message whether that may be recalled for it.
        """
        recalled: dict[int, int] = {}
        next_line = FAR_LINES
        for at, burst in enumerate(bursts):
            if burst.start < next_line or burst.is_hidden or rng.random() >= CLOSE_SHARE:
                continue
            before = burst.start - FAR_LINES
            lines = range(burst.start, burst.start + 1)
            found = self.find(lines, before, partial(fits, at), rng)
            if found is not None:
                recalled[at] = found
                next_line = burst.end + LINES_BETWEEN
        return recalled
