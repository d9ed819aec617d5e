"""An import or a fetch of history: how far it is, paused and gone on with, and what came of it.

Both are scripts/1_fetch_all_history.py. What it has stored stays, and the same again passes over
what is known: so a pause is a stop, and going on is starting again. Tk's thread alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from gui.app_model import AppModel
from gui.models.outlasting import Outlasting
from gui.models.words import left_words, many, size_words
from gui.script_run import ScriptRun

SCRIPT = "1_fetch_all_history.py"

State = Literal["idle", "running", "pausing", "paused", "cancelling"]


class HistoryRun(Outlasting):
    """The window's one; one import or fetch at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.state: State = "idle"
        self.is_fetch = False
        self.progress: dict[str, Any] = {}
        """The last figures that the script told."""
        self.outcome = ""
        """What came of the last one, in words; "" before there was one."""
        self.failure = ""
        """Why the last one failed; "" where it did not."""
        self._arguments: tuple[str, ...] = ()
        self._run: ScriptRun | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a script runs now."""
        return self.state in ("running", "pausing", "cancelling")

    # -- what the user does -------------------------------------------------------------------

    def import_paths(self, app: AppModel, paths: Sequence[Path]) -> None:
        """Import these files and folders."""
        if not self.is_busy:
            self.is_fetch = False
            self._arguments = ("--import", *(str(path) for path in paths))
            self._start(app)

    def fetch(self, app: AppModel) -> None:
        """Fetch from Discord the channels that are read live."""
        if not self.is_busy:
            self.is_fetch = True
            self._arguments = ()
            self._start(app)

    def go_on(self, app: AppModel) -> None:
        """The same again: after a pause, or after it failed."""
        if not self.is_busy:
            self._start(app)

    def pause(self) -> None:
        """Stop it, to go on later."""
        self._stop("pausing")

    def cancel(self) -> None:
        """Stop it for good; a paused one is forgotten."""
        if self.state == "paused":
            self.state = "idle"
            self.outcome = STOPPED
            self.tell()
        else:
            self._stop("cancelling")

    def dismiss(self) -> None:
        """What came of the last one has been read."""
        self.outcome = self.failure = ""
        self.tell()

    # -- in words -------------------------------------------------------------------------------

    @property
    def share(self) -> float | None:
        """0 to 1; None where it cannot be known, as with what Discord still has."""
        done, total = self.progress.get("bytes_done"), self.progress.get("bytes_total")
        if self.is_fetch or done is None or not total:
            return None
        return min(float(done) / float(total), 1.0)

    @property
    def words(self) -> str:
        """What is being done and how far it is."""
        what = "Fetching from Discord" if self.is_fetch else "Importing"
        if self.state == "paused":
            return f"{what} is paused. {PAUSED}"
        if self.state in ("pausing", "cancelling"):
            return f"{what} is being stopped."
        if not self.is_busy:
            return self.outcome
        if not self.progress:
            return f"{what} begins."
        told = fetch_words if self.is_fetch else import_words
        return f"{what}: {told(self.progress)}"

    # -- how ------------------------------------------------------------------------------------

    def _start(self, app: AppModel) -> None:
        self.state, self.progress, self.outcome, self.failure = "running", {}, "", ""
        # Before the run is made: where it cannot start, `failed` comes at once.
        self._run = app.run_script(
            SCRIPT,
            *self._arguments,
            "--json",
            "--events",
            on_line=self._heard,
            done=lambda result: self._done(app, result),
            failed=lambda reason: self._failed(app, reason),
        )
        self.tell()

    def _stop(self, state: State) -> None:
        if self.state == "running" and self._run is not None:
            self.state = state
            self._run.cancel()
            self.tell()

    def _heard(self, line: dict[str, Any]) -> None:
        if line.get("event") == "progress":
            self.progress = line
            self.tell()

    def _done(self, app: AppModel, result: dict[str, Any]) -> None:
        self.outcome = fetched_words(result) if self.is_fetch else imported_words(result)
        self._end(app, "idle")

    def _failed(self, app: AppModel, reason: str) -> None:
        if self.state == "pausing":
            self._end(app, "paused")
            return
        if self.state == "cancelling":
            self.outcome = STOPPED
        else:
            self.failure = reason
        self._end(app, "idle")

    def _end(self, app: AppModel, state: State) -> None:
        self.state, self._run = state, None
        app.tell("data")
        self.tell()


PAUSED = "What was read stays, and it goes on from there: what is known is passed over."
STOPPED = "Stopped. What was read up to there stays."


def import_words(figures: Mapping[str, Any]) -> str:
    """ "4.1 of 20.4 MB · 12,300 messages · 9,800 a second · 0:04 left"."""
    total = size_words(figures["bytes_total"])
    done = size_words(figures["bytes_done"])
    if done.split()[-1] == total.split()[-1]:
        done = done.split()[0]
    parts = [f"{done} of {total}", many(figures["messages"], "message")]
    parts.append(f"{figures['per_s']:,.0f} a second")
    left_s = figures.get("left_s")
    return " · ".join([*parts, *([left_words(left_s)] if left_s and left_s >= 1 else [])])


def fetch_words(figures: Mapping[str, Any]) -> str:
    """ "channel 2 of 5 · 3,200 messages · 48 a second · 1:10 left · #general up to 2025-05-03"."""
    if waiting := figures.get("waiting"):
        return f"{many(figures['messages'], 'message')} · waiting: {waiting}"
    day = datetime.fromtimestamp(figures["reached_ms"] / 1000, timezone.utc).date()
    left_s = figures.get("left_s")
    left = f" · {left_words(left_s)}" if left_s and left_s >= 1 else ""
    place = min(figures["channels_done"] + 1, figures["channels_total"])
    return (
        f"{'again, ' if figures.get('again') else ''}"
        f"channel {place} of {figures['channels_total']} · "
        f"{many(figures['messages'], 'message')} · {figures['per_s']:,.0f} a second{left} · "
        f"#{figures['channel']} up to {day}"
    )


def imported_words(result: Mapping[str, Any]) -> str:
    """What an import's summary says, in a sentence or a few."""
    words = f"The import is done: {_new_words(result)}"
    if result.get("unchanged"):
        words += f", {result['unchanged']:,} known before"
    words += "."
    skipped, broken = result.get("files_skipped", ()), result.get("files_broken", ())
    if len(skipped) == 1:
        words += f" {Path(skipped[0]['file']).name} was passed over: {skipped[0]['reason']}."
    elif skipped:
        words += f" {many(len(skipped), 'file')} passed over: not exports in JSON."
    private = sum(package["private_messages"] for package in result.get("packages", ()))
    if private:
        words += f" {many(private, 'private message')} of data packages left out, unread."
    if broken:
        words += f" {many(len(broken), 'file')} broken off, read as far as they go."
    if result.get("quarantined"):
        words += f" {many(result['quarantined'], 'record')} kept aside, with the reasons."
    return words


def fetched_words(result: Mapping[str, Any]) -> str:
    """What a fetch's report says."""
    words = f"The fetch is done: {_new_words(result)}."
    skipped = result.get("skipped", ())
    for channel in skipped[:2]:
        words += f" #{channel['name']} was left out: {channel['reason'].rstrip('.')}."
    if len(skipped) > 2:
        words += f" {len(skipped) - 2} more channels were left out."
    return words


def _new_words(result: Mapping[str, Any]) -> str:
    return f"{many(result.get('new', 0), 'message')} new, {result.get('changed', 0):,} changed"
