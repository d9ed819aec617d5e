"""Reads the history of channels over REST alone: a source for data/fetcher.py.

Works beside a running gateway connection, or without one (`DiscordHistory.login`). Event loop's
thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import discord

from bot.platforms.discord_client import intents, no_voice
from bot.platforms.discord_errors import (
    UnreachableError,
    WrongServerError,
    checked_token,
    final_error,
    is_passing,
    shown,
)
from bot.platforms.discord_guild import choose_guild_id
from bot.platforms.discord_reading import NamesHere, author_of, channel_of, record_of
from data.fetcher import ChannelClosedError, Page
from storage.records import ChannelRecord, MemberRecord
from storage.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")
Place = discord.abc.GuildChannel | discord.Thread

PATIENCE_S = 600.0
"""How long one request is tried again."""

LONGEST_PAUSE_S = 60.0
_CLOSED = (403, 404)
_WITH_THREADS = (discord.TextChannel, discord.ForumChannel)


class DiscordHistory:
    """The channels of one server, newest names included. Reads nothing until it is asked."""

    def __init__(
        self,
        client: Callable[[], discord.Client | None],
        settings: Settings,
        *,
        patience_s: float = PATIENCE_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`client` gives a client that is logged in, or None as long as none is."""
        self._client = client
        self._settings = settings
        self._patience_s = patience_s
        self._sleep = sleep
        self._guild: discord.Guild | None = None
        self._places: dict[int, Place] = {}
        self._channels: dict[int, discord.abc.GuildChannel] = {}
        self._nicknames: dict[int, str] = {}
        self._me: discord.Member | None = None

    @classmethod
    @asynccontextmanager
    async def login(cls, token: str, settings: Settings) -> AsyncIterator[DiscordHistory]:
        """A source of its own, without a gateway connection.

        Raises BadTokenError, and UnreachableError where Discord cannot be reached.
        """
        token = checked_token(token)
        no_voice()
        client = discord.Client(intents=intents(), max_messages=None)
        history = cls(lambda: client, settings)
        try:
            await history._patiently(lambda client: client.login(token))
            yield history
        finally:
            with suppress(Exception):
                await client.close()

    async def channels(self) -> list[ChannelRecord]:
        """All channels and threads with messages, archived public threads of listed ones included.

        Raises WrongServerError, UnreachableError.
        """
        try:
            await self._patiently(self._look_around)
        except discord.HTTPException as error:
            raise UnreachableError(f"The server cannot be looked at: {shown(error)}.") from error
        guild = self._guild
        assert guild is not None
        return [channel_of(place, guild) for place in self._places.values()]

    async def page(self, channel_id: int, after_id: int, limit: int) -> Page:
        """The first `limit` (1 to 100) messages with an id above `after_id`, in their order.

        Raises ChannelClosedError, UnreachableError.
        """
        if channel_id not in self._places:
            await self.channels()
        if channel_id not in self._places:
            raise ChannelClosedError(f"Channel {channel_id} is none that the bot can see.")
        if not self._may_read(channel_id):
            raise self._closed(channel_id)

        async def read(client: discord.Client) -> list[discord.Message]:
            # Of the client that is there now: it may be another one than for the last page.
            place = client.get_partial_messageable(channel_id)
            after = discord.Object(max(after_id, 0))
            return [m async for m in place.history(limit=limit, after=after, oldest_first=True)]

        try:
            messages = await self._patiently(read)
        except discord.HTTPException as error:
            if error.status not in _CLOSED:
                raise
            raise self._closed(channel_id) from error
        return self._page(messages)

    def _closed(self, channel_id: int) -> ChannelClosedError:
        return ChannelClosedError(
            f"Discord does not let the bot read #{self._places[channel_id].name}; "
            'give it "View Channel" and "Read Message History" there.'
        )

    def _may_read(self, channel_id: int) -> bool:
        """Without the right to read history Discord gives an empty one, not an error."""
        place = self._places[channel_id]
        channel: discord.abc.GuildChannel | None
        if isinstance(place, discord.Thread):
            channel = self._channels.get(place.parent_id)
        else:
            channel = place
        if self._me is None or channel is None:
            return True
        may = channel.permissions_for(self._me)
        return may.view_channel and may.read_message_history

    def _page(self, messages: list[discord.Message]) -> Page:
        names = self._names()
        members: dict[int, MemberRecord] = {}
        for message in messages:
            members[message.author.id] = author_of(message, names)
        return Page([record_of(message, names) for message in messages], list(members.values()))

    def _names(self) -> NamesHere:
        client, guild = self._client(), self._guild
        own = client.user.id if client is not None and client.user is not None else 0

        def role(role_id: int) -> str | None:
            found = guild.get_role(role_id) if guild is not None else None
            return found.name if found is not None else None

        def channel(channel_id: int) -> str | None:
            found = self._places.get(channel_id) or self._channels.get(channel_id)
            return found.name if found is not None else None

        persona = self._settings.text("persona_name")
        return NamesHere(own, persona, self._nicknames.get, role, channel)

    async def _look_around(self, client: discord.Client) -> None:
        """Learn the server's channels, roles and nicks."""
        guild = await self._the_guild(client)
        channels = await guild.fetch_channels()
        places: list[Place] = [one for one in channels if isinstance(one, discord.abc.Messageable)]
        places += await guild.active_threads()
        listed = set(self._settings.ids("discord_channel_ids"))
        for channel in channels:
            if channel.id in listed and isinstance(channel, _WITH_THREADS):
                places += await _archived(channel)
        self._guild, self._places = guild, {place.id: place for place in places}
        self._channels = {channel.id: channel for channel in channels}
        self._nicknames = await _nicknames(guild)
        self._me = await guild.fetch_member(client.user.id) if client.user is not None else None

    async def _the_guild(self, client: discord.Client) -> discord.Guild:
        """The server of the settings; else the one that the gateway knows, or of what is listed."""
        wanted = self._settings.ids("discord_server_id")
        known = {guild.id: guild.name for guild in client.guilds}
        guild_id = choose_guild_id(known, self._settings) or (wanted[0] if wanted else None)
        try:
            if guild_id is None:
                guild_id = await self._guild_of_listed(client)
            return await client.fetch_guild(guild_id, with_counts=False)
        except (discord.NotFound, discord.Forbidden) as error:
            raise WrongServerError(
                "The bot is not on the server that discord_server_id or the listed channels name. "
                "Invite it there, or change the setting."
            ) from error

    async def _guild_of_listed(self, client: discord.Client) -> int:
        for channel_id in self._settings.ids("discord_channel_ids")[:1]:
            channel = await client.fetch_channel(channel_id)
            if isinstance(channel, discord.abc.GuildChannel | discord.Thread):
                return channel.guild.id
        raise WrongServerError("Set discord_server_id, or list channels in discord_channel_ids.")

    async def _patiently(self, ask: Callable[[discord.Client], Awaitable[T]]) -> T:
        """The answer to a request that is tried again while the failure may pass."""
        began_s, pause_s = time.monotonic(), 1.0
        while True:
            client = self._client()
            try:
                if client is None:
                    raise ConnectionError("no connection")
                return await ask(client)
            except Exception as error:
                final = final_error(error)
                if final is not None:
                    raise final from error
                if not is_passing(error) and not isinstance(error, RuntimeError):  # closed session
                    raise
                if time.monotonic() - began_s > self._patience_s:
                    raise UnreachableError(
                        f"Discord could not be reached ({shown(error)}); try again later. What "
                        "was fetched is kept."
                    ) from error
                log.info("Fetching: %s; tried again", shown(error))
            await self._sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


async def _nicknames(guild: discord.Guild) -> dict[int, str]:
    """Everyone's nick, which history leaves out; none without the right to list members."""
    try:
        return {m.id: m.nick async for m in guild.fetch_members(limit=None) if m.nick}
    except (discord.Forbidden, discord.ClientException) as error:
        log.warning("Nicks cannot be read: %s", shown(error))
        return {}


async def _archived(channel: discord.TextChannel | discord.ForumChannel) -> list[discord.Thread]:
    try:
        return [thread async for thread in channel.archived_threads(limit=None)]
    except (discord.Forbidden, discord.NotFound) as error:
        log.warning("Archived threads of channel %d: %s", channel.id, shown(error))
        return []
