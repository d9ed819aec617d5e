"""Checks single fields of an exporter's record: ids, texts, times, lists of objects."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

LARGEST_ID = 2**63 - 1
"""What SQLite's integers hold; Discord's own ids reach it in the year 2084."""

_STAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}):([0-5][0-9])(?:[.,]([0-9]{1,9}))?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MS = timedelta(milliseconds=1)


class BadRecord(Exception):
    """One message cannot be used; str() is the reason."""


def objects_in(raw: dict[str, Any], field: str) -> list[dict[str, Any]]:
    values = raw.get(field)
    if not values:
        return []
    if type(values) is not list or any(type(value) is not dict for value in values):
        raise BadRecord(f"{field} is not a list of objects")
    return values


def id_in(value: Any, what: str, *, least: int = 1) -> int:
    if type(value) is str and 0 < len(value) <= 20 and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is not int:
        shown = repr(value[:40]) if type(value) is str else called(value)
        raise BadRecord(f"{what} is {shown}, not a whole number")
    if not least <= value <= LARGEST_ID:
        raise BadRecord(f"{what} does not fit {least} to 2^63-1")
    return value


def text_in(value: Any, what: str) -> str:
    if type(value) is str:
        return value
    if value is None:
        return ""
    raise BadRecord(f"{what} is {called(value)}, not text")


def time_ms_in(value: Any, what: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 time; one without an offset counts as UTC."""
    match = _STAMP.fullmatch(value) if type(value) is str else None
    if match is None:
        shown = repr(value[:40]) if type(value) is str else called(value)
        raise BadRecord(f"{what} is {shown}, not an ISO 8601 time")
    minute, second, fraction, offset = match.groups()
    try:
        at_ms = _minute_ms(minute, offset or "Z") + int(second) * 1000
    except ValueError as error:
        raise BadRecord(f"{what} is {value!r}: {error}") from error
    return at_ms + int(f"{fraction}00"[:3]) if fraction else at_ms


@lru_cache(maxsize=4096)
def _minute_ms(minute: str, offset: str) -> int:
    """Messages come in bursts: nearly every minute is asked for again. Raises ValueError."""
    date, clock = minute[:10], minute[11:]
    year, month, day = (int(part) for part in date.split("-"))
    hour, minutes = (int(part) for part in clock.split(":"))
    moment = datetime(year, month, day, hour, minutes, tzinfo=timezone.utc)
    at_ms = (moment - _EPOCH) // _MS
    if offset == "Z":
        return at_ms
    digits = offset[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 18 or minutes > 59:
        raise ValueError(f"offset {offset} is out of range")
    away_ms = (hours * 60 + minutes) * 60_000
    return at_ms + away_ms if offset[0] == "-" else at_ms - away_ms


def called(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return "missing" if value is None else names.get(type(value), "a number")
