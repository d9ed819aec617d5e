"""One event of the gateway, written out once however many sessions it goes to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntFlag

from tests.discord_stand_in.things import Channel, Json


class Intent(IntFlag):
    """What a client asks to be told; `NONE` is told to everybody."""

    NONE = 0
    GUILDS = 1 << 0
    MEMBERS = 1 << 1
    EMOJIS = 1 << 3
    PRESENCES = 1 << 8
    MESSAGES = 1 << 9
    REACTIONS = 1 << 10
    TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_REACTIONS = 1 << 13
    DIRECT_TYPING = 1 << 14
    CONTENT = 1 << 15


PRIVILEGED = Intent.MEMBERS | Intent.PRESENCES | Intent.CONTENT


@dataclass
class Event:
    """`data(strip)` makes what is told; `strip` leaves a message's content out. It is made when
    the event happens, so that later changes do not show in it."""

    name: str
    intent: Intent
    data: Callable[[bool], Json]
    channel: Channel | None = None
    _written: dict[bool, str] = field(default_factory=dict)

    def written(self, strip: bool) -> str:
        """The data as JSON."""
        if strip not in self._written:
            self._written[strip] = json.dumps(self.data(strip), separators=(",", ":"))
        return self._written[strip]
