"""The live flow, in one place: from a message that comes in to a reply that goes out.

received -> stored -> decided -> read along -> recalled -> composed -> generated -> guarded ->
delivered -> learned from. Each stage is a file beside this one; here stands only their order. All
methods are called from the event loop's thread; the database and the memory are asked in worker
threads, and the engine computes in its own.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.compose import compose
from bot.decide import Facts, decide, forbids, may_read
from bot.deliver import deliver
from bot.generate import Writer, generate
from bot.guard import guard
from bot.judged import Judged, Stopwatch, with_draft
from bot.learn import learn
from bot.messages import (
    Allowed,
    Draft,
    Feedback,
    GuardVerdict,
    IncomingMessage,
    Memories,
    Prompt,
    Reply,
    ReplyReason,
    SentReply,
    Silent,
    Trace,
)
from bot.patience import patiently
from bot.platforms.platform import DeliveryUnknownError, Platform, wall_clock_ms
from bot.read_along import Transcripts
from bot.recall import Recall
from bot.recent import Recent
from bot.store import Known, names_of_others, store
from bot.transcript import Line
from bot.verdicts import BEGUN, SENDING, SENT, row_of
from model.chat_format import Own, Said, persona_text
from model.inference import EngineError
from storage.errors import MynahError
from storage.records import VerdictRow
from storage.settings import Settings

if TYPE_CHECKING:
    from storage.database import Database

log = logging.getLogger(__name__)

ATTEMPTS = 2
"""How often a draft is tried before silence: guard gives one new try, with another seed."""

KEPT_TRACES = 100
KEPT_TURNS = 1_000

SOMETHING_WRONG = "something went wrong inside; the log says what"

Ended = tuple[Trace, "Exception | None"]
"""How a message was handled, and what went wrong."""


class Pipeline:
    """One persona in one place. Several may share a database, a memory and an engine."""

    def __init__(
        self,
        *,
        database: Database,
        engine: Writer,
        recall: Recall,
        platform: Platform,
        settings: Settings,
        chance: random.Random | None = None,
        transcript_since_ms: int = 0,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        """Everything is handed in; nothing is closed here.

        `chance` draws verdicts and seeds. Lines of a transcript older than `transcript_since_ms`
        are not read back: a new conversation begins empty. `now_ms` tells how old a message is.
        """
        self.settings = settings
        """Replace it to change live settings; it counts from the next message on."""
        self.traces: deque[Trace] = deque(maxlen=KEPT_TRACES)
        """How the last messages were handled, oldest first; also those that failed."""
        self.platform = platform
        self.engine = engine
        self.recent = Recent(database, now_ms)
        self.transcripts = Transcripts(database, since_ms=transcript_since_ms)
        self._database = database
        self._recall = recall
        self._chance = chance or random.Random()
        self._now_ms = now_ms
        self._turns: dict[int, asyncio.Lock] = {}

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
        return await patiently(
            store,
            self._database,
            messages,
            own_id=self.platform.own_id,
            persona_name=self._persona_name,
        )

    async def take_turns(self, channel_id: int, known: Sequence[Known]) -> list[Trace]:
        """Take stored messages of one channel through the other stages, in their order.

        What goes wrong with one message stands in its trace and in the log; the next one follows.
        """
        async with self.turn(channel_id):
            return [trace for trace, _ in await self._one_after_another(known)]

    def turn(self, channel_id: int) -> asyncio.Lock:
        """Held while somebody works on the channel's transcript: one at a time."""
        if len(self._turns) > KEPT_TURNS:  # threads come and go by the thousand
            self._turns = {key: lock for key, lock in self._turns.items() if lock.locked()}
        return self._turns.setdefault(channel_id, asyncio.Lock())

    # -- what others tell of what was said and of who said it ----------------------------------

    def forget(self, message_ids: Collection[int]) -> None:
        """Messages are gone, or their author is left out: take their words out of every transcript.
        The database has done so already."""
        self.transcripts.remove(message_ids)

    def exclude(self, member_id: int, is_excluded: bool) -> None:
        """What a member said and what waits of it counts no longer, or again."""
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
            silent.append(judged)
            if isinstance(judged.trace.verdict, Reply):
                await self._write_down(silent)
                silent = []
                ended.append(await self._answer(judged))
            else:
                ended.append((judged.trace, None))
            if judged.is_own:
                await self._find_again(judged.message)
        await self._write_down(silent)
        self.traces.extend(trace for trace, _ in ended)
        return ended

    async def _judge(self, known: Known) -> Judged:
        message, watch = known.message, Stopwatch(known.arrived_s)
        watch.lap("stored")
        facts = await self._facts(known)
        verdict = decide(message, facts, self._chance.random())
        watch.lap("decided")
        trace = Trace(message.message_id, message.channel_id, verdict, timings_s=watch.laps)
        return Judged(message, facts, trace, watch)

    async def _facts(self, known: Known) -> Facts:
        message, recent = known.message, self.recent
        channel_id, author_id = message.channel_id, message.record.author_id
        begun = await recent.times_begun(channel_id, message.message_id)
        by_member = self.settings.whole("replies_per_minute_member")
        by_channel = self.settings.whole("replies_per_minute_channel")
        facts = Facts(
            own_id=self.platform.own_id,
            persona_name=self._persona_name,
            response_rate=self.settings.number("response_rate"),
            channel_is_allowed=known.channel_is_allowed,
            author_is_excluded=known.author_is_excluded,
            is_seen=begun is None,
            times_begun=begun or 0,
            spoke_since=(await self.transcripts.of(channel_id)).last_own_id > message.message_id,
            is_flooding=recent.answers_within_a_minute(author_id) >= by_member
            or recent.answers_within_a_minute(channel_id) >= by_channel,
        )
        return await self._as_of_now(message, facts)

    async def _as_of_now(self, message: IncomingMessage, facts: Facts) -> Facts:
        """With what may change while a message waits and while its answer is written."""
        recent, channel_id = self.recent, message.channel_id
        excluded = recent.is_excluded(message.record.author_id, facts.author_is_excluded)
        return replace(
            facts,
            channel_is_allowed=facts.channel_is_allowed and self.platform.listens_to(channel_id),
            author_is_excluded=excluded,
            is_gone=recent.is_gone(message.message_id),
            age_s=(self._now_ms() - message.record.created_at_ms) / 1000,
            is_quiet=await recent.is_quiet(channel_id),
        )

    async def _write_down(self, judged: Sequence[Judged]) -> None:
        """Append what was said to the channel's transcript, once, where it may be read at all; and
        keep the verdicts."""
        if not judged:
            return
        channel_id = judged[0].message.channel_id
        there = await self.transcripts.of(channel_id)
        lines = [
            Line(Said(m.author.nickname, m.text), m.message_id, m.record.created_at_ms)
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

    async def _answer(self, judged: Judged) -> Ended:
        """Reply to a message; whatever goes wrong stands in its trace, its row and the log."""
        message, trace = judged.message, judged.trace
        error: Exception | None = None
        try:
            async with self.platform.typing(message.channel_id):
                trace = await self._reply(judged)
        except MynahError as caught:
            log.warning("Message %d is not answered. %s", message.message_id, caught)
            error = caught
        except Exception as caught:
            # The edge of a message: the others of its channel must still get their turn.
            log.exception("Message %d is not answered", message.message_id)
            error = caught
        row = row_of(trace, self._now_ms(), attempts=judged.attempts)
        if error is not None:
            said = str(error) if isinstance(error, MynahError) else SOMETHING_WRONG
            trace = replace(trace, error=said, timings_s=judged.watch.laps)
            # What may have arrived is found again when it comes back from the platform.
            outcome = SENDING if isinstance(error, DeliveryUnknownError) else None
            row = row_of(trace, self._now_ms(), outcome=outcome, attempts=judged.attempts)
        await self._keep_one(judged, row)
        return trace, error

    async def _reply(self, judged: Judged) -> Trace:
        message, watch, engine = judged.message, judged.watch, self.engine
        memories = await self._remember(message)
        watch.lap("recalled")
        prompt = await self._compose(message)
        watch.lap("composed")
        trace = replace(
            judged.trace,
            notes=memories.notes,
            found_by=memories.found_by,
            prompt_tokens=prompt.tokens,
            model_sha256=await self._model_sha256(),
        )
        for seed in self._seeds():
            draft = await generate(engine, prompt, self.settings, seed)
            watch.lap("generated")
            checked = await asyncio.to_thread(self._guard, draft, message, prompt)
            watch.lap("guarded")
            trace = replace(with_draft(trace, draft, checked), timings_s=watch.laps)
            if isinstance(checked, Allowed):
                return await self._send(judged, checked, trace)
        return trace

    async def _send(self, judged: Judged, allowed: Allowed, trace: Trace) -> Trace:
        """Deliver, at most once: that it is about to be sent is on the disk before it is."""
        message, watch = judged.message, judged.watch
        forbidden = forbids(message, await self._as_of_now(message, judged.facts))
        if forbidden is not None:
            return replace(trace, verdict=Silent(forbidden))
        row = row_of(trace, self._now_ms(), outcome=SENDING, attempts=judged.attempts)
        await self._keep_one(judged, row)
        was_asked = trace.verdict != Reply(ReplyReason.CHANCE, trace.verdict.detail)
        sent = await deliver(self.platform, message, allowed, pings=was_asked)
        self.recent.note_answered(message.channel_id, message.record.author_id)
        watch.lap("delivered")
        trace = replace(trace, sent=sent, timings_s=watch.laps)
        try:
            feedback = await self._learn(sent, message)
        except Exception:
            log.exception("The answer to %d went out and was not learned from", message.message_id)
            return trace
        watch.lap("learned from")
        return replace(trace, feedback=feedback, timings_s=watch.laps)

    async def _find_again(self, own: IncomingMessage) -> None:
        """An own reply comes back from the platform: where the bot went down before it was learned
        from, that is made up for."""
        asked_id = own.record.reply_to_id
        if asked_id is None or (await self.transcripts.of(own.channel_id)).has(own.message_id):
            return
        row = await patiently(self._database.verdict, asked_id)
        if row is None or row.outcome != SENDING:
            return  # an order's answer, which is none of the persona's words
        line = Line(Own(own.text), own.message_id, own.record.created_at_ms)
        await self.transcripts.append(own.channel_id, [line])
        await self._keep([replace(row, outcome=SENT, reply_id=own.message_id)])

    async def _keep_one(self, judged: Judged, row: VerdictRow) -> None:
        if not judged.message.is_playground:
            await self._keep([row])

    async def _keep(self, rows: Sequence[VerdictRow]) -> None:
        if rows:
            await patiently(self._database.record_verdicts, rows)

    async def _remember(self, message: IncomingMessage) -> Memories:
        """Recall, and put the notes into the transcript before the message they were found for."""
        limit = self.settings.whole("recall_notes")
        if not self.settings.switch("recall_enabled") or limit == 0:
            return Memories()
        transcript = await self.transcripts.of(message.channel_id)
        # The engine's worker owns llama.cpp, for decoding and for embedding.
        vector = await self.engine.run(self._recall.embed, message.text)
        memories = await asyncio.to_thread(
            self._recall.find,
            message,
            vector,
            limit=limit,
            in_view=transcript.message_ids,
            said=[turn.text for turn in transcript.turns],
        )
        at_ms = message.record.created_at_ms
        notes = [Line(memory.note, memory.message_id, at_ms) for memory in memories.items]
        await self.transcripts.recall(message.channel_id, notes)
        return memories

    async def _compose(self, message: IncomingMessage) -> Prompt:
        """The prompt; where it had to be halved, the transcript is halved with it."""
        settings, engine = self.settings, self.engine
        prompt = await asyncio.to_thread(
            compose,
            persona_text(
                settings.text("persona"),
                name=self._persona_name,
                server=message.channel.guild_name,
            ),
            (await self.transcripts.of(message.channel_id)).turns,
            engine.tokenizer,
            context_tokens=min(settings.whole("context_tokens"), engine.context_tokens),
            max_reply_tokens=settings.whole("max_reply_tokens"),
        )
        await self.transcripts.drop_oldest(message.channel_id, prompt.dropped)
        return prompt

    def _guard(self, draft: Draft, message: IncomingMessage, prompt: Prompt) -> GuardVerdict:
        """In a worker thread: a large community has many names."""
        others = names_of_others(self._database, own_id=self.platform.own_id)
        return guard(
            draft.text,
            asked=message.text,
            names={*prompt.names, *others},
            persona_name=self._persona_name,
        )

    async def _learn(self, sent: SentReply, message: IncomingMessage) -> Feedback:
        own = Line(Own(sent.text), sent.message_id, sent.sent_at_ms)
        await self.transcripts.mirror(sent.channel_id, own)
        return await patiently(
            learn,
            self._database,
            sent,
            message,
            own_id=self.platform.own_id,
            own_name=self._persona_name,
            origin=self.platform.origin,
        )

    async def _model_sha256(self) -> str:
        """The engine's file, or "" where it was changed on the disk since it was loaded."""
        try:
            return await asyncio.to_thread(lambda: self.engine.sha256)
        except EngineError as error:
            log.warning("%s", error)
            return ""

    @property
    def _persona_name(self) -> str:
        return self.settings.text("persona_name")

    def _seeds(self) -> list[int]:
        """A seed for each attempt: from the setting on, or drawn where the setting is -1."""
        chosen = self.settings.whole("seed")
        first = chosen if chosen >= 0 else self._chance.randrange(2**31)
        return [(first + attempt) % 2**31 for attempt in range(ATTEMPTS)]
