"""The control channel between the bot and its window, supervisor and scripts: what they share.

Standard library alone. The bot listens on a loopback port (`ControlServer`) and writes where, with
a key, to a file that its user alone can read (`Endpoint`). Whoever reads it connects
(`ControlClient`, `ask_running`); both sides show that they hold the key (bot/wire/handshake.py).
After that, JSON lines:

    -> {"id": 7, "do": "say", "text": "hello"}
    <- {"id": 7, "ok": true, "reply": "hi there"}       or {"id": 7, "ok": false, "error": SENTENCE}
    <- {"event": "heartbeat", "phase": "online", "uptime_s": 61.2}                  never with "ok"

Requests and events: bot/control.py. How a bot ended is said by its exit code (`ExitCode`).
"""

from __future__ import annotations

from enum import IntEnum

from bot.wire.client import ControlClient, OnEvent, ask_running
from bot.wire.connection import Handler
from bot.wire.endpoint import (
    ENDPOINT_NAME,
    Endpoint,
    new_key,
    read_endpoint,
    remove_endpoint,
    write_endpoint,
)
from bot.wire.framing import VERSION, ControlError, NotRunningError
from bot.wire.server import ControlServer

__all__ = [
    "ENDPOINT_NAME",
    "VERSION",
    "ControlClient",
    "ControlError",
    "ControlServer",
    "Endpoint",
    "ExitCode",
    "Handler",
    "NotRunningError",
    "OnEvent",
    "ask_running",
    "new_key",
    "read_endpoint",
    "remove_endpoint",
    "write_endpoint",
]


class ExitCode(IntEnum):
    """How the bot's process ended, and so what its supervisor does next."""

    DONE = 0
    """It was asked to stop."""
    CRASHED = 1
    """What Python itself ends with; as is every code that is not named here."""
    BAD_CONFIG = 2
    """A setting, the model or the home cannot be used."""
    RESTART = 10
    """It asks to be started again at once."""
    BAD_TOKEN = 20
    MISSING_INTENT = 21
    """Discord's developer page does not allow an intent that it needs."""
    NETWORK = 22
    """There is no way to Discord now."""
    ALREADY_RUNNING = 23
    """Another bot runs on this home."""

    @property
    def is_final(self) -> bool:
        """Whether another attempt would end the same until a person changes something."""
        return self in (ExitCode.BAD_CONFIG, ExitCode.BAD_TOKEN, ExitCode.MISSING_INTENT)
