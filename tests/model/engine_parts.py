"""What the engine's tests share: asking from any thread, holding the worker, and llama.cpp's own
word on what stands in its cache."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from model.abort import AbortFlag
from model.compute import ComputeWorker
from model.decoding import DecodingContext, Piece
from model.fit import BATCH_TOKENS
from model.inference import Engine, Generation, Sampling, StoppedBy
from model.sequences import Conversation
from model.writing import Call, Writing
from tests.model import tiny

WAIT_S = 20.0
"""For what takes well under a second on an idle machine."""


def greedy(max_tokens: int = 8) -> Sampling:
    return Sampling(temperature=0.0, max_tokens=max_tokens)


def made_up_ids(seed: int, count: int) -> list[int]:
    """Tokens of words, never a control token."""
    chance = random.Random(seed)
    return [chance.randrange(10, tiny.VOCABULARY - 10) for _ in range(count)]


def ask(
    engine: Engine,
    ids: Sequence[int],
    *,
    key: Hashable = None,
    max_tokens: int = 8,
    deliver: Callable[[str], None] | None = None,
    deadline_s: float | None = None,
    is_wanted: Callable[[], bool] | None = None,
    stop_texts: tuple[str, ...] = (),
) -> Writing:
    """What `Engine.generate` does, without an event loop; `deliver` runs on the worker."""
    sampling = greedy(max_tokens)
    call = Call(key, tuple(ids), sampling, 1, stop_texts, frozenset(), False, deadline_s, is_wanted)
    return engine._ask(call, deliver)


def reply(
    engine: Engine, ids: Sequence[int], key: Hashable = None, max_tokens: int = 8
) -> Generation:
    """Ask and wait."""
    return ask(engine, ids, key=key, max_tokens=max_tokens).future.result(WAIT_S)


def until(is_so: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
    """Wait for it."""
    ends_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < ends_s, f"still not so after {timeout_s} s"
        time.sleep(0.001)


def read_through(engine: Engine, key: Hashable, ids: Sequence[int]) -> None:
    engine.read(key, ids)
    until(lambda: engine.missing(key, ids) == 0)


def settled(engine: Engine) -> None:
    """Everything that was asked of the worker at once is done."""
    engine._worker.submit(lambda: None).result(WAIT_S)


@contextmanager
def held(worker: ComputeWorker) -> Iterator[None]:
    """The worker does nothing: what is asked meanwhile is all there when it goes on."""
    began, may_go_on = threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        may_go_on.wait(WAIT_S)

    worker.submit(hold)
    assert began.wait(WAIT_S)
    try:
        yield
    finally:
        may_go_on.set()


class Reference:
    """Judges greedy replies with a cache that is emptied for each: on the thread that made it.

    Batches of other sizes give logits that differ in the last digits (0.02 at most was seen with
    the tiny model, whose logits' standard deviation is 1.3), so now and then another of two nearly
    equal tokens is the likeliest. Hence each token of a reply is judged by how far its logit is
    from the largest, behind the tokens that were drawn before it.
    """

    TIE = 0.1

    def __init__(self, path: Path, tokens: int = 1024) -> None:
        self.context = DecodingContext(
            path, context_tokens=tokens, channels=0, threads=1, batch_threads=1, use_mmap=True
        )

    def judge(self, prompt: Sequence[int], made: Generation) -> None:
        """Assert that each token of the reply to `prompt`, and its end, is the likeliest."""
        assert made.stopped_by in (StoppedBy.LENGTH, StoppedBy.END, StoppedBy.CONTEXT), made
        self.context.sequences.drop("judged")
        conversation = self.context.sequences.of("judged", [], ())
        ids = list(prompt)
        for token in made.token_ids:
            row = self._logits(conversation, ids)
            assert row[token] >= max(row) - self.TIE, (made, row[token], max(row))
            ids = [token]
        if made.stopped_by is StoppedBy.END:
            row = self._logits(conversation, ids)
            ending = [row[token] for token in range(len(row)) if self.context.ends_turn(token)]
            assert max(ending) >= max(row) - self.TIE, (made, max(ending), max(row))

    def _logits(self, conversation: Conversation, ids: list[int]) -> list[float]:
        assert len(ids) <= BATCH_TOKENS
        piece = Piece(conversation, ids, is_sampled=True)
        places = self.context.decode([piece], AbortFlag(), ["judged"])
        assert places is not None
        row = self.context.llama.llama_get_logits_ith(self.context._handle, places[0])
        size = self.context.llama.llama_vocab_n_tokens(self.context.vocab)
        return list(row[:size])


class Batches:
    """Writes down each batch of an engine: how many tokens for each sequence, and what came."""

    def __init__(self, engine: Engine, monkeypatch: Any) -> None:
        self.sizes: list[dict[int, int]] = []
        self.results: list[bool] = []
        decode = engine._context.decode

        def noted(pieces: Sequence[Piece], *rest: Any) -> list[int] | None:
            self.sizes.append({p.conversation.sequence_id: len(p.ids) for p in pieces})
            places: list[int] | None = decode(pieces, *rest)
            self.results.append(places is not None)
            return places

        monkeypatch.setattr(engine._context, "decode", noted)


class Books:
    """Compares what `Sequences` believes with what llama.cpp has. On the context's thread."""

    def __init__(self, context: DecodingContext) -> None:
        self._context = context
        self._llama = context.llama
        self._cell_bytes = self._first_bytes = 0
        self._learn_the_size_of_a_cell()

    def _learn_the_size_of_a_cell(self) -> None:
        key = object()
        one = self._context.sequences.of(key, [], ())
        sizes = []
        for _ in range(2):
            assert self._context.decode([Piece(one, [20])], AbortFlag(), [key]) is not None
            sizes.append(self._bytes_of(one.sequence_id))
        self._cell_bytes, self._first_bytes = sizes[1] - sizes[0], sizes[0]
        self._context.sequences.drop(key)

    def _bytes_of(self, sequence_id: int) -> int:
        return int(self._llama.llama_state_seq_get_size(self._context._handle, sequence_id))

    def positions(self, sequence_id: int) -> tuple[int, int]:
        """The first and the last one in the cache; (-1, -1): none."""
        memory = self._context._memory
        return (
            self._llama.llama_memory_seq_pos_min(memory, sequence_id),
            self._llama.llama_memory_seq_pos_max(memory, sequence_id),
        )

    def check(self, *, counts_cells: bool = True) -> None:
        """Each conversation's positions stand there once each, and nothing else."""
        sequences = self._context.sequences
        for conversation in sequences._by_key.values():
            self._check_one(conversation, counts_cells)
        for sequence_id in sequences._free:
            assert self.positions(sequence_id) == (-1, -1)
        ids = [one.sequence_id for one in sequences._by_key.values()]
        assert len({*ids, *sequences._free}) == len(ids) + len(sequences._free)
        assert len(ids) + len(sequences._free) == self._context._sequences

    def _check_one(self, conversation: Conversation, counts_cells: bool) -> None:
        count = len(conversation.tokens)
        first = 0 if count else -1
        assert self.positions(conversation.sequence_id) == (first, count - 1)
        if count and counts_cells:
            cells = self._bytes_of(conversation.sequence_id) - self._first_bytes
            assert cells == (count - 1) * self._cell_bytes  # no position twice


def check_books(engine: Engine, *, counts_cells: bool = True) -> None:
    """`Books.check` on the engine's worker, whatever it is doing."""

    def check() -> None:
        Books(engine._context).check(counts_cells=counts_cells)

    engine._worker.submit(check).result(WAIT_S)
