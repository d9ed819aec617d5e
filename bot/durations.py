"""How long, as people write it: "30m", "2h", "1d"; and back. Pure; any thread."""

from __future__ import annotations

import re

SHORTEST_S = 60
LONGEST_S = 7 * 86_400
QUIET_RANGE = "30m, 2h, 1d or the like, from 1m to 7d"

_UNITS_S = {"m": 60, "h": 3600, "d": 86_400}
_FORM = re.compile(r"(\d{1,6})\s*(m|h|d)(?:in|ins|inutes?|ours?|ays?)?", re.ASCII)


def parse_duration_s(text: str) -> int | None:
    """Seconds, from a minute to 7 days; None where the text is no such duration."""
    found = _FORM.fullmatch(text.strip().lower())
    if found is None:
        return None
    seconds = int(found[1]) * _UNITS_S[found[2]]
    return seconds if SHORTEST_S <= seconds <= LONGEST_S else None


def duration_text(seconds: float) -> str:
    """The two largest units, rounded down: "2 d 3 h", "45 min", "12 s"."""
    whole = max(int(seconds), 0)
    days, hours, minutes = whole // 86_400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{whole} s"
