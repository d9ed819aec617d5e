"""Messages with their neighbours; and who may read a channel, as it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storage.database import Database
from storage.records import ChannelRecord, MemberRecord, MessageKind, Origin, Readers
from tests.storage.rows import message

MIRA, BOB = MemberRecord(1, "mira", "Mira"), MemberRecord(2, "bob", "bob")
HALL, YARD = ChannelRecord(10, 50, "Inn", "hall"), ChannelRecord(11, 50, "Inn", "yard")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "mynah.db") as database:
        database.upsert_members([MIRA, BOB])
        database.upsert_channels([HALL, YARD])
        rows = [message(n, channel_id=10 + n % 2, author_id=1 + n % 3 % 2) for n in range(1, 21)]
        database.upsert_messages(rows)
        yield database


def ids(db: Database, *of: int, reach: int) -> list[int]:
    return [one.message_id for one in db.around(of, reach)]


def test_each_with_its_neighbours_in_its_channel(db: Database) -> None:
    assert ids(db, 10, reach=0) == [10]
    assert ids(db, 10, reach=2) == [6, 8, 10, 12, 14]
    assert ids(db, 10, 12, 2, 1, reach=1) == [2, 4, 8, 10, 12, 14, 1, 3]
    assert ids(db, 20, 999, reach=1) == [18, 20]
    assert ids(db, reach=2) == []
    whole = db.around([10, 2], 1)
    assert [one.before_id for one in whole] == [None, 2, 6, 8, 10]
    assert {one.nickname for one in whole} == {"Mira", "bob"}


def test_what_must_not_be_recalled_is_left_out_and_is_a_neighbour_all_the_same(
    db: Database,
) -> None:
    db.mark_deleted([8], 1)
    notice = replace(message(30, channel_id=10, author_id=1), kind=MessageKind.SYSTEM)
    terminal = replace(message(32, channel_id=10, author_id=1), origin=Origin.PLAYGROUND)
    db.upsert_messages([notice, terminal])
    assert ids(db, 10, reach=1) == [10, 12]
    assert ids(db, 20, reach=2) == [16, 18, 20]
    db.set_excluded(BOB.member_id, True)
    left = {one.author_id for one in db.around(range(1, 21), 0)}
    assert left == {MIRA.member_id}
    db.set_consent(MIRA.member_id, "opted_out")
    assert db.around(range(1, 21), 0) == []
    db.set_consent(MIRA.member_id, "unset")
    db.set_allowed(HALL.channel_id, False)
    assert {one.channel_id for one in db.around(range(1, 21), 0)} == {YARD.channel_id}


def test_the_channel_of_each(db: Database) -> None:
    assert db.channels_of([10, 11, 999]) == {10: HALL, 11: YARD}


# -- who may read a channel --------------------------------------------------------------------

STAFF = Readers(may=frozenset({901}))


def test_readers_stay_where_a_record_knows_of_none(db: Database) -> None:
    assert db.channel(10) == HALL
    known = replace(HALL, readers=STAFF)
    assert db.upsert_channels([known]).changed == 1
    assert db.upsert_channels([known]).changed == 0
    assert db.upsert_channels([HALL]).changed == 0
    assert db.channel(10) == known
    db.set_quiet(HALL, 5)
    assert db.channel(10) == known
    assert db.upsert_channels([replace(HALL, readers=Readers(everyone=True))]).changed == 1
    assert db.channels()[0].readers == Readers(everyone=True)


def test_readers_of_what_is_stored_can_be_set_alone(db: Database) -> None:
    assert db.set_readers({10: STAFF, 77: STAFF})
    assert not db.set_readers({10: STAFF})
    assert not db.set_readers({})
    assert db.channel(10) == replace(HALL, readers=STAFF)
    assert db.channel(77) is None


def test_who_was_forgotten_is_no_reader_by_name(db: Database) -> None:
    ann = MemberRecord(1 << 23, "ann", "ann")
    db.upsert_members([ann])
    named = Readers(may=frozenset({901, ann.member_id}), without=frozenset({902}))
    db.set_readers({10: named})
    db.forget_member(db.begin_forgetting(ann.member_id, "admin", 1))
    nameless = Readers(may=frozenset({901, 0}), without=frozenset({902}))
    assert [one.readers for one in db.channels()] == [nameless, None]
    db.upsert_channels([replace(HALL, readers=named)])
    db.set_readers({11: named})
    assert [one.readers for one in db.channels()] == [nameless, nameless]
