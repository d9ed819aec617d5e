"""schedule: a backup is made when the last one is old enough, and by a setting never."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import pytest

from bot import schedule
from bot.errands import Errands
from bot.jobs import Script
from bot.schedule import DAY_MS, back_up_by_schedule
from storage.database import Database
from storage.paths import Home
from storage.settings import Settings
from tests.bot.scene import fill


async def made(
    home: Home, days: int, newest_ms: int | None, monkeypatch: pytest.MonkeyPatch
) -> list[Script]:
    """What the schedule runs in a few looks."""
    ran: list[Script] = []

    async def run_job(name: str, script: Script) -> bool:
        ran.append(script)
        return False

    monkeypatch.setattr(schedule, "newest_ms", lambda _: newest_ms)
    settings = Settings({"backup_every_days": days})
    looking = back_up_by_schedule(home, lambda: settings, run_job, settle_s=0, look_every_s=0.01)
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(looking, 0.2)
    return ran


async def test_when_it_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    now_ms = time.time_ns() // 1_000_000
    assert await made(home, 0, None, monkeypatch) == []
    assert await made(home, 7, now_ms - 6 * DAY_MS, monkeypatch) == []
    first = (await made(home, 7, now_ms - 8 * DAY_MS, monkeypatch))[0]
    assert first == Script("7_backup.py", ("--home", str(home.root), "create"))
    assert len(await made(home, 7, None, monkeypatch)) > 1  # it failed, so again


@pytest.mark.slow
async def test_the_job_makes_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").ensure()
    with Database.open(home.database, backups=home.backups) as database:
        fill(database)
        errands = Errands(home, database, Settings)
        looking = asyncio.create_task(
            back_up_by_schedule(home, Settings, errands.run_job, settle_s=0, look_every_s=0.2)
        )
        for _ in range(600):
            if (found := list(home.backups.glob("*.zip"))) and not looking.done():
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)  # and it is not made twice
        looking.cancel()
        await errands.close()
        assert list(home.backups.glob("*.zip")) == found
        assert len(found) == 1
        assert await errands.run_job("backup", Script("7_backup.py")) is None  # the bot ends
