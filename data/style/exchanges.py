"""Chooses typical exchanges: a line and the answer that it got, as people of a place talk.

Typical is what lies near the middle of the place's lengths and words; of those that are, they are
taken from as many people and channels as there are. They quote, so only what may be recalled is
among them, in channels that are allowed, and nothing with a name or personal data in it.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from data.preprocessor import CleanMessage
from data.style.words import bare_words, folded_words

PER_CHANNEL = 6
LEAST_PER_CHANNEL = 4
"""A channel with fewer of its own is shown those of the common rooms."""
COMMON_SHARE = 0.5
"""A channel in which at least so many people speak as half of those in the fullest one is a common
room."""
NEWEST = 800
"""Of each channel's newest messages pairs are looked for."""
MOST_CHANNELS = 12
SURE = 0.6
"""A link that was guessed counts from this confidence on."""
MOST_WORDS = 25
_LEAST_WORDS = 5
"""Of a line and its answer together."""
_MOST_CHARACTERS = 140
_ANSWERED_MS = 10 * 60_000
_NEAREST = 120
"""Pairs nearest to the middle, of which the various ones are chosen."""
_NOT_SHOWN = re.compile(
    r"[@`<>{}\n\r\v\f\x1c-\x1e\x85\u2028\u2029]|https?:|www\.|\[/?[a-z][a-z _-]*\]|^\W*\w+:\s"
    r"|discord\.gg",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Exchange:
    """Two lines of two people, the second in answer to the first; as they may be shown."""

    line: str
    answer: str
    channel_id: int
    message_ids: tuple[int, int]
    author_ids: tuple[int, int]


def exchanges_in(messages: Iterable[CleanMessage], names: Names) -> list[Exchange]:
    """Typical exchanges of one channel's messages, the best first, PER_CHANNEL at most.

    `messages` are those that may be recalled, with their words as they may be shown.
    """
    lines = sorted(messages, key=lambda m: (m.created_at_ms, m.message_id))
    pairs = _pairs(lines)
    if not pairs:
        return []
    return _various(_by_nearness(pairs, lines)[:_NEAREST], names)


def may_be_quoted(text: str) -> bool:
    """Whether a line stands for itself: short, and neither link, code, mention nor another's
    line."""
    words = len(text.split())
    is_short = words <= MOST_WORDS and len(text) <= _MOST_CHARACTERS
    return is_short and bool(folded_words(text)) and not _NOT_SHOWN.search(text)


class Names:
    """Whether a line calls anybody by name."""

    def __init__(self, names: Iterable[str], everyday: Collection[str] = ()) -> None:
        """`everyday` are names, case-folded, that are mostly no name where they stand
        (`data.naming.EverydayWords`)."""
        self._called: set[tuple[str, ...]] = set()
        self._hidden: set[str] = set()
        for name in names:
            if name.casefold() in everyday:
                continue
            self._called.add(tuple(bare_words(name)))
            # A script without blanks between words hides a name within one.
            written = (name.casefold(), " ".join(folded_words(name)))
            self._hidden.update(one for one in written if len(one) >= 2 and not one.isascii())
        self._called.discard(())
        self._longest = max(map(len, self._called), default=0)

    def are_in(self, text: str) -> bool:
        words = bare_words(text)
        runs = (
            tuple(words[at : at + length])
            for length in range(1, self._longest + 1)
            for at in range(len(words) - length + 1)
        )
        if not self._called.isdisjoint(runs):
            return True
        folded = text.casefold()
        return any(name in folded for name in self._hidden)


def common_rooms(speakers: Mapping[int, int]) -> set[int]:
    """The channels that most people speak in, by how many do in each: what is said there is no
    secret to a regular, wherever it is shown."""
    most = max(speakers.values(), default=0)
    return {channel_id for channel_id, n in speakers.items() if n >= COMMON_SHARE * most}


def _pairs(lines: Sequence[CleanMessage]) -> list[tuple[CleanMessage, CleanMessage]]:
    from data.conversations import How, link  # who answers whom: never in the bot

    by_id = {message.message_id: message for message in lines}
    links = link(lines)
    found = []
    for answer in lines:
        linked = links[answer.message_id]
        line = by_id.get(linked.answers_id or 0)
        if line is None or line.author_id == answer.author_id:
            continue
        if linked.how is not How.REPLY and linked.confidence < SURE:
            continue
        is_soon = answer.created_at_ms - line.created_at_ms <= _ANSWERED_MS
        words = len(line.text.split()) + len(answer.text.split())
        is_short = words >= _LEAST_WORDS or not (line.text + answer.text).isascii()
        if is_soon and is_short and may_be_quoted(line.text) and may_be_quoted(answer.text):
            found.append((line, answer))
    return found


def _by_nearness(
    pairs: Sequence[tuple[CleanMessage, CleanMessage]], lines: Sequence[CleanMessage]
) -> list[tuple[CleanMessage, CleanMessage]]:
    """Nearest to the middle first: lengths of both lines, and how usual their words are."""
    used = Counter(word for message in lines for word in folded_words(message.text))
    features: list[Callable[[tuple[CleanMessage, CleanMessage]], float]] = [
        lambda pair: math.log(len(pair[0].text)),
        lambda pair: math.log(len(pair[1].text)),
        lambda pair: _usualness(pair[0].text, used),
        lambda pair: _usualness(pair[1].text, used),
    ]
    distances = [0.0] * len(pairs)
    for feature in features:
        values = [feature(pair) for pair in pairs]
        middle, spread = statistics.median(values), statistics.pstdev(values) or 1.0
        for at, value in enumerate(values):
            distances[at] += ((value - middle) / spread) ** 2
    order = sorted(range(len(pairs)), key=lambda at: (distances[at], -pairs[at][1].message_id))
    return [pairs[at] for at in order]


def _usualness(text: str, used: Counter[str]) -> float:
    """The mean logarithm of how often the words are used here."""
    words = folded_words(text)
    return statistics.fmean(math.log(1 + used[word]) for word in words) if words else 0.0


def _various(pairs: Iterable[tuple[CleanMessage, CleanMessage]], names: Names) -> list[Exchange]:
    """Whoever answered already waits until nobody new is left; no line comes twice."""
    chosen: list[Exchange] = []
    answered: Counter[int] = Counter()
    said: set[str] = set()
    left = [p for p in pairs if not (names.are_in(p[0].text) or names.are_in(p[1].text))]
    while left and len(chosen) < PER_CHANNEL:
        least = min(answered[answer.author_id] for _, answer in left)
        at = next(i for i, (_, answer) in enumerate(left) if answered[answer.author_id] == least)
        line, answer = left.pop(at)
        words = {line.text.casefold(), answer.text.casefold()}
        if said.isdisjoint(words):
            said |= words
            answered[answer.author_id] += 1
            chosen.append(as_exchange(line, answer))
    return chosen


def as_exchange(line: CleanMessage, answer: CleanMessage) -> Exchange:
    return Exchange(
        line.text,
        answer.text,
        answer.channel_id,
        (line.message_id, answer.message_id),
        (line.author_id, answer.author_id),
    )


def shown_in(
    exchanges: Sequence[Exchange],
    channel_ids: Collection[int],
    commons: Collection[int],
    most: int = PER_CHANNEL,
) -> tuple[Exchange, ...]:
    """What may be shown in a channel: its own where it has LEAST_PER_CHANNEL, else the common
    rooms', one room after the other. `channel_ids`: the channel, and its parent where it is a
    thread."""
    own = [one for one in exchanges if one.channel_id in channel_ids]
    if len(own) >= LEAST_PER_CHANNEL:
        return tuple(own[:most])
    by_room: dict[int, list[Exchange]] = {}
    for one in exchanges:
        if one.channel_id in commons or one.channel_id in channel_ids:
            by_room.setdefault(one.channel_id, []).append(one)
    found: list[Exchange] = []
    while len(found) < most and any(by_room.values()):
        for room in by_room.values():
            if room and len(found) < most:
                found.append(room.pop(0))
    return tuple(found)
