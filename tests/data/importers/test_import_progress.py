"""The progress line."""

from __future__ import annotations

import io

import pytest

from data.importers import import_progress
from data.importers.import_progress import ProgressLine, described
from data.importers.summary import ImportProgress

HALF = ImportProgress("general.json", 1, 3, 50, 100, 200_000, 2, 10.0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_described() -> None:
    assert described(HALF) == (
        "50% · 200,000 messages · 20,000 a second · 0:10 left · 2 kept aside · general.json"
    )
    described(ImportProgress("a.json", 0, 0, 0, 0, 0, 0, 0.0))


def test_one_line_is_rewritten_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_progress, "ON_TERMINAL_EVERY_S", 0.0)
    out = Terminal()
    line = ProgressLine(out)
    line.show(HALF)
    line.show(HALF)
    line.end()
    assert "\n" not in out.getvalue()
    assert out.getvalue().endswith("\r")


def test_a_log_file_is_not_flooded() -> None:
    out = io.StringIO()
    line = ProgressLine(out)
    for _ in range(100):
        line.show(HALF)
    line.end()
    assert out.getvalue() == ""


def test_any_text_may_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_progress, "ON_TERMINAL_EVERY_S", 0.0)
    out = Terminal()
    ProgressLine(out).write("3,200 messages")
    assert out.getvalue() == "\r3,200 messages"
