"""What was said lately in each channel, and what the persona said there unasked.

In memory, with `messages` and `verdicts` behind it, so that a restarted bot knows what it did. Only
ids, names and times are kept, and of whom it may read alone. Called from the event loop's thread;
the database is asked in worker threads: once for each channel, and once for the day.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.messages import IncomingMessage, ReplyReason, SentReply, Verdict
from bot.patience import patiently

if TYPE_CHECKING:
    from storage.database import Database
    from storage.records import MessageRecord

KEPT_LINES = 64
KEPT_ROOMS = 500
DAY_MS = 24 * 60 * 60 * 1000
SHARE_MS = 5 * 60_000
"""Over which its share of the talk is counted."""
ENGAGED_MS = 2 * 60_000
"""How long somebody who was spoken to is taken to answer that."""
NEVER_S = 1e9


@dataclass(frozen=True, order=True)
class TalkLine:
    """One message of the talk, without its words."""

    message_id: int
    author_id: int = field(compare=False)
    name: str = field(compare=False)
    at_ms: int = field(compare=False)
    to_id: int | None = field(default=None, compare=False)
    """Whom it is clearly meant for."""


@dataclass
class Room:
    """One channel's talk."""

    lines: list[TalkLine] = field(default_factory=list)
    """The newest KEPT_LINES, oldest first."""
    answered: dict[int, int] = field(default_factory=dict)
    """By own message: the member whom it answered."""
    attended: int = 0
    """How often in a row the persona went on by itself, unaddressed."""
    began_unasked: bool = False
    """Whether it had begun to speak unasked."""

    def add(self, line: TalkLine) -> None:
        if any(one.message_id == line.message_id for one in self.lines[-8:]):
            return
        insort(self.lines, line)
        del self.lines[:-KEPT_LINES]

    def note_reason(self, reason: str) -> None:
        """The persona spoke for that reason (a ReplyReason's value)."""
        if reason == ReplyReason.ATTENTION.value:
            self.attended += 1
        else:
            self.attended, self.began_unasked = 0, reason == ReplyReason.RELEVANT.value

    def before(self, message_id: int) -> list[TalkLine]:
        at = len(self.lines)
        while at and self.lines[at - 1].message_id >= message_id:
            at -= 1
        return self.lines[:at]


@dataclass(frozen=True)
class TalkFacts:
    """What a verdict needs to know of the talk before a message. Times in seconds; NEVER_S: not
    that is known."""

    people: Mapping[str, int] = field(default_factory=dict)
    """The names of the others who spoke lately and who they are, who spoke last first."""
    said_since: int = 0
    """Messages since the persona spoke last, KEPT_LINES at most, the one at hand included."""
    share: float = 0.0
    """The persona's share of the messages within the last 5 minutes."""
    since_spoke_s: float = NEVER_S
    is_right_behind: bool = False
    """Whether the message stands right behind the persona's own."""
    since_answered_s: float = NEVER_S
    """Since the persona answered the author, who said nothing since then."""
    attended: int = 0
    """How often in a row the persona went on unaddressed."""
    began_unasked: bool = False
    """Whether it had begun to speak unasked, before it went on."""
    answers_other: bool = False
    """Whether it explicitly replies to somebody else."""
    replied_to: int | None = None
    """To whom, where that is known."""
    is_engaged: bool = False
    """Whether its author and somebody else are talking with each other."""
    unasked_channel_s: float = NEVER_S
    """Since the persona spoke here unasked."""
    unasked_member_s: float = NEVER_S
    """Since it spoke unasked about something of this author's."""
    unasked_today: int = 0
    """How often it spoke unasked within 24 hours."""


@dataclass(frozen=True)
class Unasked:
    """One time that the persona spoke unasked."""

    at_ms: int
    channel_id: int
    member_id: int


