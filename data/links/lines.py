"""What the link ranker knows of each line: who said it, to whom, when, and of what it speaks.

One `Lines` holds one channel (or a segment of it) as NumPy columns in true order. Words are
weighed by how rare they are in these very lines, so nothing of a language or a community is built
in but a few English openings ("how", "yes", "thanks").
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.preprocessor import CleanMessage

NOBODY, OUTSIDER = -1, -2
EXACT, NAMED, PREFIX = 3, 2, 1
"""How a line is addressed: "nick:" or a mention or a reply; "nick" alone; the nick cut short."""
KEPT_WORDS = 12
"""Of a line's words, the rarest so many are compared."""
_LONGEST_WORD = 7
"""Longer words are compared by their beginning: "install", "installing"."""

_WORD = re.compile(r"[^\W_](?:[\w./~+'-]*\w)?")
_MARKS = "@:,;>.!?()<>\"'"
_TRAIL = "_`|^-0123456789"
_OPENINGS = (
    "how what what's whats where why when who which",
    "is are am was were can could do does did has have any anyone anybody should would will",
    "yes yeah yep yup no nope nah ok okay right sure indeed exactly true correct agreed",
    "thanks thank thx ty cheers",
    "hi hello hey yo morning evening greetings hiya bye goodnight",
    "try use you your it it's its that that's thats install run check look see type there this",
    "i i'm im i've ive i'd i'll ill my me we",
    "and but so or because then also well oh ah hmm not",
    "lol haha hehe rofl lmao heh :) :d xd",
)
_OPENING = {word: i for i, words in enumerate(_OPENINGS, start=1) for word in words.split()}
_THANKS = ("thanks", "thank you", "thx", "cheers")


@dataclass(frozen=True, slots=True)
class Lines:
    """n lines of one channel in true order; authors are numbered from 0."""

    at_ms: NDArray[np.int64]
    author: NDArray[np.int32]
    to: NDArray[np.int32]
    """Whom the line is addressed to; NOBODY; OUTSIDER for somebody who says nothing here."""
    to_kind: NDArray[np.uint8]
    also: NDArray[np.int32]
    """n x 2: others named in it, NOBODY where none."""
    reply: NDArray[np.int32]
    """The row of the line it explicitly replies to; -1 where it names none that is here."""
    asks: NDArray[np.uint8]
    """2 where it ends with a question mark, 1 where it holds one."""
    opens: NDArray[np.uint8]
    words: NDArray[np.uint8]
    """How many, at most 60."""
    marks: NDArray[np.uint8]
    """Bits: a link, a path or command, thanks, an exclamation, no letters."""
    tokens: NDArray[np.int32]
    """n x KEPT_WORDS: its rarest words, rarest first; -1 where it has fewer."""
    rarity: NDArray[np.float32]
    """By word: log(lines / lines that hold it)."""

    def __len__(self) -> int:
        return len(self.author)


def read_lines(messages: Sequence[CleanMessage]) -> Lines:
    """The columns of one channel's messages, which come in true order."""
    names = _Names(messages)
    row_of = {message.message_id: row for row, message in enumerate(messages)}
    heads: list[tuple[int, int, int, int]] = []
    looks: list[tuple[int, int, int, int]] = []
    replies: list[int] = []
    words: list[list[str]] = []
    for row, message in enumerate(messages):
        reply = row_of.get(message.reply_to_id, -1) if message.reply_to_id is not None else -1
        reply = reply if reply < row else -1
        replies.append(reply)
        text = message.text
        pieces = text.casefold().split()
        head = names.addressees(row, message, pieces)
        if reply >= 0 and head[0] < 0:
            answered = names.number[messages[reply].author_id]
            if answered != names.number[message.author_id]:
                head = (answered, EXACT, head[2], head[3])
        heads.append(head)
        addressed = head[1] and message.reply_to_id is None and pieces
        looks.append(_look(text, pieces[1:] if addressed else pieces))
        words.append([w[:_LONGEST_WORD] for w in _WORD.findall(text.casefold())])
    tokens, rarity = _rarest(words)
    head_columns = np.array(heads, np.int32).reshape(-1, 4)
    look_columns = np.array(looks, np.uint8).reshape(-1, 4)
    return Lines(
        at_ms=np.array([m.created_at_ms for m in messages], np.int64),
        author=np.array([names.number[m.author_id] for m in messages], np.int32),
        to=head_columns[:, 0],
        to_kind=head_columns[:, 1].astype(np.uint8),
        also=head_columns[:, 2:],
        reply=np.array(replies, np.int32),
        asks=look_columns[:, 0],
        opens=look_columns[:, 1],
        words=look_columns[:, 2],
        marks=look_columns[:, 3],
        tokens=tokens,
        rarity=rarity,
    )


