"""How fast people write line after line here: the pauses between what one member says in a row.

Counted with the style card (data/style/counts.py), in figures alone; used for the bot's own lines.
Pure; any thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LENGTHS = (15, 40, 80)
"""The next line's characters, up to which a pause counts for its kind; above: a kind of its own."""
LEAST_PAUSES = 20
"""Of a kind; of fewer nothing is told, and the typing speed alone gives the pause."""
SHORTEST_S, LONGEST_S = 0.6, 6.0
"""Of the bot's pauses, whatever people's are."""
_THINKING_S = 0.8
_MINUTE_MS = 60_000

Quartiles = tuple[float, float, float]


@dataclass(frozen=True)
class Pace:
    """Seconds between lines, by the length of the later one, and how people type.

    The defaults are a quick typist's (about 70 words a minute), for a place of which too little is
    known.
    """

    pauses_s: tuple[Quartiles | None, ...] = (None,) * (len(LENGTHS) + 1)
    characters_a_second: float = 6.0
    longest_chars: int = 200
    """Nine in ten lines have no more."""

    def pause_s(self, line: str, draw: float) -> float:
        """How long to wait before this line: from the lower to the upper quartile as `draw` goes
        from 0 to 1, and from SHORTEST_S to LONGEST_S at all."""
        found = self.pauses_s[kind_of(len(line))]
        typed_s = _THINKING_S + len(line) / self.characters_a_second
        low, middle, high = found or (0.7 * typed_s, typed_s, 1.4 * typed_s)
        if draw < 0.5:
            pause_s = low + (middle - low) * 2 * draw
        else:
            pause_s = middle + (high - middle) * (2 * draw - 1)
        return min(max(pause_s, SHORTEST_S), LONGEST_S)


def kind_of(characters: int) -> int:
    """Which of the kinds of pauses a line of that length has."""
    return sum(characters > most for most in LENGTHS)


def pause_between(before_ms: int, after_ms: int) -> int | None:
    """The pause in tenths of seconds; None where the times are those of a log of whole minutes."""
    if before_ms % _MINUTE_MS == after_ms % _MINUTE_MS == 0:
        return None
    return max(after_ms - before_ms, 0) // 100


def pace_of(
    pauses: Mapping[tuple[int, int], int], speeds: Mapping[int, int], lengths: Mapping[int, int]
) -> Pace:
    """`pauses` by kind and tenths of seconds, `speeds` by tenths of characters a second, `lengths`
    of lines by tens of characters: how often each was seen."""
    kinds = []
    for kind in range(len(LENGTHS) + 1):
        of_kind = Counter({tenths: n for (k, tenths), n in pauses.items() if k == kind})
        kinds.append(_quartiles(of_kind) if of_kind.total() >= LEAST_PAUSES else None)
    default = Pace()
    speed, length = default.characters_a_second, default.longest_chars
    if sum(speeds.values()) >= LEAST_PAUSES:
        speed = max(_at(speeds, 0.5) / 10, 1.0)
    if sum(lengths.values()) >= LEAST_PAUSES:
        length = max((_at(lengths, 0.9) + 1) * 10, 60)
    return Pace(tuple(kinds), speed, length)


def as_json(pace: Pace) -> dict[str, Any]:
    return {
        "pauses_s": [list(one) if one else None for one in pace.pauses_s],
        "characters_a_second": pace.characters_a_second,
        "longest_chars": pace.longest_chars,
    }


def from_json(value: Mapping[str, Any] | None) -> Pace:
    """The default where there is none (a card from before it was counted). Raises KeyError,
    TypeError, ValueError."""
    if value is None:
        return Pace()
    pauses = tuple(_three(one) if one else None for one in value["pauses_s"])
    if len(pauses) != len(LENGTHS) + 1:
        raise ValueError("pauses_s")
    return Pace(pauses, float(value["characters_a_second"]), int(value["longest_chars"]))


def _three(values: Iterable[Any]) -> Quartiles:
    low, middle, high = map(float, values)
    return low, middle, high


def _quartiles(tenths: Mapping[int, int]) -> Quartiles:
    low, middle, high = (_at(tenths, share) / 10 for share in (0.25, 0.5, 0.75))
    return low, middle, high


def _at(counted: Mapping[int, int], share: float) -> int:
    """The smallest value that so much of all is not above."""
    left = share * sum(counted.values())
    for value in sorted(counted):
        left -= counted[value]
        if left <= 0:
            return value
    return 0
