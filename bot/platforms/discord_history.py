"""Reads the history of channels over REST alone: a source for data/fetcher.py.

Works beside a running gateway connection, or without one (`DiscordHistory.login`). Event loop's
thread.
"""

from __future__ import annotations

import asyncio
import logging
import math
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
from data.fetcher import ChannelClosedError, Page, Seen
from storage.records import MemberRecord
from storage.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")
Place = discord.abc.GuildChannel | discord.Thread

LOGIN_PATIENCE_S = 600.0
"""How long logging in is tried again; everything later is waited for however long it takes."""

LONGEST_PAUSE_S = 60.0
REQUESTS_PER_S = 48.5
"""Of the 50 that Discord allows a bot; the others are for what it answers meanwhile. discord.py
keeps to the limits of routes by itself, but of this one it hears only when it was passed."""
_BURST_S = 0.03
"""How late a request may come and the next ones still make up for it."""
_THREADS_A_REQUEST = 100
_FORBIDDEN, _GONE = 403, 404
_WITH_THREADS = (discord.TextChannel, discord.ForumChannel)


class DiscordHistory:
    """The channels of one server, newest names included. Reads nothing until it is asked."""

    def __init__(
        self,
        client: Callable[[], discord.Client | None],
        settings: Settings,
        *,
        patience_s: float = math.inf,
        requests_per_s: float = REQUESTS_PER_S,
        on_wait: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`client` gives a client that is logged in, or None as long as none is.

        One request is tried again for `patience_s` after it failed for what may pass.
        """
        self.on_wait = on_wait
        self._client = client
        self._settings = settings
        self._patience_s = patience_s
        self._pace = Pace(requests_per_s)
        self._waiting = 0
        self._guild: discord.Guild | None = None
        self._places: dict[int, Place] = {}
        self._channels: dict[int, discord.abc.GuildChannel] = {}
        self._nicknames: dict[int, str] = {}
        self._me: discord.Member | None = None

    @classmethod
    @asynccontextmanager
    async def login(
        cls, token: str, settings: Settings, on_wait: Callable[[str], None] = lambda _: None
    ) -> AsyncIterator[DiscordHistory]:
        """A source of its own, without a gateway connection.

        Raises BadTokenError, and UnreachableError where Discord cannot be reached for ten minutes.
        """
        token = checked_token(token)
        no_voice()
        client = discord.Client(intents=intents(), max_messages=None)
        history = cls(lambda: client, settings, on_wait=on_wait)
        try:
            await history._patiently(lambda client: client.login(token), LOGIN_PATIENCE_S)
            yield history
        finally:
            with suppress(Exception):
                await client.close()

    async def channels(self) -> list[Seen]:
        """All channels and threads that hold messages, and the forums; the archived threads of
        those that are listed, private ones as far as the bot may see them.

        Raises WrongServerError, UnreachableError.
        """
        try:
            await self._patiently(self._look_around)
        except discord.HTTPException as error:
            raise UnreachableError(f"The server cannot be looked at: {shown(error)}.") from error
        guild = self._guild
        assert guild is not None
        forums = [c for c in self._channels.values() if isinstance(c, discord.ForumChannel)]
        above = {key: getattr(one, "parent_id", None) or 0 for key, one in self._places.items()}
        places = [
            Seen(channel_of(one, guild, self._channels.get(above[key])), _newest_id(one))
            for key, one in self._places.items()
        ]
        return places + [Seen(channel_of(one, guild), 0) for one in forums]

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
            raise self._closed(channel_id, error) from error
        return self._page(messages)

    async def confirm(self, channel_id: int) -> None:
        """Look anew whether the channel is there and may be read.

        Raises ChannelClosedError, UnreachableError.
        """
        place = self._places[channel_id]

        async def look(client: discord.Client) -> None:
            guild = await self._the_guild(client)
            for one in {channel_id, getattr(place, "parent_id", None) or channel_id}:
                found = await guild.fetch_channel(one)
                if isinstance(found, discord.abc.GuildChannel):
                    self._channels[one] = found
            self._me = await guild.fetch_member(client.user.id) if client.user else None

        try:
            await self._patiently(look)
        except discord.HTTPException as error:
            raise self._closed(channel_id, error) from error
        if not self._may_read(channel_id):
            raise self._closed(channel_id)

    def _closed(
        self, channel_id: int, error: discord.HTTPException | None = None
    ) -> ChannelClosedError:
        name = self._places[channel_id].name
        if error is not None and error.status == _GONE:
            return ChannelClosedError(
                f"Discord has no #{name} any more; what is stored of it stays."
            )
        if error is not None and error.status != _FORBIDDEN:
            return ChannelClosedError(f"#{name} could not be read: {shown(error)}.")
        return ChannelClosedError(
            f"Discord does not let the bot read #{name}; "
            'give it "View Channel" and "Read Message History" there.'
        )

    def _may_read(self, channel_id: int) -> bool:
        """Without the right to read history Discord gives an empty one, not an error."""
        place = self._places[channel_id]
        parent_id = place.parent_id if isinstance(place, discord.Thread) else channel_id
        channel = self._channels.get(parent_id)
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
        await self._pace.turn()
        me = await guild.fetch_member(client.user.id) if client.user is not None else None
        await self._pace.turn()
        channels: dict[int, discord.abc.GuildChannel] = {
            channel.id: channel for channel in await guild.fetch_channels()
        }
        places: dict[int, Place] = {
            key: one for key, one in channels.items() if isinstance(one, discord.abc.Messageable)
        }
        await self._pace.turn()
        places |= {thread.id: thread for thread in await guild.active_threads()}
        for listed_id in self._settings.listed_channels():
            channel = channels.get(listed_id)
            if isinstance(channel, _WITH_THREADS):
                found = await _archived(channel, me, self._pace)
                places |= {thread.id: thread for thread in found}
            elif channel is None and listed_id not in places:
                await self._pace.turn()
                places |= await _archived_thread(guild, listed_id)
        self._guild, self._places, self._channels = guild, places, channels
        await self._pace.turn()
        self._me, self._nicknames = me, await _nicknames(guild)

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
        for channel_id in self._settings.listed_channels()[:1]:
            channel = await client.fetch_channel(channel_id)
            if isinstance(channel, discord.abc.GuildChannel | discord.Thread):
                return channel.guild.id
        raise WrongServerError("Set discord_server_id, or list channels in discord_channel_ids.")

    async def _patiently(
        self, ask: Callable[[discord.Client], Awaitable[T]], patience_s: float | None = None
    ) -> T:
        """The answer to a request that is tried again while the failure may pass."""
        patience_s = self._patience_s if patience_s is None else patience_s
        began_s, pause_s, is_waiting = time.monotonic(), 1.0, False
        try:
            while True:
                client = self._client()
                try:
                    if client is None:
                        raise ConnectionError("no connection")
                    await self._pace.turn()
                    return await ask(client)
                except Exception as error:
                    final = final_error(error)
                    if final is not None:
                        raise final from error
                    if not is_passing(error) and not isinstance(error, RuntimeError):  # closed
                        raise
                    if time.monotonic() - began_s > patience_s:
                        raise UnreachableError(
                            f"Discord could not be reached ({shown(error)}); try again later. What "
                            "was fetched is kept."
                        ) from error
                    log.info("Fetching: %s; tried again", shown(error))
                    self._waiting += not is_waiting
                    is_waiting = True
                    wait_s = max(pause_s, _asked_to_wait_s(error))
                    self.on_wait(f"{shown(error)}; asked again in {wait_s:.0f} s")
                await asyncio.sleep(wait_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        finally:
            self._waiting -= is_waiting
            if is_waiting and not self._waiting:
                self.on_wait("")


class Pace:
    """Lets so many requests a second through, evenly, in the order in which they asked."""

    def __init__(self, per_s: float) -> None:
        self._gap_s = 1 / per_s
        self._next_s = 0.0
        self._line = asyncio.Lock()

    async def turn(self) -> None:
        """Wait until it is one's turn."""
        async with self._line:
            await asyncio.sleep(max(self._next_s - time.monotonic(), 0.0))
            self._next_s = max(self._next_s, time.monotonic() - _BURST_S) + self._gap_s


def _asked_to_wait_s(error: BaseException) -> float:
    """What discord.py does not wait for by itself: a ban by the proxy in front of Discord."""
    if not isinstance(error, discord.HTTPException):
        return 0.0
    try:
        return float(error.response.headers.get("Retry-After", 0))
    except ValueError:
        return 0.0


def _newest_id(place: Place) -> int | None:
    found: int | None = getattr(place, "last_message_id", None)
    return found


async def _nicknames(guild: discord.Guild) -> dict[int, str]:
    """Everyone's nick, which history leaves out; none without the right to list members."""
    try:
        return {m.id: m.nick async for m in guild.fetch_members(limit=None) if m.nick}
    except (discord.Forbidden, discord.ClientException) as error:
        log.warning("Nicks cannot be read: %s", shown(error))
        return {}


async def _archived(
    channel: discord.TextChannel | discord.ForumChannel, me: discord.Member | None, pace: Pace
) -> list[discord.Thread]:
    """A channel's archived threads and posts. Of private threads all, where the bot manages
    threads, else those that it is in; only a text channel has any."""
    ways = [channel.archived_threads(limit=None)]
    if isinstance(channel, discord.TextChannel) and not channel.is_news():
        manages = me is not None and channel.permissions_for(me).manage_threads
        ways.append(channel.archived_threads(private=True, joined=not manages, limit=None))
    found: list[discord.Thread] = []
    for way in ways:
        await pace.turn()
        try:
            async for thread in way:
                found.append(thread)
                if len(found) % _THREADS_A_REQUEST == 0:
                    await pace.turn()
        except (discord.Forbidden, discord.NotFound) as error:
            log.warning("Archived threads of channel %d: %s", channel.id, shown(error))
    return found


async def _archived_thread(guild: discord.Guild, listed_id: int) -> dict[int, Place]:
    """A thread that is listed itself, and archived; nothing where there is none."""
    try:
        found = await guild.fetch_channel(listed_id)
    except (discord.Forbidden, discord.NotFound, discord.InvalidData):
        return {}
    return {found.id: found} if isinstance(found, discord.Thread) else {}
