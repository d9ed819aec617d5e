"""What takes long on the page Data and is a script's: forgetting, a backup, a check, a restore.

It goes on while another page is shown. Tk's thread alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gui.app_model import AppModel
from gui.models.outlasting import Outlasting
from gui.script_run import ScriptRun

STOPPED = "Stopped. What was there before is as it was."

_STEP = re.compile(r"(\d+) of (\d+): (.*?)[ .]*")
"""As scripts/privacy.py says how far it is: "3 of 8: vectors ..."."""


@dataclass(frozen=True)
class Job:
    """One of them."""

    words: str
    """What is being done: "A backup is being made"."""
    failed: str
    """What to say where it was not done, as a sentence."""
    script: str
    arguments: tuple[str, ...]
    told: Callable[[dict[str, Any]], str]
    """Makes a sentence, or a few, of the script's result."""
    may_stop: bool = False
    """Whether it can be left off with nothing lost."""
    stdin: str | None = None


class Chore(Outlasting):
    """The window's one; one job at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.job: Job | None = None
        """What is being done."""
        self.outcome = ""
        """What came of the last one, in words; "" before there was one."""
        self.failure: tuple[str, str] | None = None
        """What was not done and why, of the last one; None where it was."""
        self.share: float | None = None
        """0 to 1; None where it is not known."""
        self._said = ""
        self._result: dict[str, Any] = {}
        self._run: ScriptRun | None = None

    @property
    def is_busy(self) -> bool:
        return self.job is not None

    @property
    def may_stop(self) -> bool:
        """Whether what is being done can be left off now."""
        is_stopping = self._run is not None and self._run.is_cancelled
        return self.job is not None and self.job.may_stop and not is_stopping

    @property
    def words(self) -> str:
        """What is being done, or what came of the last one."""
        if self.job is None:
            return self.outcome
        return f"{self.job.words}: {self._said}" if self._said else f"{self.job.words}."

    def begin(self, app: AppModel, job: Job) -> None:
        """Do it; nothing where something is being done."""
        if self.job is not None:
            return
        self.job, self.outcome, self.failure = job, "", None
        self.share, self._said, self._result = None, "", {}
        # Before the run is made: where it cannot start, `failed` comes at once.
        self._run = app.run_script(
            job.script,
            *job.arguments,
            "--json",
            on_line=self._heard,
            on_said=self._was_said,
            done=lambda result: self._ended(app),
            failed=lambda reason: self._ended(app, reason),
            stdin=job.stdin,
        )
        self.tell()

    def stop(self) -> None:
        """Leave it off."""
        if self.may_stop and self._run is not None:
            self._run.cancel()
            self.tell()

    def dismiss(self) -> None:
        """What came of the last one has been read."""
        self.outcome, self.failure = "", None
        self.tell()

    def _heard(self, line: dict[str, Any]) -> None:
        self._result = line

    def _was_said(self, line: str) -> None:
        step = _STEP.fullmatch(line)
        if step is not None:
            self.share = (int(step[1]) - 1) / max(int(step[2]), 1)
            line = f"{step[3]}."
        self._said = line
        self.tell()

    def _ended(self, app: AppModel, reason: str = "") -> None:
        job, run = self.job, self._run
        assert job is not None
        self.job, self._run, self.share = None, None, None
        # A script that did a part of it says so, and ends with a status of its own.
        if not reason or self._result:
            self.outcome = job.told(self._result)
        elif run is not None and run.is_cancelled:
            self.outcome = STOPPED
        else:
            self.failure = (job.failed, reason)
        app.tell("data")
        app.refresh_settings()
        app.refresh_stats()
        self.tell()
