"""What a member says in a row is one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.bursts import Burst, bursts
from data.preprocessor import CleanMessage
from model.chat_format import GOES_ON_MS
from tests.data.talk import talk


def spans(messages: list[CleanMessage]) -> list[tuple[int, int]]:
    return [(one.start, one.end) for one in bursts(messages)]


def test_lines_in_a_row_are_one_up_to_two_minutes_apart() -> None:
    messages = talk(("mira", "a"), ("mira", "b"), ("kai", "c"), ("mira", "d"), ("mira", "e"))
    assert spans(messages) == [(0, 2), (2, 3), (3, 5)]
    assert bursts(messages)[0] == Burst(0, 2, messages[0].author_id, False)
    late = replace(messages[1], created_at_ms=messages[0].created_at_ms + GOES_ON_MS + 1)
    assert spans([messages[0], late]) == [(0, 1), (1, 2)]
    assert spans([messages[0], replace(late, created_at_ms=late.created_at_ms - 1)]) == [(0, 2)]
    assert bursts([]) == []


@pytest.mark.parametrize(
    "other", [{"reply_to_id": 1}, {"not_shown": "no", "not_learned": "no"}, {"not_learned": "no"}]
)
def test_another_line_begins_where_other_things_hold(other: dict[str, object]) -> None:
    messages = talk(("mira", "a"), ("mira", "b"), ("mira", "c"))
    changed = [messages[0], replace(messages[1], **other), messages[2]]  # type: ignore[arg-type]
    ends = [(0, 1), (1, 3)] if "reply_to_id" in other else [(0, 1), (1, 2), (2, 3)]
    assert spans(changed) == ends
    assert [one.is_hidden for one in bursts(changed)] == [
        bool(changed[start].not_shown) for start, _ in ends
    ]
