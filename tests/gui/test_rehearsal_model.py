"""What a rehearsal is in words and figures, without a window."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.messages import ReplyReason
from gui.models.rehearsal_answers import RehearsalAnswers
from gui.models.rehearsal_model import day_fault, number_fault, rehearsal_name, span_of
from gui.models.rehearsal_run import done_words, run_words
from gui.models.rehearsal_words import (
    DAY_MS,
    HOUR_MS,
    answers_for,
    changes_something,
    fit_rows,
    fit_words,
    hours_of,
    is_near,
    why_words,
)
from storage.readonly import Moment, Rehearsal, Said
from tests.gui.rehearsing import URGE

SPOKEN = Moment(
    1,
    2,
    3,
    "general",
    1_763_600_000_000,
    Said("Mira", "when?"),
    "reply",
    "unasked",
    "",
    URGE,
    "nine",
)
SILENT = replace(SPOKEN, verdict="silent", reason="not addressed", draft="")


def test_why_it_spoke_or_not() -> None:
    assert why_words(SPOKEN) == (
        "Asks a question, said 40 lines since it last spoke \u00b7 0.80 of 0.70"
    )
    assert why_words(replace(SPOKEN, reason="addressed by name")) == "Addressed by name"
    bare = replace(SPOKEN, parts={**URGE, "why": []}, reason=ReplyReason.RELEVANT.value)
    assert why_words(bare) == "Unasked: it concerns it enough \u00b7 0.80 of 0.70"
    assert why_words(replace(SILENT, parts={})) == "Not addressed"
    assert why_words(SILENT).startswith("Not addressed (asks a question, said 40")
    held = replace(SPOKEN, draft="", guard="mass_mention")
    assert not held.is_spoken
    assert why_words(held) == "It kept a draft back: mass mention."


def test_what_is_near_and_what_may_be_answered() -> None:
    assert is_near(SILENT)
    assert is_near(replace(SILENT, parts={**URGE, "total": 0.56}))
    assert not is_near(replace(SILENT, parts={**URGE, "total": 0.54}))
    assert not is_near(replace(SILENT, parts={}))
    assert not is_near(SPOKEN)
    assert is_near(replace(SPOKEN, draft="", guard="mass_mention"))
    assert list(answers_for(SPOKEN)) == ["yes", "no", "too_much"]
    assert list(answers_for(SILENT)) == ["yes", "too_much"]


def test_when_it_spoke_by_hour_and_by_day() -> None:
    assert hours_of(()) == (HOUR_MS, (), (0.0, float(DAY_MS)))
    hours = [replace(SPOKEN, at_ms=SPOKEN.at_ms + n * HOUR_MS // 2) for n in range(4)]
    bucket_ms, points, (begin, end) = hours_of((*hours, replace(SILENT, at_ms=hours[-1].at_ms)))
    assert bucket_ms == HOUR_MS
    assert sum(count for _, count in points) == 4
    assert all(begin <= at < end for at, _ in points)
    assert end - begin == pytest.approx(DAY_MS, abs=HOUR_MS)
    bucket_ms, points, span = hours_of((SPOKEN, replace(SPOKEN, at_ms=SPOKEN.at_ms + 9 * DAY_MS)))
    assert (bucket_ms, [count for _, count in points]) == (DAY_MS, [1.0, 1.0])
    assert span[1] - span[0] == pytest.approx(10 * DAY_MS, abs=HOUR_MS)


BEFORE = {
    "response_rate": 0.05, "speak_threshold": 0.7, "channels": [], "replies": 40, "agreement": 0.8,
}  # fmt: skip
AFTER = {
    "response_rate": 0.03, "speak_threshold": 0.74, "replies": 22, "agreement": 0.95,
    "channels": [
        {"channel_id": "7", "name": "raids", "response_rate": 0.01, "speak_threshold": 0.8}
    ],
}  # fmt: skip


def test_what_a_fit_would_change() -> None:
    result = {
        "before": BEFORE, "after": AFTER, "changes": [{}] * 9, "why": "It spoke too much.",
        "is_enough": True,
    }  # fmt: skip
    assert fit_rows(result) == [
        ("", "Now", "Then"),
        ("Answers unasked", "0.05", "0.03"),
        ("Concern needed to speak", "0.70", "0.74"),
        ("Answers in this rehearsal", "40", "22"),
        ("Your answers obeyed", "80%", "95%"),
        ("#raids, of its own", "as everywhere", "0.01, 0.80"),
    ]
    assert changes_something(result)
    assert fit_words(result) == (
        "It spoke too much. Of what you answered, 9 moments would go otherwise."
    )
    same = {**result, "after": BEFORE, "changes": [], "why": ""}
    assert not changes_something(same)
    assert "nothing else" in fit_words(same)
    few = {**result, "is_enough": False, "why": "Answer 5 more."}
    assert fit_words(few) == "Answer 5 more."


def test_how_far_a_run_is() -> None:
    assert "made ready" in run_words({}, {})
    plan = {"messages": 412}
    assert run_words(plan, {}) == "412 messages to go through."
    progress = {"done": 120, "messages": 412, "spoken": 1, "left_s": 65.2}
    assert run_words(plan, progress) == (
        "120 of 412 messages \u00b7 it would have spoken once \u00b7 1:05 left"
    )
    assert (
        done_words({"messages": 412, "spoken": 23}) == "Of 412 messages it would have answered 23."
    )
    assert "livelier day" in done_words({"messages": 412, "spoken": 0})


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "20.11.2026"])
def test_a_day_that_is_none(text: str) -> None:
    assert "2026-11-20" in day_fault(text)
    assert day_fault(" 2026-11-20 ") == ""


@pytest.mark.parametrize("text", ["", "9", "5001", "many", "-20", "1e3"])
def test_a_number_that_is_none(text: str) -> None:
    assert "5,000" in number_fault(text)
    assert number_fault("300") == ""


def test_what_is_asked_of_the_script() -> None:
    assert span_of("The busiest day", "") == []
    assert span_of("One day", " 2026-11-20 ") == ["--day", "2026-11-20"]
    assert span_of("The last messages", "300") == ["--last", "300"]


def test_its_name() -> None:
    run = Rehearsal(3, "replay", 0, 1, "v", 400, "", spoken=1, first_ms=SPOKEN.at_ms)
    assert rehearsal_name(run) == "3: 2025-11-20, 1 moment"
    assert rehearsal_name(replace(run, kind="live", spoken=23)).startswith("3: live, since 2025")


class Scripts:
    """An AppModel's way to run scripts, by hand."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, object, object]] = []

    def run_script(self, *arguments: str, stdin: str, done: object, failed: object) -> None:
        self.begun.append((stdin, done, failed))


