"""Blind sheets: nothing on them gives the answer away, and known answers give known figures."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from model.chat_format import Own, Said
from model.evaluate import EvaluationError
from model.judging import blind
from model.judging.blind import Sheet, key, page, pick, shuffled, tidy
from model.judging.blind_answers import Key, Rater, check, incomplete, read_key, read_raters
from model.judging.blind_score import alpha, bootstrap, d_prime, figures, score, wilson
from model.judging.card import Origin, with_people
from model.judging.replies import HeldOut
from tests.model.test_judging import judgement

ITEMS = 50
SCRIPT = Path(blind.__file__).parent / "templates" / "blind.js"


def asked(number: int, reply: str = "", context: tuple[str, ...] = ()) -> HeldOut:
    lines = tuple(Said(f"Kim{number % 7}", text) for text in context or (f"what of {number}?",))
    own = (Own(f"I said {number}"),)
    source_ids = (10**17 + number, 10**17 + 5000)  # the second: all of one talk
    return HeldOut(
        f"example-{number}", "", (*own, *lines), reply or f"real {number}", 7, source_ids
    )


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    bots = [(asked(n), tidy(f"made  up\r\n\r\n {n} "), True) for n in range(ITEMS)]
    real = [(asked(n), tidy(f"real </script> \n{n}"), False) for n in range(ITEMS, 2 * ITEMS)]
    return shuffled([*bots, *real], "ab" * 32, 0)


@pytest.fixture
def known(sheet: Sheet, tmp_path: Path) -> Key:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key(sheet, "lantern-1", "default")), encoding="utf-8")
    return read_key(path)


def hand_in(folder: Path, sheet_id: str, rater: str, answers: dict[str, str], **other: Any) -> Path:
    row = {"kind": "mynah blind answers", "sheet": sheet_id, "rater": rater, "answers": answers}
    row["check"] = check(sheet_id, rater, answers)
    path = folder / f"{rater}.json"
    path.write_text(json.dumps({**row, **other}), encoding="utf-8")
    return path


def rated(
    key: Key, says_bot: Callable[[bool], bool], rubric: Callable[[bool], str]
) -> dict[str, str]:
    return {i: "mb"[says_bot(is_bot)] + rubric(is_bot) for i, is_bot in key.is_bot.items()}


# -- the page ------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Its tags, and what its data and its script hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script":
            self.scripts[-1] += data


def test_the_page_says_of_no_reply_whose_it_is(sheet: Sheet) -> None:
    text = page(sheet, "body { color: red }")
    found = Page(text)
    assert found.addresses == []
    assert len(found.scripts) == 2  # a reply that ends one is no end of it
    assert found.scripts[1].strip() == SCRIPT.read_text("utf-8").strip()
    assert not re.search(r"https?:|is_bot|example-|10000000000", text)
    shown = json.loads(found.scripts[0])
    assert shown["sheet"] == sheet.sheet_id
    assert {tuple(one) for one in shown["items"]} == {("id", "lines", "reply")}
    assert [one["reply"] for one in shown["items"]] == [one.reply for one in sheet.items]
    assert {type(one["reply"]) for one in shown["items"]} == {str}
    assert all(re.fullmatch(r"[0-9a-f]{4}", one["id"]) for one in shown["items"])
    # Neither the place, nor the number, nor the length of an item tells.
    sorts = [one.is_bot for one in sheet.items]
    assert 15 <= sum(sorts[:ITEMS]) <= 35
    by_number = [one.is_bot for one in sorted(sheet.items, key=lambda one: one.item_id)]
    assert 15 <= sum(by_number[:ITEMS]) <= 35


def test_both_sorts_are_shown_alike() -> None:
    assert tidy(" a\u00a0 b\t\r\n \n\n\u200bc\u202e\u2028d\n") == "a b\nc\nd"
    assert tidy("e\u0301 👩\u200d🚀 \ud800") == "é 👩\u200d🚀"
    with_marks = [asked(n, context=(f"so\r\n\r\n  {n}",)) for n in range(2)]
    made = shuffled([(with_marks[0], "x", True), (with_marks[1], "x", False)], "a", 0)
    lines = [blind._shown(one)["lines"] for one in made.items]
    assert sorted(text for one in lines for _, text in one) == [
        "I said 0", "I said 1", "so\n0", "so\n1",
    ]  # fmt: skip


def test_no_context_shows_what_was_answered_in_another() -> None:
    """Of a talk's lines each answers the one before it."""
    lines = [f"line {n}" for n in range(60)]
    held = [asked(n, lines[n], tuple(lines[max(0, n - 3) : n])) for n in range(1, 60)]
    picked = pick(held, 100, random.Random(0))
    assert 10 <= len(picked) < 40
    shown = {turn.text for one in picked for turn in one.turns if isinstance(turn, Said)}
    assert not shown & {one.reply for one in picked}
    assert len(pick(held, 5, random.Random(0))) == 5


