"""A pipeline that nobody hears: the very same one, on a scratch database, in a place that only
notes what would have been sent.

Memory, model and persona are the home's own; of what was said the scratch database gets what this
pipeline is told. Event loop's thread.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.learn import learn
from bot.messages import Allowed, IncomingMessage, Reply, SentLine, Trace
from bot.model_keeper import Lender
from bot.patience import patiently
from bot.pipeline import Pipeline
from bot.platforms.platform import Accepted
from bot.read_along import LOADED_LINES
from bot.readable import readable
from bot.recall import Recall
from bot.style import Style
from bot.transcript import line_of
from bot.verdicts import SENT
from model.chat_format import Own
from storage.database import Database
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin, VerdictRow
from storage.rehearsal_store import REPLY, SILENT, Rehearsed
from storage.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

READ_BACK_MS = 16 * 60 * 1000
"""How long after it was said a message from before is handed over: too old to be answered, as after
a restart."""


@dataclass(frozen=True)
class Parts:
    """What a rehearsal has of its home."""

    database: Database
    """The home's own: it is recalled from and looked up in, and only the rehearsal is written."""
    lender: Lender
    recall: Recall
    style: Style
    settings: Settings
    """As they are to count here: see `in_rehearsal`."""
    channel_rows: Mapping[int, Mapping[str, str]]
    """What counts in single channels instead."""
    own_id: int
    """The persona's account."""


def in_rehearsal(settings: Settings, **others: float | int | None) -> Settings:
    """The settings as if the bot spoke in public, with others of them by name (None: as it is)."""
    changed = {name: value for name, value in others.items() if value is not None}
    return Settings({**settings, "speaks_in_public": True, **changed})


class RehearsalPlatform:
    """Takes what would have been sent. The persona's messages stand right behind those that they
    answer, by their ids too."""

    origin = Origin.DISCORD_API
    can_edit = True

    def __init__(self, own_id: int, now_ms: Callable[[], int], taken: Collection[int] = ()) -> None:
        """`taken`: ids of messages that are told later."""
        self.own_id = own_id
        self._taken = frozenset(taken)
        self.made: set[int] = set()
        """The ids that it gave: of no message that anybody sent."""
        self._now_ms = now_ms
        self._said: dict[int, str] = {}
        self._last_id = 0

    def begin(self, message_id: int) -> None:
        """What comes now is about this message."""
        self._said, self._last_id = {}, message_id

    @property
    def draft(self) -> str:
        """What was said since then, a line a message; an emoji where it only reacted."""
        return "\n".join(self._said.values())

    async def send(
        self,
        channel_id: int,
        text: str,
        *,
        reply_to_id: int | None,
        pings: bool = True,
        asked_id: int | None = None,
        line: int = 0,
    ) -> Accepted:
        """Note it."""
        own_id = self.new_id()
        self._said[own_id] = text
        return Accepted(own_id, self._now_ms())

    def new_id(self) -> int:
        """Of a message right behind the last one."""
        self._last_id += 1
        while self._last_id in self._taken:
            self._last_id += 1
        self.made.add(self._last_id)
        return self._last_id

    async def edit(self, channel_id: int, message_id: int, text: str) -> bool:
        """Note what it says now."""
        self._said[message_id] = text
        return True

    async def delete(self, channel_id: int, message_id: int) -> None:
        """It was never said."""
        self._said.pop(message_id, None)

    async def react(self, channel_id: int, message_id: int, emoji: str) -> bool:
        """Note the emoji."""
        self._said[-message_id] = emoji
        return True

    def listens_to(self, channel_id: int) -> bool:
        """Whatever it is told it is told for that."""
        return True

    @asynccontextmanager
    async def typing(self, channel_id: int) -> AsyncIterator[None]:
        """Nobody sees it."""
        yield


