"""The engine: one worker thread owns a llama.cpp context and writes replies with it.

Everything that touches the context runs on that thread, one call after the other (llama.cpp has no
lock inside); what it does there is in `model/decoding.py`.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from model.abort import AbortFlag
from model.decoding import (
    Call,
    DecodingContext,
    EngineError,
    Generation,
    PromptTooLong,
    Sampling,
    StoppedBy,
)
from model.gguf_check import GgufHeader
from model.llama_runtime import choose_threads
from model.tokenizers import LlamaTokenizer

__all__ = ["Engine", "EngineError", "Generation", "PromptTooLong", "Sampling", "StoppedBy"]

_RANDOM_SEED = 0xFFFFFFFF
"""LLAMA_DEFAULT_SEED: llama.cpp draws a seed of its own."""

P = ParamSpec("P")
T = TypeVar("T")


class Engine:
    """A loaded model. `load` and `close` block; any thread may call anything.

    After `close` everything raises EngineError, and `tokenizer` TokenizerClosed.
    """

    def __init__(
        self, worker: ThreadPoolExecutor, context: DecodingContext, path: Path, seed: int | None
    ) -> None:
        """Use `load`."""
        self._worker = worker
        self._context = context
        self._path = path
        self._loaded_state = _file_state(path)
        self._seed = seed
        self._flags: set[AbortFlag] = set()
        self._lock = threading.Lock()
        self._sha256 = ""
        self._closed = False
        self.tokenizer = LlamaTokenizer(context.vocab)
        self.header: GgufHeader = context.header
        self.context_tokens: int = context.context_tokens

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        context_tokens: int = 2048,
        threads: int = 0,
        seed: int | None = None,
        use_mmap: bool = True,
    ) -> Engine:
        """Load a GGUF and make a context. `threads` 0: one a physical core.

        Raises GgufError (missing or broken file), LoadError (does not fit, or llama.cpp refuses
        it).
        """
        worker = ThreadPoolExecutor(1, thread_name_prefix="mynah-engine")
        try:
            making = worker.submit(
                DecodingContext, path, context_tokens, choose_threads(threads, path), use_mmap
            )
            return cls(worker, making.result(), path, seed)
        except BaseException:
            worker.shutdown(wait=False)
            raise

    async def generate(
        self,
        ids: Sequence[int],
        *,
        sampling: Sampling,
        stop_texts: Sequence[str] = (),
        stop_ids: Sequence[int] = (),
        on_text: Callable[[str], None] | None = None,
        fresh: bool = False,
    ) -> Generation:
        """Write on behind `ids`. `on_text` gets each new piece on this event loop, in order.

        The same seed gives the same reply only with `fresh`, which evaluates the whole prompt
        again: what is reused was computed in other batches and differs in the last digits.
        Cancelling the awaiting task ends the generation too. Raises PromptTooLong, EngineError.
        """
        loop = asyncio.get_running_loop()
        flag = self._new_flag()

        def hand_over(piece: str) -> None:
            # The loop may be closed by the time a cancelled generation says its last piece.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(on_text, piece)  # type: ignore[arg-type]

        call = self._call(ids, sampling, stop_texts, stop_ids, fresh)
        deliver = hand_over if on_text else None
        try:
            return await asyncio.wrap_future(
                self._submit(self._context.generate, call, flag, deliver)
            )
        except asyncio.CancelledError:
            flag.set()
            raise
        finally:
            self._drop_flag(flag)

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
        flag = self._new_flag()
        call = self._call(ids, sampling, stop_texts, stop_ids, fresh)
        try:
            return self._submit(self._context.generate, call, flag, on_text).result()
        except BaseException:
            flag.set()
            raise
        finally:
            self._drop_flag(flag)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what else computes (embedding a question) on the worker, between replies."""
        return await asyncio.wrap_future(self._submit(function, *args, **kwargs))

    def cancel(self) -> None:
        """End the running generation at once, in the midst of a prompt too, and those that wait."""
        with self._lock:
            for flag in self._flags:
                flag.set()

    @property
    def sha256(self) -> str:
        """The loaded file's hash (hex). Reads the whole file the first time: seconds for gigabytes.

        Raises EngineError where the file was changed or taken away after it was loaded.
        """
        if not self._sha256:
            digest = hashlib.sha256()
            try:
                with self._path.open("rb") as file:
                    while chunk := file.read(1 << 20):
                        digest.update(chunk)
                changed = _file_state(self._path) != self._loaded_state
            except OSError as error:
                raise EngineError(f"{self._path.name} cannot be read any more: {error}") from error
            if changed:
                raise EngineError(
                    f"{self._path.name} was changed after it was loaded: load it again"
                )
            self._sha256 = digest.hexdigest()
        return self._sha256

    def close(self) -> None:
        """Cancel what runs, wait for it and free the memory. Again does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self.tokenizer.close()
        self.cancel()
        self._worker.submit(self._context.free).result()
        self._worker.shutdown()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _submit(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have the worker run it. What is taken here comes before `close` frees the context."""
        with self._lock:
            if self._closed:
                raise EngineError("the engine is closed")
            return self._worker.submit(function, *args, **kwargs)

    def _new_flag(self) -> AbortFlag:
        flag = AbortFlag()
        with self._lock:
            self._flags.add(flag)
        return flag

    def _drop_flag(self, flag: AbortFlag) -> None:
        with self._lock:
            self._flags.discard(flag)

    def _call(
        self,
        ids: Sequence[int],
        sampling: Sampling,
        stop_texts: Sequence[str],
        stop_ids: Sequence[int],
        fresh: bool,
    ) -> Call:
        seed = sampling.seed if sampling.seed >= 0 else self._seed
        known = _RANDOM_SEED if seed is None or seed < 0 else seed
        return Call(tuple(ids), sampling, known, tuple(stop_texts), frozenset(stop_ids), fresh)


def _file_state(path: Path) -> tuple[int, int, int]:
    state = path.stat()
    return state.st_ino, state.st_size, state.st_mtime_ns
