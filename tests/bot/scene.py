"""A small community for the bot's tests: members, channels, a history, and a tokenizer by bytes."""

from __future__ import annotations

from dataclasses import replace

from bot.messages import IncomingMessage
from model.chat_format import CHATML
from storage.database import Database
from storage.records import ChannelRecord, MemberRecord, MessageKind, MessageRecord, Origin

OWN_ID = 7_000
START_MS = 1_746_230_400_000  # 3 May 2025

MIRA = MemberRecord(101, "mira", "mira")
BOB = MemberRecord(102, "bob", "Bob the Builder")
SHY = MemberRecord(103, "shy", "shy", is_excluded=True)
ROBOT = MemberRecord(104, "dice", "dice", is_bot=True)
GUILD_ID = 50 << 22
TAVERN = ChannelRecord(500, GUILD_ID, "The Lantern", "tavern")
CELLAR = ChannelRecord(501, GUILD_ID, "The Lantern", "cellar", is_allowed=False)


def record(
    message_id: int, author: MemberRecord, text: str, channel: ChannelRecord = TAVERN
) -> MessageRecord:
    return MessageRecord(
        message_id=message_id,
        channel_id=channel.channel_id,
        author_id=author.member_id,
        content=text,
        created_at_ms=START_MS + message_id * 1000,
        origin=Origin.SAMPLE,
    )


def incoming(
    text: str,
    *,
    message_id: int = 900,
    author: MemberRecord = MIRA,
    channel: ChannelRecord = TAVERN,
    kind: MessageKind = MessageKind.DEFAULT,
    mentions: bool = False,
    answers: bool = False,
    playground: bool = False,
) -> IncomingMessage:
    return IncomingMessage(
        replace(record(message_id, author, text, channel), kind=kind),
        author,
        channel,
        mentions_persona=mentions,
        answers_persona=answers,
        is_playground=playground,
    )


def fill(database: Database) -> None:
    """The history of the little community."""
    database.upsert_channels([TAVERN, CELLAR])
    database.set_allowed(CELLAR.channel_id, False)
    database.upsert_messages(
        [
            record(1, MIRA, "never again a dungeon before nine"),
            record(2, BOB, "the healer overslept again"),
            record(3, SHY, "my secret dungeon is in the basement"),
            record(4, ROBOT, "dungeon dungeon dungeon roll a dice"),
            record(5, MIRA, "dungeon lol"),
            record(6, BOB, "who brought cake to the raid"),
            record(7, BOB, "the cellar dungeon is for staff only", CELLAR),
            replace(record(8, MIRA, "a deleted dungeon is gone"), deleted_at_ms=START_MS),
        ]
    )
    # Afterwards: what an excluded member said before that is there.
    database.upsert_members([MIRA, BOB, SHY, ROBOT])
    database.set_excluded(SHY.member_id, True)


class ByteTokenizer:
    """One token a byte; control tokens have ids of their own."""

    def control_id(self, token: str) -> int:
        return {CHATML.start: 1000, CHATML.end: 1001}[token]

    def text_ids(self, text: str) -> list[int]:
        return list(text.encode("utf-8"))