class Stage:
    """One silent pipeline. `close` it at the end; the scratch folder is its opener's."""

    def __init__(
        self,
        parts: Parts,
        folder: Path,
        *,
        clock: Callable[[], int] | None = None,
        seed: int = 0,
        message_ids: Collection[int] = (),
        label: str = "rehearsal",
    ) -> None:
        """Opens a database in `folder`, empty but for the community's members and channels.

        `clock` tells the time (ms); None: it is always when the message at hand was said, and
        nothing waits. `message_ids`: what it will be told of. `label` tells its conversations in
        the model's cache from others. Blocking.
        """
        self.parts = parts
        self._clock = clock
        self._at_ms = 0
        self._is_reading_back = False
        self._label = label
        self._seed = seed
        self._chance = random.Random()
        self._scratch = Database.open(folder / "mynah.db")
        self._scratch.upsert_channels(parts.database.channels())
        self._scratch.upsert_members(parts.database.members())
        self.platform = RehearsalPlatform(parts.own_id, self._now_ms, message_ids)
        self.pipeline = self._pipeline()

    def begin_anew(self) -> None:
        """As after a restart: all that is known stands in the scratch database."""
        self.pipeline = self._pipeline()

    async def read_back(
        self, records: Sequence[MessageRecord], judged: Mapping[int, Rehearsed]
    ) -> None:
        """What was said before: it stands in the transcripts, undecided. Of those that were
        `judged` in this rehearsal already, by id, what was said to them then stands there too."""
        messages = await asyncio.to_thread(self.incoming, records)
        self._is_reading_back = True
        try:
            await self._read_all_back(messages, judged)
        finally:
            self._is_reading_back = False

    async def _read_all_back(
        self, messages: Sequence[IncomingMessage], judged: Mapping[int, Rehearsed]
    ) -> None:
        for message in messages:
            self._at_ms = message.record.created_at_ms + READ_BACK_MS
            [known] = await self.pipeline.store([message])
            if message.record.author_id == self.parts.own_id:
                line = line_of(Own(known.message.text), message.record)
                await self.pipeline.transcripts.append(message.channel_id, [line])
            else:
                await self.pipeline.take_turns(message.channel_id, [known])
            row = judged.get(message.message_id)
            if row is not None and row.is_spoken:
                await patiently(self._say_again, row)

    def take_over(self, channel_id: int, before_id: int) -> None:
        """The real transcript of a channel, as it stood before that message: so what the model has
        read of it need not be read again. To be called before anything is judged there. Blocking.
        """
        real = self.parts.database
        lines = [
            line
            for line in real.context(channel_id, LOADED_LINES)
            if line.message_id is None or line.message_id < before_id
        ]
        ids = [line.message_id for line in lines if line.message_id is not None]
        self._scratch.upsert_messages(real.messages_by_id(ids))
        self._scratch.append_context_lines(lines)

    def remember(self, rows: Sequence[Rehearsed]) -> None:
        """What it would have said before counts for how often it speaks; in the transcripts it does
        not stand. Blocking."""
        for row in rows:
            self._scratch.drop_context([self._say_again(row)])

    async def judge(self, rehearsal_id: int, message: IncomingMessage) -> tuple[Rehearsed, Trace]:
        """What it would do about a message, to which nobody has reacted yet."""
        message = replace(message, record=replace(message.record, reactions=()))
        self._at_ms = message.record.created_at_ms
        # Of each message's own, so that a run that was cut off draws the same.
        self._chance.seed(f"{self._seed}:{message.message_id}")
        self.platform.begin(message.message_id)
        quoted = self.parts.style.quoted_in(message.channel)
        [known] = await self.pipeline.store([message])
        [trace] = await self.pipeline.take_turns(message.channel_id, [known])
        shown: Collection[int] = ()
        if trace.attempts:
            shown = (await self.pipeline.transcripts.of(message.channel_id)).message_ids | quoted
        return self._row(rehearsal_id, message, trace, shown), trace

    def incoming(self, records: Sequence[MessageRecord]) -> list[IncomingMessage]:
        """Recorded messages as if they came in just now. Blocking."""
        database, own_id = self.parts.database, self.parts.own_id
        channels = {channel.channel_id: channel for channel in database.channels()}
        people = {i: database.member(i) for i in {record.author_id for record in records}}
        answered = {r.reply_to_id for r in records if r.reply_to_id is not None}
        own = {r.message_id for r in database.messages_by_id(answered) if r.author_id == own_id}
        return [
            IncomingMessage(
                record,
                people[record.author_id] or _unknown(record.author_id),
                channels.get(record.channel_id) or ChannelRecord(record.channel_id, 0, "", ""),
                mentions_persona=own_id in record.mentioned_ids,
                answers_persona=record.reply_to_id in own,
            )
            for record in records
        ]

    def forget(self, message_ids: Collection[int]) -> None:
        """Words are gone: they leave this pipeline's transcripts and cache at once. `drop_stored`
        follows."""
        for message_id in message_ids:
            self.pipeline.recent.note_deleted(message_id)
        self.pipeline.forget(message_ids)

    def drop_stored(self, message_ids: Collection[int]) -> None:
        """They leave the scratch database, to the last byte. Blocking."""
        self._scratch.mark_deleted(message_ids, self._now_ms())
        self._scratch.scrub()

    async def edit(self, record: MessageRecord) -> None:
        """A message says something else now."""
        own = {self.parts.own_id: self.parts.settings.text("persona_name")}
        text = await asyncio.to_thread(readable, self._scratch, record.content, own)
        async with self.pipeline.turn(record.channel_id):
            if text:
                await self.pipeline.edit(record.channel_id, record.message_id, text)
            else:
                self.forget([record.message_id])

    async def close(self) -> None:
        """Leave the engine, close the database."""
        await self.pipeline.reader.close()
        self.pipeline.reader.leave()
        await asyncio.to_thread(self._scratch.close)

    def _pipeline(self) -> Pipeline:
        parts = self.parts
        made = Pipeline(
            database=self._scratch,
            model=parts.lender,
            recall=parts.recall,
            platform=self.platform,
            settings=parts.settings,
            style=parts.style,
            chance=self._chance,
            reads_along=False,
            now_ms=self._now_ms,
            label=self._label,
            sleep=self._sleep,
            history=parts.database,
        )
        made.channel_rows = parts.channel_rows
        return made

    def _now_ms(self) -> int:
        if self._clock is None or self._is_reading_back:
            return self._at_ms
        return self._clock()

    async def _sleep(self, seconds: float) -> None:
        """Nobody waits; it is later then."""
        self._at_ms += round(seconds * 1000)

    def _row(
        self, rehearsal_id: int, message: IncomingMessage, trace: Trace, shown: Collection[int]
    ) -> Rehearsed:
        verdict = trace.verdict
        return Rehearsed(
            rehearsal_id=rehearsal_id,
            message_id=message.message_id,
            channel_id=message.channel_id,
            at_ms=message.record.created_at_ms,
            verdict=REPLY if isinstance(verdict, Reply) else SILENT,
            reason=verdict.reason.value,
            detail=trace.error or verdict.detail,
            parts={} if verdict.urge is None else verdict.urge.as_json(),
            draft=self.platform.draft,
            guard="allowed" if isinstance(trace.guard, Allowed) else str(trace.guard or ""),
            source_ids=tuple(sorted({*shown} - self.platform.made)),
            total_s=round(trace.total_s, 3),
        )

    def _say_again(self, row: Rehearsed) -> int:
        """What it said to a message before the rehearsal was cut off; its id. Blocking."""
        self.platform.begin(row.message_id)
        own_id = self.platform.new_id()
        sent = SentLine(own_id, row.channel_id, row.draft, row.at_ms, row.message_id)
        name = self.parts.settings.text("persona_name")
        origin = self.platform.origin
        learn(self._scratch, sent, own_id=self.parts.own_id, own_name=name, origin=origin)
        verdict = VerdictRow(
            row.message_id, row.channel_id, row.at_ms, REPLY, row.reason, row.detail, SENT
        )
        self._scratch.record_verdicts([replace(verdict, attempts=1, reply_id=own_id)])
        return own_id


def _unknown(member_id: int) -> MemberRecord:
    name = f"member {member_id}"
    return MemberRecord(member_id, name, name)
