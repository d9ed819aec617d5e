"""What the logs window holds: the newest lines, which of them are shown, and what is found in them.

    model.feed(rows)                       # as often as you like
    model.narrow(least_rank=WARNING)       # and by part and words
    model.search("timeout"); model.step(+1, from_line)

A line's number counts all that were ever shown since the view was last made anew (`generation`), so
that it stays the same while old lines go. No widget, no thread: Tk's thread alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gui.models.log_lines import CRITICAL, ERROR, INFO, PRINTED, WARNING, Row

KEPT = 20_000
"""Lines; the oldest go first."""

LEVELS: dict[str, int] = {
    "Every level": 0,
    "Info and above": INFO,
    "Warnings and errors": WARNING,
    "Errors alone": ERROR,
}
PARTS: dict[str, tuple[str, ...]] = {
    "Every part": (),
    "The bot": ("bot", "data", "storage", "__main__", "scripts"),
    "Discord": ("bot.platforms", "discord", "aiohttp"),
    "The model": ("model",),
    "This window": ("gui",),
    "What was printed": (PRINTED,),
}
"""Loggers whose names begin so."""


@dataclass(frozen=True)
class Narrowing:
    """Which lines are shown."""

    least_rank: int = 0
    loggers: tuple[str, ...] = ()
    words: str = ""
    """Part of the line, in lower case."""

    @property
    def is_open(self) -> bool:
        """Whether every line is shown."""
        return self == Narrowing()

    def chosen(self, rows: Sequence[Row]) -> list[int]:
        """The places of those that are shown."""
        if self.is_open:
            return list(range(len(rows)))
        rank, loggers, words = self.least_rank, self.loggers, self.words
        return [
            place
            for place, row in enumerate(rows)
            if row.rank >= rank
            and (not loggers or row.part.startswith(loggers))
            and (not words or words in row.text.lower())
        ]


class LogsModel:
    """One logs window's lines."""

    def __init__(self, kept: int = KEPT) -> None:
        self.kept = kept
        self.narrowing = Narrowing()
        self.is_paused = False
        self.generation = 0
        """Counts how often what is shown was made anew: its lines have new numbers then."""
        self.words_searched = ""
        self.hits: list[int] = []
        """The numbers of the shown lines that hold what is searched."""
        self._rows: list[Row] = []
        self._first = 0
        """How many lines were fed before `_rows[0]`."""
        self._shown: list[Row] = []
        self._places: list[int] = []
        """For each shown line, how many were fed before it."""
        self._gone = 0
        """The number of the oldest shown line."""
        self._looked_at = 0
        """How many of the lines that were fed have been looked at: all, unless it is paused."""
        self._ranks: Counter[int] = Counter()
        """How many of the shown lines are how grave."""

    # -- what comes in ------------------------------------------------------------------------

    def feed(self, rows: Sequence[Row]) -> None:
        """Take lines in, the newest last; paused ones are kept and not shown."""
        rows = rows[-self.kept :] if len(rows) > self.kept else rows
        self._rows.extend(rows)
        surplus = len(self._rows) - self.kept
        if surplus > 0:
            del self._rows[:surplus]
            self._first += surplus
        if not self.is_paused:
            self._catch_up()

    def clear(self) -> None:
        """Begin empty; files keep what they hold."""
        self._first += len(self._rows)
        self._rows.clear()
        self._renew()

    def pause(self, is_paused: bool) -> None:
        """Hold what is shown still, or show what came meanwhile."""
        self.is_paused = is_paused
        if not is_paused:
            self._catch_up()

    # -- which are shown ------------------------------------------------------------------------

    def narrow(self, narrowing: Narrowing) -> None:
        """Show only some lines, out of all that are kept."""
        if narrowing != self.narrowing:
            self.narrowing = narrowing
            self._renew()

    @property
    def first(self) -> int:
        """The number of the oldest line that is shown."""
        return self._gone

    @property
    def end(self) -> int:
        """One more than the number of the newest line that is shown."""
        return self._gone + len(self._shown)

    def lines(self, begin: int, end: int) -> list[Row]:
        """The shown lines of these numbers, as far as they are still there."""
        return self._shown[max(0, begin - self._gone) : max(0, end - self._gone)]

    @property
    def waiting(self) -> int:
        """How many lines came since the pause began and are still kept."""
        return min(len(self._rows), self._first + len(self._rows) - self._looked_at)

    def counts(self) -> dict[str, int]:
        """How many are kept, and shown, and warnings and errors among the shown: kept, shown,
        warnings, errors."""
        return {
            "kept": len(self._rows),
            "shown": len(self._shown),
            "warnings": self._ranks[WARNING],
            "errors": self._ranks[ERROR] + self._ranks[CRITICAL],
        }

    # -- what is found --------------------------------------------------------------------------

    def search(self, words: str) -> None:
        """Find the shown lines that hold these words, in any case; "" finds none."""
        self.words_searched = words.lower()
        self.hits = self._found(self._shown, self._gone)

    def step(self, forwards: bool, at: int | None) -> int | None:
        """The number of the hit after (or before) line `at`, round and round; None: no hit."""
        if not self.hits:
            return None
        if at is None:
            return self.hits[0] if forwards else self.hits[-1]
        place = bisect_right(self.hits, at) if forwards else bisect_left(self.hits, at) - 1
        return self.hits[place % len(self.hits)]

    def place_of(self, hit: int) -> int:
        """Which of the hits it is, from 1."""
        return bisect_left(self.hits, hit) + 1

    # -- inside ---------------------------------------------------------------------------------

    def _renew(self) -> None:
        """Make what is shown anew, out of what is kept; a pause goes on from here."""
        self.generation += 1
        self._shown, self._places, self.hits = [], [], []
        self._gone, self._looked_at = 0, self._first
        self._ranks.clear()
        self._catch_up()

    def _catch_up(self) -> None:
        """Look at the lines that have not been looked at, and let go of what is too old."""
        begin = max(self._looked_at, self._first)
        rows = self._rows[begin - self._first :]
        places = self.narrowing.chosen(rows)
        chosen = rows if len(places) == len(rows) else [rows[place] for place in places]
        self.hits += self._found(chosen, self.end)
        self._shown += chosen
        self._places += [begin + place for place in places]
        self._ranks.update([row.rank for row in chosen])
        self._looked_at = begin + len(rows)
        self._forget()

    def _forget(self) -> None:
        """Let go of shown lines that are no longer kept."""
        gone = bisect_left(self._places, self._first)
        if gone:
            self._ranks.subtract([row.rank for row in self._shown[:gone]])
            del self._shown[:gone], self._places[:gone]
            self._gone += gone
            del self.hits[: bisect_left(self.hits, self._gone)]

    def _found(self, rows: Sequence[Row], number: int) -> list[int]:
        words = self.words_searched
        if not words:
            return []
        return [number + n for n, row in enumerate(rows) if words in row.text.lower()]
