"""What earlier answers teach: where to hold back, and how it was said when it was liked.

A situation is a line that the persona answered, with the score of its answer (bot/feedback.py): of
the newest MOST_SITUATIONS that have one. How like it a line is, w from 0 to 1, is told by the
cosine of the two lines' vectors (0.25 to 0.60), and where one of them has none, of the words in
them that say anything (data/likeness.py; 0.05 to 0.35). What is learned for a line adds up what is
known of situations like it, drawn towards how its channel took the persona; g and b are the good
and the bad of each answer:

    channel   c = sum of (g - b) / (sum of (g + b) + 20), never above 0: that it is liked somewhere
              is no reason to speak about everything there
    line      learned = (sum of w (g - b) + 4 c) / (sum of w (g + b) + 4)

So one bad reaction to the very same line moves it by 0.2, and the urge to speak by 0.06
(bot/decide.py), ten of them by 0.7 and 0.21. A situation counts as long as its line may be
recalled: nothing of what was deleted, nor of who is forgotten, excluded or opted out. Kept are
hashes, vectors and figures, never a word. How the figures were chosen: docs/experiments.md.

Called from the event loop's thread; the database is asked in worker threads, once a minute at most
for the situations.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bot.messages import IncomingMessage, Memory
from bot.patience import patiently
from bot.query_words import content_words
from bot.readable import readable
from bot.recall import Recall
from data.audience import may_be_recalled_in
from data.likeness import Hashed, hashed, idf, vectors, words
from data.memory import MIN_WORDS
from data.notes import memory_note
from model.chat_format import Note, Said

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from storage.database import Database

MOST_SITUATIONS = 500
READ_AGAIN_S = 60.0
CHANNEL_PRIOR, LINE_PRIOR = 20.0, 4.0
NEAR_FROM, NEAR_TO = 0.25, 0.60
WORDS_FROM, WORDS_TO = 0.05, 0.35
LIKED = 0.3
"""The score from which on an answer is an example of how to speak: one whole thumb up."""
LIKE_ENOUGH = 0.8
"""The likeness from which on it is one for this line."""
LINES_BETWEEN = 20
"""Of a transcript, between two of its own lines that it is reminded of."""
FOUND_BY = "own replies"


@dataclass(frozen=True)
class Situations:
    """As they stood when they were read; n rows everywhere, newest first."""

    asked_ids: NDArray[np.int64]
    channel_ids: NDArray[np.int64]
    at_ms: NDArray[np.int64]
    """When it was answered."""
    scores: NDArray[np.float64]
    good: NDArray[np.float64]
    bad: NDArray[np.float64]
    weights: NDArray[np.float32]
    """Of words: `data.likeness.idf`."""
    by_words: NDArray[np.float32]
    """(n, data.likeness.PLACES)."""
    by_vector: NDArray[np.float32] | None
    """(n, dimensions); rows of 0 where a line has no vector. None where nothing has."""
    own_ids: frozenset[int]
    """The persona's messages in the answers."""


