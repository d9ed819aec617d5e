"""Which candidates say what another one says, and which of them stays."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from data.duplicates import (
    ALIKE,
    DUPLICATE,
    KEEP,
    NEAR_DUPLICATE,
    REASONS,
    TOO_OFTEN,
    Duplicates,
    is_long,
    words_of,
)

LONG = "the raid starts at nine and bob brings the soup tonight"
WORDS = [f"{a}{b}" for a in "bcdfghklmnprstvz" for b in "aeiou ae ou ei".split()]


def codes_of(
    rows: list[tuple[str, list[str]]],
    order: list[int] | None = None,
    sides: list[int] | None = None,
) -> list[int]:
    found = Duplicates()
    for reply, tail in rows:
        found.add(reply, tail)
    codes = found.drops(
        np.array(order or range(len(rows)), np.uint64), np.array(sides or [0] * len(rows), np.uint8)
    )
    assert codes.dtype == np.uint8
    return codes.tolist()


def talk(count: int, seed: int) -> list[tuple[str, list[str]]]:
    """Short and long replies, some of them said again or nearly so."""
    rng = random.Random(seed)
    said = [" ".join(rng.choices(WORDS, k=rng.randint(1, 20))) for _ in range(count // 2)]
    rows = []
    for _ in range(count):
        words = rng.choice(said).split()
        if rng.random() < 0.3:
            words[rng.randrange(len(words))] = rng.choice(WORDS)
        rows.append((" ".join(words), [rng.choice("abc"), rng.choice("de")]))
    return rows


def test_no_candidates_no_codes() -> None:
    assert codes_of([]) == []


def test_the_same_reply_after_the_same_two_lines_stays_once() -> None:
    rows = [
        ("ok", ["older", "one", "two"]),
        ("OK", ["else", "One", "two"]),
        ("ok", ["two", "one"]),
        ("ok", ["one"]),
        ("ok", ["o", "ne"]),
    ]
    assert codes_of(rows) == [KEEP, DUPLICATE, KEEP, KEEP, KEEP]


def test_the_order_says_which_stays() -> None:
    rows = [("ok", ["a"])] * 3
    top = 2**64 - 1
    assert codes_of(rows, [top, 5, 2**63]) == [DUPLICATE, KEEP, DUPLICATE]
    assert codes_of(rows, [7, 7, 7]) == [KEEP, DUPLICATE, DUPLICATE]


def test_one_reply_stays_ten_times_or_once_in_a_thousand() -> None:
    rows = [("lol", [str(at)]) for at in range(30)]
    order = list(range(30, 0, -1))
    assert codes_of(rows, order) == [TOO_OFTEN] * 20 + [KEEP] * 10
    filler: list[tuple[str, list[str]]] = [(f"w{at}", []) for at in range(20_000 - 30)]
    assert Counter(codes_of(rows + filler))[TOO_OFTEN] == 10


def test_duplicates_do_not_use_up_what_may_be_said_often() -> None:
    rows = [("lol", ["same"])] * 15 + [("lol", [str(at)]) for at in range(9)]
    assert Counter(codes_of(rows)) == {DUPLICATE: 14, KEEP: 10}


@pytest.mark.parametrize(
    "other",
    [
        LONG.upper(),
        LONG.replace(" ", ", ") + "!!",
        f"{LONG} {LONG}",
        " ".join(reversed(LONG.split())),
    ],
)
def test_a_long_reply_that_says_the_same_words_is_a_near_duplicate(other: str) -> None:
    assert codes_of([(LONG, ["a"]), (other, ["b"])]) == [KEEP, NEAR_DUPLICATE]


def test_another_long_reply_and_a_short_one_alike_stay() -> None:
    other = "nobody told me about the soup, so who is going to cook it now"
    assert codes_of([(LONG, ["a"]), (other, ["b"])]) == [KEEP, KEEP]
    assert codes_of([("the raid starts at nine", ["a"]), ("the raid starts at nine!", ["b"])]) == [
        KEEP,
        KEEP,
    ]


def test_scripts_without_spaces_have_words_too() -> None:
    assert not is_long("ありがとう")
    reply = "明日の夜九時にみんなで集まりましょう、よろしく"
    assert is_long(reply)
    other = "昨日は雨だったので家で本を読んでいました、静かでした"
    assert codes_of([(reply, ["a"]), (reply + "!", ["b"]), (other, ["c"])]) == [
        KEEP,
        NEAR_DUPLICATE,
        KEEP,
    ]


def test_broken_letters_are_no_obstacle() -> None:
    rows = [(f"\ud800 {LONG}", ["\udfff"]), (f"\ud800 {LONG}", ["\udfff"])]
    assert codes_of(rows) == [KEEP, DUPLICATE]


@pytest.mark.parametrize(
    "pair", [(("ok", ["a"]), ("ok", ["a"])), ((LONG, ["a"]), (LONG + " !", ["b"]))]
)
@pytest.mark.parametrize("order", [[1, 2], [2, 1]])
def test_of_equals_on_both_sides_validations_stays(
    pair: tuple[tuple[str, list[str]], ...], order: list[int]
) -> None:
    codes = codes_of(list(pair), order, [0, 1])
    assert codes[0] in (DUPLICATE, NEAR_DUPLICATE)
    assert codes[1] == KEEP


def test_validation_does_not_use_up_what_may_be_said_often() -> None:
    rows = [("lol", [str(at)]) for at in range(20)]
    codes = codes_of(rows, None, [0] * 10 + [1] * 10)
    assert codes == [KEEP] * 10 + [TOO_OFTEN] * 10


def test_like_one_that_goes_is_no_reason_to_go() -> None:
    """A is like B, B is like C, and A is not like C: B goes, and C stays."""
    words = [f"word{at}" for at in range(60)]
    a, b, c = words[:40], words[4:44], words[8:48]
    rows = [(" ".join(said), [str(at)]) for at, said in enumerate((a, b, c))]
    assert codes_of(rows) == [KEEP, NEAR_DUPLICATE, KEEP]


@pytest.mark.parametrize("seed", range(2))
def test_on_random_talk_it_does_what_a_slow_search_does(seed: int) -> None:
    """Exact kinds exactly; near ones but for pairs so close to the threshold that hashes differ."""
    rows = talk(400, seed)
    rng = random.Random(seed)
    order = [rng.getrandbits(64) for _ in rows]
    sides = [int(rng.random() < 0.2) for _ in rows]
    codes = codes_of(rows, order, sides)
    seen: set[tuple[str, ...]] = set()
    said: Counter[str] = Counter()
    stays = []
    for at in sorted(range(len(rows)), key=lambda at: (-sides[at], order[at])):
        reply, tail = rows[at]
        assert (codes[at] == DUPLICATE) == ((*tail, reply) in seen)
        seen.add((*tail, reply))
        if codes[at] == KEEP and is_long(reply):
            stays.append(at)
    for at in sorted(range(len(rows)), key=lambda at: order[at]):
        if codes[at] != DUPLICATE:
            assert (codes[at] == TOO_OFTEN) == (said[rows[at][0]] >= 10)
            said[rows[at][0]] += 1
    for at, code in enumerate(codes):
        alike = [jaccard(rows[at][0], rows[other][0]) for other in stays if other != at]
        if code == NEAR_DUPLICATE:
            assert is_long(rows[at][0])
            assert max(alike) >= ALIKE - 0.15
        elif code == KEEP and is_long(rows[at][0]):
            assert max(alike) < ALIKE + 0.1


def jaccard(left: str, right: str) -> float:
    a, b = set(words_of(left)), set(words_of(right))
    return len(a & b) / len(a | b)


def test_of_thousands_of_one_template_all_but_a_few_go() -> None:
    rows = [(f"nick{at}: {LONG} and then we all go home again", [str(at)]) for at in range(5_000)]
    assert Counter(codes_of(rows))[KEEP] <= 50


def test_columns_of_another_length_are_refused() -> None:
    found = Duplicates()
    found.add("ok", [])
    with pytest.raises(ValueError, match="2 orders, 1 sides, 1 candidates"):
        found.drops(np.zeros(2, np.uint64), np.zeros(1, np.uint8))


def test_what_came_before_can_be_added_to() -> None:
    found = Duplicates()
    for _ in range(2):
        found.add(LONG, ["a"])
        found.drops(np.zeros(len(found), np.uint64), np.zeros(len(found), np.uint8))
    assert len(found) == 2
    assert found.long_ones == 2


def test_every_code_has_its_reason() -> None:
    assert [REASONS[code] for code in (KEEP, DUPLICATE, TOO_OFTEN, NEAR_DUPLICATE)] == [
        "",
        "duplicate",
        "same line too often",
        "near-duplicate",
    ]


def test_scipy_is_loaded_only_for_long_replies() -> None:
    program = (
        "import sys; from data.duplicates import Duplicates; d = Duplicates(); d.add('ok', []);"
        "before = 'scipy' in sys.modules; d.add('a b c d e f g h', []);"
        "print(before, 'scipy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
