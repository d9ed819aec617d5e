"""A line of a log as the logs window shows it: read from JSON lines, or from what was printed.

    {"ts": "2026-05-01T20:15:03.123Z", "level": "INFO", "logger": "bot.pipeline", "message": "Hi."}
    -> 05-01 22:15:03.123  INFO     bot.pipeline          Hi.

About five microseconds a line, on a worker. Standard library alone.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NamedTuple

DEBUG, INFO, WARNING, ERROR, CRITICAL = 10, 20, 30, 40, 50
_RANKS = {"DEBUG": DEBUG, "INFO": INFO, "WARNING": WARNING, "ERROR": ERROR}
_RANKS["CRITICAL"] = CRITICAL

PRINTED = "printed"
"""The part of what the bot's process printed: it has no level, and ranks as a warning, because
a crash is told there."""
MOST_CHARS = 1_000
"""A longer line is cut there; a file keeps it whole."""
INDENT = " " * 20
_KNOWN = frozenset(("ts", "level", "logger", "message", "exception"))
_NUMBERS = ("errno", "status", "code")


class Row(NamedTuple):
    """One line on the screen."""

    rank: int
    """How grave it is: DEBUG to ERROR and above, one more where the line belongs to the one above
    it (an exception's frames)."""
    part: str
    """The logger, such as "bot.pipeline", or PRINTED."""
    text: str
    """What is shown, without a line break; the time is the user's own."""


class Read(NamedTuple):
    """Rows of one line of a file, and when it was written."""

    at: str
    """ISO 8601, UTC: sorts lines of several files into one order."""
    rows: list[Row]


def rank_of(rank: int) -> int:
    """The rank of the line that a row belongs to."""
    return rank // 10 * 10


def read_json(line: str, at: str = "") -> Read:
    """What a line of JSON shows, its exception on lines of its own; `at` where it says no time.

    Never raises: what is no log line is shown as it stands.
    """
    try:
        told = json.loads(line)
        return _shown(told, at)
    except (ValueError, TypeError, AttributeError, KeyError):
        return read_printed(line, at)


def read_printed(line: str, at: str) -> Read:
    """What a line shows that the process printed; it was seen at `at`."""
    text = f"{local_time(at)}  {'PRINTED':<8} {line.rstrip()}"
    return Read(at, [Row(WARNING, PRINTED, _cut(text))])


def local_time(at: str) -> str:
    """ "2026-05-01T20:15:03.123Z" -> "05-01 22:15:03.123" where the user is; "" as blanks."""
    try:
        return _local_minute(at[:16]) + at[16:23]
    except ValueError:
        return " " * 18


@lru_cache(maxsize=1024)
def _local_minute(minute: str) -> str:
    moment = datetime.strptime(minute, "%Y-%m-%dT%H:%M").replace(tzinfo=timezone.utc)
    return moment.astimezone().strftime("%m-%d %H:%M")


def _shown(told: dict[str, Any], at: str) -> Read:
    at, level, part = told.get("ts", at), told["level"], sys.intern(told["logger"])
    rank = _RANKS.get(level, INFO)
    text = f"{local_time(at)}  {level:<8} {part:<20}  {told['message']}"
    if len(told) > 4:
        fields = [f"{k}={v}" for k, v in told.items() if v is not None and k not in _KNOWN]
        text = f"{text}  {' '.join(fields)}"
    if "\n" in text or "\r" in text:
        text = " ".join(text.splitlines())
    rows = [Row(rank, part, _cut(text))]
    if "exception" in told:
        rows += [Row(rank + 1, part, _cut(INDENT + line)) for line in _in_words(told["exception"])]
    return Read(at, rows)


def _in_words(told: dict[str, Any]) -> list[str]:
    """Where it happened, then what: the same order as the bot's own log in a terminal."""
    lines: list[str] = []
    for one in (told, *told.get("because", ())):
        lines += [f"  {frame}" for frame in one["frames"]]
        numbers = [f"{key} {one[key]}" for key in _NUMBERS if key in one]
        words = " ".join([one["type"], *numbers, one.get("says", "")])
        lines.append(" ".join(words.split()))
    return lines


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARS else text[: MOST_CHARS - 3] + "..."
