"""What the supervisor knows about the bot at one moment, for whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gui.supervision import State


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
    """What the bot itself says it is at: "loading", "connecting", "online", ..."""
    next_attempt_in_s: float | None = None
    """While WAITING; never negative."""
    heartbeat: Mapping[str, Any] = field(default_factory=dict)
    """The last one's fields; empty before the first."""
    crashes: int = 0
    """Within the policy's window."""
    memory_bytes: int | None = None
    """Resident, read about once a second."""

    def differs(self, other: Snapshot) -> bool:
        """Whether anything but the countdown and the memory is another."""
        return self._lasting() != other._lasting()

    def _lasting(self) -> Snapshot:
        return replace(self, next_attempt_in_s=None, memory_bytes=None)
