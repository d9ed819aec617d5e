"""Finds what each member said in a row: lines soon after each other, with nobody between.

In a transcript they are one line with line breaks (`model.chat_format.Said.goes_on`), and to learn
they are one reply. Pure; any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.preprocessor import CleanMessage
from model.chat_format import GOES_ON_MS


@dataclass(frozen=True, slots=True)
class Burst:
    """Messages of one member by their indexes, `end` excluded."""

    start: int
    end: int
    author_id: int
    is_hidden: bool
    """A single message that may be nobody's context: a placeholder stands for it."""


def bursts(messages: Sequence[CleanMessage]) -> list[Burst]:
    """Every message of one channel, which are in true order, in exactly one burst."""
    found: list[Burst] = []
    start = 0
    for at, message in enumerate(messages):
        if at + 1 == len(messages) or not _goes_on(message, messages[at + 1]):
            found.append(Burst(start, at + 1, message.author_id, bool(message.not_shown)))
            start = at + 1
    return found


def _goes_on(message: CleanMessage, after: CleanMessage) -> bool:
    """Whether the next line belongs to it: not where it explicitly replies to something, nor where
    other rules hold for its words."""
    return (
        after.author_id == message.author_id
        and after.created_at_ms - message.created_at_ms <= GOES_ON_MS
        and after.reply_to_id is None
        and not (message.not_shown or after.not_shown)
        and message.not_learned == after.not_learned
    )
