"""The first walk through a history: it is cleaned, kept on disk in segments, and counted.

What only the whole history tells is found here: when people talk, which nicks are everyday words,
how well replies are received, and from a part of it who answers whom (data/conversations.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from data.candidates import HOURS_A_WEEK, hour_of_week
from data.naming import EverydayWords
from data.preprocessor import Cleaner, CleanMessage, without_words
from data.reception import Reception
from data.segments import CleanSegments, cut
from storage.records import MessageRecord

Progress = Callable[[str, int, int], None]
"""Called with the step, how much is done, and of how much."""

READING = "reading and cleaning"
EMOJI_SHOWN = 20
RANKER_SEGMENTS = 6
"""From so many segments, spread over the history, the community's own ways of answering are
learned: 120,000 messages at most."""


@dataclass
class Survey:
    """What the first walk found. Grows with members and words, not with messages."""

    everyday: EverydayWords
    reception: Reception
    came_in: int = 0
    kept: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    not_learned: Counter[str] = field(default_factory=Counter)
    """Reasons of those that were kept and are no target."""
    replies: int = 0
    """Kept messages that explicitly reply to one."""
    origins: Counter[str] = field(default_factory=Counter)
    reactions: Counter[str] = field(default_factory=Counter)
    """By emoji."""
    hours: list[int] = field(default_factory=lambda: [0] * HOURS_A_WEEK)
    """What may be learned from by hour of the week: UTC, Monday first."""

    @property
    def activity(self) -> list[list[int]]:
        """7 lists of 24 counts."""
        return [self.hours[day : day + 24] for day in range(0, HOURS_A_WEEK, 24)]

    def note(self, messages: Iterable[CleanMessage]) -> None:
        """One segment, in true order."""
        for message in messages:
            self.origins[message.origin.value] += 1
            self.replies += message.reply_to_id is not None
            if message.not_learned:
                self.not_learned[message.not_learned] += 1
                continue
            self.hours[hour_of_week(message.created_at_ms)] += 1
            for reaction in message.reactions:
                self.reactions[reaction.emoji] += reaction.count


def walk(
    records: Iterable[MessageRecord],
    cleaner: Cleaner,
    segments: CleanSegments,
    survey: Survey,
    progress: Progress,
    total: int,
) -> None:
    """Clean all records, keep them in `segments` and count them in `survey`. Raises OSError."""

    def counted() -> Iterator[MessageRecord]:
        for record in records:
            survey.came_in += 1
            if survey.came_in % 1000 == 0:
                progress(READING, survey.came_in, max(total, survey.came_in))
            yield record

    for piece in cut(counted()):
        messages, drops = cleaner.clean(piece)
        survey.drops += drops
        survey.kept += len(messages)
        if messages:
            survey.note(messages)
            survey.everyday.note(without_words(message) for message in messages)
            survey.reception.note(messages)
            segments.add(messages)


def sample(segments: CleanSegments, most: int = RANKER_SEGMENTS) -> Iterator[list[CleanMessage]]:
    """Some segments, evenly spread over the history; all where there are few."""
    count = min(most, len(segments))
    for number in range(count):
        yield segments.read(number * len(segments) // count)
