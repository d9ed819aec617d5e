"""Turns Discord's messages into our own records, and our readable text back into Discord's.

Pure: nothing is asked for and nothing is sent. What is stored reads exactly as an exporter's file
of the same message does (data/importers), so that a community's history has one form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import discord

from bot.platforms.discord_readers import readers_of
from data.importers.readable import Names, placeholder, readable, storable
from storage.records import (
    ChannelRecord,
    MemberRecord,
    MessageKind,
    MessageRecord,
    Origin,
    Reaction,
)

MAX_MESSAGE_CHARS = 2000
"""Discord takes no longer message."""

_KINDS = {
    discord.MessageType.default: MessageKind.DEFAULT,
    discord.MessageType.reply: MessageKind.REPLY,
}
_NOTICES = {
    discord.MessageType.pins_add: "Pinned a message.",
    discord.MessageType.thread_created: "Started a thread.",
    discord.MessageType.new_member: "Joined the server.",
}
"""Notices have no text of their author's; these are an exporter's sentences."""

_NAMED = re.compile(r"<(@!?|@&|#)([0-9]{1,20})>")
_EMOJI = re.compile(
    r"```.*?```|`[^`\n]*`|https?://\S+|<a?:\w{2,32}:[0-9]{15,20}>|:(?P<name>\w{2,32}):", re.DOTALL
)
_NAMELESS_EMOJI = "Unknown Emoji"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _nothing(_: int) -> str | None:
    return None


@dataclass(frozen=True)
class NamesHere:
    """What ids are called on one server. Each of the callables gives None for an id it lacks."""

    own_id: int
    persona_name: str
    """What a mention of the bot's own account reads as."""
    member: Callable[[int], str | None] = _nothing
    role: Callable[[int], str | None] = _nothing
    channel: Callable[[int], str | None] = _nothing


def record_of(message: discord.Message, names: NamesHere) -> MessageRecord:
    """The message as it is stored."""
    kind = _KINDS.get(message.type, MessageKind.SYSTEM)
    edited = message.edited_at
    reference = message.reference
    return MessageRecord(
        message_id=message.id,
        channel_id=message.channel.id,
        author_id=message.author.id,
        content=_content(message, names),
        created_at_ms=snowflake_ms(message.id),
        origin=Origin.DISCORD_API,
        kind=kind,
        edited_at_ms=None if edited is None else time_ms(edited),
        reply_to_id=reference.message_id if reference and kind is MessageKind.REPLY else None,
        reactions=tuple(
            Reaction(emoji_text(one.emoji), count)
            for one in message.reactions
            if (count := one.count - one.me) > 0  # the bot's own says nothing
        ),
        mentioned_ids=tuple(dict.fromkeys(one.id for one in message.mentions)),
        attachment_names=tuple(storable(one.filename) for one in message.attachments),
    )


def author_of(message: discord.Message, names: NamesHere) -> MemberRecord:
    """Who wrote it. A webhook is a bot, with the name that it took for this message."""
    is_bot = message.author.bot or message.webhook_id is not None
    return member_of(message.author, names, is_bot=is_bot)


def member_of(
    user: discord.User | discord.Member, names: NamesHere, *, is_bot: bool | None = None
) -> MemberRecord:
    """An account as it is stored."""
    name = storable(user.name).strip()
    nickname = storable(_called(user, names)).strip()
    name = name or nickname or f"user-{user.id}"
    is_bot = user.bot if is_bot is None else is_bot
    return MemberRecord(user.id, name, nickname or name, is_bot=is_bot)


def channel_of(channel: Any, guild: discord.Guild, parent: Any = None) -> ChannelRecord:
    """A channel or thread of `guild`; `parent` is a thread's channel, where the server does not
    know it."""
    is_thread = isinstance(channel, discord.Thread)
    return ChannelRecord(
        channel_id=channel.id,
        guild_id=guild.id,
        guild_name=storable(guild.name),
        name=storable(channel.name),
        parent_id=channel.parent_id if is_thread else None,
        readers=readers_of(channel, guild, parent),
    )


