"""Hours of the day as people write them: "23:00-07:30, 13:00-14:00". Standard library alone."""

from __future__ import annotations

import re
import time

Span = tuple[int, int]
"""Minutes of the day: from, inclusive, and until, exclusive; past midnight where it is smaller."""

FORM = "hours such as 23:00-07:30, several with commas, or off"

_TIME = r"(\d{1,2})(?::(\d{2}))?"
_SPAN = re.compile(rf"{_TIME}\s*[-–]\s*{_TIME}")
_DAY = 24 * 60


def parse_hours(text: str) -> tuple[Span, ...] | None:
    """The spans that `text` names; () for an empty one or "off"; None where it is of another form.

    "22-6" is "22:00-06:00"; 24:00 is midnight; a span has to have a length.
    """
    spans: list[Span] = []
    is_none = text.strip().lower() in ("", "off")
    for part in () if is_none else text.split(","):
        found = _SPAN.fullmatch(part.strip())
        if found is None:
            return None
        begin, end = _minute(found[1], found[2]), _minute(found[3], found[4])
        if begin is None or end is None or begin == end:
            return None
        spans.append((begin % _DAY, end % _DAY))
    return tuple(spans)


def holds(text: str, at_ms: int) -> bool:
    """Whether that moment, by this computer's clock, lies in one of the spans. A text of another
    form holds none."""
    if not text.strip():
        return False
    local = time.localtime(at_ms / 1000)
    minute = local.tm_hour * 60 + local.tm_min
    return any(
        begin <= minute < end if begin < end else minute >= begin or minute < end
        for begin, end in parse_hours(text) or ()
    )


def _minute(hours: str, minutes: str | None) -> int | None:
    found = int(hours) * 60 + int(minutes or 0)
    return found if found <= _DAY and int(minutes or 0) < 60 else None
