"""Hours of the day: what is one, and when they are."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from storage.quiet_hours import holds, parse_hours
from storage.settings import SettingError, Settings, find, load, parse


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("", ()),
        (" ", ()),
        ("off", ()),
        ("23:00-07:30", ((1380, 450),)),
        ("23:00 - 07:30,13:00–14:00", ((1380, 450), (780, 840))),
        ("22-6", ((1320, 360),)),
        ("0:00-24:00", ((0, 0),)),
        ("12:00-24:00", ((720, 0),)),
        ("23:00", None),
        ("23:00-23:00", None),
        ("25:00-07:00", None),
        ("22:60-07:00", None),
        ("night", None),
        ("23:00-07:00,", None),
    ],
)
def test_what_hours_are(text: str, spans: tuple[tuple[int, int], ...] | None) -> None:
    assert parse_hours(text) == spans


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "quiet"),
    [
        ("23:00-07:30", {23, 0, 3, 7}),
        ("23:00-07:00, 13:00-14:00", {23, 0, 3, 13}),
        ("00:00-24:00", {0, 3, 7, 13, 14, 20, 23}),
        ("", set()),
        ("nonsense", set()),
    ],
)
def test_they_are_of_this_computers_clock(text: str, quiet: set[int]) -> None:
    midnight_ms = 1_746_223_200_000  # 3 May 2025, 00:00 in Berlin
    hours = (0, 3, 7, 13, 14, 20, 23)
    assert {h for h in hours if holds(text, midnight_ms + h * 3_600_000)} == quiet


def test_a_setting_of_hours_is_checked_and_a_bad_stored_one_is_none() -> None:
    setting = find("quiet_hours")
    assert parse(setting, "23:00-07:30") == "23:00-07:30"
    with pytest.raises(SettingError, match="hours such as 23:00-07:30"):
        parse(setting, "at night")
    settings, [warning] = load({"quiet_hours": "at night"})
    assert settings.text("quiet_hours") == ""
    assert "quiet_hours" in warning
    assert Settings().overlaid({"quiet_hours": "at night"}).text("quiet_hours") == ""
