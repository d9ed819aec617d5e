"""Delivers a reply that guard let out: as one message, or as lines with people's pauses between.

What it says refers to the asked message only where others than its author spoke in between:
regulars answer what is right above without saying so. Called from the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bot.messages import IncomingMessage, SentLine
from bot.platforms.platform import Platform
from data.style.pace import SHORTEST_S, Pace

WAITED_LONG_S = 10.0
"""Who waited so long since they asked gets the lines in half the time."""


@dataclass
class Delivery:
    """What goes out in answer to one message."""

    platform: Platform
    asked: IncomingMessage
    newest: Callable[[int, int], int]
    """The id of the newest message that others wrote in a channel, but for that member."""
    pings: bool = True
    """Whether the first line notifies whom it answers, where it refers to them."""
    lines: list[SentLine] = field(default_factory=list)
    rest: tuple[str, ...] = ()
    """Lines that guard let out, to be sent behind the first one."""
    shown: frozenset[int] = frozenset()
    """The messages that the model was shown for them."""
    sent: int = 0
    """How many messages were taken, those that were taken back again too."""

    @property
    def is_interrupted(self) -> bool:
        """Whether others wrote since the asked message, or since the last line."""
        return self._is_written_behind(but=0)

    def _is_written_behind(self, but: int) -> bool:
        last_id = self.lines[-1].message_id if self.lines else self.asked.message_id
        return self.newest(self.asked.channel_id, but) > last_id

    async def say(self, text: str) -> SentLine:
        """Send one more line; each is sent once at most.

        Raises platform.DeliveryError where the platform does not take it; DeliveryUnknownError
        where nobody knows.
        """
        asked_id, channel_id = self.asked.message_id, self.asked.channel_id
        is_lost = self._is_written_behind(but=self.asked.record.author_id)
        reply_to_id = asked_id if is_lost else None
        accepted = await self.platform.send(
            channel_id,
            text,
            reply_to_id=reply_to_id,
            pings=self.pings and not self.lines,
            asked_id=asked_id,
            line=self.sent,
        )
        line = SentLine(
            accepted.message_id,
            channel_id,
            text,
            accepted.sent_at_ms,
            asked_id,
            self.sent,
            reply_to_id,
        )
        self.sent += 1
        self.lines.append(line)
        return line

    async def take_back(self) -> None:
        """Delete what was sent. Raises DeliveryError."""
        gone, self.lines = self.lines, []
        for line in gone:
            await self.platform.delete(line.channel_id, line.message_id)

    def pause_s(self, text: str, pace: Pace, draw: float, waited_s: float) -> float:
        """How long to wait before that line. Where others wrote meanwhile they wait for their turn,
        and the rest follows at once."""
        if self.is_interrupted:
            return SHORTEST_S
        pause_s = pace.pause_s(text, draw)
        return max(pause_s / 2, SHORTEST_S) if waited_s > WAITED_LONG_S else pause_s