def test_the_same_replies_make_the_same_sheet(sheet: Sheet) -> None:
    rows = [(one.asked, one.reply, one.is_bot) for one in sheet.items]
    assert shuffled(rows, "ab" * 32, 0) == sheet
    other = shuffled(rows, "ab" * 32, 1)
    assert other.sheet_id != sheet.sheet_id
    assert [one.reply for one in other.items] != [one.reply for one in sheet.items]


def test_what_the_page_hands_in_is_read(sheet: Sheet, known: Key, tmp_path: Path) -> None:
    """The page's own script, by node: a name in any script, and one reply half answered."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here")
    ids = [one.item_id for one in sheet.items]
    given: dict[str, dict[str, str]] = {
        i: {"guess": "b", "sounds": "1", "fits": "2", "mind": "5"} for i in ids
    }
    del given[ids[3]]["fits"]
    call = f"console.log(require({json.dumps(str(SCRIPT))}).handedIn(...{{}}))"
    call = call.replace("...{}", ", ".join(map(json.dumps, (sheet.sheet_id, "Zoë 王 🦉", given))))
    done = subprocess.run([node, "-e", call], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    path = tmp_path / "pasted.txt"
    path.write_text(f"here you are:\n```\n{done.stdout}```\n", encoding="utf-8")
    (rater,) = read_raters([path], known)
    assert rater.name == "Zoë 王 🦉"
    assert rater.answers.keys() == set(ids) - {ids[3]}
    assert {(one.says_bot, one.rubric) for one in rater.answers.values()} == {(True, (1, 2, 5))}
    assert incomplete(rater, known) == "Zoë 王 🦉 answered 99 of 100: those count."
    assert len(done.stdout) < 2000  # a message on Discord


# -- what is handed in ---------------------------------------------------------------------------


def test_what_cannot_count_is_a_sentence(known: Key, tmp_path: Path) -> None:
    answers = rated(known, lambda is_bot: True, lambda is_bot: "333")
    some = next(iter(answers))
    (tmp_path / "noise.json").write_text("what?", encoding="utf-8")
    (tmp_path / "list.json").write_text('{"kind": "mynah blind answers"}', encoding="utf-8")
    for path, said in (
        (tmp_path / "none.json", "There is no file"),
        (tmp_path / "noise.json", "cannot be read"),
        (tmp_path / "list.json", "holds no answers"),
        (hand_in(tmp_path, "0123", "foreign", answers), "answers another sheet"),
        (hand_in(tmp_path, known.sheet, "changed", answers, check="0"), "was changed"),
        (hand_in(tmp_path, known.sheet, "better", {**answers, some: "b666"}), "was changed"),
        (hand_in(tmp_path, known.sheet, "more", {**answers, "zzzz": "b333"}), "was changed"),
        (hand_in(tmp_path, known.sheet, "idle", {}), "answered nothing"),
    ):
        with pytest.raises(EvaluationError, match=said):
            read_raters([path], known)
    one = hand_in(tmp_path, known.sheet, "Kim", answers)
    two = hand_in(tmp_path, known.sheet, "kim", answers)
    with pytest.raises(EvaluationError) as problems:
        read_raters([one, two, tmp_path / "none.json"], known)
    assert len(str(problems.value).splitlines()) == 2  # a sentence each
    assert "handed in twice" in str(problems.value)
    with pytest.raises(EvaluationError, match="no key"):
        read_key(one)


# -- the figures ---------------------------------------------------------------------------------


def raters_of(known: Key, folder: Path, *answers: dict[str, str]) -> list[Rater]:
    paths = [hand_in(folder, known.sheet, f"r{n}", one) for n, one in enumerate(answers)]
    return read_raters(paths, known)


def test_who_guesses_and_who_knows(known: Key, tmp_path: Path) -> None:
    chance = random.Random(5)
    guesses = [
        rated(known, lambda _: chance.random() < 0.5, lambda _: f"{chance.choice('45')}44")
        for _ in range(4)
    ]
    found = score(known, raters_of(known, tmp_path, *guesses))
    assert found.by_rater is not None
    for low, high in (found.wilson, found.by_rater):
        assert low < 0.5 < high
        assert high - low < 0.2
    assert abs(found.d_prime) < 0.4
    assert abs(found.agreement["guess"] or 0.0) < 0.2
    assert found.passed
    knows = rated(known, lambda is_bot: is_bot, lambda is_bot: "222" if is_bot else "555")
    found = score(known, raters_of(known, tmp_path, knows, knows))
    assert (found.detected, found.sensitivity, found.specificity) == (1.0, 1.0, 1.0)
    assert found.wilson[0] > 0.96
    assert found.by_rater == (1.0, 1.0)
    assert found.d_prime > 4
    assert (found.bot["all"].value, found.real["all"].value) == (2.0, 5.0)
    assert found.agreement == {"guess": 1.0, "sounds": 1.0, "fits": 1.0, "mind": 1.0}
    assert not found.passed
    told = figures(found)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert "r0" not in json.dumps(told)
    one_alone = score(known, raters_of(known, tmp_path, knows))
    assert one_alone.by_rater is None
    assert one_alone.agreement["guess"] is None


def test_answers_to_one_sort_alone_are_a_sentence(known: Key, tmp_path: Path) -> None:
    answers = rated(known, lambda is_bot: True, lambda is_bot: "333")
    bots = {i: text for i, text in answers.items() if known.is_bot[i]}
    with pytest.raises(EvaluationError, match="both sorts"):
        score(known, raters_of(known, tmp_path, bots))


def test_wilson() -> None:
    """Newcombe 1998, Statistics in Medicine 17, table I, method 3."""
    for count, total, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(count, total) == pytest.approx((low, high), abs=5e-5)


def test_d_prime() -> None:
    assert d_prime(25, 50, 25, 50) == pytest.approx(0)
    assert d_prime(84, 100, 16, 100) == pytest.approx(2 * 0.98072, abs=1e-4)  # z(84.5 / 101)
    assert 4 < d_prime(50, 50, 0, 50) < 5


KRIPPENDORFF = """
    1 2 3 3 2 1 4 1 2 . . .
    1 2 3 3 2 2 4 1 2 5 . 3
    . 3 3 3 2 3 4 2 2 5 1 .
    1 2 3 3 2 4 4 1 2 5 1 .
