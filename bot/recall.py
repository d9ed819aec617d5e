"""Recalls what was said before that bears on a message: full text and vectors, scores fused.

Vectors serve only where an index and an embedder are handed in; full text alone works too. An index
that breaks is let go, and full text goes on until another one is handed in (bot/healing.py). How
two ways become one order is fusion.py, what a question names named.py, who may hear what
data/audience.py. Blocking: call `embed` on the engine's worker, the others from any other thread.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bot.fusion import Ways, by_ranks, standardised, with_lent
from bot.messages import IncomingMessage, Memories, Memory
from bot.named import Named, Names, named
from bot.query_words import WORD, content_words
from bot.readable import readable
from bot.worth import CLOSE_WORDS, Gate
from data.audience import may_be_recalled_in
from data.memory import MIN_WORDS
from data.notes import READ_NOTE_TOKENS, fitted_note
from model.chat_format import Note
from storage.errors import MynahError
from storage.records import ChannelRecord
from storage.talk_store import Spoken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.embedder import Embedder
    from storage.database import Database
    from storage.vectordb import VectorIndex

log = logging.getLogger(__name__)

CANDIDATES = 24
"""How many messages each way of searching proposes; more find no more (docs/experiments.md)."""

SEARCHED, SEARCHED_AGAIN = 2 * CANDIDATES, 16 * CANDIDATES
"""How many are looked for, and how many where too few of those may be shown: some are in view
already, were said later, or in a channel that must not be heard here."""

NAMES_KEPT_S = 60.0
KEPT_VECTORS = 64


@dataclass(frozen=True)
class Asked:
    """What is looked for, and where it will be heard."""

    text: str
    channel: ChannelRecord
    at_ms: int
    before_id: int
    """Only what was said before it counts: others' messages may be stored while it waits."""
    is_owner: bool = False
    """Whether nobody but the bot's owner will hear it (the playground)."""


