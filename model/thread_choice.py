"""Which number of threads is the best of several, by turns that are handed in. Pure; any thread.

Each count has its turn in several rounds, so that neither warming up nor a moment's disturbance
decides. Near ties go to fewer threads: llama.cpp's wait for one another by spinning, which costs
heat, and much time where another program takes one of the cores (docs/experiments.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_high

ROUNDS = 3
TIE = 0.95
"""Within 5% of the fastest counts as fast as the fastest."""
CLEARLY_SLOWER = 0.8
"""Below this share of the fastest, from the second round on, it will not win any more."""
DECODE_BUDGET_S = 4.0
PROMPT_BUDGET_S = 5.0
"""A round that could not end by then is not begun; the first one always is."""

Turn = Callable[[int], float]
"""Computes a little with so many threads and says at how many tokens a second."""


@dataclass(frozen=True)
class Rate:
    """What one number of threads reached, in tokens a second; None: it could not win any more."""

    threads: int
    decode_tokens_s: float
    prompt_tokens_s: float | None


@dataclass(frozen=True)
class Tuned:
    """The choice for one model on one machine, and what it rests on."""

    threads: int
    """For writing: batches of one token."""
    batch_threads: int
    """For reading prompts."""
    decode_tokens_s: float
    """With `threads`; 0.0 where nothing was measured."""
    prompt_tokens_s: float
    """With `batch_threads`; 0.0 where nothing was measured."""
    measured: tuple[Rate, ...] = ()
    """All candidates, fewest threads first. Empty: a small model, not measured."""
    measured_at_ms: int = 0
    is_calm: bool = True
    """Other programs left the processors alone meanwhile."""


def choose(
    counts: Sequence[int], write: Turn, read: Turn, clock: Callable[[], float] = time.perf_counter
) -> Tuned:
    """The choice among `counts` (upwards, at least one) by the two turns alone; undated.

    A count that writes clearly slower than a larger one is not tried on prompts: writing is bound
    by memory and reading by computing, so more threads help prompts at least as much.
    """
    decode = measure(counts, write, DECODE_BUDGET_S, clock)
    threads = fewest_of_the_fastest(decode)
    floor = CLEARLY_SLOWER * decode[threads]
    hopeful = [count for count in counts if count >= threads or decode[count] >= floor]
    prompt = measure(hopeful, read, PROMPT_BUDGET_S, clock)
    batch_threads = fewest_of_the_fastest(prompt)
    return Tuned(
        threads,
        batch_threads,
        decode[threads],
        prompt[batch_threads],
        tuple(Rate(count, decode[count], prompt.get(count)) for count in counts),
    )


def measure(
    counts: Sequence[int], turn: Turn, budget_s: float, clock: Callable[[], float]
) -> dict[int, float]:
    """Tokens a second of each count: the median of its turns, of two the better.

    Up to ROUNDS rounds, every other one backwards; from the second on, what is clearly slower has
    no more turns, and one that is left alone needs none.
    """
    seen: dict[int, list[float]] = {count: [] for count in counts}
    left = list(counts)
    ends = clock() + budget_s
    shortest_s = budget_s
    for number in range(1, ROUNDS + 1):
        for count in left if number % 2 else reversed(left):
            began = clock()
            seen[count].append(turn(count))
            shortest_s = min(shortest_s, clock() - began)
        if number > 1:
            floor = CLEARLY_SLOWER * max(median_high(seen[count]) for count in left)
            left = [count for count in left if median_high(seen[count]) >= floor]
        # By the shortest turn: one long disturbance must not cost the rounds that outvote it.
        if len(left) == 1 or clock() + shortest_s * len(left) > ends:
            break
    return {count: median_high(rates) for count, rates in seen.items()}


def fewest_of_the_fastest(rates: Mapping[int, float]) -> int:
    """The fewest threads whose rate is within TIE of the best."""
    best = max(rates.values())
    return min(count for count, rate in rates.items() if rate >= TIE * best)