def test_answers_are_shown_at_once_and_known_to_be_stored_when_they_are() -> None:
    app, answers = Scripts(), RehearsalAnswers()
    answers.give(app, 1, "yes")  # type: ignore[arg-type]
    answers.give(app, 2, "no")  # type: ignore[arg-type]
    answers.give(app, 1, "too_much")  # type: ignore[arg-type]
    [(lines, done, failed)] = app.begun
    assert lines == "1=yes\n"
    assert (answers.answer_of(1, ""), answers.answer_of(2, "")) == ("too_much", "no")
    assert (answers.unstored, answers.is_stored(3)) == (2, True)
    failed("The disk is full.")  # type: ignore[operator]
    assert answers.failure == "The disk is full."
    assert (answers.answer_of(1, ""), answers.unstored) == ("too_much", 2)
    answers.send(app)  # type: ignore[arg-type]
    lines, done, failed = app.begun[1]
    assert lines == "1=too_much\n2=no\n"
    answers.give(app, 2, "")  # type: ignore[arg-type]
    done({})  # type: ignore[operator]
    assert answers.answer_of(1, "yes") == "too_much"
    assert (answers.is_stored(1), answers.is_stored(2)) == (True, False)
    assert app.begun[2][0] == "2=\n"
    answers.forget_fresh({1: "too_much"})
    assert answers.answer_of(1, "no") == "no"  # the database knows by now
