"""Which repetitions are floods, that character stays, and that nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from data import preprocessor
from data.floods import MOST_REMEMBERED, RAID_AUTHORS, SHORT_KEPT, find_copies
from data.preprocessor import CleanMessage, clean
from storage.records import MessageKind, Origin
from tests.data.talk import BEGAN_MS, MEMBERS, history, record

PASTA = "join my server now, free stuff for everyone"


def said(*lines: tuple[int, int, str], reply_to_id: int | None = None) -> list[CleanMessage]:
    """Messages 1, 2, 3 ... of one channel: (second, author, text)."""
    return [
        CleanMessage(
            number, 500, author, "x", text, BEGAN_MS + second * 1000, Origin.SAMPLE, reply_to_id
        )
        for number, (second, author, text) in enumerate(lines, start=1)
    ]


def dropped(messages: Sequence[CleanMessage]) -> dict[int, int]:
    return find_copies(messages)


def test_one_authors_pasted_line_stays_once() -> None:
    assert dropped(said(*((at, 1, PASTA) for at in (0, 5, 30, 80)))) == {2: 1, 3: 1, 4: 1}


def test_a_line_said_again_later_is_said_again() -> None:
    assert not dropped(said((0, 1, PASTA), (61, 1, PASTA), (3600, 1, PASTA)))


def test_a_raid_is_dropped_but_for_its_first_line() -> None:
    raid = said(*((at, at + 1, PASTA) for at in range(8)))
    assert dropped(raid) == dict.fromkeys(range(2, 9), 1)


def test_who_raids_and_pastes_is_counted_once() -> None:
    raid = said(*((at, at % 5 + 1, PASTA) for at in range(20)))
    assert set(dropped(raid)) == set(range(2, 21))
    assert set(dropped(raid).values()) == {1}


@pytest.mark.parametrize(
    "text",
    [
        "gm",
        "lol",
        "+1",
        "happy bday mira",
        "🔥",
        "hahahahahahahahahaha",
        ":catjam: :catjam: :catjam:",
    ],
)
def test_short_lines_of_many_people_stay(text: str) -> None:
    at_once = [(at, at + 1, text) for at in range(30)]
    over_days = [(86_400 * day, author, text) for day in range(1, 20) for author in range(3)]
    assert not dropped(said(*at_once, *over_days))


def test_three_who_say_alike_and_many_who_cheer_are_no_raid() -> None:
    assert not dropped(said(*((at, at + 1, PASTA) for at in range(RAID_AUTHORS - 1))))
    assert not dropped(said(*((at, at + 1, "happy birthday dear mira") for at in range(9))))
    raid = said(*((at, at + 1, "nitro at discord.gg/abc") for at in range(4)))
    assert dropped(raid) == dict.fromkeys((2, 3, 4), 1)


def test_a_short_line_every_minute_is_talk() -> None:
    assert not dropped(said(*((at * 50, 1, "lol") for at in range(20))))


@pytest.mark.parametrize("text", ["noooooooooooooooo", "GOOOOOOOOOOOOOOOOAL!!!!!!", "🔥" * 20])
def test_what_is_drawn_out_is_short(text: str) -> None:
    assert not dropped(said((0, 1, text), (5, 1, text), (9, 1, text)))
    assert set(dropped(said(*((at, 1, text) for at in range(6))))) == {4, 5, 6}


def test_a_short_line_in_a_row_is_talk_until_it_is_a_flood() -> None:
    row = said(*((at, 1, "no") for at in range(6)))
    assert set(dropped(row)) == set(range(SHORT_KEPT + 1, 7))


def test_replies_stay_however_alike_they_are() -> None:
    thanks = said(*((at, 1, "thank you so much all") for at in range(9)), reply_to_id=77)
    assert not dropped(thanks)


def test_channels_are_told_apart_and_may_alternate() -> None:
    first, second = said((0, 1, PASTA), (1, 1, PASTA))
    elsewhere = CleanMessage(9, 600, 1, "x", PASTA, BEGAN_MS, Origin.SAMPLE)
    assert dropped([first, elsewhere, second]) == {2: 1}


def test_what_is_remembered_is_bounded() -> None:
    talk = said(*((0, n, f"a line that nobody repeats {n}") for n in range(MOST_REMEMBERED + 50)))
    assert not dropped([*talk, *talk[:1]])


def test_cleaning_counts_floods_and_leaves_no_reply_without_its_line() -> None:
    records = [record(n, "mira", PASTA, at_ms=BEGAN_MS + n * 1000) for n in range(1, 6)]
    answer = record(6, "bob", "stop it", kind=MessageKind.REPLY, reply_to_id=4)
    kept, drops = clean([*records, answer], MEMBERS)
    assert [message.message_id for message in kept] == [1, 6]
    assert kept[1].reply_to_id == 1
    assert drops == {preprocessor.FLOOD: 4}


def test_ordinary_talk_has_no_floods() -> None:
    records, _ = history(3000)
    _, drops = clean(records, MEMBERS)
    assert preprocessor.FLOOD not in drops
