"""What the tray shows of the bot: colour, tooltip, menu, notifications. Values alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from gui.snapshot import Snapshot
from gui.state_words import words_for
from gui.supervision import State

GREY, AMBER, GREEN, RED = "#7d8694", "#e0a030", "#34a853", "#d93025"
TOOLTIP_CHARS = 127
"""What Windows shows of it."""

SHOW, START, STOP, LOGS, EXIT = "show", "start", "stop", "logs", "exit"
"""The names of entries, by which the window knows what was chosen."""

_COLOURS = {
    State.STOPPED: GREY,
    State.STARTING: AMBER,
    State.ONLINE: GREEN,
    State.STOPPING: AMBER,
    State.WAITING: AMBER,
    State.FAILED: RED,
}


@dataclass(frozen=True)
class Entry:
    """One line of the menu; without a name it is a separator."""

    name: str = ""
    text: str = ""
    is_enabled: bool = True


@dataclass(frozen=True)
class Face:
    """All that is drawn."""

    colour: str = GREY
    mark: str = State.STOPPED.value
    """The state's name: it is told by the shape too, for whom colours are alike."""
    tooltip: str = "Mynah"
    entries: tuple[Entry, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def face_of(
    snapshot: Snapshot, stats: Mapping[str, Any], is_shown: bool, may_speak: bool = True
) -> Face:
    """`stats` is the running bot's last answer, {} where there is none; `may_speak`: in public."""
    is_on_discord = snapshot.phase in ("", "online")
    colour = _COLOURS[snapshot.state]
    if snapshot.state is State.ONLINE and not is_on_discord:
        colour = AMBER
    return Face(
        colour=colour,
        mark=snapshot.state.value,
        tooltip=_tooltip(snapshot, stats, may_speak),
        entries=_entries(snapshot, is_shown),
    )


def _entries(snapshot: Snapshot, is_shown: bool) -> tuple[Entry, ...]:
    can_start = snapshot.state in (State.STOPPED, State.FAILED, State.WAITING)
    return (
        Entry(SHOW, "Hide Mynah" if is_shown else "Show Mynah"),
        Entry(),
        Entry(START, "Start the bot")
        if can_start
        else Entry(STOP, "Stop the bot", snapshot.state is not State.STOPPING),
        Entry(LOGS, "Open logs"),
        Entry(),
        Entry(EXIT, "Exit"),
    )


def _tooltip(snapshot: Snapshot, stats: Mapping[str, Any], may_speak: bool) -> str:
    lines = [f"Mynah: {words_for(replace(snapshot, next_attempt_in_s=None))}"]
    if snapshot.state is State.ONLINE and not may_speak:
        lines[0] += ", listens in silence"
    figures = []
    uptime_s = stats.get("uptime_s", snapshot.heartbeat.get("uptime_s"))
    if snapshot.state is State.ONLINE and isinstance(uptime_s, (int, float)):
        figures.append(f"up {_span(uptime_s)}")
    day = stats.get("statistics", {}).get("24h", {})
    if snapshot.state is State.ONLINE and isinstance(day.get("answered"), int):
        figures.append(f"{day['answered']} replies in 24 h")
    memory = snapshot.memory_bytes or stats.get("memory_bytes")
    if snapshot.state is State.ONLINE and isinstance(memory, int):
        figures.append(f"{memory / 1e6:.0f} MB")
    if figures:
        lines.append(", ".join(figures))
    elif snapshot.reason:
        lines.append(snapshot.reason)
    text = "\n".join(lines)
    return text if len(text) <= TOOLTIP_CHARS else text[: TOOLTIP_CHARS - 1] + "…"


def _span(seconds: float) -> str:
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // (24 * 60)} d {minutes // 60 % 24} h"


class Changes:
    """Says when the bot went down by itself and when it came back. Not what a user asked for."""

    def __init__(self) -> None:
        self._was_up = False
        self._is_down = False

    def sentence(self, now: Snapshot) -> str:
        """What to tell the user of this change, "" where nothing."""
        if now.state is State.ONLINE:
            self._was_up = True
            if self._is_down and now.phase in ("", "online"):
                self._is_down = False
                return "The bot is back."
            return ""
        if now.state is State.STOPPED:
            self._was_up = self._is_down = False
            return ""
        if now.state is State.FAILED:
            self._was_up = self._is_down = False
            return _told("The bot is down and does not start again by itself.", now.reason)
        if now.state is State.WAITING and self._was_up and not self._is_down:
            self._is_down = True
            return _told("The bot went down; it is started again.", now.reason)
        return ""


def _told(sentence: str, reason: str) -> str:
    return f"{sentence} {reason}".strip()
