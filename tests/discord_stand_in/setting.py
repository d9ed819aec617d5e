"""Who and what there is on the stand-in: servers, channels, people, messages, rights."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.discord_stand_in.events import Event, Intent
from tests.discord_stand_in.refusals import ApiError
from tests.discord_stand_in.sayings import Interaction, Message
from tests.discord_stand_in.things import (
    ALL_PERMISSIONS,
    Allow,
    Channel,
    ChannelKind,
    Guild,
    Json,
    Member,
    Overwrite,
    User,
    snowflake,
)


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Setting:
    """The state, and how to look things up in it."""

    def __init__(self, clock_ms: Callable[[], int] = wall_clock_ms) -> None:
        self.clock_ms = clock_ms
        self.bot_id = 0
        self.maker_id = 0
        """Who made the bot's application."""
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.messages: dict[int, Message] = {}
        self.unseen: dict[int, Message] = {}
        """Ephemeral messages: in no channel."""
        self.direct: dict[int, Channel] = {}
        """Direct channels, by the other account's id."""
        self.direct_refused: set[int] = set()
        """Accounts that take no direct messages from the bot."""
        self.commands: dict[int | None, dict[int, Json]] = {None: {}}
        """Application commands by server (None: global), then by id."""
        self.interactions: dict[str, Interaction] = {}
        """By token."""
        self.posted: list[Message] = []
        """Every message that the bot posted, in order."""
        self.typings: list[int] = []
        """The channels in which the bot showed that it types, in order."""
        self.privileged_intents = True
        """Whether the application may have them."""
        self.content_hidden = False
        """Whether nobody is given the content of others' messages, whatever the intents."""
        self.answer_within_s = 3.0
        """An interaction that has no answer by then is forgotten."""
        self.gateway_url = ""
        self.real_limits = False
        """Whether Discord's own rate limits are in force (`faults.REAL_LIMITS`)."""
        self.listener: Callable[[Event], None] = lambda event: None
        self.nonces: dict[tuple[int, str], tuple[int, float]] = {}
        self._channels: dict[int, Channel] = {}
        self._last_id = 0

    def new_id(self, at_ms: int | None = None) -> int:
        """The next snowflake; with `at_ms` one of that time. No two are the same."""
        if at_ms is None:
            made = max(snowflake(self.clock_ms()), self._last_id + 1)
            self._last_id = made
            return made
        made = snowflake(at_ms)
        while made in self.messages:
            made += 1
        return made

    def tell(
        self,
        name: str,
        intent: Intent,
        data: Callable[[bool], Json] | Json,
        channel: Channel | None = None,
    ) -> None:
        """Dispatches an event to every session that asked for `intent` and may see `channel`."""
        made = data if callable(data) else (lambda strip, fixed=data: fixed)
        self.listener(Event(name, intent, made, channel))

    @property
    def strips_rest(self) -> bool:
        """Whether REST leaves out the content of others' messages."""
        return self.content_hidden or not self.privileged_intents

    def channel(self, channel_id: int) -> Channel:
        """Raises `ApiError` 404 where there is none, as Discord answers."""
        found = self._channels.get(channel_id)
        if found is None:
            raise ApiError(404, 10003, "Unknown Channel")
        return found

    def message(self, channel_id: int, message_id: int) -> Message:
        """Raises `ApiError` 404 where the channel has no such message."""
        found = self.messages.get(message_id)
        if found is None or found.channel_id != channel_id:
            raise ApiError(404, 10008, "Unknown Message")
        return found

    def any_message(self, message_id: int) -> Message:
        """A message of any channel, ephemeral ones too."""
        return self.messages.get(message_id) or self.unseen[message_id]

    def direct_channel(self, user_id: int) -> Channel:
        """The direct channel between the bot and an account; it comes at the first use."""
        if user_id not in self.direct:
            channel = Channel(self.new_id(), "", ChannelKind.DM, recipients=[user_id])
            self.direct[user_id] = channel
            self._channels[channel.id] = channel
        return self.direct[user_id]

    def threads(self, guild_id: int, *, archived: bool) -> list[Channel]:
        """The threads of a server that the bot may see, newest first."""
        channels = reversed(self.guilds[guild_id].channels.values())
        threads = [c for c in channels if c.is_thread and c.archived is archived]
        return [thread for thread in threads if self.bot_may(thread, Allow.VIEW_CHANNEL)]

    def permissions(self, member: Member, channel: Channel) -> int:
        """What a member may do in a channel, reckoned as Discord does."""
        guild = self.guilds[channel.guild_id or 0]
        if member.id == guild.owner_id:
            return ALL_PERMISSIONS
        everyone = guild.roles[guild.id]
        roles = [everyone, *(guild.roles[r] for r in member.roles if r in guild.roles)]
        base = 0
        for role in roles:
            base |= role.permissions
        if base & Allow.ADMINISTRATOR:
            return ALL_PERMISSIONS
        source = (
            self.channel(channel.parent_id) if channel.is_thread and channel.parent_id else channel
        )
        return _overwritten(base, source.overwrites, member, everyone.id)

    def bot_may(self, channel: Channel, permission: int) -> bool:
        if channel.guild_id is None:
            return True
        guild = self.guilds.get(channel.guild_id)
        if guild is None:
            return False
        may = self.permissions(guild.members[self.bot_id], channel)
        if channel.kind is ChannelKind.PRIVATE_THREAD and not may & Allow.MANAGE_THREADS:
            return self.bot_id in channel.thread_members and bool(may & permission)
        return bool(may & permission)

    def always_readable(self, message: Message) -> bool:
        """Whether its content is given even without the intent: the bot's own, direct messages,
        and what mentions the bot."""
        own = message.author_id == self.bot_id or self.bot_id in message.mentions
        return own or self.channel(message.channel_id).guild_id is None


def _overwritten(base: int, overwrites: list[Overwrite], member: Member, everyone_id: int) -> int:
    first = [o for o in overwrites if o.id == everyone_id]
    second = [o for o in overwrites if o.kind == 0 and o.id in member.roles]
    third = [o for o in overwrites if o.kind == 1 and o.id == member.id]
    for step in (first, second, third):
        allow = deny = 0
        for one in step:
            allow |= one.allow
            deny |= one.deny
        base = (base & ~deny) | allow
    return base
