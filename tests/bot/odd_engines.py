"""The real engine with one thing changed, handed in where a test needs it to go wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from model.inference import Engine, EngineError, Generation


class OddEngine:
    """Passes everything on to the engine but `generate`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


class FailingEngine(OddEngine):
    """Cannot write."""

    async def generate(self, *_: Any, **__: Any) -> Generation:
        raise EngineError("the model is out of words")


class SlowEngine(OddEngine):
    """Says when it is asked to write, and waits until it may."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.started = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def generate(self, *given: Any, **rest: Any) -> Generation:
        self.started.set()
        await self.may_go_on.wait()
        return await self._engine.generate(*given, **rest)


class VentriloquistEngine(OddEngine):
    """Writes somebody else's line, whatever it is asked. `seeds` are those it was called with."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.seeds: list[int] = []

    async def generate(self, ids: Any, *, sampling: Any, **rest: Any) -> Generation:
        self.seeds.append(sampling.seed)
        made = await self._engine.generate(ids, sampling=sampling, **rest)
        return replace(made, text="mira: sure")


class LinesEngine(OddEngine):
    """Writes always the same."""

    def __init__(self, engine: Engine, text: str) -> None:
        super().__init__(engine)
        self._text = text

    async def generate(self, ids: Any, **rest: Any) -> Generation:
        return replace(await self._engine.generate(ids, **rest), text=self._text)
