"""The frozen values that the live flow passes from stage to stage; none is a platform's own.

IncomingMessage -> Verdict -> Memories -> Prompt -> Draft -> SentReply -> Feedback, and the `Trace`
that keeps them for "why did you speak?". What is stored is `storage.records`; what is rendered is
`model.chat_format`. Times of day are milliseconds since 1970 in UTC (`_ms`), durations seconds
(`_s`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from model.chat_format import Note, Turn
from model.writing import StoppedBy
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Readers


class Rights(Enum):
    """What an author may ask of the bot, as the platform knows it."""

    MEMBER = "member"
    MODERATOR = "moderator"
    """May quiet the bot."""
    ADMIN = "admin"
    """May give every order."""


@dataclass(frozen=True)
class IncomingMessage:
    """One message as a platform handed it over, already in our own words."""

    record: MessageRecord
    author: MemberRecord
    channel: ChannelRecord
    mentions_persona: bool = False
    """Whether it mentions the bot's account."""
    answers_persona: bool = False
    """Whether it is a reply to a message of the bot's account."""
    is_playground: bool = False
    """Whether somebody tries the bot out alone: always answered."""
    rights: Rights = Rights.MEMBER
    is_backfill: bool = False
    """Whether it was read back from the history: said while the bot was away."""
    asked_id: int | None = None
    """Of an own message, where the platform tells: the message that it answers."""
    line: int = 0
    """... and its place among the lines of that answer."""

    @property
    def message_id(self) -> int:
        return self.record.message_id

    @property
    def channel_id(self) -> int:
        return self.record.channel_id

    @property
    def text(self) -> str:
        return self.record.content


@dataclass(frozen=True)
class Edited:
    """Somebody changed a message; as it stands now."""

    record: MessageRecord
    author: MemberRecord
    channel: ChannelRecord


@dataclass(frozen=True)
class Deleted:
    """Somebody deleted messages."""

    channel_id: int
    message_ids: tuple[int, ...]
    at_ms: int


@dataclass(frozen=True)
class Reacted:
    """One reaction came (`change` 1) or went (-1)."""

    channel_id: int
    message_id: int
    emoji: str
    change: int
    member_id: int | None = None
    """Whose; None where nobody knows."""
    rights: Rights = Rights.MEMBER


@dataclass(frozen=True)
class ReactionsCleared:
    """All reactions of a message are gone, or all of one emoji."""

    channel_id: int
    message_id: int
    emoji: str | None = None


@dataclass(frozen=True)
class ReadersSeen:
    """Who may read which channel now, by its id."""

    readers: Mapping[int, Readers]


Happening = IncomingMessage | Edited | Deleted | Reacted | ReactionsCleared | ReadersSeen
"""What a platform tells, in the order in which it happened in each channel."""


class ReplyReason(Enum):
    """Why a message is answered, each a sentence for people."""

    PLAYGROUND = "asked in the playground"
    MENTIONED = "you mentioned it"
    ANSWERED = "you replied to it"
    NAMED = "addressed by name"
    ATTENTION = "it goes on with what it just said"
    RELEVANT = "unasked: it concerns it enough"
    ASKED_IF_BOT = "asked whether it is a bot"


class SilentReason(Enum):
    """Why a message is not answered, each a sentence for people."""

    OWN = "own message"
    BOT = "a bot spoke"
    NOT_ALLOWED = "channel not on the allow-list"
    EXCLUDED = "author excluded"
    NOTHING_SAID = "nothing was said: a notice, a bot command, a bare link, no words at all"
    SEEN = "this message was handled already"
    DELETED = "it was deleted meanwhile"
    STALE = "it was said too long ago"
    QUIET = "the channel is to be left in peace for a while"
    SPOKE_SINCE = "not addressed, and the last word in the channel is its own"
    FLOOD = "answered too often within the last minute"
    SAID_MORE = "its author said more before its turn came, and is answered on that"
    TOO_LATE = "its time was over before a word was written"
    BUSY = "more replies wait than can be written"
    RESTING = "a model is being trained on this computer and has the memory"
    WENT_DOWN = "the bot went down twice over this message"
    NOT_YET = "it does not speak in public before its owner has seen a rehearsal"
    LURKING = "it only reads along in this channel"
    QUIET_HOURS = "not addressed, and these are quiet hours"
    OTHERS = "somebody else is addressed"
    COOLING = "not addressed, and it spoke unasked not long ago"
    DAY_FULL = "not addressed, and it spoke unasked often enough within 24 hours"
    BELOW = "not addressed, and it does not concern it enough"


