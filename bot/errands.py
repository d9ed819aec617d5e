"""The long errands: fetching the history, by order and by schedule, and training. One of each at a
time.

Event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING

from bot.jobs import JobReport, JobRunningError, Jobs, Script, building_memory, training
from data.fetch_home import fetch_home
from data.fetch_report import FetchProgress
from data.fetch_rounds import DAY_MS, last_complete_ms
from data.fetcher import Source
from model.embedder import find_embedder
from storage.errors import MynahError
from storage.paths import Home
from storage.settings import Settings

if TYPE_CHECKING:
    from storage.database import Database

log = logging.getLogger(__name__)

SETTLE_S = 600.0
"""How long after the bot's start the schedule is looked at first: what was missed comes first."""
LOOK_EVERY_S = 3600.0

Told = Callable[[str], Awaitable[None]]
"""Says how it ended to whoever asked."""


class EndingError(MynahError):
    """The bot ends: nothing is begun any more."""


class Errands:
    """What runs beside the conversation for minutes or hours."""

    def __init__(
        self,
        home: Home,
        database: Database,
        settings: Callable[[], Settings],
        forget: Callable[[Collection[int]], None] = lambda _: None,
    ) -> None:
        """`forget` is told of the messages that a fetch found to be deleted on Discord."""
        self._forget = forget
        self._database = database
        self._settings = settings
        self._home = home
        self._jobs = Jobs(home)
        self._fetching: asyncio.Task[None] | None = None
        self._remembering: asyncio.Task[bool | None] | None = None
        self._progress: FetchProgress | None = None
        self._is_closing = False

    @property
    def is_fetching(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    def fetch(self, source: Source, told: Told) -> str:
        """Start fetching the listed channels' history; what to answer now.

        Raises EndingError once `close` was called.
        """
        self._refuse_at_the_end()
        if self.is_fetching:
            return f"Fetching already: {self._progress or 'it has just begun'}."
        channels = self._settings().listed_channels()
        if not channels:
            return "There is no channel to fetch: none is listed in discord_channel_ids."
        self._progress = None
        self._fetching = asyncio.create_task(self._fetch(source, told))
        many = "s" if len(channels) > 1 else ""
        return f"Fetching the history of {len(channels)} channel{many}; I will say when it is done."

    async def fetch_by_schedule(
        self,
        source: Callable[[], Source],
        *,
        settle_s: float = SETTLE_S,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """Fetch whenever the last complete fetch is older than the setting fetch_every_days; for as
        long as the bot lives. How it went stands in the log."""

        async def told(text: str) -> None:
            log.info("The scheduled fetch: %s", text.partition("\n")[0])  # no channel's name

        await asyncio.sleep(settle_s)
        while True:
            try:
                if not self.is_fetching and await asyncio.to_thread(self._is_due):
                    log.info("The history is fetched, as fetch_every_days wants it.")
                    self.fetch(source(), told)
            except MynahError as error:
                log.warning("The history is not fetched. %s", error)
            await asyncio.sleep(look_every_s)

    def _is_due(self) -> bool:
        """In a worker thread."""
        settings = self._settings()
        days = settings.whole("fetch_every_days")
        if not days or not settings.listed_channels() or self._is_closing:
            return False
        last_ms = last_complete_ms(self._database)
        return last_ms is None or time.time_ns() // 1_000_000 - last_ms >= days * DAY_MS

    async def _fetch(self, source: Source, told: Told) -> None:
        has_news = False
        try:
            report = await fetch_home(
                self._home,
                self._database,
                source,
                self._settings(),
                progress=self._note_progress,
                stop=lambda: self._is_closing,
                erased=self._forget,
                follow=False,  # a process of its own does that (bot/erasing.py)
            )
            text = "\n".join(report.lines())
            has_news = bool(report.touched)
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
        if has_news and await asyncio.to_thread(find_embedder, self._home) is not None:
            job = self.run_job("memory", building_memory(self._home))  # what is new gets vectors
            self._remembering = asyncio.create_task(job)

    def _note_progress(self, progress: FetchProgress) -> None:
        self._progress = progress

    async def train(self, told: Told) -> str:
        """Start the training; what to answer now.

        Raises CannotTrainError, JobRunningError, EndingError once `close` was called.
        """

        async def ended(report: JobReport) -> None:
            await told(_trained(report))

        profile = self._settings().text("training_profile")
        script = await asyncio.to_thread(training, self._home, profile)
        self._refuse_at_the_end()
        self._jobs.start("train", [script], ended)
        return "Training has begun, and takes minutes to hours; I will say how it ended."

    async def run_job(self, name: str, script: Script) -> bool | None:
        """Run a script as a job and wait for its end: whether it was done; None where another job
        runs, or the bot ends."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        async def ended(report: JobReport) -> None:
            if not report.is_done and not report.is_cancelled:
                log.warning("The job %s did not finish. %s", name, report.last_line)
            done.set_result(report.is_done)

        try:
            self._refuse_at_the_end()
            self._jobs.start(name, [script], ended)
        except (JobRunningError, EndingError):
            return None
        return await done

    async def close(self) -> None:
        """End what runs, and tell nobody; a fetch goes on where it was at the next order."""
        self._is_closing = True
        if self._fetching is not None:
            self._fetching.cancel()
        await self._jobs.close()
        if self._remembering is not None:
            self._remembering.cancel()
        if self._fetching is not None:
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _refuse_at_the_end(self) -> None:
        if self._is_closing:
            raise EndingError("Mynah is about to end; ask again when it is back.")


def _trained(report: JobReport) -> str:
    if report.is_cancelled:
        return "The training was ended before it was done; the next one goes on from there."
    if not report.is_done:
        return f"No model that may answer came of the training. {report.last_line}"
    minutes = report.seconds / 60
    return (
        f"The training is done after {minutes:.0f} minutes, and the new version reached what was "
        "asked of it. Deploy it on the window's page Models, or with scripts/6_manage_models.py."
    )
