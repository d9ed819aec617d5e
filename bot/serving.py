"""What one bot answers with: its model, the memory beside it, and when they read along.

Opened in `bot/bot.py`. Everything is called from the event loop's thread but where said; what
blocks runs in threads.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any
from weakref import WeakKeyDictionary

from bot.composition import model_to_answer_with, open_engine, open_recall
from bot.generate import Writer
from bot.model_change import Model, Sizes, sentence
from bot.model_keeper import KeeperClosedError, ModelKeeper
from bot.patience import patiently
from bot.pipeline import Pipeline
from bot.recall import Recall
from bot.server_trouble import ServerTrouble, WatchedServer
from bot.spare_time import SpareTime
from bot.trial import LOOK_S, Trial
from model.compute import ComputeWorker
from model.fit import available_bytes, need_of
from model.gguf_check import check
from model.inference import Engine
from model.model_server import ModelServer
from model.thread_tuning import remembered, shown
from storage.database import Database
from storage.errors import MynahError
from storage.model_registry import ModelRegistry
from storage.paths import Home
from storage.settings import Settings

log = logging.getLogger(__name__)


class Serving:
    """One bot's. `load` it, `run` it beside everything else, `close` it at the end."""

    def __init__(self, home: Home, database: Database, settings: Callable[[], Settings]) -> None:
        """Loads nothing."""
        self.recall: Recall
        self.keeper = ModelKeeper(
            self._open, Sizes(self._need_bytes, available_bytes), on_change=self._note_model
        )
        self.trial = Trial(home, database)
        self.returned = ""
        """That the version from before answers again, and why, as a sentence; "": it does not."""
        self._home = home
        self._database = database
        self._settings = settings
        self._at_start = settings()
        """What a model is opened with: a setting that was changed since must not bar the way back
        to the model that answered before."""
        self._worker = ComputeWorker()
        self._spare_time = SpareTime(
            settings, self._note_share, is_wanted=lambda: isinstance(self.keeper.engine, Engine)
        )
        self._share = 0.0
        self._server_trouble = ServerTrouble()
        self._speeds: WeakKeyDictionary[Engine, str] = WeakKeyDictionary()
        """How fast each loaded model was measured to be, in words; "" where it was not."""
        self._pipelines: tuple[Pipeline, ...] = ()
        self._parts = ExitStack()

    async def load(self) -> None:
        """Open the memory and load the model that is to answer; where a version that was deployed
        lately will not run, the one from before. Raises MynahError."""
        await asyncio.to_thread(self._open_recall)
        await self._watch()
        try:
            await self._load()
        except KeeperClosedError:
            raise
        except MynahError as error:
            if not await patiently(self.trial.give_up, sentence(error)):
                raise
            await self._watch()
            await self._load()

    async def _load(self) -> None:
        name, model = await asyncio.to_thread(self._to_answer_with)
        await self.keeper.load(name, model)

    def read_for(self, *pipelines: Pipeline) -> None:
        """These have the model read along."""
        self._pipelines = pipelines

    async def run(self) -> None:
        """See to when reading along may compute, let an unused model go, and ask a server that
        fails how it is. Never ends."""
        minutes = lambda: self._settings().whole("unload_after_minutes")  # noqa: E731
        await asyncio.gather(
            self._spare_time.run(),
            self.keeper.run_idle(minutes),
            self._server_trouble.run(),
            self._try_versions(),
        )

    async def deploy(self, version_id: str, force_by: str = "", force_why: str = "") -> None:
        """Have that version answer, and keep it as the one that is deployed; the rest as
        `ModelRegistry.deploy` takes it.

        The row comes last: a model that takes the whole process down is not there at the next
        start. Where it cannot answer, what answered before goes on. Raises MynahError.
        """
        registry = ModelRegistry(self._database, self._home)
        force = (force_by, force_why)
        await asyncio.to_thread(registry.check_may_answer, version_id, *force)
        version = await asyncio.to_thread(registry.verify, version_id)
        if self._is_something_else_set:
            await patiently(registry.record_deployed, version_id, *force)
            return
        await self.keeper.change(version_id, registry.path(version))
        try:
            await patiently(registry.record_deployed, version_id, *force)
        except MynahError:
            await self.follow()
            raise
        await self._watch()

    async def follow(self) -> None:
        """Have what the home names now answer. Raises MynahError, as `deploy` does."""
        name, model = await asyncio.to_thread(self._to_answer_with)
        await self.keeper.change(name, model)
        await self._watch()

    @property
    def _is_something_else_set(self) -> bool:
        """Whether the settings name a file or a server, which answers instead of what is
        deployed."""
        settings = self._settings()
        return any(settings.text(name).strip() for name in ("model_url", "model_path"))

    async def _watch(self) -> None:
        """The deployed version is on trial where it answers and was deployed lately."""
        try:
            await patiently(self.trial.leave if self._is_something_else_set else self.trial.begin)
            self.returned = await patiently(self.trial.told)
        except MynahError as error:  # it answers all the same
            log.warning("Nobody watches over the model. %s", error)

    async def _try_versions(self) -> None:
        """A version that has answered, or ran for a while, is on trial no more. Never ends."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self.trial.is_over:
                try:
                    await patiently(self.trial.settle)
                except MynahError as error:
                    log.warning("That the model runs could not be kept. %s", error)

    def note_settings(self) -> None:
        """They are others now."""
        self._spare_time.look_now()

    def status(self) -> dict[str, Any]:
        """For people: what ModelKeeper.status says, `trouble` with a server ("": none), and
        `returned`: that a version was gone back from, and why ("": it was not).

        Of a model that is loaded here also `reading` (whether it reads along, and why not), `speed`
        ("" where it is not known), `threads`, `batch_threads`, `read_tokens` and `asked_tokens`
        (prompt tokens evaluated since it was loaded, before and after somebody asked).
        """
        engine = self.keeper.engine
        figures: dict[str, Any] = {
            "trouble": self._server_trouble.sentence,
            "returned": self.returned,
        }
        if isinstance(engine, Engine):
            evaluated = engine.evaluated
            figures |= {
                "reading": self._spare_time.reason,
                "speed": self._speeds.get(engine, ""),
                "read_tokens": evaluated.read,
                "asked_tokens": evaluated.asked,
            }
            with suppress(MynahError):  # it is being closed
                figures["threads"], figures["batch_threads"] = engine.threads
        return {**self.keeper.status(), **figures}

    async def close(self) -> None:
        """Close model and memory."""
        await self.keeper.close()
        await asyncio.to_thread(self._parts.close)
        await asyncio.to_thread(self._worker.close)

    # -- in worker threads ----------------------------------------------------------------------

    def _to_answer_with(self) -> tuple[str, Model]:
        return model_to_answer_with(self._home, self._database, self._settings())

    def _open_recall(self) -> None:
        self.recall = self._parts.enter_context(
            open_recall(self._home, self._database, self._settings())
        )

    def _open(self, model: Model) -> Writer:
        if isinstance(model, ModelServer):
            context_tokens = self._at_start.whole("context_tokens")
            return WatchedServer(
                model, self._server_trouble, context_tokens=context_tokens, worker=self._worker
            )
        engine = open_engine(model, self._at_start, self._home, worker=self._worker)
        if isinstance(engine, Engine):
            self._speeds[engine] = self._speed_of(engine)
            # Before the first reply asks for it: a file of gigabytes takes seconds.
            threading.Thread(target=_hash, args=[engine], daemon=True).start()
        return engine

    def _speed_of(self, engine: Engine) -> str:
        if chosen := self._at_start.whole("threads"):
            return f"{chosen} thread{'' if chosen == 1 else 's'}, as the settings want it"
        tuned = remembered(self._home.data_storage, engine)
        return "" if tuned is None else shown(tuned)

    def _need_bytes(self, model: Model) -> int:
        if isinstance(model, ModelServer):
            return 0
        settings = self._at_start
        need = need_of(
            check(model),
            context_tokens=settings.whole("context_tokens"),
            channels=settings.whole("channels_read_along"),
            use_mmap=settings.switch("model_mmap"),
        )
        return need.total_bytes

    # -- what others tell -----------------------------------------------------------------------

    def _note_model(self, engine: Writer | None) -> None:
        self._server_trouble.watch(engine)
        if engine is None:
            return
        engine.set_reading(self._share)
        self._spare_time.look_now()
        for pipeline in self._pipelines:
            pipeline.reader.read_anew()

    def _note_share(self, share: float, reason: str) -> None:
        log.info("Reading along: %s.", reason)
        self._share = share
        if (engine := self.keeper.engine) is not None:
            engine.set_reading(share)


def _hash(engine: Engine) -> None:
    with suppress(MynahError):
        _ = engine.sha256
