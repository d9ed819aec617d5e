"""What a fetch tells about itself: progress while it runs, the report at its end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any


@dataclass(frozen=True)
class FetchProgress:
    """How far a fetch is; told after each page that was stored."""

    channel: str
    """The name of the channel that is being read: one of those."""
    channels_done: int
    channels_total: int
    messages: int
    """Fetched in this run, in all channels; known ones too."""
    reached_ms: int
    """When the last of them was said: a channel is read from its beginning on."""
    seconds: float
    is_again: bool = False
    """Whether what is known is being read again; the channels are counted from 0 for that."""
    left_s: float | None = None
    """Seconds to the end, at a guess; None while nothing is known of it."""
    waiting: str = ""
    """Why nothing comes just now, such as "Discord answered 503"."""

    @property
    def per_second(self) -> float:
        """Messages a second since the fetch began."""
        return self.messages / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        """ "2 of 5 · 3,200 messages · 48 a second · 1:10 left · general up to 2025-05-03"."""
        if self.waiting:
            return f"{self.messages:,} messages · waiting: {self.waiting}"
        day = datetime.fromtimestamp(self.reached_ms / 1000, timezone.utc).date()
        place = min(self.channels_done + 1, self.channels_total)
        parts = [
            f"{'again, ' if self.is_again else ''}{place} of {self.channels_total}",
            f"{self.messages:,} messages",
            f"{self.per_second:,.0f} a second",
        ]
        if self.left_s is not None and self.left_s >= 1:
            parts.append(f"{_shown(self.left_s)} left")
        return " · ".join([*parts, f"{self.channel} up to {day}"])


@dataclass(frozen=True)
class ChannelFetch:
    """What was fetched of one channel in this run."""

    channel_id: int
    name: str
    new: int = 0
    changed: int = 0
    """Known before, and brought up to date."""
    deleted: int = 0
    """Known before, and deleted on Discord since."""
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
    files: int = 0
    """How many channels' files in data_storage/messages were written anew."""

    @property
    def new(self) -> int:
        return sum(channel.new for channel in self.channels)

    @property
    def changed(self) -> int:
        return sum(channel.changed for channel in self.channels)

    @property
    def deleted(self) -> int:
        return sum(channel.deleted for channel in self.channels)

    @property
    def touched(self) -> tuple[int, ...]:
        """The channels of which anything is different now."""
        return tuple(c.channel_id for c in self.channels if c.new or c.changed or c.deleted)

    def lines(self) -> list[str]:
        """For people."""
        count = len(self.channels)
        said = (
            f"{_what(self)}, in {count} channel{'' if count == 1 else 's'} and {self.seconds:.1f} s"
        )
        if self.is_stopped:
            said += "; stopped before the end, the next fetch goes on from there"
        touched = set(self.touched)
        shown = [c for c in self.channels if c.channel_id in touched]
        return [
            said.replace(" new", " messages new", 1),
            *(f"  {c.name}: {_what(c)}" for c in shown),
            *(f"  {c.name} was skipped: {c.reason}" for c in self.skipped),
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"new": self.new, "changed": self.changed, "deleted": self.deleted, **asdict(self)}


def _what(fetched: FetchReport | ChannelFetch) -> str:
    said = f"{fetched.new:,} new, {fetched.changed:,} changed"
    return said + (f", {fetched.deleted:,} deleted" if fetched.deleted else "")


def _shown(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    minutes = f"{rest // 60}:{rest % 60:02d}"
    return f"{hours}:{rest // 60:02d} h" if hours else minutes
