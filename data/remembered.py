"""Decides which memory notes an example shows, and before which lines: as the bot puts them there.

While it reads along it recalls for a line what says nearly the same, whoever is asked later; so
which message is recalled for which line is drawn once for the whole piece of the channel. For the
asked line it looks again: what it finds then stands before the last line that the asker said in a
row. Half of the examples have no notes, as in a home without a memory.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from data.notes import ASKED_NOTE_TOKENS, READ_NOTE_TOKENS
from data.recollection import FAR_LINES, Recollection
from data.shown import Recalled, Shown
from data.split import Region

NOTE_SHARE = 0.5
"""Of the examples: with notes, where there is something to recall."""
ASKED_NOTES = (0, 1, 1, 2)
"""How many are looked for, for the asked line; at most what the setting recall_notes says."""
MOST_NOTE_TOKENS = READ_NOTE_TOKENS
MOST_NOTE_SHARE = 0.125
"""A note that takes more tokens (another script, a rare emoji row), or more than this share of the
whole example, is left out."""


class Remembered:
    """One piece of one channel. Bursts and messages are named by their indexes."""

    def __init__(self, shown: Shown, regions: Sequence[Region], max_tokens: int, seed: int) -> None:
        """`max_tokens` of a whole example. Nothing is recalled across the sides of `regions`."""
        self.shown = shown
        self.most_tokens = min(MOST_NOTE_TOKENS, int(MOST_NOTE_SHARE * max_tokens))
        self._side = {i: r.side for r in regions for i in range(r.start, r.end)}
        self._recollection = Recollection(shown.messages)
        rng = random.Random(f"{seed}:{shown.messages[0].message_id if shown.messages else 0}")
        self.while_reading = self._recollection.while_reading(shown.bursts, self._fits, rng)

    def notes(self, target: int, rng: random.Random) -> Notes:
        """What may be recalled for the reply that is the burst `target`."""
        asked = self.shown.bursts[target - 1]
        found: list[int] = []
        for _ in range(rng.choice(ASKED_NOTES)):
            message = self._recollection.find(
                range(asked.start, asked.end),
                asked.start - FAR_LINES,
                lambda index: index not in found and self._fits(target - 1, index),
                rng,
            )
            if message is not None:
                found.append(message)
        return Notes(self, target, found)

    def _fits(self, at: int, message: int) -> bool:
        """Whether a message may be recalled for a burst at all."""
        burst = self.shown.bursts[at]
        return self._side.get(message) == self._side.get(burst.start) and (
            not self.shown.messages[message].not_shown
            and self.shown.messages[message].text != self.shown.messages[burst.start].text
        )


class Notes:
    """Of one reply: who gave it recalls nothing of their own, nor what they are about to say."""

    def __init__(self, remembered: Remembered, target: int, asked: Sequence[int]) -> None:
        self._shown = remembered.shown
        self._most_tokens = remembered.most_tokens
        self._while_reading = remembered.while_reading
        self._target = target
        self._asked = asked
        burst = self._shown.bursts[target]
        self._author_id = burst.author_id
        own = self._shown.messages[burst.start : burst.end]
        self._reply = {message.text.casefold() for message in own}

    def tokens(self, at: int) -> int:
        """Of the notes in a burst that is another's, and of parting it; some may be in view in the
        end."""
        found = self._before(at)
        parting = self._shown.parting_tokens(at, self._author_id) if self._parts(at, found) else 0
        return sum(self._shown.note_tokens(i, self._author_id) for i in found) + parting

    def shown_from(self, first: int) -> Mapping[int, Sequence[Recalled]]:
        """The messages recalled before lines of a context, by the line: none in view, none
        twice."""
        begin = self._shown.bursts[first].start
        seen: set[int] = set()
        placed: dict[int, list[Recalled]] = {}
        for at in range(first, self._target):
            if self._shown.is_own(at, self._author_id):
                continue
            found = [
                one for one in self._before(at) if one.message < begin and one.message not in seen
            ]
            if found:
                seen.update(one.message for one in found)
                burst = self._shown.bursts[at]
                placed[burst.end - 1 if self._parts(at, found) else burst.start] = found
        return placed

    def _parts(self, at: int, found: Sequence[Recalled]) -> bool:
        """Whether what was found for a burst stands before its last line: it was for the asked
        one."""
        return any(one.asked_at == at for one in found)

    def _before(self, at: int) -> list[Recalled]:
        if at == self._target - 1 and self._asked:
            return self._for_the_asked(at)
        if at not in self._while_reading:
            return []
        one = Recalled(self._while_reading[at])
        is_short = self._shown.note_tokens(one, self._author_id) <= self._most_tokens
        return [one] if is_short and self._may_show(one) else []

    def _for_the_asked(self, at: int) -> list[Recalled]:
        """As many as the asked line takes altogether."""
        left, found = min(ASKED_NOTE_TOKENS, self._most_tokens), []
        for message in self._asked:
            one = Recalled(message, at)
            tokens = self._shown.note_tokens(one, self._author_id)
            if 0 < tokens <= left and self._may_show(one):
                found.append(one)
                left -= tokens
        return found

    def _may_show(self, one: Recalled) -> bool:
        message = self._shown.messages[one.message]
        is_others = message.author_id != self._author_id
        return is_others and message.text.casefold() not in self._reply
