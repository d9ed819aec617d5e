"""Which messages are somebody's words, and that every one is accounted for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data import preprocessor
from data.preprocessor import clean, clean_content, why_no_words
from storage.records import MemberRecord, MessageKind, Origin
from tests.data.talk import MEMBERS, history, record


@pytest.mark.parametrize(
    "text",
    [
        *("k", "lol", "teh raod", "🔥", "😂😂", "...", "!!!", "?", "/s", "$5 each", "!? what"),
        *("see /etc/fstab", "look https://example.com/x", "ha [sticker: Wave]", "a" * 3000),
    ],
)
def test_every_length_and_spelling_is_kept(text: str) -> None:
    kept, drops = clean([record(1, "mira", text)], MEMBERS)
    assert [message.text for message in kept] == [text]
    assert not drops


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (record(1, "Robot", "beep"), preprocessor.BOT_AUTHOR),
        (record(1, "shade", "hello"), preprocessor.EXCLUDED_MEMBER),
        (record(1, "mira", "joined", kind=MessageKind.SYSTEM), preprocessor.SYSTEM_NOTICE),
        (record(1, "mira", "oops", deleted_at_ms=5), preprocessor.DELETED),
        (record(1, "mira", " \u200b\n"), preprocessor.EMPTY),
        (record(1, "mira", "https://example.com/a <https://b.example>"), preprocessor.ONLY_LINKS),
        (record(1, "mira", "[sticker: Wave]"), preprocessor.STANDS_FOR_ANOTHER),
        (
            record(1, "mira", "[forwarded: see you]\n[embed: a page]"),
            preprocessor.STANDS_FOR_ANOTHER,
        ),
        (record(1, "mira", "!roll 2d6"), preprocessor.BOT_COMMAND),
        (record(1, "mira", "/ping"), preprocessor.BOT_COMMAND),
        (record(1, "mira", "m!play song"), preprocessor.BOT_COMMAND),
        (record(1, "mira", "hi", origin=Origin.PLAYGROUND), preprocessor.PLAYGROUND),
    ],
)
def test_what_is_nobodys_words_is_dropped_with_its_reason(message, reason) -> None:
    kept, drops = clean([message], MEMBERS)
    assert not kept
    assert drops == {reason: 1}


def test_a_reply_is_kept_whatever_its_type() -> None:
    kept, _ = clean([record(2, "bob", "yes", kind=MessageKind.REPLY, reply_to_id=1)], MEMBERS)
    assert kept[0].reply_to_id == 1


def test_opted_out_members_and_closed_channels_are_left_out() -> None:
    out = MemberRecord(1, "mira", "mira", consent="opted_out")
    _, drops = clean([record(1, "mira", "hi")], [out])
    assert drops == {preprocessor.OPTED_OUT: 1}
    _, drops = clean([record(1, "mira", "hi")], MEMBERS, closed_channels={500})
    assert drops == {preprocessor.CLOSED_CHANNEL: 1}


def test_an_unknown_author_is_a_person() -> None:
    stranger = replace(record(1, "mira", "hi"), author_id=99)
    assert clean([stranger], MEMBERS)[0][0].name == preprocessor.NAMELESS


def test_every_message_is_kept_or_counted() -> None:
    records, _ = history(2000)
    kept, drops = clean(records, MEMBERS)
    assert len(records) == len(kept) + drops.total()
    assert len(drops) >= 4


def test_text_is_made_readable() -> None:
    assert clean_content("a\r\n\r\n\r\n b\t c\x0304 <:blob:123456789012345678>", {}) == (
        "a\n b c :blob:"
    )
    assert clean_content("<@123456789012345678> hi", {123456789012345678: "mira"}) == "@mira hi"
    assert why_no_words("👨‍👩‍👧") == ""
