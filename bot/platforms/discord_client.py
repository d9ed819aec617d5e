"""discord.py's client as Mynah uses it: what it asks for, what it remembers, and whom it tells."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import discord

from bot.platforms.discord_door import Door

log = logging.getLogger(__name__)

IDENTIFY_PAUSE_S = 5.0
"""Discord takes one login every five seconds."""

READY_WAIT_S = 2.0
"""How long is waited for another server to be described, once logged in (discord.py's default)."""


def intents() -> discord.Intents:
    """What is asked for: never who is online, no typing, no voice, no direct messages.

    `emojis_and_stickers` is not privileged: without it discord.py knows no server's emoji.
    """
    asked = discord.Intents.none()
    asked.guilds = asked.guild_messages = asked.guild_reactions = True
    asked.emojis_and_stickers = True
    asked.members = asked.message_content = True
    return asked


def no_voice() -> None:
    """Spare every log discord.py's warning that voice needs more packages."""
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False


class Sessions(Protocol):
    """What the client tells of itself, in the order in which the gateway told it."""

    def connected(self) -> None:
        """A fresh session begins; servers are not described yet."""

    def resumed(self) -> None:
        """The old session goes on; what was missed comes now."""

    def ready(self) -> None:
        """The servers of a fresh session are described."""

    def guild_came(self, guild: discord.Guild) -> None:
        """The bot was invited, or an outage of the server is over."""

    def guild_went(self, guild: discord.Guild) -> None:
        """The bot was thrown off a server."""

    def rights_changed(self, guild: discord.Guild) -> None:
        """A channel, a thread or a role of a server is another."""

    def interaction(self, interaction: discord.Interaction) -> None:
        """Somebody used a slash command or pressed a button."""


class DoorClient(discord.Client):
    """One client. Once `retired` it tells nothing more."""

    def __init__(
        self,
        sessions: Sessions,
        door: Door,
        count_identify: Callable[[], Awaitable[None]],
        *,
        identify_pause_s: float = IDENTIFY_PAUSE_S,
        ready_wait_s: float = READY_WAIT_S,
    ) -> None:
        """`count_identify` is awaited before each login; what it raises ends the connection."""
        no_voice()
        super().__init__(
            intents=intents(),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            guild_ready_timeout=ready_wait_s,
        )
        self.retired = False
        self._sessions = sessions
        self._door = door
        self._count_identify = count_identify
        self._identify_pause_s = identify_pause_s

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        if not self.retired:
            super().dispatch(event, *args, **kwargs)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        if not initial:
            await asyncio.sleep(self._identify_pause_s)
        await self._count_identify()

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        log.exception("%s went wrong", event_method)

    # None of the following waits for anything: so they run in the order of the events.

    async def on_connect(self) -> None:
        self._sessions.connected()

    async def on_resumed(self) -> None:
        self._sessions.resumed()

    async def on_ready(self) -> None:
        self._sessions.ready()

    async def on_guild_available(self, guild: discord.Guild) -> None:
        if self.is_ready():
            self._sessions.guild_came(guild)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        if self.is_ready():
            self._sessions.guild_came(guild)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        self._sessions.guild_went(guild)

    async def on_guild_channel_create(self, channel: discord.abc.GuildChannel) -> None:
        self._sessions.rights_changed(channel.guild)

    async def on_guild_channel_update(
        self, before: discord.abc.GuildChannel, after: discord.abc.GuildChannel
    ) -> None:
        if before.overwrites != after.overwrites:
            self._sessions.rights_changed(after.guild)

    async def on_guild_role_create(self, role: discord.Role) -> None:
        self._sessions.rights_changed(role.guild)

    async def on_guild_role_update(self, before: discord.Role, after: discord.Role) -> None:
        if before.permissions != after.permissions:
            self._sessions.rights_changed(after.guild)

    async def on_guild_role_delete(self, role: discord.Role) -> None:
        self._sessions.rights_changed(role.guild)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self._sessions.interaction(interaction)

    async def on_message(self, message: discord.Message) -> None:
        self._door.message(message)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        self._door.edited(payload.message)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self._door.deleted(payload.guild_id, payload.channel_id, {payload.message_id})

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        self._door.deleted(payload.guild_id, payload.channel_id, payload.message_ids)

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        self._door.reacted(payload, 1)

    async def on_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        self._door.reacted(payload, -1)

    async def on_raw_reaction_clear(self, payload: discord.RawReactionClearEvent) -> None:
        self._door.reactions_cleared(payload, None)

    async def on_raw_reaction_clear_emoji(self, event: discord.RawReactionClearEmojiEvent) -> None:
        self._door.reactions_cleared(event, event.emoji)
