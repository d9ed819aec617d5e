"""A rehearsal while it runs: scripts/rehearse.py run, how far it is, how many moments it found.

It goes on while another page is shown. Stopped and asked for again, it goes on where it was. Tk's
thread alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from gui.app_model import AppModel
from gui.models.outlasting import Outlasting
from gui.models.words import left_words, many
from gui.script_run import ScriptRun

SCRIPT = "rehearse.py"
STOPPED = "Stopped. What was rehearsed stays: asked for again, it goes on from there."

State = Literal["idle", "running", "stopping"]


class RehearsalRun(Outlasting):
    """The window's one; one rehearsal at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.script = SCRIPT
        """What is run, in scripts/ or with a whole path."""
        self.state: State = "idle"
        self.rehearsal_id: int | None = None
        """The one that runs, or that ran last in this window."""
        self.plan: dict[str, Any] = {}
        self.progress: dict[str, Any] = {}
        self.outcome = ""
        self.failure = ""
        """Why it failed; "" where it did not."""
        self._run: ScriptRun | None = None

    @property
    def is_busy(self) -> bool:
        return self.state != "idle"

    @property
    def share(self) -> float | None:
        """0 to 1; None where that cannot be known."""
        done, total = self.progress.get("done"), self.progress.get("messages")
        return min(done / total, 1.0) if done is not None and total else None

    @property
    def words(self) -> str:
        """What is being done and how far it is, or what came of the last one."""
        if self.state == "stopping":
            return "The rehearsal is being stopped."
        if self.state == "running":
            return run_words(self.plan, self.progress)
        return self.outcome

    def start(self, app: AppModel, arguments: Sequence[str]) -> None:
        """Rehearse; `arguments` say what (`asked_for` of the rehearsal's model)."""
        if self.is_busy:
            return
        self.state, self.plan, self.progress, self.outcome, self.failure = "running", {}, {}, "", ""
        # Before the run is made: where it cannot start, `failed` comes at once.
        self._run = app.run_script(
            self.script,
            "run",
            *arguments,
            "--json",
            on_line=self._heard,
            done=lambda result: self._done(app, result),
            failed=lambda reason: self._failed(app, reason),
        )
        self.tell()

    def stop(self) -> None:
        """Stop it; what was judged stays."""
        if self.state == "running" and self._run is not None:
            self.state = "stopping"
            self._run.cancel()
            self.tell()

    def dismiss(self) -> None:
        """What came of the last one has been read."""
        self.outcome = self.failure = ""
        self.tell()

    def _heard(self, line: dict[str, Any]) -> None:
        event = line.get("event")
        if event == "plan":
            self.plan = line
        elif event == "progress":
            self.progress = line
        else:
            return
        self.rehearsal_id = int(line["rehearsal_id"])
        self.tell()

    def _done(self, app: AppModel, result: dict[str, Any]) -> None:
        self._end(app, STOPPED if result.get("is_stopped") else done_words(result))

    def _failed(self, app: AppModel, reason: str) -> None:
        if self.state == "stopping":
            self._end(app, STOPPED)
        else:
            self.failure = reason
            self._end(app, "")

    def _end(self, app: AppModel, outcome: str) -> None:
        self.state, self._run, self.outcome = "idle", None, outcome
        app.tell("data")
        self.tell()


def run_words(plan: Mapping[str, Any], progress: Mapping[str, Any]) -> str:
    """ "120 of 412 messages · it would have spoken 7 times · 0:31 left"."""
    if not plan:
        return "The rehearsal begins: the model is made ready."
    if not progress:
        return f"{many(int(plan['messages']), 'message')} to go through."
    parts = [f"{progress['done']:,} of {many(int(progress['messages']), 'message')}"]
    parts.append(f"it would have spoken {times(int(progress.get('spoken', 0)))}")
    if (progress.get("left_s") or 0) >= 1:
        parts.append(left_words(progress["left_s"]))
    return " \u00b7 ".join(parts)


def done_words(result: Mapping[str, Any]) -> str:
    """What came of it, in a sentence."""
    spoken = int(result.get("spoken", 0))
    words = (
        f"Of {many(int(result.get('messages', 0)), 'message')} it would have answered {spoken:,}."
    )
    return words if spoken else f"{words} Rehearse a livelier day, or let it speak more often."


def times(count: int) -> str:
    """ "once", "7 times"."""
    return "once" if count == 1 else f"{count:,} times"
