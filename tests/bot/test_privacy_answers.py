"""privacy_answers: what members and admins are told fits into a message and leaves nothing out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.answers import MOST_CHARS, BotData, ChannelCount
from bot.privacy_answers import (
    FORGOTTEN,
    NOTHING,
    about_text,
    ask_text,
    chosen_text,
    consent_text,
    forgotten_text,
    show_text,
    sure_text,
)
from data.consent import Coverage, Mode, Rules
from data.forgetting import ForgetReport
from data.forgetting_models import Tainted
from data.member_view import MemberView, Said
from storage.records import DELETED_MESSAGE, FIRST_SNOWFLAKE, FORGOTTEN_MEMBER, MemberRecord

MIRA = MemberRecord(101, "mira", "mira")
LEARNING = Rules(Mode.OPT_IN, is_declared=True)
EMPTY = MemberView(101, None, False, (), 0, {}, ("old_model",))
DONE = ForgetReport((101,), 900, {}, (), (), "", {}, 1.0)


def said(number: int, origin: str = "discord_api", messages: int = 10) -> Said:
    return Said(FIRST_SNOWFLAKE + number, "tavern", origin, messages, 86_400_000 * number, 1)


def view(*those: Said, **more: object) -> MemberView:
    return replace(MemberView(101, MIRA, False, those, 7, {}, ()), **more)  # type: ignore[arg-type]


def test_of_whom_nothing_is_stored() -> None:
    """Models of which it is not known what they learned are no reason to say otherwise."""
    assert show_text(EMPTY, LEARNING) == NOTHING
    assert show_text(replace(EMPTY, is_forgotten=True), LEARNING) == FORGOTTEN
    assert sure_text(EMPTY).startswith(f"{NOTHING} Shall that stay so?")


def test_channels_are_added_up_and_the_fullest_come_first() -> None:
    shown = view(said(1), said(2, messages=30), said(1, "export", 5), said(1, "data_package", 1))
    lines = show_text(shown, LEARNING).splitlines()
    assert lines[0] == "**Stored of you** 46 messages since <t:86400:D>"
    assert lines[6:] == [
        f"<#{FIRST_SNOWFLAKE + 2}> 30",
        f"<#{FIRST_SNOWFLAKE + 1}> 10",
        f"<#{FIRST_SNOWFLAKE + 1}>, from an export 5",
        f"<#{FIRST_SNOWFLAKE + 1}>, from your data package 1",
    ]


def test_a_hundred_channels_make_one_message() -> None:
    text = show_text(view(*map(said, range(1, 101))), LEARNING)
    assert len(text) <= MOST_CHARS
    assert text.endswith("and 85 more: `/privacy export` has them all")


@pytest.mark.parametrize(
    ("member", "rules", "expected"),
    [
        (MIRA, LEARNING, "yes, 1 of the messages"),  # the data package's
        (replace(MIRA, consent="opted_in"), LEARNING, "yes"),
        (replace(MIRA, consent="opted_out"), LEARNING, "no: you said no"),
        (replace(MIRA, is_excluded=True), LEARNING, "no: an admin left you out of everything"),
        (MIRA, Rules(Mode.RETRIEVAL_ONLY, True), "no: this bot learns from nobody; it only looks"),
        (MIRA, Rules(Mode.DECLARED, True), "yes"),
    ],
)
def test_whether_they_are_learned_from(member: MemberRecord, rules: Rules, expected: str) -> None:
    text = show_text(view(said(1), said(1, "data_package", 1), member=member), rules)
    assert f"**Learned from** {expected}" in text


def test_models_and_examples_are_named() -> None:
    text = show_text(view(said(1), examples={"a": 3, "b": 4}, models=("lantern_1",)), LEARNING)
    assert "**In training sets** 7 examples\n**In models** lantern\\_1\n" in text
    assert "Models that learned from it (lantern\\_1)" in sure_text(
        view(said(1), models=("lantern_1",))
    )


def test_what_follows_a_choice() -> None:
    yes, no = replace(MIRA, consent="opted_in"), replace(MIRA, consent="opted_out")
    assert "Today that changes nothing" not in chosen_text(yes, LEARNING)
    assert "Today that changes nothing: this bot learns from nobody" in chosen_text(
        yes, Rules(Mode.RETRIEVAL_ONLY, True)
    )
    assert "nothing you wrote is recalled" in chosen_text(no, LEARNING)
    assert "An admin has left you out" in chosen_text(replace(no, is_excluded=True), LEARNING)


def test_what_is_over_says_what_stays_and_which_models_are_trained_anew() -> None:
    learned = Tainted("lantern_1", FORGOTTEN_MEMBER, 1_800_000_000_000)
    other = Tainted("lantern_2", DELETED_MESSAGE, 1_700_000_000_000)
    report = replace(DONE, tainted=(learned, other), answers_now="base")
    text = forgotten_text(3, report)
    assert text.splitlines() == [
        "Done: 3 messages of yours are erased, and what was made from them.",
        "Models that learned from you, or may have, are named to the admins and are to be trained "
        "anew by <t:1800000000:D>: lantern\\_1.",
        "Another model answers from now on.",
        "What stays is a keyed hash of your account's id: by it nothing of yours is ever stored "
        "again. `/privacy optin` takes that back.",
    ]
    pending = forgotten_text(3, replace(DONE, unfinished={"backups": "in use", "vectors": "x"}))
    assert "Not erased yet in backups, vectors: that is tried again" in pending
    assert "Done" not in pending


def test_the_admin_s_answer_names_reasons() -> None:
    covered = Coverage(30, 14, 100, 62, {"author opted out": 8, "author has not opted in": 30})
    assert consent_text(covered, Rules(Mode.OPT_IN)).splitlines()[:4] == [
        "**May be learned from** 14 of 30 members, 62% of messages",
        "**Who that is** whoever said yes, and nobody else; so far no ground is recorded, so "
        "nobody on Discord",
        "**Left out** 30 messages: author has not opted in",
        "**Left out** 8 messages: author opted out",
    ]


def test_about_says_what_it_is_and_where_words_go() -> None:
    data = BotData(
        (
            ChannelCount(FIRST_SNOWFLAKE + 1, "tavern", 5),
            ChannelCount(FIRST_SNOWFLAKE + 2, "secret", 9, is_listed=False),
        ),
        members=2,
        model="demo-base",
    )
    text = about_text("Mynah", data, LEARNING, False)
    assert text.startswith("I am Mynah, a bot: a language model writes what I say")
    assert f"<#{FIRST_SNOWFLAKE + 1}>. So far 14 messages of 2 members" in text
    assert str(FIRST_SNOWFLAKE + 2) not in text
    assert "**I learn from** whoever said yes" in text
    assert "`/privacy forget`" in text
    assert "what is said here goes there" not in text
    assert "what is said here goes there" in about_text("Mynah", data, LEARNING, True)
    assert len(text) <= MOST_CHARS
    assert len(ask_text("Mynah", Rules())) <= MOST_CHARS
