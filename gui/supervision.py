"""What the supervision of the bot is told (events) and tells to do (effects): values alone.

The rules that lead from one to the other are in gui/bot_controller.py. Times are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class State(Enum):
    STOPPED = "stopped"
    STARTING = "starting"
    ONLINE = "online"
    STOPPING = "stopping"
    WAITING = "waiting"
    """For the next attempt, at `BotController.next_attempt_at_s`."""
    FAILED = "failed"
    """Not started again until a user asks; `BotController.reason` says why."""


@dataclass(frozen=True)
class Policy:
    """The times of supervision, in seconds."""

    start_timeout_s: float = 300.0
    """How long a start may go without a sign of life; each heartbeat begins it anew."""
    heartbeat_timeout_s: float = 30.0
    """How long a bot that was ready may go without a heartbeat before it counts as hung."""
    grace_s: float = 10.0
    """From the message to Terminate, and from there to Kill."""
    first_delay_s: float = 1.0
    crash_limit: int = 5
    crash_window_s: float = 600.0
    restarts_at_once: int = 2
    """How often within the crash window a bot that asks for a restart has it without a delay."""
    network_delay_max_s: float = 300.0
    """The longest delay before an attempt that follows no crash: of the network, of the disk."""
    connect_timeout_s: float = 5.0
    """How long a running bot may take to let us in."""
    sleep_gap_s: float = 10.0
    """Two ticks further apart than this: the computer slept, and silence is no sign of a hang."""


# Events: what happened. One that names a pid counts only while that process is the bot's.


@dataclass(frozen=True)
class Opened:
    """The supervisor itself begins: a bot that runs already is adopted, none is started."""


@dataclass(frozen=True)
class StartAsked:
    pass


@dataclass(frozen=True)
class StopAsked:
    pass


@dataclass(frozen=True)
class RestartAsked:
    """By a user; a bot that wants it ends with ExitCode.RESTART."""


@dataclass(frozen=True)
class ForceStopAsked:
    pass


@dataclass(frozen=True)
class Tick:
    """Time passes; a few in a second."""


@dataclass(frozen=True)
class Found:
    """Answers Look: a bot runs. One that does not answer lives, but may be hung."""

    pid: int
    is_answering: bool = True
    is_ready: bool = False


@dataclass(frozen=True)
class NothingFound:
    """Answers Look."""


@dataclass(frozen=True)
class Spawned:
    """Answers Spawn, before any other event."""

    pid: int


@dataclass(frozen=True)
class SpawnFailed:
    """Answers Spawn, before any other event."""

    sentence: str
    disk: str = ""
    """As in Exited."""


@dataclass(frozen=True)
class Connected:
    """The control channel to the bot is open, for the first time or once more."""

    pid: int
    is_ready: bool = False


@dataclass(frozen=True)
class Heartbeat:
    pid: int
    is_ready: bool = False
    """Counts as Ready where that was not heard."""


@dataclass(frozen=True)
class Ready:
    pid: int


@dataclass(frozen=True)
class Ended:
    """The bot says that it is about to exit, and why."""

    pid: int
    code: int
    reason: str


@dataclass(frozen=True)
class Exited:
    """The process is gone. `code` is None where it cannot be known: an adopted one's."""

    pid: int
    code: int | None
    last_words: tuple[str, ...] = ()
    disk: str = ""
    """A sentence where nothing can be written in the home now: it mends itself or by a person."""


Event: TypeAlias = (
    Opened
    | StartAsked
    | StopAsked
    | RestartAsked
    | ForceStopAsked
    | Tick
    | Found
    | NothingFound
    | Spawned
    | SpawnFailed
    | Connected
    | Heartbeat
    | Ready
    | Ended
    | Exited
)


# Effects: what is to be done.


@dataclass(frozen=True)
class Look:
    """See whether a bot runs for this home. May take a while; answered by Found or NothingFound."""


@dataclass(frozen=True)
class Spawn:
    pass


@dataclass(frozen=True)
class AskToStop:
    """Send the message, where the control channel is open; never fails."""


@dataclass(frozen=True)
class Terminate:
    pass


@dataclass(frozen=True)
class Kill:
    pass


Effect: TypeAlias = Look | Spawn | AskToStop | Terminate | Kill
