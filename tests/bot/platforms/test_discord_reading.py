"""Discord's messages as records: exactly as the importer reads them out of an exporter's file."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import discord
import pytest

from bot.platforms.discord_client import intents
from bot.platforms.discord_reading import (
    NamesHere,
    author_of,
    emoji_text,
    member_of,
    record_of,
    to_discord,
)
from data.importers.discord_chat_exporter import MessageReader
from data.importers.readable import Names
from storage.records import MessageKind, MessageRecord, Origin

CHANNEL_ID, GUILD_ID, OWN_ID, BOB, ALICE = 1 << 40, 1 << 41, 1 << 42, 1 << 43, 1 << 44
ROLE, OTHER_CHANNEL, EMOJI = 1 << 45, 1 << 46, 1 << 47
MESSAGE_ID = (1_200_000_000_000 << 22) | 7
WHEN = datetime(2015, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=1_200_000_000_000)

BY_BOB = {"id": str(BOB), "username": "bob", "global_name": "Bobby", "discriminator": "0"}
BY_BOB["avatar"] = None  # type: ignore[assignment]
MENTIONS = [
    {
        **BY_BOB,
        "id": str(ALICE),
        "username": "alice",
        "global_name": None,
        "member": {
            "nick": "Ali",
            "roles": [],
            "joined_at": WHEN.isoformat(),
            "flags": 0,
            "deaf": False,
            "mute": False,
        },
    }
]
MENTIONED = [{"id": str(ALICE), "name": "alice", "nickname": "Ali", "isBot": False, "roles": []}]

NAMES = NamesHere(
    OWN_ID,
    "Perch",
    role={ROLE: "wardens"}.get,
    channel={OTHER_CHANNEL: "random"}.get,
)


class Channel:
    """A channel as far as discord.Message looks at one."""

    id = CHANNEL_ID

    def __init__(self, guild: discord.Guild) -> None:
        self.guild = guild


def read(**changes: Any) -> discord.Message:
    """A message as Discord sends it; `changes` replace fields."""
    state = discord.Client(intents=intents())._connection
    guild: Any = {
        "id": str(GUILD_ID),
        "name": "The Nest",
        "owner_id": "1",
        "roles": [],
        "emojis": [],
    }
    data: Any = {
        "id": str(MESSAGE_ID),
        "channel_id": str(CHANNEL_ID),
        "type": 0,
        "content": "",
        "author": BY_BOB,
        "timestamp": WHEN.isoformat(),
        "edited_timestamp": None,
        "mentions": [],
        "mention_roles": [],
        **changes,
    }
    channel: Any = Channel(discord.Guild(data=guild, state=state))
    return discord.Message(state=state, channel=channel, data=data)


def exported(**changes: Any) -> MessageRecord:
    """The same out of an exporter's file with raw texts, by the importer."""
    raw = {
        "id": str(MESSAGE_ID),
        "type": "Default",
        "timestamp": WHEN.isoformat(timespec="milliseconds"),
        "timestampEdited": None,
        "content": "",
        "author": {"id": str(BOB), "name": "bob", "nickname": "Bobby", "isBot": False, "roles": []},
        "attachments": [],
        "embeds": [],
        "stickers": [],
        "reactions": [],
        "mentions": [],
        **changes,
    }
    names = Names(roles={ROLE: "wardens"}, channels={OTHER_CHANNEL: "random"})
    return MessageReader(CHANNEL_ID, names, Origin.EXPORT).message(raw)


def snapshot(text: str) -> list[Any]:
    return [
        {
            "message": {
                "type": 0,
                "content": text,
                "embeds": [],
                "attachments": [],
                "timestamp": WHEN.isoformat(),
                "edited_timestamp": None,
            }
        }
    ]


def embed(**fields: Any) -> dict[str, Any]:
    return {"type": "rich", **fields}


def attachment(name: str) -> dict[str, Any]:
    return {"id": "9", "filename": name, "size": 3, "url": "https://x/y", "proxy_url": "https://x"}


