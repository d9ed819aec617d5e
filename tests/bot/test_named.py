"""named: whose words a question asks for, and from when."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from bot.named import Named, Names, named
from storage.records import MemberRecord

MIRA, BOB = MemberRecord(1, "mira", "mira"), MemberRecord(2, "bob77", "Bob the Builder")
LINUX, WILL = MemberRecord(3, "linux", "linux"), MemberRecord(4, "will", "Will")
NAMES = Names([MIRA, BOB, LINUX, WILL])
NOW = datetime(2025, 5, 14, 15, 0, tzinfo=timezone.utc)  # a Wednesday


def asked(text: str) -> Named:
    return named(text, NAMES, int(NOW.timestamp() * 1000))


@pytest.mark.parametrize(
    ("text", "ids", "rest"),
    [
        ("What did Mira say about cake?", {1}, "What did say about cake?"),
        ("what is Bob the Builder's favourite?", {2}, "what is favourite?"),
        ("ask @bob77 for the recipe", {2}, "ask for the recipe"),
        ("mira: what was the recipe", {1}, "what was the recipe"),
        ("Mira's recipe", {1}, "recipe"),
        ("what did mira say about cake", {1}, "what did mira say about cake"),
        ("Linux is what I use", {3}, "Linux is what I use"),
        ("Will it rain on the Will of mine", set(), "Will it rain on the Will of mine"),
        ("is bobby here", set(), "is bobby here"),
        ("so, Mira", {1}, "so,"),
        ("@mira", {1}, "@mira"),
        ("", set(), ""),
    ],
)
def test_who_is_named(text: str, ids: set[int], rest: str) -> None:
    found = asked(text)
    assert found.member_ids == ids
    assert found.rest == rest
    assert not found.is_then(0)


@pytest.mark.parametrize(
    ("text", "first", "last", "rest"),
    [
        ("what broke on 3 May, 2024?", (2024, 5, 3), (2024, 5, 3), "what broke ?"),
        ("what broke on May 3rd", (2025, 5, 3), (2025, 5, 3), "what broke"),
        ("what broke in December 2023", (2023, 12, 1), (2023, 12, 31), "what broke"),
        ("what broke in June", (2024, 6, 1), (2024, 6, 30), "what broke"),
        ("what broke in 2023", (2023, 1, 1), (2023, 12, 31), "what broke"),
        ("what broke yesterday", (2025, 5, 13), (2025, 5, 13), "what broke"),
        ("what broke last week", (2025, 5, 5), (2025, 5, 11), "what broke"),
        ("what broke last month", (2025, 4, 1), (2025, 4, 30), "what broke"),
    ],
)
def test_when_it_was(
    text: str, first: tuple[int, int, int], last: tuple[int, int, int], rest: str
) -> None:
    found = asked(text)
    assert found.rest == rest
    begin = int(datetime(*first, tzinfo=timezone.utc).timestamp() * 1000)
    end = int(datetime(*last, 23, 59, 59, tzinfo=timezone.utc).timestamp() * 1000)
    assert not found.is_then(begin - 1)
    assert found.is_then(begin)
    assert found.is_then(end)
    assert not found.is_then(end + 1000)


@pytest.mark.parametrize("text", ["may I ask", "windows 2000", "march on", ""])
def test_what_is_no_time(text: str) -> None:
    assert asked(text).until_ms == 0


def test_who_names_many_asks_for_nobody() -> None:
    many = [MemberRecord(10 + n, f"person{n}", f"person{n}") for n in range(5)]
    text = " ".join(one.name for one in many)
    assert named(text, Names(many), 0).member_ids == frozenset()
    assert len(named(text, Names(many[:4]), 0).member_ids) == 4
