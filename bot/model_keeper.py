"""Holds the model that answers: loads it, changes it for another, lets it go while nobody asks.

The process and its connections live on meanwhile. Where two models fit, the new one is loaded and
tried out while the old one answers, and nobody waits. Where they do not, those who ask wait for as
long as loading takes; whatever goes wrong, the old one comes back.

Everything is called from the event loop's thread; what blocks runs in threads (`model_change.py`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from bot.generate import Writer
from bot.model_change import (
    LENT_S,
    Held,
    Model,
    Sizes,
    fits_beside,
    opened,
    sentence,
    try_out_or_close,
)
from model.model_server import ModelServer
from storage.errors import MynahError

log = logging.getLogger(__name__)

LOOK_S = 60.0
"""How often it is asked whether the model is still needed."""

_STOPS = "The bot stops; ask again when it runs."

_RESTS = "A model is being trained on this computer and has the memory: nobody is answered."

LOADING, READY, CHANGING, UNLOADED, FAILED = "loading", "ready", "changing", "unloaded", "failed"
RESTING = "resting"


class ChangeError(MynahError):
    """A model was not put to use; the sentence says why, and what answers."""


class ReplacedError(ChangeError):
    """Another model was asked for before this one's turn came."""


class KeeperClosedError(MynahError):
    """The bot ends."""


class RestingError(MynahError):
    """The model is away until a training is over (bot/resting.py)."""


class Lender(Protocol):
    """What a pipeline needs of whoever keeps the model."""

    @property
    def engine(self) -> Writer | None:
        """What is loaded now, for what nobody waits for; None: nothing."""

    def lend(self) -> AbstractAsyncContextManager[Writer]:
        """The model, for a reply. Raises MynahError where there is none."""


class OneEngine:
    """Lends an engine that somebody else opened and closes."""

    def __init__(self, engine: Writer) -> None:
        self.engine: Writer | None = engine
        self._engine = engine

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Writer]:
        yield self._engine


