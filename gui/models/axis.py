"""Round ticks for the axes of a chart, and how values and times stand beside them. Pure.

Times are milliseconds since 1970 in UTC and are shown in the computer's own zone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

DAY_S = 86_400
_CLOCK_STEPS_S = [1, 2, 5, 10, 15, 30, *(60 * n for n in (1, 2, 5, 10, 15, 30))]
_CLOCK_STEPS_S += [3600 * n for n in (1, 2, 3, 6, 12)]
_DAY_STEPS = (1, 2, 7, 14, 28, 56, 112, 364)


def round_ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within [low, high]: `most` intervals at most."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    step = round_step((high - low) / max(most, 1))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `least` (> 0)."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= least * (1 - 1e-9))


def round_top(highest: float, most: int = 4, least: float = 1.0) -> float:
    """Where an axis from 0 that shows `highest` should end: at a round tick."""
    highest = max(highest, least)
    step = round_step(highest / max(most, 1))
    return math.ceil(highest / step - 1e-9) * step


def number_text(value: float, step: float = 0.0) -> str:
    """A value with as many decimals as its ticks are apart: "1,200", "0.25"."""
    step = step or abs(value)
    decimals = 0 if step >= 1 or step == 0 else min(6, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{decimals}f}"


def exact_text(value: float) -> str:
    """A value on its own, to three figures: "1,234", "12.3", "0.0457"."""
    if value == 0 or value == round(value):
        return f"{value:,.0f}"
    decimals = max(0, min(6, 2 - math.floor(math.log10(abs(value)))))
    return f"{value:,.{decimals}f}"


def time_ticks(low_ms: float, high_ms: float, most: int = 5) -> list[tuple[float, str]]:
    """(time in ms, what stands there) at full hours, days or weeks of the local clock."""
    span_s = (high_ms - low_ms) / 1000
    if span_s <= 0 or most < 1:
        return []
    for step_s in _CLOCK_STEPS_S:
        if span_s / step_s <= most:
            return list(_clock_ticks(low_ms, high_ms, step_s))
    days = next((n for n in _DAY_STEPS if span_s / (n * DAY_S) <= most), _DAY_STEPS[-1])
    return list(_day_ticks(low_ms, high_ms, days))


def time_text(at_ms: float, span_s: float) -> str:
    """A time as a hover says it, for something that lasts or steps by `span_s`."""
    at = local(at_ms)
    if span_s >= DAY_S:
        return f"{at:%a} {day_text(at)}"
    if span_s < 60:
        return f"{at:%a} {at:%H:%M:%S}"
    return f"{at:%a} {day_text(at)}, {at:%H:%M}"


def span_text(start_ms: float, span_s: float) -> str:
    """The time that a bar stands for: "Sat 3 May, 14:00 to 15:00", "Sat 3 May"."""
    if span_s >= DAY_S:
        return time_text(start_ms, span_s)
    return f"{time_text(start_ms, 60)} to {local(start_ms + span_s * 1000):%H:%M}"


def day_text(at: datetime) -> str:
    """ "3 May"."""
    return f"{at.day} {at:%b}"


def local(at_ms: float) -> datetime:
    """In the computer's own zone."""
    return datetime.fromtimestamp(at_ms / 1000, tz=timezone.utc).astimezone()


def _clock_ticks(low_ms: float, high_ms: float, step_s: int) -> Iterator[tuple[float, str]]:
    """At multiples of the step from local midnight; the wall clock counts, so that after a change
    of summer time they stand at full hours still."""
    midnight = _midnight(local(low_ms))
    words = "%H:%M:%S" if step_s < 60 else "%H:%M"
    for wall in _from(midnight, timedelta(seconds=step_s)):
        at_ms = wall.astimezone().timestamp() * 1000
        if at_ms > high_ms:
            return
        if at_ms >= low_ms:
            is_midnight = wall.hour == wall.minute == wall.second == 0
            yield at_ms, day_text(wall) if is_midnight else f"{wall:{words}}"


def _day_ticks(low_ms: float, high_ms: float, days: int) -> Iterator[tuple[float, str]]:
    """At local midnights; whole weeks begin on a Monday."""
    midnight = _midnight(local(low_ms))
    since_monday = (midnight.toordinal() - 1) % days
    for wall in _from(midnight - timedelta(days=since_monday), timedelta(days=days)):
        at_ms = wall.astimezone().timestamp() * 1000
        if at_ms > high_ms:
            return
        if at_ms >= low_ms:
            yield at_ms, day_text(wall)


def _midnight(at: datetime) -> datetime:
    """Of that local day, without a zone: the wall clock's."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)


def _from(wall: datetime, step: timedelta) -> Iterator[datetime]:
    while True:
        yield wall
        wall += step