def answers(message: discord.Message, member_id: int) -> bool:
    """Whether it is a reply to a message of `member_id`, as far as Discord sent that along."""
    reference = message.reference
    answered = reference.resolved if reference is not None else None
    return (
        message.type is discord.MessageType.reply
        and isinstance(answered, discord.Message)
        and answered.author.id == member_id
    )


def emoji_text(emoji: discord.Emoji | discord.PartialEmoji | str) -> str:
    """An emoji as a reaction is stored with it: the character, or ":name:" of a server's own."""
    if isinstance(emoji, str):
        return storable(emoji)
    name = storable(emoji.name or _NAMELESS_EMOJI)
    return f":{name}:" if emoji.id else name


def to_discord(text: str, emojis: Iterable[discord.Emoji]) -> str:
    """`text` with ":name:" as the server's own emoji, where it has one of exactly that name.

    Code and links stay as they are; so does everything where the result would pass 2,000
    characters.
    """
    if ":" not in text:
        return text
    known = {emoji.name: str(emoji) for emoji in emojis if emoji.available}
    made = _EMOJI.sub(lambda match: known.get(match["name"] or "", match[0]), text)
    return made if len(made) <= MAX_MESSAGE_CHARS else text


def reaction_for(emoji: str, emojis: Iterable[discord.Emoji]) -> str | None:
    """A reaction as it is stored, as Discord wants it; None for ":name:" of no emoji here."""
    if len(emoji) < 3 or not (emoji.startswith(":") and emoji.endswith(":")):
        return emoji
    known = {f":{one.name}:": f"{one.name}:{one.id}" for one in emojis if one.available}
    return known.get(emoji)


def snowflake_ms(snowflake: int) -> int:
    """When an id was made, in milliseconds since 1970."""
    return (snowflake >> 22) + discord.utils.DISCORD_EPOCH


def time_ms(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _content(message: discord.Message, names: NamesHere) -> str:
    text = _NOTICES.get(message.type) or message.content
    if not text or text.isspace():
        text = _stand_in(message)
    return readable(text, _names_in(text, message, names)) if text else ""


def _stand_in(message: discord.Message | discord.MessageSnapshot) -> str:
    """What a reader sees of a message without text: the same as in data/importers."""
    if isinstance(message, discord.Message) and message.message_snapshots:
        forwarded = message.message_snapshots[0]
        inner = forwarded.content if forwarded.content.strip() else _stand_in(forwarded)
        return placeholder("forwarded", inner) if inner else ""
    if message.stickers:
        return " ".join(placeholder("sticker", one.name) for one in message.stickers)
    if message.attachments:
        return " ".join(placeholder("attachment", one.filename) for one in message.attachments)
    said = (one for embed in message.embeds for one in (embed.title, embed.description))
    text = next((one for one in said if one and one.strip()), "")
    return placeholder("embed", text) if text else ""


def _names_in(text: str, message: discord.Message, names: NamesHere) -> Names:
    """What the ids in `text` are called; only they are looked up."""
    found = Names()
    mentioned = {user.id: user for user in message.mentions} if "<@" in text else {}
    for kind, digits in _NAMED.findall(text):
        known_id = int(digits)
        if kind == "#":
            _put(found.channels, known_id, names.channel(known_id))
        elif kind == "@&":
            _put(found.roles, known_id, names.role(known_id))
        elif known_id == names.own_id:
            found.members[known_id] = names.persona_name
        elif known_id in mentioned:
            _put(found.members, known_id, _called(mentioned[known_id], names))
        else:
            _put(found.members, known_id, names.member(known_id))
    return found


def _put(where: dict[int, str], known_id: int, name: str | None) -> None:
    if name:
        where[known_id] = storable(name).strip()


def _called(user: discord.User | discord.Member, names: NamesHere) -> str:
    """What others see: the nick on this server, which history pages leave out."""
    if user.id == names.own_id:
        return names.persona_name
    if isinstance(user, discord.Member):
        return user.display_name
    return names.member(user.id) or user.display_name
