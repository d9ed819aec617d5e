"""One model on its way in or out: opened in a thread, tried out, waited for, closed.

What blocks runs in threads of its own, which end with their work. `bot/model_keeper.py` says in
which order. Everything is called from the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeAlias, TypeVar

from bot.generate import Writer
from model.chat_format import Said, encode, layout_of, render_ask
from model.inference import Generation, Sampling, StoppedBy
from model.llama_runtime import LoadError
from model.model_server import ModelServer
from model.remote_engine import RemoteEngine
from model.tokenizers import refuse_controls_in_words
from storage.errors import MynahError

log = logging.getLogger(__name__)

Model: TypeAlias = Path | ModelServer
"""What answers: a GGUF file, or a server elsewhere."""

TRY_TOKENS = 4
"""What a new model writes before it is trusted."""
SERVER_TRY_TOKENS = 120
"""More, as a server's model may think first."""
TRY_S = 60.0
"""How long that may take; a 3B on two cores reads and writes so much in about a second."""
SERVER_TRY_S = 180.0
"""A server may have to load its model first."""
_PERSONA = "You are one of the regulars."
_TURNS = (Said("mira", "anyone up for the raid?"),)

LENT_S = 30.0
"""How long a reply may still take on a model that is to go."""
CANCELLED_S = 10.0
"""How long its users have after their replies were ended, before it is closed under them."""
_CANCEL_AGAIN_S = 1.0

P = ParamSpec("P")
T = TypeVar("T")


class TrialError(MynahError):
    """A model was loaded and cannot write."""


@dataclass(frozen=True)
class Sizes:
    """Blocking; asked in worker threads. Both in bytes."""

    need: Callable[[Model], int]
    """The memory that a model takes; 0 for a server. Reads the file's header: may raise
    GgufError."""
    available: Callable[[], int]
    """What programs may still take without swapping."""


@dataclass(eq=False)
class Held:
    """A loaded model, and how many use it just now."""

    name: str
    model: Model
    engine: Writer
    need_bytes: int
    lent: int = 0
    _is_back: asyncio.Event = field(default_factory=asyncio.Event)

    def lend(self) -> None:
        self.lent += 1
        self._is_back.clear()

    def come_back(self) -> None:
        self.lent -= 1
        if not self.lent:
            self._is_back.set()

    async def all_back(self, patience_s: float) -> None:
        """Wait until nobody uses it. After `patience_s` what it writes is ended, and what is begun
        after that too; CANCELLED_S later it is given up."""
        if await self._is_back_within(patience_s):
            return
        log.warning("%s is to go: what it still writes is ended.", self.name)
        for _ in range(max(1, round(CANCELLED_S / _CANCEL_AGAIN_S))):
            self.engine.cancel()  # again and again: a cancelled reply may be tried once more
            if await self._is_back_within(_CANCEL_AGAIN_S):
                return
        log.warning("%s is closed while somebody still uses it.", self.name)

    async def _is_back_within(self, limit_s: float) -> bool:
        if self.lent:
            waiting = asyncio.ensure_future(self._is_back.wait())
            try:
                await asyncio.wait({waiting}, timeout=limit_s)
            finally:
                waiting.cancel()
        return not self.lent

    async def close(self) -> None:
        """Free its memory. Where this is cancelled, that still happens."""
        await close(self.engine)


async def opened(
    open_model: Callable[[Model], Writer], model: Model, one_at_a_time: threading.Lock
) -> Writer:
    """The engine, made by `open_model` in a thread.

    Cancelled: what the thread still opens is closed there, and nothing else is opened before that:
    two models at once might not fit. Raises what `open_model` raises.
    """
    future: Future[Writer] = Future()

    def run() -> None:
        with one_at_a_time:
            _fulfil(future, open_model, model)

    threading.Thread(target=run, name="mynah-model-load").start()
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        if future.done():
            _in_thread(_close_what_came, future)
        else:
            future.add_done_callback(_close_what_came)
        raise


