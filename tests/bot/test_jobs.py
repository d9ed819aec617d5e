"""bot/jobs.py with real processes: scripts in a row, one job at a time, ended with all below it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bot import jobs as jobs_module
from bot.jobs import CannotTrainError, JobReport, JobRunningError, Jobs, Script, training
from storage.paths import PROGRAM_DIR, Home

SAYS = """
import os, sys
print("given", *sys.argv[1:])
print("token", os.environ.get("DISCORD_BOT_TOKEN"))
"""
FAILS = "import sys; print('working', flush=True); sys.exit('The disk is full: free some space.')"
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
WAITS = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(600)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir()
    for name, text in (("says.py", SAYS), ("fails.py", FAILS), ("waits.py", WAITS)):
        (folder / name).write_text(text)
    return folder


class Ended:
    """Waits for the one report of a job."""

    def __init__(self) -> None:
        self.reports: list[JobReport] = []
        self._came = asyncio.Event()

    async def __call__(self, report: JobReport) -> None:
        self.reports.append(report)
        self._came.set()

    async def report(self) -> JobReport:
        await asyncio.wait_for(self._came.wait(), 30)
        (report,) = self.reports
        return report


async def eventually(is_so: Callable[[], object]) -> None:
    until_s = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until_s
        await asyncio.sleep(0.02)


def sleeping_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_scripts_run_in_a_row_without_the_token(
    home: Home, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_BOT_TOKEN", "planted")
    jobs, ended = Jobs(home, scripts), Ended()
    log_file = jobs.start("train", [Script("says.py"), Script("says.py", ("--x", "1"))], ended)
    assert jobs.running == "train"
    report = await ended.report()
    assert (report.is_done, report.is_cancelled, report.last_line) == (True, False, "token None")
    assert report.log_file == log_file
    assert log_file.parent == home.logs
    assert log_file.read_text().splitlines() == ["given", "token None", "given --x 1", "token None"]
    await eventually(lambda: jobs.running is None)
    assert not (home.data_storage / "job.json").exists()


async def test_the_first_failure_ends_the_job_with_its_sentence(home: Home, scripts: Path) -> None:
    jobs, ended = Jobs(home, scripts), Ended()
    jobs.start("train", [Script("fails.py"), Script("says.py")], ended)
    report = await ended.report()
    assert not report.is_done
    assert report.last_line == "The disk is full: free some space."
    assert "given" not in report.log_file.read_text()


async def test_one_job_at_a_time_and_all_of_it_is_cancelled(home: Home, scripts: Path) -> None:
    jobs, ended, note = Jobs(home, scripts), Ended(), home.root / "pid"
    jobs.start("train", [Script("waits.py", (str(note),)), Script("says.py")], ended)
    with pytest.raises(JobRunningError, match="train is still running"):
        jobs.start("fetch", [Script("says.py")], ended)
    await eventually(lambda: note.exists() and note.read_text())
    parent = psutil.Process(json.loads((home.data_storage / "job.json").read_text())["pid"])
    assert os.name != "posix" or parent.nice() > psutil.Process().nice()
    assert await jobs.cancel()
    report = await ended.report()
    assert (report.is_done, report.is_cancelled) == (False, True)
    assert not is_alive(int(note.read_text()))
    assert not is_alive(parent.pid)
    assert jobs.running is None
    assert not await jobs.cancel()
    jobs.start("again", [Script("says.py")], Ended())
    await jobs.close()


async def test_a_cancel_at_once_starts_nothing_that_stays(home: Home, scripts: Path) -> None:
    jobs, ended, note = Jobs(home, scripts), Ended(), home.root / "pid"
    jobs.start("train", [Script("waits.py", (str(note),))], ended)
    await jobs.close()
    assert ended.reports == []
    assert not note.exists() or not is_alive(int(note.read_text()))


async def test_a_script_that_does_not_end_when_asked_is_killed(
    home: Home, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "GRACE_S", 0.3)
    (scripts / "deaf.py").write_text(DEAF)
    jobs, ended = Jobs(home, scripts), Ended()
    log_file = jobs.start("train", [Script("deaf.py")], ended)
    await eventually(lambda: log_file.exists() and "deaf" in log_file.read_text())
    assert await jobs.cancel()
    assert (await ended.report()).is_cancelled


async def test_closing_is_quick_and_tells_nobody(home: Home, scripts: Path) -> None:
    (scripts / "deaf.py").write_text(DEAF)
    jobs, ended = Jobs(home, scripts), Ended()
    log_file = jobs.start("train", [Script("deaf.py")], ended)
    await eventually(lambda: log_file.exists() and "deaf" in log_file.read_text())
    pid = json.loads((home.data_storage / "job.json").read_text())["pid"]
    began_s = time.monotonic()
    await jobs.close()
    assert time.monotonic() - began_s < jobs_module.CLOSE_GRACE_S + 2
    assert not is_alive(pid)
    assert ended.reports == []
    assert not (home.data_storage / "job.json").exists()


async def test_closing_does_not_wait_for_a_telling(home: Home, scripts: Path) -> None:
    begun = asyncio.Event()

    async def tell(report: JobReport) -> None:
        begun.set()
        await asyncio.sleep(600)

    jobs = Jobs(home, scripts)
    jobs.start("train", [Script("says.py")], tell)
    await asyncio.wait_for(begun.wait(), 30)
    await asyncio.wait_for(jobs.close(), 5)


async def test_a_job_that_a_killed_bot_left_is_seen_and_can_be_ended(
    home: Home, scripts: Path
) -> None:
    left = sleeping_process()
    mark = home.data_storage / "job.json"
    noted = {"name": "train", "pid": left.pid, "created_s": psutil.Process(left.pid).create_time()}
    mark.write_text(json.dumps(noted))
    jobs, ended = Jobs(home, scripts), Ended()
    try:
        assert jobs.running == "train"
        with pytest.raises(JobRunningError):
            jobs.start("train", [Script("says.py")], ended)
        await jobs.close()
        assert left.poll() is None, "it was not ours"
        assert await jobs.cancel()
        assert left.wait(10) != 0
    finally:
        left.kill()
    assert jobs.running is None


@pytest.mark.parametrize(
    "noted", ["", "{", "[]", '{"name": "x", "pid": 1, "created_s": 0}', '{"pid": -5}']
)
async def test_a_stale_mark_is_no_job(home: Home, scripts: Path, noted: str) -> None:
    (home.data_storage / "job.json").write_text(noted)
    jobs, ended = Jobs(home, scripts), Ended()
    assert jobs.running is None
    jobs.start("train", [Script("says.py")], ended)
    assert (await ended.report()).is_done


async def test_a_script_that_is_not_there_is_a_failure(home: Home, scripts: Path) -> None:
    jobs, ended = Jobs(home, scripts), Ended()
    jobs.start("train", [Script("none.py")], ended)
    report = await ended.report()
    assert not report.is_done
    assert "none.py" in report.last_line


async def test_a_report_that_cannot_be_told_harms_nothing(home: Home, scripts: Path) -> None:
    async def breaks(report: JobReport) -> None:
        raise ConnectionError("Discord is away")

    jobs = Jobs(home, scripts)
    jobs.start("train", [Script("says.py")], breaks)
    await eventually(lambda: jobs.running is None)
    jobs.start("train", [Script("says.py")], breaks)
    await jobs.close()


def test_training_names_a_script_that_is_there(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "find_spec", lambda name: object())
    script = training(home, "laptop-cpu")
    assert (PROGRAM_DIR / "scripts" / script.file).is_file()
    assert script.arguments == ("--home", str(home.root), "--profile", "laptop-cpu")
    monkeypatch.setattr(jobs_module, "find_spec", lambda name: None if name == "trl" else object())
    with pytest.raises(CannotTrainError, match=r"trl not installed.*requirements-train\.txt"):
        training(home, "demo")
