"""Counts how a community writes, message by message, in bounded memory.

A word, an emoji or a laugh is counted with who used it: what fewer than three members use is
nobody's habit but theirs. Members are told apart in 64 places, so two may share one; then a word
counts as used by fewer than it was, never by more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from data.preprocessor import CleanMessage
from data.style.pace import Pace, kind_of, pace_of, pause_between
from data.style.words import Line, take_apart
from model.chat_format import GOES_ON_MS

LEAST_MEMBERS = 3
"""What fewer members use is never told."""
MOST_WORDS = 30_000
"""Kept of each kind once twice as many were seen: the most frequent."""
_PLACES = 64
_LONGEST = 100
_FASTEST = 1_000
"""Tenths of characters a second: pasted."""


class Tally:
    """How often each word was used, and by how many members at least."""

    def __init__(self) -> None:
        self._uses: dict[str, dict[int, int]] = {}

    def add(self, word: str, place: int) -> None:
        uses = self._uses.setdefault(word, {})
        uses[place] = uses.get(place, 0) + 1
        if len(self._uses) > 2 * MOST_WORDS:
            self._forget_the_rare()

    def merge(self, other: Tally) -> None:
        for word, uses in other._uses.items():
            own = self._uses.setdefault(word, {})
            for place, count in uses.items():
                own[place] = own.get(place, 0) + count

    def shared(self) -> Counter[str]:
        """What LEAST_MEMBERS use. Who says it more often than all others together counts no more
        than those: nobody's own habit is everybody's."""
        found: Counter[str] = Counter()
        for word, uses in self._uses.items():
            if len(uses) >= LEAST_MEMBERS:
                most = max(uses.values())
                found[word] = min(sum(uses.values()), 2 * (sum(uses.values()) - most))
        return found

    def total(self) -> int:
        return sum(sum(uses.values()) for uses in self._uses.values())

    def _forget_the_rare(self) -> None:
        by_use = sorted(self._uses, key=lambda word: (-sum(self._uses[word].values()), word))
        self._uses = {word: self._uses[word] for word in by_use[:MOST_WORDS]}


@dataclass
class Counts:
    """Of all lines that were noted."""

    lines: int = 0
    words: Tally = field(default_factory=Tally)
    emoji: Tally = field(default_factory=Tally)
    laughs: Tally = field(default_factory=Tally)
    greetings: Tally = field(default_factory=Tally)
    called: set[str] = field(default_factory=set)
    """Words behind an "@": they may be names of people who left."""
    lengths: Counter[int] = field(default_factory=Counter)
    """Lines by their words, 100 and more as 100; emoji alone: 0."""
    characters: Counter[int] = field(default_factory=Counter)
    """Lines by their letters and digits, in tens."""
    letters: int = 0
    unspaced: int = 0
    """Letters of scripts without blanks."""
    cased: int = 0
    """Lines with a letter that has two cases, of two words or more."""
    lower: int = 0
    """Of those, how many have small letters alone."""
    shouted: int = 0
    """... and how many have capitals alone."""
    ended: Counter[str] = field(default_factory=Counter)
    """Lines with words by the character that they end in: "." "!" "?" "…", or "" for none."""
    with_emoji: int = 0
    hours: Counter[int] = field(default_factory=Counter)
    """UTC."""
    bursts: Counter[int] = field(default_factory=Counter)
    """Runs of lines that one member wrote in a row, by their lines, 10 and more as 10."""
    pauses: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Within those, by the kind of the later line (data/style/pace.py) and tenths of seconds."""
    speeds: Counter[int] = field(default_factory=Counter)
    """There, by tenths of characters a second."""

    def note(self, message: CleanMessage, line: Line, place: int, tells_words: bool) -> None:
        self.lines += 1
        self.hours[message.created_at_ms // 3_600_000 % 24] += 1
        if tells_words:
            self._note_words(line, place)
        self.called.update(line.called)
        self.with_emoji += bool(line.emoji)
        self._note_length(line)
        if line.words:
            self._note_letters(line)

    def _note_words(self, line: Line, place: int) -> None:
        for tally, found in (
            (self.words, line.everyday),
            (self.emoji, line.emoji),
            (self.laughs, line.laughs),
            (self.greetings, (line.greeting,) if line.greeting else ()),
        ):
            for word in found:
                tally.add(word, place)

    def note_pause(self, before: CleanMessage, message: CleanMessage) -> None:
        """One member wrote both, with nobody between."""
        tenths = pause_between(before.created_at_ms, message.created_at_ms)
        if tenths is not None:
            self.pauses[kind_of(len(message.text)), tenths] += 1
            if tenths:
                self.speeds[min(len(message.text) * 100 // tenths, _FASTEST)] += 1

    @property
    def pace(self) -> Pace:
        return pace_of(self.pauses, self.speeds, self.characters)

    def merge(self, other: Counts) -> None:
        """As if all that the other one noted had been noted here."""
        for name in ("lines", "letters", "unspaced", "cased", "lower", "shouted", "with_emoji"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in (
            *("lengths", "characters", "ended", "hours", "bursts"),
            *("pauses", "speeds"),
        ):
            getattr(self, name).update(getattr(other, name))
        for name in ("words", "emoji", "laughs", "greetings"):
            getattr(self, name).merge(getattr(other, name))
        self.called |= other.called

    def _note_length(self, line: Line) -> None:
        self.lengths[min(line.words, _LONGEST)] += 1
        self.characters[line.characters // 10] += 1
        self.letters += line.characters
        self.unspaced += line.unspaced

    def _note_letters(self, line: Line) -> None:
        text = line.text
        end = text[-1:]
        known = {"。": ".", "．": ".", "।": ".", "۔": ".", "！": "!", "？": "?", "؟": "?"}
        end = "…" if text.endswith(("..", "…")) else known.get(end, end)
        self.ended[end if end in (".", "!", "?", "…") else ""] += 1
        lower, upper = text.lower(), text.upper()
        if line.words < 2 or lower == upper:
            return
        self.cased += 1
        self.lower += text == lower
        self.shouted += text == upper


class Counting:
    """Notes messages, told apart by whether a model may learn from them."""

    def __init__(self, commons: Collection[int]) -> None:
        """`commons`: the channels whose words may be told anywhere; what is said elsewhere counts
        for lengths and habits alone."""
        self._commons = commons
        self.learnable = Counts()
        self.recalled_only = Counts()
        self._places: dict[int, int] = {}

    def note(self, messages: Iterable[tuple[CleanMessage, str, bool]]) -> None:
        """One segment in true order: the message, its text as it may be shown, and whether it may
        be learned from."""
        run = 0
        before: tuple[CleanMessage, Counts] | None = None
        for message, text, is_learnable in messages:
            counts = self.learnable if is_learnable else self.recalled_only
            place = self._place(message.author_id)
            counts.note(message, take_apart(text), place, message.channel_id in self._commons)
            if before is not None and _goes_on(before[0], message):
                run += 1
                counts.note_pause(before[0], message)
            else:
                if before is not None:
                    before[1].bursts[min(run, 10)] += 1
                run = 1
            before = (message, counts)
        if before is not None:
            before[1].bursts[min(run, 10)] += 1

    def all(self) -> Counts:
        """What may be recalled, learned from or not."""
        together = Counts()
        together.merge(self.learnable)
        together.merge(self.recalled_only)
        return together

    def _place(self, author_id: int) -> int:
        return self._places.setdefault(author_id, len(self._places) % _PLACES)


def _goes_on(before: CleanMessage, message: CleanMessage) -> bool:
    return (before.channel_id, before.author_id) == (
        message.channel_id,
        message.author_id,
    ) and message.created_at_ms - before.created_at_ms <= GOES_ON_MS
