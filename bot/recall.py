"""Recalls what was said before that bears on a message: full text and vectors, scores fused.

Vectors serve only where an index and an embedder are handed in; full text alone works too. An index
that breaks is let go, and full text goes on until another one is handed in (bot/healing.py).
Blocking: call `embed` on the engine's worker, `find` from any other thread.
"""

from __future__ import annotations

import logging
import re
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from bot.messages import IncomingMessage, Memories, Memory
from bot.readable import readable
from data.memory import MIN_WORDS, may_be_recalled
from data.notes import memory_note
from model.chat_format import Note
from storage.errors import MynahError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.embedder import Embedder
    from storage.database import Database
    from storage.vectordb import VectorIndex

log = logging.getLogger(__name__)

CANDIDATES = 24
"""How many messages each way of searching may propose."""

MIN_COSINE = 0.45
"""Below this two lines are about different things (all-MiniLM-L6-v2 on chat lines)."""

CLOSE_COSINE = 0.6
"""From here on two lines say nearly the same. Of 400 lines of #ubuntu a quarter has such an earlier
line among 3,000, and half has one above 0.51."""

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
# Words that match everything and mean nothing in a search; those of three letters and fewer too.
_COMMON = frozenset(
    """about after again also always anyone back because been before being could does doing done
    dont don't down ever every everyone from gonna good gets going have haven't here hello it's just
    know like made make many more most much never only other over really right said same should
    some someone something still than thanks that that's them then there these they they're thing
    things think this those time today very want wanna well were what what's when where which while
    will with without would yeah your you're""".split()
)


class Recall:
    """Finds earlier messages for one home. Holds what it searches; knows no channel's state."""

    def __init__(
        self,
        database: Database,
        *,
        index: VectorIndex | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        """Vectors are searched only where both `index` and `embedder` are given."""
        self._database = database
        self._vectors = (index, embedder) if index is not None and embedder is not None else None
        self._embedder = embedder

    @property
    def has_vectors(self) -> bool:
        return self._vectors is not None

    def use(self, index: VectorIndex, embedder: Embedder) -> None:
        """Search these from now on; an embedder that served before is closed. Any thread."""
        self.close()
        self._vectors, self._embedder = (index, embedder), embedder

    def close(self) -> None:
        """Close the embedder that was handed in; full text alone goes on."""
        embedder, self._vectors, self._embedder = self._embedder, None, None
        if embedder is not None:
            embedder.close()

    def check_vectors(self) -> None:
        """Compare the index's files with what was written; let it go where one differs. Any thread,
        blocking: 0.2 s for 100,000 vectors."""
        if (vectors := self._vectors) is None:
            return
        try:
            vectors[0].check()
        except MynahError as error:
            self._let_go(vectors, error)

    def _let_go(self, vectors: tuple[VectorIndex, Embedder], error: MynahError) -> None:
        log.warning("The memory is searched without vectors for now. %s", error)
        if self._vectors is vectors:
            self._vectors = None

    def embed(self, text: str) -> NDArray[np.float32] | None:
        """The vector to search with; None where vectors cannot serve. On the engine's worker."""
        vectors = self._vectors
        if vectors is None or len(_WORD.findall(text)) < MIN_WORDS:
            return None
        try:
            vector: NDArray[np.float32] = vectors[1].embed([text])[0]
        except MynahError as error:
            log.warning("The memory is searched without vectors. %s", error)
            return None
        return vector

    def find(
        self,
        message: IncomingMessage,
        vector: NDArray[np.float32] | None,
        *,
        limit: int,
        in_view: Collection[int],
        said: Collection[str],
        only_close: bool = False,
    ) -> Memories:
        """At most `limit` memories for the message, best first.

        Only what was said before it counts: others' messages may be stored while it waits.
        `in_view` are the messages that the transcript holds already, `said` its texts: neither is
        recalled again. What may be recalled at all is `data.memory.may_be_recalled`. `only_close`:
        where vectors serve, only what says nearly the same.
        """
        if limit <= 0:
            return Memories()
        by_text = self._by_text(message.text)
        by_vector = self._by_vector(vector, CLOSE_COSINE if only_close else MIN_COSINE)
        if only_close and self.has_vectors:
            by_text = {i: score for i, score in by_text.items() if i in by_vector}
        scores = fuse([by_text, by_vector])
        if not scores:
            return Memories()
        earlier = [i for i in scores if i < message.message_id and i not in in_view]
        found = self._database.messages_by_id(earlier)
        people = {i: self._database.member(i) for i in {r.author_id for r in found}}
        channels = [self._database.channel(i) for i in {r.channel_id for r in found}]
        may_be_seen = {c.channel_id for c in channels if c is not None and c.is_allowed}
        taken = {_folded(text) for text in (*said, message.text)}
        items: list[Memory] = []
        for record in sorted(found, key=lambda r: scores[r.message_id], reverse=True):
            author = people[record.author_id]
            if author is None or not may_be_recalled(record, author, may_be_seen):
                continue
            text = readable(self._database, record.content, {})
            if not text or _folded(text) in taken:
                continue
            taken.add(_folded(text))
            note = Note(memory_note(author.nickname, record.created_at_ms, text))
            items.append(Memory(record.message_id, note, scores[record.message_id]))
            if len(items) == limit:
                break
        ways = [("full text", by_text), ("vectors", by_vector)]
        return Memories(tuple(items), tuple(name for name, scored in ways if scored))

    def _by_text(self, text: str) -> dict[int, float]:
        """Scores by BM25, higher is better."""
        words = " ".join(content_words(text))
        if not words:
            return {}
        return dict(self._database.search_text(words, CANDIDATES, recallable_only=True))

    def _by_vector(self, vector: NDArray[np.float32] | None, least: float) -> dict[int, float]:
        """Cosines of the nearest messages, `least` and above."""
        vectors = self._vectors
        if vectors is None or vector is None:
            return {}
        try:
            found = vectors[0].search(vector, CANDIDATES)
        except MynahError as error:
            self._let_go(vectors, error)
            return {}
        return {message_id: cosine for message_id, cosine in found if cosine >= least}


def fuse(ways: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Each message's standardised scores, summed; a way that missed it gives its lowest."""
    total: dict[int, float] = {message_id: 0.0 for way in ways for message_id in way}
    for way in ways:
        if not way:
            continue
        mean = statistics.fmean(way.values())
        spread = statistics.pstdev(way.values()) or 1.0
        lowest = min(way.values())
        for message_id in total:
            total[message_id] += (way.get(message_id, lowest) - mean) / spread
    return total


def content_words(text: str) -> list[str]:
    """The words worth searching for, none twice, in their order."""
    words = (word.casefold() for word in _WORD.findall(text.replace("’", "'")))
    return list(dict.fromkeys(w for w in words if len(w) > 3 and w not in _COMMON))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
