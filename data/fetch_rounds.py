"""What a fetch reads again, and how far that is: kept, so that a fetch that was stopped goes on.

Discord tells nobody afterwards what was edited, deleted or reacted to. So a part of what is known
is asked for again and compared. Each channel's part is fixed when a round begins, and a round that
was not finished is finished before another one begins. All of it lies in the cursors:

    reread        how far the channel's part was read again
    reread_end    where it ends; the channel is done once `reread` is there
    reread_round  when the channel's round began, milliseconds since 1970
    reread_open   (channel 0) when the round began that is not finished; 0: all are
    reread_whole  (channel 0) the round that reads everything again
    fetched       (channel 0) when the last complete fetch of all listed channels began
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.verdict_store import FETCH

if TYPE_CHECKING:
    from storage.database import Database

REREAD = "reread"
REREAD_DAYS = 14
"""Two weekly fetches: one that was missed leaves no gap. Most edits and reactions come within a day
or two, and 2,000 messages a day cost 280 requests, a minute at 5 requests a second."""

DAY_MS = 24 * 60 * 60 * 1000
_END = "reread_end"
_ROUND = "reread_round"
_OPEN = "reread_open"
_WHOLE = "reread_whole"
_FETCHED = "fetched"
_EVERYWHERE = 0
_EPOCH_MS = 1_420_070_400_000


@dataclass(frozen=True)
class Reread:
    """The part of a channel that is still to be read again: ids above `after_id`, up to
    `end_id`."""

    after_id: int
    end_id: int
    known: int
    """How many messages of it are stored and not deleted."""


def made_ms(snowflake: int) -> int:
    """When Discord gave an id, milliseconds since 1970."""
    return (snowflake >> 22) + _EPOCH_MS


def first_id(at_ms: int) -> int:
    """The least id that Discord can have given at a time; 0 before it began."""
    return max(at_ms - _EPOCH_MS, 0) << 22


def begin_round(
    database: Database, channel_ids: Sequence[int], *, days: int, whole: bool, now_ms: int
) -> dict[int, Reread]:
    """What is to be read again of each of these channels; those with nothing are left out.

    A fetch that was stopped goes on with its round, unless that is older than a day or `whole` asks
    for more than it was to do; one that reads everything goes on whatever its age. A new one reads
    of each channel the `days` before where the fetcher got to last, and what an earlier round left
    there. Blocking.
    """
    began_ms = database.cursors(_OPEN).get(_EVERYWHERE, 0)
    is_whole = bool(began_ms) and began_ms == database.cursors(_WHOLE).get(_EVERYWHERE)
    if not began_ms or not (is_whole or (not whole and now_ms - began_ms < DAY_MS)):
        began_ms, is_whole = now_ms, whole
    rounds, ends = database.cursors(_ROUND), database.cursors(_END)
    positions, fetched = database.cursors(REREAD), database.cursors(FETCH)
    rows = [(_OPEN, _EVERYWHERE, began_ms)]
    rows += [(_WHOLE, _EVERYWHERE, began_ms)] if is_whole else []
    found: dict[int, Reread] = {}
    for channel_id in channel_ids:
        after, end = positions.get(channel_id, 0), ends.get(channel_id, 0)
        if rounds.get(channel_id) != began_ms:
            left = (after, end) if after < end else (sys.maxsize, 0)
            end = fetched.get(channel_id, 0)
            after = 0 if is_whole else first_id(made_ms(end) - days * DAY_MS) if days else end
            after, end = min(after, left[0]), max(end, left[1])
            rows += [(_ROUND, channel_id, began_ms), (_END, channel_id, end)]
        if after < end and (known := database.count_between(channel_id, after, end)):
            found[channel_id] = Reread(after, end, known)
        else:
            after = end
        rows.append((REREAD, channel_id, after))
    database.put_cursors(rows)
    return found


def end_reread(database: Database, channel_ids: Sequence[int]) -> None:
    """Nothing more of these channels is read again in this round. Blocking."""
    ends = database.cursors(_END)
    database.put_cursors([(REREAD, one, ends[one]) for one in channel_ids if one in ends])


def end_round(database: Database) -> None:
    """The fetch came to its end: the next one begins a round of its own. Blocking."""
    database.put_cursors([(_OPEN, _EVERYWHERE, 0)])


def note_complete(database: Database, began_ms: int) -> None:
    """A fetch of all listed channels that began then came to its end. Blocking."""
    database.put_cursors([(_FETCHED, _EVERYWHERE, began_ms)])


def last_complete_ms(database: Database) -> int | None:
    """When the last complete fetch of all listed channels began; None: never. Blocking."""
    return database.cursors(_FETCHED).get(_EVERYWHERE)
