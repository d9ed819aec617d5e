"""A batch is stored whole or not at all, as the single upserts would; reactions come and go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storage.database import Database, DatabaseError, UpsertCount
from storage.records import ChannelRecord, MemberRecord, Reaction
from tests.storage.rows import START_MS, message

GENERAL = ChannelRecord(1, 9, "The Lantern", "general")
MIRA = MemberRecord(7, "mira", "Mira")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "mynah.db") as database:
        yield database


def reactions(db: Database, message_id: int) -> list[tuple[str, int]]:
    (record,) = db.messages_by_id([message_id])
    return [(reaction.emoji, reaction.count) for reaction in record.reactions]


def test_a_batch_is_stored_as_the_single_upserts_would(db: Database, tmp_path: Path) -> None:
    thread = ChannelRecord(2, 9, "The Lantern", "a thread", parent_id=1)
    records = [message(i, f"line {i}", channel_id=1 + i % 2) for i in range(1, 301)]
    bob = MemberRecord(8, "bob", "Bob", is_bot=True)
    with Database.open(tmp_path / "other.db") as other:
        other.upsert_channels([GENERAL, thread])
        other.upsert_members([MIRA, bob])
        other.upsert_messages(records)
        count = db.store_messages([GENERAL, thread], [MIRA, bob], records)
        assert count == UpsertCount(new=300)
        assert list(db.messages()) == list(other.messages())
        assert (db.channels(), db.members()) == (other.channels(), other.members())
    assert [i for i, _ in db.search_text("300", 5)] == [300]
    assert db.store_messages([GENERAL], [MIRA], records) == UpsertCount(unchanged=300)


def test_what_upserts_keep_a_batch_keeps(db: Database) -> None:
    shy = MemberRecord(8, "shy", "shy")
    edited = message(1, "now", edited_at_ms=START_MS)
    db.store_messages([GENERAL], [MIRA, shy], [edited, message(2)])
    db.set_excluded(8, True)
    db.set_allowed(1, False)
    db.set_quiet(GENERAL, START_MS)
    db.mark_deleted([2], START_MS)
    count = db.store_messages(
        [replace(GENERAL, name="old"), replace(GENERAL, name="renamed")],
        [MemberRecord(7, "mira", "old"), MemberRecord(7, "mira", "Mira the Great"), shy],
        iter(
            [
                message(1, "before the edit"),
                message(2, "secret"),
                message(3),
                message(4, author_id=8),
            ]
        ),
    )
    assert count == UpsertCount(new=1, unchanged=2, excluded=1)
    assert [m.content for m in db.messages()] == ["now", "hello there"]
    assert db.members() == [
        MemberRecord(7, "mira", "Mira the Great"),
        replace(shy, is_excluded=True),
    ]
    assert db.channel(1) == replace(GENERAL, name="renamed", is_allowed=False)
    assert db.quiet_until(1) == START_MS


def test_a_batch_that_fails_leaves_nothing(db: Database) -> None:
    with pytest.raises(DatabaseError, match="Row 2 of messages"):
        db.store_messages([GENERAL], [MIRA], [message(1), message(2, reply_to_id=2**63)])
    assert (db.channels(), db.members(), list(db.messages())) == ([], [], [])
    assert db.store_messages([], [], []) == UpsertCount()


def test_broken_characters_in_names_and_words(db: Database) -> None:
    broken = MemberRecord(7, "mira\ud83d", "Mira")
    db.store_messages([GENERAL], [broken, MemberRecord(8, "b", "b")], [message(1, "a \ud83d")])
    assert [member.name for member in db.members()] == ["mira?", "b"]
    assert db.messages_by_id([1])[0].content == "a ?"


def test_reactions_come_and_go(db: Database) -> None:
    db.upsert_messages([message(1, reactions=(Reaction("🔥", 2),))])
    state = db.history_state()
    db.change_reaction(1, "🔥", 1)
    db.change_reaction(1, ":pog:", 1)
    assert reactions(db, 1) == [("🔥", 3), (":pog:", 1)]
    db.change_reaction(1, ":pog:", -1)
    db.change_reaction(1, "👍", -1)  # never below 0
    db.change_reaction(1, "👍", 1)
    assert reactions(db, 1) == [("🔥", 3), ("👍", 1)]
    assert db.history_state() == state
    db.change_reaction(99, "🔥", 1)  # unknown
    assert db.messages_by_id([99]) == []


def test_reactions_are_cleared(db: Database) -> None:
    three = (Reaction("🔥", 2), Reaction("👍", 1), Reaction(":pog:", 4))
    db.upsert_messages([message(1, reactions=three)])
    db.clear_reactions(1, "👍")
    db.clear_reactions(1, "unseen")
    assert reactions(db, 1) == [("🔥", 2), (":pog:", 4)]
    db.clear_reactions(1)
    db.clear_reactions(99)
    assert reactions(db, 1) == []


def test_a_deleted_message_gets_no_reactions(db: Database) -> None:
    db.upsert_messages([message(1)])
    db.mark_deleted([1], START_MS)
    before = db.messages_by_id([1])
    db.change_reaction(1, "🔥", 1)
    db.clear_reactions(1)
    assert db.messages_by_id([1]) == before


def test_a_reaction_leaves_the_words_findable(db: Database) -> None:
    db.upsert_messages([message(1, "the dragon sleeps")])
    db.change_reaction(1, "🔥", 1)
    assert [i for i, _ in db.search_text("dragon", 5)] == [1]