@dataclass(frozen=True)
class Found:
    """One earlier message, with what speaks for it."""

    spoken: Spoken
    score: float
    """Comparable within one search alone."""
    bm25: float
    """0 where full text did not propose it."""
    cosine: float
    """To the line that asks; 0 where no vectors serve."""


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
        self._names: tuple[float, Names] | None = None
        self._kept: OrderedDict[tuple[int, str], NDArray[np.float32]] = OrderedDict()
        """Vectors of the newest lines, by message and words."""

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
        self._kept.clear()
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

    def forget(self) -> None:
        """Words were taken out of the database: hold nothing that was made of any. Any thread."""
        self._names = None
        self._kept.clear()

    # -- what is looked for ---------------------------------------------------------------------

    def named_in(self, text: str, at_ms: int) -> Named:
        """What a line names. Asks the database, once a minute: 0.2 s for 50,000 members."""
        kept = self._names
        if kept is None or time.monotonic() - kept[0] > NAMES_KEPT_S:
            kept = self._names = (time.monotonic(), Names(self._database.members()))
        return named(text, kept[1], at_ms)

    def kept_vector(self, message_id: int, text: str) -> NDArray[np.float32] | None:
        """The vector of a message that says this, where it was embedded lately."""
        return self._kept.get((message_id, text))

    def keep_vector(self, message_id: int, text: str, vector: NDArray[np.float32]) -> None:
        """Keep it: recall and whoever else asks share one computation a line."""
        self._kept[(message_id, text)] = vector
        while len(self._kept) > KEPT_VECTORS:
            self._kept.popitem(last=False)

    def embed(self, text: str) -> NDArray[np.float32] | None:
        """The vector to search with; None where vectors cannot serve. On the engine's worker.

        `text` is what `named_in` leaves of a line.
        """
        vectors = self._vectors
        if vectors is None or len(WORD.findall(text)) < MIN_WORDS:
            return None
        try:
            vector: NDArray[np.float32] = vectors[1].embed([text])[0]
        except MynahError as error:
            log.warning("The memory is searched without vectors. %s", error)
            return None
        return vector

    # -- searching ------------------------------------------------------------------------------

    def rank(
        self,
        asked: Asked,
        vector: NDArray[np.float32] | None,
        *,
        not_these: Collection[int] = (),
        ways: Ways = Ways(),  # noqa: B008 - frozen
    ) -> list[Found]:
        """Earlier messages that may be heard there, best first: what either way proposes, and its
        neighbours. Nothing says that the first one is worth showing.

        `vector`: of what the line does not name (`named_in`); None: by full text alone.
        """
        said = self.named_in(asked.text, asked.at_ms) if ways.reads_names else None
        words = " ".join(content_words(said.rest if said else asked.text))
        by_text, by_vector, known = {}, {}, {}
        search_text = partial(self._by_text, words if ways.by_text else "")
        search_vectors = partial(self._by_vector, vector if ways.by_vectors else None)
        for wanted in (SEARCHED, SEARCHED_AGAIN):
            with ThreadPoolExecutor(1) as beside:  # each computes outside of the interpreter's lock
                nearest = beside.submit(search_vectors, wanted)
                texts = search_text(wanted)
                known = nearest.result()
            heard = self._heard_there(asked, {*texts, *known}.difference(not_these))
            by_text, by_vector = (_best(found, heard) for found in (texts, known))
            if not any(
                len(best) < CANDIDATES and len(found) >= wanted
                for best, found in ((by_text, texts), (by_vector, known))
            ):
                break
        around = self._database.around({*by_text, *by_vector}, len(ways.lent))
        spoken = [one for one in around if one.message_id < asked.before_id]
        cosines: dict[int, float] = {}
        if ways.by_vectors and vector is not None:
            pool = {one.message_id for one in spoken}
            cosines = {i: cosine for i, cosine in known.items() if i in pool}
            cosines |= self._cosines(vector, pool.difference(known))
        total = _total(spoken, by_text, by_vector, cosines, ways)
        if said is not None:
            _boost(total, spoken, said, ways)
        found = (
            Found(one, total[i], by_text.get(i, 0.0), cosines.get(i, 0.0))
            for one in spoken
            if (i := one.message_id) not in not_these
        )
        return sorted(found, key=lambda one: (-one.score, one.spoken.message_id))

    def find(
        self,
        message: IncomingMessage,
        vector: NDArray[np.float32] | None,
        *,
        limit: int,
        in_view: Collection[int],
        said: Collection[str],
        only_close: bool = False,
        most_tokens: int = READ_NOTE_TOKENS,
        count: Callable[[Note], int] = lambda note: 0,
    ) -> Memories:
        """At most `limit` memories for the message, best first, of `most_tokens` altogether as
        `count` counts them; a longer one is shortened around what matches, or left out.

        `in_view` are the messages that the transcript holds already, `said` its texts: neither is
        recalled again. `only_close`: where vectors serve, only what says nearly the same.
        """
        if limit <= 0:
            return Memories()
        record = message.record
        asked = Asked(
            message.text,
            message.channel,
            record.created_at_ms,
            record.message_id,
            message.is_playground,
        )
        words = content_words(self.named_in(asked.text, asked.at_ms).rest)
        if len(words) < (CLOSE_WORDS if only_close else 1):
            return Memories()
        gate = Gate(words, only_close=only_close, has_vectors=self.has_vectors)
        found = self.rank(asked, vector, not_these=in_view)
        worth = [one for one in found if gate.lets_in(one.spoken.content, one.cosine)]
        taken, left = {_folded(text) for text in (*said, message.text)}, most_tokens
        items: list[Memory] = []
        shown: list[Found] = []
        for one in worth:
            text = self._words_of(one.spoken)
            if not text or _folded(text) in taken:
                continue
            note = _note(one.spoken, text, words, lambda note: count(note) <= left)  # noqa: B023
            if note is None:
                continue
            taken.add(_folded(text))
            left -= count(note)
            items.append(Memory(one.spoken.message_id, note, one.score))
            shown.append(one)
            if len(items) == limit:
                break
        return Memories(tuple(items), _ways_of(shown))

    def _words_of(self, spoken: Spoken) -> str:
        """As they are shown; "" for what is not."""
        if len(WORD.findall(spoken.content)) < MIN_WORDS:
            return ""
        return readable(self._database, spoken.content, {})

    def _heard_there(self, asked: Asked, ids: Iterable[int]) -> set[int]:
        """Those of the messages, said before, that whoever reads the channel may read where they
        stand."""
        earlier = {one for one in ids if one < asked.before_id}
        if asked.is_owner or not earlier:
            return earlier
        target = self._database.channel(asked.channel.channel_id) or asked.channel
        places = self._database.channels_of(earlier)
        channels = {one.channel_id: one for one in places.values()}
        is_open = {key: may_be_recalled_in(one, target) for key, one in channels.items()}
        return {one for one, place in places.items() if is_open[place.channel_id]}

    def _by_text(self, words: str, limit: int) -> dict[int, float]:
        """Scores by BM25, higher is better."""
        if not words:
            return {}
        return dict(self._database.search_text(words, limit, recallable_only=True))

    def _by_vector(self, vector: NDArray[np.float32] | None, limit: int) -> dict[int, float]:
        """Cosines of the nearest messages."""
        vectors = self._vectors
        if vectors is None or vector is None:
            return {}
        try:
            return dict(vectors[0].search(vector, limit))
        except MynahError as error:
            self._let_go(vectors, error)
            return {}

    def _cosines(self, vector: NDArray[np.float32], ids: Collection[int]) -> dict[int, float]:
        """Of the messages that have a vector."""
        return {one: float(row @ vector) for one, row in self.vectors_of(ids).items()}

    def vectors_of(self, ids: Collection[int]) -> dict[int, NDArray[np.float32]]:
        """The vectors of those of the messages that have one, where vectors serve."""
        vectors = self._vectors
        if vectors is None or not ids:
            return {}
        try:
            return vectors[0].vectors(ids)
        except MynahError as error:
            self._let_go(vectors, error)
            return {}


