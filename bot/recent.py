"""What a verdict needs to know of what went before: what was judged, who was answered how often.

In memory, with the table `verdicts` behind it, so that a restarted bot answers nothing twice.
Called from the event loop's thread; the database is asked in worker threads, and for a message that
is newer than everything judged in its channel (nearly all of them) not at all.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.decide import Facts
from bot.messages import IncomingMessage, SentReply, Verdict
from bot.patience import patiently
from bot.platforms.platform import Platform
from bot.talk import Talk
from storage.records import ChannelRecord
from storage.settings import Settings

if TYPE_CHECKING:
    from storage.database import Database

SAID_MORE_AFTER_S = 2.0
"""A reply that is begun sooner than this is still an answer to what was asked."""

KEPT_SAID = 8
KEPT_IDS = 20_000
KEPT_PLACES = 1_000
MINUTE_MS = 60_000


class Recent:
    """One pipeline's recollection of its own doings."""

    def __init__(
        self,
        database: Database,
        now_ms: Callable[[], int],
        settings_in: Callable[[ChannelRecord], Settings],
        own_id: Callable[[], int],
    ) -> None:
        self.talk = Talk(database, now_ms, own_id)
        self._settings_in = settings_in
        self._database = database
        self._now_ms = now_ms
        self._judged: OrderedDict[int, None] = OrderedDict()
        self._newest: dict[int, int] = {}
        self._answers: dict[int, deque[int]] = {}
        self._quiet_until: dict[int, int] = {}
        self._excluded: dict[int, bool] = {}
        self._gone: OrderedDict[int, None] = OrderedDict()
        self._heard: dict[int, tuple[int, int, int]] = {}
        """By channel, the newest message of others, its author, and the newest of anybody else."""
        self._said: dict[tuple[int, int], tuple[int, ...]] = {}
        """By channel and author, the newest messages."""

    async def times_begun(self, channel_id: int, message_id: int) -> int | None:
        """How often a reply to the message was begun and never ended; None: it was judged."""
        if channel_id not in self._newest:
            newest = await patiently(self._database.cursor, "live", channel_id) or 0
            self._newest[channel_id] = max(newest, self._newest.get(channel_id, 0))
        if message_id in self._judged:
            return None
        if message_id > self._newest[channel_id]:
            return 0
        row = await patiently(self._database.verdict, message_id)
        if row is None:
            return 0
        return row.attempts if row.outcome == "begun" else None

    def note_judged(self, channel_id: int, message_id: int) -> None:
        """The message has its verdict, on the disk too."""
        _keep(self._judged, message_id)
        self._newest[channel_id] = max(self._newest.get(channel_id, 0), message_id)
        for held in (self._newest, self._quiet_until):
            if len(held) > KEPT_PLACES:  # threads come and go; the database knows them all
                held.pop(next(iter(held)))

    def note_answered(self, channel_id: int, member_id: int) -> None:
        """A reply went out."""
        for who in (channel_id, member_id):
            self._answers.setdefault(who, deque()).append(self._now_ms())
        if len(self._answers) > KEPT_PLACES:
            for who in list(self._answers):
                self.answers_within_a_minute(who)

    def note_spoke(self, sent: SentReply, asked: IncomingMessage, verdict: Verdict) -> None:
        """The persona said this, about what was asked."""
        self.note_answered(asked.channel_id, asked.record.author_id)
        self.talk.note_spoke(sent, asked, verdict)

    def answers_within_a_minute(self, who: int) -> int:
        """How often a member was answered, or in a channel, within the last minute."""
        times = self._answers.get(who)
        if times is None:
            return 0
        while times and times[0] <= self._now_ms() - MINUTE_MS:
            times.popleft()
        if not times:
            del self._answers[who]
        return len(times)

    async def is_quiet(self, channel_id: int) -> bool:
        """Whether somebody asked for silence here and the time is not over."""
        if channel_id not in self._quiet_until:
            until_ms = await patiently(self._database.quiet_until, channel_id)
            self._quiet_until.setdefault(channel_id, until_ms)
        return self._quiet_until[channel_id] > self._now_ms()

    def note_quiet(self, channel_id: int, until_ms: int) -> None:
        """Somebody asked for silence (the database knows already)."""
        self._quiet_until[channel_id] = until_ms

    def note_excluded(self, member_id: int, is_excluded: bool) -> None:
        """A member was left out, or is no longer, since what waits was stored."""
        self._excluded[member_id] = is_excluded
        if is_excluded:
            self.talk.drop(member_id)

    def is_excluded(self, member_id: int, was_excluded: bool) -> bool:
        """`was_excluded` as it was when a message was stored, and what was said of it since."""
        return self._excluded.get(member_id, was_excluded)

    def note_said(self, message: IncomingMessage) -> None:
        """Somebody said something that can be read."""
        if not says_more(message):
            return
        who = message.channel_id, message.record.author_id
        self._said[who] = (*self._said.pop(who, ())[1 - KEPT_SAID :], message.message_id)
        if len(self._said) > KEPT_PLACES:
            self._said.pop(next(iter(self._said)))

    def note_heard(self, message: IncomingMessage) -> None:
        """Somebody else wrote in a channel, whatever it is."""
        channel_id, author_id = message.channel_id, message.record.author_id
        newest, by, before = self._heard.pop(channel_id, (0, 0, 0))
        if message.message_id <= newest:  # read back, or told twice
            before = max(before, message.message_id) if author_id != by else before
        else:
            before = newest if author_id != by else before
            newest, by = message.message_id, author_id
        self._heard[channel_id] = newest, by, before
        if len(self._heard) > KEPT_PLACES:
            self._heard.pop(next(iter(self._heard)))

    def newest_said(self, channel_id: int, but: int = 0) -> int:
        """The id of the newest message that others (`but` that member) wrote in a channel; 0 where
        none is known."""
        newest, by, before = self._heard.get(channel_id, (0, 0, 0))
        return before if by == but else newest

    def has_said_more(self, message: IncomingMessage, age_s: float) -> bool:
        """Whether its author said more while it waited. From any thread."""
        if age_s < SAID_MORE_AFTER_S:
            return False
        who = message.channel_id, message.record.author_id
        later = (one for one in self._said.get(who, ()) if one > message.message_id)
        return not all(self.is_gone(one) for one in later)

    async def as_of_now(self, message: IncomingMessage, facts: Facts, platform: Platform) -> Facts:
        """With what may change while a message waits and while its answer is written."""
        channel_id = message.channel_id
        excluded = self.is_excluded(message.record.author_id, facts.author_is_excluded)
        settings = self._settings_in(message.channel)
        return replace(
            facts,
            channel_is_allowed=facts.channel_is_allowed and platform.listens_to(channel_id),
            author_is_excluded=excluded,
            is_gone=self.is_gone(message.message_id),
            age_s=(self._now_ms() - message.record.created_at_ms) / 1000,
            is_quiet=await self.is_quiet(channel_id),
            lurks=settings.switch("lurk"),
            may_speak=settings.switch("speaks_in_public"),
        )

    def note_deleted(self, message_id: int) -> None:
        """The message was deleted: no reply to it any more."""
        _keep(self._gone, message_id)

    def is_gone(self, message_id: int) -> bool:
        """Whether it was deleted since it came."""
        return message_id in self._gone


def says_more(message: IncomingMessage) -> bool:
    """Whether it may go on with what its author asked; what answers somebody else does not."""
    is_elsewhere = message.record.reply_to_id is not None and not message.answers_persona
    return not is_elsewhere and bool(message.text.strip())


def _keep(ids: OrderedDict[int, None], message_id: int) -> None:
    ids[message_id] = None
    if len(ids) > KEPT_IDS:
        ids.popitem(last=False)