def _look(text: str, pieces: Sequence[str]) -> tuple[int, int, int, int]:
    """asks, opens, words, marks."""
    asks = 0
    if "?" in text:
        asks = 2 if text.rstrip(" !.)").endswith("?") else 1
    first = pieces[0] if pieces else ""
    opens = _OPENING.get(first) or _OPENING.get(first.strip(_MARKS), 0)
    if text[:1] in ("!", ">", "/", "*"):
        opens = len(_OPENINGS) + 1
    low = text.casefold()
    marks = ("://" in text or "www." in low) + 2 * ("/" in text or "`" in text or " -" in text)
    marks += 4 * any(word in low for word in _THANKS) + 8 * ("!" in text)
    marks += 16 * (not any(letter.isalpha() for letter in text[:40]))
    return asks, opens, min(len(pieces), 60), marks


def _rarest(words: Sequence[Sequence[str]]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Each line's rarest words that others share (n x KEPT_WORDS), and the rarity by word."""
    number: dict[str, int] = {}
    in_lines: Counter[int] = Counter()
    lines: list[list[int]] = []
    for line in words:
        found = list({number.setdefault(word, len(number)) for word in line})
        in_lines.update(found)
        lines.append(found)
    tokens = np.full((len(lines), KEPT_WORDS), -1, np.int32)
    for row, found in enumerate(lines):
        shared = sorted((count, word) for word in found if (count := in_lines[word]) > 1)
        kept = [word for _, word in shared[:KEPT_WORDS]]
        tokens[row, : len(kept)] = kept
    counts = np.array([in_lines[word] for word in range(len(number))], np.float32)
    return tokens, np.log((len(lines) + 1) / np.maximum(counts, 1), dtype=np.float32)


class _Names:
    """Who is meant by a nick at a line's head, whole or cut short, and by names within it."""

    def __init__(self, messages: Sequence[CleanMessage]) -> None:
        self.number: dict[int, int] = {}
        self._exact: dict[str, int] = {}
        self._loose: dict[str, int] = {}
        self._beginning: defaultdict[str, set[int]] = defaultdict(set)
        self._last_row: dict[int, int] = {}
        for message in messages:
            if message.author_id not in self.number:
                self._add(message)
        said = Counter(w for m in messages for w in m.text.casefold().split()[1:])
        few = max(4, len(messages) // 100)
        self._common = {w for w in self._exact if said[w] > few or len(w) < 3}

    def _add(self, message: CleanMessage) -> None:
        number = self.number[message.author_id] = len(self.number)
        name = message.name.casefold()
        for part in {name, name.split()[0] if name.split() else name}:
            self._exact.setdefault(part.strip(_MARKS) or part, number)
        self._loose.setdefault(name.strip(_TRAIL + _MARKS), number)
        for length in range(3, min(len(name), 16)):
            self._beginning[name[:length]].add(number)

    def addressees(
        self, row: int, message: CleanMessage, pieces: Sequence[str]
    ) -> tuple[int, int, int, int]:
        """to, to_kind and two others named."""
        own = self.number[message.author_id]
        self._last_row[own] = row
        named = [self.number.get(i, OUTSIDER) for i in message.mentioned_ids]
        kind = EXACT if named else 0
        if not named and pieces:
            apart = len(pieces) > 1 and pieces[1] in (":", ",")
            first, kind = self._at_head(pieces[0] + (pieces[1] if apart else ""))
            named = [first] if kind else []
        named += self._within(pieces[1:24])
        named = [one for one in dict.fromkeys(named) if one != own]
        if kind and named:
            rest = [*named[1:3], NOBODY, NOBODY]
            return named[0], kind, rest[0], rest[1]
        rest = [*named[:2], NOBODY, NOBODY]
        return NOBODY, 0, rest[0], rest[1]

    def _at_head(self, piece: str) -> tuple[int, int]:
        bare = piece.strip(_MARKS)
        marked = piece[-1] in ":,;>" or piece[0] == "@"
        number = self._exact.get(piece.rstrip(":,;>").lstrip("@"), self._exact.get(bare))
        if number is not None and (marked or bare not in self._common):
            return number, EXACT if marked else NAMED
        if not marked or len(bare) < 3:
            return NOBODY, 0
        number = self._loose.get(bare.strip(_TRAIL))
        if number is None:
            known = self._alike(bare)
            number = max(known, key=lambda one: self._last_row.get(one, -1), default=None)
        if number is None:
            return (OUTSIDER, PREFIX) if piece[-1] == ":" and len(piece) < 20 else (NOBODY, 0)
        return number, PREFIX

    def _alike(self, bare: str) -> Iterable[int]:
        """Who has a name that begins so; with one or two letters less where it is long."""
        for cut in range(3 if len(bare) > 5 else 1):
            if known := self._beginning.get(bare[: len(bare) - cut]):
                return known
        return ()

    def _within(self, pieces: Sequence[str]) -> list[int]:
        found = []
        for piece in pieces:
            bare = piece if piece in self._exact else piece.strip(_MARKS)
            if len(bare) > 3 and bare in self._exact and bare not in self._common:
                found.append(self._exact[bare])
        return found
