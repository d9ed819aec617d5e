"""Decides what the next batch computes: replies that somebody waits for, else reading along.

Replies of several conversations decode in one batch. While none is written, conversations are read
along in small batches, in turn; an ask ends such a batch at once, unless it reads the conversation
that the ask is in, whose tokens are needed anyway. The steps run on the compute worker, one batch
each; everything else may be called from any thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass

from model.abort import AbortFlag
from model.compute import ComputeWorker, Level
from model.decoding import DecodingContext, Piece
from model.llama_runtime import ContextFullError, EngineError
from model.writing import StoppedBy, Writing

log = logging.getLogger(__name__)

TOGETHER = 4
"""How many replies are written at once; the others wait in their order."""

WAITING = 32
"""How many may wait."""

PROMPT_TOKENS = 128
"""Of a prompt in one batch, so that another ask need not wait for a long one to be read."""

PROMPT_TOKENS_BESIDE = 32
"""The same while another reply is being written, which waits for as long."""

READ_TOKENS = 16
"""Of a batch of reading along."""


class BusyError(EngineError):
    """More replies wait than ever would be written in time."""


@dataclass
class Evaluated:
    """Prompt tokens computed since the model was loaded."""

    read: int = 0
    """While reading along."""
    asked: int = 0
    """While somebody waited."""
    lost: int = 0
    """Begun while reading along and thrown away, since somebody asked elsewhere; at most."""


class Scheduler:
    """One context's work."""

    def __init__(self, context: DecodingContext, worker: ComputeWorker) -> None:
        self.evaluated = Evaluated()
        self._context = context
        self._worker = worker
        self._lock = threading.Lock()
        self._waiting: deque[Writing] = deque()
        self._writing: list[Writing] = []
        self._targets: OrderedDict[Hashable, tuple[int, ...]] = OrderedDict()
        """What each conversation that is read along is to hold, the one read last at the end."""
        self._asked: Counter[Hashable] = Counter()
        self._share = 1.0
        self._is_write_due = self._is_read_due = self._is_closed = False
        self._reading: tuple[AbortFlag, frozenset[Hashable]] | None = None

    # -- asking --------------------------------------------------------------------------------

    def ask(self, writing: Writing) -> None:
        """Have the reply written. Raises BusyError, EngineError."""
        with self._lock:
            if self._is_closed:
                raise EngineError("the engine is closed")
            if len(self._waiting) >= WAITING:
                raise BusyError(f"{WAITING} replies wait already: the model cannot keep up")
            self._waiting.append(writing)
            self._interrupt_reading(writing.call.key)
            if not self._is_write_due:
                self._is_write_due = True
                self._worker.submit_at(Level.ASKED, self._write_step)

    @contextmanager
    def asked(self, key: Hashable) -> Iterator[None]:
        """While somebody waits for this conversation, no other one is read along."""
        with self._lock:
            self._asked[key] += 1
            self._interrupt_reading(key)
        try:
            yield
        finally:
            with self._lock:
                self._asked[key] -= 1
                self._asked = +self._asked
                self._read_soon()

    def cancel(self) -> None:
        """End what is written and what waits."""
        with self._lock:
            for writing in (*self._writing, *self._waiting):
                writing.cancel()

    def close(self) -> None:
        """Take nothing more, end everything and wait for it."""
        with self._lock:
            self._is_closed = True
            self._targets.clear()
            self._interrupt_reading(object())
            ending = [writing.future for writing in (*self._writing, *self._waiting)]
        self.cancel()
        wait(ending)

    # -- reading along -------------------------------------------------------------------------

    def read(self, key: Hashable, ids: Sequence[int]) -> None:
        """From now on the conversation is to hold exactly `ids`; what differs goes at once."""
        with self._lock:
            if self._is_closed:
                return
            self._targets[key] = tuple(ids)
            self._read_soon()
        self._worker.submit_at(Level.ASKED, lambda: self._settle(key))

    def forget(self, key: Hashable) -> None:
        """The conversation is not read any more, and is gone from the cache at once."""
        with self._lock:
            if self._is_closed:
                return
            self._targets.pop(key, None)
            if self._reading is not None and key in self._reading[1]:
                self._reading[0].set()
        self._worker.submit_at(Level.ASKED, lambda: self._drop(key))

    def set_share(self, share: float) -> None:
        """How much of the time reading along may compute, 0.0-1.0; 0.0 pauses it."""
        with self._lock:
            self._share = share
            if share <= 0.0:
                self._interrupt_reading(object())
            self._read_soon()

    def missing(self, key: Hashable, ids: Sequence[int]) -> int:
        """How many of `ids` would have to be evaluated for this conversation now."""
        return self._context.sequences.missing(key, ids)

    # -- on the compute worker -----------------------------------------------------------------

    def _write_step(self) -> None:
        """One batch of all replies that are being written."""
        self._admit()
        flag = AbortFlag()
        for writing in tuple(self._writing):
            writing.batch_flag = flag
            if (stopped_by := writing.why_over()) is not None:
                self._finish(writing, stopped_by)
        if self._writing:
            self._write(flag)
        with self._lock:
            self._is_write_due = bool(self._writing or self._waiting)
            if self._is_write_due:
                self._worker.submit_at(Level.ASKED, self._write_step)
            else:
                self._read_soon()

    def _write(self, flag: AbortFlag) -> None:
        pieces = self._pieces()
        try:
            places = self._context.decode(list(pieces.values()), flag, self._busy())
            if places is None:
                return
            for (writing, piece), place in zip(pieces.items(), places, strict=True):
                self.evaluated.asked += len(piece.ids) if writing.left else 0
                if (stopped_by := writing.take(self._context, piece, place)) is not None:
                    self._finish(writing, stopped_by)
        except Exception as error:
            # Whatever it is, those who wait for these replies must hear of it.
            for writing in pieces:
                self._finish(writing, StoppedBy.CANCELLED, error)

    def _pieces(self) -> dict[Writing, Piece]:
        """A token of each reply that is being written; what room is left goes to prompts, the
        shortest first."""
        are_writing = [writing for writing in self._writing if not writing.left]
        room = PROMPT_TOKENS_BESIDE if are_writing else PROMPT_TOKENS
        pieces = {writing: writing.piece(1) for writing in are_writing}
        for writing in sorted(self._writing, key=lambda one: len(one.left)):
            if writing.left and room:
                pieces[writing] = writing.piece(room)
                room -= len(pieces[writing].ids)
        return pieces

    def _admit(self) -> None:
        """Begin with what waits, in its order, while the context has room for it."""
        while len(self._writing) < TOGETHER:
            with self._lock:
                busy = self._busy()
                writing = next((one for one in self._waiting if one.call.key not in busy), None)
                if writing is None or not self._has_room(writing):
                    return
                self._waiting.remove(writing)
                self._writing.append(writing)
                # What it is to hold after the reply is not said yet.
                self._targets.pop(writing.call.key, None)
            if (stopped_by := writing.why_not()) is not None:
                self._finish(writing, stopped_by)
                continue
            try:
                writing.begin(self._context, self._busy())
            except Exception as error:
                self._finish(writing, StoppedBy.CANCELLED, error)

    def _has_room(self, writing: Writing) -> bool:
        tokens = sum(one.most_tokens for one in self._writing)
        return not self._writing or tokens + writing.most_tokens <= self._context.cells

    def _finish(
        self, writing: Writing, stopped_by: StoppedBy, error: Exception | None = None
    ) -> None:
        with self._lock:
            self._writing.remove(writing)
        made = writing.finish(self._context, stopped_by)
        if error is not None:
            writing.future.set_exception(error)
            return
        log.info(
            "generated: prompt %d tokens (%d evaluated) in %.2f s, reply %d tokens in %.2f s, %s",
            made.prompt_tokens, made.evaluated_tokens, made.prompt_s,
            made.reply_tokens, made.reply_s, stopped_by.value,
        )  # fmt: skip
        writing.future.set_result(made)

    def _read_step(self) -> None:
        """One small batch of what is to be read along."""
        flag = AbortFlag()
        with self._lock:
            self._is_read_due = False
            if self._is_held_back():
                return
            keys = [key for key in self._targets if not self._asked or key in self._asked]
        pieces = self._unread(keys)
        with self._lock:
            if not pieces or self._is_held_back():
                return
            self._reading = (flag, frozenset(pieces))
        began_s = time.monotonic()
        tokens = sum(len(piece.ids) for piece in pieces.values())
        try:
            done = self._context.decode(list(pieces.values()), flag, self._busy(self._targets))
        except EngineError as error:
            log.warning("A conversation is not read along. %s", error)
            done = []
            for key in pieces:
                self._targets.pop(key, None)
        took_s = time.monotonic() - began_s
        self.evaluated.read += tokens if done else 0
        self.evaluated.lost += tokens if done is None else 0
        with self._lock:
            self._reading = None
            for key in pieces:
                if key in self._targets:
                    self._targets.move_to_end(key)
            self._read_soon(rest_s=took_s * (1.0 / self._share - 1.0) if self._share > 0 else 0.0)

    def _unread(self, keys: Sequence[Hashable]) -> dict[Hashable, Piece]:
        pieces: dict[Hashable, Piece] = {}
        room = READ_TOKENS
        for key in keys:
            ids = self._targets.get(key)
            if ids is None or room == 0 or not self._settle(key):
                continue
            try:
                conversation = self._context.sequences.of(key, ids, self._busy(self._targets))
            except ContextFullError:
                self._targets.pop(key, None)
                continue
            if rest := ids[len(conversation.tokens) : len(conversation.tokens) + room]:
                pieces[key] = Piece(conversation, rest)
                room -= len(rest)
        return pieces

    def _settle(self, key: Hashable) -> bool:
        """Take out of the cache what the conversation is not to hold any more; False while a reply
        is written there, which stands in the cache too."""
        if any(writing.call.key == key for writing in self._writing):
            return False
        ids = self._targets.get(key)
        if ids is not None and self._context.is_open:
            self._context.sequences.settle(key, ids)
        return True

    def _drop(self, key: Hashable) -> None:
        for writing in tuple(self._writing):
            if writing.call.key == key:
                self._finish(writing, StoppedBy.CANCELLED)
        if self._context.is_open:
            self._context.sequences.drop(key)

    # -- with the lock held --------------------------------------------------------------------

    def _is_held_back(self) -> bool:
        return self._is_closed or self._share <= 0.0 or bool(self._writing or self._waiting)

    def _read_soon(self, rest_s: float = 0.0) -> None:
        if self._targets and not self._is_read_due and not self._is_held_back():
            self._is_read_due = True
            not_before_s = time.monotonic() + rest_s
            self._worker.submit_at(Level.READING, self._read_step, not_before_s=not_before_s)

    def _interrupt_reading(self, key: Hashable) -> None:
        if self._reading is not None and key not in self._reading[1]:
            self._reading[0].set()

    def _busy(self, also: Iterable[Hashable] = ()) -> set[Hashable]:
        return {*(writing.call.key for writing in self._writing), *also}
