"""Figures in words, as the pages of data and training say them."""

from __future__ import annotations

from datetime import datetime


def many(count: int, what: str) -> str:
    """ "1 message", "1,200 messages"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def day_words(at_ms: int | None) -> str:
    """2026-11-20, in this machine's own time zone; "" for None."""
    if at_ms is None:
        return ""
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d")


def size_words(size_bytes: float) -> str:
    """ "800 B", "4.1 kB", "20.4 MB", "1.3 GB"."""
    for unit in ("B", "kB", "MB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} GB"


def left_words(left_s: float) -> str:
    """ "1:05 left", "1:02:05 left"."""
    minutes, seconds = divmod(int(left_s), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d} left"
    return f"{minutes}:{seconds:02d} left"
