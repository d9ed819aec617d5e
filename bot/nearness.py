"""How near a message is to what the persona cares about, where the memory has an embedder.

An embedding takes milliseconds on the engine's worker; behind a reply that is being written it
would take seconds, and is done without. Event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import numpy as np

from bot.messages import IncomingMessage
from bot.remember import vector_of
from storage.errors import MynahError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bot.generate import Writer
    from bot.model_keeper import Lender
    from bot.recall import Recall

log = logging.getLogger(__name__)

WAIT_S = 0.5
KEPT_SUBJECTS = 2_000
"""As many as all persona files may name (bot/persona_files.py)."""


class Nearness:
    """One pipeline's."""

    def __init__(self, recall: Recall, lender: Lender) -> None:
        self._recall = recall
        self._lender = lender
        self._subjects: dict[str, NDArray[np.float32]] = {}

    async def of(self, message: IncomingMessage, cares: tuple[str, ...]) -> float:
        """The highest cosine of the message to one of these; 0 where that cannot be told in
        time."""
        engine = self._lender.engine
        if engine is None or not cares or not self._recall.has_vectors:
            return 0.0
        try:
            return await asyncio.wait_for(self._nearest(message, cares, engine), WAIT_S)
        except (asyncio.TimeoutError, MynahError) as error:
            log.debug("What a message is near to was not looked up: %s", type(error).__name__)
            return 0.0

    async def vector(self, message: IncomingMessage) -> NDArray[np.float32] | None:
        """The message's; None where it cannot be had in time."""
        engine = self._lender.engine
        if engine is None or not self._recall.has_vectors:
            return None
        try:
            return await asyncio.wait_for(vector_of(message, self._recall, engine), WAIT_S)
        except (asyncio.TimeoutError, MynahError) as error:
            log.debug("What a message is like was told by its words: %s", type(error).__name__)
            return None

    async def _nearest(
        self, message: IncomingMessage, cares: tuple[str, ...], engine: Writer
    ) -> float:
        vector = await vector_of(message, self._recall, engine)
        if vector is None:
            return 0.0
        near = [await self._subject(one, engine) for one in cares]
        return max((float(vector @ one) for one in near if one is not None), default=0.0)

    async def _subject(self, subject: str, engine: Writer) -> NDArray[np.float32] | None:
        if (found := self._subjects.get(subject)) is None:
            # A single word is too little to embed.
            found = await engine.run(self._recall.embed, f"talking about {subject}")
            if found is None:
                return None
            if len(self._subjects) >= KEPT_SUBJECTS:  # persona files change
                self._subjects.clear()
            self._subjects[subject] = found
        return found
