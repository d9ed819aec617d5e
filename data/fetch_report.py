"""What a fetch tells about itself: progress while it runs, the report at its end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any


@dataclass(frozen=True)
class FetchProgress:
    """How far a fetch is; told after each page that was stored."""

    channel: str
    """The name of the channel that is being read."""
    channels_done: int
    channels_total: int
    messages: int
    """Fetched in this run, in all channels; known ones too."""
    reached_ms: int
    """When the last of them was said: a channel is read from its beginning on."""
    seconds: float

    @property
    def per_second(self) -> float:
        """Messages a second since the fetch began."""
        return self.messages / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        """ "2 of 5 · 3,200 messages · 48 a second · general up to 2025-05-03"."""
        day = datetime.fromtimestamp(self.reached_ms / 1000, timezone.utc).date()
        return (
            f"{self.channels_done + 1} of {self.channels_total} · {self.messages:,} messages · "
            f"{self.per_second:,.0f} a second · {self.channel} up to {day}"
        )


@dataclass(frozen=True)
class ChannelFetch:
    """What was fetched of one channel in this run."""

    channel_id: int
    name: str
    new: int = 0
    changed: int = 0
    """Known before, and brought up to date."""
    pages: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class SkippedChannel:
    """A channel that could not be read, or not to its end, and the sentence that says why."""

    channel_id: int
    name: str
    reason: str


@dataclass(frozen=True)
class FetchReport:
    """The whole fetch: each channel that was read, each that was not."""

    channels: tuple[ChannelFetch, ...] = ()
    skipped: tuple[SkippedChannel, ...] = ()
    is_stopped: bool = False
    """Whether it was asked to stop before the end; the next fetch goes on from there."""
    seconds: float = 0.0

    @property
    def new(self) -> int:
        return sum(channel.new for channel in self.channels)

    @property
    def changed(self) -> int:
        return sum(channel.changed for channel in self.channels)

    def lines(self) -> list[str]:
        """For people."""
        count = len(self.channels)
        said = (
            f"{self.new:,} messages new, {self.changed:,} changed, "
            f"in {count} channel{'' if count == 1 else 's'} and {self.seconds:.1f} s"
        )
        if self.is_stopped:
            said += "; stopped before the end, the next fetch goes on from there"
        shown = [channel for channel in self.channels if channel.new or channel.changed]
        return [
            said,
            *(f"  {c.name}: {c.new:,} new, {c.changed:,} changed" for c in shown),
            *(f"  {c.name} was skipped: {c.reason}" for c in self.skipped),
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"new": self.new, "changed": self.changed, **asdict(self)}
