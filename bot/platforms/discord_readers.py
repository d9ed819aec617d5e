"""Who may read a channel of Discord's, from its permissions. Pure.

A member's right to see a channel is what @everyone and their roles give, changed by the channel's
overwrites: first @everyone's, then those of their roles (where one allows, it counts more than one
that denies), then their own. An administrator sees everything; neither they nor bots are named.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import discord

from storage.records import Readers


def readers_of(channel: Any, guild: discord.Guild, parent: Any = None) -> Readers | None:
    """The readers of a channel or thread of `guild`; None where that cannot be told.

    A thread's are its channel's: `parent`, or the one that the server knows. A private thread is
    read by its members alone.
    """
    if isinstance(channel, discord.Thread):
        above = parent or guild.get_channel(channel.parent_id)
        found = readers_of(above, guild) if above is not None else None
        return found and replace(found, is_private=channel.is_private())
    everyone = guild.default_role
    if everyone is None or not isinstance(channel, discord.abc.GuildChannel):
        return None
    said = {target.id: overwrite.view_channel for target, overwrite in channel.overwrites.items()}
    here = said.pop(everyone.id, None)
    unnamed = {r.id for r in guild.roles if r.permissions.administrator or r.is_bot_managed()}
    if guild.me is not None:
        unnamed.add(guild.me.id)
    without = frozenset(one for one, may in said.items() if may is False) - unnamed
    may = {one for one, may in said.items() if may is True}
    despite = frozenset(may) - unnamed if without else frozenset()
    if here is True or (here is None and everyone.permissions.view_channel):
        return Readers(everyone=True, without=without, despite=despite)
    if here is None:  # a role's own right counts, as nothing takes it away from everybody
        may |= {role.id for role in guild.roles if role.permissions.view_channel}
    return Readers(may=frozenset(may) - unnamed - without, without=without, despite=despite)


def readers_in(guild: discord.Guild) -> dict[int, Readers]:
    """Those of all channels and active threads of a server, by id, where they can be told."""
    found = {one.id: readers_of(one, guild) for one in (*guild.channels, *guild.threads)}
    return {channel_id: readers for channel_id, readers in found.items() if readers is not None}
