"""storage/fetch_store.py: a page and its cursor are one; what is known of a channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storage.database import Database, DatabaseError
from storage.records import ChannelRecord, MemberRecord, Origin
from storage.verdict_store import FETCH
from tests.data.fake_source import START_MS, spoken

ROOM = ChannelRecord(1, 9, "The Lantern", "room 1")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "mynah.db") as database:
        yield database


def test_a_page_and_its_cursor_are_stored_together(db: Database) -> None:
    said = [spoken(1, n) for n in range(3)]
    count = db.store_page(ROOM, [MemberRecord(0, "a", "A")], said, FETCH, said[-1].message_id)
    assert (count.new, db.cursor(FETCH, 1)) == (3, said[-1].message_id)
    assert db.store_page(ROOM, [], said, FETCH, said[0].message_id).unchanged == 3
    assert db.cursor(FETCH, 1) == said[-1].message_id, "it went back"
    too_large = replace(spoken(1, 4), message_id=1 << 64)
    with pytest.raises(DatabaseError, match="63 bits"):
        db.store_page(ROOM, [], [spoken(1, 3), too_large], FETCH, spoken(1, 4).message_id)
    assert (list(db.messages()), db.cursor(FETCH, 1)) == (said, said[-1].message_id)
    assert db.cursors_moved(FETCH)[1] > START_MS


def test_cursors_can_be_put_back(db: Database) -> None:
    db.put_cursors([("again", 1, 50), ("again", 2, 60), ("end", 1, 70)])
    db.put_cursors([("again", 1, 5)])
    assert db.cursors("again") == {1: 5, 2: 60}
    assert db.cursors("none") == {}
    db.put_cursors([])


def test_what_is_known_between_two_ids(db: Database) -> None:
    said = [spoken(1, n) for n in range(6)]
    db.upsert_messages([*said, spoken(2, 2)])
    db.upsert_messages([replace(said[2], message_id=said[2].message_id + 3, origin=Origin.SAMPLE)])
    db.mark_deleted([said[3].message_id], START_MS)
    ids = [one.message_id for one in said]
    assert db.ids_between(1, ids[0], ids[4]) == [ids[1], ids[2], ids[4]]
    assert db.count_between(1, ids[0], ids[4]) == 3
    assert (db.newest_id(1), db.newest_id(3)) == (ids[5], 0)
