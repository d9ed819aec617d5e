"""Fetches the history of channels into the database, page by page, each channel from where it was
left; then reads again a part of what is known, for what changed meanwhile.

A page is stored together with the cursor behind it, and storing a page twice changes nothing: a
fetch that is stopped or killed at any instant is completed by the next one, and one that was
complete asks only for what is newer and for the part that is read again (data/fetch_rounds.py).

Whatever is stored between the ends of a page and did not come with it was deleted on Discord. An
empty page says so only after a look at the bot's rights: without them Discord gives empty pages.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, ParamSpec, Protocol, TypeVar

from data.fetch_readings import Reading, left_s
from data.fetch_report import ChannelFetch, FetchProgress, FetchReport, SkippedChannel
from data.fetch_rounds import (
    REREAD,
    REREAD_DAYS,
    Reread,
    begin_round,
    end_reread,
    end_round,
    first_id,
    made_ms,
)
from storage.database import Database, UpsertCount
from storage.errors import MynahError
from storage.records import ChannelRecord, MemberRecord, MessageRecord
from storage.verdict_store import FETCH

PAGE_MESSAGES = 100
"""What Discord gives at most for one request."""
AT_ONCE = 50
"""Channels read side by side. Discord limits each channel by itself and all together to 50 requests
a second; where a channel gives 1 a second, as some report, this many reach that."""
SETTLED_MS = 60_000
"""A younger message is not taken for deleted: Discord's servers may not agree yet."""

_ESTIMATED_EVERY_S = 1.0
_STOP_LOOKED_AT_EVERY_S = 0.1
_NOT_ALLOWED = "it is not on the allow-list of this home."
_UNKNOWN = (
    "there is no such channel that the bot can see; look at the id, and whether the bot is in the "
    'server and has "View Channel" and "Read Message History" there.'
)

P = ParamSpec("P")
T = TypeVar("T")


class ChannelClosedError(MynahError):
    """A channel may not be read, or is gone; the sentence says what would open it."""


class _StoppedError(Exception):
    """It was asked to stop while the source was waited for."""


@dataclass(frozen=True)
class Page:
    """Messages of one channel that follow one another, in the order of their ids, and who wrote
    them.

    None is left out (a notice has its own kind): fewer than were asked for are the channel's last.
    """

    messages: Sequence[MessageRecord]
    members: Sequence[MemberRecord] = ()


@dataclass(frozen=True)
class Seen:
    """A channel or thread that the bot can see."""

    channel: ChannelRecord
    newest_id: int | None = None
    """No message of it has a larger id; None: nobody knows. 0 for what holds none, as a forum."""


class Source(Protocol):
    """Where a history is read from. Rate limits and passing failures are waited out inside."""

    on_wait: Callable[[str], None]
    """Told, in a few words, what is waited for, and "" once that is over. The fetch sets it."""

    async def channels(self) -> list[Seen]:
        """All channels and threads that the bot can see, and the forums."""

    async def page(self, channel_id: int, after_id: int, limit: int) -> Page:
        """The first `limit` (1 to 100) messages with an id above `after_id`.

        Raises ChannelClosedError where the channel may not be read. Any other error ends the fetch.
        """

    async def confirm(self, channel_id: int) -> None:
        """Look anew whether the channel is there and may be read. Raises ChannelClosedError."""


OnProgress = Callable[[FetchProgress], None]


