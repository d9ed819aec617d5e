"""One fetch of a home, from Discord to the files in data_storage/messages: one at a time.

The script, !fetch and the weekly schedule all come through here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace

from filelock import FileLock, Timeout

from data.exporting import export_path, write_channel_exports
from data.fetch_report import FetchReport
from data.fetch_rounds import note_complete
from data.fetcher import OnProgress, Source, fetch_history
from data.forgetting import resume
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home
from storage.settings import Settings
from storage.verdict_store import FETCH

LOCK = "fetch.lock"


class FetchRunningError(MynahError):
    """One fetch of a home at a time."""


async def fetch_home(
    home: Home,
    database: Database,
    source: Source,
    settings: Settings,
    *,
    channels: Collection[int] = (),
    whole: bool = False,
    follow: bool = True,
    progress: OnProgress = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    erased: Callable[[Collection[int]], None] = lambda _: None,
) -> FetchReport:
    """Fetch these channels, or those of the settings, and write the files of what is different.

    What was derived from messages that were deleted on Discord (vectors, training sets, backups) is
    erased too; without `follow` the caller sees to that. `whole`, `progress`, `stop` and `erased`
    are those of `fetch_history`, and what that raises comes through. Raises FetchRunningError, also
    where another process fetches; ExportError after a fetch that is complete but for the files: the
    next one writes them.
    """
    began_ms = time.time_ns() // 1_000_000
    lock = FileLock(home.data_storage / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise FetchRunningError(
            f"A fetch into {home.root} is running already; let it come to its end."
        ) from None
    try:
        report = await fetch_history(
            source,
            database,
            channels=channels or settings.listed_channels(),
            reread_days=settings.whole("fetch_reconcile_days"),
            whole=whole,
            progress=progress,
            stop=stop,
            erased=erased,
        )
        if report.is_stopped:
            return report
        if not channels:
            await asyncio.to_thread(note_complete, database, began_ms)
        if report.deleted and follow:  # what was derived from them, at once
            await asyncio.to_thread(resume, home, database)
        files = await asyncio.to_thread(_write_files, home, database, report)
        return replace(report, files=files)
    finally:
        lock.release()


def _write_files(home: Home, database: Database, report: FetchReport) -> int:
    """Of channels that are different now, and of those that a fetch that was cut left behind."""
    due = set(report.touched)
    for channel_id, moved_ms in database.cursors_moved(FETCH).items():
        path = export_path(home.messages, channel_id)
        written_ms = 0
        with suppress(OSError):
            written_ms = path.stat().st_mtime_ns // 1_000_000
        if written_ms < moved_ms:
            due.add(channel_id)
    return len(write_channel_exports(database, home.messages, channel_ids=due)) if due else 0
