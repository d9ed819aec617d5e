"""What a long script tells on stdout: JSON lines, not too many, never the last one lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model.training.progress import Progress
from scripts.events import Events
from scripts.training_progress import Pace


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_progress_is_throttled_but_not_its_last(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("scripts.events.time.monotonic", lambda: now[0])
    tell = Events(True)
    tell.begin("sft")
    for step in range(1, 101):
        tell.progress("sft", is_last=step == 100, step=step, steps=100)
        now[0] += 0.01
    tell.end("sft", 1.0, made=False)
    lines = told(capsys)
    assert lines[0] == {"event": "begin", "stage": "sft"}
    assert lines[1] == {"event": "progress", "stage": "sft", "step": 1, "steps": 100}
    assert lines[-2]["step"] == 100
    assert lines[-1] == {"event": "end", "stage": "sft", "seconds": 1.0, "made": False}
    assert len(lines) <= 9


def test_a_stage_that_begins_is_told_of_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    tell = Events(True)
    tell.progress("a", step=1)
    tell.progress("a", step=2)
    tell.begin("b")
    tell.progress("b", step=1)
    assert [line.get("step") for line in told(capsys)] == [1, None, 1]


def test_nobody_asked_nothing_told(capsys: pytest.CaptureFixture[str]) -> None:
    tell = Events(False)
    tell.begin("sft")
    tell.progress("sft", is_last=True)
    tell.end("sft", 1.0)
    assert told(capsys) == []


def test_the_time_before_the_first_step_is_no_pace() -> None:
    pace = Pace()
    assert pace.left_s(Progress(1, 101, None, 60.0)) is None
    assert pace.left_s(Progress(2, 101, None, 60.5)) == 49.5
    assert pace.left_s(Progress(101, 101, 3.0, 110.0)) == 0
    assert pace.left_s(Progress(1, 101, None, 200.0)) is None, "begun anew, smaller"
    assert pace.left_s(Progress(2, 101, None, 203.0)) == 297
    later = Pace()  # a session that goes on
    assert later.left_s(Progress(51, 101, None, 30.0)) is None
    assert later.left_s(Progress(53, 101, None, 32.0)) == 48
