"""How well a message was received: its reactions, against those that were to be expected there.

What is counted. Each reaction has a weight from -1 to 1 (data/emoji_weights.py). At most 5 of a
message count, and of these at most 3 of one emoji: those that say most, of as telling ones the most
frequent. So a crowd's twentieth thumb says nothing more, and one more good reaction never makes a
message look worse. The good ones add up to p, the bad ones to n.

What is expected. The place is a channel in an age band of 90 days: older messages had more or fewer
people around to react. Each rate is drawn towards the wider one by as much as little is known
(empirical Bayes shrinkage; the gamma-Poisson form of Clayton and Kaldor, Biometrics 43, 1987):

    whole          m    = S / N                               S: p summed over N messages
    band           m_b  = (S_b + K m) / (N_b + K)             K = 20 messages
    channel        m_c  = (S_c + K m) / (N_c + K)
    place          m_bc = (S_bc + K m_b m_c / m) / (N_bc + K)
    author         a    = (O + J) / (E + J)                   O: p of all they said, E: the sum of
    this message   e    = a m_bc                                 m_bc over it; J = 2

What is said of it. Counts scatter by their square root, so roots are compared (Anscombe, Biometrika
35, 1948): z(x, e) = 2 sqrt(x + 3/8) - 2 sqrt(e + 3/8), about 1 where x is a standard deviation over
what was expected. With p >= n + 1 the score is z(p - n, e), never below 0; with n >= p + 1 it is
-z(n - p, e), with the e of n, never above 0; else 0. Where nothing stands there is no score.

Well received is a score of 0.7 or more, badly received -0.7 or less. With next to no reactions
around, that is one whole thumb up or down; where a message has two on average, it takes five. It is
badly received by disapproval alone. Silence, also where most others got something, says nothing:
people sleep, talk goes on, and a model that is taught to avoid it is taught to be loud. Where a
community has no disapproving emoji, nothing is badly received, and the report says so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from data.emoji_weights import EmojiWeights, normal
from data.preprocessor import CleanMessage
from storage.records import Reaction

MOST_COUNTED = 5
"""Reactions of one message."""
MOST_OF_ONE_EMOJI = 3
LEAST = 1.0
"""By how much the good or the bad ones have to outweigh the others."""
NOTABLE = 0.7
"""The score from which on a message was well, or badly, received."""
BAND_DAYS = 90
PRIOR_MESSAGES = 20.0
PRIOR_REACTIONS = 2.0
MOST_CELLS = 200_000
"""Of author, channel and band: some 20 MB. Beyond it no new one is kept apart; its messages count
for the place alone, and its author as known no better than before."""

_DAY_MS = 24 * 3600_000
_CHANNELS = 1 << 20
_BANDS = 1 << 10
_NOTHING = (0.0, 0.0)


class Reception:
    """First `note` all messages, then ask for scores. Not for several threads."""

    def __init__(self, weights: EmojiWeights) -> None:
        self._weights = weights
        self._index: dict[int, int] = {}
        """Channels."""
        self._authors: dict[int, int] = {}
        self._cells: dict[int, int] = {}
        """Messages by author, channel and band."""
        self._said_to: dict[tuple[int, int], float] = {}
        """Good and bad of an author, by (author, 0 or 1)."""
        self._places: dict[tuple[int, int], list[float]] = {}
        """Of a channel and band: messages, good, bad."""
        self._expected: tuple[_Expected, _Expected] | None = None
        self._emoji: dict[str, int] = {}

    @property
    def emoji(self) -> list[str]:
        """What `leading` counts in."""
        return list(self._emoji)

    def note(self, messages: Iterable[CleanMessage]) -> None:
        """Count messages in, reactions or none, in any order; whose author may not be learned from
        is passed over. Not after the first `score`."""
        assert self._expected is None, "a message was noted after the first score"
        for message in messages:
            if not message.not_learned:
                self._note(message)

    def score(self, *messages: CleanMessage) -> float | None:
        """How a reply of these messages (one author's, in a row) was received; None: nobody
        reacted with anything that counts. Their reactions are taken together."""
        counted = self._counted(_under(messages))
        if not counted:
            return None
        good, bad = self._sums(counted)
        if abs(good - bad) < LEAST:
            return 0.0
        if self._expected is None:
            self._expected = (_Expected(self, 0), _Expected(self, 1))
        side = 0 if good > bad else 1
        expected = sum(
            self._expected[side].of(self._authors.get(m.author_id), *self._place(m))
            for m in messages
        )
        found = max(0.0, above(abs(good - bad), expected))
        return -found if side else found

    def leading(self, *messages: CleanMessage) -> int:
        """Which emoji stands most under a reply, as a place in `emoji`; -1: none that counts."""
        counted = self._counted(_under(messages))
        if not counted:
            return -1
        first = max(counted, key=lambda one: (counted[one], one))
        return self._emoji.setdefault(first, len(self._emoji))

    def weigh(self, reactions: Iterable[Reaction]) -> tuple[float, float]:
        """The good and the bad ones of those that count, 0 to 5 each."""
        return self._sums(self._counted(reactions))

    def _note(self, message: CleanMessage) -> None:
        good, bad = self.weigh(message.reactions) if message.reactions else _NOTHING
        channel, band = self._place(message)
        place = self._places.get((channel, band))
        if place is None:
            place = self._places[channel, band] = [0.0, 0.0, 0.0]
        place[0] += 1
        place[1] += good
        place[2] += bad
        author = self._authors.setdefault(message.author_id, len(self._authors))
        cell = (author * _CHANNELS + channel) * _BANDS + band
        count = self._cells.get(cell, 0)
        if count or len(self._cells) < MOST_CELLS:
            self._cells[cell] = count + 1
            for side, amount in enumerate((good, bad)):
                if amount:
                    key = (author, side)
                    self._said_to[key] = self._said_to.get(key, 0.0) + amount

    def _sums(self, counted: Counter[str]) -> tuple[float, float]:
        good = bad = 0.0
        for emoji, count in counted.items():
            weight = self._weights.of_emoji(emoji)
            good += count * max(0.0, weight)
            bad += count * max(0.0, -weight)
        return good, bad

    def _counted(self, reactions: Iterable[Reaction]) -> Counter[str]:
        """Which reactions count, and how often; those that say nothing are left out."""
        found: Counter[str] = Counter()
        for one in reactions:
            if one.count > 0 and self._weights.of_emoji(one.emoji):
                found[normal(one.emoji)] += one.count
        if not found:
            return found
        order = sorted(found, key=lambda e: (-abs(self._weights.of_emoji(e)), -found[e], e))
        each = [e for e in order for _ in range(min(found[e], MOST_OF_ONE_EMOJI))]
        return Counter(each[:MOST_COUNTED])

    def _place(self, message: CleanMessage) -> tuple[int, int]:
        channel = self._index.setdefault(message.channel_id, len(self._index))
        return channel, message.created_at_ms // (BAND_DAYS * _DAY_MS) % _BANDS


class _Expected:
    """The expected good, or bad, of a message, once all are noted."""

    def __init__(self, noted: Reception, side: int) -> None:
        self._places = noted._places
        self._column = side + 1
        self._bands: dict[int, list[float]] = {}
        self._channels: dict[int, list[float]] = {}
        whole = [0.0, 0.0]
        for (channel, band), row in self._places.items():
            for sums in (
                whole,
                self._bands.setdefault(band, [0.0, 0.0]),
                self._channels.setdefault(channel, [0.0, 0.0]),
            ):
                sums[0] += row[0]
                sums[1] += row[self._column]
        self._whole = whole[1] / whole[0] if whole[0] else 0.0
        self._author: dict[int, float] = {}
        self._find_authors(noted, side)

    def of(self, author: int | None, channel: int, band: int) -> float:
        """An author's message at a place; any of the three may be unknown."""
        factor = 1.0 if author is None else self._author.get(author, 1.0)
        return factor * self._at(channel, band)

    def _at(self, channel: int, band: int) -> float:
        m = self._whole
        if not m:
            return 0.0
        by_band = shrunk(self._bands.get(band, _NOTHING), m)
        by_channel = shrunk(self._channels.get(channel, _NOTHING), m)
        row = self._places.get((channel, band), (0.0, 0.0, 0.0))
        return shrunk((row[0], row[self._column]), by_band * by_channel / m)

    def _find_authors(self, noted: Reception, side: int) -> None:
        expected: dict[int, float] = {}
        for cell, count in noted._cells.items():
            rest, band = divmod(cell, _BANDS)
            author, channel = divmod(rest, _CHANNELS)
            expected[author] = expected.get(author, 0.0) + count * self._at(channel, band)
        for author, sum_expected in expected.items():
            observed = noted._said_to.get((author, side), 0.0)
            self._author[author] = (observed + PRIOR_REACTIONS) / (sum_expected + PRIOR_REACTIONS)


def _under(messages: Sequence[CleanMessage]) -> list[Reaction]:
    return [reaction for message in messages for reaction in message.reactions]


def shrunk(seen: Sequence[float], towards: float) -> float:
    """The rate over (messages, their sum), drawn towards a wider one."""
    messages, total = seen
    return (total + PRIOR_MESSAGES * towards) / (messages + PRIOR_MESSAGES)


def above(found: float, expected: float) -> float:
    """By how many standard deviations a count is over what was expected (Anscombe's root)."""
    return 2 * math.sqrt(found + 0.375) - 2 * math.sqrt(expected + 0.375)


def label(score: float | None) -> bool | None:
    """True: well received; False: badly received; None: neither can be said."""
    if score is None or not abs(score) >= NOTABLE:  # NaN too
        return None
    return score > 0