@dataclass(frozen=True)
class Urge:
    """How much a message made the persona want to speak unasked: the sum of its parts, about 0 to
    1, against the threshold. The formula stands in bot/decide.py."""

    relevance: float
    pressure: float
    presence: float
    """What its share of the talk takes away: 0 or less."""
    learned: float
    """What feedback on like situations adds or takes away."""
    total: float
    threshold: float
    why: tuple[str, ...] = ()
    """Short words: "asks the room", "named 'raid'"; in quotes stands what was said."""

    def __str__(self) -> str:
        """To be kept: figures, and why without what stands in quotes, that was said."""
        parts = ("relevance", "pressure", "presence", "learned")
        shown = [f"{name} {getattr(self, name):+.2f}" for name in parts if getattr(self, name)]
        shown += [one.partition(" '")[0] for one in self.why]
        return f"{self.total:.2f} of {self.threshold:.2f}: {', '.join(shown) or 'nothing'}"

    def as_json(self) -> dict[str, object]:
        return {**vars(self), "why": list(self.why)}


@dataclass(frozen=True)
class Reply:
    """The verdict to answer."""

    reason: ReplyReason
    detail: str = ""
    urge: Urge | None = field(default=None, compare=False)
    """Where it was not asked."""

    def __str__(self) -> str:
        return _sentence("reply", self.reason.value, self.detail)


@dataclass(frozen=True)
class Silent:
    """The verdict to say nothing."""

    reason: SilentReason
    detail: str = ""
    urge: Urge | None = field(default=None, compare=False)
    """Where it was not asked, and nothing else forbade it."""

    def __str__(self) -> str:
        return _sentence("silent", self.reason.value, self.detail)


Verdict = Reply | Silent


@dataclass(frozen=True)
class Memory:
    """One earlier message that was found for the message at hand."""

    message_id: int
    note: Note
    score: float
    """Higher is nearer; comparable within one search alone."""


@dataclass(frozen=True)
class Memories:
    """What was recalled, best first. `found_by` says which ways of searching had a part."""

    items: tuple[Memory, ...] = ()
    found_by: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[Note, ...]:
        return tuple(memory.note for memory in self.items)


