"""Says what guard let out, the way people here do: in which lines, when, and none twice a day.

Goes on with the lines that follow the first one while nothing forbids it: not where the asked
message or one of the lines is deleted, its author left out, the channel told to be quiet, or words
that the model was shown are taken away. Where others write in between, the rest follows quickly,
the next line as an explicit reply. Called from the event loop's thread.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from bot.decide import forbids
from bot.deliver import Delivery
from bot.judged import Judged
from bot.learn import learn
from bot.lines import lines_of
from bot.messages import (
    Allowed,
    Feedback,
    GuardVerdict,
    IncomingMessage,
    Refused,
    RefusedBecause,
    SentLine,
)
from bot.own_lines import OwnLines
from bot.patience import patiently
from bot.platforms.platform import DeliveryError, Platform
from bot.read_along import Transcripts
from bot.recent import Recent
from bot.transcript import Line
from data.style.pace import Pace
from model.chat_format import Own
from storage.records import ChannelRecord
from storage.settings import Settings

if TYPE_CHECKING:
    from storage.database import Database

log = logging.getLogger(__name__)

LINES, WHOLE, GROWING = "lines", "whole", "growing"
"""The setting `delivery`."""

SOONEST_S = 1.0
"""After the asked message: nobody reads and types faster, and a small model would."""


class Speaker:
    """One pipeline's."""

    def __init__(
        self,
        *,
        database: Database,
        platform: Platform,
        transcripts: Transcripts,
        recent: Recent,
        settings_in: Callable[[ChannelRecord], Settings],
        pace: Callable[[], Pace],
        chance: random.Random,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """`pace` is how people here write line after line; `sleep` waits between the lines."""
        self._database = database
        self._platform = platform
        self._transcripts = transcripts
        self._recent = recent
        self._settings_in = settings_in
        self._pace = pace
        self._chance = chance
        self._sleep = sleep
        self._own_lines = OwnLines(database, now_ms)

    async def load(self) -> None:
        """Learn what was said within the last day, once. Raises DatabaseError."""
        await self._own_lines.load()

    def how(self, message: IncomingMessage) -> str:
        """In which of the three ways a message is answered. A person at a prompt gets all at
        once, and so does everybody where messages cannot be edited."""
        chosen = self._settings_in(message.channel).text("delivery")
        is_whole = message.is_playground or (chosen == GROWING and not self._platform.can_edit)
        return WHOLE if is_whole else chosen

    def said_anew(
        self, checked: GuardVerdict, message: IncomingMessage, *, is_last: bool
    ) -> GuardVerdict:
        """Refused where a line of it was said within a day; the last attempt only loses it."""
        if not isinstance(checked, Allowed) or message.is_playground:
            return checked
        before = "\n".join(self.lines_of(checked.text, message))
        text = self._own_lines.without_repeats(before)
        if text == before:
            return checked
        if not (is_last and text):
            return Refused(RefusedBecause.SAID_TODAY)
        return Allowed(text, (*checked.changes, "without a line that it said today"))

    def lines_of(self, text: str, message: IncomingMessage) -> tuple[str, ...]:
        """The messages that a text is sent as."""
        if self.how(message) != LINES:
            return (text,)
        return lines_of(text, self._pace().longest_chars)

    async def take_time(self, judged: Judged) -> None:
        """Wait until an answer in lines may be there, where it came sooner than a person's."""
        left_s = SOONEST_S - judged.watch.age_s
        if left_s > 0 and self.how(judged.message) == LINES:
            await self._sleep(left_s)

    async def go_on(self, judged: Judged, delivery: Delivery) -> None:
        """Send the lines behind the first one, as long as nothing forbids it."""
        for text in delivery.rest:
            pause_s = delivery.pause_s(
                text, self._pace(), self._chance.random(), judged.watch.age_s
            )
            async with self._platform.typing(delivery.asked.channel_id):
                await self._sleep(pause_s)
            if not await self._may_go_on(judged, delivery):
                log.info("The rest of the answer to %d is left unsaid", delivery.asked.message_id)
                return
            try:
                line = await delivery.say(text)
            except DeliveryError as error:
                log.warning("The rest of an answer was not taken. %s", error)
                return
            await self.learn(line, delivery.asked)

    async def _may_go_on(self, judged: Judged, delivery: Delivery) -> bool:
        facts = await self._recent.as_of_now(judged.message, judged.facts, self._platform)
        is_taken_away = any(self._recent.is_gone(line.message_id) for line in delivery.lines)
        has_removed = self._transcripts.has_removed(delivery.shown)
        return not (is_taken_away or has_removed or forbids(judged.message, facts))

    async def learn(self, line: SentLine, asked: IncomingMessage) -> Feedback | None:
        """It stands in the channel: have the transcript and the history know. None where that
        failed, which the log tells."""
        self._own_lines.note(line.text, line.sent_at_ms)
        own = Line(
            Own(line.text),
            line.message_id,
            line.sent_at_ms,
            is_reply=line.reply_to_id is not None,
        )
        await self._transcripts.mirror(line.channel_id, own)
        try:
            return await patiently(
                learn,
                self._database,
                line,
                own_id=self._platform.own_id,
                own_name=self._settings_in(asked.channel).text("persona_name"),
                origin=self._platform.origin,
            )
        except Exception:
            # The edge of a message: it is out, whatever goes wrong here.
            log.exception("An answer to %d went out and was not learned from", asked.message_id)
            return None
