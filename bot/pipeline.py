"""The live flow, in one place: from a message that comes in to a reply that goes out.

received -> stored -> read along -> decided -> recalled -> composed -> generated -> guarded ->
delivered -> learned from. Each stage is a file beside this one; here stands only their order. All
methods are called from the event loop's thread; the database and the memory are asked in worker
threads, and the engine computes in its own.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.compose import compose
from bot.decide import Facts, decide, may_read
from bot.deliver import deliver
from bot.generate import generate
from bot.guard import guard
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
    SentReply,
    Trace,
)
from bot.platforms.platform import Platform
from bot.read_along import Transcripts
from bot.recall import Recall
from bot.store import Known, names_of_others, store
from bot.transcript import Line
from model.chat_format import Own, Said, persona_text
from model.inference import Engine, EngineError
from storage.settings import Settings

if TYPE_CHECKING:
    from storage.database import Database

log = logging.getLogger(__name__)

ATTEMPTS = 2
"""How often a draft is tried before silence: guard gives one new try, with another seed."""

KEPT_TRACES = 100


class Pipeline:
    """One persona in one place. Several may share a database, a memory and an engine."""

    def __init__(
        self,
        *,
        database: Database,
        engine: Engine,
        recall: Recall,
        platform: Platform,
        settings: Settings,
        chance: random.Random | None = None,
        transcript_since_ms: int = 0,
    ) -> None:
        """Everything is handed in; nothing is closed here.

        `chance` draws verdicts and seeds. Lines of a transcript older than `transcript_since_ms`
        are not read back: a new conversation begins empty. Times of day are the platform's.
        """
        self.settings = settings
        """Replace it to change live settings; it counts from the next message on."""
        self.traces: deque[Trace] = deque(maxlen=KEPT_TRACES)
        """How the last messages were handled, oldest first."""
        self.platform = platform
        self.engine = engine
        self._database = database
        self._recall = recall
        self._chance = chance or random.Random()
        self._transcripts = Transcripts(database, since_ms=transcript_since_ms)
        self._turns: dict[int, asyncio.Lock] = {}

    async def handle(self, message: IncomingMessage) -> Trace:
        """Take one message through all stages; messages of one channel go one after the other.

        It is stored at once, also while a reply is being written in its channel. When this returns,
        or raises in a stage after the first, it is stored. Raises MynahError for what can be
        expected: a full disk, a platform that does not take the reply.
        """
        watch = _Stopwatch()
        storing = asyncio.create_task(self._store(message))
        async with self._turns.setdefault(message.channel_id, asyncio.Lock()):
            known = await storing
            watch.lap("stored")
            trace = await self._handle(known, watch)
        self.traces.append(trace)
        return trace

    async def _handle(self, known: Known, watch: _Stopwatch) -> Trace:
        message = known.message
        facts = await self._facts(known)
        await self._read_along(message, facts)
        watch.lap("read along")
        verdict = decide(message, facts, self._chance.random())
        watch.lap("decided")
        trace = Trace(message.message_id, message.channel_id, verdict)
        if isinstance(verdict, Reply):
            async with self.platform.typing(message.channel_id):
                trace = await self._reply(message, trace, watch)
        return replace(trace, timings_s=watch.laps)

    async def _reply(self, message: IncomingMessage, trace: Trace, watch: _Stopwatch) -> Trace:
        memories = await self._remember(message)
        watch.lap("recalled")
        prompt = await self._compose(message)
        watch.lap("composed")
        trace = replace(
            trace,
            notes=memories.notes,
            found_by=memories.found_by,
            prompt_tokens=prompt.tokens,
            model_sha256=await self._model_sha256(),
        )
        for seed in self._seeds():
            draft = await generate(self.engine, prompt, self.settings, seed)
            watch.lap("generated")
            checked = await asyncio.to_thread(self._guard, draft, message, prompt)
            watch.lap("guarded")
            trace = _with_draft(trace, draft, checked)
            if isinstance(checked, Allowed):
                sent = await deliver(self.platform, message, checked)
                watch.lap("delivered")
                feedback = await self._learn(sent, message, trace, watch)
                watch.lap("learned from")
                return replace(trace, sent=sent, feedback=feedback)
        return trace

    async def _store(self, message: IncomingMessage) -> Known:
        return await asyncio.to_thread(
            store,
            self._database,
            message,
            own_id=self.platform.own_id,
            persona_name=self._persona_name,
        )

    async def _facts(self, known: Known) -> Facts:
        message = known.message
        is_seen = known.channel_is_allowed and (await self._transcripts.of(message.channel_id)).has(
            message.message_id
        )
        return Facts(
            own_id=self.platform.own_id,
            persona_name=self._persona_name,
            response_rate=self.settings.number("response_rate"),
            channel_is_allowed=known.channel_is_allowed,
            author_is_excluded=known.author_is_excluded,
            is_seen=is_seen,
        )

    async def _read_along(self, message: IncomingMessage, facts: Facts) -> None:
        """Append what was said to the channel's transcript, once, where it may be read at all."""
        if not may_read(message, facts):
            return
        line = Line(Said(message.author.nickname, message.text), message.message_id)
        await self._transcripts.append(message.channel_id, [line], message.record.created_at_ms)

    async def _remember(self, message: IncomingMessage) -> Memories:
        """Recall, and put the notes into the transcript before the message they were found for."""
        limit = self.settings.whole("recall_notes")
        if not self.settings.switch("recall_enabled") or limit == 0:
            return Memories()
        transcript = await self._transcripts.of(message.channel_id)
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
        notes = [Line(memory.note, memory.message_id) for memory in memories.items]
        await self._transcripts.recall(message.channel_id, notes, message.record.created_at_ms)
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
            (await self._transcripts.of(message.channel_id)).turns,
            engine.tokenizer,
            context_tokens=min(settings.whole("context_tokens"), engine.context_tokens),
            max_reply_tokens=settings.whole("max_reply_tokens"),
        )
        await self._transcripts.drop_oldest(message.channel_id, prompt.dropped)
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

    async def _learn(
        self, sent: SentReply, message: IncomingMessage, trace: Trace, watch: _Stopwatch
    ) -> Feedback:
        await self._transcripts.mirror(sent.channel_id, Line(Own(sent.text), sent.message_id))
        return await asyncio.to_thread(
            learn,
            self._database,
            sent,
            message,
            own_id=self.platform.own_id,
            own_name=self._persona_name,
            origin=self.platform.origin,
            reply_tokens=trace.reply_tokens,
            full_s=watch.total_s,
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


def _with_draft(trace: Trace, draft: Draft, checked: GuardVerdict) -> Trace:
    return replace(
        trace,
        attempts=trace.attempts + 1,
        evaluated_tokens=trace.evaluated_tokens + draft.evaluated_tokens,
        reply_tokens=trace.reply_tokens + draft.reply_tokens,
        guard=checked,
    )


class _Stopwatch:
    """Seconds between laps; a stage that runs twice gets their sum."""

    def __init__(self) -> None:
        self._began_s = self._last_s = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now_s = time.perf_counter()
        self._laps[stage] = self._laps.get(stage, 0.0) + now_s - self._last_s
        self._last_s = now_s

    @property
    def laps(self) -> tuple[tuple[str, float], ...]:
        return tuple(self._laps.items())

    @property
    def total_s(self) -> float:
        return time.perf_counter() - self._began_s
