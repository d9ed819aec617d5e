"""Runs scripts of ours in the background, one job at a time: the training that !train starts.

A job is one or more scripts in a row, each a process of its own with a low priority, its output in
a file of the home's logs, and no token in its environment. It ends with the bot that started it. A
bot that was killed leaves its job running; the next bot sees that in data_storage/job.json and
starts no second one beside it. Event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import psutil

from bot.process_mark import is_alive, mark, marked
from bot.secret import VARIABLE
from storage.errors import MynahError
from storage.paths import PROGRAM_DIR, Home

log = logging.getLogger(__name__)

GRACE_S = 10.0
"""How long a script has between being asked to end and being made to."""
CLOSE_GRACE_S = 3.0
"""The same where the bot itself ends: it has ten seconds in all."""
_LOOK_EVERY_S = 0.05
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


class JobRunningError(MynahError):
    """One job at a time."""


class CannotTrainError(MynahError):
    """The training's packages are not installed here."""


@dataclass(frozen=True)
class Script:
    """One script of scripts/ and all its arguments."""

    file: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobReport:
    """How a job ended."""

    name: str
    is_done: bool
    """Every script ended with exit status 0."""
    is_cancelled: bool
    seconds: float
    log_file: Path
    last_line: str
    """The last thing that it said; after a failure the sentence that says why."""


Ended = Callable[[JobReport], Awaitable[None]]


class Jobs:
    """The background jobs of one bot. Event loop's thread."""

    def __init__(
        self, home: Home, scripts_dir: Path = PROGRAM_DIR / "scripts", mark: str = "job.json"
    ) -> None:
        """`mark` is the file that says what runs: jobs with another one run beside these."""
        self._home = home
        self._scripts_dir = scripts_dir
        self._mark = home.data_storage / mark
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._is_cancelled = False
        self._is_telling = False
        self._is_closing = False
        self._name = ""

    @property
    def running(self) -> str | None:
        """The name of the job that runs, also one that an earlier bot left; None: none."""
        if self._task is not None and not self._task.done():
            return self._name
        left = marked(self._mark)
        return left[0] if left else None

    def start(self, name: str, scripts: Sequence[Script], ended: Ended) -> Path:
        """Start a job and return its log file; `ended` is awaited once, whatever becomes of it,
        unless `close` ends it.

        Raises JobRunningError while another one runs.
        """
        running = self.running
        if running is not None:
            raise JobRunningError(f"{running} is still running; one job at a time.")
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        log_file = self._home.logs / f"{name}-{stamp}.log"
        self._name, self._is_cancelled, self._is_telling = name, False, False
        self._task = asyncio.create_task(self._run(name, scripts, log_file, ended))
        return log_file

    async def cancel(self) -> bool:
        """End the job, all its processes included; whether there was one.

        One that an earlier bot left is ended, too.
        """
        if self._task is None or self._task.done():
            left = marked(self._mark)
            if left is not None:
                await _end_tree(left[1], GRACE_S)
                self._mark.unlink(missing_ok=True)
            return left is not None
        self._is_cancelled = True
        if self._process is not None:
            await _end_tree(self._process.pid, GRACE_S)
        with suppress(asyncio.CancelledError):
            await asyncio.shield(self._task)
        return True

    async def close(self) -> None:
        """End this bot's job: what it has finished stays, and the next one goes on from there.

        Takes a little more than CLOSE_GRACE_S at most; nobody is told any more.
        """
        self._is_closing = self._is_cancelled = True
        if self._task is None or self._task.done():
            return
        if self._is_telling:
            self._task.cancel()
        elif self._process is not None:
            await _end_tree(self._process.pid, CLOSE_GRACE_S)
        await asyncio.wait({self._task})

    async def _run(
        self, name: str, scripts: Sequence[Script], log_file: Path, ended: Ended
    ) -> None:
        began_s = time.monotonic()
        is_done, said = False, ""
        try:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            with log_file.open("ab") as output:
                is_done = await self._all(scripts, output)
            said = last_line(log_file)
        except OSError as error:
            said = f"It could not be run ({error})."
        finally:
            self._mark.unlink(missing_ok=True)
        seconds = time.monotonic() - began_s
        fields = {"is_done": is_done, "is_cancelled": self._is_cancelled, "total_s": seconds}
        log.info("job %s ended", name, extra=fields)
        report = JobReport(name, is_done, self._is_cancelled, seconds, log_file, said)
        if self._is_closing:
            return
        self._is_telling = True
        try:
            await ended(report)
        except Exception:
            log.exception("the end of a job could not be told")

    async def _all(self, scripts: Sequence[Script], output: IO[bytes]) -> bool:
        for script in scripts:
            if self._is_cancelled or await self._one(script, output) != 0:
                return False
        return True

    async def _one(self, script: Script, output: IO[bytes]) -> int:
        """Run one script to its end; its exit status."""
        environment = {k: v for k, v in os.environ.items() if k != VARIABLE}
        command = [sys.executable, str(self._scripts_dir / script.file), *script.arguments]
        self._process = process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**environment, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
            start_new_session=True,
            creationflags=_NO_WINDOW,
        )
        try:
            _lower_priority(process.pid)
            mark(self._mark, self._name, process.pid)
            if self._is_cancelled:  # while it was being started
                await _end_tree(process.pid, self._grace_s)
            return await process.wait()
        finally:
            if process.returncode is None:
                await _end_tree(process.pid, self._grace_s)
            self._process = None

    @property
    def _grace_s(self) -> float:
        return CLOSE_GRACE_S if self._is_closing else GRACE_S


def training(home: Home, profile: str) -> Script:
    """The script that trains on what is stored and judges what came of it. Raises CannotTrainError
    that says how else."""
    missing = [name for name in ("torch", "trl") if find_spec(name) is None]
    if missing:
        raise CannotTrainError(
            f"Training cannot run here: {' and '.join(missing)} not installed. Install "
            "requirements-train.txt, or take the training to a machine that has it: "
            "scripts/bundle.py (docs/training.md)."
        )
    return Script("train_all.py", ("--home", str(home.root), "--profile", profile))


def building_memory(home: Home) -> Script:
    """The script that brings the memory's vectors up to date, or builds them again."""
    return Script("5_build_memory.py", ("--home", str(home.root)))


def last_line(log_file: Path, most_bytes: int = 4096) -> str:
    """The last line with something in it, at most 500 characters. Raises OSError."""
    with log_file.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(file.tell() - most_bytes, 0))
        text = file.read().decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else ""


def _lower_priority(pid: int) -> None:
    """The bot's replies go first."""
    with suppress(psutil.Error, OSError):
        lower = getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", 10)  # Windows has classes
        psutil.Process(pid).nice(lower)


async def _end_tree(pid: int, grace_s: float) -> None:
    """Ask a process and all below it to end, and make those that have not after the grace.

    In no worker thread: all of them may be waiting for a locked database.
    """
    try:
        root = psutil.Process(pid)
        tree = [*root.children(recursive=True), root]
    except psutil.Error:
        return
    for process in tree:
        with suppress(psutil.Error):
            process.terminate()
    for _ in range(round(grace_s / _LOOK_EVERY_S)):
        if not any(map(is_alive, tree)):
            break
        await asyncio.sleep(_LOOK_EVERY_S)
    for process in filter(is_alive, tree):
        with suppress(psutil.Error):
            process.kill()
