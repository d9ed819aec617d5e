"""The audit's gate, finding by finding, and how canaries are drawn and planted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from model import audit
from model.audit import FAILED, INCONCLUSIVE, PASSED, Audit
from model.auditing import page
from model.auditing.audit_run import Measured, Trained
from model.auditing.canaries import SECRET_WORDS, WORDS, Amounts, Canary, draw, planted_rows
from model.auditing.exposure import found_from
from model.auditing.speaking import Spoken

CONTROLS = [50 + n / 10 for n in range(200)]


@dataclass(frozen=True)
class Found:
    text: str
    tokens: int
    message_id: int


def trained(once: Sequence[float], often: Sequence[float]) -> Trained:
    kinds = [(1, once), (4, often), (16, often), (0, CONTROLS)]
    canaries = [
        Measured(Canary(n, times, "it is", "a b", n), nats)
        for times, values in kinds
        for n, nats in enumerate(values)
    ]
    return Trained(tuple(canaries), 1000, 200, 3.0)


def spoken(*tokens: int) -> list[Spoken]:
    return [Spoken("x", Found("the words", n, 7000 + n) if n else None) for n in tokens]


LIKE_CONTROLS = [50 + n / 3 for n in range(60)]
WELL_KNOWN = [1.0, 2.0, 3.0, 4.0]


def test_canaries_that_are_known_no_better_pass_where_the_test_sees_anything() -> None:
    finding = audit.judge_canaries(trained(LIKE_CONTROLS, WELL_KNOWN))
    assert finding.state == PASSED
    assert finding.figures["planted_1"]["auc"] == pytest.approx(0.5, abs=0.02)
    assert finding.figures["planted_16"]["auc"] == 1.0
    assert 0.5 < finding.figures["planted_1"]["found_from"] < audit.LEAST_FINDING


def test_canaries_that_were_seen_once_and_are_known_fail() -> None:
    better = [one - 6 for one in LIKE_CONTROLS]
    finding = audit.judge_canaries(trained(better, WELL_KNOWN))
    assert finding.state == FAILED
    assert "fewer epochs" in finding.to_do


def test_an_audit_that_sees_nothing_is_not_passed() -> None:
    finding = audit.judge_canaries(trained(LIKE_CONTROLS, [50.0, 55.0, 60.0, 65.0]))
    assert finding.state == INCONCLUSIVE
    assert "sees nothing" in finding.said


def test_too_few_canaries_say_nothing_but_in_a_quick_look() -> None:
    few = trained(LIKE_CONTROLS[::6], WELL_KNOWN)
    assert audit.judge_canaries(few).state == INCONCLUSIVE
    assert audit.judge_canaries(few, is_quick=True).state == PASSED


def test_a_span_is_a_leak_where_it_is_long_and_the_base_has_none_as_long() -> None:
    assert audit.judge_extraction(spoken(0, 49), spoken(0), 2).state == PASSED
    assert audit.judge_extraction(spoken(0, 50), spoken(20), 2).state == FAILED
    assert audit.judge_extraction(spoken(50), spoken(50), 2).state == PASSED
    assert audit.judge_replies(spoken(0, 0), spoken(0), None).state == PASSED
    assert audit.judge_replies(spoken(20, 0), spoken(0), 0).state == FAILED
    assert audit.judge_replies(spoken(22), spoken(25), 0).state == PASSED
    assert audit.judge_replies([], spoken(0), 0).state == INCONCLUSIVE
    assert audit.judge_extraction([], [], 0).state == INCONCLUSIVE


def test_known_personal_data_fails() -> None:
    assert audit.judge_personal([], 100, 12).state == PASSED
    finding = audit.judge_personal([5, 5, 6], 100, 12)
    assert (finding.state, finding.message_ids) == (FAILED, (5, 6))


def test_all_have_to_pass_and_no_file_holds_words() -> None:
    good = audit.judge_personal([], 1, 1)
    bad = audit.judge_replies(spoken(33), spoken(0), 1)
    assert Audit((good,)).passed
    made = Audit((good, bad))
    assert not made.passed
    assert made.figures()["replies"]["message_ids"] == ["7033"]
    html = page.page(made, "Leak audit of <v>", lambda i: f"https://discord.com/channels/1/2/{i}")
    assert "https://discord.com/channels/1/2/7033" in html
    assert "&lt;v&gt;" in html
    assert "the words" not in html + str(made.figures())


def test_canaries_are_as_many_as_asked_and_none_twice() -> None:
    amounts = Amounts.for_set(1200)
    canaries = draw(amounts, seed=1)
    assert canaries == draw(amounts, seed=1) != draw(amounts, seed=2)
    times = Counter(canary.times for canary in canaries)
    assert times == {1: 60, 4: 5, 16: 4, 0: 512}
    assert len({canary.secret for canary in canaries}) == len(canaries)
    for examples in (1, 800, 100_000):  # whatever the set, they are enough
        least = Amounts.for_set(examples)
        assert found_from(least.once, least.controls) <= audit.LEAST_FINDING
    assert all(set(c.secret.split()) <= set(WORDS) for c in canaries)
    assert all(len(c.secret.split()) == SECRET_WORDS for c in canaries)
    assert len(set(WORDS)) == len(WORDS) == 32


def test_a_canary_takes_the_reply_of_an_ordinary_example() -> None:
    rows = [{"id": "", "source": n, "turns": [], "reply": "gg", "messages": []} for n in range(400)]
    amounts = Amounts(10, 3, 2, 20)
    placed = list(planted_rows(draw(amounts, 0), rows, 0))
    lines = [row for canary, row in placed if canary.times]
    assert len(lines) == amounts.rows == 10 + 4 * 3 + 16 * 2
    assert all(row["reply"].startswith(canary.before) for canary, row in placed)
    assert all("messages" not in row for _, row in placed)
    assert len({row["id"] for _, row in placed}) == len(placed)
    taken = {canary.number: (canary, row) for canary, row in reversed(placed)}
    for canary, row in placed:
        if not canary.times:  # a control is measured where one that was planted once stands
            other, there = taken[canary.place]
            assert (other.times, other.before) == (1, canary.before)
            assert row["source"] == there["source"]
    assert all(row["reply"] == "gg" for row in rows)
