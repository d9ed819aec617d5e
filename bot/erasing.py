"""Has what was deleted on Discord erased from all that was derived from it, in the background.

A process of its own does that (`scripts/privacy.py resume`): it reads gigabytes, and the bot's loop
must not wait for it. A burst of deletions costs one run. Event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from bot.jobs import JobReport, JobRunningError, Jobs, Script
from bot.patience import patiently
from storage.paths import Home

if TYPE_CHECKING:
    from storage.database import Database

log = logging.getLogger(__name__)

QUIET_S = 60.0
"""How long nothing more must have been deleted; but ten times that at most."""
PAUSE_S = 15 * 60.0
"""How long between two runs; and until what could not be done is tried again."""


class Erasing:
    """One bot's."""

    def __init__(
        self, home: Home, database: Database, *, quiet_s: float = QUIET_S, pause_s: float = PAUSE_S
    ) -> None:
        self._home = home
        self._database = database
        self._jobs = Jobs(home, mark="erasing.json")
        self._quiet_s = quiet_s
        self._pause_s = pause_s
        self._due = asyncio.Event()
        self._asked_s = float("-inf")

    def soon(self) -> None:
        """Something may have been deleted; returns at once."""
        self._asked_s = time.monotonic()
        self._due.set()

    async def run(self) -> None:
        """Erase what is pending, what is from before the start at once: its words could be recalled
        until then. For as long as the bot lives."""
        self._due.set()
        while True:
            await self._due.wait()
            await self._quiet()
            self._due.clear()
            if await patiently(self._database.has_erasures):
                await self._erase()
                await asyncio.sleep(self._pause_s)
                if await patiently(self._database.has_erasures):
                    self._due.set()

    async def close(self) -> None:
        """End a run; the next start finishes it."""
        await self._jobs.close()

    async def _quiet(self) -> None:
        began_s = time.monotonic()
        while (now_s := time.monotonic()) < began_s + 10 * self._quiet_s:
            left_s = self._asked_s + self._quiet_s - now_s
            if left_s <= 0:
                return
            await asyncio.sleep(left_s)

    async def _erase(self) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def ended(report: JobReport) -> None:
            if report.is_done:  # it says ids and figures; one a quarter of an hour would pile up
                with suppress(OSError):
                    report.log_file.unlink()
            else:
                log.warning("Not all that was deleted could be erased yet. %s", report.last_line)
            done.set_result(None)

        script = Script("privacy.py", ("resume", "--home", str(self._home.root)))
        with suppress(JobRunningError):  # one that an earlier bot left is at it
            self._jobs.start("erasing", [script], ended)
            await done
