"""Fetches the history of channels into the database, page by page, each channel from where it was
left.

A page is stored before the channel's `fetch` cursor moves past it, and storing a page twice changes
nothing: a fetch that is stopped or killed at any instant is completed by the next one, and one that
was complete asks only for what is newer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from data.fetch_report import ChannelFetch, FetchProgress, FetchReport, SkippedChannel
from storage.database import Database, UpsertCount
from storage.errors import MynahError
from storage.records import ChannelRecord, MemberRecord, MessageRecord
from storage.verdict_store import FETCH

PAGE_MESSAGES = 100
"""What Discord gives at most for one request."""

_NOT_ALLOWED = "it is not on the allow-list of this home."
_UNKNOWN = (
    "there is no such channel that the bot can see; look at the id, and whether the bot is in the "
    'server and has "View Channel" and "Read Message History" there.'
)


class ChannelClosedError(MynahError):
    """A channel may not be read, or is gone; the sentence says what would open it."""


@dataclass(frozen=True)
class Page:
    """Messages of one channel that follow one another, in the order of their ids, and who wrote
    them.

    None is left out (a notice has its own kind): fewer than were asked for are the channel's last.
    """

    messages: Sequence[MessageRecord]
    members: Sequence[MemberRecord] = ()


class Source(Protocol):
    """Where a history is read from. Rate limits and passing failures are waited out inside."""

    async def channels(self) -> list[ChannelRecord]:
        """All channels and threads that the bot can see."""

    async def page(self, channel_id: int, after_id: int, limit: int) -> Page:
        """The first `limit` (1 to 100) messages with an id above `after_id`.

        Raises ChannelClosedError where the channel may not be read. Any other error ends the fetch.
        """


OnProgress = Callable[[FetchProgress], None]


async def fetch_history(
    source: Source,
    database: Database,
    *,
    channels: Collection[int],
    progress: OnProgress = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> FetchReport:
    """Fetch what is new of the channels with these ids and of their threads, one after another.

    A channel that is closed, unknown or not on the allow-list is named in the report, and the
    others go on. `progress` is called after each page and `stop` before it, on the event loop's
    thread; the database is asked in worker threads. Raises what the source raises, and
    DatabaseError; what was stored until then stays.
    """
    return await _Fetch(source, database, progress, stop).run(channels)


class _Fetch:
    """One run."""

    def __init__(
        self, source: Source, database: Database, progress: OnProgress, stop: Callable[[], bool]
    ) -> None:
        self._source = source
        self._database = database
        self._progress = progress
        self._stop = stop
        self._began_s = time.monotonic()
        self._messages = self._total = 0
        self._is_stopped = False
        self._done: list[ChannelFetch] = []
        self._skipped: list[SkippedChannel] = []

    async def run(self, wanted: Collection[int]) -> FetchReport:
        seen = await self._source.channels()
        known = {channel.channel_id for channel in seen} | {channel.parent_id for channel in seen}
        for channel_id in sorted(set(wanted) - known):  # a forum is there as its posts' parent
            self._skipped.append(SkippedChannel(channel_id, str(channel_id), _UNKNOWN))
        closed = await asyncio.to_thread(self._not_allowed)
        due = []
        for channel in seen:
            places = {channel.channel_id, channel.parent_id}
            if places & closed and places & set(wanted):
                self._skip(channel, _NOT_ALLOWED)
            elif places & set(wanted):
                due.append(channel)
        self._total = len(due)
        for channel in due:
            if not self._is_stopped:
                await self._fetch(channel)
        seconds = time.monotonic() - self._began_s
        return FetchReport(tuple(self._done), tuple(self._skipped), self._is_stopped, seconds)

    async def _fetch(self, channel: ChannelRecord) -> None:
        """Read one channel to its end, unless it is closed or we are to stop."""
        done, began_s = ChannelFetch(channel.channel_id, channel.name), time.monotonic()
        try:
            while (page := await self._next_page(channel)).messages:
                count = await asyncio.to_thread(self._keep, channel, page)
                self._messages += len(page.messages)
                done = replace(
                    done,
                    new=done.new + count.new,
                    changed=done.changed + count.changed,
                    pages=done.pages + 1,
                    seconds=time.monotonic() - began_s,
                )
                self._tell(channel, page)
                if len(page.messages) < PAGE_MESSAGES:
                    break
        except ChannelClosedError as error:
            self._skip(channel, str(error))
            if not done.pages:
                return
        self._done.append(done)

    async def _next_page(self, channel: ChannelRecord) -> Page:
        """What follows the cursor; nothing where we are to stop."""
        self._is_stopped = self._is_stopped or self._stop()
        if self._is_stopped:
            return Page(())
        after_id = await asyncio.to_thread(self._database.cursor, FETCH, channel.channel_id)
        return await self._source.page(channel.channel_id, after_id or 0, PAGE_MESSAGES)

    def _keep(self, channel: ChannelRecord, page: Page) -> UpsertCount:
        """Store a page, then move the cursor behind it. In a worker thread."""
        count = self._database.store_messages([channel], page.members, page.messages)
        last_id = page.messages[-1].message_id
        self._database.set_cursor(FETCH, channel.channel_id, last_id)
        return count

    def _tell(self, channel: ChannelRecord, page: Page) -> None:
        self._progress(
            FetchProgress(
                channel=channel.name,
                channels_done=len(self._done),
                channels_total=self._total,
                messages=self._messages,
                reached_ms=page.messages[-1].created_at_ms,
                seconds=time.monotonic() - self._began_s,
            )
        )

    def _not_allowed(self) -> set[int | None]:
        return {c.channel_id for c in self._database.channels() if not c.is_allowed}

    def _skip(self, channel: ChannelRecord, reason: str) -> None:
        self._skipped.append(SkippedChannel(channel.channel_id, channel.name, reason))
