"""A history to fetch from, without Discord: channels of numbered messages, some of them closed."""

from __future__ import annotations

from collections.abc import Callable

from data.fetcher import ChannelClosedError, Page, Seen
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin

START_MS = 1_700_000_000_000
DISCORD_EPOCH_MS = 1_420_070_400_000


def spoken(channel_id: int, number: int) -> MessageRecord:
    """The message of that number of a channel; ids of all channels interleave."""
    return MessageRecord(
        message_id=((START_MS + number * 60_000 - DISCORD_EPOCH_MS) << 22) + channel_id % 10,
        channel_id=channel_id,
        author_id=number % 5,
        content=f"line {number} of channel {channel_id}",
        created_at_ms=START_MS + number * 60_000,
        origin=Origin.DISCORD_API,
    )


class FakeSource:
    """Fulfils data.fetcher.Source."""

    def __init__(
        self, sizes: dict[int, int], *, parents: dict[int, int] | None = None, closed: int = 0
    ) -> None:
        """`sizes`: how many messages each channel has. `closed`: a channel that may not be read."""
        self.said = {c: [spoken(c, n) for n in range(size)] for c, size in sizes.items()}
        self.parents = parents or {}
        self.closed = closed
        self.closes_after_id = 0
        self.asked: list[tuple[int, int]] = []
        self.before_page: Callable[[], None] = lambda: None
        self.on_wait: Callable[[str], None] = lambda _: None
        self.newest_ids: dict[int, int] = {}
        """What it says of a channel's newest message; of others it knows nothing."""
        self.hides: set[int] = set()
        """Channels that seem empty, as without the right to read history."""
        self.confirmed: list[int] = []

    async def channels(self) -> list[Seen]:
        return [
            Seen(
                ChannelRecord(c, 9, "The Lantern", f"room {c}", self.parents.get(c)),
                self.newest_ids.get(c),
            )
            for c in self.said
        ]

    async def confirm(self, channel_id: int) -> None:
        self.confirmed.append(channel_id)
        if channel_id in self.hides:
            raise ChannelClosedError(f"room {channel_id} is closed; give the bot a key.")

    async def page(self, channel_id: int, after_id: int, limit: int) -> Page:
        self.before_page()
        self.asked.append((channel_id, after_id))
        if channel_id == self.closed and after_id >= self.closes_after_id:
            raise ChannelClosedError(f"room {channel_id} is closed; give the bot a key.")
        said = [m for m in self.said[channel_id] if m.message_id > after_id][:limit]
        said = [] if channel_id in self.hides else said
        authors = sorted({m.author_id for m in said})
        return Page(said, [MemberRecord(a, f"user{a}", f"User {a}") for a in authors])
