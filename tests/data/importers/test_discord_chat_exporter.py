"""Each raw message as our record."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from data.importers.discord_chat_exporter import MessageReader
from data.importers.fields import BadRecord
from data.importers.readable import Names
from storage.records import MessageKind, MessageRecord, Origin, Reaction
from tests.data.importers.exports import CHANNEL_ID, author, message, reaction, stamp


def record(raw: Any, names: Names | None = None) -> MessageRecord:
    return MessageReader(CHANNEL_ID, names or Names(), Origin.EXPORT).message(raw)


def test_an_ordinary_message() -> None:
    raw = message(1, author=author(1), timestampEdited=stamp(5))
    at_ms = int(datetime(2024, 5, 3, 19, 1, tzinfo=timezone.utc).timestamp() * 1000)
    assert record(raw) == MessageRecord(
        message_id=10_001,
        channel_id=CHANNEL_ID,
        author_id=101,
        content="words 1",
        created_at_ms=at_ms,
        origin=Origin.EXPORT,
        edited_at_ms=at_ms + 4 * 60_000,
    )


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-03T19:00:00+00:00", (2024, 5, 3, 19, 0, 0, 0)),
        ("2024-05-03T19:00:00.123Z", (2024, 5, 3, 19, 0, 0, 123)),
        ("2024-05-03T19:00:00.1+00:00", (2024, 5, 3, 19, 0, 0, 100)),
        ("2024-05-03T19:00:00.1239999+02:00", (2024, 5, 3, 17, 0, 0, 123)),
        ("2024-05-03T19:00:00.12-05:30", (2024, 5, 4, 0, 30, 0, 120)),
        ("2024-05-03T19:00:00", (2024, 5, 3, 19, 0, 0, 0)),
        ("2024-02-29T00:00:59+0100", (2024, 2, 28, 23, 0, 59, 0)),
    ],
)
def test_timestamps(text: str, moment: tuple[int, ...]) -> None:
    *parts, ms = moment
    expected = datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc,arg-type]
    assert record(message(1, timestamp=text)).created_at_ms == int(expected.timestamp()) * 1000 + ms


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Default", MessageKind.DEFAULT),
        ("Reply", MessageKind.REPLY),
        ("19", MessageKind.REPLY),
        (0, MessageKind.DEFAULT),
        ("GuildMemberJoin", MessageKind.SYSTEM),
        ("ChannelPinnedMessage", MessageKind.SYSTEM),
        ("Call", MessageKind.SYSTEM),
        ("ThreadCreated", MessageKind.SYSTEM),
        ("46", MessageKind.SYSTEM),
    ],
)
def test_kinds(kind: object, expected: MessageKind) -> None:
    assert record(message(1, type=kind)).kind is expected


def test_a_reply_names_what_it_answers_and_a_pin_or_forward_does_not() -> None:
    reference = {"messageId": "10000", "channelId": str(CHANNEL_ID), "guildId": "1000"}
    assert record(message(1, type="Reply", reference=reference)).reply_to_id == 10_000
    assert record(message(1, type="ChannelPinnedMessage", reference=reference)).reply_to_id is None
    assert record(message(1, reference={**reference, "type": "Forward"})).reply_to_id is None
    gone = {**reference, "messageId": None}
    assert record(message(1, type="Reply", reference=gone)).reply_to_id is None


def test_mentions_reactions_and_attachments() -> None:
    raw = message(
        1,
        content="<@103> see <@&9>, <@104>",
        author=author(1, roles=[{"id": "9", "name": "raiders"}]),
        mentions=[author(3), author(3)],
        reactions=[reaction("😀", 3), reaction("pog", 2, "777")],
        attachments=[{"id": "1", "url": "https://x", "fileName": "map.png", "fileSizeBytes": 5}],
    )
    read = record(raw, Names(members={104: "Old Bob"}))
    assert read.content == "@Nick3 see @raiders, @Old Bob"
    assert read.mentioned_ids == (103,)
    assert read.reactions == (Reaction("😀", 3), Reaction(":pog:", 2))
    assert read.attachment_names == ("map.png",)


@pytest.mark.parametrize(
    ("changes", "content"),
    [
        ({"stickers": [{"name": "Wave"}, {"name": "Hi"}]}, "[sticker: Wave] [sticker: Hi]"),
        ({"embeds": [{"title": ""}, {"title": "News\nof today"}]}, "[embed: News of today]"),
        ({"forwardedMessage": {"content": "hi <@101>"}}, "[forwarded: hi @Nick1]"),
        ({"attachments": [{"fileName": "a.png"}]}, "[attachment: a.png]"),
        ({"embeds": [{"title": "", "description": "more"}]}, "[embed: more]"),
        (
            {"forwardedMessage": {"content": "", "attachments": [{"fileName": "a.png"}]}},
            "[forwarded: (attachment: a.png)]",
        ),
        ({}, ""),
    ],
)
def test_what_stands_for_a_message_without_text(changes: dict[str, Any], content: str) -> None:
    assert record(message(1, content="", author=author(1), **changes)).content == content
    assert record(message(1, content="words", **changes)).content == "words"


def test_people_met_with_their_newest_name() -> None:
    reader = MessageReader(CHANNEL_ID, Names(), Origin.EXPORT)
    first = record(message(1)).created_at_ms
    reader.message(message(1, author=author(1)))
    reader.message(message(2, author=author(1, nickname="Newer"), mentions=[author(2)]))
    reader.message(message(3, author=author(4, isBot=True, nickname=None)))
    met = reader.take_met(None)
    assert {key: (one.nickname, one.is_bot) for key, (one, _) in met.items()} == {
        101: ("Newer", False),
        102: ("Nick2", False),
        104: ("name4", True),
    }
    assert met[101][1] == first + 60_000
    assert reader.take_met(None) == {}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "missing, not an object"),
        (5, "a number, not an object"),
        ("x", "text, not an object"),
        ([], "a list, not an object"),
        ({}, "id is missing"),
        (message(1, id="12x"), "id is '12x'"),
        (message(1, id="٣"), "id is"),
        (message(1, id=1.5), "id is a number"),
        (message(1, id=True), "id is true or false"),
        (message(1, id=str(2**63)), "does not fit"),
        (message(1, id="9" * 500), "id is"),
        (message(1, id="0"), "does not fit"),
        (message(1, id="-5"), "id is"),
        (message(1, timestamp=None), "timestamp is missing"),
        (message(1, timestamp="yesterday"), "timestamp is 'yesterday'"),
        (message(1, timestamp="2024-13-03T19:00:00Z"), "month must be in 1..12"),
        (message(1, timestamp="2024-05-03T19:00:00+99:00"), "out of range"),
        (message(1, timestamp="٢024-05-03T19:00:00Z"), "not an ISO 8601 time"),
        (message(1, timestamp=1714762800), "timestamp is a number"),
        (message(1, timestampEdited="soon"), "timestampEdited is 'soon'"),
        (message(1, content=5), "content is a number"),
        (message(1, author=None), "author is missing"),
        (message(1, author=author(1, id=None)), "author's id is missing"),
        (message(1, author=author(1, id=[])), "lists or objects"),
        (message(1, author=author(1, isBot="no")), "isBot"),
        (message(1, author=author(1, name=5)), "author's name"),
        (message(1, mentions="x"), "mentions is not a list"),
        (message(1, reactions=[5]), "reactions is not a list"),
        (message(1, reactions=[{"emoji": None, "count": 1}]), "reaction"),
        (message(1, reactions=[reaction("x", 10**30)]), "reaction"),
        (message(1, type="Reply", reference="x"), "reference is text"),
        (message(1, type="Reply", reference={"messageId": "x"}), "reference's messageId"),
        (message(1, attachments=[{"fileName": 5}]), "fileName"),
    ],
)
def test_broken_records_name_what_is_wrong(raw: Any, reason: str) -> None:
    with pytest.raises(BadRecord) as caught:
        record(raw)
    assert reason in str(caught.value)
