"""The history as the leak audit searches it: all of it, in memory, word by word.

The same definition of a verbatim span as guard's (`data.verbatim.longest_span`), and nothing is
missed for speed: guard's index (storage/verbatim_store.py) looks at 5,000 messages a phrase at
most, bots' among them, and sees what is stored; this one looks at every message, as it was cleaned
for training, and at the very replies that a training set has. Memory: 20 bytes a word and the text.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.consent import Rules
from data.examples import read_examples
from data.preprocessor import Cleaner
from data.verbatim import words_of
from storage.records import MessageRecord, Origin
from storage.verbatim_store import REACH

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from storage.database import Database

_WORD = re.compile(r"\w+")
_END = 0
"""Behind each message, in place of a word."""


class WholeHistory:
    """Many messages, channel by channel in their order: `data.verbatim.History`. One thread."""

    def __init__(self, messages: Iterable[MessageRecord]) -> None:
        import numpy as np

        self._messages: list[MessageRecord] = []
        self._starts: list[int] = []
        self._known: dict[str, int] = {}
        words = array("i")
        for message in messages:
            self._messages.append(message)
            self._starts.append(len(words))
            for word in words_of(message.content):
                words.append(self._known.setdefault(word, len(self._known) + 1))
            words.append(_END)
        self._words: npt.NDArray[np.int32] = np.array(words, dtype=np.int32)
        self._order = np.argsort(self._words, kind="stable")
        everyone = np.arange(len(self._known) + 2)
        self._bounds = np.searchsorted(self._words[self._order], everyone)
        self._places = {(m.channel_id, m.message_id): n for n, m in enumerate(self._messages)}

    def __len__(self) -> int:
        return len(self._messages)

    def said_with(self, phrase: str, limit: int) -> list[MessageRecord]:
        """At most `limit` messages that hold the phrase's words in a row."""
        import numpy as np

        row = [self._known.get(word, 0) for word in _WORD.findall(phrase)]
        if not row or 0 in row:
            return []
        rarest = min(range(len(row)), key=lambda n: self._bounds[row[n] + 1] - self._bounds[row[n]])
        word = row[rarest]
        starts = self._order[self._bounds[word] : self._bounds[word + 1]] - rarest
        starts = starts[(starts >= 0) & (starts + len(row) < len(self._words))]
        for n, wanted in enumerate(row):
            starts = starts[self._words[starts + n] == wanted]
        held = dict.fromkeys(bisect_right(self._starts, at) - 1 for at in np.sort(starts).tolist())
        return [self._messages[n] for n in list(held)[:limit]]

    def said_around(self, message: MessageRecord) -> list[str]:
        """What its author said among the REACH messages before and after it, and it, in order."""
        at = self._places[message.channel_id, message.message_id]
        near = self._messages[max(0, at - REACH) : at + REACH + 1]
        place = message.channel_id, message.author_id
        return [one.content for one in near if (one.channel_id, one.author_id) == place]


def learned_replies(training_file: Path) -> Iterator[MessageRecord]:
    """The replies of a training set, each in a channel of its own. Raises ExampleError, OSError."""
    for n, example in enumerate(read_examples(training_file), start=1):
        last_id = example.reply_ids[-1] if example.reply_ids else 0
        author_id = example.target_author_id
        yield MessageRecord(last_id, -n, author_id, example.reply, 0, Origin.EXPORT)


def cleaned_messages(database: Database) -> Iterator[MessageRecord]:
    """What is stored, as training sees it: without personal data, links and mentions as words."""
    cleaner = Cleaner(database.members(), Rules.of(database))
    for piece in _pieces(database.messages()):
        for one in cleaner.clean(piece)[0]:
            where = one.message_id, one.channel_id, one.author_id
            yield MessageRecord(*where, one.text, one.created_at_ms, one.origin)


PIECE = 10_000


def _pieces(messages: Iterable[MessageRecord]) -> Iterator[Sequence[MessageRecord]]:
    piece: list[MessageRecord] = []
    for message in messages:
        piece.append(message)
        if len(piece) == PIECE:
            yield piece
            piece = []
    yield piece
