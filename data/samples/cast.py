"""The people, places and messages of an invented community, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

DISCORD_EPOCH_MS = 1_420_070_400_000  # 2015-01-01T00:00Z, where snowflakes start counting


@dataclass(frozen=True)
class Voice:
    """How a member writes. Rates are probabilities from 0 to 1."""

    case: str = "lower"  # lower, sentence, upper
    end_mark: str = ""  # what closes a plain statement: "", ".", "!", "..."
    end_rate: float = 1.0
    question_mark_rate: float = 0.8
    keeps_commas: float = 1.0
    keeps_apostrophes: bool = True
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # yes, no, laugh, ...
    openers: tuple[str, ...] = ()
    opener_rate: float = 0.0
    closers: tuple[str, ...] = ()
    closer_rate: float = 0.0
    slang: tuple[tuple[str, str], ...] = ()
    slang_rate: float = 0.9
    typo_rate: float = 0.0  # a word
    emoji: tuple[str, ...] = ()
    emoji_rate: float = 0.0
    stretch_rate: float = 0.0
    split_rate: float = 0.05
    shout_rate: float = 0.0
    fullness: float = 0.5  # how often the optional half of a sentence is said
    catchphrases: tuple[str, ...] = ()
    catchphrase_rate: float = 0.0


@dataclass(frozen=True)
class Member:
    """One account; `activity` is its share of the talk before hours and tastes apply."""

    id: str
    name: str
    nick: str
    voice: Voice
    activity: float = 1.0
    peak_hour: float = 20.0  # UTC
    awake_hours: float = 7.0  # half-width of the day around the peak
    weekend: float = 1.0  # Saturday and Sunday against other days
    likes: Mapping[str, float] = field(default_factory=dict)  # topic or tag -> factor
    facts: Mapping[str, str] = field(default_factory=dict)  # pet, gpu, ...
    joined_day: int = 0
    is_bot: bool = False


@dataclass(frozen=True)
class Channel:
    """A text channel or a thread, with the topic tags talked about there."""

    id: str
    name: str
    category: str
    category_id: str
    about: str = ""
    tags: tuple[str, ...] = ()
    weight: float = 1.0
    kind: str = "GuildTextChat"


@dataclass(frozen=True)
class Plant:
    """A question and an answer that carries one planted personal string."""

    secret: str
    ask: str
    answer: str
    thanks: str = "thanks, got it"


@dataclass(frozen=True)
class Community:
    """A server: who talks, where, about which invented things."""

    id: str
    name: str
    members: tuple[Member, ...]
    dice_bot: Member
    music_bot: Member
    channels: tuple[Channel, ...]
    entities: Mapping[str, tuple[str, ...]]  # slot -> values (game, boss, item, ...)
    sayings: tuple[str, ...]  # shared jokes, as templates that follow any line
    extra_bank: str  # topics only this community has, in the bank's notation
    custom_emoji: tuple[str, ...]
    start: datetime
    days: int
    plants: tuple[Plant, ...] = ()
    oddities: tuple[str, ...] = ()  # lines kept to the letter (odd encodings, emoji walls)
    thread_titles: tuple[str, ...] = ()


@dataclass(frozen=True)
class SampleMessage:
    """One message with what the export does not tell: its conversation and what it answers."""

    id: str
    channel_id: str
    timestamp_ms: int
    author: Member
    content: str
    kind: str = "Default"
    conversation: int = -1
    act: str = "tell"  # ask, answer, second, react, tell, short, command, bot, system
    asked: str = ""  # of an ask: when, which, how, yesno, who, what
    topic: str = ""
    answers_id: str | None = None  # gold link, whether or not Discord's reply was used
    reference_id: str | None = None
    edited_ms: int | None = None
    pinned: bool = False
    mentions: tuple[Member, ...] = ()
    attachments: tuple[str, ...] = ()  # file names
    reactions: tuple[tuple[str, int], ...] = ()
    sticker: str = ""


@dataclass(frozen=True)
class Simulation:
    """Channels (threads after their parents) and each one's messages in time order."""

    community: Community
    channels: tuple[Channel, ...]
    messages: Mapping[str, tuple[SampleMessage, ...]]

    def all_messages(self) -> list[SampleMessage]:
        """Every message of every channel, by time."""
        merged = [m for channel in self.channels for m in self.messages[channel.id]]
        return sorted(merged, key=lambda m: int(m.id))


def snowflake(timestamp_ms: int, sequence: int) -> str:
    """Discord's id of a moment: milliseconds since 2015 above 22 bits of sequence."""
    return str((timestamp_ms - DISCORD_EPOCH_MS) << 22 | sequence % (1 << 22))
