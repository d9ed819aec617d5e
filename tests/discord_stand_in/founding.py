"""How servers, channels, people and rights come, change and go on the stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tests.discord_stand_in import payloads
from tests.discord_stand_in.events import Intent
from tests.discord_stand_in.setting import Setting, wall_clock_ms
from tests.discord_stand_in.things import (
    EVERYONE_MAY,
    Channel,
    ChannelKind,
    Emoji,
    Guild,
    Json,
    Member,
    Overwrite,
    Role,
    User,
)


class Founding(Setting):
    """It begins with one server: `guild`, its channels `general` and `random`, its owner `carol`,
    its members `alice` and `bob`, and the bot. Every change is told to the bot."""

    def __init__(
        self, *, bot_name: str = "mynah", clock_ms: Callable[[], int] = wall_clock_ms
    ) -> None:
        super().__init__(clock_ms)
        self.bot_id = self.add_user(bot_name, is_bot=True).id
        self._found_first_guild()

    def _found_first_guild(self) -> None:
        owner = self.add_user("carol")
        self.maker_id = owner.id
        self.guild = self.add_guild("The Nest", owner)
        self.general = self.add_channel("general")
        self.random = self.add_channel("random")
        self.carol = self.guild.members[owner.id]
        self.alice = self.add_member("alice")
        self.bob = self.add_member("bob")

    def add_user(self, name: str, *, display_name: str | None = None, is_bot: bool = False) -> User:
        user = User(self.new_id(), name, display_name, is_bot)
        self.users[user.id] = user
        return user

    def add_guild(self, name: str, owner: User) -> Guild:
        """A server with its owner and the bot, whose managed role may do what it needs."""
        now_ms = self.clock_ms()
        guild = Guild(self.new_id(), name, owner.id, joined_ms=now_ms)
        guild.roles[guild.id] = Role(guild.id, "@everyone", int(EVERYONE_MAY), position=0)
        own = Role(self.new_id(), "mynah", int(EVERYONE_MAY), managed=True, bot_id=self.bot_id)
        guild.roles[own.id] = own
        bot = self.users[self.bot_id]
        guild.members[bot.id] = Member(bot, guild.id, roles=[own.id], joined_ms=now_ms)
        guild.members[owner.id] = Member(owner, guild.id, joined_ms=now_ms)
        self.guilds[guild.id] = guild
        self.commands.setdefault(guild.id, {})
        self.tell(
            "GUILD_CREATE",
            Intent.GUILDS,
            lambda s: payloads.guild_create_json(self, guild, is_new=True),
        )
        return guild

    def remove_guild(self, guild_id: int, *, outage: bool = False) -> None:
        """The bot is thrown off a server, or (`outage`) the server cannot be reached for now."""
        if outage:
            self.guilds[guild_id].unavailable = True
        else:
            del self.guilds[guild_id]
        data: Json = {"id": str(guild_id)} | ({"unavailable": True} if outage else {})
        self.tell("GUILD_DELETE", Intent.GUILDS, data)

    def add_channel(
        self, name: str, *, guild: Guild | None = None, kind: ChannelKind = ChannelKind.TEXT
    ) -> Channel:
        guild = guild or self.guild
        channel = Channel(self.new_id(), name, kind, guild.id, position=len(guild.channels))
        return self._open(guild, channel, "CHANNEL_CREATE")

    def add_thread(
        self,
        parent_id: int,
        name: str,
        *,
        owner_id: int | None = None,
        thread_id: int | None = None,
        private: bool = False,
        members: Sequence[int] = (),
    ) -> Channel:
        """A thread, or a forum's post. `thread_id`: of a thread that hangs on a message, the
        message's id. `private`: the bot sees it where it is one of the `members`, or manages
        threads."""
        guild = self.guilds[self.channel(parent_id).guild_id or 0]
        thread = Channel(
            thread_id or self.new_id(),
            name,
            ChannelKind.PRIVATE_THREAD if private else ChannelKind.PUBLIC_THREAD,
            guild.id,
            parent_id=parent_id,
            owner_id=owner_id or guild.owner_id,
            thread_members=list(members),
        )
        return self._open(guild, thread, "THREAD_CREATE")

    def _open(self, guild: Guild, channel: Channel, event: str) -> Channel:
        guild.channels[channel.id] = channel
        self._channels[channel.id] = channel
        self._tell_channel(event, channel)
        return channel

    def _tell_channel(self, event: str, channel: Channel) -> None:
        more: Json = {"newly_created": True} if event == "THREAD_CREATE" else {}
        self.tell(
            event, Intent.GUILDS, lambda s: payloads.channel_json(self, channel) | more, channel
        )

    def archive_thread(self, thread_id: int, archived: bool = True) -> None:
        thread = self.channel(thread_id)
        thread.archived = archived
        last_ms = max((c.archived_ms for c in self._channels.values()), default=0)
        thread.archived_ms = max(self.clock_ms(), last_ms + 1)
        self._tell_channel("THREAD_UPDATE", thread)

    def rename_channel(self, channel_id: int, name: str) -> None:
        channel = self.channel(channel_id)
        channel.name = name
        self._tell_channel("THREAD_UPDATE" if channel.is_thread else "CHANNEL_UPDATE", channel)

    def delete_channel(self, channel_id: int) -> None:
        """Deletes a channel or a thread, with its messages."""
        channel = self.channel(channel_id)
        self._tell_channel("THREAD_DELETE" if channel.is_thread else "CHANNEL_DELETE", channel)
        for message_id in channel.message_ids:
            self.messages.pop(message_id, None)
        self._channels.pop(channel_id)
        self.guilds[channel.guild_id or 0].channels.pop(channel_id)

    def deny(self, channel_id: int, permissions: int, who: int | None = None) -> None:
        """Takes permissions in a channel from a member or a role (None: from the bot)."""
        self._overwrite(channel_id, who, deny=permissions)

    def allow(self, channel_id: int, permissions: int, who: int | None = None) -> None:
        """Gives permissions in a channel to a member or a role (None: to the bot)."""
        self._overwrite(channel_id, who, allow=permissions)

    def _overwrite(
        self, channel_id: int, who: int | None, *, allow: int = 0, deny: int = 0
    ) -> None:
        channel = self.channel(channel_id)
        who = who or self.bot_id
        kind = 1 if who in self.users else 0
        channel.overwrites = [o for o in channel.overwrites if o.id != who]
        channel.overwrites.append(Overwrite(who, kind, int(allow), int(deny)))
        self._tell_channel("CHANNEL_UPDATE", channel)

    def add_role(self, name: str, permissions: int = 0, *, guild: Guild | None = None) -> Role:
        guild = guild or self.guild
        role = Role(self.new_id(), name, int(permissions), position=len(guild.roles))
        guild.roles[role.id] = role
        data = {"guild_id": str(guild.id), "role": payloads.role_json(role)}
        self.tell("GUILD_ROLE_CREATE", Intent.GUILDS, data)
        return role

    def add_member(
        self,
        name: str,
        *,
        nick: str | None = None,
        display_name: str | None = None,
        roles: Iterable[int] = (),
        is_bot: bool = False,
        guild: Guild | None = None,
    ) -> Member:
        guild = guild or self.guild
        user = self.add_user(name, display_name=display_name, is_bot=is_bot)
        member = Member(user, guild.id, nick, list(roles), self.clock_ms())
        guild.members[user.id] = member
        self._tell_member("GUILD_MEMBER_ADD", member)
        return member

    def change_member(
        self, member_id: int, *, nick: str | None = None, roles: Sequence[int] | None = None
    ) -> None:
        """Gives a member of the first server a nick, or exactly these roles."""
        member = self.guild.members[member_id]
        member.nick = member.nick if nick is None else nick
        member.roles = member.roles if roles is None else list(roles)
        self._tell_member("GUILD_MEMBER_UPDATE", member)

    def remove_member(self, member_id: int) -> None:
        member = self.guild.members.pop(member_id)
        data = {"guild_id": str(member.guild_id), "user": payloads.user_json(member.user)}
        self.tell("GUILD_MEMBER_REMOVE", Intent.MEMBERS, data)

    def _tell_member(self, event: str, member: Member) -> None:
        data = payloads.member_json(member) | {"guild_id": str(member.guild_id)}
        self.tell(event, Intent.MEMBERS, data)

    def add_emoji(self, name: str, *, animated: bool = False, guild: Guild | None = None) -> Emoji:
        guild = guild or self.guild
        emoji = Emoji(self.new_id(), name, animated)
        guild.emojis[emoji.id] = emoji
        emojis = [payloads.emoji_json(one) for one in guild.emojis.values()]
        data = {"guild_id": str(guild.id), "emojis": emojis}
        self.tell("GUILD_EMOJIS_UPDATE", Intent.EMOJIS, data)
        return emoji