def _best(found: Mapping[int, float], heard: Collection[int]) -> dict[int, float]:
    """The best CANDIDATES of one way, of those that may be heard."""
    kept = sorted((one for one in found if one in heard), key=lambda one: (-found[one], one))
    return {one: found[one] for one in kept[:CANDIDATES]}


def _total(
    spoken: Sequence[Spoken],
    by_text: Mapping[int, float],
    by_vector: Mapping[int, float],
    cosines: Mapping[int, float],
    ways: Ways,
) -> dict[int, float]:
    """What speaks for each message in all."""
    pool = {one.message_id for one in spoken}
    if ways.by_ranks:
        return by_ranks([by_text, by_vector], pool)
    hits = pool & {*by_text, *by_vector}
    shares = [standardised(scores, hits, pool) for scores in (by_text, cosines)]
    own = {one: sum(share[one] for share in shares) for one in pool}
    return with_lent(own, spoken, ways.lent)


def _boost(total: dict[int, float], spoken: Iterable[Spoken], said: Named, ways: Ways) -> None:
    for one in spoken:
        if one.author_id in said.member_ids:
            total[one.message_id] += ways.speaker
        if said.is_then(one.created_at_ms):
            total[one.message_id] += ways.time


def _note(
    spoken: Spoken, text: str, words: Sequence[str], fits: Callable[[Note], bool]
) -> Note | None:
    made = fitted_note(
        spoken.nickname, spoken.created_at_ms, text, words, lambda note: fits(Note(note))
    )
    return None if made is None else Note(made)


def _ways_of(found: Collection[Found]) -> tuple[str, ...]:
    ways = {
        "full text": any(one.bm25 > 0 for one in found),
        "vectors": any(one.cosine > 0 for one in found),
    }
    return tuple(name for name, had_a_part in ways.items() if had_a_part)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
