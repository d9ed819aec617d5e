"""bench_feedback: what it measures is what it says."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from data.persona_file import Cares
from scripts.bench_decide import Talk
from scripts.bench_feedback import Audience, World, auc, recorded_receptions, run
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin, Reaction

ROOM = ChannelRecord(500, 1, "Inn", "hall")
PEOPLE = {n: MemberRecord(n, f"m{n}", f"m{n}") for n in (11, 12, 13)}
MINUTE_MS = 60_000


def said(number: int, text: str, under: tuple[Reaction, ...] = ()) -> MessageRecord:
    at_ms = 1_700_000_000_000 + number * 40 * MINUTE_MS
    author = 11 + number % 3
    return MessageRecord(
        1000 + 10 * number, 500, author, text, at_ms, Origin.SAMPLE, reactions=under
    )


def test_auc() -> None:
    assert auc([(True, 0.1), (False, 0.2), (False, 0.3)]) == 1.0
    assert auc([(True, 0.5), (False, 0.2)]) == 0.0
    assert auc([(True, 0.2), (False, 0.2)]) == 0.5
    assert math.isnan(auc([(True, 0.1)]))


def test_an_answer_gets_what_the_next_member_got() -> None:
    thumb = (Reaction("👍", 1),)
    talk = Talk((), [said(0, "a"), said(1, "b", thumb), said(2, "c")], PEOPLE, {500: ROOM})
    assert recorded_receptions(talk) == {1000: thumb, 1010: ()}


def test_what_was_disliked_is_said_less_often() -> None:
    lines = [
        f"anyone know about the soup number {n}?" if n % 2 else f"does anyone like boots {n}?"
        for n in range(120)
    ]
    talk = Talk((), [said(n, text) for n, text in enumerate(lines)], PEOPLE, {500: ROOM})
    audience = Audience(("soup",), "", 1.0, recorded_receptions(talk))
    world = World(audience, Cares(("soup", "boots"), ()), None)
    before, after, taught = asyncio.run(run(talk, world, (0.5, 0.1), seed=0))
    assert sum(bad and reacted for bad, reacted in taught) > 5

    def share(figures: Any) -> float:
        spoke = [is_disliked for is_disliked, spoke in figures.spoke if spoke]
        return sum(spoke) / len(spoke)

    assert share(after) < share(before)
    assert auc(after.urges) > auc(before.urges)
