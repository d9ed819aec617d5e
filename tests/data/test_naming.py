"""The persona in a member's place."""

from __future__ import annotations

import random

from data.conversations import in_true_order
from data.naming import (
    EVERYDAY_USES,
    NEAR_LINES,
    EverydayWords,
    Renaming,
    own_words,
    quotes_speakers,
)
from data.preprocessor import CleanMessage, clean
from storage.records import MemberRecord
from tests.data.talk import MEMBERS, history, talk

BOB = 2
WILL = MemberRecord(7, "will", "Will")


def everyday(*pieces: list[CleanMessage]) -> frozenset[str]:
    words = EverydayWords([*MEMBERS, WILL])
    for piece in pieces:
        words.note(piece)
    return words.found()


def test_a_member_is_called_by_the_personas_name() -> None:
    renaming = Renaming(MEMBERS)
    text = "@Bob and BOB: bobby, bob's"
    assert renaming.to_persona(text, BOB, "Mynah") == "@Mynah and Mynah: bobby, Mynah's"
    assert renaming.to_persona(text, BOB, r"\1 Sir") == "@\\1 Sir and \\1 Sir: bobby, \\1 Sir's"
    assert renaming.may_name("bob: hi", BOB)
    assert not renaming.may_name("hi all", BOB)


def test_short_nicks_and_others_stay() -> None:
    members = [MemberRecord(7, "al", "Al")]
    renaming = Renaming(members)
    assert renaming.to_persona("al: hi", 7, "Mynah") == "al: hi"
    assert renaming.to_persona("mira: hi", 99, "Mynah") == "mira: hi"


def test_a_nick_that_is_an_everyday_word_is_replaced_only_where_it_addresses() -> None:
    found = everyday(talk(*[("mira", "you will see")] * (EVERYDAY_USES + 1)))
    assert found == {"will"}
    renaming = Renaming([*MEMBERS, WILL], found)
    text = "will: you will, @will"
    assert renaming.to_persona(text, 7, "Mynah") == "Mynah: you will, @Mynah"


def test_a_nick_is_a_name_where_its_bearer_is_near() -> None:
    lines = [("bob", "hi"), ("mira", "you will see, bob")] * EVERYDAY_USES
    assert everyday(talk(*lines)) == {"will"}
    far = [("bob", "hi"), *[("mira", "see you bob")] * (3 * NEAR_LINES)]
    assert everyday(talk(*far)) == {"bob"}
    assert everyday(talk(*far[: NEAR_LINES + 2])) == frozenset()


def test_everyday_words_are_the_same_in_pieces_and_with_channels_mixed() -> None:
    messages = clean(history(3000)[0], MEMBERS)[0]
    by_channel = in_true_order(messages)
    cut = random.Random(1).randrange(len(by_channel))
    found = everyday(by_channel)
    assert found == everyday(by_channel[:cut], by_channel[cut:]) == everyday(messages)


def test_an_own_line_addresses_with_a_comma() -> None:
    names = frozenset({"bob", "mira"})
    assert own_words("Bob: yes", names) == "Bob, yes"
    assert own_words("note: yes", names) == "note: yes"
    assert own_words("http://x", names) == "http://x"
    assert quotes_speakers("see\nbob: hi", names)
    assert not quotes_speakers(own_words("bob: hi", names), names)