def sticker(name: str) -> dict[str, Any]:
    return {"id": "8", "name": name, "format_type": 1}


EDITED = WHEN + timedelta(minutes=3, milliseconds=250)
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({"content": "hello\nthere"}, {"content": "hello\nthere"}),
    "member": (
        {"content": f"hi <@{ALICE}> and <@!{ALICE}>", "mentions": MENTIONS},
        {"content": f"hi <@{ALICE}> and <@!{ALICE}>", "mentions": MENTIONED},
    ),
    "unknown": (
        {"content": "hi <@99>, <@&98>, <#97>"},
        {"content": "hi <@99>, <@&98>, <#97>"},
    ),
    "role and channel": (
        {"content": f"<@&{ROLE}> look at <#{OTHER_CHANNEL}>"},
        {"content": f"<@&{ROLE}> look at <#{OTHER_CHANNEL}>"},
    ),
    "forms": (
        {"content": f"<a:pog:{EMOJI}> <:kek:{EMOJI}> <t:1700000000:R> </play now:5> <id:guide> <3"},
        {"content": f"<a:pog:{EMOJI}> <:kek:{EMOJI}> <t:1700000000:R> </play now:5> <id:guide> <3"},
    ),
    "sticker": (
        {"sticker_items": [sticker("Wave"), sticker("[b]")]},
        {"stickers": [{"name": "Wave"}, {"name": "[b]"}]},
    ),
    "sticker with text": (
        {"content": "look", "sticker_items": [sticker("Wave")]},
        {"content": "look", "stickers": [{"name": "Wave"}]},
    ),
    "embed": (
        {"content": " ", "embeds": [embed(description="x"), embed(title="Build\nfailed")]},
        {"content": " ", "embeds": [{"description": "x", "title": ""}, {"title": "Build\nfailed"}]},
    ),
    "embed without a title": (
        {"embeds": [embed(description="x")]},
        {"embeds": [{"title": "", "description": "x"}]},
    ),
    "forward": (
        {
            "message_snapshots": snapshot("they <@5> said [so] :x:" + "y" * 400),
            "message_reference": {"type": 1, "channel_id": "5", "message_id": "6"},
        },
        {
            "forwardedMessage": {"content": "they <@5> said [so] :x:" + "y" * 400},
            "reference": {"messageId": "6"},
        },
    ),
    "forward of nothing": (
        {"message_snapshots": snapshot(" ")},
        {"forwardedMessage": {"content": " "}},
    ),
    "attachments": (
        {"content": "", "attachments": [attachment("cat.png"), attachment("a\0b.txt")]},
        {"content": "", "attachments": [{"fileName": "cat.png"}, {"fileName": "a\0b.txt"}]},
    ),
    "reply": (
        {
            "content": "yes",
            "type": 19,
            "message_reference": {"channel_id": "5", "message_id": "6"},
            "mentions": MENTIONS,
        },
        {"content": "yes", "type": "Reply", "reference": {"messageId": "6"}, "mentions": MENTIONED},
    ),
    "edited": (
        {"content": "x", "edited_timestamp": EDITED.isoformat()},
        {"content": "x", "timestampEdited": EDITED.isoformat()},
    ),
    "reactions": (
        {
            "content": "x",
            "reactions": [
                {"count": 2, "me": False, "emoji": {"id": None, "name": "🐦"}},
                {"count": 1, "me": False, "emoji": {"id": str(EMOJI), "name": "pog"}},
            ],
        },
        {
            "content": "x",
            "reactions": [
                {"count": 2, "emoji": {"id": "", "name": "🐦"}},
                {"count": 1, "emoji": {"id": str(EMOJI), "name": "pog"}},
            ],
        },
    ),
    "joined": ({"type": 7}, {"type": "GuildMemberJoin", "content": "Joined the server."}),
    "pinned": (
        {"type": 6, "message_reference": {"channel_id": "5", "message_id": "6"}},
        {
            "type": "ChannelPinnedMessage",
            "content": "Pinned a message.",
            "reference": {"messageId": "6"},
        },
    ),
    "thread": (
        {"type": 18, "content": "branches"},
        {"type": "ThreadCreated", "content": "Started a thread."},
    ),
    "broken": (
        {"content": "a\0b \ud800 <@> <:x:> <t:99999999999999>"},
        {"content": "a\0b \ud800 <@> <:x:> <t:99999999999999>"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_live_message_reads_as_an_exported_one(case: str) -> None:
    live, file = CASES[case]
    expected = exported(**file)
    assert record_of(read(**live), NAMES) == replace(expected, origin=Origin.DISCORD_API)


def test_the_bots_own_name() -> None:
    own = {**BY_BOB, "id": str(OWN_ID), "username": "mynah", "bot": True}
    message = read(content=f"<@{OWN_ID}>, <@!{OWN_ID}>?", mentions=[own], author=own)
    assert record_of(message, NAMES).content == "@Perch, @Perch?"
    member = author_of(message, NAMES)
    assert (member.name, member.nickname, member.is_bot) == ("mynah", "Perch", True)


def test_names_of_a_history_page_come_from_elsewhere() -> None:
    """History says nothing of nicks: not of those mentioned, nor of the author."""
    mention = {key: value for key, value in MENTIONS[0].items() if key != "member"}
    names = replace(NAMES, member={ALICE: "Ali", BOB: "Boss", 99: "Gone"}.get)
    message = read(content=f"<@{ALICE}> <@99>", mentions=[mention])
    assert record_of(message, names).content == "@Ali @Gone"
    assert author_of(message, names).nickname == "Boss"
    assert author_of(message, NAMES).nickname == "Bobby"


def test_an_account_without_a_name() -> None:
    blank = {**BY_BOB, "username": " ", "global_name": None}
    member = member_of(read(author=blank).author, NAMES)
    assert (member.name, member.nickname) == (f"user-{BOB}",) * 2


def test_a_webhook_is_a_bot() -> None:
    message = read(content="x", webhook_id="77", author={**BY_BOB, "id": "77"})
    assert author_of(message, NAMES).is_bot


def test_an_unknown_kind_of_message_is_a_notice() -> None:
    assert record_of(read(content="x", type=999), NAMES).kind is MessageKind.SYSTEM


def test_a_reactions_emoji() -> None:
    assert emoji_text("🐦") == "🐦"
    assert emoji_text(discord.PartialEmoji(name="🐦")) == "🐦"
    assert emoji_text(discord.PartialEmoji(name="pog", id=5)) == ":pog:"
    assert emoji_text(discord.PartialEmoji(name="", id=5)) == ":Unknown Emoji:"


class Emoji:
    """A server's emoji."""

    def __init__(self, name: str, form: str, available: bool = True) -> None:
        self.name, self.form, self.available = name, form, available

    def __str__(self) -> str:
        return self.form


EMOJIS: Any = [
    Emoji("pog", "<:pog:123456789012345678>"),
    Emoji("wave", "<a:wave:123456789012345679>"),
    Emoji("lost", "<:lost:123456789012345670>", available=False),
    Emoji("30", "<:30:123456789012345671>"),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        (":pog: yes:wave:", "<:pog:123456789012345678> yes<a:wave:123456789012345679>"),
        (":pog::pog:", "<:pog:123456789012345678>" * 2),
        (":Pog: :lost: :other: :p", ":Pog: :lost: :other: :p"),
        ("`:pog:` and ```\n:pog:\n```", "`:pog:` and ```\n:pog:\n```"),
        ("https://x.org/:pog:/a", "https://x.org/:pog:/a"),
        ("<:pog:123456789012345678>", "<:pog:123456789012345678>"),
        (":pog:" + "x" * 1980, ":pog:" + "x" * 1980),
    ],
)
def test_back_to_discord(text: str, expected: str) -> None:
    assert to_discord(text, EMOJIS) == expected