async def close(engine: Writer) -> None:
    """Close it in a thread, which goes on where this is cancelled."""
    await asyncio.wrap_future(_in_thread(_close, engine))


async def try_out_or_close(name: str, engine: Writer) -> None:
    """Have it write a few words, which may be none; where it cannot, it is closed.

    Raises MynahError: LayoutError where it has not the control tokens of a layout, else what the
    engine raises, or TrialError.
    """
    try:
        await _try_out(name, engine)
    except BaseException:
        await close(engine)
        raise


async def _try_out(name: str, engine: Writer) -> None:
    limit_s = SERVER_TRY_S if isinstance(engine, RemoteEngine) else TRY_S
    try:
        made = await asyncio.wait_for(_written(engine), limit_s)
    except asyncio.TimeoutError:
        raise TrialError(f"{name} wrote nothing within {limit_s:.0f} s.") from None
    if made.stopped_by is StoppedBy.CANCELLED:
        raise TrialError(f"{name} was not tried out to the end.")
    # llama.cpp does not look for NaN: none is greater than another, so the first token wins always.
    if len(made.token_ids) == TRY_TOKENS and not any(made.token_ids):
        raise TrialError(
            f"{name} computes nothing that can be compared (NaN): its file or its training is "
            "broken."
        )


async def _written(engine: Writer) -> Generation:
    if isinstance(engine, RemoteEngine):
        sampling = Sampling(temperature=0.0, max_tokens=SERVER_TRY_TOKENS)
        return await engine.generate(_PERSONA, _TURNS, sampling=sampling)
    sampling = Sampling(temperature=0.0, max_tokens=TRY_TOKENS)
    layout = layout_of(engine.tokenizer)
    refuse_controls_in_words(engine.tokenizer, layout)
    stop_id = engine.tokenizer.control_id(layout.end)
    ids, _ = encode(render_ask(_PERSONA, _TURNS, layout=layout), engine.tokenizer)
    made = await engine.generate(ids, sampling=sampling, stop_ids=[stop_id])
    engine.forget(None)
    return made


async def fits_beside(sizes: Sizes, old: Held | None, name: str, need_bytes: int) -> bool:
    """Whether a model fits beside the old one. Raises LoadError where it would not even with that
    one gone."""
    free_bytes = await asyncio.to_thread(sizes.available)
    if need_bytes <= free_bytes:
        return True
    if old is not None and need_bytes <= free_bytes + old.need_bytes:
        return False
    free = f"only {_gigabytes(free_bytes)} are free"
    if old is not None:
        room = _gigabytes(free_bytes + old.need_bytes)
        free = f"even without {old.name} only {room} would be free"
    raise LoadError(
        f"{name} needs about {_gigabytes(need_bytes)} of memory, and {free}: end other programs, "
        "or choose a smaller model or quantisation."
    )


def sentence(error: Exception) -> str:
    """What an error says, ending in a full stop. What was not foreseen is logged."""
    if not isinstance(error, MynahError):
        log.error("A model could not be used", exc_info=error)
        return f"Something went wrong inside ({type(error).__name__}); the log says what."
    said = str(error)
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _gigabytes(size_bytes: int) -> str:
    return f"{max(0, size_bytes) / 1e9:.1f} GB"


def _close_what_came(future: Future[Writer]) -> None:
    if not future.cancelled() and future.exception() is None:
        _close(future.result())


def _close(engine: Writer) -> None:
    try:
        engine.close()
    except Exception:
        log.exception("A model could not be closed.")


def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Begun at once, whatever becomes of the event loop."""
    future: Future[T] = Future()

    def run() -> None:
        _fulfil(future, function, *args, **kwargs)

    threading.Thread(target=run, name="mynah-model-close").start()
    return future


def _fulfil(future: Future[T], function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        # The edge of the thread: whoever waits gets it.
        future.set_exception(error)
    else:
        future.set_result(result)
