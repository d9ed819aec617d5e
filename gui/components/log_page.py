"""The lines that are loaded in a log's `tk.Text`: a stretch of the model's shown lines.

A few hundred are loaded at once; more above or below as an edge comes near, and what is far at the
other side goes. New lines are one insert, with a run of text for each colour, and one delete of the
oldest. Searched words are highlighted as lines come. Tk's thread alone.
"""

from __future__ import annotations

import tkinter
from bisect import bisect_left
from collections.abc import Sequence

from gui.models.log_lines import DEBUG, ERROR, Row, rank_of
from gui.models.logs_model import LogsModel

CHUNK = 300
"""Lines that are loaded at once."""
MOST_LOADED = 1_200
NEAR_EDGE = 80
"""More is loaded when fewer lines than this are left above or below what is in sight."""
HIT = "hit"
"""The tag of searched words; that of a line's colour is its rank: "10" to "40"."""


class LogPage:
    """One text's, which nobody else writes into."""

    def __init__(self, text: tkinter.Text, model: LogsModel) -> None:
        self._text = text
        self._model = model
        self.begin = self.end = 0
        """The numbers of the loaded lines."""

    @property
    def loaded(self) -> int:
        """How many lines."""
        return self.end - self.begin

    def load(self, begin: int, end: int) -> None:
        """Only these lines, as far as there are such."""
        self.begin = max(begin, self._model.first)
        self.end = self.begin
        self._text.configure(state="normal")
        self._text.delete("1.0", "end")
        self._text.configure(state="disabled")
        self.load_below(end - self.begin)

    def load_below(self, count: int) -> None:
        """More at the end; the oldest loaded ones go."""
        rows = self._model.lines(self.end, self.end + count)
        if not rows:
            return
        number, self.end = self.end, self.end + len(rows)
        self._text.configure(state="normal")
        self._text.insert("end - 1 chars", *_runs(rows))
        surplus = self.end - self.begin - MOST_LOADED
        if surplus > 0:
            self._text.delete("1.0", f"{surplus + 1}.0")
            self.begin += surplus
        self._text.configure(state="disabled")
        self._mark(number, self.end)

    def load_above(self, count: int) -> None:
        """More at the beginning; what is in sight stays where it is."""
        begin = max(self._model.first, self.begin - count)
        rows = self._model.lines(begin, self.begin)
        if not rows:
            return
        top = int(self._text.index("@0,0").split(".")[0])
        number, self.begin = self.begin, begin
        self._text.configure(state="normal")
        self._text.insert("1.0", *_runs(rows))
        surplus = self.end - self.begin - MOST_LOADED
        if surplus > 0:
            self.end -= surplus
            self._text.delete(f"{self.end - self.begin + 1}.0", "end - 1 chars")
        self._text.configure(state="disabled")
        self._text.yview(top - 1 + number - begin)
        self._mark(begin, number)

    def fill(self) -> None:
        """Load more where an edge is near."""
        above, below = self._text.yview()
        loaded = self.end - self.begin
        if above * loaded < NEAR_EDGE and self.begin > self._model.first:
            self.load_above(CHUNK)
        elif (1.0 - below) * loaded < NEAR_EDGE and self.end < self._model.end:
            if self.end < self._model.first:  # what comes next has gone meanwhile
                self.load(self._model.first, self._model.first + CHUNK)
                self._text.yview_moveto(0.0)
            else:
                self.load_below(CHUNK)

    def mark_all(self) -> None:
        """What is searched has changed."""
        self._text.tag_remove(HIT, "1.0", "end")
        self._mark(self.begin, self.end)

    def _mark(self, begin: int, end: int) -> None:
        """Highlight what is searched in the loaded lines of these numbers."""
        hits = self._model.hits
        places: list[str] = []
        begin, end = max(begin, self.begin), min(end, self.end)
        for number in hits[bisect_left(hits, begin) : bisect_left(hits, end)]:
            line = number - self.begin + 1
            places += [f"{line}.{c}" for pair in self.columns(line) for c in pair]
        if places:
            self._text.tag_add(HIT, *places)

    def columns(self, line: int) -> list[tuple[int, int]]:
        """Where in a loaded line the searched words begin and end."""
        words = self._model.words_searched
        rows = self._model.lines(self.begin + line - 1, self.begin + line)
        found: list[tuple[int, int]] = []
        if words and rows:
            text = rows[0].text.lower()
            at = text.find(words)
            while at >= 0:
                found.append((at, at + len(words)))
                at = text.find(words, at + len(words))
        return found


def _runs(rows: Sequence[Row]) -> list[str]:
    """Text and tag by turns, as `Text.insert` takes them: lines of one colour are one text."""
    runs: list[str] = []
    texts: list[str] = []
    before = rows[0].rank
    for row in rows:
        if row.rank != before:
            runs += ["".join(texts), _tag(before)]
            texts, before = [], row.rank
        texts.append(row.text + "\n")
    return [*runs, "".join(texts), _tag(before)]


def _tag(rank: int) -> str:
    return str(min(max(rank_of(rank), DEBUG), ERROR))
