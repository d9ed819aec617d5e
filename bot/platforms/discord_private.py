"""Who else could see a channel that is meant for admins alone. Pure."""

from __future__ import annotations

import discord

from bot.messages import Rights
from bot.platforms.discord_people import rights_of
from storage.settings import Settings


def outsiders(guild: discord.Guild, channel_id: int, settings: Settings) -> list[str] | None:
    """The roles and members that see the channel and are no admins of Mynah's; none: it is private.
    "@everyone" stands first. None where the channel is not to be seen.

    Bots do not count, nor a bot's own role.
    """
    channel = guild.get_channel(channel_id)
    if channel is None:
        return None
    found = []
    for role in guild.roles:
        sees = channel.permissions_for(role).view_channel
        is_admin = rights_of(0, [role.id], guild, settings) is Rights.ADMIN
        if sees and not is_admin and not role.is_bot_managed():
            found.append("@everyone" if role.is_default() else f"@{role.name}")
    for target, overwrite in channel.overwrites.items():
        is_person = not isinstance(target, discord.Role) and not getattr(target, "bot", False)
        if is_person and overwrite.view_channel and target != guild.me:
            role_ids = [one.id for one in getattr(target, "roles", ())]
            if rights_of(target.id, role_ids, guild, settings) is not Rights.ADMIN:
                found.append(getattr(target, "display_name", f"member {target.id}"))
    return sorted(found, key=lambda name: name != "@everyone")