class Experience:
    """One pipeline's."""

    def __init__(self, database: Database, recall: Recall) -> None:
        """`database` is where the answers stand."""
        self._database = database
        self._recall = recall
        self._read: Situations | None = None
        self._read_s = 0.0
        self._changes = 0

    def read_anew(self) -> None:
        """What was read counts no longer: words are gone, or a score is another."""
        self._read = None
        self._changes += 1

    async def has_any(self) -> bool:
        """Whether there is anything to learn from. Raises DatabaseError."""
        return len((await self._situations()).scores) > 0

    async def learned(self, message: IncomingMessage, vector: NDArray[np.float32] | None) -> float:
        """-1 to 1: how answers in situations like this were received; 0 where nothing is known.
        Raises DatabaseError."""
        known = await self._situations()
        likeness = likeness_to(message, vector, known)
        here = known.channel_ids == message.channel_id
        before = known.at_ms < message.record.created_at_ms
        return learned_from(known.good, known.bad, likeness * before, here & before)

    async def example(
        self,
        message: IncomingMessage,
        vector: NDArray[np.float32] | None,
        *,
        own_name: str,
        in_view: Collection[int],
        lately: Collection[int],
        fits: Callable[[Note], bool],
    ) -> Memory | None:
        """A well received answer in a situation like this, whole, as a note; None where there is
        none that fits. `in_view` are the messages that the transcript holds, `lately` those of its
        last LINES_BETWEEN lines. Raises DatabaseError."""
        known = await self._situations()
        if known.own_ids.intersection(lately):
            return None
        likeness = likeness_to(message, vector, known)
        before = known.at_ms < message.record.created_at_ms
        good = (likeness >= LIKE_ENOUGH) & (known.scores >= LIKED) & before
        order = np.argsort(-likeness * known.scores, kind="stable")
        best = [at for at in order.tolist() if good[at]]
        asked_ids = [int(known.asked_ids[at]) for at in best]
        found = await asyncio.to_thread(self._shown, message, asked_ids, own_name, in_view, fits)
        if found is None:
            return None
        asked_id, own_id, note = found
        return Memory(own_id, note, float(likeness[best[asked_ids.index(asked_id)]]))

    def _shown(
        self,
        message: IncomingMessage,
        asked_ids: Collection[int],
        own_name: str,
        in_view: Collection[int],
        fits: Callable[[Note], bool],
    ) -> tuple[int, int, Note] | None:
        """The first of the answers that may be shown there: its asked message, its own and the
        note. In a worker thread."""
        if not asked_ids:
            return None
        still_there = {one.message_id for one in self._database.around(asked_ids, 0)}
        for answer in self._database.own_answers(asked_ids):
            is_in_view = not {*in_view}.isdisjoint(answer.message_ids)
            if is_in_view or answer.asked_id not in still_there or answer.deleted_at_ms is not None:
                continue
            if not self._is_heard_in(message, answer.channel_id):
                continue
            text = readable(self._database, answer.text, {})
            if len(words(text)) < MIN_WORDS:
                continue
            for at_ms in (answer.at_ms, None):
                if fits(note := Note(memory_note(own_name, at_ms, text))):
                    return answer.asked_id, answer.message_ids[0], note
        return None

    def _is_heard_in(self, message: IncomingMessage, source_id: int) -> bool:
        """Whether all who read the message's channel may read that one."""
        if message.is_playground:
            return True
        source = self._database.channel(source_id)
        target = self._database.channel(message.channel_id) or message.channel
        return source is not None and may_be_recalled_in(source, target)

    async def _situations(self) -> Situations:
        if self._read is not None and time.monotonic() - self._read_s <= READ_AGAIN_S:
            return self._read
        changes, self._read_s = self._changes, time.monotonic()
        read = await patiently(self._read_all)
        if changes == self._changes:
            self._read = read
        return read

    def _read_all(self) -> Situations:
        asked_ids = self._database.newest_asked(MOST_SITUATIONS, scored_only=True)
        lines = {one.message_id: one for one in self._database.around(asked_ids, 0)}
        answers = [
            one
            for one in self._database.own_answers(asked_ids)
            if one.asked_id in lines and one.score is not None
        ]
        contexts = [_hashed(lines[one.asked_id].content) for one in answers]
        weights = idf(contexts)
        ids = [one.asked_id for one in answers]
        return Situations(
            np.array(ids, np.int64),
            np.array([one.channel_id for one in answers], np.int64),
            np.array([one.at_ms for one in answers], np.int64),
            np.array([one.score for one in answers], np.float64),
            np.array([one.rows[0].good for one in answers], np.float64),
            np.array([one.rows[0].bad for one in answers], np.float64),
            weights,
            vectors(contexts, weights),
            _rows(ids, self._recall.vectors_of(ids)),
            frozenset(i for one in answers for i in one.message_ids),
        )


def likeness_to(
    message: IncomingMessage, vector: NDArray[np.float32] | None, known: Situations
) -> NDArray[np.float64]:
    """Of each situation to the message, 0 to 1, (n,)."""
    [row] = vectors([_hashed(message.text)], known.weights)
    found = _between(known.by_words @ row, WORDS_FROM, WORDS_TO)
    if vector is None or known.by_vector is None:
        return found
    has_vector = known.by_vector.any(axis=1)
    return np.where(has_vector, _between(known.by_vector @ vector, NEAR_FROM, NEAR_TO), found)


def learned_from(
    good: NDArray[np.float64],
    bad: NDArray[np.float64],
    likeness: NDArray[np.float64],
    here: NDArray[np.bool_],
) -> float:
    """What situations of such likeness teach, -1 to 1; `here`: those of the line's channel."""
    told, known = good - bad, good + bad
    channel = min(0.0, float(told[here].sum()) / (float(known[here].sum()) + CHANNEL_PRIOR))
    return float(likeness @ told + LINE_PRIOR * channel) / float(likeness @ known + LINE_PRIOR)


def _between(cosines: NDArray[np.float32], low: float, high: float) -> NDArray[np.float64]:
    return np.clip((cosines.astype(np.float64) - low) / (high - low), 0.0, 1.0)


def _hashed(text: str) -> Hashed:
    """The words that say anything: of few situations nobody can tell which words are common."""
    return hashed([Said("", " ".join(content_words(text)))])


def _rows(ids: list[int], found: dict[int, NDArray[np.float32]]) -> NDArray[np.float32] | None:
    if not found:
        return None
    rows = np.zeros((len(ids), len(next(iter(found.values())))), np.float32)
    for row, message_id in zip(rows, ids, strict=True):
        if message_id in found:
            row[:] = found[message_id]
    return rows