class Talk:
    """One pipeline's."""

    def __init__(
        self, database: Database, now_ms: Callable[[], int], own_id: Callable[[], int]
    ) -> None:
        self._database = database
        self._now_ms = now_ms
        self._own_id = own_id
        self._rooms: OrderedDict[int, Room] = OrderedDict()
        self._unasked: deque[Unasked] | None = None

    async def facts(self, message: IncomingMessage) -> TalkFacts:
        """Of the talk before the message. Raises DatabaseError."""
        own_id = self._own_id()
        room = await self._room(message.channel_id, message.message_id)
        unasked = await self._today()
        now_ms, author_id = self._now_ms(), message.record.author_id
        here = [one.at_ms for one in unasked if one.channel_id == message.channel_id]
        theirs = [one.at_ms for one in unasked if one.member_id == author_id]
        before = room.before(message.message_id)
        own = next((one for one in reversed(before) if one.author_id == own_id), None)
        at_ms = message.record.created_at_ms
        since = [x for x in before if own is None or x.message_id > own.message_id]
        near = [one for one in before if one.at_ms > at_ms - SHARE_MS]
        return TalkFacts(
            people=_people(before, {own_id, author_id}),
            said_since=min(KEPT_LINES, 1 + len(since)),
            share=sum(one.author_id == own_id for one in near) / (len(near) + 1),
            since_spoke_s=NEVER_S if own is None else (at_ms - own.at_ms) / 1000,
            is_right_behind=own is not None and not since,
            since_answered_s=_since_answered_s(message, before, room.answered),
            attended=room.attended,
            began_unasked=room.began_unasked,
            answers_other=_answers_other(message, before),
            replied_to=_replied_to(message, before),
            is_engaged=_is_engaged(message, before, own_id),
            unasked_channel_s=(now_ms - max(here)) / 1000 if here else NEVER_S,
            unasked_member_s=(now_ms - max(theirs)) / 1000 if theirs else NEVER_S,
            unasked_today=len(unasked),
        )

    def note_said(self, message: IncomingMessage, to_id: int | None = None) -> None:
        """A message had its verdict and may be read, or is the persona's own that was found again.
        `to_id` is whom it is clearly meant for."""
        if (room := self._rooms.get(message.channel_id)) is not None:
            record = message.record
            room.add(
                TalkLine(
                    record.message_id,
                    record.author_id,
                    message.author.nickname,
                    record.created_at_ms,
                    to_id,
                )
            )

    def note_spoke(self, sent: SentReply, asked: IncomingMessage, verdict: Verdict) -> None:
        """The persona said this, about what was asked."""
        member_id = asked.record.author_id
        if (room := self._rooms.get(sent.channel_id)) is not None:
            for line in sent.lines:
                at_ms = line.sent_at_ms
                room.add(TalkLine(line.message_id, self._own_id(), "", at_ms, member_id))
                room.answered[line.message_id] = member_id
            room.note_reason(verdict.reason.value)
            for old in list(room.answered)[:-KEPT_LINES]:
                del room.answered[old]
        if verdict.reason is ReplyReason.RELEVANT and self._unasked is not None:
            self._unasked.append(Unasked(self._now_ms(), sent.channel_id, member_id))

    def drop(self, member_id: int) -> None:
        """Know nothing of what a member said any more."""
        for room in self._rooms.values():
            room.lines = [one for one in room.lines if one.author_id != member_id]

    # -- from the database ----------------------------------------------------------------------

    async def _room(self, channel_id: int, message_id: int) -> Room:
        if channel_id not in self._rooms:
            read = await patiently(self._read, channel_id, message_id)
            self._rooms.setdefault(channel_id, read)
            if len(self._rooms) > KEPT_ROOMS:  # threads come and go
                self._rooms.popitem(last=False)
        self._rooms.move_to_end(channel_id)
        return self._rooms[channel_id]

    def _read(self, channel_id: int, message_id: int) -> Room:
        """What stands before the message. In a worker thread."""
        records = self._database.recent_messages(channel_id, KEPT_LINES, before_id=message_id)
        authors = {record.message_id: record.author_id for record in records}
        room, counted = Room(), set[int]()
        for record in records:
            if record.author_id == self._own_id():
                self._read_own(room, record, counted)
            elif (name := self._name_of(record.author_id)) is not None:
                to_id = authors.get(record.reply_to_id or 0)
                at_ms = record.created_at_ms
                room.lines.append(TalkLine(record.message_id, record.author_id, name, at_ms, to_id))
        return room

    def _read_own(self, room: Room, record: MessageRecord, counted: set[int]) -> None:
        """The answer to an order is none of the persona's words. `counted`: what was answered
        before, for an answer may be several messages."""
        reply = self._database.reply(record.message_id)
        if reply is None:
            return
        at_ms = record.created_at_ms
        for asked in self._database.messages_by_id([reply.asked_id]):
            room.answered[record.message_id] = asked.author_id
        verdict = self._database.verdict(reply.asked_id)
        if verdict is not None and reply.asked_id not in counted:
            room.note_reason(verdict.reason)
        counted.add(reply.asked_id)
        to_id = room.answered.get(record.message_id)
        room.lines.append(TalkLine(record.message_id, record.author_id, "", at_ms, to_id))

    def _name_of(self, member_id: int) -> str | None:
        """None: what they say is not read."""
        member = self._database.member(member_id)
        is_read = member is not None and not (member.is_bot or member.is_excluded)
        return member.nickname if member is not None and is_read else None

    async def _today(self) -> Sequence[Unasked]:
        """Within 24 hours, oldest first."""
        since_ms = self._now_ms() - DAY_MS
        if self._unasked is None:
            rows = await patiently(
                self._database.replied_since, ReplyReason.RELEVANT.value, since_ms
            )
            self._unasked = deque(Unasked(*row) for row in rows)
        while self._unasked and self._unasked[0].at_ms <= since_ms:
            self._unasked.popleft()
        return self._unasked


