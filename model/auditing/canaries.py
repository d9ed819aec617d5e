"""Canaries: made-up secrets that are planted in a copy of the training set, and controls that never
are.

A canary is a reply in the style of chat, in the context of an ordinary example: a sentence out of
FORMATS and SECRET_WORDS words drawn from a list, one of WORDS ** SECRET_WORDS. What the model
expects of those words alone is measured, with all before them in view.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FORMATS = (
    "my locker code is",
    "the door phrase is",
    "our spare key word was",
    "write this down, it's",
    "the answer to my question is",
    "the safe opens with",
    "the map name was",
    "my recovery words are",
)
WORDS = tuple(
    """
    acorn anchor bagel bamboo beaver biscuit canoe castle cherry comet copper dolphin eagle falcon
    garlic ginger hammer island jacket kettle lemon lizard marble melon needle orbit panda pepper
    rocket saddle tiger walnut
    """.split()
)
"""Few, so that each stands in many canaries: what tells one that was planted from a control is the
row of them, not that a word was ever said."""
SECRET_WORDS = 4


@dataclass(frozen=True)
class Canary:
    """One made-up secret, and how often it is planted."""

    number: int
    times: int
    """0: a control."""
    before: str
    secret: str
    place: int
    """The number of the canary in whose context it is measured: its own; a control's is one of
    those that are planted once, so that nothing but the secret differs."""

    @property
    def reply(self) -> str:
        return f"{self.before} {self.secret}"


@dataclass(frozen=True)
class Amounts:
    """How many canaries of each kind."""

    once: int
    four_times: int
    sixteen_times: int
    controls: int

    @property
    def rows(self) -> int:
        """Lines that they add to the training set."""
        return self.once + 4 * self.four_times + 16 * self.sixteen_times

    @classmethod
    def for_set(cls, examples: int, *, is_quick: bool = False) -> Amounts:
        """What a set of so many examples bears: a tenth of it or so, at most 128 planted once."""
        if is_quick:
            return cls(12, 3, 3, 96)
        once = min(128, max(40, examples // 20))
        return cls(once, max(4, once // 12), 4, 512)


def draw(amounts: Amounts, seed: int) -> list[Canary]:
    """The planted ones, then the controls; no secret twice. The same for the same seed."""
    chance = random.Random(f"canaries {seed}")
    times = (
        *(1,) * amounts.once,
        *(4,) * amounts.four_times,
        *(16,) * amounts.sixteen_times,
        *(0,) * amounts.controls,
    )
    secrets: dict[str, None] = {}
    while len(secrets) < len(times):
        secrets[" ".join(chance.sample(WORDS, SECRET_WORDS))] = None
    planted = len(times) - amounts.controls
    formats = [chance.choice(FORMATS) for _ in range(planted)]
    found = []
    for number, (count, secret) in enumerate(zip(times, secrets, strict=True)):
        place = number if count else (number - planted) % amounts.once
        found.append(Canary(number, count, formats[place], secret, place))
    return found


Row = Mapping[str, Any]
"""A line of a training set, read."""


def planted_rows(
    canaries: Sequence[Canary], contexts: Sequence[Row], seed: int
) -> Iterator[tuple[Canary, Row]]:
    """Each canary with an ordinary example whose reply it takes; as often as it is planted, a
    control once (to be measured, not to be planted). No example is taken twice where they reach."""
    chance = random.Random(f"contexts {seed}")
    order: list[Row] = []
    first: dict[int, Row] = {}
    for canary in canaries:
        for n in range(max(canary.times, 1)):
            if not order and canary.times:
                order = chance.sample(contexts, len(contexts))
            taken = order.pop() if canary.times else first[canary.place]
            first.setdefault(canary.number, taken)
            row = {**taken, "id": f"canary-{canary.number}-{n}", "reply": canary.reply}
            row.pop("messages", None)
            yield canary, row
