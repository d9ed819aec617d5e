"""Decides how far an example's context reaches back, as far as the bot's transcripts reach.

A bot that is asked for the first time has the asked line alone; then its transcript grows until
the room is full, and then goes on with the newest half (bot/compose.py). So some contexts are a
single line, some are short, some fill a part of their room, and most fill what a transcript that is
cut in half again and again fills.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from data.budget import Overheads
from data.shown import Shown
from data.split import Region
from model.fit import KEPT

SHORT_CONTEXT = "context too short"
OUT_OF_REACH = "what it answers is out of reach"

PAIR = "pair"
SHORT = "short"
MEDIUM = "medium"
LONG = "long"
KINDS = {PAIR: 0.15, SHORT: 0.25, MEDIUM: 0.25, LONG: 0.35}
"""The shares wanted. A pair is what was answered and the reply, and there are only as many as have
the one right before the other: a short context stands in for it."""

MIN_LINES = 2
"""Of a context that is no pair: so many bursts that are shown."""
SHORT_LINES = (2, 8)
MEDIUM_SHARES = (0.2, KEPT)
LONG_SHARES = (KEPT, 1.0)
"""Of the room: as a served transcript is, before and after it is cut."""
GAP_MS = 6 * 3600_000
"""Only a long context goes on behind such a silence; served transcripts do."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How many bursts, and which share of the room, a context may take."""

    kind: str
    lines: float
    share: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Which burst is the reply, and which it answers: the one before it where that is None."""

    target: int
    author_id: int
    answered: int | None
    room: int
    """Tokens for the context and its turns, notes included."""


def draw_reach(rng: random.Random, *, may_be_pair: bool) -> Reach:
    """A kind of context by its share, and its size."""
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    if kind == PAIR and may_be_pair:
        return Reach(kind, 1, 1.0)
    if kind in (PAIR, SHORT):
        return Reach(SHORT, rng.randint(*SHORT_LINES), 1.0)
    shares = MEDIUM_SHARES if kind == MEDIUM else LONG_SHARES
    return Reach(kind, float("inf"), rng.uniform(*shares))


class Contexts:
    """One piece of one channel. Bursts are named by their index."""

    def __init__(self, shown: Shown, overheads: Overheads) -> None:
        self._shown = shown
        self._overheads = overheads

    def may_be_pair(self, asked: Asked) -> bool:
        """Whether the burst right before the reply is what it answers, and is shown."""
        before = asked.target - 1
        return asked.answered == before and not self._shown.bursts[before].is_hidden

    def begin(
        self, asked: Asked, region: Region, reach: Reach, note_tokens: Callable[[int], int]
    ) -> tuple[int, str] | str:
        """The first burst of the context and its kind, or why there is none.

        What is answered is always in it. Bursts that are not shown do not make it longer than too
        short. `note_tokens` are those of the notes before a burst.
        """
        first = self._without_own(self._reach_back(asked, region, reach, note_tokens), asked)
        if first > self._must_reach(asked):
            return OUT_OF_REACH
        shown = sum(not one.is_hidden for one in self._shown.bursts[first : asked.target])
        if shown >= MIN_LINES:
            return first, reach.kind
        return (asked.target - 1, PAIR) if self.may_be_pair(asked) else SHORT_CONTEXT

    def _reach_back(
        self, asked: Asked, region: Region, reach: Reach, note_tokens: Callable[[int], int]
    ) -> int:
        bursts, target = self._shown.bursts, asked.target
        own_turn, user_turn = self._overheads.own_turn, self._overheads.user_turn
        must_reach = self._must_reach(asked)
        least = 1 if self.may_be_pair(asked) else MIN_LINES
        at, used, next_is_own = target, 0, True
        while at > 0 and bursts[at - 1].start >= region.start:
            is_own = self._shown.is_own(at - 1, asked.author_id)
            if is_own:
                used += self._shown.own_tokens(at - 1) + own_turn
            else:
                used += self._shown.said_tokens(at - 1, asked.author_id) + note_tokens(at - 1)
                used += user_turn if next_is_own else 0
            if used > asked.room:
                break
            taken = target - at
            is_enough = taken >= least and at <= must_reach
            if is_enough and (
                taken >= reach.lines
                or used > reach.share * asked.room
                or (reach.kind != LONG and self._silence_ms(at) > GAP_MS)
            ):
                break
            at -= 1
            next_is_own = is_own
        return at

    def _without_own(self, first: int, asked: Asked) -> int:
        """Nothing begins with own lines, as no cut transcript does: what they answer is gone."""
        while first < asked.target and self._shown.is_own(first, asked.author_id):
            first += 1
        return first

    def _must_reach(self, asked: Asked) -> int:
        return asked.target - 1 if asked.answered is None else asked.answered

    def _silence_ms(self, at: int) -> int:
        """Before a burst."""
        messages, start = self._shown.messages, self._shown.bursts[at].start
        return messages[start].created_at_ms - messages[start - 1].created_at_ms