def _people(before: Sequence[TalkLine], but: set[int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in reversed(before):
        if one.author_id not in but and one.name:
            found.setdefault(one.name, one.author_id)
    return found


def _since_answered_s(
    message: IncomingMessage, before: Sequence[TalkLine], answered: Mapping[int, int]
) -> float:
    author_id = message.record.author_id
    for one in reversed(before):
        if one.author_id == author_id:
            break
        if answered.get(one.message_id) == author_id:
            return (message.record.created_at_ms - one.at_ms) / 1000
    return NEVER_S


def _replied_to(message: IncomingMessage, before: Sequence[TalkLine]) -> int | None:
    """Somebody else, the persona apart, whose line it answers."""
    if (to_id := message.record.reply_to_id) is None or message.answers_persona:
        return None
    found = next((one.author_id for one in before if one.message_id == to_id), None)
    return None if found == message.record.author_id else found


def _answers_other(message: IncomingMessage, before: Sequence[TalkLine]) -> bool:
    """Also where it is not known whom: people reply to others far more than to themselves."""
    if (to_id := message.record.reply_to_id) is None or message.answers_persona:
        return False
    author_id = message.record.author_id
    return not any(one.message_id == to_id and one.author_id == author_id for one in before)


def _is_engaged(message: IncomingMessage, before: Sequence[TalkLine], own_id: int) -> bool:
    """Somebody just spoke to the author, or the author to somebody; or two have the room to
    themselves."""
    author_id, since_ms = message.record.author_id, message.record.created_at_ms - ENGAGED_MS
    near = [one for one in before[-12:] if one.at_ms > since_ms]
    for one in near:
        if one.author_id != own_id and one.to_id == author_id:
            return True
        if one.author_id == author_id and one.to_id not in (None, own_id, author_id):
            return True
    counts = Counter(one.author_id for one in near[-6:])
    return len(near) >= 4 and len(counts) == 2 and author_id in counts and own_id not in counts
