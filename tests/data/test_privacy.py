"""What is redacted, and what chat is full of and must stay."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from data.privacy import PLACEHOLDERS, redact
from data.samples.community import simulate
from data.samples.lantern import PLANTED_PERSONAL_DATA, lantern
from scripts.bench_privacy import is_exact, is_found
from storage.paths import PROGRAM_DIR
from tests.data.personal_data import HELD_OUT, TUNE, half_of, near_misses, planted


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
        ("j'habite 12 rue de la Paix, 75002 Paris", "j'habite [address]"),
        ("kai [at] example dot org", "[email]"),
        ("DE89 3704 0044 0532 0130 00 bitte", "[iban] bitte"),
        ("my ssn is 536-90-4399", "my ssn is [id]"),
        ("bsn 111222333", "bsn [id]"),
        ("my pw is hunter2, ok?", "my pw is [password], ok?"),
        ("MYSQL_PASSWORD='s3cr3t'", "MYSQL_PASSWORD='[password]'"),
        ("https://kai:s3cr3t@example.com/x", "https://[password]@example.com/x"),
        ("card 4111111111111111 cvv 123", "card [card] cvv [card]"),
        ("my pin is 4711", "my pin is [password]"),
        ("Schulweg 12, 12345 Berlin", "[address]"),
        ("Am Markt 7, 04109 Leipzig", "[address]"),
        ("phone 12 34 56 78 90", "phone [phone]"),
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
        "my password is wrong",
        "kernel 2.6.15.6 works",
        "nameserver 8.8.8.8",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "gpg key 40976EAF437D05B5",
        "number is 4 8 15 16 23 42",
        "https://example.com/4111111111111111/212-555-0123 see",
        "pin: see #rules",
        "text size 12 14 16 18 20 22 24",
        "tel aviv 2019 2020, phone 2023 2024",
        "patch 14.1.1.2",
        "Level 80, 12345 Gold",
        "Runde 3, 15000 Gold",
        "Top 10 Best Way to cook",
        "Chapter 7 Ocean Drive",
        "14 Day Trail",
        "Umweg 3 km",
        "Schulweg 30 Minuten",
        "Parkplatz 5 frei",
        "rolled 3d6+2 = 14, isbn 978-3-16-148410-0, x 120 y 64 z -300, <t:1618953630:R>",
        "call me at 5, my pass is expired, pw is fine, the key is under the mat",
    ],
)
def test_the_rest_of_chat_stays(text: str) -> None:
    assert redact(text) == text


def test_replacements_are_counted_and_a_second_pass_changes_nothing() -> None:
    counts: Counter[str] = Counter()
    once = redact("a@b.com and c@d.org, +1 202-555-0143", counts)
    assert counts == {"[email]": 2, "[phone]": 1}
    assert redact(once) == once


@pytest.mark.parametrize("half", [TUNE, HELD_OUT])
def test_the_labelled_set_is_found_and_near_misses_stay(half: str) -> None:
    lines = [line for line in planted() if line.half == half]
    ordinary = [line for line in near_misses() if half_of(line) == half]
    all_by_kind = Counter(line.kind for line in lines)
    found = Counter(line.kind for line in lines if is_found(line))
    assert {f"[{kind}]" for kind in all_by_kind} == set(PLACEHOLDERS)
    assert found.total() >= 0.97 * len(lines)
    for kind, count in all_by_kind.items():
        assert found[kind] >= 0.85 * count, kind
    assert sum(map(is_exact, lines)) >= 0.96 * len(lines)
    assert sum(redact(line) != line for line in ordinary) <= 0.02 * len(ordinary)


def test_the_labelled_set_is_large_and_the_same_each_time() -> None:
    assert len(planted()) >= 400
    assert len(near_misses()) >= 300
    planted.cache_clear()
    assert hash(planted()) == hash(planted())


def test_a_second_pass_changes_nothing_of_any_labelled_line() -> None:
    for line in planted():
        once = redact(line.text)
        assert redact(once) == once, line.kind


def test_each_kind_is_counted_under_its_placeholder() -> None:
    counts: Counter[str] = Counter()
    for line in planted():
        redact(line.text, counts)
    assert set(counts) == set(PLACEHOLDERS)


def test_of_the_sample_community_only_what_was_planted_is_touched() -> None:
    lines = [message.content for message in simulate(lantern(), 7, 6_000).all_messages()]
    touched = [line for line in lines if redact(line) != line]
    assert touched
    assert all(any(secret in line for secret in PLANTED_PERSONAL_DATA) for line in touched)


def test_the_libraries_are_loaded_at_first_need() -> None:
    code = (
        "import sys; from data.privacy import redact; redact('gg 21-15 at 20:15');"
        "sys.exit(any(name in sys.modules for name in ('phonenumbers', 'stdnum')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROGRAM_DIR).returncode == 0
