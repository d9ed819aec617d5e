"""The table of emoji: one spelling of each, the owner's lines, and sentences for damaged ones."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from data.emoji_weights import (
    OTHER_WEIGHT,
    OWN_EMOJI_WEIGHT,
    SHIPPED,
    EmojiWeights,
    EmojiWeightsError,
    normal,
    table_of,
)
from storage.paths import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path).ensure()


def test_what_ships_is_whole_and_names_each_emoji_once() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    rows = [row for row in csv.reader(lines) if not row[0].startswith("# ")][1:]
    assert {len(row) for row in rows} == {3}
    named = [normal(row[0]) for row in rows if row[0]]
    named += [normal(f":{name}:") for row in rows for name in row[1].split()]
    assert len(named) == len(set(named)) > 300
    weights = [float(row[2]) for row in rows]
    assert min(weights) == -1
    assert max(weights) == 1
    for sign in (-1, 0, 1):
        assert sum(1 for w in weights if (w > 0) - (w < 0) == sign) >= 30


@pytest.mark.parametrize(
    ("emoji", "weight"),
    [
        ("👍", 1.0),
        (":thumbsup:", 1.0),
        (":+1:", 1.0),
        ("👎", -1.0),
        (":-1:", -1.0),
        ("🤔", 0.0),
        ("🙄", -0.75),
        (":KEKW:", 1.0),
        (":lantern_lit:", OWN_EMOJI_WEIGHT),
        ("🦦", OTHER_WEIGHT),
        ("x", OTHER_WEIGHT),
    ],
)
def test_the_shipped_weights(emoji: str, weight: float) -> None:
    assert EmojiWeights.shipped().of_emoji(emoji) == weight


@pytest.mark.parametrize(
    ("forms", "same"),
    [
        (("👍", "👍🏻", "👍🏿", "👍️"), True),
        (("❤️", "❤", "❤︎"), True),
        (("🤷", "🤷‍♀️", "🤷🏽‍♂️"), True),
        ((":thumbsup:", ":thumbsup_tone3:", ":ThumbsUp:", ":thumbsup::skin-tone-3:"), True),
        ((":pog:", "<:pog:123456789012345678>", "<a:Pog:123456789012345679>"), True),
        (("❤️", "❤️‍🔥"), False),
        (("1️⃣", "2️⃣"), False),
        (("👨‍👩‍👧", "👨‍👩‍👦"), False),
        (("🏻", "🏿"), False),
    ],
)
def test_one_spelling_of_what_is_the_same(forms: tuple[str, ...], same: bool) -> None:
    assert (len({normal(form) for form in forms}) == 1) is same
    assert all(normal(normal(form)) == normal(form) != "" for form in forms)


def test_the_home_gets_a_copy_whose_lines_win(home: Home) -> None:
    EmojiWeights.of(home)
    own = table_of(home)
    assert own == home.data_storage / "emoji_weights.csv"
    assert own.read_text(encoding="utf-8") == SHIPPED.read_text(encoding="utf-8")
    own.write_text("emoji,names,weight\n👍,,-1\n,soup_no,-0.5\n", encoding="utf-8")
    weights = EmojiWeights.of(home)
    assert weights.of_emoji("👍🏽") == -1
    assert weights.of_emoji(":soup_no:") == -0.5
    assert weights.of_emoji("👎") == -1  # taken out of the copy: as shipped
    assert "soup_no" in own.read_text(encoding="utf-8")  # never written over


def test_a_spreadsheet_may_have_saved_it(home: Home) -> None:
    EmojiWeights.of(home)
    text = "emoji;names;weight\r\n🦗;crickets;-0,25\r\n;;\r\n# a remark;;\r\n"
    table_of(home).write_text(text, encoding="utf-8-sig", newline="")
    weights = EmojiWeights.of(home)
    assert weights.of_emoji("🦗") == weights.of_emoji(":crickets:") == -0.25


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("🍀,clover,lots", 'its weight "lots" is no number from -1 to 1'),
        ("🍀,clover,2", 'its weight "2" is no number from -1 to 1'),
        ("🍀,clover,nan", "is no number from -1 to 1"),
        ("🍀,clover", "it has 2 columns instead of emoji, names, weight"),
        (",,1", "it names no emoji"),
    ],
)
def test_a_damaged_line_is_named(home: Home, line: str, what: str) -> None:
    EmojiWeights.of(home)
    with table_of(home).open("w", encoding="utf-8") as file:
        file.write(f"emoji,names,weight\n👍,,1\n{line}\n")
    with pytest.raises(EmojiWeightsError, match=rf"Line 3 of .*emoji_weights\.csv .*{what}"):
        EmojiWeights.of(home)


def test_a_cell_beyond_all_bounds_is_a_sentence(home: Home) -> None:
    EmojiWeights.of(home)
    text = f'emoji,names,weight\n,"{"a" * 2_000_000}",1\n'
    table_of(home).write_text(text, encoding="utf-8")
    with pytest.raises(EmojiWeightsError, match=r"Line 2 of .* cannot be used: field larger"):
        EmojiWeights.of(home)


def test_another_encoding_is_a_sentence(home: Home) -> None:
    EmojiWeights.of(home)
    table_of(home).write_bytes("emoji,names,weight\n👍,,1\n".encode("utf-16"))
    with pytest.raises(EmojiWeightsError, match="UTF-8"):
        EmojiWeights.of(home)
