"""How near a message is to what the persona cares about: with a real embedder of random weights."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from bot import nearness as nearness_module
from bot.model_keeper import OneEngine
from bot.nearness import Nearness
from bot.recall import Recall
from model.embedder import Embedder
from storage.database import Database
from storage.vectordb import VectorIndex
from tests.bot.scene import incoming

T = TypeVar("T")
CARES = ("retro games", "cats")


class Worker:
    """An engine that only computes; `waits_s` as if a reply were being written."""

    waits_s = 0.0

    def __init__(self) -> None:
        self.ran: list[Any] = []

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        await asyncio.sleep(self.waits_s)
        self.ran.append(arguments)
        return await asyncio.to_thread(work, *arguments)


@pytest.fixture
def recall(tmp_path: Path, database: Database, embedder_gguf: Path) -> Recall:
    embedder = Embedder.load(embedder_gguf)
    index = VectorIndex(tmp_path / "vectors", embedder.dimensions)
    return Recall(database, index=index, embedder=embedder)


async def test_the_nearest_subject_counts(recall: Recall) -> None:
    worker = Worker()
    nearness = Nearness(recall, OneEngine(worker))  # type: ignore[arg-type]
    message = incoming("my old cat sleeps on the keyboard")
    near = await nearness.of(message, CARES)
    vector = recall.embed("my old cat sleeps on the keyboard")
    assert vector is not None
    subjects = [recall.embed(f"talking about {one}") for one in CARES]
    assert near == pytest.approx(max(float(vector @ one) for one in subjects if one is not None))
    assert np.isclose(np.linalg.norm(vector), 1.0, atol=1e-3)
    asked = len(worker.ran)
    assert await nearness.of(message, CARES) == near
    assert len(worker.ran) == asked, "the line and the subjects are embedded once"
    assert await nearness.of(message, ()) == 0.0


async def test_it_is_done_without_where_it_cannot_be_had_in_time(
    recall: Recall, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker()
    engine = OneEngine(worker)  # type: ignore[arg-type]
    message = incoming("my old cat sleeps on the keyboard")
    assert await Nearness(Recall(database), engine).of(message, CARES) == 0.0
    assert await Nearness(recall, engine).of(incoming("hm"), CARES) == 0.0
    monkeypatch.setattr(nearness_module, "WAIT_S", 0.01)
    worker.waits_s = 5.0
    assert await Nearness(recall, engine).of(message, CARES) == 0.0
    engine.engine = None
    assert await Nearness(recall, engine).of(message, CARES) == 0.0
