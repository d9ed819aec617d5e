"""Discord's JSON for people, servers, channels and the application."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from tests.discord_stand_in.things import (
    Allow,
    Channel,
    ChannelKind,
    Emoji,
    Guild,
    Json,
    Member,
    Role,
    User,
    snowflake_ms,
)

if TYPE_CHECKING:
    from tests.discord_stand_in.setting import Setting


def iso(at_ms: int) -> str:
    """A time as Discord writes it, from milliseconds since 1970."""
    when = datetime.fromtimestamp(at_ms / 1000, timezone.utc)
    return when.isoformat(timespec="microseconds")


def user_json(user: User) -> Json:
    made: Json = {
        "id": str(user.id),
        "username": user.name,
        "avatar": user.avatar,
        "discriminator": "0000" if user.is_bot else "0",
        "public_flags": 0,
        "flags": 0,
        "global_name": user.display_name,
        "primary_guild": None,
    }
    return made | {"bot": True} if user.is_bot else made


def self_json(user: User) -> Json:
    """The bot's own account, as GET /users/@me and READY give it."""
    return user_json(user) | {
        "mfa_enabled": True,
        "locale": "en-US",
        "verified": True,
        "email": None,
    }


def member_json(member: Member, *, with_user: bool = True) -> Json:
    made: Json = {
        "avatar": None,
        "banner": None,
        "communication_disabled_until": None,
        "flags": 0,
        "joined_at": iso(member.joined_ms),
        "nick": member.nick,
        "pending": False,
        "premium_since": None,
        "roles": [str(role) for role in member.roles],
        "mute": False,
        "deaf": False,
    }
    return made | {"user": user_json(member.user)} if with_user else made


def role_json(role: Role) -> Json:
    return {
        "id": str(role.id),
        "name": role.name,
        "permissions": str(int(role.permissions)),
        "position": role.position,
        "color": role.color,
        "colors": {"primary_color": role.color, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": role.managed,
        **({"tags": {"bot_id": str(role.bot_id)}} if role.bot_id is not None else {}),
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }


def emoji_json(emoji: Emoji) -> Json:
    return {
        "id": str(emoji.id),
        "name": emoji.name,
        "roles": [],
        "require_colons": True,
        "managed": False,
        "animated": emoji.animated,
        "available": True,
    }


def channel_json(world: Setting, channel: Channel) -> Json:
    made: Json = {
        "id": str(channel.id),
        "type": int(channel.kind),
        "flags": 0,
        "last_message_id": str(channel.message_ids[-1]) if channel.message_ids else None,
    }
    if channel.kind is ChannelKind.DM:
        return made | {"recipients": [user_json(world.users[u]) for u in channel.recipients]}
    made |= {
        "guild_id": str(channel.guild_id),
        "name": channel.name,
        "parent_id": str(channel.parent_id) if channel.parent_id else None,
        "rate_limit_per_user": 0,
    }
    return made | (_thread_part(channel) if channel.is_thread else _channel_part(channel))


def _channel_part(channel: Channel) -> Json:
    return {
        "topic": channel.topic,
        "position": channel.position,
        "nsfw": channel.nsfw,
        "permission_overwrites": [
            {"id": str(o.id), "type": o.kind, "allow": str(int(o.allow)), "deny": str(int(o.deny))}
            for o in channel.overwrites
        ],
    } | (
        {"bitrate": 64_000, "user_limit": 0}
        if channel.kind in (ChannelKind.VOICE, ChannelKind.STAGE)
        else {}
    )


def _thread_part(channel: Channel) -> Json:
    made_at = iso(snowflake_ms(channel.id))
    return {
        "owner_id": str(channel.owner_id),
        "thread_metadata": {
            "archived": channel.archived,
            "archive_timestamp": iso(channel.archived_ms) if channel.archived_ms else made_at,
            "auto_archive_duration": 1440,
            "locked": channel.locked,
            "create_timestamp": made_at,
        },
        "message_count": len(channel.message_ids),
        "member_count": 1,
        "total_message_sent": len(channel.message_ids),
    }


def guild_json(guild: Guild) -> Json:
    """A server as GET /guilds/{id} gives it: without channels and members."""
    return {
        **dict.fromkeys(
            "icon description home_header splash discovery_splash banner application_id "
            "afk_channel_id system_channel_id widget_channel_id vanity_url_code rules_channel_id "
            "safety_alerts_channel_id public_updates_channel_id incidents_data "
            "max_presences".split()
        ),
        **dict.fromkeys(
            "system_channel_flags verification_level default_message_notifications mfa_level "
            "explicit_content_filter premium_tier premium_subscription_count nsfw_level".split(),
            0,
        ),
        **dict.fromkeys("widget_enabled premium_progress_bar_enabled nsfw".split(), False),
        "id": str(guild.id),
        "name": guild.name,
        "features": [],
        "stickers": [],
        "owner_id": str(guild.owner_id),
        "region": "deprecated",
        "afk_timeout": 300,
        "roles": [role_json(role) for role in guild.roles.values()],
        "emojis": [emoji_json(emoji) for emoji in guild.emojis.values()],
        "max_members": 500_000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "preferred_locale": "en-US",
    }


def my_guild_json(guild: Guild, user_id: int) -> Json:
    """A server as GET /users/@me/guilds gives it; the permissions are those of its roles."""
    member, may = guild.members[user_id], guild.roles[guild.id].permissions
    for role_id in member.roles:
        may |= guild.roles[role_id].permissions
    return {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "banner": None,
        "owner": guild.owner_id == user_id,
        "permissions": str(int(may)),
        "features": [],
    }


def guild_create_json(world: Setting, guild: Guild, *, is_new: bool = False) -> Json:
    """GUILD_CREATE; `is_new`: the bot was just let in. Without the presence intent its members are
    the bot alone, as Discord does."""
    channels = [c for c in guild.channels.values() if not c.is_thread]
    threads = [
        c
        for c in guild.channels.values()
        if c.is_thread and not c.archived and world.bot_may(c, Allow.VIEW_CHANNEL)
    ]
    return guild_json(guild) | {
        "joined_at": iso(guild.joined_ms),
        "large": len(guild.members) > 250,
        **({} if is_new else {"unavailable": False}),
        "member_count": len(guild.members),
        "members": [member_json(guild.members[world.bot_id])],
        "channels": [channel_json(world, c) for c in channels],
        "threads": [channel_json(world, c) for c in threads],
        **{
            name: []
            for name in (
                "voice_states",
                "presences",
                "stage_instances",
                "guild_scheduled_events",
                "soundboard_sounds",
            )
        },
    }


def application_json(world: Setting) -> Json:
    """The bot's application. Its flags say which privileged intents it may use."""
    flags = (1 << 15 | 1 << 19) if world.privileged_intents else 0
    return {
        "id": str(world.bot_id),
        "name": world.users[world.bot_id].name,
        "icon": None,
        "description": "",
        "type": None,
        "verify_key": "0" * 64,
        "flags": flags,
        "flags_new": str(flags),
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "owner": user_json(world.users[world.maker_id]),
        "approximate_guild_count": len(world.guilds),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": None,
        "eligible_oauth2_scopes": [],
        "bot_public": True,
        "bot_require_code_grant": False,
    }
