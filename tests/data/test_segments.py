"""Pieces of channels, and what is kept of them on disk."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from data.preprocessor import Cleaner, clean
from data.segments import CleanSegments, cut
from data.spool import Spool
from storage.records import MessageRecord, Reaction
from tests.data.talk import BEGAN_MS, MEMBERS, MINUTE_MS, history, record


def by_channel(count: int) -> list[MessageRecord]:
    """As the database gives them."""
    records, _ = history(count)
    return sorted(records, key=lambda r: (r.channel_id, r.message_id))


def test_every_message_is_in_one_segment_of_its_channel() -> None:
    records = by_channel(2000)
    pieces = list(cut(records, most=150))
    assert [one for piece in pieces for one in piece] == records
    assert all(len({one.channel_id for one in piece}) == 1 for piece in pieces)
    assert all(len(piece) <= 150 for piece in pieces)
    for before, after in pairwise(pieces):
        if before[0].channel_id == after[0].channel_id:
            assert len(before) >= 112


def test_a_channel_is_cut_where_it_was_silent_longest() -> None:
    def at(number: int) -> int:
        return BEGAN_MS + number * MINUTE_MS + (number >= 93) * 60 * MINUTE_MS

    records = [record(number, "mira", "hello", at_ms=at(number)) for number in range(1, 141)]
    first, rest = cut(records, most=100)
    assert (first[-1].message_id, rest[0].message_id) == (92, 93)


def test_a_segment_is_in_true_order() -> None:
    records = by_channel(300)
    late = [
        replace(r, created_at_ms=r.created_at_ms + random.Random(r.message_id).randint(0, 10**6))
        for r in records
    ]
    for piece in cut(late, most=100):
        assert piece == sorted(piece, key=lambda r: (r.created_at_ms, r.message_id))


def test_the_smallest_segments() -> None:
    records = by_channel(20)
    for most in (1, 2, 3):
        assert [one for piece in cut(records, most) for one in piece] == records
    assert list(cut([])) == []


def test_messages_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    records = [
        replace(r, reactions=(Reaction("\N{THUMBS UP SIGN}", 3),), mentioned_ids=(1, 2))
        for r in by_channel(400)
    ]
    cleaner = Cleaner(MEMBERS)
    cleaned = [cleaner.clean(piece)[0] for piece in cut(records, most=100)]
    cleaned[0][0] = replace(cleaned[0][0], not_shown="opted out", not_learned="opted out")
    with Spool(tmp_path / "a.spool") as spool:
        segments = CleanSegments(spool)
        for messages in cleaned:
            segments.add(messages)
        assert list(segments) == cleaned
        assert list(segments) == cleaned  # a second time, too
        assert segments.read(2) == cleaned[2]
    assert list(segments.message_ids) == [m.message_id for one in cleaned for m in one]


def test_cleaning_in_pieces_gives_what_cleaning_at_once_gives() -> None:
    records = by_channel(2000)
    whole, drops = clean(records, MEMBERS)
    cleaner = Cleaner(MEMBERS)
    pieces = [cleaner.clean(piece) for piece in cut(records, most=150)]
    assert [message for messages, _ in pieces for message in messages] == whole
    assert sum((found for _, found in pieces), start=type(drops)()) == drops


def test_a_flood_over_an_edge_begins_anew() -> None:
    """Its first line stays once more; all the other copies go."""
    line = "free nitro for everybody who clicks here"
    records = [record(n, "mira", line, at_ms=BEGAN_MS + n * 1000) for n in range(1, 251)]
    cleaner = Cleaner(MEMBERS)
    pieces = [cleaner.clean(piece) for piece in cut(records, most=100)]
    assert [len(messages) for messages, _ in pieces] == [1, 1, 1]
    assert sum(drops.total() for _, drops in pieces) == 247
