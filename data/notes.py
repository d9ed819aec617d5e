"""The text of a memory note: an earlier message as the bot shows it to itself."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from model.chat_format import clean_name

MAX_NOTE_CHARS = 160

_SPACE = re.compile(r"\s+")
# Not strftime: its month names follow the machine's locale.
_MONTHS = "January February March April May June July August September October November December"


def memory_note(nickname: str, created_at_ms: int, text: str) -> str:
    """`mira on 3 May 2025: "..."`: one line, the day in UTC, the message cut to 160 characters.

    The transcript puts its own mark in front (`model.chat_format.Note`).
    """
    day = datetime.fromtimestamp(created_at_ms / 1000, tz=timezone.utc)
    quote = _SPACE.sub(" ", text).strip().replace('"', "'")
    if len(quote) > MAX_NOTE_CHARS:
        quote = quote[: MAX_NOTE_CHARS - 1].rsplit(" ", 1)[0] + "…"
    month = _MONTHS.split()[day.month - 1]
    return f'{clean_name(nickname)} on {day.day} {month} {day.year}: "{quote}"'
