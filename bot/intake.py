"""Takes in what a platform tells: stores it at once, then works through each channel in its order.

Storing goes in batches, one transaction for all that came meanwhile, and never waits for a reply
that is being written. Each channel has a line of its own, so that a busy one holds up no other.
All methods are called from the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from itertools import groupby, islice
from typing import TYPE_CHECKING

from bot.feedback import Scoring
from bot.messages import (
    Deleted,
    Edited,
    Happening,
    IncomingMessage,
    Reacted,
    ReactionsCleared,
    ReadersSeen,
    Trace,
)
from bot.patience import patiently
from bot.pipeline import Pipeline
from bot.readable import readable
from bot.store import Known

if TYPE_CHECKING:
    from storage.database import Database

log = logging.getLogger(__name__)

BATCH = 200
"""How much is stored in one transaction, and taken from a channel's line at once."""

Waiting = Known | Edited | Deleted


class Intake:
    """Everything that comes from one platform on its way into the pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        database: Database,
        *,
        ended: Callable[[Trace], None] = lambda trace: None,
        failed: Callable[[], None] = lambda: None,
        forget: Callable[[Collection[int]], None] | None = None,
        unquote: Callable[[Collection[int]], None] = lambda message_ids: None,
        rights_changed: Callable[[], None] = lambda: None,
        heard: Callable[[Known | Edited], None] = lambda one: None,
        scoring: Scoring | None = None,
    ) -> None:
        """`ended` gets every trace; `failed` is called where something was not done; `forget` gets
        the ids of deleted messages (default: the pipeline's own), `unquote` those of edited
        ones; `rights_changed` is called where others may read a channel now; `heard` gets all that
        was said or edited, once it is stored. `scoring` is told what may say how an own answer was
        received."""
        self._pipeline = pipeline
        self._database = database
        self._ended = ended
        self._failed = failed
        self._forget = forget or pipeline.forget
        self._unquote = unquote
        self._rights_changed = rights_changed
        self._heard = heard
        self._scoring = scoring
        self._arrived: deque[tuple[float, Happening]] = deque()
        self._wake = asyncio.Event()
        self._lines: dict[int, deque[Waiting]] = {}
        self._workers: dict[int, asyncio.Task[None]] = {}
        self._is_storing = False
        self._idle = asyncio.Event()
        self._idle.set()

    def tell(self, happening: Happening) -> None:
        """Take something in; returns at once. Its own edits it knows (bot/growing.py)."""
        own_id = self._pipeline.platform.own_id
        if isinstance(happening, Edited) and happening.record.author_id == own_id:
            return
        if isinstance(happening, Deleted):
            for message_id in happening.message_ids:
                self._pipeline.recent.note_deleted(message_id)
            self._forget(happening.message_ids)
        self._arrived.append((time.perf_counter(), happening))
        self._idle.clear()
        self._wake.set()

    @property
    def waiting(self) -> int:
        """How much was taken in and is not worked through."""
        return len(self._arrived) + sum(len(line) for line in self._lines.values())

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits, is being stored, or is being answered."""
        return not self._arrived and not self._workers and not self._is_storing

    async def drained(self) -> None:
        """Wait until it is idle."""
        await self._idle.wait()

    def _note_idle(self) -> None:
        if self.is_idle:
            self._idle.set()

    async def run(self) -> None:
        """Store what comes until cancelled; replies that are being written are cancelled too."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._arrived:
                    self._is_storing = True
                    await self._store_a_batch()
                    self._is_storing = False
                self._note_idle()
        finally:
            workers = list(self._workers.values())
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _store_a_batch(self) -> None:
        """Store the oldest of what came: all messages at its head, or one change. It is taken out
        of the queue when it is stored; what cannot be stored for a while is waited for."""
        batch: list[tuple[float, IncomingMessage]] = []
        for arrived_s, happening in islice(self._arrived, BATCH):
            if not isinstance(happening, IncomingMessage):
                break
            batch.append((arrived_s, happening))
        if not batch:
            await self._store_one(self._store_change(self._arrived[0][1]))
            self._arrived.popleft()
            return
        try:
            await self._store_messages(batch)
        except Exception:
            # One message that cannot be stored must not take the others with it.
            for one in batch:
                await self._store_one(self._store_messages([one]))
        for _ in batch:
            self._arrived.popleft()

    async def _store_one(self, storing: Awaitable[None]) -> None:
        try:
            await storing
        except Exception:
            log.exception("Something could not be stored")
            self._failed()

    async def _store_messages(self, arrived: list[tuple[float, IncomingMessage]]) -> None:
        known = await self._pipeline.store([message for _, message in arrived])
        for one, (arrived_s, _) in zip(known, arrived, strict=True):
            self._line_up(one.message.channel_id, replace(one, arrived_s=arrived_s))
        if self._scoring is not None:
            await patiently(self._scoring.note_said, [one.message.record for one in known])

    async def _store_change(self, change: Happening) -> None:
        database = self._database
        if isinstance(change, Reacted):
            if change.member_id == self._pipeline.platform.own_id:
                return  # the persona's own says nothing of how a message was received
            await patiently(
                database.change_reaction, change.message_id, change.emoji, change.change
            )
            await self._score([change.message_id])
        elif isinstance(change, ReactionsCleared):
            await patiently(database.clear_reactions, change.message_id, change.emoji)
            await self._score([change.message_id])
        elif isinstance(change, ReadersSeen):
            if await patiently(database.set_readers, change.readers):
                self._rights_changed()
        elif isinstance(change, Deleted):
            await patiently(database.mark_deleted, change.message_ids, change.at_ms)
            self._line_up(change.channel_id, change)
            await self._score(change.message_ids)
        elif isinstance(change, Edited):
            if await patiently(self._store_edit, change):
                self._unquote([change.record.message_id])
            self._line_up(change.record.channel_id, change)

    async def _score(self, message_ids: Collection[int]) -> None:
        if self._scoring is not None:
            await patiently(self._scoring.note_changed, message_ids)

    def _store_edit(self, edited: Edited) -> bool:
        """Whether a stored message says something else now. What is not stored (a channel off the
        allow-list, an admin's order) is not by an edit; reactions come by events of their own."""
        is_changed = False
        for known in self._database.messages_by_id([edited.record.message_id]):
            if known.edited_at_ms == edited.record.edited_at_ms:
                continue  # a link preview came
            changed = replace(edited.record, reactions=known.reactions)
            self._database.upsert_messages([changed])
            is_changed = True
        return is_changed

    def _line_up(self, channel_id: int, one: Waiting) -> None:
        if not isinstance(one, Deleted):
            self._heard(one)
        self._lines.setdefault(channel_id, deque()).append(one)
        if channel_id not in self._workers:
            self._workers[channel_id] = asyncio.create_task(self._work_through(channel_id))

    async def _work_through(self, channel_id: int) -> None:
        """Work through a channel's line until it is empty."""
        line = self._lines[channel_id]
        try:
            while line:
                some = [line.popleft() for _ in range(min(BATCH, len(line)))]
                for _, group in groupby(some, type):
                    await self._work_on(channel_id, list(group))
        finally:
            del self._workers[channel_id]
            if not line:
                del self._lines[channel_id]
            self._note_idle()

    async def _work_on(self, channel_id: int, some: list[Waiting]) -> None:
        try:
            await self._do(channel_id, some)
        except Exception as error:
            # The edge of a message: whatever is wrong with this one, the next ones are handled.
            log.error("Something said in channel %d was not handled", channel_id, exc_info=error)
            self._failed()
            if len(some) > 1:
                for one in some:
                    await self._work_on(channel_id, [one])

    async def _do(self, channel_id: int, some: list[Waiting]) -> None:
        known = [one for one in some if isinstance(one, Known)]
        if known:
            for trace in await self._pipeline.take_turns(channel_id, known):
                self._ended(trace)
        for change in some:
            if isinstance(change, Edited):
                await self._edit(change)
            elif isinstance(change, Deleted):
                await self._delete(change)

    async def _delete(self, deleted: Deleted) -> None:
        """Again, now that what was waiting in the channel's line stands in the transcript."""
        ids = deleted.message_ids
        async with self._pipeline.turn(deleted.channel_id):
            await patiently(self._database.mark_deleted, ids, deleted.at_ms)
            self._forget(ids)

    async def _edit(self, edited: Edited) -> None:
        record, pipeline = edited.record, self._pipeline
        own = {pipeline.platform.own_id: pipeline.settings.text("persona_name")}
        text = await patiently(readable, self._database, record.content, own)
        async with pipeline.turn(record.channel_id):
            if text:
                await pipeline.edit(record.channel_id, record.message_id, text)
            else:  # into a command or a bare link: such lines are not shown
                await patiently(self._database.drop_context, [record.message_id])
                pipeline.forget([record.message_id])
