"""Discord as a platform: the one place where its parts are put together.

What each does stands in the files beside this one: staying connected (discord_connection,
discord_gateway), what is listened to and what it becomes (discord_door, discord_reading), reading
back what was missed (discord_catch_up), sending (discord_sending), slash commands (discord_slash).
Called from the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import discord

from bot.messages import Deleted, Edited, Happening, IncomingMessage, ReadersSeen
from bot.platforms.discord_catch_up import FIRST_MESSAGES, PAGE_MESSAGES, CatchUp
from bot.platforms.discord_client import IDENTIFY_PAUSE_S, READY_WAIT_S, DoorClient
from bot.platforms.discord_connection import LOOK_EVERY_S, NO_INVITATION, ONLINE, Connection
from bot.platforms.discord_door import Door
from bot.platforms.discord_errors import WrongServerError
from bot.platforms.discord_guild import choose_guild_id, invite_url, places_to_read
from bot.platforms.discord_history import DiscordHistory
from bot.platforms.discord_private import outsiders
from bot.platforms.discord_readers import readers_in
from bot.platforms.discord_reading import reaction_for, to_discord
from bot.platforms.discord_sending import Sender
from bot.platforms.discord_slash import SlashCommands, SlashOrders
from bot.platforms.platform import Accepted, wall_clock_ms
from storage.errors import MynahError
from storage.records import Origin
from storage.settings import Settings

if TYPE_CHECKING:
    from bot.order_values import Button, File

log = logging.getLogger(__name__)


class DiscordPlatform:
    """The bot's account on one server of Discord."""

    origin = Origin.DISCORD_API
    can_edit = True

    def __init__(
        self,
        *,
        settings: Callable[[], Settings],
        tell: Callable[[Happening], None],
        read_until: Callable[[int], Awaitable[int | None]],
        count_identify: Callable[[], Awaitable[None]],
        on_phase: Callable[[str], None],
        orders: SlashOrders | None = None,
        now_ms: Callable[[], int] = wall_clock_ms,
        identify_pause_s: float = IDENTIFY_PAUSE_S,
        ready_wait_s: float = READY_WAIT_S,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """`tell` gets everything once and must not raise. `read_until` gives the id up to which a
        channel is done with. `count_identify` may raise a MynahError with `retry_after_s`, after
        which the login is tried. `on_phase` hears "connecting", "online", "waiting ...".
        """
        self._settings = settings
        self._tell = tell
        self._guild_id: int | None = None
        self._lives_on: int | None = None
        """The server of this run: being invited to another one must not end it."""
        self._places: set[int] = set()
        self._is_listening = True
        self._tasks: set[asyncio.Task[Any]] = set()
        self._connection = Connection(
            lambda: DoorClient(
                self,
                self._door,
                count_identify,
                identify_pause_s=identify_pause_s,
                ready_wait_s=ready_wait_s,
            ),
            on_phase,
            now_ms=now_ms,
            look_every_s=look_every_s,
        )
        self._catch_up = CatchUp(
            read_page=self._read_page, read_until=read_until, tell=self._tell_on
        )
        self._door = Door(
            settings=settings,
            guild=self._guild,
            own_id=lambda: self.own_id,
            take=self._catch_up.take,
            now_ms=now_ms,
        )
        self._sender = Sender(lambda: self._connection.client)
        self._slash = SlashCommands(orders, self._door.rights) if orders is not None else None
        self._own_id = 0

    # What the bot asks for

    @property
    def own_id(self) -> int:
        """The bot account's id; 0 before the first login."""
        client = self._connection.client
        if client is not None and client.user is not None:
            self._own_id = client.user.id
        return self._own_id

    async def run(self, token: str) -> None:
        """Be on Discord until `close`; a lost network is waited out, however long it takes.

        Raises BadTokenError, MissingIntentError, WrongServerError, GatewayRefusedError.
        """
        try:
            await self._connection.run(token)
        finally:
            await self._catch_up.close()
            for task in list(self._tasks):
                task.cancel()

    async def close(self) -> None:
        """Go offline; `run` returns."""
        await self._connection.close()
        await self._sender.close()

    def stop_listening(self) -> None:
        """Tell no messages from now on: they are read back at the next start. Edits and deletions
        are still told, since nothing reads those back."""
        self._is_listening = False

    async def send(
        self,
        channel_id: int,
        text: str,
        *,
        reply_to_id: int | None,
        pings: bool = True,
        asked_id: int | None = None,
        line: int = 0,
        buttons: Sequence[Button] = (),
    ) -> Accepted:
        """Send one message, its emoji as the server's own. Raises DeliveryError."""
        return await self._sender.send(
            channel_id,
            to_discord(text, self._emojis),
            reply_to_id=reply_to_id,
            pings=pings,
            asked_id=asked_id,
            line=line,
            buttons=buttons,
        )

    async def edit(self, channel_id: int, message_id: int, text: str) -> bool:
        """Have an own message say this; whether Discord took it at once. Raises DeliveryError."""
        return await self._sender.edit(channel_id, message_id, to_discord(text, self._emojis))

    async def delete(self, channel_id: int, message_id: int) -> None:
        """Take an own message back. Raises DeliveryError."""
        await self._sender.delete(channel_id, message_id)

    async def react(self, channel_id: int, message_id: int, emoji: str) -> bool:
        """Put a reaction under a message; False for an emoji that the server does not have. Raises
        DeliveryError."""
        if (known := reaction_for(emoji, self._emojis)) is None:
            return False
        await self._sender.react(channel_id, message_id, known)
        return True

    def typing(self, channel_id: int) -> AbstractAsyncContextManager[None]:
        """Shows the typing sign; never fails and never delays."""
        return self._sender.typing(channel_id)

    async def direct_message(
        self,
        member_id: int,
        text: str,
        *,
        file: File | None = None,
        buttons: Sequence[Button] = (),
    ) -> None:
        """Send to one member alone. Raises DeliveryError."""
        await self._sender.direct_message(member_id, text, file=file, buttons=buttons)

    def listens_to(self, channel_id: int) -> bool:
        """Whether the channel is listed, or is a thread of one that is."""
        return self._door.listens_to(channel_id)

    def outsiders(self, channel_id: int) -> list[str] | None:
        """The roles and members that see that channel and are no admins of Mynah's; None where it
        is not to be seen."""
        guild = self._guild()
        return None if guild is None else outsiders(guild, channel_id, self._settings())

    async def rescan(self) -> None:
        """The settings changed: newly listed channels are read back."""
        guild = self._guild()
        if guild is not None and self._connection.phase == ONLINE:
            known = self._places
            self._places = set(places_to_read(guild, self._door.listed))
            self._catch_up.start(self._places - known)

    def history(self) -> DiscordHistory:
        """The server's history as a source for data.fetcher, over this connection's login."""
        return DiscordHistory(self._logged_in, self._settings())

    def invite_url(self) -> str:
        """Where somebody who manages a server lets the bot in. Raises MynahError before login."""
        client = self._connection.client
        if client is None or client.application_id is None:
            raise MynahError("The invite address is known once the bot has logged in to Discord.")
        return invite_url(client.application_id)

    def status(self) -> dict[str, Any]:
        """phase, latency_ms of the gateway (None: unknown), guild, channels listened to."""
        client, guild = self._connection.client, self._guild()
        latency_s = client.latency if client is not None else math.nan
        return {
            "phase": self._connection.phase,
            "latency_ms": round(latency_s * 1000, 1) if math.isfinite(latency_s) else None,
            "guild": guild.name if guild is not None else None,
            "channels": len(self._door.listed),
            "catching_up": self._catch_up.behind,
        }

    # What the client tells (discord_client.Sessions)

    def connected(self) -> None:
        self._connection.went_up()
        self._door.people.forget()
        self._catch_up.hold_all()
        try:
            self._guild_id = self._choose()
        except WrongServerError:
            self._guild_id = None  # said at `ready`, when servers have names

    def resumed(self) -> None:
        self._connection.went_up()
        self._connection.set_phase(ONLINE if self._guild() is not None else NO_INVITATION)

    def ready(self) -> None:
        try:
            self._guild_id = self._choose()
        except WrongServerError as error:
            self._connection.fail(error)
            return
        guild = self._guild()
        if guild is None:
            log.warning("The bot is on no server yet. Invite it: %s", self.invite_url())
            self._connection.set_phase(NO_INVITATION)
        else:
            self._move_in(guild)

    def guild_came(self, guild: discord.Guild) -> None:
        if self._guild_id is None:
            self.ready()
        elif guild.id == self._guild_id:
            self._move_in(guild)

    def guild_went(self, guild: discord.Guild) -> None:
        if guild.id == self._guild_id:
            self._guild_id = None
            log.warning("The bot was removed from its server. Invite it: %s", self.invite_url())
            self._connection.set_phase(NO_INVITATION)

    def rights_changed(self, guild: discord.Guild) -> None:
        if guild.id == self._guild_id and not guild.unavailable:
            self._tell(ReadersSeen(readers_in(guild)))

    def interaction(self, interaction: discord.Interaction) -> None:
        is_here = interaction.guild_id == self._guild_id
        is_direct = interaction.guild_id is None  # a button under a direct message of the bot's
        if self._slash is not None and (is_here or is_direct):
            self._soon(self._slash.answer(interaction))

    # Within

    def _choose(self) -> int | None:
        client = self._connection.client
        guilds = client.guilds if client is not None else []
        listed = self._door.listed
        homes = [g.id for g in guilds if any(channel.id in listed for channel in g.channels)]
        known = self._lives_on if self._lives_on is not None else next(iter(homes), None)
        names = {guild.id: guild.name for guild in guilds}
        chosen = choose_guild_id(names, self._settings(), known)
        self._lives_on = chosen if chosen is not None else self._lives_on
        return chosen

    def _guild(self) -> discord.Guild | None:
        client = self._connection.client
        if client is None or self._guild_id is None:
            return None
        return client.get_guild(self._guild_id)

    @property
    def _emojis(self) -> Sequence[discord.Emoji]:
        guild = self._guild()
        return guild.emojis if guild is not None else ()

    def _logged_in(self) -> discord.Client | None:
        client = self._connection.client
        return client if client is not None and client.user is not None else None

    def _move_in(self, guild: discord.Guild) -> None:
        """The server is described: read back what was missed, offer the slash commands."""
        if guild.unavailable:
            log.warning("Discord has an outage at server %d; it is waited for", guild.id)
            return
        missing = self._door.listed - {place.id for place in (*guild.channels, *guild.threads)}
        if missing:
            log.warning("Listed, but not to be seen on the server: %s", sorted(missing))
        self.rights_changed(guild)
        self._places = set(places_to_read(guild, self._door.listed))
        self._catch_up.start(self._places)
        self._connection.set_phase(ONLINE)
        client = self._connection.client
        if self._slash is not None and client is not None:
            self._soon(self._slash.register(client, guild.id))

    async def _read_page(self, channel_id: int, after: int | None) -> Sequence[IncomingMessage]:
        """A page of a channel's history (see discord_catch_up.ReadPage)."""
        guild = self._guild()
        if guild is None or guild.unavailable:
            raise ConnectionError("the server is away")
        place = guild.get_channel_or_thread(channel_id)
        if not isinstance(place, discord.abc.Messageable):
            raise LookupError(channel_id)
        if after is None:
            pages = place.history(limit=FIRST_MESSAGES, oldest_first=False)
        else:
            start = discord.Object(after)
            pages = place.history(limit=PAGE_MESSAGES, after=start, oldest_first=True)
        try:
            messages = [message async for message in pages]
        except RuntimeError as error:  # the client's session was closed: another one comes
            raise ConnectionError("the connection is begun anew") from error
        return await self._door.read_back(guild, sorted(messages, key=lambda one: one.id))

    def _tell_on(self, happening: Happening) -> None:
        if self._is_listening or isinstance(happening, Deleted | Edited):
            self._tell(happening)

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
