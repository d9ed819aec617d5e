"""pace: how fast people write line after line, counted with the style card."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from data.style.card import make_style_card, read_style_card
from data.style.pace import (
    LONGEST_S,
    SHORTEST_S,
    Pace,
    as_json,
    from_json,
    kind_of,
    pace_of,
    pause_between,
)
from storage.database import Database
from storage.paths import Home
from tests.bot.scene import BOB, MIRA, START_MS, TAVERN, record


def test_pauses_are_drawn_between_the_quartiles_of_the_place_and_capped() -> None:
    pauses = Counter({(0, tenths): 1 for tenths in range(10, 50)})
    pace = pace_of(pauses, Counter({80: 40}), Counter({1: 90, 12: 10}))
    low, middle, high = pace.pauses_s[0] or (0.0, 0.0, 0.0)
    assert (low, middle, high) == (1.9, 2.9, 3.9)
    assert pace.pause_s("yes", 0.0) == low
    assert pace.pause_s("yes", 0.5) == middle
    assert pace.pause_s("yes", 1.0) == pytest.approx(high)
    assert pace.pauses_s[1:] == (None, None, None)
    assert pace.characters_a_second == 8.0
    assert pace.longest_chars == 60
    assert pace.pause_s("x" * 20, 0.5) == pytest.approx(0.8 + 20 / 8)
    assert pace.pause_s("x" * 500, 0.5) == LONGEST_S
    quick = pace_of(Counter({(0, 0): 50}), Counter(), Counter())
    assert quick.pause_s("yes", 0.5) == SHORTEST_S
    assert from_json(as_json(pace)) == pace
    assert from_json(None) == Pace()


def test_a_log_of_whole_minutes_tells_no_pause() -> None:
    assert pause_between(60_000, 120_000) is None
    assert pause_between(60_000, 61_500) == 15
    assert [kind_of(length) for length in (1, 15, 16, 40, 80, 81)] == [0, 0, 1, 1, 2, 3]


def test_the_card_tells_the_pauses_within_what_one_member_says_in_a_row(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    with Database.open(home.database) as database:
        database.upsert_channels([TAVERN])
        database.upsert_members([MIRA, BOB])
        said = []
        for turn in range(60):
            author, at_ms = (MIRA, BOB)[turn % 2], START_MS + turn * 60_000 + 17
            for line in range(2):
                one = record(100 + 2 * turn + line, author, f"well said {turn} {line}")
                said.append(replace(one, created_at_ms=at_ms + 2_500 * line))
        database.upsert_messages(said)
        card = make_style_card(home, database)
        kept = read_style_card(home, database)
    assert card.pace.pauses_s == ((2.5, 2.5, 2.5), None, None, None)
    assert kept is not None
    assert kept.pace == card.pace
