"""What the supervisor knows about the bot at one moment, for whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gui.supervision import State

ON_DISCORD = "online"
"""The phase of a bot that Discord's gateway has let in."""


@dataclass(frozen=True)
class Snapshot:
    """Values alone, from any thread."""

    state: State = State.STOPPED
    reason: str = ""
    """A sentence for the user on why it is so, "" where that is plain."""
    pid: int | None = None
    """The bot's own."""
    is_adopted: bool = False
    """Whether the bot was running already when this supervisor came."""
    started_at_ms: int | None = None
    """When its process began: since 1970, UTC."""
    phase: str = ""
    """What the bot itself says it is at: "loading", "connecting", "online", "waiting for the
    network", ... It is told at once when it changes; "" as long as it is not known."""
    next_attempt_in_s: float | None = None
    """While WAITING; never negative."""
    heartbeat: Mapping[str, Any] = field(default_factory=dict)
    """The last one's fields; empty before the first."""
    crashes: int = 0
    """Within the policy's window."""
    memory_bytes: int | None = None
    """Resident, read about once a second."""

    @property
    def activity(self) -> str:
        """In a few words what it is at: "online" is said of a bot that is on Discord and no other,
        "running, waiting for the network" of one that is ready and not there."""
        if self.state is State.ONLINE and self.phase not in ("", ON_DISCORD):
            at = "connecting" if self.phase == "loading" else self.phase  # it is ready: loaded
            return f"running, {at}"
        if self.state is State.STARTING and self.phase:
            return f"starting, {self.phase}"
        return self.state.value

    def differs(self, other: Snapshot) -> bool:
        """Whether anything but the countdown and the memory is another."""
        return self._lasting() != other._lasting()

    def _lasting(self) -> Snapshot:
        return replace(self, next_attempt_in_s=None, memory_bytes=None)
