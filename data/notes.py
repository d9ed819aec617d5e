"""The text of a memory note: an earlier message as the bot shows it to itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime, timezone

from model.chat_format import clean_name

MAX_NOTE_CHARS = 160
ASKED_NOTE_TOKENS = 30
"""Of all notes for the line that is answered, together: they are read while somebody waits."""
READ_NOTE_TOKENS = 80
"""Of a note that is read along while nobody asks."""
LEAST_QUOTED_WORDS = 5
"""Fewer words of a longer message say nothing."""

_SPACE = re.compile(r"\s+")
_BARE = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_STEM = 5
# Not strftime: its month names follow the machine's locale.
_MONTHS = "January February March April May June July August September October November December"


def memory_note(nickname: str, created_at_ms: int | None, text: str) -> str:
    """`mira on 3 May 2025: "..."`: one line, the day in UTC, the message cut to 160 characters;
    without a time, which takes a third of a short note, `mira once: "..."`.

    The transcript puts its own mark in front (`model.chat_format.Note`).
    """
    quote = _SPACE.sub(" ", text).strip().replace('"', "'")
    if len(quote) > MAX_NOTE_CHARS:
        quote = quote[: MAX_NOTE_CHARS - 1].rsplit(" ", 1)[0] + "…"
    if created_at_ms is None:
        return f'{clean_name(nickname)} once: "{quote}"'
    day = datetime.fromtimestamp(created_at_ms / 1000, tz=timezone.utc)
    month = _MONTHS.split()[day.month - 1]
    return f'{clean_name(nickname)} on {day.day} {month} {day.year}: "{quote}"'


def fitted_note(
    nickname: str,
    created_at_ms: int,
    text: str,
    words: Collection[str],
    fits: Callable[[str], bool],
) -> str | None:
    """The note; where that is too long without the day; else as much of the message around the
    first of `words` as fits; None where that is next to nothing.

    `words` are case-folded. `fits` says of a whole note whether it may be as long.
    """
    for at_ms in (created_at_ms, None):
        if fits(whole := memory_note(nickname, at_ms, text)):
            return whole
    said = text.split()
    at = next((i for i, word in enumerate(said) if _is_among(word, words)), 0)
    best, least, most = None, LEAST_QUOTED_WORDS, len(said) - 1
    while least <= most:
        count = (least + most) // 2
        note = memory_note(nickname, None, _part(said, at, count))
        if fits(note):
            best, least = note, count + 1
        else:
            most = count - 1
    return best


def _part(said: list[str], at: int, count: int) -> str:
    """`count` words, a third of them before the one at `at`, as far as there are any."""
    start = max(0, min(at - count // 3, len(said) - count))
    end = start + count
    return ("…" if start else "") + " ".join(said[start:end]) + ("…" if end < len(said) else "")


def _is_among(word: str, words: Collection[str]) -> bool:
    found = _BARE.search(word.casefold())
    return found is not None and any(root(found[0]) == root(one) for one in words)


def root(word: str) -> str:
    """What case-folded words that may be forms of one have in common: their first 5 characters, but
    for an "s" at the end."""
    return word.rstrip("s")[:_STEM]
