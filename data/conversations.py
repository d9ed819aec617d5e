"""Finds who answers whom, and so which lines of entangled talk are one conversation.

An explicit reply is truth. For every other line a learned ranker (data/link_ranker) tells which of
the lines before it is answered, or that it starts a conversation. It goes by time, distance,
speakers, addressing by nick or mention, question marks, shared words and who has talked with whom.
It has read what comes after, too: links are found when a history is worked on, not as people talk.

Where a channel never falls silent, such links chain without end. So a conversation is full at 100
lines: what would go on in it goes on in the next one, and still follows and answers what it did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby

from data.links.community import fit_community as fit_community
from data.links.ranker import LinkRanker, prior
from data.preprocessor import CleanMessage

FULL_LINES = 100
"""A conversation of so many lines takes in explicit replies alone."""


class How(str, Enum):
    """How a message was linked."""

    REPLY = "reply"
    RANKED = "ranked"
    STARTS = "starts"


@dataclass(frozen=True, slots=True)
class Link:
    """Where one message belongs."""

    message_id: int
    conversation_id: int
    """The id of the conversation's first message."""
    parent_id: int | None
    """The message it follows; None where it starts a conversation."""
    answers_id: int | None
    """The other person's message that it answers; None where it answers nobody."""
    how: How
    confidence: float = 1.0
    """How sure the ranker is, 0 to 1; 1 for an explicit reply."""


def in_true_order(messages: Iterable[CleanMessage]) -> list[CleanMessage]:
    """By channel, then time, then id: the order in which people saw them."""
    return sorted(messages, key=lambda m: (m.channel_id, m.created_at_ms, m.message_id))


def link(messages: Sequence[CleanMessage], ranker: LinkRanker | None = None) -> dict[int, Link]:
    """The link of every message, by message id. No link crosses channels. Any order of input.

    `ranker`: who ranks; None is the prior that is shipped. Raises LinkRankerDamaged where that
    cannot be read.
    """
    ranker = ranker or prior()
    links: dict[int, Link] = {}
    for _, channel in groupby(in_true_order(messages), key=lambda m: m.channel_id):
        links.update(_channel_links(list(channel), ranker))
    return links


def _channel_links(messages: Sequence[CleanMessage], ranker: LinkRanker) -> dict[int, Link]:
    ranking = ranker.rank(messages)
    channel = _Channel()
    parents, chances = ranking.parent.tolist(), ranking.chance.tolist()
    replies = ranking.explicit.tolist()
    for row, message in enumerate(messages):
        parent = messages[parents[row]] if parents[row] != row else None
        channel.add(message, parent, replies[row], chances[row])
    return channel.links


class _Channel:
    """Puts lines that come in true order into conversations."""

    def __init__(self) -> None:
        self.links: dict[int, Link] = {}
        self._last_in: dict[int, CleanMessage] = {}
        """By conversation."""
        self._lines_in: Counter[int] = Counter()
        self._next: dict[int, int] = {}
        """For a full conversation, the one that goes on from it."""

    def add(
        self, message: CleanMessage, parent: CleanMessage | None, explicit: bool, chance: float
    ) -> None:
        how, conversation_id, answered = How.STARTS, message.message_id, None
        if parent is not None:
            how = How.REPLY if explicit else How.RANKED
            before_id = self.links[parent.message_id].conversation_id
            conversation_id = before_id if explicit else self._not_full(before_id, message)
            answered = self._answered(message, parent, conversation_id, before_id)
        self.links[message.message_id] = Link(
            message.message_id,
            conversation_id,
            parent.message_id if parent else None,
            answered.message_id if answered else None,
            how,
            1.0 if explicit else chance,
        )
        self._last_in[conversation_id] = message
        self._lines_in[conversation_id] += 1

    def _answered(
        self, message: CleanMessage, parent: CleanMessage, conversation_id: int, before_id: int
    ) -> CleanMessage | None:
        """Whoever goes on answers what the others said meanwhile, if they said anything."""
        if parent.author_id != message.author_id:
            return parent
        last = self._last_in.get(conversation_id) or self._last_in[before_id]
        return last if last.author_id != message.author_id else None

    def _not_full(self, conversation_id: int, message: CleanMessage) -> int:
        """The conversation itself, or the one that goes on from it; `message` may be its first."""
        while self._lines_in[conversation_id] >= FULL_LINES:
            conversation_id = self._next.setdefault(conversation_id, message.message_id)
        return conversation_id
