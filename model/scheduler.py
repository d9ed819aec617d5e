"""Decides what the next batch computes: replies that somebody waits for, else reading along.

Replies of several conversations decode in one batch. While none is written, conversations are read
along in small batches, in turn; while somebody waits for an answer no such batch is begun, and one
that is being read ends at once. The steps run on the compute worker, one batch each; everything
else may be called from any thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from model.abort import AbortFlag
from model.compute import ComputeWorker, Level, WorkerClosed
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

READ_TOKENS = 128
"""Of a batch of reading along, at most. At Qwen2.5-3B's shape on two cores 32 take 0.47 s (68 a
second), 64 take 0.94 s (68), 128 take 1.74 s (74); docs/experiments.md."""

SPARE_AFTER_S = 2.0
"""Without anything else to be read, before spare conversations are."""

MEASURED_TOKENS = 16
"""A prompt's batch says how fast prompts are evaluated from so many on."""


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
    """Begun while reading along and thrown away, since somebody asked; at most."""


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
        self._spare: set[Hashable] = set()
        """Those of them that are read when all others are."""
        self._told_s = 0.0
        """time.monotonic() when another one was to be read last."""
        self._closing: dict[Hashable, Sequence[int]] = {}
        """Conversations that go on like this behind a gap that is still to be closed."""
        self._forgotten: set[Hashable] = set()
        """Conversations that are still to be taken out of the cache."""
        self._asked: Counter[Hashable] = Counter()
        self._is_answered: set[Hashable] = set()
        """Those of them in which a reply was written meanwhile, or is just now."""
        self._share = 1.0
        self._rate: float | None = None
        """Prompt tokens a second, of the latest batches."""
        self._is_write_due = self._is_read_due = self._is_look_due = self._is_closed = False
        self._reading: tuple[AbortFlag, dict[Hashable, int]] | None = None
        """The batch that is being read, and how many tokens of each conversation are in it."""

    # -- asking --------------------------------------------------------------------------------

    def ask(self, writing: Writing) -> None:
        """Have the reply written. Raises BusyError, EngineError."""
        with self._lock:
            if self._is_closed:
                raise EngineError("the engine is closed")
            if len(self._waiting) >= WAITING:
                raise BusyError(f"{WAITING} replies wait already: the model cannot keep up")
            if not self._is_write_due and not self._submit(self._write_step):
                raise EngineError("the engine is closed")
            self._is_write_due = True
            # What the conversation is to hold after the reply is not said yet.
            writing.target = self._targets.pop(writing.call.key, None)
            self._waiting.append(writing)
            if writing.call.key in self._asked:
                self._is_answered.add(writing.call.key)
            self._interrupt_reading(spares=writing.call.key)

    @contextmanager
    def asked(self, key: Hashable) -> Iterator[None]:
        """While somebody waits for this conversation nothing is read along, and once its reply was
        written, no other one."""
        with self._lock:
            self._asked[key] += 1
            self._is_answered.discard(key)
            self._interrupt_reading()
        try:
            yield
        finally:
            with self._lock:
                self._asked[key] -= 1
                self._asked = +self._asked
                self._is_answered &= self._asked.keys()
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
            self._interrupt_reading()
            ending = [writing.future for writing in (*self._writing, *self._waiting)]
        self.cancel()
        wait(ending)

    # -- reading along -------------------------------------------------------------------------

    def read(
        self,
        key: Hashable,
        ids: Sequence[int],
        *,
        is_spare: bool = False,
        closes_up: bool = False,
    ) -> None:
        """From now on the conversation is to hold exactly `ids`; what differs goes at once."""
        with self._lock:
            if self._is_closed:
                return
            self._targets[key] = tuple(ids)
            if is_spare:
                self._spare.add(key)
            else:
                self._spare.discard(key)
                self._told_s = time.monotonic()
            if closes_up:
                self._closing[key] = ids
            self._submit(lambda: self._settle(key))
            self._read_soon()

    def forget(self, key: Hashable) -> None:
        """The conversation is not read any more, and is gone from the cache at once."""
        with self._lock:
            if self._is_closed:
                return
            self._targets.pop(key, None)
            self._spare.discard(key)
            self._closing.pop(key, None)
            for writing in (*self._writing, *self._waiting):
                if writing.call.key == key:
                    writing.target = None
                    writing.cancel()
            if self._reading is not None and key in self._reading[1]:
                self._reading[0].set()
            self._forgotten.add(key)
            self._submit(self._drop_forgotten)

    def set_share(self, share: float) -> None:
        """How much of the time reading along may compute, 0.0-1.0; 0.0 pauses it."""
        with self._lock:
            self._share = share
            if share <= 0.0:
                self._interrupt_reading()
            self._read_soon()

    def missing(self, key: Hashable, ids: Sequence[int]) -> int:
        """How many of `ids` would have to be evaluated for this conversation now; 0 where that is
        not known, as it is still to be closed up."""
        with self._lock:
            if key in self._closing:
                return 0
            forgotten = set(self._forgotten)
        return self._context.sequences.missing(key, ids, forgotten)

    def within(self, seconds: float) -> int | None:
        """How many prompt tokens are evaluated in this time; None: not known yet."""
        return None if self._rate is None else int(seconds * self._rate)

    # -- on the compute worker -----------------------------------------------------------------

    def _write_step(self) -> None:
        """One batch of all replies that are being written."""
        try:
            self._drop_forgotten()
            self._end_what_is_over()
            self._admit()
            self._write()
        except BaseException as error:
            # Whatever it is, those who wait must hear of it, and the next ones be written.
            log.exception("A step of writing failed")
            for writing in tuple(self._writing):
                self._finish(writing, StoppedBy.CANCELLED, error)
        self._go_on()

    def _go_on(self) -> None:
        with self._lock:
            self._is_write_due = bool(self._writing or self._waiting)
            if not self._is_write_due:
                self._read_soon()
            if not self._is_write_due or self._submit(self._write_step):
                return
            self._is_closed = True
            ending = (*self._writing, *self._waiting)
        for writing in ending:
            self._finish(writing, StoppedBy.CANCELLED)

    def _end_what_is_over(self) -> None:
        with self._lock:
            everything = (*self._writing, *self._waiting)
        for writing in everything:
            if (stopped_by := writing.why_over()) is not None:
                self._finish(writing, stopped_by)

    def _write(self) -> None:
        flag = AbortFlag()
        for writing in self._writing:
            writing.batch_flag = flag
            if writing.flag.is_set():
                return  # it was cancelled just now
        pieces = self._pieces()
        if not pieces:
            return
        began_s = time.monotonic()
        try:
            places = self._context.decode(list(pieces.values()), flag, self._keys_written())
        except EngineError as error:
            for writing in pieces:
                self._finish(writing, StoppedBy.CANCELLED, error)
            return
        if places is None:
            return
        if all(writing.left for writing in pieces):
            tokens = sum(len(piece.ids) for piece in pieces.values())
            self._measure(tokens, time.monotonic() - began_s)
        for (writing, piece), place in zip(pieces.items(), places, strict=True):
            self._take(writing, piece, place)

    def _take(self, writing: Writing, piece: Piece, place: int) -> None:
        self.evaluated.asked += len(piece.ids) if writing.left else 0
        try:
            stopped_by = writing.take(self._context, piece, place)
        except BaseException as error:
            # `on_text` may raise anything; the others' replies are not to suffer.
            self._finish(writing, StoppedBy.CANCELLED, error)
        else:
            if stopped_by is not None:
                self._finish(writing, stopped_by)

    def _pieces(self) -> dict[Writing, Piece]:
        """A token of each reply that is being written; what room is left goes to prompts, the
        shortest first, but for a quarter that the one begun first has."""
        are_writing = [writing for writing in self._writing if not writing.left]
        prompts = [writing for writing in self._writing if writing.left]
        pieces = {writing: writing.piece(1) for writing in are_writing}
        room = PROMPT_TOKENS_BESIDE if are_writing else PROMPT_TOKENS
        kept = min(len(prompts[0].left), room // 4) if prompts else 0
        for writing in sorted(prompts, key=lambda one: len(one.left)):
            kept = 0 if writing is prompts[0] else kept
            if room > kept:
                pieces[writing] = writing.piece(room - kept)
                room -= len(pieces[writing].ids)
        return pieces

    def _admit(self) -> None:
        """Begin with what waits, in its order, while the context has room for it."""
        while len(self._writing) < TOGETHER:
            with self._lock:
                keys = self._keys_written()
                writing = next((one for one in self._waiting if one.call.key not in keys), None)
                if writing is None or not self._has_room(writing):
                    return
                self._waiting.remove(writing)
                self._writing.append(writing)
            try:
                stopped_by = writing.why_not()
                if stopped_by is None:
                    self._close_up(writing.call.key)
                    writing.begin(self._context, self._keys_written())
            except BaseException as error:
                # `is_wanted` may raise anything.
                self._finish(writing, StoppedBy.CANCELLED, error)
            else:
                if stopped_by is not None:
                    self._finish(writing, stopped_by)

    def _has_room(self, writing: Writing) -> bool:
        most = [min(one.most_tokens, self._context.context_tokens) for one in self._writing]
        room = self._context.cells - sum(most)
        return not most or min(writing.most_tokens, self._context.context_tokens) <= room

    def _finish(
        self, writing: Writing, stopped_by: StoppedBy, error: BaseException | None = None
    ) -> None:
        key = writing.call.key
        with self._lock:
            (self._writing if writing in self._writing else self._waiting).remove(writing)
            if writing.target is not None and not writing.has_begun:
                self._targets.setdefault(key, writing.target)
        try:
            made = writing.finish(self._context, stopped_by)
        except BaseException as failure:
            error = error or failure
        self._settle(key)
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
        with self._lock:
            self._is_read_due = False
            if self._is_held_back():
                return
            targets = dict(self._targets)  # other threads change it meanwhile
            keys = [key for key in targets if self._is_read_now(key)]
            spare = [key for key in keys if key in self._spare]
            rest_s = self._told_s + SPARE_AFTER_S - time.monotonic()
        try:
            is_done = not self._read([key for key in keys if key not in spare], targets)
            if is_done and spare and rest_s <= 0:
                self._read(spare, targets)
            elif is_done and spare:
                self._look_again(rest_s)
        except Exception:
            # The edge of a step that nobody waits for: the next `read` begins anew.
            log.exception("Reading along failed")

    def _read(self, keys: Sequence[Hashable], targets: Mapping[Hashable, Sequence[int]]) -> bool:
        """Whether anything of these was left to be read."""
        pieces = self._unread(keys, targets)
        flag = AbortFlag()
        with self._lock:
            pieces = {key: piece for key, piece in pieces.items() if self._is_read_now(key)}
            if not pieces or self._is_held_back():
                return bool(pieces)
            self._reading = (flag, {key: len(piece.ids) for key, piece in pieces.items()})
        began_s = time.monotonic()
        kept = [key for key in targets if key in pieces or key not in self._spare]
        try:
            done = self._context.decode(list(pieces.values()), flag, kept)
        except EngineError as error:
            log.warning("A conversation is not read along. %s", error)
            self._leave(pieces)
            done = []
        finally:
            with self._lock:
                self._reading = None
        took_s = time.monotonic() - began_s
        tokens = sum(len(piece.ids) for piece in pieces.values())
        self.evaluated.read += tokens if done else 0
        self.evaluated.lost += tokens if done is None else 0
        if done:
            self._measure(tokens, took_s)
        with self._lock:
            for key in pieces:
                if key in self._targets:
                    self._targets.move_to_end(key)
            self._read_soon(rest_s=took_s * (1.0 / self._share - 1.0) if self._share > 0 else 0.0)
        return True

    def _measure(self, tokens: int, took_s: float) -> None:
        if tokens >= MEASURED_TOKENS and took_s > 0:
            rate = tokens / took_s
            self._rate = rate if self._rate is None else 0.8 * self._rate + 0.2 * rate

    def _look_again(self, after_s: float) -> None:
        """Whether it is time for what is spare; what is told meanwhile does not wait for it."""

        def look() -> None:
            with self._lock:
                self._is_look_due = False
                self._read_soon()

        with self._lock:
            if not self._is_look_due:
                self._is_look_due = True
                self._submit(look, Level.READING, time.monotonic() + after_s)

    def _unread(
        self, keys: Sequence[Hashable], targets: Mapping[Hashable, Sequence[int]]
    ) -> dict[Hashable, Piece]:
        pieces: dict[Hashable, Piece] = {}
        room = READ_TOKENS
        for key in keys:
            ids = targets[key]
            try:
                # None of the targets goes for another one.
                conversation = self._context.sequences.of(key, ids, targets)
            except ContextFullError:
                self._leave([key])
                continue
            self._close_up(key)
            self._context.sequences.settle(key, ids)
            if rest := ids[len(conversation.tokens) : len(conversation.tokens) + room]:
                pieces[key] = Piece(conversation, rest)
                room -= len(rest)
            if room == 0:
                break
        return pieces

    def _leave(self, keys: Collection[Hashable]) -> None:
        """Read these no more."""
        with self._lock:
            for key in keys:
                self._targets.pop(key, None)
                self._spare.discard(key)

    def _close_up(self, key: Hashable) -> None:
        """Before anything else is taken out of the conversation."""
        if (ids := self._closing.pop(key, None)) is not None:
            self._context.close_up(key, ids)

    def _settle(self, key: Hashable) -> None:
        """Take out of the cache what the conversation is not to hold any more, but not while a
        reply is written there, which stands in the cache too."""
        ids = self._targets.get(key)
        if ids is not None and key not in self._keys_written() and self._context.is_open:
            self._close_up(key)
            self._context.sequences.settle(key, ids)

    def _drop_forgotten(self) -> None:
        with self._lock:
            keys = set(self._forgotten)
        for key in keys:
            for writing in tuple(self._writing):
                if writing.call.key == key:
                    self._finish(writing, StoppedBy.CANCELLED)
            if self._context.is_open:
                self._context.sequences.drop(key)
        with self._lock:
            self._forgotten -= keys

    def _keys_written(self) -> set[Hashable]:
        return {writing.call.key for writing in self._writing}

    # -- with the lock held --------------------------------------------------------------------

    def _is_held_back(self) -> bool:
        return self._is_closed or self._share <= 0.0 or bool(self._writing or self._waiting)

    def _is_read_now(self, key: Hashable) -> bool:
        return not self._asked or (key in self._asked and key in self._is_answered)

    def _read_soon(self, rest_s: float = 0.0) -> None:
        if self._targets and not self._is_read_due and not self._is_held_back():
            self._is_read_due = True
            self._submit(self._read_step, Level.READING, time.monotonic() + rest_s)

    def _interrupt_reading(self, spares: Hashable = None) -> None:
        """End the batch that is being read, but not for one whose own tokens are half of it: they
        are needed anyway."""
        if self._reading is None:
            return
        flag, tokens = self._reading
        if spares is None or 2 * tokens.get(spares, 0) < sum(tokens.values()):
            flag.set()

    def _submit(
        self, step: Callable[[], None], level: Level = Level.ASKED, not_before_s: float = 0.0
    ) -> bool:
        """False where the worker is closed."""
        with suppress(WorkerClosed):
            self._worker.submit_at(level, step, not_before_s=not_before_s)
            return True
        return False
