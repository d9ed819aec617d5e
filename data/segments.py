"""Cuts a history into segments, and keeps the cleaned ones on disk between two walks through them.

A segment is a contiguous piece of one channel. Everything that is known of single messages lives
only while their segment is worked on, so memory does not grow with the history. What that costs:
no link, context, note or flood reaches over a segment's edge, and an answer to a line beyond it is
an answer to a line that is not there. Edges lie where a channel was silent longest, 15,000 to
20,000 messages apart; a channel with fewer has none.
"""

from __future__ import annotations

import marshal
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from data.preprocessor import CleanMessage
from data.spool import Spool
from storage.records import MessageRecord, Origin, Reaction

MOST_MESSAGES = 20_000
_EARLIEST_CUT = 0.75
"""Of a full segment: from here on the quietest place is looked for."""
_ORIGINS = {origin.value: origin for origin in Origin}


def cut(
    records: Iterable[MessageRecord], most: int = MOST_MESSAGES
) -> Iterator[list[MessageRecord]]:
    """The records in segments of at most `most`, each in true order: by time, then id.

    `records` come channel by channel, by id, as `MessageStore.messages` gives them. Where ids and
    times disagree, the order is true within a segment, not over its edge.
    """
    for _, channel in groupby(records, key=lambda record: record.channel_id):
        held: list[MessageRecord] = []
        for record in channel:
            held.append(record)
            if len(held) == most:
                held.sort(key=_true_order)
                at = _quietest_place(held)
                yield held[:at]
                del held[:at]
        if held:
            held.sort(key=_true_order)
            yield held


def _true_order(record: MessageRecord) -> tuple[int, int]:
    return record.created_at_ms, record.message_id


def _quietest_place(records: Sequence[MessageRecord]) -> int:
    """The index before which the silence is longest, in the last quarter; the latest of equals."""
    first = max(1, int(_EARLIEST_CUT * len(records)))
    if first >= len(records):
        return len(records)
    return max(
        range(first, len(records)),
        key=lambda at: (records[at].created_at_ms - records[at - 1].created_at_ms, at),
    )


class CleanSegments:
    """Cleaned segments in the order in which they were added, one in memory at a time."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._places: list[tuple[int, int]] = []
        self.message_ids = array("q")
        """Of all messages in them."""

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[list[CleanMessage]]:
        return map(self.read, range(len(self)))

    def add(self, messages: Sequence[CleanMessage]) -> None:
        """One more, in true order. Before the first is read. Raises OSError."""
        record = marshal.dumps([_to_row(message) for message in messages])
        self._places.append((self._spool.add(record), len(record)))
        self.message_ids.extend(message.message_id for message in messages)

    def read(self, number: int) -> list[CleanMessage]:
        """The segment that was added as that one, 0 the first. Raises OSError."""
        return [_from_row(row) for row in marshal.loads(self._spool.read(*self._places[number]))]


def _to_row(m: CleanMessage) -> tuple[Any, ...]:
    return (
        *(m.message_id, m.channel_id, m.author_id, m.name, m.text, m.created_at_ms),
        *(m.origin.value, m.reply_to_id, m.mentioned_ids, m.not_shown, m.not_learned),
        tuple((reaction.emoji, reaction.count) for reaction in m.reactions),
    )


def _from_row(row: tuple[Any, ...]) -> CleanMessage:
    origin, reactions = _ORIGINS[row[6]], tuple(Reaction(*one) for one in row[11])
    return CleanMessage(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        row[5],
        origin,
        row[7],
        row[8],
        row[9],
        row[10],
        reactions,
    )
