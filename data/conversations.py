"""Finds who answers whom, and so which lines of entangled talk are one conversation.

The rule, the first that fits: an explicit reply; the last line of the person it is addressed to
("nick: ...", "@Nick", a mention); the author's own last line; where people of this channel hardly
ever address each other, the line just before; else it starts a conversation. All but the reply
reach back 15 minutes at most. Time alone does not separate conversations in a busy channel
(docs/experiments.md).

Where a channel never falls silent, such links chain without end. So a conversation is full at 100
lines: what would go on in it goes on in the next one, and still follows and answers what it did.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby

from data.preprocessor import CleanMessage

REACH_MS = 15 * 60_000
JOIN_REACH_MS = 4 * 60_000
"""How soon after the line before an unaddressed line of somebody new joins that conversation."""
ADDRESSING_SHARE = 0.2
"""Where more of the lines than this are addressed, people address each other."""

FULL_LINES = 100
"""A conversation of so many lines takes in explicit replies alone."""

_ADDRESS = re.compile(r"@([^\s:,]{3,})|([^\s:,]{3,})(?:[:,]|\s|$)")


class How(str, Enum):
    """By which rule a message was linked."""

    REPLY = "reply"
    ADDRESSED = "addressed"
    CONTINUES = "continues"
    JOINS = "joins"
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


def in_true_order(messages: Iterable[CleanMessage]) -> list[CleanMessage]:
    """By channel, then time, then id: the order in which people saw them."""
    return sorted(messages, key=lambda m: (m.channel_id, m.created_at_ms, m.message_id))


def link(messages: Sequence[CleanMessage]) -> dict[int, Link]:
    """The link of every message, by message id. No link crosses channels. Any order of input."""
    links: dict[int, Link] = {}
    for _, channel in groupby(in_true_order(messages), key=lambda m: m.channel_id):
        links.update(_Channel(list(channel)).links())
    return links


class _Channel:
    """One pass over one channel in true order; remembers the last line of everyone."""

    def __init__(self, messages: Sequence[CleanMessage]) -> None:
        self._messages = messages
        self._by_id = {message.message_id: message for message in messages}
        self._author_of = {message.name.casefold(): message.author_id for message in messages}
        self._addressees = [self._find_addressees(message) for message in messages]
        addressed = sum(1 for found in self._addressees if found)
        self._people_address = addressed > ADDRESSING_SHARE * len(messages)
        self._links: dict[int, Link] = {}
        self._last_of: dict[int, CleanMessage] = {}
        """By author."""
        self._last_in: dict[int, CleanMessage] = {}
        """By conversation."""
        self._lines_in: Counter[int] = Counter()
        self._next: dict[int, int] = {}
        """For a full conversation, the one that goes on from it."""

    def links(self) -> dict[int, Link]:
        before: CleanMessage | None = None
        for message, addressees in zip(self._messages, self._addressees, strict=True):
            how, parent = self._parent(message, addressees, before)
            self._add(message, how, parent)
            before = message
        return self._links

    def _parent(
        self, message: CleanMessage, addressees: Sequence[int], before: CleanMessage | None
    ) -> tuple[How, CleanMessage | None]:
        if message.reply_to_id is not None:
            replied = self._by_id.get(message.reply_to_id)
            if replied is not None and replied.message_id in self._links:
                return How.REPLY, replied
        for author_id in addressees:
            last = self._last_of.get(author_id)
            if last is not None and message.created_at_ms - last.created_at_ms <= REACH_MS:
                return How.ADDRESSED, last
        own = self._last_of.get(message.author_id)
        if own is not None and message.created_at_ms - own.created_at_ms <= REACH_MS:
            return How.CONTINUES, own
        may_join = not self._people_address and message.reply_to_id is None
        if may_join and before is not None:
            soon = message.created_at_ms - before.created_at_ms <= JOIN_REACH_MS
            return (How.JOINS, before) if soon else (How.STARTS, None)
        return How.STARTS, None

    def _add(self, message: CleanMessage, how: How, parent: CleanMessage | None) -> None:
        if parent is None:
            conversation_id, answered = message.message_id, None
        else:
            before_id = self._links[parent.message_id].conversation_id
            conversation_id = before_id if how is How.REPLY else self._not_full(before_id, message)
            # Whoever goes on answers what the others said meanwhile, if they said anything.
            own = parent.author_id == message.author_id
            last = self._last_in.get(conversation_id) or self._last_in[before_id]
            answered = last if own else parent
            if answered.author_id == message.author_id:
                answered = None
        self._links[message.message_id] = Link(
            message.message_id,
            conversation_id,
            parent.message_id if parent else None,
            answered.message_id if answered else None,
            how,
        )
        self._last_of[message.author_id] = message
        self._last_in[conversation_id] = message
        self._lines_in[conversation_id] += 1

    def _not_full(self, conversation_id: int, message: CleanMessage) -> int:
        """The conversation itself, or the one that goes on from it; `message` may be its first."""
        while self._lines_in[conversation_id] >= FULL_LINES:
            conversation_id = self._next.setdefault(conversation_id, message.message_id)
        return conversation_id

    def _find_addressees(self, message: CleanMessage) -> tuple[int, ...]:
        """Whom the line is addressed to: everyone mentioned, else whose name it begins with."""
        others = tuple(i for i in message.mentioned_ids if i != message.author_id)
        if others:
            return others
        first = _ADDRESS.match(message.text)
        if first is None:
            return ()
        author_id = self._author_of.get((first[1] or first[2]).casefold())
        return () if author_id is None or author_id == message.author_id else (author_id,)
