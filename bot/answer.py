"""Answers one message: recalled -> composed -> generated -> guarded -> delivered -> learned from.

The second half of the live flow; `bot/pipeline.py` has the first. A turn that went stale while it
waited (the message is gone, its author said more, its time is over) is dropped before it costs
anything. Called from the event loop's thread, one message of a channel at a time.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.asked_if_bot import what_it_is
from bot.decide import forbids
from bot.deliver import deliver
from bot.generate import Writer, generate
from bot.guard import guard
from bot.judged import Judged, with_draft
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
    SilentReason,
    Trace,
)
from bot.model_keeper import Lender
from bot.patience import patiently
from bot.platforms.platform import DeliveryUnknownError, Platform
from bot.read_along import Transcripts
from bot.reader import Reader
from bot.recall import Recall
from bot.recent import Recent
from bot.remember import put, remember
from bot.store import names_of_others
from bot.transcript import Line
from bot.verdicts import BEGUN, SENDING, row_of
from model.chat_format import Own
from model.inference import BusyError, EngineError, StoppedBy
from storage.errors import MynahError
from storage.records import VerdictRow
from storage.settings import Settings

if TYPE_CHECKING:
    from storage.database import Database

log = logging.getLogger(__name__)

ATTEMPTS = 2
"""How often a draft is tried before silence: guard gives one new try, with another seed."""

BEGINNINGS = 3
"""How often a reply is begun that something else ended: words it was shown were taken away, or the
model was changed."""

_FROM_OUTSIDE = (StoppedBy.CANCELLED, StoppedBy.DROPPED)
_ENDED = "The reply was ended while it was written."

SOMETHING_WRONG = "something went wrong inside; the log says what"

Ended = tuple[Trace, "Exception | None"]
"""How a message was handled, and what went wrong."""


class EndedFromOutsideError(MynahError):
    """A reply was ended while it was written."""


class Answerer:
    """One pipeline's."""

    def __init__(
        self,
        *,
        database: Database,
        lender: Lender,
        recall: Recall,
        platform: Platform,
        transcripts: Transcripts,
        reader: Reader,
        recent: Recent,
        settings: Callable[[], Settings],
        chance: random.Random,
        now_ms: Callable[[], int],
    ) -> None:
        self._database = database
        self._lender = lender
        self._recall = recall
        self._platform = platform
        self._transcripts = transcripts
        self._reader = reader
        self._recent = recent
        self._settings = settings
        self._chance = chance
        self._now_ms = now_ms

    async def answer(self, judged: Judged) -> Ended:
        """Reply to a message; whatever goes wrong stands in its trace, its row and the log.

        A trace that is Silent(SAID_MORE) has no row yet: it gets one with the message that will be
        answered in its place.
        """
        message, trace = judged.message, judged.trace
        error: Exception | None = None
        try:
            if trace.verdict == Reply(ReplyReason.ASKED_IF_BOT):
                trace = await self._say_what_it_is(judged)
            else:
                async with self._platform.typing(message.channel_id):
                    trace = await self._begin(judged)
        except BusyError:
            trace = replace(trace, verdict=Silent(SilentReason.BUSY))
        except MynahError as caught:
            log.warning("Message %d is not answered. %s", message.message_id, caught)
            error = caught
        except Exception as caught:
            # The edge of a message: the others of its channel must still get their turn.
            log.exception("Message %d is not answered", message.message_id)
            error = caught
        trace = replace(trace, timings_s=judged.watch.laps)
        row = row_of(trace, self._now_ms(), attempts=judged.attempts)
        if error is not None:
            said = str(error) if isinstance(error, MynahError) else SOMETHING_WRONG
            trace = replace(trace, error=said)
            # What may have arrived is found again when it comes back from the platform.
            outcome = SENDING if isinstance(error, DeliveryUnknownError) else None
            row = row_of(trace, self._now_ms(), outcome=outcome, attempts=judged.attempts)
        if trace.verdict == Silent(SilentReason.SAID_MORE):
            row = row_of(judged.trace, self._now_ms(), outcome=BEGUN, attempts=judged.attempts)
        await self._keep(judged, row)
        return trace, error

    async def _say_what_it_is(self, judged: Judged) -> Trace:
        """No model is asked: nobody is to take the persona for a person."""
        if (reason := await self._why_silent_now(judged)) is not None:
            return replace(judged.trace, verdict=Silent(reason))
        words = what_it_is(judged.message.text, self._settings().text("persona_name"))
        allowed = Allowed(words)
        judged.watch.lap("guarded")
        return await self._send(judged, allowed, replace(judged.trace, guard=allowed), ())

    async def _begin(self, judged: Judged) -> Trace:
        message, memories = judged.message, None
        for beginning in range(1, BEGINNINGS + 1):
            async with self._lender.lend() as engine:
                with self._reader.asked(message.channel, engine):
                    if (reason := await self._why_silent_now(judged)) is not None:
                        return replace(judged.trace, verdict=Silent(reason))
                    try:
                        if memories is None:  # once: what was recalled stands in the transcript
                            memories = await self._remember(message, engine)
                        trace = await self._reply(judged, engine, memories)
                        break
                    except EndedFromOutsideError:
                        if beginning == BEGINNINGS:
                            raise
        # Afterwards: just after it was loaded a file of gigabytes takes seconds.
        return replace(trace, model_sha256=await _sha256_of(engine)) if trace.attempts else trace

    async def _reply(self, judged: Judged, engine: Writer, memories: Memories) -> Trace:
        message, watch = judged.message, judged.watch
        watch.lap("recalled")
        notes = (x for x in memories.items if not self._transcripts.has_removed([x.message_id]))
        trace = replace(
            judged.trace, notes=tuple(x.note for x in notes), found_by=memories.found_by
        )
        for seed in self._seeds():
            prompt = await self._reader.prompt(message.channel, engine)
            shown = (await self._transcripts.of(message.channel_id)).message_ids
            watch.lap("composed")
            draft = await self._generate(judged, prompt, engine, seed, shown)
            watch.lap("generated")
            if (stale := self._why_dropped(judged, draft)) is not None:
                return replace(trace, verdict=Silent(stale))
            if draft.stopped_by in _FROM_OUTSIDE:
                raise EndedFromOutsideError(_ENDED)
            self._refuse_removed(shown)
            checked = await asyncio.to_thread(self._guard, draft, message, prompt)
            watch.lap("guarded")
            trace = replace(
                with_draft(trace, draft, checked),
                prompt_tokens=prompt.tokens,
                unread=prompt.unread,
                timings_s=watch.laps,
            )
            if isinstance(checked, Allowed):
                return await self._send(judged, checked, trace, shown)
        return trace

    def _refuse_removed(self, shown: Collection[int]) -> None:
        """Raises EndedFromOutsideError where the model was shown what was taken away since."""
        if self._transcripts.has_removed(shown):
            raise EndedFromOutsideError(_ENDED)

    async def _remember(self, message: IncomingMessage, engine: Writer) -> Memories:
        settings = self._settings()
        limit = settings.whole("recall_notes")
        if not settings.switch("recall_enabled") or limit == 0:
            return Memories()
        # Notes for the asked line are read while somebody waits: of a talk that was read along,
        # with what was recalled for it, only what is worth that.
        found = await remember(
            message,
            self._transcripts,
            self._recall,
            engine,
            limit=limit,
            only_close=self._reader.is_reading(message.channel_id),
        )
        await put(found, message, self._transcripts)
        return found

    async def _generate(
        self, judged: Judged, prompt: Prompt, engine: Writer, seed: int, shown: Collection[int]
    ) -> Draft:
        settings = self._settings()
        left_s = settings.whole("reply_seconds") - judged.watch.age_s
        return await generate(
            engine,
            prompt,
            settings,
            seed,
            deadline_s=None if judged.message.is_playground else time.monotonic() + left_s,
            is_wanted=lambda: (
                self._why_stale(judged) is None and not self._transcripts.has_removed(shown)
            ),
        )

    def _why_dropped(self, judged: Judged, draft: Draft) -> SilentReason | None:
        if draft.stopped_by is StoppedBy.DROPPED:
            return self._why_stale(judged)
        is_late = draft.stopped_by is StoppedBy.TIME and not draft.text.strip()
        return SilentReason.TOO_LATE if is_late else None

    async def _why_silent_now(self, judged: Judged) -> SilentReason | None:
        """Why it is not answered after all: it waited, for its turn or for the model."""
        facts = await self._recent.as_of_now(judged.message, judged.facts, self._platform)
        return forbids(judged.message, facts) or self._why_stale(judged)

    def _why_stale(self, judged: Judged) -> SilentReason | None:
        """Why nobody wants this answer any more. From any thread."""
        message = judged.message
        if message.is_playground:
            return None
        if self._recent.is_gone(message.message_id):
            return SilentReason.DELETED
        if self._recent.has_said_more(message, judged.watch.age_s):
            return SilentReason.SAID_MORE
        return None

    def _guard(self, draft: Draft, message: IncomingMessage, prompt: Prompt) -> GuardVerdict:
        """In a worker thread: a large community has many names."""
        others = names_of_others(self._database, own_id=self._platform.own_id)
        return guard(
            draft.text,
            asked=message.text,
            names={*prompt.names, *others},
            persona_name=self._settings().text("persona_name"),
        )

    async def _send(
        self, judged: Judged, allowed: Allowed, trace: Trace, shown: Collection[int]
    ) -> Trace:
        """Deliver, at most once: that it is about to be sent is on the disk before it is."""
        message, watch = judged.message, judged.watch
        facts = await self._recent.as_of_now(message, judged.facts, self._platform)
        if (forbidden := forbids(message, facts)) is not None:
            return replace(trace, verdict=Silent(forbidden))
        row = row_of(trace, self._now_ms(), outcome=SENDING, attempts=judged.attempts)
        await self._keep(judged, row)
        self._refuse_removed(shown)
        was_asked = trace.verdict != Reply(ReplyReason.CHANCE, trace.verdict.detail)
        sent = await deliver(self._platform, message, allowed, pings=was_asked)
        self._recent.note_answered(message.channel_id, message.record.author_id)
        watch.lap("delivered")
        trace = replace(trace, sent=sent)
        try:
            feedback = await self._learn(sent, message)
        except Exception:
            log.exception("The answer to %d went out and was not learned from", message.message_id)
            return trace
        watch.lap("learned from")
        return replace(trace, feedback=feedback)

    async def _learn(self, sent: SentReply, message: IncomingMessage) -> Feedback:
        own = Line(
            Own(sent.text),
            sent.message_id,
            sent.sent_at_ms,
            is_reply=sent.reply_to_id is not None,
        )
        await self._transcripts.mirror(sent.channel_id, own)
        return await patiently(
            learn,
            self._database,
            sent,
            message,
            own_id=self._platform.own_id,
            own_name=self._settings().text("persona_name"),
            origin=self._platform.origin,
        )

    async def _keep(self, judged: Judged, row: VerdictRow) -> None:
        if not judged.message.is_playground:
            await patiently(self._database.record_verdicts, [row])

    def _seeds(self) -> list[int]:
        """A seed for each attempt: from the setting on, or drawn where the setting is -1."""
        chosen = self._settings().whole("seed")
        first = chosen if chosen >= 0 else self._chance.randrange(2**31)
        return [(first + attempt) % 2**31 for attempt in range(ATTEMPTS)]


async def _sha256_of(engine: Writer) -> str:
    """The engine's file, or "" where it was changed on the disk since it was loaded."""
    try:
        return await asyncio.to_thread(lambda: engine.sha256)
    except EngineError as error:
        log.warning("%s", error)
        return ""