@dataclass(frozen=True)
class Prompt:
    """All that the engine is asked with: tokens, and what they were made from."""

    ids: tuple[int, ...]
    persona: str
    turns: tuple[Turn, ...]
    names: tuple[str, ...]
    """Everyone but the persona who speaks in `turns`, in order of appearance."""
    dropped: int = 0
    """How many of the oldest turns were left out to make room."""
    unread: int = 0
    """How many of the newest turns were left out since the model had not read them yet."""
    key: Hashable = None
    """The conversation in the engine that has read it along."""

    @property
    def tokens(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Draft:
    """What the model wrote, before anybody may see it."""

    text: str
    seed: int
    evaluated_tokens: int
    """Prompt tokens that were computed; the others stood in the engine's cache."""
    reply_tokens: int
    stopped_by: StoppedBy = StoppedBy.END


class RefusedBecause(Enum):
    """Why guard lets nothing of a draft out, each a sentence for people."""

    EMPTY = "nothing of its own was left"
    ECHO = "it only repeated the message that it answers"
    LINK = "little but a link was left, and links are not allowed to there"
    PERSONAL = "it held personal data"
    PROMPT = "it gave away its instructions"
    VERBATIM = "it repeated word for word what somebody said out of view"
    UNSETTLED = "it could not be made harmless"
    SAID_TODAY = "it said that line within the last 24 hours"


@dataclass(frozen=True)
class Allowed:
    """Guard lets this text out. `changes` names what was done to the draft."""

    text: str
    changes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "allowed" + (f", {', '.join(self.changes)}" if self.changes else "")


@dataclass(frozen=True)
class Refused:
    """Guard lets nothing out."""

    reason: RefusedBecause

    def __str__(self) -> str:
        return f"refused: {self.reason.value}"


GuardVerdict = Allowed | Refused


@dataclass(frozen=True)
class SentLine:
    """One message of a reply, as a platform has accepted it."""

    message_id: int
    channel_id: int
    text: str
    sent_at_ms: int
    asked_id: int
    """The message that the reply answers, shown as that or not."""
    line: int = 0
    """Its place among the reply's lines."""
    reply_to_id: int | None = None
    """The message that it shows as answered."""
    edited_at_ms: int | None = None


@dataclass(frozen=True)
class SentReply:
    """What went out of a reply: one message or several, at least one."""

    lines: tuple[SentLine, ...]

    @property
    def message_id(self) -> int:
        """Of its first message, as are the others."""
        return self.lines[0].message_id

    @property
    def message_ids(self) -> tuple[int, ...]:
        """Of all its messages."""
        return tuple(line.message_id for line in self.lines)

    @property
    def channel_id(self) -> int:
        return self.lines[0].channel_id

    @property
    def asked_id(self) -> int:
        return self.lines[0].asked_id

    @property
    def reply_to_id(self) -> int | None:
        return self.lines[0].reply_to_id

    @property
    def sent_at_ms(self) -> int:
        return self.lines[0].sent_at_ms

    @property
    def text(self) -> str:
        """All of it, with line breaks between its messages."""
        return "\n".join(line.text for line in self.lines)


@dataclass(frozen=True)
class Feedback:
    """What was recorded about a reply. Reactions, answers and deletions will add their score."""

    reply_id: int
    asked_id: int
    recorded_at_ms: int


SAID_ON = "said on"
"""The stage in which the lines after the first one went out."""


@dataclass(frozen=True)
class Trace:
    """How one message was handled; answers "why did you speak?" and "why so slow?"."""

    message_id: int
    channel_id: int
    verdict: Verdict
    notes: tuple[Note, ...] = ()
    found_by: tuple[str, ...] = ()
    prompt_tokens: int = 0
    unread: int = 0
    """Lines that were left out of the prompt since the model had not read them yet."""
    evaluated_tokens: int = 0
    """Over all attempts, as `reply_tokens`."""
    reply_tokens: int = 0
    attempts: int = 0
    guard: GuardVerdict | None = None
    sent: SentReply | None = None
    reacted: str = ""
    """The emoji that it put under the message in place of words."""
    feedback: Feedback | None = None
    model_sha256: str = ""
    error: str = ""
    """What went wrong in a stage, for people; no words were sent then."""
    timings_s: tuple[tuple[str, float], ...] = ()
    """Seconds of each stage, in the order in which they ran."""

    @property
    def total_s(self) -> float:
        """Seconds from the message's arrival to the end of its handling, but for the lines that
        followed the first one at people's pace."""
        return sum(seconds for stage, seconds in self.timings_s if stage != SAID_ON)

    def explain(self) -> str:
        """The trace as a few lines for people."""
        lines = [f"verdict: {self.verdict}"]
        if (urge := self.verdict.urge) is not None and urge.why:
            lines.append(f"urge: {', '.join(urge.why)}")
        lines += [f"recalled: {note.text}" for note in self.notes]
        if self.attempts:
            lines.append(
                f"tokens: {self.prompt_tokens} in the prompt, {self.evaluated_tokens} evaluated, "
                f"{self.reply_tokens} written in {self.attempts} attempt(s)"
            )
        if self.unread:
            lines.append(f"not read yet: {self.unread} of the lines before, said too fast")
        if self.error:
            lines.append(f"failed: {self.error}")
        if self.guard is not None:
            lines.append(f"guard: {self.guard}")
        if self.reacted:
            lines.append(f"reacted: {self.reacted}, as people here do to such a line")
        if self.sent is not None and len(self.sent.lines) > 1:
            lines.append(f"sent: {len(self.sent.lines)} messages")
        lines.append("seconds: " + ", ".join(f"{name} {s:.3f}" for name, s in self.timings_s))
        if self.model_sha256:
            lines.append(f"model: sha256 {self.model_sha256}")
        return "\n".join(lines)


def _sentence(verdict: str, reason: str, detail: str) -> str:
    return f"{verdict}: {reason}" + (f" ({detail})" if detail else "")
