"""Knows which longer lines the persona said lately: none of them leaves twice a day.

Kept as hashes: a line may quote somebody who is forgotten tomorrow. Called from the event loop's
thread; the database is asked in worker threads, once.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from bot.patience import patiently

if TYPE_CHECKING:
    from storage.database import Database

LEAST_WORDS = 5
"""Shorter lines ("same here") are said again and again by everybody."""
DAY_MS = 24 * 60 * 60 * 1000

_WORD = re.compile(r"\w+")


class OwnLines:
    """One pipeline's."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._said: dict[int, int] = {}
        """When each was said last, by its hash."""
        self._by_time: deque[tuple[int, int]] = deque()
        self._is_loaded = False

    async def load(self) -> None:
        """Learn what was said before this start; does nothing again."""
        if not self._is_loaded:
            since_ms = self._now_ms() - DAY_MS
            for at_ms, text in await patiently(self._database.own_words_since, since_ms):
                self.note(text, at_ms)
            self._is_loaded = True

    def note(self, text: str, at_ms: int) -> None:
        """This was said."""
        for mark in filter(None, map(_mark, text.splitlines())):
            self._said[mark] = max(at_ms, self._said.get(mark, 0))
            self._by_time.append((at_ms, mark))

    def without_repeats(self, text: str) -> str:
        """The text without the lines that were said within a day, or stand in it before; all other
        line breaks stay."""
        self._let_go()
        kept, marks = [], set(self._said)
        for line in text.split("\n"):
            mark = _mark(line)
            if mark is None or mark not in marks:
                kept.append(line)
            if mark is not None:
                marks.add(mark)
        return "\n".join(kept).strip()

    def _let_go(self) -> None:
        before_ms = self._now_ms() - DAY_MS
        while self._by_time and self._by_time[0][0] <= before_ms:
            _, mark = self._by_time.popleft()
            if self._said.get(mark, before_ms + 1) <= before_ms:
                del self._said[mark]


def _mark(line: str) -> int | None:
    """The same for the same words; None for a line that may be said again."""
    words = _WORD.findall(line.casefold())
    return hash(tuple(words)) if len(words) >= LEAST_WORDS else None
