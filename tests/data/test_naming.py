"""The persona in a member's place."""

from __future__ import annotations

from data.naming import EVERYDAY_USES, Renaming, own_words, quotes_speakers
from storage.records import MemberRecord
from tests.data.talk import MEMBERS, talk

BOB = 2


def test_a_member_is_called_by_the_personas_name() -> None:
    renaming = Renaming(talk(("mira", "hi")), MEMBERS, "Mynah")
    assert (
        renaming.to_persona("@Bob and BOB: bobby, bob's", BOB) == "@Mynah and Mynah: bobby, Mynah's"
    )
    assert renaming.may_name("bob: hi", BOB)
    assert not renaming.may_name("hi all", BOB)


def test_short_nicks_and_others_stay() -> None:
    members = [MemberRecord(7, "al", "Al")]
    renaming = Renaming(talk(("mira", "hi")), members, "Mynah")
    assert renaming.to_persona("al: hi", 7) == "al: hi"


def test_a_nick_that_is_an_everyday_word_is_replaced_only_where_it_addresses() -> None:
    will = MemberRecord(7, "will", "Will")
    messages = talk(*[("mira", "you will see")] * (EVERYDAY_USES + 1))
    renaming = Renaming(messages, [*MEMBERS, will], "Mynah")
    assert renaming.to_persona("will: you will, @will", 7) == "Mynah: you will, @Mynah"


def test_an_own_line_addresses_with_a_comma() -> None:
    names = frozenset({"bob", "mira"})
    assert own_words("Bob: yes", names) == "Bob, yes"
    assert own_words("note: yes", names) == "note: yes"
    assert own_words("http://x", names) == "http://x"
    assert quotes_speakers("see\nbob: hi", names)
    assert not quotes_speakers(own_words("bob: hi", names), names)
