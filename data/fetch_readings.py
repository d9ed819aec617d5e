"""The stretches of channels that one fetch reads, and how long what is left of them will take.

How many messages a channel has, nobody says; but ids tell the time. So a stretch is as far done as
the time between its ends that was passed. Pure but for the clock that is handed in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from data.fetch_rounds import made_ms
from storage.records import ChannelRecord


@dataclass
class Reading:
    """One channel's messages above `after_id`, up to `end_id`, and how far it is with them."""

    channel: ChannelRecord
    after_id: int
    end_id: int
    cursor: str
    """What moves along, so that a stop is gone on from."""
    is_again: bool = False
    """Whether all of it was read before."""
    until_ms: int = 0
    """When its last message was said, as far as that is known."""
    reached_ms: int = 0
    began_s: float | None = None
    ended_s: float | None = None

    def share(self) -> float:
        """0 to 1: how much of its time was passed."""
        from_ms = made_ms(max(self.after_id, self.channel.channel_id))
        span_ms = self.until_ms - from_ms
        return min(max((self.reached_ms - from_ms) / span_ms, 0.0), 1.0) if span_ms > 0 else 1.0


def left_s(readings: Iterable[Reading], at_once: int, now_s: float) -> float | None:
    """Seconds to the end of them all, `at_once` side by side; None while nothing is known.

    One that was not begun is taken for an average one.
    """
    took: list[float] = []
    lefts: list[float] = []
    waiting = 0
    for one in readings:
        if one.began_s is None:
            waiting += 1
        elif one.ended_s is not None:
            took.append(one.ended_s - one.began_s)
        elif share := one.share():
            whole_s = (now_s - one.began_s) / share
            took.append(whole_s)
            lefts.append(whole_s * (1 - share))
    if not took:
        return None
    all_s = sum(lefts) + waiting * sum(took) / len(took)
    return max(*lefts, all_s / at_once, 0.0)