async def fetch_history(
    source: Source,
    database: Database,
    *,
    channels: Collection[int],
    reread_days: int = REREAD_DAYS,
    whole: bool = False,
    progress: OnProgress = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    erase: Callable[[list[int]], object] | None = None,
    erased: Callable[[Collection[int]], None] = lambda _: None,
) -> FetchReport:
    """Fetch what is new of the channels with these ids and of their threads, up to 50 side by side;
    then read again the `reread_days` before, or with `whole` everything.

    A channel that is closed, unknown or not on the allow-list is named in the report, and the
    others go on. `progress` is called after each page, `stop` before it and ten times a second,
    `erased` after messages that were deleted on Discord are gone here: all on the event loop's
    thread. `erase` takes their ids in a worker thread (None: they are marked as deleted); the
    database is asked in worker threads too. Raises what the source raises, and DatabaseError; what
    was stored until then stays.
    """
    erase = erase or (lambda ids: database.mark_deleted(ids, _now_ms()))
    fetch = _Fetch(source, database, progress, stop, erase, erased)
    return await fetch.run(channels, reread_days, whole)


class _Fetch:
    """One run."""

    def __init__(
        self,
        source: Source,
        database: Database,
        progress: OnProgress,
        stop: Callable[[], bool],
        erase: Callable[[list[int]], object],
        erased: Callable[[Collection[int]], None],
    ) -> None:
        self._source = source
        self._database = database
        self._progress = progress
        self._stop = stop
        self._erase = erase
        self._erased = erased
        self._began_s = time.monotonic()
        self._stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._storing = asyncio.Lock()
        self._messages = 0
        self._readings: list[Reading] = []
        self._ended = 0
        self._rereads: dict[int, Reread] = {}
        self._done: dict[int, ChannelFetch] = {}
        self._skipped: list[SkippedChannel] = []
        self._told = FetchProgress("", 0, 0, 0, 0, 0.0)
        self._estimated_s = float("-inf")

    async def run(self, wanted: Collection[int], days: int, whole: bool) -> FetchReport:
        self._source.on_wait = self._tell_wait
        watching = asyncio.create_task(self._watch())
        try:
            await self._run(wanted, days, whole)
        except _StoppedError:
            pass
        finally:
            watching.cancel()
        if not self._is_stopped:
            await asyncio.to_thread(end_round, self._database)
        seconds = time.monotonic() - self._began_s
        done = tuple(self._done.values())
        return FetchReport(done, tuple(self._skipped), self._is_stopped, seconds)

    async def _run(self, wanted: Collection[int], days: int, whole: bool) -> None:
        due = await self._due(wanted)
        ids = [one.channel.channel_id for one in due]
        self._rereads = await _to_its_end(
            begin_round, self._database, ids, days=days, whole=whole, now_ms=_now_ms()
        )
        fetched = await asyncio.to_thread(self._database.cursors, FETCH)
        await self._read_all([_forward(one, fetched) for one in due])
        channels = {one.channel.channel_id: one.channel for one in due}
        parts = self._rereads.items()
        self._rereads = {}  # no longer to come
        closed = {one.channel_id for one in self._skipped}
        await self._read_all([_again(channels[c], part) for c, part in parts if c not in closed])

    async def _due(self, wanted: Collection[int]) -> list[Seen]:
        """What is to be read; what is not to be is named."""
        seen = await self._answer(self._source.channels())
        known = {one.channel.channel_id for one in seen} | {one.channel.parent_id for one in seen}
        for channel_id in sorted(set(wanted) - known):
            self._skipped.append(SkippedChannel(channel_id, str(channel_id), _UNKNOWN))
        closed = await asyncio.to_thread(self._not_allowed)
        due = []
        for one in seen:
            places = {one.channel.channel_id, one.channel.parent_id}
            if places & closed and places & set(wanted):
                self._skip(one.channel, _NOT_ALLOWED)
            elif places & set(wanted):
                due.append(one)
        return due

    async def _read_all(self, readings: list[Reading]) -> None:
        """Read these side by side, as many at once as may be."""
        self._readings, self._ended = readings, 0
        places = asyncio.Semaphore(AT_ONCE)

        async def read(reading: Reading) -> None:
            async with places:
                if not self._is_stopped:
                    await self._read(reading)

        await _side_by_side([read(reading) for reading in readings])

    async def _read(self, reading: Reading) -> None:
        """Read one stretch to its end, unless the channel is closed or we are to stop."""
        channel = reading.channel
        reading.began_s = began_s = time.monotonic()
        self._add(channel)
        try:
            await self._read_pages(reading)
        except _StoppedError:
            return
        except ChannelClosedError as error:
            self._skip(channel, str(error))
            await _to_its_end(end_reread, self._database, [channel.channel_id])
            if not self._done[channel.channel_id].pages:
                del self._done[channel.channel_id]
        finally:
            reading.ended_s = time.monotonic()
            self._ended += 1
            if channel.channel_id in self._done:
                self._add(channel, seconds=reading.ended_s - began_s)
        if reading.is_again:
            await _to_its_end(end_reread, self._database, [channel.channel_id])

    async def _read_pages(self, reading: Reading) -> None:
        """A page is asked for while the one before it is being stored."""
        if reading.after_id >= reading.end_id:
            return
        channel_id, after_id = reading.channel.channel_id, reading.after_id
        settled_id = await asyncio.to_thread(self._settled_id, channel_id)
        compared_to = min(settled_id, reading.end_id)
        asked = self._ask(channel_id, after_id)
        try:
            while True:
                page = await self._answer(asked)
                last_id = page.messages[-1].message_id if page.messages else after_id
                goes_on = len(page.messages) == PAGE_MESSAGES and last_id < reading.end_id
                if goes_on:
                    asked = self._ask(channel_id, last_id)
                await self._keep(reading, page, after_id, compared_to)
                if not page.messages:
                    return
                if not goes_on:
                    # Is it the last one? Only what comes after it can tell of what is stored there.
                    count = self._database.count_between
                    if not await asyncio.to_thread(count, channel_id, last_id, compared_to):
                        return
                    asked = self._ask(channel_id, last_id)
                after_id = last_id
        finally:
            asked.cancel()

    def _ask(self, channel_id: int, after_id: int) -> asyncio.Task[Page]:
        """Begin to ask for a page. Its result raises _StoppedError where we are to stop."""

        async def ask() -> Page:
            if self._stop():
                self._note_stop()
            if self._is_stopped:
                raise _StoppedError
            return await self._source.page(channel_id, after_id, PAGE_MESSAGES)

        asked = asyncio.create_task(ask())
        # Nobody may be there to hear of it, where storing the page before it failed.
        asked.add_done_callback(lambda done: done.cancelled() or done.exception())
        return asked

    async def _keep(self, reading: Reading, page: Page, after_id: int, compared_to: int) -> None:
        """Store a page, and take out what did not come back with it."""
        channel = reading.channel
        upto_id = compared_to
        if page.messages:
            upto_id = min(page.messages[-1].message_id, compared_to)
        ids = self._database.ids_between
        stored = await asyncio.to_thread(ids, channel.channel_id, after_id, upto_id)
        gone = sorted(set(stored).difference(one.message_id for one in page.messages))
        if gone and not page.messages:
            await self._answer(self._source.confirm(channel.channel_id))
        async with self._storing:  # the threads are shared with whoever else stores
            count = await _to_its_end(self._store, reading, page, gone)
        if gone:
            self._erased(gone)
        if page.messages:
            self._messages += len(page.messages)
            self._add(channel, count, pages=1, deleted=len(gone))
            self._tell(reading, page.messages[-1].created_at_ms)
        else:
            self._add(channel, deleted=len(gone))

    def _store(self, reading: Reading, page: Page, gone: list[int]) -> UpsertCount:
        """In a worker thread. The cursor moves last: whatever is cut before it is done again."""
        if gone:
            self._erase(gone)
        if not page.messages:
            return UpsertCount()
        last_id = page.messages[-1].message_id
        return self._database.store_page(
            reading.channel, page.members, page.messages, reading.cursor, last_id
        )

    def _settled_id(self, channel_id: int) -> int:
        """Only what is stored before the first page is asked for can be missed in one."""
        return min(self._database.newest_id(channel_id), first_id(_now_ms() - SETTLED_MS))

    # -- stopping -----------------------------------------------------------------------------

    @property
    def _is_stopped(self) -> bool:
        return self._stopping.done()

    def _note_stop(self) -> None:
        if not self._stopping.done():
            self._stopping.set_result(None)

    async def _watch(self) -> None:
        while not self._stop():  # noqa: ASYNC110  (what is asked has no event of its own)
            await asyncio.sleep(_STOP_LOOKED_AT_EVERY_S)
        self._note_stop()

    async def _answer(self, asking: Awaitable[T]) -> T:
        """The source's answer. Raises _StoppedError where we are to stop."""
        task = asyncio.ensure_future(asking)
        try:
            if not self._is_stopped:
                first: list[asyncio.Future[Any]] = [task, self._stopping]
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise _StoppedError
            return task.result()
        finally:
            task.cancel()

    # -- telling ------------------------------------------------------------------------------

    def _tell(self, reading: Reading, reached_ms: int) -> None:
        reading.reached_ms = reached_ms
        now_s = time.monotonic()
        seconds = now_s - self._began_s
        left = self._told.left_s
        if now_s - self._estimated_s >= _ESTIMATED_EVERY_S:
            self._estimated_s = now_s
            left = left_s(self._readings, AT_ONCE, now_s)
            if left is not None:
                again = sum(part.known for part in self._rereads.values())
                left += again * seconds / self._messages
        self._told = FetchProgress(
            channel=reading.channel.name,
            channels_done=self._ended,
            channels_total=len(self._readings),
            messages=self._messages,
            reached_ms=reached_ms,
            seconds=seconds,
            is_again=reading.is_again,
            left_s=left,
        )
        self._progress(self._told)

    def _tell_wait(self, what: str) -> None:
        if what != self._told.waiting:
            seconds = time.monotonic() - self._began_s
            self._told = replace(self._told, waiting=what, seconds=seconds)
            self._progress(self._told)

    def _add(
        self,
        channel: ChannelRecord,
        count: UpsertCount | None = None,
        *,
        pages: int = 0,
        deleted: int = 0,
        seconds: float = 0.0,
    ) -> None:
        key = channel.channel_id
        done = self._done.get(key) or ChannelFetch(key, channel.name)
        count = count or UpsertCount()
        self._done[key] = replace(
            done,
            new=done.new + count.new,
            changed=done.changed + count.changed,
            deleted=done.deleted + deleted,
            pages=done.pages + pages,
            seconds=done.seconds + seconds,
        )

    def _not_allowed(self) -> set[int | None]:
        return {c.channel_id for c in self._database.channels() if not c.is_allowed}

    def _skip(self, channel: ChannelRecord, reason: str) -> None:
        self._skipped.append(SkippedChannel(channel.channel_id, channel.name, reason))


def _forward(seen: Seen, fetched: dict[int, int]) -> Reading:
    """All that is newer than what was fetched; nothing where nothing is."""
    after_id = fetched.get(seen.channel.channel_id, 0)
    nothing_new = seen.newest_id is not None and seen.newest_id <= after_id
    return Reading(
        seen.channel,
        after_id,
        after_id if nothing_new else sys.maxsize,
        FETCH,
        until_ms=made_ms(seen.newest_id) if seen.newest_id else _now_ms(),
    )


def _again(channel: ChannelRecord, part: Reread) -> Reading:
    until_ms = made_ms(part.end_id)
    return Reading(channel, part.after_id, part.end_id, REREAD, is_again=True, until_ms=until_ms)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _side_by_side(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All of them; where one fails the others are ended first."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _to_its_end(call: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """`call` in a worker thread. Who is cancelled meanwhile waits for it all the same: what it was
    given must not be closed under it."""
    work = asyncio.ensure_future(asyncio.to_thread(call, *args, **named))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        raise
