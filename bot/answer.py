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
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.asked_if_bot import what_it_is
from bot.decide import forbids
from bot.deliver import Delivery
from bot.experience import Experience
from bot.generate import Writer, generate
from bot.growing import Growing
from bot.guard import guard
from bot.guarding.surroundings import Surroundings, listed
from bot.judged import Judged, with_draft
from bot.messages import (
    SAID_ON,
    Allowed,
    Draft,
    GuardVerdict,
    IncomingMessage,
    Memories,
    Prompt,
    Refused,
    Reply,
    ReplyReason,
    SentReply,
    Silent,
    SilentReason,
    Trace,
)
from bot.model_keeper import Lender, RestingError
from bot.patience import patiently
from bot.platforms.platform import DeliveryError, DeliveryUnknownError, Platform
from bot.react import Reacting
from bot.read_along import Transcripts
from bot.reader import Reader
from bot.recall import Recall
from bot.recent import Recent
from bot.remember import put, remember
from bot.speak import GROWING, Speaker
from bot.store import names_of_others
from bot.verdicts import BEGUN, SENDING, row_of
from data.style.pace import Pace
from model.inference import BusyError, Engine, EngineError, StoppedBy
from storage.errors import MynahError
from storage.records import ChannelRecord, VerdictRow
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
        settings_in: Callable[[ChannelRecord], Settings],
        chance: random.Random,
        now_ms: Callable[[], int],
        history: Database | None = None,
        experience: Experience | None = None,
        pace: Callable[[], Pace] = Pace,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`history` is where guard looks whose words a draft repeats; None: the database itself.
        `experience` has answers that were liked, None: nobody is reminded of any. `pace` is how
        people here write line after line; `sleep` waits between the lines."""
        self._database = database
        self._experience = experience
        self._history = history or database
        self._lender = lender
        self._recall = recall
        self._platform = platform
        self._transcripts = transcripts
        self._reader = reader
        self._recent = recent
        self._settings_in = settings_in
        self._chance = chance
        self._now_ms = now_ms
        self._sleep = sleep
        self._reacting = Reacting(database, chance)
        self._speaker = Speaker(
            database=database,
            platform=platform,
            transcripts=transcripts,
            recent=recent,
            settings_in=settings_in,
            pace=pace,
            chance=chance,
            now_ms=now_ms,
            sleep=sleep,
        )

    async def answer(self, judged: Judged) -> Ended:
        """Reply to a message; whatever goes wrong stands in its trace, its row and the log.

        A trace that is Silent(SAID_MORE) has no row yet: it gets one with the message that will be
        answered in its place.
        """
        message, trace = judged.message, judged.trace
        error: Exception | None = None
        is_unasked = trace.verdict.reason is ReplyReason.RELEVANT
        newest = self._recent.newest_said
        delivery = Delivery(self._platform, message, newest, pings=not is_unasked)
        try:
            if trace.verdict == Reply(ReplyReason.ASKED_IF_BOT):
                trace = await self._say_what_it_is(judged, delivery)
            elif (reacted := await self._react(judged)) is not None:
                trace = reacted
            else:
                async with self._platform.typing(message.channel_id):
                    trace = await self._begin(judged, delivery)
        except BusyError:
            trace = replace(trace, verdict=Silent(SilentReason.BUSY))
        except RestingError:
            trace = replace(trace, verdict=Silent(SilentReason.RESTING))
        except MynahError as caught:
            log.warning("Message %d is not answered. %s", message.message_id, caught)
            error = caught
        except Exception as caught:
            # The edge of a message: the others of its channel must still get their turn.
            log.exception("Message %d is not answered", message.message_id)
            error = caught
        if delivery.lines:
            trace = await self._say_on(judged, delivery, trace)
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

    async def _say_what_it_is(self, judged: Judged, delivery: Delivery) -> Trace:
        """No model is asked: nobody is to take the persona for a person."""
        if (reason := await self._why_silent_now(judged)) is not None:
            return replace(judged.trace, verdict=Silent(reason))
        words = what_it_is(judged.message.text, self._persona_name(judged.message))
        allowed = Allowed(words)
        judged.watch.lap("guarded")
        trace = replace(judged.trace, guard=allowed)
        return await self._send(judged, delivery, (words,), trace, ())

    async def _react(self, judged: Judged) -> Trace | None:
        """Only react, where it was not asked and a regular would; None where it is to speak."""
        message, trace = judged.message, judged.trace
        is_unasked = trace.verdict.reason in (ReplyReason.RELEVANT, ReplyReason.ATTENTION)
        if not (is_unasked and self._settings_in(message.channel).switch("reacts")):
            return None
        emoji = await self._reacting.emoji_for(message)
        if emoji is None or await self._why_silent_now(judged) is not None:
            return None
        await self._note_sending(judged, trace)
        try:
            if not await self._platform.react(message.channel_id, message.message_id, emoji):
                return None
        except DeliveryError as error:
            log.info("Message %d gets no reaction. %s", message.message_id, error)
            return None
        self._recent.note_answered(message.channel_id, message.record.author_id)
        judged.watch.lap("reacted")
        return replace(trace, reacted=emoji)

    async def _begin(self, judged: Judged, delivery: Delivery) -> Trace:
        message, memories = judged.message, None
        await self._speaker.load()
        for beginning in range(1, BEGINNINGS + 1):
            async with self._lender.lend() as engine:
                with self._reader.asked(message.channel, engine):
                    if (reason := await self._why_silent_now(judged)) is not None:
                        return replace(judged.trace, verdict=Silent(reason))
                    try:
                        if memories is None:  # once: what was recalled stands in the transcript
                            memories = await self._remember(message, engine)
                        trace = await self._reply(judged, delivery, engine, memories)
                        break
                    except EndedFromOutsideError:
                        if beginning == BEGINNINGS:
                            raise
        # Afterwards: just after it was loaded a file of gigabytes takes seconds.
        return replace(trace, model_sha256=await _sha256_of(engine)) if trace.attempts else trace

    async def _reply(
        self, judged: Judged, delivery: Delivery, engine: Writer, memories: Memories
    ) -> Trace:
        message, watch = judged.message, judged.watch
        watch.lap("recalled")
        notes = (x for x in memories.items if not self._transcripts.has_removed([x.message_id]))
        trace = replace(
            judged.trace, notes=tuple(x.note for x in notes), found_by=memories.found_by
        )
        seeds = self._seeds(message)
        for seed in seeds:
            prompt = await self._reader.prompt(message.channel, engine)
            shown = (await self._transcripts.of(message.channel_id)).message_ids
            watch.lap("composed")
            growing = self._growing(judged, delivery, prompt, engine, shown)
            try:
                draft = await self._generate(judged, prompt, engine, seed, shown, growing)
                watch.lap("generated")
                if (stale := self._why_dropped(judged, draft)) is not None:
                    return replace(trace, verdict=Silent(stale))
                if draft.stopped_by in _FROM_OUTSIDE:
                    raise EndedFromOutsideError(_ENDED)
                self._refuse_removed(shown)
                checked = await asyncio.to_thread(self._guard, draft, message, prompt, engine)
                is_last = seed == seeds[-1]
                checked = self._speaker.said_anew(checked, message, is_last=is_last)
                watch.lap("guarded")
                if isinstance(checked, Refused):
                    await self._count_refused(checked)
                trace = replace(
                    with_draft(trace, draft, checked),
                    prompt_tokens=prompt.tokens,
                    unread=prompt.unread,
                    timings_s=watch.laps,
                )
                if isinstance(checked, Allowed):
                    lines = self._speaker.lines_of(checked.text, message)
                    return await self._send(judged, delivery, lines, trace, shown, growing)
            except asyncio.CancelledError:
                if growing is not None:
                    growing.let_go()
                raise
            finally:
                if growing is not None:
                    await self._take_back(growing, delivery)
        return trace

    async def _take_back(self, growing: Growing, delivery: Delivery) -> None:
        """What goes now is nobody's verdict on it."""
        shown = {line.message_id for line in delivery.lines}
        await growing.take_back()
        for message_id in shown.difference(line.message_id for line in delivery.lines):
            self._recent.note_deleted(message_id)

    def _growing(
        self,
        judged: Judged,
        delivery: Delivery,
        prompt: Prompt,
        engine: Writer,
        shown: Collection[int],
    ) -> Growing | None:
        """Shows the draft while it is written, where that is wanted."""
        message = judged.message
        if self._speaker.how(message) != GROWING:
            return None

        async def allowed(text: str) -> str | None:
            if self._transcripts.has_removed(shown) or self._why_stale(judged) is not None:
                return None
            draft = Draft(text, 0, 0, 0)
            checked = await asyncio.to_thread(self._guard, draft, message, prompt, engine)
            checked = self._speaker.said_anew(checked, message, is_last=False)
            return checked.text if isinstance(checked, Allowed) else None

        async def may_begin() -> bool:
            is_silent = await self._why_silent_now(judged) is not None
            if is_silent or self._transcripts.has_removed(shown):
                return False
            await self._note_sending(judged, judged.trace)
            return True

        names = {*prompt.names, self._persona_name(message)}
        return Growing(
            delivery, allowed, may_begin, names=names, now_ms=self._now_ms, sleep=self._sleep
        )

    def _refuse_removed(self, shown: Collection[int]) -> None:
        """Raises EndedFromOutsideError where the model was shown what was taken away since."""
        if self._transcripts.has_removed(shown):
            raise EndedFromOutsideError(_ENDED)

    async def _remember(self, message: IncomingMessage, engine: Writer) -> Memories:
        settings = self._settings_in(message.channel)
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
            experience=None if message.is_playground else self._experience,
            own_name=self._persona_name(message),
        )
        await put(found, message, self._transcripts)
        return found

    async def _generate(
        self,
        judged: Judged,
        prompt: Prompt,
        engine: Writer,
        seed: int,
        shown: Collection[int],
        growing: Growing | None,
    ) -> Draft:
        settings = self._settings_in(judged.message.channel)
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
            on_text=None if growing is None else growing.take,
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

    def _guard(
        self, draft: Draft, message: IncomingMessage, prompt: Prompt, engine: Writer
    ) -> GuardVerdict:
        """In a worker thread: a large community has many names."""
        others = names_of_others(self._database, own_id=self._platform.own_id)
        settings = self._settings_in(message.channel)
        return guard(
            draft.text,
            asked=message.text,
            names={*prompt.names, *others},
            persona_name=self._persona_name(message),
            surroundings=Surroundings(
                persona=prompt.persona,
                turns=prompt.turns,
                allowed_links=listed(settings.text("links_allowed")),
                history=self._history,
                tokenizer=engine.tokenizer if isinstance(engine, Engine) else None,
            ),
        )

    async def _count_refused(self, refused: Refused) -> None:
        name = f"guard_refused_{refused.reason.name.lower()}"
        await patiently(self._database.add_statistic, name, 1.0, self._now_ms())

    async def _send(
        self,
        judged: Judged,
        delivery: Delivery,
        lines: Sequence[str],
        trace: Trace,
        shown: Collection[int],
        growing: Growing | None = None,
    ) -> Trace:
        """Send the first line, at most once: that it is about to be sent is on the disk before it
        is. The others are left in `delivery`."""
        message, watch = judged.message, judged.watch
        await self._speaker.take_time(judged)
        facts = await self._recent.as_of_now(message, judged.facts, self._platform)
        if (forbidden := forbids(message, facts)) is not None:
            return replace(trace, verdict=Silent(forbidden))
        await self._note_sending(judged, trace)
        self._refuse_removed(shown)
        line = await growing.finish(lines[0]) if growing is not None else None
        line = line or await delivery.say(lines[0])
        delivery.rest, delivery.shown = tuple(lines[1:]), frozenset(shown)
        watch.lap("delivered")
        feedback = await self._speaker.learn(line, message)
        if feedback is not None:
            watch.lap("learned from")
        return replace(trace, sent=SentReply((line,)), feedback=feedback)

    async def _say_on(self, judged: Judged, delivery: Delivery, trace: Trace) -> Trace:
        """What follows the first line. Nobody waits for the model meanwhile."""
        try:
            await self._speaker.go_on(judged, delivery)
        except MynahError as error:
            log.warning("The rest of an answer is left unsaid. %s", error)
        except Exception:
            # The edge of a message, as above.
            log.exception("The rest of an answer is left unsaid")
        if delivery.rest:
            judged.watch.lap(SAID_ON)
        sent = SentReply(tuple(delivery.lines))
        self._recent.note_spoke(sent, judged.message, trace.verdict)
        return replace(trace, sent=sent)

    async def _note_sending(self, judged: Judged, trace: Trace) -> None:
        row = row_of(trace, self._now_ms(), outcome=SENDING, attempts=judged.attempts)
        await self._keep(judged, row)

    async def _keep(self, judged: Judged, row: VerdictRow) -> None:
        if not judged.message.is_playground:
            await patiently(self._database.record_verdicts, [row])

    def _persona_name(self, message: IncomingMessage) -> str:
        return self._settings_in(message.channel).text("persona_name")

    def _seeds(self, message: IncomingMessage) -> list[int]:
        """A seed for each attempt: from the setting on, or drawn where the setting is -1."""
        chosen = self._settings_in(message.channel).whole("seed")
        first = chosen if chosen >= 0 else self._chance.randrange(2**31)
        return [(first + attempt) % 2**31 for attempt in range(ATTEMPTS)]


async def _sha256_of(engine: Writer) -> str:
    """The engine's file, or "" where it was changed on the disk since it was loaded."""
    try:
        return await asyncio.to_thread(lambda: engine.sha256)
    except EngineError as error:
        log.warning("%s", error)
        return ""
