"""The long errands that an order starts: fetching the history, training. One of each at a time.

Event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from bot.jobs import JobReport, Jobs, training
from data.fetch_report import FetchProgress
from data.fetcher import Source, fetch_history
from storage.errors import MynahError
from storage.paths import Home
from storage.settings import Settings

if TYPE_CHECKING:
    from storage.database import Database

log = logging.getLogger(__name__)

Told = Callable[[str], Awaitable[None]]
"""Says how it ended to whoever asked."""


class EndingError(MynahError):
    """The bot ends: nothing is begun any more."""


class Errands:
    """What runs beside the conversation for minutes or hours."""

    def __init__(self, home: Home, database: Database, settings: Callable[[], Settings]) -> None:
        self._database = database
        self._settings = settings
        self._home = home
        self._jobs = Jobs(home)
        self._fetching: asyncio.Task[None] | None = None
        self._progress: FetchProgress | None = None
        self._is_closing = False

    def fetch(self, source: Source, told: Told) -> str:
        """Start fetching the listed channels' history; what to answer now.

        Raises EndingError once `close` was called.
        """
        self._refuse_at_the_end()
        if self._fetching is not None and not self._fetching.done():
            so_far = self._progress.messages if self._progress else 0
            return f"Fetching already: {so_far:,} messages so far."
        channels = self._settings().ids("discord_channel_ids")
        if not channels:
            return "There is no channel to fetch: none is listed in discord_channel_ids."
        self._progress = None
        self._fetching = asyncio.create_task(self._fetch(source, channels, told))
        many = "s" if len(channels) > 1 else ""
        return f"Fetching the history of {len(channels)} channel{many}; I will say when it is done."

    async def _fetch(self, source: Source, channels: tuple[int, ...], told: Told) -> None:
        try:
            report = await fetch_history(
                source,
                self._database,
                channels=channels,
                progress=self._note_progress,
                stop=lambda: self._is_closing,
            )
            text = "\n".join(report.lines())
        except MynahError as error:
            log.warning("Fetching ended early. %s", error)
            text = f"Fetching ended early; what was fetched stays. {error}"
        except Exception:
            log.exception("Fetching ended early")
            text = "Fetching ended early; what was fetched stays, and the log says more."
        try:
            await told(text)
        except MynahError as error:
            log.warning("How fetching ended was not delivered. %s", error)

    def _note_progress(self, progress: FetchProgress) -> None:
        self._progress = progress

    async def train(self, told: Told) -> str:
        """Start the training; what to answer now.

        Raises CannotTrainError, JobRunningError, EndingError once `close` was called.
        """

        async def ended(report: JobReport) -> None:
            await told(_trained(report))

        scripts = await asyncio.to_thread(training, self._home)
        self._refuse_at_the_end()
        self._jobs.start("train", scripts, ended)
        return "Training has begun, and takes minutes to hours; I will say how it ended."

    async def close(self) -> None:
        """End what runs, and tell nobody; a fetch goes on where it was at the next order."""
        self._is_closing = True
        if self._fetching is not None:
            self._fetching.cancel()
        await self._jobs.close()
        if self._fetching is not None:
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _refuse_at_the_end(self) -> None:
        if self._is_closing:
            raise EndingError("Mynah is about to end; ask again when it is back.")


def _trained(report: JobReport) -> str:
    if report.is_cancelled:
        return "The training was ended before it was done; the next one goes on from there."
    if not report.is_done:
        return f"The training did not finish. {report.last_line}"
    minutes = report.seconds / 60
    return (
        f"The training is done after {minutes:.0f} minutes. The new version is a candidate: "
        "deploy it with scripts/6_manage_models.py."
    )
