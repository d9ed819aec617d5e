"""Discord's JSON for messages, reactions and interactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.discord_stand_in.payloads import channel_json, iso, member_json, user_json
from tests.discord_stand_in.sayings import Interaction, Message
from tests.discord_stand_in.things import ALL_PERMISSIONS, Json

if TYPE_CHECKING:
    from tests.discord_stand_in.setting import Setting

STRIPPED: Json = {"content": "", "embeds": [], "attachments": [], "components": []}


def emoji_key_json(world: Setting, key: str) -> Json:
    """The emoji of a reaction, from the character or `name:id`."""
    name, colon, emoji_id = key.rpartition(":")
    if not colon:
        return {"id": None, "name": key}
    known = next(
        (g.emojis[int(emoji_id)] for g in world.guilds.values() if int(emoji_id) in g.emojis), None
    )
    made: Json = {"id": emoji_id, "name": name}
    return made | {"animated": True} if known is not None and known.animated else made


def _reaction_json(world: Setting, key: str, user_ids: list[int]) -> Json:
    return {
        "emoji": emoji_key_json(world, key),
        "count": len(user_ids),
        "count_details": {"burst": 0, "normal": len(user_ids)},
        "burst_colors": [],
        "me_burst": False,
        "me": world.bot_id in user_ids,
    }


def message_json(
    world: Setting, message: Message, *, strip: bool = False, nested: bool = False
) -> Json:
    """A message. `strip`: for somebody without the intent to read content. `nested`: it is itself
    the answered message of another, and carries none."""
    author = message.webhook or world.users[message.author_id]
    made: Json = {
        "id": str(message.id),
        "channel_id": str(message.channel_id),
        "type": message.type,
        "content": message.content,
        "author": user_json(author),
        "mentions": [user_json(world.users[u]) for u in message.mentions if u in world.users],
        "mention_roles": [str(role) for role in message.mention_roles],
        "mention_everyone": message.mention_everyone,
        "attachments": message.attachments,
        "embeds": message.embeds,
        "components": message.components,
        "timestamp": iso(message.at_ms),
        "edited_timestamp": None if message.edited_ms is None else iso(message.edited_ms),
        "flags": message.flags,
        "pinned": False,
        "tts": False,
    }
    made |= _sometimes(world, message)
    if not nested:
        made |= _answered(world, message, strip)
    if strip and not world.always_readable(message):
        made |= STRIPPED
        made.pop("poll", None)
        made.pop("message_snapshots", None)
    return made


def _sometimes(world: Setting, message: Message) -> Json:
    made: Json = {}
    if message.reactions:
        pairs = message.reactions.items()
        made["reactions"] = [_reaction_json(world, key, users) for key, users in pairs]
    if message.sticker_items:
        made["sticker_items"] = message.sticker_items
    if message.webhook is not None:
        made["webhook_id"] = str(message.webhook.id)
    if message.nonce is not None:
        made["nonce"] = message.nonce
    if message.poll is not None:
        made["poll"] = message.poll
    if message.snapshots:
        made["message_snapshots"] = message.snapshots
    if message.interaction is not None:
        made |= _interaction_part(world, message.interaction)
    return made


def _interaction_part(world: Setting, interaction: Interaction) -> Json:
    meta: Json = {
        "id": str(interaction.id),
        "type": interaction.kind,
        "user": user_json(world.users[interaction.member_id]),
        "authorizing_integration_owners": {"0": str(interaction.guild_id or 0)},
    }
    if interaction.kind == 3:
        meta["interacted_message_id"] = str(interaction.message_id)
    app = str(world.bot_id)
    return {"application_id": app, "webhook_id": app, "interaction_metadata": meta}


def _answered(world: Setting, message: Message, strip: bool) -> Json:
    if message.reference is None:
        return {}
    made: Json = {"message_reference": message.reference}
    if message.reply_to is not None:
        answered = world.messages.get(message.reply_to)
        made["referenced_message"] = (
            None if answered is None else message_json(world, answered, strip=strip, nested=True)
        )
    return made


def message_event_json(world: Setting, message: Message, *, strip: bool = False) -> Json:
    """A message as MESSAGE_CREATE and MESSAGE_UPDATE carry it."""
    made = message_json(world, message, strip=strip)
    channel = world.channel(message.channel_id)
    made["channel_type"] = int(channel.kind)
    if channel.guild_id is None:
        return made
    members = world.guilds[channel.guild_id].members
    made["guild_id"] = str(channel.guild_id)
    if message.webhook is None and message.author_id in members:
        made["member"] = member_json(members[message.author_id], with_user=False)
    for mentioned in made["mentions"]:
        if int(mentioned["id"]) in members:
            mentioned["member"] = member_json(members[int(mentioned["id"])], with_user=False)
    return made


def interaction_json(world: Setting, interaction: Interaction) -> Json:
    """INTERACTION_CREATE."""
    channel = world.channel(interaction.channel_id)
    made: Json = {
        "id": str(interaction.id),
        "application_id": str(world.bot_id),
        "type": interaction.kind,
        "token": interaction.token,
        "version": 1,
        "data": interaction.data,
        "channel_id": str(channel.id),
        "channel": channel_json(world, channel),
        "locale": "en-US",
        "entitlements": [],
        "app_permissions": str(int(ALL_PERMISSIONS)),
        "authorizing_integration_owners": {"0": str(interaction.guild_id or 0)},
        "context": 1 if interaction.guild_id is None else 0,
        "attachment_size_limit": 10_485_760,
    }
    if interaction.message_id is not None:
        made["message"] = message_json(world, world.any_message(interaction.message_id))
    if interaction.guild_id is None:
        return made | {"user": user_json(world.users[interaction.member_id])}
    guild = world.guilds[interaction.guild_id]
    member = guild.members[interaction.member_id]
    rights = str(world.permissions(member, channel))
    return made | {
        "guild_id": str(guild.id),
        "guild": {"id": str(guild.id), "locale": "en-US", "features": []},
        "guild_locale": "en-US",
        "member": member_json(member) | {"permissions": rights},
    }
