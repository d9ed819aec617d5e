"""What the Home page shows, as values: facts, figures, buttons, periods. Pure but for `model_of`.

Times are milliseconds since 1970 in UTC.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from gui.app_model import AppModel
from gui.models.axis import DAY_S, exact_text, local
from gui.models.memory_history import MemoryHistory
from gui.snapshot import Snapshot
from gui.supervision import State
from storage import readonly

HOUR_S = 3_600
MB = 1_000_000
MEMORY_EVERY_MS = 5_000
DEFAULT_RATE = 0.05
NOTHING = "\u2013"
"""What stands where there is no figure."""


@dataclass(frozen=True)
class Period:
    """One of the spans of time that figures and charts are for."""

    name: str
    """As it is called in the window."""
    key: str
    """As it is called in the bot's answer to `stats`."""
    span_s: int
    bucket_s: int
    each: str
    """What one bar stands for: "Each hour"."""

    def start_ms(self, now_ms: float) -> int:
        """Where the charts begin: at a full bucket of the local clock, so that the last one, which
        is not over yet, ends the span."""
        now = local(now_ms).replace(minute=0, second=0, microsecond=0, tzinfo=None)
        bucket_h = max(self.bucket_s // HOUR_S, 1)
        began = now.replace(hour=now.hour - now.hour % min(bucket_h, 24))
        if self.bucket_s >= DAY_S:
            began = now.replace(hour=0)
        start: datetime = began - timedelta(seconds=self.span_s - self.bucket_s)
        return int(start.astimezone().timestamp() * 1000)


PERIODS = (
    Period("24 h", "24h", DAY_S, HOUR_S, "Each hour"),
    Period("7 d", "7d", 7 * DAY_S, 6 * HOUR_S, "Each 6 hours"),
    Period("30 d", "30d", 30 * DAY_S, DAY_S, "Each day"),
)


class HomeModel:
    """What Home remembers while other pages are shown."""

    def __init__(self) -> None:
        self.memory = MemoryHistory()
        self.period = PERIODS[0]
        self.rate_before = DEFAULT_RATE
        """What the response rate goes back to when `only when addressed` is switched off."""

    def note_rate(self, rate: float) -> None:
        """A rate that is stored."""
        if rate > 0:
            self.rate_before = rate


_MODELS: WeakKeyDictionary[AppModel, HomeModel] = WeakKeyDictionary()


def model_of(app: AppModel) -> HomeModel:
    """The window's one; from its making on it samples the bot's memory, whatever page is shown."""
    if app not in _MODELS:
        model = _MODELS[app] = HomeModel()
        supervisor = app.supervisor

        def sample() -> None:
            model.memory.note(time.time() * 1000, supervisor.snapshot().memory_bytes)

        sample()
        app.ui.every(MEMORY_EVERY_MS, sample)
    return _MODELS[app]


# -- what is stored ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Stored:
    """What was read of the database."""

    period: Period
    start_ms: int
    now_ms: int
    buckets: tuple[readonly.Bucket, ...] = ()
    figures: Mapping[str, Mapping[str, Any]] | None = None
    last: readonly.LastReply | None = None
    deployed: str = ""
    """The deployed version's id."""

    @property
    def end_ms(self) -> int:
        """Where the charts end: with the bucket that is not over yet. In the days after summer time
        ended that is an hour later than the period is long."""
        span_end_ms = self.start_ms + self.period.span_s * 1000
        return max(span_end_ms, self.start_ms + len(self.buckets) * self.period.bucket_s * 1000)


def read_stored(path: Path, period: Period, with_figures: bool) -> Stored:
    """Blocking: for a worker. Raises storage.readonly.StorageUnreadableError."""
    now_ms = int(time.time() * 1000)
    start_ms = period.start_ms(now_ms)
    version = readonly.deployed_model(path)
    figures = {
        one.key: asdict(readonly.summary(path, now_ms - one.span_s * 1000, now_ms))
        for one in (PERIODS if with_figures else ())
    }
    return Stored(
        period,
        start_ms,
        now_ms,
        readonly.series(path, start_ms, now_ms, period.bucket_s * 1000),
        figures or None,
        readonly.last_reply(path),
        version.version_id if version else "",
    )


# -- words ------------------------------------------------------------------------------------


def duration_text(seconds: float) -> str:
    """The two largest units: "2 d 3 h", "3 h 12 min", "4 min", "45 s"."""
    whole = int(max(seconds, 0))
    days, hours, minutes = whole // DAY_S, whole // HOUR_S % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{whole} s"


def seconds_text(seconds: float | None) -> str:
    """A time that something took: "0.80 s", "2.5 s", "12 s", "2 min"."""
    if seconds is None:
        return NOTHING
    if seconds >= 120:
        return duration_text(seconds)
    decimals = 0 if seconds >= 10 else 1 if seconds >= 1 else 2
    return f"{seconds:.{decimals}f} s"


def bytes_text(size_bytes: float) -> str:
    """ "512 MB", "2.1 GB"; a MB is a million bytes."""
    if size_bytes >= 1000 * MB:
        return f"{size_bytes / (1000 * MB):.1f} GB"
    return f"{exact_text(round(size_bytes / MB))} MB"


# -- what stands where ------------------------------------------------------------------------


def facts(
    snapshot: Snapshot,
    stats: Mapping[str, Any],
    last: readonly.LastReply | None,
    now_ms: float,
) -> list[tuple[str, str]]:
    """(name, text) for the five facts, in their order."""
    runs = snapshot.pid is not None
    up_s = (now_ms - snapshot.started_at_ms) / 1000 if runs and snapshot.started_at_ms else None
    memory_bytes = snapshot.memory_bytes if runs else None
    waiting = stats.get("waiting")
    return [
        ("Uptime", NOTHING if up_s is None else duration_text(up_s)),
        ("Discord", discord_text(snapshot, stats)),
        ("Memory", NOTHING if memory_bytes is None else bytes_text(memory_bytes)),
        ("Waiting", NOTHING if waiting is None else _count(int(waiting), "message")),
        ("Last reply", _last_text(last, now_ms)),
    ]


def discord_text(snapshot: Snapshot, stats: Mapping[str, Any]) -> str:
    """Server, channels and latency, or what the connection is at: "The Lantern, 3 channels"."""
    if snapshot.state is not State.ONLINE:
        return NOTHING
    known = stats.get("discord") or {}
    phase = str(known.get("phase") or snapshot.phase or NOTHING).split(":")[0]
    parts = [str(known["guild"])] if known.get("guild") else []
    if phase != "online" or not parts:
        parts.insert(0, phase)
    if known.get("channels"):
        parts.append(_count(int(known["channels"]), "channel"))
    if known.get("latency_ms") is not None:
        parts.append(f"{float(known['latency_ms']):.0f} ms")
    return ", ".join(parts)


def _last_text(last: readonly.LastReply | None, now_ms: float) -> str:
    if last is None:
        return "none yet"
    ago_s = max(now_ms - last.at_ms, 0) / 1000
    ago = "just now" if ago_s < 5 else f"{duration_text(ago_s)} ago"
    return f"{ago}, took {seconds_text(last.total_s)}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


_ROWS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("Messages seen", "seen", lambda value: f"{value:,}"),
    ("Answered", "answered", lambda value: f"{value:,}"),
    ("Reply time, half within", "p50_s", seconds_text),
    ("Reply time, 95 % within", "p95_s", seconds_text),
    ("Reply time, 99 % within", "p99_s", seconds_text),
    ("Errors", "errors", lambda value: f"{value:,}"),
    ("Online", "uptime_share", lambda value: f"{value:.1%}".replace("%", " %")),
)


def figure_rows(figures: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The table's rows, heading first: a name, then a cell a period. `figures` is by Period.key."""
    rows: list[tuple[str, ...]] = [("", *(period.name for period in PERIODS))]
    for title, key, written in _ROWS:
        cells = []
        for period in PERIODS:
            one = figures.get(period.key)
            cells.append(NOTHING if one is None or key not in one else written(one[key]))
        rows.append((title, *cells))
    return rows


@dataclass(frozen=True)
class Buttons:
    """Which of the four can be pressed."""

    start: bool
    stop: bool
    restart: bool
    force_stop: bool


def buttons(snapshot: Snapshot) -> Buttons:
    """By the bot's state."""
    state = snapshot.state
    is_up = state in (State.STARTING, State.ONLINE)
    return Buttons(
        start=state in (State.STOPPED, State.FAILED, State.WAITING),
        stop=is_up or state is State.WAITING,
        restart=is_up,
        force_stop=is_up or state is State.STOPPING,
    )
