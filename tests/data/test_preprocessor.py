"""Which messages are somebody's words, and that every one is accounted for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data import consent, preprocessor
from data.consent import Mode, Rules
from data.preprocessor import clean, clean_content, why_no_words, without_words
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
        (record(1, "shade", "hello"), consent.EXCLUDED_MEMBER),
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
        (record(1, "mira", "hi", origin=Origin.PLAYGROUND), consent.PLAYGROUND),
    ],
)
def test_what_is_nobodys_words_is_dropped_with_its_reason(message, reason) -> None:
    kept, drops = clean([message], MEMBERS)
    assert not kept
    assert drops == {reason: 1}


def test_a_reply_is_kept_whatever_its_type() -> None:
    kept, _ = clean([record(2, "bob", "yes", kind=MessageKind.REPLY, reply_to_id=1)], MEMBERS)
    assert kept[0].reply_to_id == 1


def test_closed_channels_are_left_out() -> None:
    _, drops = clean([record(1, "mira", "hi")], MEMBERS, closed_channels={500})
    assert drops == {preprocessor.CLOSED_CHANNEL: 1}


def test_what_may_not_be_learned_from_keeps_its_place_and_no_words() -> None:
    out = MemberRecord(1, "mira", "mira", consent="opted_out")
    said = [record(1, "mira", "bob: hi"), record(2, "mira", "!roll 2d6"), record(3, "bob", "yes")]
    kept, drops = clean(said, [out, *MEMBERS[1:]])
    assert [(m.message_id, m.not_shown, m.not_learned) for m in kept] == [
        (1, consent.OPTED_OUT, consent.OPTED_OUT),
        (3, "", ""),
    ]
    assert drops == {preprocessor.BOT_COMMAND: 1}
    assert [without_words(m).text for m in kept] == ["", "yes"]


def test_each_origin_has_its_rules() -> None:
    said = [record(i, "mira", "hi", origin=one) for i, one in enumerate(Origin)]
    reasons = {m.origin: m.not_learned for m in clean(said, MEMBERS)[0]}
    assert reasons == {
        Origin.DISCORD_API: consent.UNDECLARED,
        Origin.EXPORT: consent.UNDECLARED,
        Origin.DATA_PACKAGE: consent.RETRIEVAL_ONLY,
        Origin.SAMPLE: "",
    }
    reasons = {
        m.origin: m.not_learned for m in clean(said, MEMBERS, rules=Rules(Mode.OPT_IN, True))[0]
    }
    assert reasons == {
        Origin.DISCORD_API: consent.NOT_OPTED_IN,
        Origin.EXPORT: consent.NOT_OPTED_IN,
        Origin.DATA_PACKAGE: "",
        Origin.SAMPLE: "",
    }


@pytest.mark.parametrize(
    ("text", "origin", "state", "read"),
    [
        ("@Ann Lee: @ann lee!", Origin.EXPORT, "unset", "@Ann Lee: @ann lee!"),
        ("@Ann Lee: @ann lee!", Origin.EXPORT, "opted_out", "@someone: @someone!"),
        ("oh @Ann Leeds", Origin.EXPORT, "opted_out", "oh @Ann Leeds"),
        ("hi @annie and Ann Lee", Origin.EXPORT, "opted_out", "hi @someone and Ann Lee"),
        ("hi <@123456789012345678>", Origin.SAMPLE, "opted_out", "hi @someone"),
        ("hi <@!123456789012345678>", Origin.SAMPLE, "unset", "hi @Ann Lee"),
    ],
)
def test_a_mention_of_who_may_not_be_named_is_of_someone(
    text: str, origin: Origin, state: str, read: str
) -> None:
    ann = MemberRecord(123456789012345678, "annie", "Ann Lee", consent=state)
    mentioned = () if "<@" in text else (ann.member_id,)
    message = replace(record(1, "mira", text, origin=origin), mentioned_ids=mentioned)
    kept, _ = clean([message], [*MEMBERS, ann], rules=Rules(Mode.DECLARED, True))
    assert kept[0].text == read


def test_a_data_package_hands_over_nobody_whom_it_mentions() -> None:
    ann = MemberRecord(123456789012345678, "annie", "Ann Lee")
    message = record(1, "mira", f"hi <@{ann.member_id}>", origin=Origin.DATA_PACKAGE)
    for consents, read in (("unset", "hi @someone"), ("opted_in", "hi @Ann Lee")):
        people = [*MEMBERS, replace(ann, consent=consents)]
        assert clean([message], people, rules=Rules(Mode.OPT_IN))[0][0].text == read


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
