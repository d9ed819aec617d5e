"""Finds what of a text stands word for word in somebody's history: guard and the leak audit ask it.

A verbatim span is a run of LEAST_TOKENS tokens or more that stands in the history of one author and
was not in view; links do not count, nor what COMMON_AUTHORS authors said, nor what goes on with the
same few words ("ha ha he ha"). Letters' case, blanks and line breaks make no difference. An
author's history is what they said line by line, whoever spoke between. The history is asked for
short phrases of the text, so what is done is bounded by the text's length and not by the history's.
Blocking; any thread.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol

from model.chat_format import Tokenizer
from storage.records import MessageRecord

LEAST_TOKENS = 20
"""12 would block 2.6% of real lines."""
COMMON_AUTHORS = 3
PHRASE_TOKENS = 7
"""Asked for: phrases of so many tokens, one behind the other. Any span within one message holds a
whole one, and most of those that run over a line break."""
MORE_TOKENS = 5
"""By so many a phrase is made longer, to either side, where too many messages hold it: a span that
holds the phrase holds one of the longer ones."""
MOST_FOUND = 100
"""Messages looked at for one phrase."""
MOST_AROUND = 40
"""Messages whose author's lines before and behind are looked at, for one text."""

_LINK = re.compile(r"<?\b[a-z][a-z0-9+.-]{1,15}://\S+|\bwww\.\S+", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_WORD_OR_SIGN = re.compile(r"\w+|[^\w\s]")
_BLANK = re.compile(r"\s+")


class History(Protocol):
    """What people said; `storage.database.Database` is one."""

    def said_with(self, phrase: str, limit: int) -> Sequence[MessageRecord]:
        """Messages of people, bots aside, that hold the phrase's words in a row. Others may be
        among them: all are compared word for word."""

    def said_around(self, message: MessageRecord) -> Sequence[str]:
        """What its author said there line by line, in order: the message, some before and after."""


@dataclass(frozen=True)
class Span:
    """A part of a text that stands in somebody's history."""

    text: str
    """As the text has it: `text[start:end]`."""
    start: int
    end: int
    tokens: int
    author_id: int
    message_id: int


def longest_span(
    text: str,
    history: History,
    in_view: Collection[str] = (),
    tokenizer: Tokenizer | None = None,
) -> Span | None:
    """The verbatim span with the most tokens; None where there is none.

    Each of `in_view` is what one speaker said in a row. Without a tokenizer words and signs count
    as tokens. Raises DatabaseError.
    """
    if len(text.encode("utf-8", "replace")) < LEAST_TOKENS:  # a token is a byte at least
        return None
    sought = _Sought(text, tokenizer)
    if sought.tokens_of(0, len(sought.words)) < LEAST_TOKENS:
        return None
    runs = _runs(sought, history)
    if not runs:
        return None
    view = tuple(f" {' '.join(words_of(one))} " for one in in_view)
    is_secret = cache(partial(_is_secret, sought, runs, view))  # many runs may share a window
    spans = (span for run in runs for span in _secret(sought, run, is_secret))
    return max(spans, key=lambda span: span.tokens, default=None)


def words_of(text: str) -> list[str]:
    """Its words as they are compared."""
    return _WORD.findall(_folded(text))


@dataclass(frozen=True)
class _Run:
    """Words `first` to `last` (not included) of the text stand in an author's history."""

    author_id: int
    message_id: int
    first: int
    last: int
    tokens: int
    """With what is the same of the words and signs before and behind."""


class _Sought:
    """The text that is compared: folded, with each character's place in the text as it is."""

    def __init__(self, text: str, tokenizer: Tokenizer | None) -> None:
        self.text = text
        self._tokenizer = tokenizer
        self.folded, self._places = _folded_with_places(text)
        self.spans = [(m.start(), m.end()) for m in _WORD.finditer(self.folded)]
        """Of each word, in the folded text."""
        self.words = [self.folded[start:end] for start, end in self.spans]
        self.at_word: defaultdict[str, list[int]] = defaultdict(list)
        for n, word in enumerate(self.words):
            self.at_word[word].append(n)
        self._sums = [0]
        """Tokens up to the end of each word."""
        before = 0
        for _, end in self.spans:
            self._sums.append(self._sums[-1] + len(self.tokens(self.folded[before:end])))
            before = end

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where a part of the folded text, which is not empty, stands in the text."""
        return self._places[start], self._places[end - 1] + 1

    def tokens(self, part: str) -> Sequence[object]:
        if self._tokenizer is None:
            return _WORD_OR_SIGN.findall(part)
        return self._tokenizer.text_ids(part) if part else ()

    def tokens_of(self, first: int, last: int) -> int:
        return self._sums[last] - self._sums[first]

    def phrase(self, first: int, last: int) -> str:
        return self.folded[self.spans[first][0] : self.spans[last - 1][1]]

    def phrases(self) -> Iterator[tuple[int, int]]:
        """Rows of words one behind the other, each as short as PHRASE_TOKENS allow."""
        first = 0
        for last in range(1, len(self.words) + 1):
            if self.tokens_of(first, last) >= PHRASE_TOKENS:
                yield first, last
                first = last

    def longer(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The row of words with MORE_TOKENS before it, and with as many behind it."""
        start, end = first, last
        while start > 0 and self.tokens_of(start, first) < MORE_TOKENS:
            start -= 1
        while end < len(self.words) and self.tokens_of(last, end) < MORE_TOKENS:
            end += 1
        if start < first:
            yield start, last
        if end > last:
            yield first, end


def _runs(sought: _Sought, history: History) -> list[_Run]:
    """What the text has in common with each author who comes into question, as far as that is long
    enough."""
    runs: dict[tuple[int, int, int], _Run] = {}
    over: list[tuple[int, MessageRecord]] = []
    for message in _candidates(sought, history):
        found = _common(sought, message, message.content)
        runs.update(((r.author_id, r.first, r.last), r) for r, _ in found)
        if longest := max((r.tokens for r, is_cut in found if is_cut), default=0):
            over.append((longest, message))
    over.sort(key=lambda one: -one[0])
    for _, message in over[:MOST_AROUND]:
        around = " ".join(history.said_around(message))
        found = _common(sought, message, around)
        runs.update(((r.author_id, r.first, r.last), r) for r, _ in found)
    return [run for run in runs.values() if run.tokens >= LEAST_TOKENS]


def _candidates(sought: _Sought, history: History) -> Iterator[MessageRecord]:
    """Each message once that holds one of the text's phrases."""
    seen: set[int] = set()
    asked: set[str] = set()
    ahead = list(sought.phrases())[::-1]
    while ahead:
        first, last = ahead.pop()
        phrase = sought.phrase(first, last)
        words = sought.words[first:last]
        if phrase in asked or 2 * len(set(words)) < len(words):  # "ha ha he ha" tells nothing
            continue
        asked.add(phrase)
        found = history.said_with(phrase, MOST_FOUND + 1)
        if len(found) > MOST_FOUND and sought.tokens_of(first, last) < LEAST_TOKENS:
            ahead += sought.longer(first, last)
            continue
        for message in found:
            if message.message_id not in seen:
                seen.add(message.message_id)
                yield message


def _common(sought: _Sought, message: MessageRecord, said: str) -> list[tuple[_Run, bool]]:
    """The runs of some length, and of each whether it may go on where what was said ends."""
    other = _folded(said)
    spans = [(m.start(), m.end()) for m in _WORD.finditer(other)]
    words = [other[start:end] for start, end in spans]
    found: list[tuple[_Run, bool]] = []
    for j, word in enumerate(words):
        for i in sought.at_word.get(word, ()):
            if i and j and words[j - 1] == sought.words[i - 1]:
                continue  # found already, from its first word on
            n = 1
            while (
                i + n < len(sought.words)
                and j + n < len(words)
                and words[j + n] == sought.words[i + n]
            ):
                n += 1
            tokens = sought.tokens_of(i, i + n)
            if tokens < PHRASE_TOKENS - 2:
                continue
            if tokens >= LEAST_TOKENS - MORE_TOKENS:
                inner = sought.tokens_of(i + 1, i + n)
                tokens = inner + _at_edges(sought, (i, i + n), other, spans, (j, j + n))
            may_go_on = (j == 0 and i > 0) or (j + n == len(words) and i + n < len(sought.words))
            run = _Run(message.author_id, message.message_id, i, i + n, tokens)
            found.append((run, may_go_on))
    return found


def _at_edges(
    sought: _Sought,
    own: tuple[int, int],
    other: str,
    spans: Sequence[tuple[int, int]],
    theirs: tuple[int, int],
) -> int:
    """Tokens of the first word of a run, and of what stands before and behind it, as far as they
    are the same."""
    before = [
        sought.tokens(text[places[first - 2][1] if first > 1 else 0 : places[first][1]])
        for text, places, first in (
            (sought.folded, sought.spans, own[0]),
            (other, spans, theirs[0]),
        )
    ]
    behind = [
        sought.tokens(text[places[last - 1][1] : places[last][1] if last < len(places) else None])
        for text, places, last in (
            (sought.folded, sought.spans, own[1]),
            (other, spans, theirs[1]),
        )
    ]
    return _same([one[::-1] for one in before]) + _same(behind)


def _same(rows: Sequence[Sequence[object]]) -> int:
    """How many of the first of each are the same."""
    one, other = rows
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def _is_secret(
    sought: _Sought, runs: Sequence[_Run], view: Sequence[str], first: int, last: int
) -> bool:
    """Whether that row of words is neither in view nor a common saying."""
    authors = {r.author_id for r in runs if r.first <= first and last <= r.last}
    words = f" {' '.join(sought.words[first:last])} "
    return len(authors) < COMMON_AUTHORS and not any(words in one for one in view)


def _secret(sought: _Sought, run: _Run, is_secret: Callable[[int, int], bool]) -> Iterator[Span]:
    """The parts of a run whose every LEAST_TOKENS tokens are neither in view nor a common
    saying."""
    part: tuple[int, int] | None = None
    for first, last in _windows(sought, run):
        if is_secret(first, last):
            part = (first if part is None else part[0], last)
        elif part is not None:
            yield _span(sought, run, *part)
            part = None
    if part is not None:
        yield _span(sought, run, *part)


def _windows(sought: _Sought, run: _Run) -> list[tuple[int, int]]:
    """The shortest rows of words of the run that have LEAST_TOKENS tokens; else the run."""
    windows = []
    last = run.first
    for first in range(run.first, run.last):
        while last < run.last and sought.tokens_of(first, last) < LEAST_TOKENS:
            last += 1
        if sought.tokens_of(first, last) < LEAST_TOKENS:
            break
        windows.append((first, last))
    return windows or [(run.first, run.last)]


def _span(sought: _Sought, run: _Run, first: int, last: int) -> Span:
    at, to = sought.place(sought.spans[first][0], sought.spans[last - 1][1])
    is_all = (first, last) == (run.first, run.last)
    tokens = run.tokens if is_all else sought.tokens_of(first, last)
    return Span(sought.text[at:to], at, to, tokens, run.author_id, run.message_id)


def _folded(text: str) -> str:
    """In small letters, without links, every row of blanks as one."""
    text = _LINK.sub("", text) if "://" in text or "www." in text else text
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _BLANK.sub(" ", text.casefold()).strip()


def _folded_with_places(text: str) -> tuple[str, list[int]]:
    """`_folded`, and where each character of it stands in the text."""
    links = [at for link in _LINK.finditer(text) for at in range(link.start(), link.end())]
    gone = set(links)
    chars: list[str] = []
    at: list[int] = []
    for place, char in enumerate(text):
        if place in gone:
            continue
        folded = (
            char.casefold() if char.isascii() else unicodedata.normalize("NFKC", char).casefold()
        )
        for one in folded:
            if one.isspace():
                if not chars or chars[-1] == " ":
                    continue
                one = " "
            chars.append(one)
            at.append(place)
    return "".join(chars), at
