"""Tombstones: who was forgotten does not come back, and a lost key is never passed over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database, DatabaseError
from storage.paths import Home
from storage.records import MemberRecord
from storage.tombstones import TombstoneKeyError, key_path
from tests.storage.rows import message

MIRA, BOB = 1_200_000_000_000_000_001, 1_200_000_000_000_000_002


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path).ensure()


@pytest.fixture
def db(home: Home) -> Iterator[Database]:
    with Database.open(home.database) as database:
        database.upsert_members([MemberRecord(MIRA, "mira", "Mira"), MemberRecord(BOB, "b", "B")])
        database.upsert_messages([message(1, author_id=MIRA), message(2, author_id=BOB)])
        yield database


def test_the_key_is_the_homes(home: Home, db: Database) -> None:
    assert key_path(home.database) == home.tombstone_key
    assert not home.tombstone_key.exists()
    db.begin_forgetting(MIRA, "ada", 1)
    assert len(home.tombstone_key.read_bytes()) == 32
    if os.name == "posix":
        assert home.tombstone_key.stat().st_mode & 0o777 == 0o600
    held = home.tombstone_key.read_bytes()
    db.begin_forgetting(BOB, "ada", 2)
    assert home.tombstone_key.read_bytes() == held
    assert len(db.tombstones()) == 3  # the key's own mark is one
    assert not any(str(MIRA) in hashed for hashed, _ in db.tombstones())


def test_what_is_begun_says_what_is_to_go(db: Database) -> None:
    erasure = db.begin_forgetting(MIRA, "ada", 1)
    assert (erasure.member_id, erasure.asked_by, erasure.at_ms) == (MIRA, "ada", 1)
    assert (erasure.names, erasure.message_ids) == (("mira", "Mira"), frozenset({1}))
    assert [one.erasure_id for one in db.erasures()] == [erasure.erasure_id]
    db.note_erased([erasure.erasure_id], "here")
    assert db.erasures()[0].done == {"here"}
    assert db.forget_member(erasure) == 1
    assert db.forget_member(erasure) == 0
    assert db.member(MIRA) is None
    assert [m.message_id for m in db.messages()] == [2]
    db.empty_erasures([erasure.erasure_id])
    assert (db.erasures()[0].member_id, db.erasures()[0].message_ids) == (None, frozenset())
    db.end_erasures([erasure.erasure_id])
    assert not db.has_erasures()


def test_every_door_leaves_them_out_until_the_tombstone_is_lifted(db: Database) -> None:
    db.forget_member(db.begin_forgetting(MIRA, "ada", 1))
    assert db.is_forgotten(MIRA)
    assert not db.is_forgotten(BOB)
    assert db.forgotten([MIRA, BOB]) == {MIRA}
    said = [message(3, author_id=MIRA), message(4, author_id=BOB, mentioned_ids=(MIRA, BOB))]
    count = db.upsert_messages(said)
    assert (count.new, count.forgotten, count.total) == (1, 1, 2)
    assert db.messages_by_id([3, 4])[0].mentioned_ids == (BOB,)
    assert db.upsert_members([MemberRecord(MIRA, "mira", "Mira")]).forgotten == 1
    assert db.lift_tombstone(MIRA)
    assert not db.lift_tombstone(MIRA)
    assert db.upsert_messages(said).new == 1


def test_a_lost_or_wrong_key_is_a_sentence(home: Home, db: Database) -> None:
    db.begin_forgetting(MIRA, "ada", 1)
    held = home.tombstone_key.read_bytes()
    home.tombstone_key.unlink()
    with pytest.raises(TombstoneKeyError, match="put the file back from a backup"):
        db.upsert_messages([message(5, author_id=BOB)])
    with pytest.raises(TombstoneKeyError, match="cannot be read"):
        db.is_forgotten(BOB)
    home.tombstone_key.write_bytes(bytes(32))
    with pytest.raises(TombstoneKeyError, match="not the key"):
        db.begin_forgetting(BOB, "ada", 1)
    home.tombstone_key.write_bytes(held)
    assert db.upsert_messages([message(5, author_id=BOB)]).new == 1


def test_only_discords_accounts_are_forgotten(db: Database) -> None:
    with pytest.raises(DatabaseError, match="no account of Discord's"):
        db.begin_forgetting(7, "ada", 1)
    assert db.tombstones() == []


def test_what_was_deleted_is_noted_once_and_what_comes_deleted_too(db: Database) -> None:
    assert db.mark_deleted([1, 99], 5) == 1
    assert [one.message_ids for one in db.erasures()] == [frozenset({1})]
    db.mark_deleted([1], 6)
    db.upsert_messages([message(2, author_id=BOB, deleted_at_ms=7)])
    db.upsert_messages([message(2, author_id=BOB, deleted_at_ms=7)])
    assert [one.message_ids for one in db.erasures()] == [frozenset({1}), frozenset({2})]
    assert [one.member_id for one in db.erasures()] == [None, None]
