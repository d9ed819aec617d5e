"""Which server the bot lives on, and what it listens to there. Pure but for what it is handed."""

from __future__ import annotations

from collections.abc import Mapping

import discord

from bot.platforms.discord_errors import WrongServerError
from storage.settings import Settings

PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    read_message_history=True,  # to answer with a reference, and to read back what was missed
)
"""The least that is needed: a server's own emoji need no right, and nothing reacts by itself."""


def choose_guild_id(
    guilds: Mapping[int, str | None], settings: Settings, known: int | None = None
) -> int | None:
    """The server to live on, out of those that the bot is on; None while it is on none.

    `known` is the one it lives on already, or that has the listed channels: anybody may invite the
    bot to another one. Raises WrongServerError where that is not clear.
    """
    if not guilds:
        return None
    wanted = settings.ids("discord_server_id")
    names = ", ".join(f"{name or 'a server'} ({guild_id})" for guild_id, name in guilds.items())
    if wanted:
        if wanted[0] in guilds:
            return wanted[0]
        raise WrongServerError(
            f"The bot is not on the server {wanted[0]} that discord_server_id names. It is on: "
            f"{names}. Invite it there, or set discord_server_id to one of these."
        )
    if known in guilds:
        return known
    if len(guilds) > 1:
        raise WrongServerError(
            f"The bot is on several servers: {names}. Set discord_server_id to the one that Mynah "
            "is to live on."
        )
    return next(iter(guilds))


def invite_url(application_id: int) -> str:
    """The address at which somebody who manages a server lets the bot in."""
    return discord.utils.oauth_url(
        application_id, permissions=PERMISSIONS, scopes=("bot", "applications.commands")
    )


class Listed:
    """The channels that the setting lists, read anew whenever the settings are other ones."""

    def __init__(self) -> None:
        self._settings: Settings | None = None
        self._ids: frozenset[int] = frozenset()

    def ids(self, settings: Settings) -> frozenset[int]:
        """Of channels and threads."""
        if settings is not self._settings:
            self._settings = settings
            self._ids = frozenset(settings.listed_channels())
        return self._ids


def places_to_read(guild: discord.Guild, listed: frozenset[int]) -> list[int]:
    """The listed channels of `guild` that hold messages, and the active threads in listed ones."""
    channels = [
        channel.id
        for channel in guild.channels
        if channel.id in listed and isinstance(channel, discord.abc.Messageable)
    ]
    threads = [t.id for t in guild.threads if t.id in listed or t.parent_id in listed]
    return channels + threads
