"""Which messages are rehearsed: chosen channels and a day, or the last so many. Blocking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from storage.errors import MynahError
from storage.records import FIRST_SNOWFLAKE, ChannelRecord, MessageRecord

if TYPE_CHECKING:
    from storage.database import Database
    from storage.settings import Settings

LAST = 300
"""How many messages are rehearsed where a number is asked for and none is named."""
RECENT_DAYS = 14
"""Of the last days on which anything was said, the busiest is rehearsed."""
READ_BACK_LINES = 100
"""Of each channel stand in the transcript before the first message: about what a model has room
for."""


class NothingToRehearseError(MynahError):
    """There is no message, no such channel or no such day."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    channel_ids: tuple[int, ...] = ()
    """None: all that the bot would read."""
    day: str = ""
    """Such as 2026-11-20, by this computer's clock; "": the busiest of late, unless `last`."""
    last: int = 0
    """The last so many messages; 0: a day."""
    rate: float | None = None
    """A response rate to be tried; None: the settings'."""
    seed: int = 0
    limit: int = 0
    """It ends after so many drafts, and may be gone on with; 0: it does not."""

    def as_json(self) -> dict[str, Any]:
        """What tells a run from others."""
        return {
            "channels": sorted(self.channel_ids),
            "day": self.day,
            "last": self.last,
            "rate": self.rate,
            "seed": self.seed,
        }


def wanted_from(data: Mapping[str, Any]) -> Wanted:
    """What a request asks for. Raises NothingToRehearseError for what is none."""
    ids, day, rate = data.get("channel_ids", ()), data.get("day", ""), data.get("rate")
    last, seed, limit = (data.get(name, 0) for name in ("last", "seed", "limit"))
    is_good = (
        isinstance(ids, list | tuple)
        and all(type(one) is int for one in (*ids, last, seed, limit))
        and min(last, seed, limit) >= 0
        and isinstance(day, str)
        and (rate is None or (isinstance(rate, int | float) and 0 <= rate <= 1))
    )
    if not is_good:
        raise NothingToRehearseError("That is no rehearsal that can be asked for.")
    return Wanted(tuple(ids), day, last, rate, seed, limit)


@dataclass(frozen=True)
class Plan:
    """What is rehearsed, and what stands in the transcripts before it."""

    channels: tuple[ChannelRecord, ...]
    day: str
    """"" where the last messages are."""
    message_ids: tuple[int, ...]
    """In order of time over all channels."""
    before_ids: tuple[int, ...]
    from_ms: int
    until_ms: int
    said: Mapping[int, int] = field(default_factory=dict)
    """How many of the messages are of each channel."""

    def as_json(self) -> dict[str, Any]:
        """For `rehearse.py run --json`: the first line's fields."""
        return {
            "messages": len(self.message_ids),
            "day": self.day or None,
            "from_ms": self.from_ms,
            "until_ms": self.until_ms,
            "channels": [
                {"channel_id": str(c.channel_id), "name": c.name, "messages": count}
                for c in self.channels
                if (count := self.said.get(c.channel_id, 0))
            ],
        }


def plan(
    database: Database,
    settings: Settings,
    wanted: Wanted,
    own_id: int,
    *,
    within_ms: tuple[int, int] | None = None,
) -> Plan:
    """What `wanted` comes to; or what it came to before, `within_ms` from the first message to the
    last.

    The persona's own messages are left out of what is rehearsed: what it would say now takes their
    place. Before it they stand in the transcripts. Raises NothingToRehearseError.
    """
    channels = _channels(database, settings, wanted.channel_ids)
    ids = [channel.channel_id for channel in channels]
    day = "" if wanted.last else wanted.day or _busiest_day(database, ids)
    if within_ms is not None:
        day = "" if wanted.last else day_of(within_ms[0])
        said = database.said_between(ids, within_ms[0], within_ms[1] + 1)
    elif day:
        said = database.said_between(ids, *_bounds_ms(day))
    else:
        said = database.said_last(ids, wanted.last or LAST)
    records = [one for one in database.messages_by_id(said) if one.author_id != own_id]
    if not records:
        raise NothingToRehearseError(
            f"Nothing was said on {day} in these channels."
            if day
            else "There is nothing to rehearse yet: fetch or import a history first."
        )
    from_ms, until_ms = records[0].created_at_ms, records[-1].created_at_ms
    before = [
        message_id
        for channel_id in ids
        for message_id in database.said_last([channel_id], READ_BACK_LINES, before_ms=from_ms)
    ]
    return Plan(
        channels=tuple(channels),
        day=day,
        message_ids=tuple(record.message_id for record in records),
        before_ids=tuple(before),
        from_ms=from_ms,
        until_ms=until_ms,
        said=_by_channel(records),
    )


def day_of(at_ms: int) -> str:
    """The day of a time, by this computer's clock."""
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d")


def _channels(
    database: Database, settings: Settings, channel_ids: tuple[int, ...]
) -> list[ChannelRecord]:
    """The chosen ones and their threads, or all that the bot would read."""
    shown = settings.ids("rehearsal_channel_id")
    known = [
        channel
        for channel in database.channels()
        if channel.guild_id >= FIRST_SNOWFLAKE and channel.channel_id not in shown
    ]
    missing = set(channel_ids) - {channel.channel_id for channel in known}
    if missing:
        raise NothingToRehearseError(f"There is no channel {min(missing)} in this home.")
    wanted = channel_ids or settings.listed_channels()
    if not wanted:
        return [channel for channel in known if channel.is_allowed]
    return [c for c in known if c.channel_id in wanted or c.parent_id in wanted]


def _busiest_day(database: Database, channel_ids: list[int]) -> str:
    """Of the last days with any talk; "" where there is none."""
    said = database.said_by_day(channel_ids, day_of)
    recent = sorted(said)[-RECENT_DAYS:]
    return max(recent, key=lambda day: said[day], default="")


def _bounds_ms(day: str) -> tuple[int, int]:
    try:
        begin = datetime.strptime(day, "%Y-%m-%d").astimezone()
        # By the clock of its own day: one has 23 hours, another 25.
        end = (begin.replace(tzinfo=None) + timedelta(days=1)).astimezone()
        return int(begin.timestamp() * 1000), int(end.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise NothingToRehearseError(f'A day is written like 2026-11-20; "{day}" is not.') from None


def _by_channel(records: list[MessageRecord]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for record in records:
        counts[record.channel_id] = counts.get(record.channel_id, 0) + 1
    return counts
