"""Opens the parts of a pipeline from what a home holds: settings, engine, memory.

The one place where they are chosen; everything else is handed what it needs. `open_pipeline` is for
a person at a prompt; the Discord process (`bot/bot.py`) uses the other functions. Blocking (a model
is loaded): call before the event loop runs, or from a worker thread.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bot.generate import Writer
from bot.model_change import Model
from bot.model_keeper import OneEngine
from bot.pipeline import Pipeline
from bot.platforms.local import LocalPlatform
from bot.recall import Recall
from bot.rehearsal import own_account
from bot.rehearsal_stage import Parts
from bot.style import Style
from model.compute import ComputeWorker
from model.embedder import Embedder, EmbedderError, find_embedder
from model.gguf_check import check
from model.inference import Engine
from model.model_server import BadServerError, ModelServer
from model.remote_engine import RemoteEngine
from model.thread_tuning import remember, remembered_for, shown, tune
from storage.database import Database
from storage.errors import MynahError
from storage.manifest import read_manifest
from storage.model_registry import ModelRegistry
from storage.paths import DEMO_BASE_DIR, Home
from storage.records import community_name
from storage.settings import Settings, load

if TYPE_CHECKING:
    from storage.vectordb import VectorIndex

log = logging.getLogger(__name__)


@contextmanager
def open_pipeline(
    home: Home,
    database: Database,
    model: Model,
    *,
    label: str = "playground",
    number: int = 0,
    recall: Recall | None = None,
    settings: Settings | None = None,
    chance: random.Random | None = None,
) -> Iterator[Pipeline]:
    """A pipeline for one person at a prompt, its transcript fresh; closes its engine at the end.

    Pipelines open at the same time on one home need different `number`s; share a `recall` between
    them (default: one of its own). `settings` default to the stored ones.

    Raises GgufError or LoadError where the model cannot be loaded.
    """
    with ExitStack() as stack:
        settings = settings or stored_settings(database)
        engine = open_engine(model, settings, home)
        stack.callback(engine.close)
        recall = recall or stack.enter_context(open_recall(home, database, settings))
        style = Style(home, database)
        style.read()
        platform = LocalPlatform(
            server=community_name(database.channels()), label=label, number=number
        )
        yield Pipeline(
            database=database,
            model=OneEngine(engine),
            recall=recall,
            platform=platform,
            settings=settings,
            style=style,
            chance=chance,
            transcript_since_ms=platform.started_ms,
            reads_along=False,
        )


@contextmanager
def open_rehearsal(
    home: Home, database: Database, version_id: str = ""
) -> Iterator[tuple[str, Parts]]:
    """The name of a version of the model ("": the one that answers), and what a rehearsal of it
    needs; closed at the end.

    Raises MynahError where there is no such model, or it cannot be loaded.
    """
    settings = stored_settings(database)
    model: Model
    if version_id:
        registry = ModelRegistry(database, home)
        name, model = version_id, registry.path(registry.get(version_id))
    else:
        name, model = model_to_answer_with(home, database, settings)
    with ExitStack() as stack:
        engine = open_engine(model, settings, home)
        stack.callback(engine.close)
        yield (
            name,
            Parts(
                database=database,
                lender=OneEngine(engine),
                recall=stack.enter_context(open_recall(home, database, settings)),
                style=Style(home, database),
                settings=settings,
                channel_rows=database.channel_config_rows(),
                own_id=own_account(database),
            ),
        )


class NoModelError(MynahError):
    """There is nothing to answer with."""


def model_to_answer_with(home: Home, database: Database, settings: Settings) -> tuple[str, Model]:
    """Name and place of the model: the server at `model_url`, else the file at `model_path`, else
    the deployed version, else the small base.

    Raises NoModelError where none is there, RegistryError where `model_path` names a version that
    may not answer.
    """
    if address := settings.text("model_url").strip():
        try:
            server = ModelServer.of(address, settings.text("model_url_name"), os.environ)
        except BadServerError as error:
            raise NoModelError(str(error)) from None
        return server.label, server
    registry = ModelRegistry(database, home)
    if chosen := settings.text("model_path").strip():
        path = home.absolute(os.path.expanduser(chosen))  # noqa: PTH111
        if not path.is_file():
            raise NoModelError(
                f"There is no model at {path}; correct MODEL_PATH (the setting model_path)."
            )
        registry.check_file_may_answer(path)
        return path.stem, path
    if (version := registry.deployed()) is not None:
        return version.version_id, registry.path(version)
    for base in sorted(DEMO_BASE_DIR.glob("*.gguf")):
        return DEMO_BASE_DIR.name, base
    raise NoModelError("There is no model yet; deploy one with scripts/6_manage_models.py.")


def open_engine(
    model: Model, settings: Settings, home: Home, *, worker: ComputeWorker | None = None
) -> Writer:
    """The engine, loaded; close it at the end. `worker`: who computes; None: one of its own.

    How many threads suit this computer is measured with the first load of a model, which takes
    seconds for a large one, and kept in the home. Raises GgufError or LoadError for a file; whether
    a server answers shows with the first reply.
    """
    context_tokens = settings.whole("context_tokens")
    if isinstance(model, ModelServer):
        return RemoteEngine(model, context_tokens=context_tokens, worker=worker)
    threads, tuned = settings.whole("threads"), None
    if threads == 0:
        tuned = remembered_for(home.data_storage, check(model))
    engine = Engine.load(
        model,
        worker=worker,
        context_tokens=context_tokens,
        channels=settings.whole("channels_read_along"),
        threads=tuned.threads if tuned else threads,
        batch_threads=tuned.batch_threads if tuned else threads,
        use_mmap=settings.switch("model_mmap"),
    )
    if threads == 0 and tuned is None:
        try:
            tuned = tune(engine)
            remember(home.data_storage, engine, tuned)
            log.info("Measured: %s.", shown(tuned))
        except BaseException:
            engine.close()
            raise
    return engine


@contextmanager
def open_recall(home: Home, database: Database, settings: Settings) -> Iterator[Recall]:
    """The home's memory: with vectors where an embedder and its own index are there, else by full
    text.

    Vectors that cannot be read, or that another embedder made, are logged and done without.
    """
    with ExitStack() as stack:
        recall = Recall(database)
        stack.callback(recall.close)
        if home.embeddings.is_dir():
            try:
                if (vectors := open_vectors(home, settings)) is not None:
                    recall.use(*vectors)
            except (MynahError, OSError) as error:
                log.warning("The memory's vectors are not used. %s", error)
        yield recall


def open_vectors(home: Home, settings: Settings) -> tuple[VectorIndex, Embedder] | None:
    """The memory's index and its embedder, which whoever asks closes; None where the home has no
    embedder, or nothing is to be recalled.

    Raises MynahError or OSError where they cannot serve: scripts/5_build_memory.py is to build them
    again.
    """
    found = find_embedder(home)
    if found is None or not settings.switch("recall_enabled"):
        return None
    # LanceDB: half a second to import
    from storage.vectordb import VectorIndex, built_with

    _refuse_another_embedder(found, built_with(home.embeddings))
    embedder = Embedder.load(found, threads=settings.whole("threads"))
    try:
        return VectorIndex(home.embeddings, embedder.dimensions, repair=False), embedder
    except BaseException:
        embedder.close()
        raise


def _refuse_another_embedder(gguf: Path, built_with_sha256: str) -> None:
    """Raise EmbedderError where `gguf` did not make the index: its vectors do not compare."""
    if not built_with_sha256:
        raise EmbedderError("The memory is not built yet: run scripts/5_build_memory.py.")
    manifest = read_manifest(gguf.parent)
    if manifest is None or manifest.files[gguf.name].sha256 != built_with_sha256:
        raise EmbedderError(
            "The memory was built with another embedder: run scripts/5_build_memory.py."
        )


def stored_settings(database: Database) -> Settings:
    """The settings as they are stored; what could not be used is logged."""
    settings, warnings = load(database.config_rows())
    for warning in warnings:
        log.warning("%s", warning)
    return settings
