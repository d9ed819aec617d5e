"""What is redacted, and what chat is full of and must stay."""

from __future__ import annotations

from collections import Counter

import pytest

from data.privacy import redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail foo.bar+x@example.co.uk ok", "mail [email] ok"),
        ("+44 20 7946 0958 hi", "[phone] hi"),
        ("+1 (202) 555-0143", "[phone]"),
        ("(202) 555-0119, say hi", "[phone], say hi"),
        ("020 7946 0958", "[phone]"),
        ("ring 07700 900123", "ring [phone]"),
        ("call 555-0123", "call [phone]"),
        ("phone 4155550132", "phone [phone]"),
        ("join 192.0.2.117:25565", "join [ip]:25565"),
        ("ends 192.0.2.44.", "ends [ip]."),
        ("2001:db8::1 is up", "[ip] is up"),
        ("card 4111 1111 1111 1111 thx", "card [card] thx"),
        ("3782-822463-10005", "[card]"),
        ("5555555555554444", "[card]"),
        ("at 42 Maple Street, Apt 3, Springfield", "at [address]"),
        ("14 Wickham Lane, Flat 3", "[address]"),
        ("12 elm road lol", "[address] lol"),
        ("Hauptstraße 5, 10115 Berlin", "[address]"),
    ],
)
def test_personal_data_becomes_a_placeholder(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "lol",
        "won 21-15 21-18 yesterday",
        "2024-05-03 10:22:11",
        "3.5.2024 20:15",
        "id 1059842068316160000 or 123456789012345678",
        "4111 1111 1111 1112",
        "version 2.6.24 of 10.0.1",
        "localhost is 127.0.0.1",
        "std::vector at 12:30:45",
        "1024 768 1280 1024",
        "it cost 10,000,000 gold",
        "that is a 2 way street",
        "20 minutes drive from here",
        "don't @ me @mira",
        "https://example.com/4111111111111111/212-555-0123 see",
    ],
)
def test_the_rest_of_chat_stays(text: str) -> None:
    assert redact(text) == text


def test_replacements_are_counted_and_a_second_pass_changes_nothing() -> None:
    counts: Counter[str] = Counter()
    once = redact("a@b.com and c@d.org, +1 202-555-0143", counts)
    assert counts == {"[email]": 2, "[phone]": 1}
    assert redact(once) == once
