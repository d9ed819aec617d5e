"""Decides where a regular would just react: what people here did with lines like this one.

Simple and from the place's own history: of earlier lines in this channel that say nearly the same,
most got the same emoji and nobody answered them in so many words. No model is asked. Reads the
database: call `emoji_for` from the event loop's thread, the rest runs in a worker thread.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import TYPE_CHECKING

from bot.messages import IncomingMessage
from bot.patience import patiently
from bot.relevance import Asks, asks
from bot.verdicts import REACTED

if TYPE_CHECKING:
    from storage.database import Database

CANDIDATES = 64
"""Lines that full text proposes."""
LIKE = 0.5
"""Share of the two lines' words that both have, from which on they say nearly the same."""
LEAST_LIKE = 3
"""Fewer lines tell nothing."""
NEWEST = 200
"""Messages of the channel over which its rate of reacting is counted."""
ANSWERED_WITHIN = 20
"""Messages behind a line among which an explicit reply to it is looked for."""

_WORD = re.compile(r"\w+")


class Reacting:
    """One pipeline's."""

    def __init__(self, database: Database, chance: random.Random) -> None:
        self._database = database
        self._chance = chance

    async def emoji_for(self, message: IncomingMessage) -> str | None:
        """The emoji to react with in place of words; None where a regular would rather speak.
        Raises DatabaseError."""
        if asks(message.text) is not Asks.NOTHING:
            return None
        found = await patiently(self._look, message)
        if found is None:
            return None
        emoji, share = found
        return emoji if self._chance.random() < share else None

    def _look(self, message: IncomingMessage) -> tuple[str, float] | None:
        """The emoji, and of how many of the like lines it was the answer. In a worker thread."""
        like = self._like(message)
        if len(like) < LEAST_LIKE:
            return None
        given: Counter[str] = Counter()
        for message_id, reactions in like:
            is_answered = self._database.is_answered(
                message.channel_id, message_id, among=ANSWERED_WITHIN
            )
            if reactions and not is_answered:
                given[max(reactions, key=lambda emoji: reactions[emoji])] += 1
        [(emoji, count)] = given.most_common(1) or [("", 0)]
        if 2 * count <= len(like) or not self._is_room_for_one(message.channel_id):
            return None
        return emoji, count / len(like)

    def _like(self, message: IncomingMessage) -> list[tuple[int, dict[str, int]]]:
        """Earlier lines of the channel that say nearly the same, with their reactions."""
        words = _words(message.text)
        found = self._database.search_text(message.text, CANDIDATES, recallable_only=True)
        records = self._database.messages_by_id(one for one, _ in found)
        return [
            (one.message_id, {each.emoji: each.count for each in one.reactions})
            for one in records
            if one.channel_id == message.channel_id
            and one.message_id < message.message_id
            and _likeness(words, _words(one.content)) >= LIKE
        ]

    def _is_room_for_one(self, channel_id: int) -> bool:
        """Whether it reacted less often lately than everybody together does: those are its own too,
        so it is never more than half of them."""
        newest = self._database.recent_messages(channel_id, NEWEST)
        reacted = sum(bool(one.reactions) for one in newest)
        own = sum(
            row.outcome == REACTED
            for row in self._database.verdicts(NEWEST, channel_id)
            if newest and row.message_id >= newest[0].message_id
        )
        return 2 * own < max(reacted, 1)


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _likeness(words: frozenset[str], others: frozenset[str]) -> float:
    both = words | others
    return len(words & others) / len(both) if both else 0.0
