"""Makes the backups that are due by the setting backup_every_days, as jobs beside the bot.

Event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from bot.jobs import Script
from data.backup import newest_ms
from storage.errors import MynahError
from storage.paths import Home
from storage.settings import Settings

log = logging.getLogger(__name__)

SETTLE_S = 900.0
"""How long after the bot's start the first look is: what was missed is read first."""
LOOK_EVERY_S = 3600.0
DAY_MS = 24 * 3600 * 1000

RunJob = Callable[[str, Script], Awaitable["bool | None"]]
"""Runs a script to its end: done, failed, or None where another job runs."""


async def back_up_by_schedule(
    home: Home,
    settings: Callable[[], Settings],
    run_job: RunJob,
    *,
    settle_s: float = SETTLE_S,
    look_every_s: float = LOOK_EVERY_S,
) -> None:
    """Make a backup whenever the newest one is that old, for as long as the bot lives; one that
    was not made is tried again an hour later."""
    await asyncio.sleep(settle_s)
    while True:
        try:
            days = settings().whole("backup_every_days")
            if days and await asyncio.to_thread(_is_due, home, days):
                log.info("A backup is made, as backup_every_days wants it.")
                script = Script("7_backup.py", ("--home", str(home.root), "create"))
                if await run_job("backup", script) is False:
                    log.warning("The backup was not made; it is tried again in an hour.")
        except (MynahError, OSError) as error:
            log.warning("No backup is made. %s", error)
        await asyncio.sleep(look_every_s)


def _is_due(home: Home, days: int) -> bool:
    newest = newest_ms(home)
    return newest is None or time.time_ns() // 1_000_000 - newest >= days * DAY_MS
