"""What a state of the bot is called, and its colour: in the bar, on Home and in the tray."""

from __future__ import annotations

from gui import theme
from gui.snapshot import ON_DISCORD, Snapshot
from gui.supervision import State

_WORDS = {
    State.STOPPED: "stopped",
    State.STARTING: "starting",
    State.ONLINE: "running",
    State.STOPPING: "stopping",
    State.WAITING: "waiting to start again",
    State.FAILED: "cannot run",
}
_COLOURS = {
    State.STOPPED: theme.MUTED,
    State.STARTING: theme.WARN,
    State.ONLINE: theme.GOOD,
    State.STOPPING: theme.WARN,
    State.WAITING: theme.WARN,
    State.FAILED: theme.BAD,
}


def words_for(snapshot: Snapshot) -> str:
    """A few words: "online", "waiting for the network", "starting, loading", "waiting to start
    again in 8 s"."""
    if snapshot.state is State.ONLINE and snapshot.phase.startswith("waiting"):
        return snapshot.phase
    if snapshot.phase and snapshot.state in (State.ONLINE, State.STARTING):
        return snapshot.activity
    words = _WORDS[snapshot.state]
    if snapshot.next_attempt_in_s is not None:
        words += f" in {snapshot.next_attempt_in_s:.0f} s"
    return words


def colour_of(snapshot: Snapshot) -> tuple[str, str]:
    """(light, dark). Running, but not on Discord, is not good yet."""
    if snapshot.state is State.ONLINE and snapshot.phase not in ("", ON_DISCORD):
        return theme.WARN
    return _COLOURS[snapshot.state]
