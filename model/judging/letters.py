"""How well letters alone tell a held-out reply, for whoever has read the community's other replies.

Byte 5-grams by prediction by partial matching with Witten-Bell's escapes (Cleary and Witten 1984,
Moffat 1990): real replies expecting real replies, without any model of language. A language model
that was tuned on the same replies and expects them no better has not learned the community.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence

ORDER = 5
MOST_READ = 20_000
"""Replies; more takes memory and tells little."""
_BEGIN, _END = b"\x00", b"\x01"


def letter_bits(read: Sequence[str], held: Sequence[str]) -> tuple[float, float]:
    """Bits a byte of the held-out replies and their ends, and the standard error over replies."""
    follows: dict[bytes, Counter[int]] = defaultdict(Counter)
    for text in read[:MOST_READ]:
        line = _line(text)
        for at in range(ORDER, len(line)):
            for size in range(ORDER + 1):
                follows[line[at - size : at]][line[at]] += 1
    seen = {before: (found.total(), len(found)) for before, found in follows.items()}
    found = [(_bits(follows, seen, _line(text)), len(_line(text)) - ORDER) for text in held]
    size = sum(count for _, count in found)
    mean = sum(bits for bits, _ in found) / size
    residues = [bits - mean * count for bits, count in found]
    error = statistics.pstdev(residues) * math.sqrt(len(found)) / size
    return mean, error


def _bits(
    follows: dict[bytes, Counter[int]], seen: dict[bytes, tuple[int, int]], line: bytes
) -> float:
    total = 0.0
    for at in range(ORDER, len(line)):
        chance = 1 / 256
        for size in range(ORDER + 1):
            before = line[at - size : at]
            if before not in seen:
                break
            count, kinds = seen[before]
            chance = (follows[before][line[at]] + kinds * chance) / (count + kinds)
        total -= math.log2(chance)
    return total


def _line(text: str) -> bytes:
    return _BEGIN * ORDER + text.strip().encode() + _END