class ModelKeeper:
    """One at a time answers; `change` and idle times replace it. `close` it at the end."""

    def __init__(
        self,
        open_model: Callable[[Model], Writer],
        sizes: Sizes,
        *,
        on_change: Callable[[Writer | None], None] = lambda engine: None,
        patience_s: float = LENT_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Loads nothing. `open_model` is called in a thread.

        `on_change` is told whenever `engine` is another. `patience_s`: how long a reply may still
        take on a model that is to go.
        """
        self.on_change = on_change
        self._open_model = open_model
        self._sizes = sizes
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self._held: Held | None = None
        self._wanted: tuple[str, Model] | None = None
        """What is loaded when somebody asks and nothing is."""
        self._is_lendable = asyncio.Event()
        self._in_turn = asyncio.Lock()
        """One at a time loads, changes or lets go."""
        self._one_opening = threading.Lock()
        self._last_asked: object = None
        self._bringing: asyncio.Task[None] | None = None
        self._retiring: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self.is_resting = False
        """Nothing is loaded and nothing lent until `wake`."""
        self._used_s = clock()
        self._state, self._since_s, self._reason = UNLOADED, clock(), ""

    @property
    def engine(self) -> Writer | None:
        """What is loaded now. Only `lend` keeps it from being closed."""
        return None if self._held is None else self._held.engine

    @property
    def name(self) -> str:
        """Of the model that answers, or would if somebody asked; "" before the first one."""
        return "" if self._wanted is None else self._wanted[0]

    def status(self) -> dict[str, Any]:
        """For people: `name`, `state` (loading, ready, changing, unloaded, resting, failed),
        `since_s` (for how many seconds) and `reason`, a sentence: what is going on, or what went
        wrong last."""
        since_s = round(self._clock() - self._since_s, 1)
        return {"name": self.name, "state": self._state, "since_s": since_s, "reason": self._reason}

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Writer]:
        """The model, which is not closed meanwhile; loaded where it was let go, waited for while it
        is changed. Raises MynahError where it cannot be loaded.

        Keep it no longer than a reply takes: after `patience_s` a change ends what it writes.
        """
        held = await self._lendable()
        held.lend()
        self._used_s = self._clock()
        try:
            yield held.engine
        finally:
            held.come_back()
            self._used_s = self._clock()

    async def load(self, name: str, model: Model) -> None:
        """Load the first model and have it write a few words.

        Raises MynahError (GgufError, LoadError, LayoutError ...); the next `lend` tries again.
        Whether a server answers shows with the first reply.
        """
        await self._as_task(self._load_first(name, model))

    async def change(self, name: str, model: Model) -> None:
        """Have another model answer, or the same one loaded anew; returns once it does.

        A change that runs is waited for; of several that wait the last one wins. Raises ChangeError
        where it was not put to use: what answered before answers again, or, where even that failed,
        is tried with the next `lend`. Cancelled, it is not put to use either.
        """
        self._last_asked = asked = object()
        await self._as_task(self._change(name, model, asked))

    async def unload(self) -> None:
        """Let the model go; the next `lend` loads it again. Nothing for a server elsewhere."""
        await self._as_task(self._unload())

    async def rest(self) -> None:
        """Let the model go and lend none until `wake`: RestingError for whoever asks. Nothing for a
        server elsewhere."""
        if self._wanted is not None and isinstance(self._wanted[1], ModelServer):
            return
        self.is_resting = True
        try:
            await self._as_task(self._unload())
        except BaseException:
            self.wake()
            raise
        if self.is_resting:
            self._enter(RESTING, _RESTS)

    def wake(self) -> None:
        """Load it again, whether somebody asks or not. Where it does not rest nothing happens."""
        if not self.is_resting:
            return
        self.is_resting = False
        if self._held is None and not self._is_closed:
            self._enter(UNLOADED)
            if self._wanted is not None and (self._bringing is None or self._bringing.done()):
                self._bringing = self._begin(self._bring_back())

    async def run_idle(self, minutes: Callable[[], int]) -> None:
        """Let the model go whenever nobody asked it for so many minutes; 0: never. Never ends."""
        while True:
            await self._sleep(LOOK_S)
            after_s = minutes() * 60.0
            if after_s > 0 and self._held is not None and self._is_idle(self._held, after_s):
                await self._as_task(self._unload(after_s))

    async def close(self) -> None:
        """End what is going on and close the model. Who waits in `lend` gets KeeperClosedError.

        What a thread is still loading is closed there. Again does nothing.
        """
        self._is_closed = True
        self._is_lendable.clear()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if (held := self._held) is not None:
            self._put(None)
            self._enter(UNLOADED)
            await held.close()

    # -- lending --------------------------------------------------------------------------------

    async def _lendable(self) -> Held:
        while True:
            if self._is_closed:
                raise KeeperClosedError(_STOPS)
            if self.is_resting:
                raise RestingError(_RESTS)
            if self._held is not None and self._is_lendable.is_set():
                return self._held
            await self._wait_for_one()

    async def _wait_for_one(self) -> None:
        """Until one may be lent; raises where it cannot be loaded. Who waits may go: the loading
        is everybody's."""
        if self._bringing is None or self._bringing.done():
            self._bringing = self._begin(self._bring_back())
        bringing = self._bringing
        waiting = asyncio.ensure_future(self._is_lendable.wait())
        try:
            await asyncio.wait({bringing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if bringing.done() and not bringing.cancelled() and not self._is_lendable.is_set():
            bringing.result()

    async def _bring_back(self) -> None:
        async with self._in_turn:
            if self._held is None and not self.is_resting:
                await self._load_now()

    # -- in turn --------------------------------------------------------------------------------

    async def _load_first(self, name: str, model: Model) -> None:
        async with self._in_turn:
            if self._held is not None:
                raise ChangeError(f"{self.name} is loaded already: change it.")
            self._wanted = (name, model)
            if self.is_resting and not isinstance(model, ModelServer):
                self._enter(RESTING, _RESTS)
            else:
                self.is_resting = False
                await self._load_now()

    async def _load_now(self) -> None:
        if self._wanted is None:
            raise MynahError("There is no model yet.")
        name, model = self._wanted
        self._enter(LOADING)
        try:
            need_bytes = await asyncio.to_thread(self._sizes.need, model)
            self._put(await self._opened(name, model, need_bytes))
        except asyncio.CancelledError:
            self._enter(UNLOADED)
            raise
        except Exception as error:
            said = f"{name} could not be loaded: {sentence(error)}"
            self._enter(FAILED, said)
            if isinstance(error, MynahError):
                raise
            raise MynahError(said) from error

    async def _change(self, name: str, model: Model, asked: object) -> None:
        async with self._in_turn:
            if self.is_resting:
                raise ChangeError(f"{name} was not put to use: {_RESTS}")
            if asked is not self._last_asked:
                raise ReplacedError(f"{name} was not put to use: another was asked for after it.")
            if self._retiring is not None:
                await asyncio.wait({self._retiring})
            state = self._state
            self._enter(CHANGING, f"{name} is being checked.")
            try:
                await self._exchange(name, model)
            except asyncio.CancelledError:
                self._enter(READY if self._held else UNLOADED)
                raise
            except Exception as error:
                said = f"{name} was not put to use: {sentence(error)} {self._who_answers()}"
                log.warning("%s", said)
                self._enter(READY if self._held else state if state == UNLOADED else FAILED, said)
                raise ChangeError(said) from error

    async def _exchange(self, name: str, model: Model) -> None:
        old = self._held
        need_bytes = await asyncio.to_thread(self._sizes.need, model)
        if await fits_beside(self._sizes, old, name, need_bytes):
            self._enter(CHANGING, f"{name} is being loaded. {self._who_answers()}")
            self._put(await self._opened(name, model, need_bytes, is_new=True))
            if old is not None:
                self._retiring = self._begin(self._retire(old))
            return
        assert old is not None
        self._enter(CHANGING, f"{name} is being loaded; until then nobody is answered.")
        await self._let_go(old)
        try:
            self._put(await self._opened(name, model, need_bytes, is_new=True))
        except Exception as error:
            await self._return_to(old, sentence(error))
            raise

    async def _return_to(self, old: Held, reason: str) -> None:
        """Raises ChangeError where that fails too."""
        self._enter(CHANGING, f"{reason} {old.name} is being loaded again.")
        try:
            self._put(await self._opened(old.name, old.model, old.need_bytes))
        except Exception as error:
            raise ChangeError(
                f"{reason} {old.name} could not be loaded again either: {sentence(error)}"
            ) from error

    async def _unload(self, idle_s: float | None = None) -> None:
        """Where `idle_s` is given, only if nobody asked for so long."""
        async with self._in_turn:
            held = self._held
            if held is None or isinstance(held.model, ModelServer):
                return
            if idle_s is None or self._is_idle(held, idle_s):
                await self._let_go(held)
                self._enter(UNLOADED)
                log.info("%s left the memory; the next question loads it again.", held.name)

    # -- parts of it ----------------------------------------------------------------------------

    async def _opened(
        self, name: str, model: Model, need_bytes: int, *, is_new: bool = False
    ) -> Held:
        began_s = time.monotonic()
        engine = await opened(self._open_model, model, self._one_opening)
        # Whether a server answers need not be known before somebody asks, unless it is to replace
        # what does answer.
        if is_new or not isinstance(model, ModelServer):
            await try_out_or_close(name, engine)
        seconds = round(time.monotonic() - began_s, 3)
        log.info("The model %s is loaded.", name, extra={"seconds": seconds})
        return Held(name, model, engine, need_bytes)

    async def _let_go(self, held: Held) -> None:
        """Wait until nobody uses it, then close it."""
        self._is_lendable.clear()
        try:
            await held.all_back(self._patience_s)
        except BaseException:
            self._is_lendable.set()
            raise
        self._put(None)
        await held.close()

    async def _retire(self, old: Held) -> None:
        try:
            await old.all_back(self._patience_s)
        finally:
            await old.close()

    def _put(self, held: Held | None) -> None:
        """From now on this one answers, or none."""
        self._held = held
        if held is None:
            self._is_lendable.clear()
        else:
            self._wanted = (held.name, held.model)
            self._used_s = self._clock()
            self._enter(READY)
            self._is_lendable.set()
        try:
            self.on_change(self.engine)
        except Exception:
            log.exception("Something could not follow the change of the model.")

    def _is_idle(self, held: Held, after_s: float) -> bool:
        return held.lent == 0 and self._clock() - self._used_s >= after_s

    def _who_answers(self) -> str:
        if self._held is not None:
            return f"{self._held.name} answers as before."
        return f"{self.name} is tried with the next question." if self._wanted else ""

    def _enter(self, state: str, reason: str = "") -> None:
        if state != self._state:
            self._since_s = self._clock()
        self._state, self._reason = state, reason

    # -- tasks ----------------------------------------------------------------------------------

    async def _as_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it in a task that `close` can end, and that ends with this one."""
        if self._is_closed:
            work.close()
            raise KeeperClosedError(_STOPS)
        task = self._begin(work)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.cancelled():
            raise KeeperClosedError(_STOPS)
        task.result()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits has it; nobody may wait any more
