"""Sees to it that recall has its vectors: looks at their files, has them built again, opens them.

Missing or damaged ones are derived from SQLite, so nothing is lost: recall goes on by full text
while scripts/5_build_memory.py builds them anew as a background job at a low priority; it sets what
is broken aside. Event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from bot.recall import Recall
from storage.errors import MynahError

if TYPE_CHECKING:
    from model.embedder import Embedder
    from storage.vectordb import VectorIndex

log = logging.getLogger(__name__)

LOOK_EVERY_S = 30.0
CHECK_EVERY_S = 6 * 3600.0
"""How often the files of vectors that serve are read through: bytes that change on the disk by
themselves are noticed by nothing else."""
AGAIN_AFTER_S = 3600.0
"""After a build that failed: a full disk is not emptied within a minute."""

OpenVectors = Callable[[], "tuple[VectorIndex, Embedder] | None"]


class Healing:
    """One bot's. `run` it beside everything else."""

    def __init__(
        self,
        recall: Recall,
        open_vectors: OpenVectors,
        rebuild: Callable[[], Awaitable[bool | None]],
        *,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`open_vectors` is called in a worker thread, and raises where they must be built again.

        `rebuild` builds them: True: done; False: failed; None: something else runs, ask later.
        """
        self._recall = recall
        self._open_vectors = open_vectors
        self._rebuild = rebuild
        self._clock_s = clock_s
        self._checked_s = clock_s()
        self._not_before_s = 0.0
        self._is_waiting = False
        """For another job to end, which may take days: said once."""

    async def run(self) -> None:
        """Look every half minute. Never ends."""
        while True:
            try:
                await self.look()
            except (MynahError, OSError) as error:
                log.warning("The memory's vectors are not seen to. %s", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Do what is to be done now; where it was a build, that has ended then."""
        if self._recall.has_vectors:
            if self._clock_s() - self._checked_s < CHECK_EVERY_S:
                return
            self._checked_s = self._clock_s()
            await asyncio.to_thread(self._recall.check_vectors)
            if self._recall.has_vectors:
                return
        if self._clock_s() >= self._not_before_s and not await self._opened():
            if not self._is_waiting:
                log.warning("The memory's vectors are to be built; recall goes on by full text.")
            is_built = await self._rebuild()
            self._is_waiting = is_built is None
            if is_built is False or (is_built and not await self._opened()):
                log.warning("The memory's vectors could not be built; again in an hour.")
                self._not_before_s = self._clock_s() + AGAIN_AFTER_S

    async def _opened(self) -> bool:
        """Whether nothing is to be built: they are there now, or not wanted here."""
        try:
            vectors = await asyncio.to_thread(self._open_vectors)
        except (MynahError, OSError) as error:
            if not self._is_waiting:
                log.info("The memory's vectors cannot be opened. %s", error)
            return False
        if vectors is not None:
            self._checked_s = self._clock_s()
            self._recall.use(*vectors)
            log.info("The memory's vectors serve again.")
        return True
