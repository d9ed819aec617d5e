"""What orders are made of: the table's rows, an order as it was given, its answer, and the bot that
carries it out. Values; any thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from bot.answers import BotData, BotStatus
from bot.messages import Rights
from storage.errors import MynahError
from storage.records import ChannelRecord, MemberRecord, VerdictRow
from storage.settings import Settings, Value

if TYPE_CHECKING:
    from data.consent import Coverage, Rules
    from data.forgetting import ForgetReport
    from data.member_view import MemberView

_RANK = {Rights.MEMBER: 0, Rights.MODERATOR: 1, Rights.ADMIN: 2}


class OrderError(MynahError):
    """An order that cannot be carried out as it was given; the sentence says how it can."""


@dataclass(frozen=True)
class File:
    """A file that goes with an answer."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Button:
    """A button under a message. Who presses it gives the order, with their own rights."""

    label: str
    order: str
    argument: str
    look: Literal["plain", "good", "danger"] = "plain"


class PrivacyOrders(Protocol):
    """What orders about whose words are stored need. Each may take seconds, `forget` minutes."""

    async def view(self, member_id: int) -> MemberView:
        """What is stored of a member."""

    async def export(self, member_id: int) -> File | None:
        """All of that with their words; None where it is too large for Discord."""

    async def choose(self, member_id: int, consent: str) -> MemberRecord | None:
        """Keep whether they may be learned from (opted_in, opted_out); it acts at once.

        Returns the member; None: they were forgotten, and stay so. `opted_in` takes a forgotten
        member's tombstone away. Raises DatabaseError.
        """

    async def forget(self, member_id: int) -> ForgetReport:
        """Erase a member for good. Raises MynahError where that could not be begun."""

    async def rules(self) -> Rules:
        """What this home learns from."""

    async def coverage(self) -> Coverage:
        """Of how many, and of how much, that is."""

    async def ask(self, channel_id: int, text: str, buttons: tuple[Button, ...]) -> None:
        """Post a message with buttons. Raises DeliveryError."""


class BotOrders(Protocol):
    """What orders need of the bot. A MynahError's sentence becomes the answer."""

    @property
    def privacy(self) -> PrivacyOrders:
        """Whose words are stored, and what becomes of them."""

    def settings(self) -> Settings:
        """What counts now."""

    async def set_setting(self, name: str, text: str) -> Value:
        """Store a setting and apply it where it is live. Raises SettingError with the range."""

    async def settings_in(self, channel_id: int) -> Settings:
        """What counts in a channel now."""

    async def set_in_channel(self, channel_id: int, name: str, text: str | None) -> Settings:
        """Give a channel a value of its own, or None: take it away; what counts there then.
        Raises SettingError with the range."""

    def personas(self) -> list[str]:
        """The persona files that there are."""

    def persona_in(self, channel: ChannelRecord) -> str:
        """Which of them counts in a channel, and why."""

    async def status(self) -> BotStatus:
        """How the bot is; keys that are not known may be missing."""

    async def restart(self) -> None:
        """Begin to end with ExitCode.RESTART and return at once."""

    async def fetch(self, channel_id: int) -> str:
        """Start fetching the listed channels' history; what to answer now.

        How it ended is said in that channel.
        """

    async def train(self, channel_id: int) -> str:
        """Start the training; what to answer now, or how to get it where it cannot run here.

        How it ended is said in that channel.
        """

    async def botdata(self) -> BotData:
        """What is stored."""

    async def why(self, channel_id: int, n: int) -> list[VerdictRow]:
        """The last `n` verdicts in a channel, newest first."""

    async def set_quiet(self, channel: ChannelRecord, until_ms: int) -> None:
        """Say nothing in a channel until then; 0: speak again."""

    async def exclude(self, member_id: int, is_excluded: bool) -> None:
        """Leave a member out of everything, or take that back."""

    async def find_members(self, text: str) -> list[MemberRecord]:
        """Those of that id, nickname or account name, in any case."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 in UTC."""


@dataclass(frozen=True)
class SlashArgument:
    """The one thing that an order may be given. `low` and `high` are inclusive."""

    name: str
    help: str
    kind: Literal["number", "integer", "text"] = "text"
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    is_required: bool = False


@dataclass(frozen=True)
class SlashPart:
    """One of the commands that a slash command consists of: `/privacy show`."""

    name: str
    help: str


@dataclass(frozen=True)
class SlashOrder:
    """An order as a slash command: with an argument, in parts, or neither."""

    name: str
    description: str
    argument: SlashArgument | None
    rights: Rights
    """The least that the asker needs."""
    parts: tuple[SlashPart, ...] = ()
    by_channel: bool = False
    """Whether it may be meant for this channel alone: an argument that ends with "here"."""


@dataclass(frozen=True)
class Answer:
    """What to say to an order: at most 2,000 characters without a ping in them."""

    text: str
    private: bool = False
    """By direct message (a slash command: for the asker's eyes alone); nothing in the open."""
    then: Callable[[], Awaitable[None]] | None = None
    """To be awaited once the answer is out, or could not be delivered."""
    file: File | None = None
    """Of private answers alone, as are buttons."""
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True)
class Order:
    """One order as somebody gave it."""

    spec: OrderSpec
    argument: str
    channel: ChannelRecord
    """Where it was given; a slash command knows the ids alone."""
    member_id: int
    rights: Rights
    message_id: int | None = None
    """None: a slash command."""
    mentioned_ids: tuple[int, ...] = ()
    is_answer: bool = False
    """Whether it answers somebody, who is mentioned by that then without being named."""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def channel_id(self) -> int:
        return self.channel.channel_id

    @property
    def guild_id(self) -> int:
        return self.channel.guild_id


Handler = Callable[[BotOrders, Order], Awaitable[Answer]]


@dataclass(frozen=True)
class OrderSpec:
    """One row of the table."""

    name: str
    help: str
    handler: Handler
    argument: SlashArgument | None = None
    usage: str = ""
    """What may follow the name: "[n]"."""
    rights: Rights = Rights.ADMIN
    parts: tuple[SlashPart, ...] = ()
    """Of the slash command, in place of an argument; typed, each is the word behind the name."""
    is_private: bool = False
    """Answered by direct message; a slash command's answer is private anyway."""
    is_hidden: bool = False
    """Neither in !help nor a slash command."""
    by_channel: bool = False
    """Whether "here" may follow the argument."""
    is_repeatable: bool = True
    """False: never taken out of a backfill, for the bot that it ends would read it again."""

    def is_for(self, rights: Rights) -> bool:
        """Whether somebody with these rights may give it."""
        return _RANK[rights] >= _RANK[self.rights]
