"""The engine: a loaded model that writes replies and reads conversations along.

What computes runs on the compute worker, a batch at a time (`model/scheduler.py` says which); here
is what everybody else calls, from any thread.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from model.compute import ComputeWorker, WorkerClosed
from model.decoding import DecodingContext
from model.gguf_check import GgufHeader
from model.llama_runtime import EngineError, choose_threads
from model.sampling import RANDOM_SEED, Sampling
from model.scheduler import BusyError, Evaluated, Scheduler
from model.tokenizers import LlamaTokenizer
from model.writing import Call, Generation, StoppedBy, Writing

__all__ = [
    "BusyError",
    "Engine",
    "EngineError",
    "Evaluated",
    "Generation",
    "PromptTooLong",
    "Sampling",
    "StoppedBy",
]

P = ParamSpec("P")
T = TypeVar("T")


class PromptTooLong(EngineError):
    """A prompt does not fit into the context with room for one token of reply."""


class Engine:
    """A loaded model. `load` and `close` block; any thread may call anything.

    After `close` everything raises EngineError, and `tokenizer` TokenizerClosed.
    """

    def __init__(
        self,
        worker: ComputeWorker,
        is_own_worker: bool,
        context: DecodingContext,
        path: Path,
        seed: int | None,
    ) -> None:
        """Use `load`."""
        self.path = path
        self.tokenizer = LlamaTokenizer(context.vocab)
        self.header: GgufHeader = context.header
        self.context_tokens: int = context.context_tokens
        """Of one conversation."""
        self._worker = worker
        self._is_own_worker = is_own_worker
        self._context = context
        self._scheduler = Scheduler(context, worker)
        self._loaded_state = _file_state(path)
        self._seed = seed
        self._sha256 = ""
        self._is_closed = False

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        worker: ComputeWorker | None = None,
        context_tokens: int = 2048,
        channels: int = 0,
        threads: int = 0,
        batch_threads: int = 0,
        seed: int | None = None,
        use_mmap: bool = True,
    ) -> Engine:
        """Load a GGUF and make a context.

        `worker`: who computes; None: one of its own. `channels`: for how many conversations of
        `context_tokens` there is room, and for half of one more; 0: for one alone.
        `threads` and `batch_threads` are for writing and for reading; 0: one a physical core, and
        as many.

        Raises GgufError (missing or broken file), LoadError (does not fit, cannot take back what it
        read, or llama.cpp refuses it).
        """
        computing = worker or ComputeWorker()
        threads = choose_threads(threads, path)

        try:
            # In this thread: on the worker it would keep another model from answering meanwhile.
            context = DecodingContext(
                path,
                context_tokens=context_tokens,
                channels=channels,
                threads=threads,
                batch_threads=batch_threads or threads,
                use_mmap=use_mmap,
            )
            return cls(computing, worker is None, context, path, seed)
        except BaseException:
            if worker is None:
                computing.close()
            raise

    # -- writing -------------------------------------------------------------------------------

    async def generate(
        self,
        ids: Sequence[int],
        *,
        sampling: Sampling,
        key: Hashable = None,
        stop_texts: Sequence[str] = (),
        stop_ids: Sequence[int] = (),
        on_text: Callable[[str], None] | None = None,
        fresh: bool = False,
        deadline_s: float | None = None,
        is_wanted: Callable[[], bool] | None = None,
    ) -> Generation:
        """Write on behind `ids`, in the conversation `key`.

        `on_text` gets each new piece on this event loop, in order. At `deadline_s`
        (time.monotonic()) it ends with what is written. `is_wanted` is asked on the worker when its
        turn comes. The same seed gives the same reply only with `fresh`, which evaluates the whole
        prompt again, and alone: what is computed in other batches differs in the last digits.
        Cancelling the awaiting task ends the generation too.

        Raises PromptTooLong, BusyError, EngineError.
        """
        loop = asyncio.get_running_loop()

        def hand_over(piece: str) -> None:
            # The loop may be closed by the time a cancelled generation says its last piece.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(on_text, piece)  # type: ignore[arg-type]

        call = Call(
            key, tuple(ids), sampling, self._seed_of(sampling), tuple(stop_texts),
            frozenset(stop_ids), fresh, deadline_s, is_wanted,
        )  # fmt: skip
        writing = self._ask(call, hand_over if on_text else None)
        try:
            return await asyncio.wrap_future(writing.future)
        except asyncio.CancelledError:
            writing.cancel()
            raise

    def generate_blocking(
        self,
        ids: Sequence[int],
        *,
        sampling: Sampling,
        stop_texts: Sequence[str] = (),
        stop_ids: Sequence[int] = (),
        on_text: Callable[[str], None] | None = None,
        fresh: bool = False,
    ) -> Generation:
        """`generate` for scripts without an event loop; `on_text` runs on the worker thread."""
        seed = self._seed_of(sampling)
        stops = tuple(stop_texts), frozenset(stop_ids)
        writing = self._ask(Call(None, tuple(ids), sampling, seed, *stops, fresh), on_text)
        try:
            return writing.future.result()
        except BaseException:
            writing.cancel()
            raise

    def asked(self, key: Hashable) -> AbstractContextManager[None]:
        """While somebody waits for an answer in this conversation nothing is read along, and once
        its reply was written, no other one."""
        return self._scheduler.asked(key)

    def cancel(self) -> None:
        """End the running generations at once, in the midst of a prompt too, and those that
        wait."""
        self._scheduler.cancel()

    # -- reading along -------------------------------------------------------------------------

    def read(
        self,
        key: Hashable,
        ids: Sequence[int],
        *,
        is_spare: bool = False,
        closes_up: bool = False,
    ) -> None:
        """From now on the conversation `key` is to hold exactly `ids`.

        They are evaluated in small batches while nobody waits, of a spare one when nothing else
        was to be read for a while; what stood there and differs is taken out at once. With
        `closes_up` what stands behind a piece taken out is moved up instead of evaluated again: it
        was computed with that piece in view, so words that must not be known any more are not taken
        out like this. Returns at once.
        """
        self._scheduler.read(key, ids, is_spare=is_spare, closes_up=closes_up)

    def missing(self, key: Hashable, ids: Sequence[int]) -> int:
        """How many of `ids` would have to be evaluated for this conversation now; 0 where that is
        not known, as it is still to be closed up."""
        return self._scheduler.missing(key, ids)

    def within(self, seconds: float) -> int | None:
        """How many prompt tokens are evaluated in this time; None: not known yet."""
        return self._scheduler.within(seconds)

    def forget(self, key: Hashable) -> None:
        """Take the conversation out of the cache at once, and end what is written in it."""
        self._scheduler.forget(key)

    def set_reading(self, share: float) -> None:
        """How much of the time reading along may compute, 0.0-1.0; 0.0 pauses it."""
        self._scheduler.set_share(share)

    @property
    def evaluated(self) -> Evaluated:
        """Prompt tokens computed since the model was loaded."""
        return self._scheduler.evaluated

    # -- the model -----------------------------------------------------------------------------

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what else computes (embedding a question) on the worker, between two batches."""
        self._refuse_closed()
        return await self._worker.run(function, *args, **kwargs)

    @property
    def threads(self) -> tuple[int, int]:
        """For writing and for reading."""
        self._refuse_closed()
        return self._context.threads

    def set_threads(self, threads: int, batch_threads: int) -> None:
        """From the next batch on. Blocks for at most one batch."""
        self._refuse_closed()
        self._worker.submit(self._context.set_threads, threads, batch_threads).result()

    @property
    def sha256(self) -> str:
        """The loaded file's hash (hex). Reads the whole file the first time: seconds for gigabytes.

        Raises EngineError where the file was changed or taken away after it was loaded.
        """
        if not self._sha256:
            digest = hashlib.sha256()
            try:
                with self.path.open("rb") as file:
                    while chunk := file.read(1 << 20):
                        digest.update(chunk)
                changed = _file_state(self.path) != self._loaded_state
            except OSError as error:
                raise EngineError(f"{self.path.name} cannot be read any more: {error}") from error
            if changed:
                raise EngineError(
                    f"{self.path.name} was changed after it was loaded: load it again"
                )
            self._sha256 = digest.hexdigest()
        return self._sha256

    def close(self) -> None:
        """Cancel what runs, wait for it and free the memory. Again does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._scheduler.close()
        self.tokenizer.close()
        try:
            self._worker.submit(self._context.free).result()
        except WorkerClosed:
            self._worker.close()  # waits for its thread
            self._context.free()
        if self._is_own_worker:
            self._worker.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, call: Call, deliver: Callable[[str], None] | None) -> Writing:
        self._refuse_closed()
        if not call.ids:
            raise EngineError("there is nothing to answer: the prompt is empty")
        if len(call.ids) >= self.context_tokens:
            raise PromptTooLong(
                f"the prompt has {len(call.ids)} tokens and the context holds "
                f"{self.context_tokens}: shorten the transcript or raise context_tokens"
            )
        writing = Writing(call, deliver)
        self._scheduler.ask(writing)
        return writing

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise EngineError("the engine is closed")

    def _seed_of(self, sampling: Sampling) -> int:
        seed = sampling.seed if sampling.seed >= 0 else self._seed
        return RANDOM_SEED if seed is None or seed < 0 else seed


def _file_state(path: Path) -> tuple[int, int, int]:
    state = path.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns
