"""Answers move rate and threshold the right way, and no further than they have to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.fitting import CHANNEL_ANSWERS, Day, Moment, Values, fit, moment_of, obeys
from bot.messages import ReplyReason, SilentReason, Urge
from storage.acceptance import Acceptance
from storage.records import ChannelRecord
from storage.rehearsal_store import NO, TOO_MUCH, YES, Rehearsed
from storage.settings import Settings

HOUR_MS = 3_600_000
DEN = ChannelRecord(1, 50 << 22, "The Lantern", "den")
HALL = ChannelRecord(2, 50 << 22, "The Lantern", "hall")
FREE = Settings({"unasked_channel_minutes": 0, "unasked_member_minutes": 0, "unasked_a_day": 1000})
"""Without cooldowns: the urge alone decides."""


def moment(
    row_id: int, total: float, answer: str = "", *, channel: ChannelRecord = DEN, at_h: float = -1
) -> Moment:
    at_ms = round((row_id if at_h < 0 else at_h) * HOUR_MS)
    urge = Urge(total - 0.01, 0.01, 0.0, 0.0, total, 0.7)
    return Moment(row_id, channel, 100 + row_id, at_ms, answer, total >= 0.7, urge)


def test_too_much_makes_it_quieter() -> None:
    day = [moment(n, 0.72, TOO_MUCH) for n in range(6)] + [moment(9, 0.95, YES)]
    found = fit(day, FREE, {})
    assert found.spoken_before == {0, 1, 2, 3, 4, 5, 9}
    assert found.spoken_after == {9}
    assert found.after.threshold >= 0.72 or found.after.rate < 0.05
    assert found.after.rate <= 0.05
    assert "7 of 7 answers are obeyed instead of 1" in found.why


def test_should_have_spoken_makes_it_livelier() -> None:
    day = [moment(n, 0.5, YES) for n in range(6)] + [moment(9, 0.1, TOO_MUCH)]
    found = fit(day, FREE, {})
    assert found.spoken_before == frozenset()
    assert found.spoken_after == {0, 1, 2, 3, 4, 5}
    assert found.after.rate >= 0.05
    assert found.after.threshold <= 0.7
    assert found.after != found.before


def test_what_is_obeyed_already_changes_nothing() -> None:
    day = [moment(n, 0.9, YES) for n in range(5)] + [moment(9, 0.3, TOO_MUCH)]
    found = fit(day, FREE, {})
    assert found.before == found.after
    assert "No other values" in found.why


def test_the_wrong_words_say_nothing_of_how_often() -> None:
    found = fit([moment(n, 0.9, NO) for n in range(30)], FREE, {})
    assert not found.is_enough
    assert found.before == found.after
    assert "too few answers" in found.why


def test_one_answer_is_not_worth_speaking_many_times_more() -> None:
    """Thirty more times at an urge just below, of which one was wanted."""
    day = [moment(n, 0.9, YES) for n in range(4)]
    day += [moment(10 + n, 0.6, YES if n == 0 else "") for n in range(30)]
    found = fit(day, FREE, {})
    assert found.spoken_after == {0, 1, 2, 3}


def test_it_never_comes_to_answering_everything() -> None:
    day = [moment(n, 0.05, YES if n % 4 == 0 else "", at_h=n / 60) for n in range(20)]
    found = fit(day, Settings({}), {})
    assert found.after.rate < 1
    assert len(found.spoken_after) < 20


def test_no_fewer_answers_are_obeyed_than_before() -> None:
    """At rate 1 it speaks everywhere; a third of that was too much, at any urge."""
    urges = (0.1, 0.4, 0.8)
    answers = (YES, YES, TOO_MUCH, YES, TOO_MUCH)
    day = [moment(n, urges[n % 3], answers[n % 5], at_h=n / 60) for n in range(30)]
    found = fit(day, Settings({"response_rate": 1.0}), {})
    assert obeys(day, found.spoken_after) >= obeys(day, found.spoken_before)


def test_a_channel_with_enough_answers_gets_values_of_its_own() -> None:
    """In the den it is too much, in the hall it is welcome, at the same urge."""
    some = CHANNEL_ANSWERS
    day = [moment(n, 0.8, TOO_MUCH) for n in range(some)]
    day += [moment(100 + n, 0.8, YES, channel=HALL) for n in range(some)]
    found = fit(day, FREE, {})
    assert found.spoken_after == {100 + n for n in range(some)}
    assert found.after.channels
    rows = found.after.rows()
    assert set(rows[next(iter(rows))]) == {"response_rate", "speak_threshold"}
    few = [one for one in day if one.row_id % 100 < some - 1]
    assert fit(few, FREE, {}).after.channels == {}


def test_cooldowns_and_the_day_s_count_are_played_again() -> None:
    """Twelve at an urge of 0.9 ten minutes apart in one channel."""
    day = [moment(n, 0.9, at_h=n / 6) for n in range(12)]
    settings = Settings({"unasked_member_minutes": 0})
    played = Day(day, settings, {})
    assert played.spoken(Values(0.05, 0.7)) == {0, 3, 6, 9}  # 30 minutes
    assert played.spoken(Values(1.0, 0.7)) == set(range(12))
    assert len(played.spoken(Values(0.2, 0.7))) > 4
    assert played.spoken(Values(0.01, 0.7)) == set()  # 0.7 is 1.08 then
    a_day = Settings({**settings, "unasked_a_day": 2})
    assert Day(day, a_day, {}).spoken(Values(0.05, 0.7)) == {0, 3}
    own = {DEN.channel_id: {"unasked_channel_minutes": "0"}}
    assert Day(day, settings, own).spoken(Values(0.05, 0.7)) == set(range(12))


def test_what_it_goes_on_with_hangs_on_what_it_said() -> None:
    def row(row_id: int, reason: str, parts: dict[str, object] | None = None) -> Rehearsed:
        made = Rehearsed(1, row_id, DEN.channel_id, row_id * HOUR_MS, "reply", reason)
        return replace(made, rehearsed_id=row_id, parts=parts or {})

    urge = Urge(0.71, 0.01, 0, 0, 0.72, 0.7).as_json()
    day = [
        moment_of(row(1, ReplyReason.RELEVANT.value, parts=urge), 7, DEN),
        moment_of(row(2, ReplyReason.ATTENTION.value), 7, DEN),
        moment_of(row(3, ReplyReason.NAMED.value), 7, DEN),
        moment_of(row(4, ReplyReason.ATTENTION.value), 7, DEN),
    ]
    played = Day(day, FREE, {})
    assert played.spoken(Values(0.05, 0.7)) == {1, 2, 3, 4}
    assert played.spoken(Values(0.05, 0.9)) == {3, 4}


def test_the_draw_of_chance_stays_as_it_was() -> None:
    """It spoke just below the threshold, and kept silent just above it."""
    urge = Urge(0.67, 0.01, 0, 0, 0.68, 0.7).as_json()
    spoke = Rehearsed(1, 1, 1, 0, "reply", ReplyReason.RELEVANT.value, parts=urge, rehearsed_id=1)
    above = {**urge, "total": 0.72}
    silent = Rehearsed(1, 2, 1, 1, "silent", SilentReason.BELOW.value, parts=above, rehearsed_id=2)
    day = [moment_of(spoke, 7, DEN), moment_of(silent, 8, DEN)]
    assert Day(day, FREE, {}).spoken(Values(0.05, 0.7)) == {1}


def test_obeys_counts_what_says_when_to_speak() -> None:
    day = [moment(1, 0.9, YES), moment(2, 0.9, TOO_MUCH), moment(3, 0.9, NO), moment(4, 0.1)]
    assert obeys(day, {1, 2, 3}) == 1
    assert obeys(day, {1, 3, 4}) == 2


def test_wilson() -> None:
    """Its bounds are those shares from which 34 of 40 are 1.96 standard errors away."""
    found = Acceptance(34, 40)
    assert found.interval is not None
    for p in found.interval:
        assert abs(34 / 40 - p) == pytest.approx(1.959964 * (p * (1 - p) / 40) ** 0.5)
    assert found.interval[0] < 34 / 40 < found.interval[1]
    assert str(found) == "accepted 34 of 40 (71-93%)"
    assert Acceptance(0, 0).interval is None
    assert Acceptance(5, 5).interval == pytest.approx((5 / (5 + 1.959964**2), 1.0))