"""
"""Krippendorff 2011, section C: four observers, twelve units."""


def test_krippendorffs_alpha() -> None:
    rows = [line.split() for line in KRIPPENDORFF.split("\n") if line.strip()]
    units = [[int(v) for v in unit if v != "."] for unit in zip(*rows, strict=True)]
    assert alpha(units) == pytest.approx(0.815, abs=5e-4)
    # Section A of the same: two observers, ten units, two values
    meg = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    owen = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert alpha(zip(meg, owen, strict=True)) == pytest.approx(0.095, abs=5e-4)
    assert alpha([[1, 1], [1, 1]]) is None
    assert alpha([[1], [2]]) is None


def test_the_bootstrap_is_as_wide_as_its_raters_differ() -> None:
    alike = [[0.0, 1.0] * 50] * 4
    low, high = bootstrap(alike)
    assert (low, high) == pytest.approx((0.45, 0.55), abs=0.01)  # 0.5 +- 1.96 * 0.025
    low, high = bootstrap([[0.0] * 100, [0.0] * 100, [1.0] * 100, [1.0] * 100])
    assert (low, high) == (0.0, 1.0)
    assert bootstrap(alike[:1]) == pytest.approx((0.4, 0.6), abs=0.015)


def test_the_card_says_what_people_found() -> None:
    from model.judging.card import model_card

    card = model_card(judgement(), Origin("lantern-1"), 85)
    assert "| Asked people | not done |" in card
    asked = with_people(card, "2 raters told 55%")
    assert "| Asked people | 2 raters told 55% |" in asked
    assert asked == model_card(judgement(), Origin("lantern-1", people="2 raters told 55%"), 85)
