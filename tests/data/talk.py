"""A small invented community for the tests of data/: lines in, records out."""

from __future__ import annotations

import random
from collections.abc import Sequence

from data.preprocessor import CleanMessage, clean
from storage.records import (
    FIRST_SNOWFLAKE,
    ChannelRecord,
    MemberRecord,
    MessageKind,
    MessageRecord,
    Origin,
)

BEGAN_MS = 1_700_000_000_000
MINUTE_MS = 60_000
CHANNEL = 500
NAMES = ("mira", "bob", "Dove", "kai", "Robot", "shade")
MEMBERS = tuple(
    MemberRecord(
        number,
        name.lower(),
        name,
        is_bot=name == "Robot",
        is_excluded=name == "shade",
    )
    for number, name in enumerate(NAMES, start=1)
)
ID_OF = {member.nickname: member.member_id for member in MEMBERS}
WORDS = (
    "raid soup lantern harvest goblin patch sword tavern dragon weather server update guild quest "
    "potion castle bridge winter pumpkin fiddle anchor marble thunder compass"
).split()


def record(
    message_id: int,
    name: str,
    text: str,
    *,
    at_ms: int | None = None,
    channel_id: int = CHANNEL,
    origin: Origin = Origin.SAMPLE,
    kind: MessageKind = MessageKind.DEFAULT,
    reply_to_id: int | None = None,
    deleted_at_ms: int | None = None,
) -> MessageRecord:
    """A message of one of NAMES; a minute after the one before by default."""
    return MessageRecord(
        message_id,
        channel_id,
        ID_OF[name],
        text,
        BEGAN_MS + message_id * MINUTE_MS if at_ms is None else at_ms,
        origin,
        kind,
        reply_to_id=reply_to_id,
        deleted_at_ms=deleted_at_ms,
    )


def talk(*lines: tuple[str, str]) -> list[CleanMessage]:
    """Clean messages 1, 2, 3 ... of one channel, a minute apart."""
    return clean([record(i, *line) for i, line in enumerate(lines, start=1)], MEMBERS)[0]


def history(
    count: int, seed: int = 0, channels: Sequence[int] = (500, 600)
) -> tuple[list[MessageRecord], list[ChannelRecord]]:
    """`count` messages of question and answer, entangled, with silences, bots and notices."""
    rng = random.Random(seed)
    people = NAMES[:4]
    records: list[MessageRecord] = []
    now_ms = BEGAN_MS
    for message_id in range(1, count + 1):
        now_ms += 9 * 60 * MINUTE_MS if rng.random() < 0.02 else rng.randint(5_000, 90_000)
        name = rng.choice(people)
        words = " ".join(rng.choices(WORDS, k=rng.randint(1, 9)))
        if rng.random() < 0.3:
            words = f"{rng.choice(people)}: {words}"
        if rng.random() < 0.05:
            words = "lol"
        kind = MessageKind.DEFAULT
        draw = rng.random()
        if draw < 0.03:
            name, words = "Robot", "I am a bot"
        elif draw < 0.06:
            name = "shade"
        elif draw < 0.08:
            kind = MessageKind.SYSTEM
        elif draw < 0.1:
            words = "https://example.com/x"
        earlier = [r.message_id for r in records[-12:]]
        records.append(
            record(
                message_id,
                name,
                words,
                at_ms=now_ms,
                channel_id=rng.choice(channels),
                kind=kind,
                reply_to_id=rng.choice(earlier) if earlier and rng.random() < 0.1 else None,
            )
        )
    places = [ChannelRecord(c, FIRST_SNOWFLAKE, "The Testers", f"room-{c}") for c in channels]
    return records, places


class LetterTokenizer:
    """One token a letter: exact, and no model needed."""

    def control_id(self, token: str) -> int:
        return {"<|im_start|>": 0, "<|im_end|>": 1}[token]

    def text_ids(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]
