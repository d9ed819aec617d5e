"""The live flow, in one place: from a message that comes in to a reply that goes out.

received -> stored -> decided -> read along, and from there in `bot/answer.py`: recalled -> composed
-> generated -> guarded -> delivered -> learned from. Each stage is a file beside this one; here
stands only their order. All methods are called from the event loop's thread; the database and the
memory are asked in worker threads, and the engine computes in its own.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from bot.answer import Answerer, Ended
from bot.decide import Facts, could_be_learned, could_be_near, decide, may_read, spoken_to
from bot.experience import Experience
from bot.find_again import FindAgain
from bot.judged import Judged, Stopwatch
from bot.manners import with_manners
from bot.messages import (
    IncomingMessage,
    Reply,
    ReplyReason,
    Silent,
    SilentReason,
    Trace,
    Verdict,
)
from bot.model_keeper import Lender
from bot.nearness import Nearness
from bot.patience import patiently
from bot.platforms.platform import Platform, wall_clock_ms
from bot.read_along import Transcripts
from bot.reader import Reader
from bot.recall import Recall
from bot.recent import Recent, says_more
from bot.store import Known, store
from bot.style import Style
from bot.transcript import line_of
from bot.verdicts import BEGUN, row_of
from model.chat_format import Said
from storage.records import ChannelRecord, VerdictRow
from storage.settings import Settings

if TYPE_CHECKING:
    from storage.database import Database

log = logging.getLogger(__name__)

KEPT_TRACES = 100


class Pipeline:
    """One persona in one place. Several may share a database, a memory and a model."""

    def __init__(
        self,
        *,
        database: Database,
        model: Lender,
        recall: Recall,
        platform: Platform,
        settings: Settings,
        style: Style | None = None,
        chance: random.Random | None = None,
        transcript_since_ms: int = 0,
        reads_along: bool = True,
        now_ms: Callable[[], int] = wall_clock_ms,
        label: str = "",
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        history: Database | None = None,
    ) -> None:
        """Everything is handed in; nothing is closed here.

        `style` gives the persona; None: the setting alone does, or the model. `chance` draws
        verdicts and seeds. Lines of a transcript older than `transcript_since_ms` are not read
        back: a new conversation begins empty. With `reads_along` the model reads what is said while
        nobody asks; its reader is closed by whoever ends the event loop. `now_ms` tells how old a
        message is. `label` tells this one from others that hear the same channels with one model.
        `sleep` waits between the lines of a reply. `history` is where guard looks whose words a
        draft repeats; None: `database`.
        """
        self.settings = settings
        """Replace it to change live settings; it counts from the next message on."""
        self.channel_rows: Mapping[int, Mapping[str, str]] = {}
        """What counts in single channels instead, by channel, as the database keeps it."""
        self.traces: deque[Trace] = deque(maxlen=KEPT_TRACES)
        """How the last messages were handled, oldest first; also those that failed."""
        self.platform = platform
        self.recent = Recent(database, now_ms, self.settings_in, lambda: self.platform.own_id)
        self.transcripts = Transcripts(database, since_ms=transcript_since_ms)
        self._database = database
        self._chance = chance or random.Random()
        self._now_ms = now_ms
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        """Each for as long as somebody holds it or waits for it: threads come and go."""
        self._find_again = FindAgain(database, self.transcripts)
        self._given_over: dict[tuple[int, int], list[Judged]] = {}
        """By channel and author: asked, and to be answered with what the author said after it."""
        self._style = style or Style()
        self._nearness = Nearness(recall, model)
        self.experience = Experience(history or database, recall)
        self.reader = Reader(
            self.transcripts,
            model,
            recall,
            settings=lambda: self.settings,
            turn=self.turn,
            settings_in=self.settings_in,
            style=self._style,
            reads_along=reads_along,
            label=label,
        )
        self._answerer = Answerer(
            database=database,
            lender=model,
            recall=recall,
            platform=platform,
            transcripts=self.transcripts,
            reader=self.reader,
            recent=self.recent,
            settings_in=self.settings_in,
            chance=self._chance,
            now_ms=now_ms,
            pace=lambda: self._style.pace,
            sleep=sleep,
            history=history,
            experience=self.experience,
        )

    async def handle(self, message: IncomingMessage) -> Trace:
        """Take one message through all stages; messages of one channel go one after the other.

        It is stored at once, also while a reply is being written in its channel. When this returns,
        or raises in a stage after the first, it is stored. Raises MynahError for what can be
        expected: a full disk, a platform that does not take the reply.
        """
        storing = asyncio.create_task(self.store([message]))
        async with self.turn(message.channel_id):
            [(trace, error)] = await self._one_after_another(await storing)
        if error is not None:
            raise error
        return trace

    async def store(self, messages: Sequence[IncomingMessage]) -> list[Known]:
        """Store messages of any channels, in one transaction. Raises DatabaseError."""
        known = await patiently(
            store,
            self._database,
            messages,
            own_id=self.platform.own_id,
            persona_name=self._persona_name,
        )
        for one in known:
            if one.message.record.author_id != self.platform.own_id:
                self.recent.note_heard(one.message)
            if one.channel_is_allowed and not one.author_is_excluded:
                self.recent.note_said(one.message)
        return known

    async def take_turns(self, channel_id: int, known: Sequence[Known]) -> list[Trace]:
        """Take stored messages of one channel through the other stages, in their order.

        What goes wrong with one message stands in its trace and in the log; the next one follows.
        """
        async with self.turn(channel_id):
            return [trace for trace, _ in await self._one_after_another(known)]

    def settings_in(self, channel: ChannelRecord) -> Settings:
        """What counts in that channel."""
        return settings_in(channel, self.settings, self.channel_rows)

    def turn(self, channel_id: int) -> asyncio.Lock:
        """Held while somebody works on the channel's transcript: one at a time."""
        return self._turns.setdefault(channel_id, asyncio.Lock())

    # -- what others tell of what was said and of who said it ----------------------------------

    async def edit(self, channel_id: int, message_id: int, text: str) -> None:
        """A message says this now. Called with the channel's turn."""
        if await self.reader.is_within_reach(channel_id, message_id):
            await self.transcripts.edit(channel_id, message_id, text)
        else:
            await self.transcripts.correct(channel_id, message_id, text)
        self.reader.note_channel(channel_id)

    def forget(self, message_ids: Collection[int]) -> None:
        """Messages are gone, or their author is left out: take their words out of every transcript.
        The database has done so already."""
        self.experience.read_anew()
        self.reader.forget(self.transcripts.remove(message_ids))

    def exclude(self, member_id: int, is_excluded: bool) -> None:
        """What a member said and what waits of it counts no longer, or again."""
        self.experience.read_anew()
        self.recent.note_excluded(member_id, is_excluded)

    def quieten(self, channel_id: int, until_ms: int) -> None:
        """Say nothing in the channel until then."""
        self.recent.note_quiet(channel_id, until_ms)

    # -- the stages -----------------------------------------------------------------------------

    async def _one_after_another(self, known: Sequence[Known]) -> list[Ended]:
        """Silent messages wait to be written down together, until one is answered or the end."""
        ended: list[Ended] = []
        silent: list[Judged] = []
        for one in known:
            judged = await self._judge(one)
            silent += [*self._given_over_by(judged), judged]
            if isinstance(judged.trace.verdict, Reply):
                await self._write_down(silent)
                silent = []
                ended.append(await self._answer(judged))
            else:
                ended.append((judged.trace, None))
            if judged.is_own and not self.recent.is_gone(judged.message.message_id):
                await self._note_own(judged.message)
        await self._write_down(silent)
        self.traces.extend(trace for trace, _ in ended)
        if known and judged.facts.channel_is_allowed:
            is_read = silent and may_read(judged.message, judged.facts)
            self.reader.note(judged.message.channel, judged.message if is_read else None)
        return ended

    async def _note_own(self, message: IncomingMessage) -> None:
        """An own message came back from the platform."""
        await self._find_again.look_at(message)
        is_talk = (await self.transcripts.of(message.channel_id)).has(message.message_id)
        if is_talk:  # an order's answer is none
            self.recent.talk.note_said(message)

    async def _answer(self, judged: Judged) -> Ended:
        trace, error = await self._answerer.answer(judged)
        was = judged.trace.verdict
        if trace.verdict == Silent(SilentReason.SAID_MORE) and isinstance(was, Reply):
            facts = replace(judged.facts, carried=was.reason)
            waits = replace(judged, trace=trace, facts=facts)
            self._given_over.setdefault(_asker(judged.message), []).append(waits)
        return trace, error

    def _reason_carried(self, message: IncomingMessage) -> ReplyReason | None:
        """Why an earlier message of this author was to be answered that this one stands for now."""
        waiting = self._given_over.get(_asker(message)) if says_more(message) else None
        return waiting[-1].facts.carried if waiting else None

    def _given_over_by(self, judged: Judged) -> list[Judged]:
        """The author's earlier messages that are answered with this one, or as little as it."""
        if judged.facts.is_seen or not says_more(judged.message):
            return []
        return self._given_over.pop(_asker(judged.message), [])

    async def _judge(self, known: Known) -> Judged:
        message, watch = known.message, Stopwatch(known.arrived_s)
        watch.lap("stored")
        facts = await self._facts(known)
        verdict = await self._decide(message, facts, self._chance.random())
        watch.lap("decided")
        if may_read(message, replace(facts, is_seen=False)):
            self.recent.talk.note_said(message, spoken_to(message, facts))
        trace = Trace(message.message_id, message.channel_id, verdict, timings_s=watch.laps)
        return Judged(message, facts, trace, watch)

    async def _decide(self, message: IncomingMessage, facts: Facts, draw: float) -> Verdict:
        """What it is near to, and how situations like it were received, is looked up only where
        that could make the difference."""
        verdict = decide(message, facts, draw)
        if could_be_near(verdict, facts):
            facts = replace(facts, nearness=await self._nearness.of(message, facts.cares))
            verdict = decide(message, facts, draw)
        if could_be_learned(verdict) and await self.experience.has_any():
            vector = await self._nearness.vector(message)
            facts = replace(facts, learned=await self.experience.learned(message, vector))
            verdict = decide(message, facts, draw)
        return verdict

    async def _facts(self, known: Known) -> Facts:
        message, recent = known.message, self.recent
        channel_id, author_id = message.channel_id, message.record.author_id
        begun = await recent.times_begun(channel_id, message.message_id)
        settings = self.settings_in(message.channel)
        by_member = settings.whole("replies_per_minute_member")
        by_channel = settings.whole("replies_per_minute_channel")
        facts = Facts(
            own_id=self.platform.own_id,
            persona_name=self._persona_name,
            channel_is_allowed=known.channel_is_allowed,
            author_is_excluded=known.author_is_excluded,
            is_seen=begun is None,
            times_begun=begun or 0,
            spoke_since=(await self.transcripts.of(channel_id)).last_own_id > message.message_id,
            carried=self._reason_carried(message),
            is_flooding=recent.answers_within_a_minute(author_id) >= by_member
            or recent.answers_within_a_minute(channel_id) >= by_channel,
            talk=await recent.talk.facts(message),
        )
        cares = self._style.cares(settings, message.channel)
        facts = with_manners(facts, settings, cares, message.record.created_at_ms)
        return await recent.as_of_now(message, facts, self.platform)

    async def _write_down(self, judged: Sequence[Judged]) -> None:
        """Append what was said to the channel's transcript, once, where it may be read at all; and
        keep the verdicts."""
        if not judged:
            return
        channel_id = judged[0].message.channel_id
        there = await self.transcripts.of(channel_id)
        lines = [
            line_of(Said(m.author.nickname, m.text), m.record)
            for m in (one.message for one in judged if may_read(one.message, one.facts))
            if not there.has(m.message_id)
        ]
        await self.transcripts.append(channel_id, lines)
        await self._keep(
            [
                row_of(one.trace, self._now_ms(), outcome=BEGUN, attempts=one.attempts)
                if isinstance(one.trace.verdict, Reply)
                else row_of(one.trace, self._now_ms())
                for one in judged
                if not (one.facts.is_seen or one.is_own or one.message.is_playground)
            ]
        )
        for one in judged:
            self.recent.note_judged(channel_id, one.message.message_id)
            one.watch.lap("read along")

    async def _keep(self, rows: Sequence[VerdictRow]) -> None:
        if rows:
            await patiently(self._database.record_verdicts, rows)

    @property
    def _persona_name(self) -> str:
        return self.settings.text("persona_name")


def _asker(message: IncomingMessage) -> tuple[int, int]:
    return message.channel_id, message.record.author_id


def settings_in(
    channel: ChannelRecord, settings: Settings, rows: Mapping[int, Mapping[str, str]]
) -> Settings:
    """What counts in a channel: its own values, then those of a thread's parent, then `settings`.
    `rows` are channels' own values by channel."""
    for channel_id in (channel.parent_id, channel.channel_id):
        if channel_id is not None and (own := rows.get(channel_id)):
            settings = settings.overlaid(own)
    return settings
