"""What the stand-in for Discord is made of: plain dataclasses, changed by `world.World` alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any

Json = dict[str, Any]

DISCORD_EPOCH_MS = 1_420_070_400_000


def snowflake(at_ms: int, low: int = 0) -> int:
    """The id that Discord gives at `at_ms` (milliseconds since 1970); `low` orders within it."""
    return ((at_ms - DISCORD_EPOCH_MS) << 22) | low


def snowflake_ms(id_: int) -> int:
    """When an id was made: milliseconds since 1970."""
    return (id_ >> 22) + DISCORD_EPOCH_MS


class Allow(IntFlag):
    """Discord's permissions, as far as the stand-in looks at them."""

    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    MANAGE_ROLES = 1 << 28
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    SEND_MESSAGES_IN_THREADS = 1 << 38
    MODERATE_MEMBERS = 1 << 40


ALL_PERMISSIONS = (1 << 52) - 1
EVERYONE_MAY = (
    Allow.VIEW_CHANNEL
    | Allow.SEND_MESSAGES
    | Allow.ADD_REACTIONS
    | Allow.EMBED_LINKS
    | Allow.ATTACH_FILES
    | Allow.READ_MESSAGE_HISTORY
    | Allow.USE_EXTERNAL_EMOJIS
    | Allow.USE_APPLICATION_COMMANDS
    | Allow.SEND_MESSAGES_IN_THREADS
)


class ChannelKind(IntEnum):
    """Discord's channel types."""

    TEXT = 0
    DM = 1
    VOICE = 2
    CATEGORY = 4
    NEWS = 5
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    STAGE = 13
    FORUM = 15
    MEDIA = 16


@dataclass
class Role:
    id: int
    name: str
    permissions: int = 0
    position: int = 1
    managed: bool = False
    color: int = 0
    bot_id: int | None = None
    """Of the bot that it came with."""


@dataclass
class User:
    """An account, on whichever servers it is."""

    id: int
    name: str
    display_name: str | None = None
    is_bot: bool = False
    avatar: str | None = None


@dataclass
class Member:
    """An account on one server."""

    user: User
    guild_id: int
    nick: str | None = None
    roles: list[int] = field(default_factory=list)
    joined_ms: int = 0

    @property
    def id(self) -> int:
        return self.user.id


@dataclass
class Emoji:
    id: int
    name: str
    animated: bool = False


@dataclass
class Overwrite:
    """What a channel changes for one role (`kind` 0) or one member (1)."""

    id: int
    kind: int
    allow: int = 0
    deny: int = 0


@dataclass
class Channel:
    """A channel, a thread (`parent_id` is its channel) or a direct channel (`recipients`)."""

    id: int
    name: str
    kind: ChannelKind = ChannelKind.TEXT
    guild_id: int | None = None
    parent_id: int | None = None
    topic: str | None = None
    position: int = 0
    nsfw: bool = False
    overwrites: list[Overwrite] = field(default_factory=list)
    recipients: list[int] = field(default_factory=list)
    owner_id: int = 0
    archived: bool = False
    archived_ms: int = 0
    """When that was last changed."""
    thread_members: list[int] = field(default_factory=list)
    """Who is in a private thread."""
    locked: bool = False
    message_ids: list[int] = field(default_factory=list)
    """In order, oldest first."""

    @property
    def is_thread(self) -> bool:
        return self.kind in (ChannelKind.PUBLIC_THREAD, ChannelKind.PRIVATE_THREAD)


@dataclass
class Guild:
    id: int
    name: str
    owner_id: int
    roles: dict[int, Role] = field(default_factory=dict)
    emojis: dict[int, Emoji] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    """Threads too."""
    joined_ms: int = 0
    unavailable: bool = False
