"""What an upsert changes, keeps and counts; streams in order; search by words."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from storage import message_store
from storage.context_store import ContextLine
from storage.database import Database, DatabaseError, UpsertCount
from storage.records import (
    ChannelRecord,
    MemberRecord,
    MessageKind,
    MessageRecord,
    Origin,
    Reaction,
)
from tests.storage.rows import START_MS, message


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "mynah.db") as database:
        yield database


def full(message_id: int) -> MessageRecord:
    return message(
        message_id,
        content="schöne Grüße 🔥 'quoted' \"too\"\nsecond line",
        channel_id=2**62,
        created_at_ms=START_MS,
        kind=MessageKind.REPLY,
        origin=Origin.EXPORT,
        edited_at_ms=START_MS + 5,
        reply_to_id=3,
        reactions=(Reaction("🔥", 2), Reaction(":pog:", 1)),
        mentioned_ids=(7, 2**62),
        attachment_names=("map.png", "a, b.txt"),
    )


def index_is_whole(db: Database) -> None:
    """FTS5's own check: the index holds exactly what the table holds."""
    with db.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)"
        )


def test_every_field_comes_back(db: Database) -> None:
    db.upsert_messages([full(2**62 + 1), message(5)])
    assert db.messages_by_id([2**62 + 1, 4, 5]) == [full(2**62 + 1), message(5)]


def test_the_same_again_changes_nothing(db: Database) -> None:
    records = [message(i, f"line {i}") for i in range(1, 12_001)]
    assert db.upsert_messages(records) == UpsertCount(new=12_000)
    assert db.upsert_messages(iter(records)) == UpsertCount(unchanged=12_000)
    assert list(db.messages()) == records


def test_counts_are_true_in_a_mixed_batch_with_repeats(db: Database) -> None:
    db.upsert_messages([message(1), message(2)])
    edited = replace(message(2), content="edited", edited_at_ms=START_MS)
    batch = [message(1), edited, message(3), message(3), replace(message(3), content="other")]
    assert db.upsert_messages(batch) == UpsertCount(new=1, changed=2, unchanged=2)
    assert [m.content for m in db.messages()] == ["hello there", "edited", "other"]
    index_is_whole(db)
    assert [i for i, _ in db.search_text("other", 5)] == [3]


@pytest.mark.parametrize(
    "change",
    [
        {"reactions": (Reaction("x", 1),)},
        {"kind": MessageKind.SYSTEM},
        {"reply_to_id": 9},
        {"attachment_names": ("a.png",)},
        {"mentioned_ids": (1,)},
        {"author_id": 8},
    ],
)
def test_each_field_counts_as_a_change(db: Database, change: dict[str, object]) -> None:
    db.upsert_messages([message(1)])
    changed = replace(message(1), **change)  # type: ignore[arg-type]
    assert db.upsert_messages([changed]) == UpsertCount(changed=1)
    assert db.messages_by_id([1]) == [changed]


def test_an_older_copy_never_undoes_an_edit(db: Database) -> None:
    db.upsert_messages([message(1, "fixed typo", edited_at_ms=START_MS + 9)])
    assert db.upsert_messages([message(1, "fixd tpyo")]) == UpsertCount(unchanged=1)
    assert db.messages_by_id([1])[0].content == "fixed typo"
    newer = message(1, "third", edited_at_ms=START_MS + 10)
    assert db.upsert_messages([newer]) == UpsertCount(changed=1)


def test_a_deleted_message_stays_deleted(db: Database) -> None:
    db.upsert_messages([message(1, "my secret plan", attachment_names=("secret.png",)), message(2)])
    db.append_context_lines([ContextLine(1, "said", "Mira", "my secret plan", START_MS, 1)])
    assert db.mark_deleted([1, 99], START_MS + 1) == 1
    assert db.mark_deleted([1], START_MS + 2) == 0
    assert db.upsert_messages([message(1, "my secret plan")]) == UpsertCount(unchanged=1)
    (gone,) = db.messages_by_id([1])
    assert (gone.content, gone.attachment_names) == ("", ())
    assert gone.deleted_at_ms == START_MS + 1
    assert db.search_text("secret", 5) == []
    assert db.context(1, 10) == []
    assert [m.message_id for m in db.messages()] == [2]
    assert [m.message_id for m in db.messages(include_deleted=True)] == [1, 2]
    assert db.message_counts() == {1: 1}
    index_is_whole(db)


def test_a_deletion_that_arrives_as_a_record_takes_the_words_too(db: Database) -> None:
    db.upsert_messages([message(1, "secret", edited_at_ms=START_MS + 9)])
    count = db.upsert_messages([message(1, "secret", deleted_at_ms=START_MS + 1)])
    assert count == UpsertCount(changed=1)
    assert db.messages_by_id([1])[0].content == ""
    assert db.upsert_messages([message(2, "secret", deleted_at_ms=START_MS)]).new == 1
    assert db.search_text("secret", 5) == []


def test_the_first_origin_stays(db: Database) -> None:
    db.upsert_messages([message(1, origin=Origin.EXPORT)])
    assert db.upsert_messages([message(1, origin=Origin.SAMPLE)]) == UpsertCount(unchanged=1)
    assert db.messages_by_id([1])[0].origin is Origin.EXPORT


@pytest.mark.parametrize("kind", [Origin.SAMPLE, Origin.DATA_PACKAGE])
def test_other_words_from_a_stricter_origin_bring_it_along(db: Database, kind: Origin) -> None:
    db.upsert_messages([message(n, "as it was", origin=kind) for n in (1, 2, 3)])
    edited = message(1, "said anew", edited_at_ms=START_MS + 9, origin=Origin.DISCORD_API)
    seen = message(2, "as it was", edited_at_ms=START_MS + 9, origin=Origin.DISCORD_API)
    other = message(3, "as it was", author_id=99, origin=Origin.EXPORT)
    db.upsert_messages([edited, seen, other])
    assert [m.origin for m in db.messages_by_id([1, 2, 3])] == [
        Origin.DISCORD_API,
        kind,
        Origin.EXPORT,
    ]
    db.upsert_messages([message(1, "and again", edited_at_ms=START_MS + 10, origin=kind)])
    assert db.messages_by_id([1])[0].origin is Origin.DISCORD_API


def test_messages_stream_by_channel_then_id(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_store, "PAGE_ROWS", 7)
    records = [message(i, channel_id=1 + i % 3) for i in range(1, 101)]
    random.Random(1).shuffle(records)
    db.upsert_messages(records)
    ordered = sorted(records, key=lambda m: (m.channel_id, m.message_id))
    assert list(db.messages()) == ordered
    assert list(db.messages(after_id=40)) == [m for m in ordered if m.message_id > 40]
    assert list(db.messages(channel_id=2)) == [m for m in ordered if m.channel_id == 2]
    recent = db.recent_messages(2, 3)
    assert recent == [m for m in ordered if m.channel_id == 2][-3:]


def test_a_stream_holds_no_transaction_open(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_store, "PAGE_ROWS", 2)
    db.upsert_messages([message(i) for i in range(1, 6)])
    stream = db.messages()
    next(stream)
    db.upsert_messages([message(9)])
    db.scrub()  # would find the log busy
    assert [m.message_id for m in stream] == [2, 3, 4, 5, 9]


def test_counts_and_span(db: Database) -> None:
    assert (db.message_counts(), db.message_span()) == ({}, None)
    db.upsert_messages([message(1), message(2, channel_id=5), message(3)])
    assert db.message_counts() == {1: 2, 5: 1}
    assert db.message_span() == (START_MS + 1000, START_MS + 3000)


def test_origins_are_those_of_what_still_stands(db: Database) -> None:
    db.upsert_messages([message(1), message(2, origin=Origin.EXPORT), message(3)])
    assert db.origins() == {Origin.SAMPLE, Origin.EXPORT}
    db.mark_deleted([2], START_MS)
    assert db.origins() == {Origin.SAMPLE}


def test_search_finds_any_word_and_ranks_the_rare_one_first(db: Database) -> None:
    db.upsert_messages([message(i, "the raid is tonight") for i in range(1, 20)])
    db.upsert_messages([message(50, "the dragon sleeps"), message(51, "the Ärger grows")])
    found = db.search_text("where is the dragon?", 3)
    assert found[0][0] == 50
    assert [score for _, score in found] == sorted((s for _, s in found), reverse=True)
    assert found[0][1] > 0
    assert [i for i, _ in db.search_text("arger", 5)] == [51]


@pytest.mark.parametrize(
    "query",
    ['"', "a OR", "NEAR(", "content:", "* ^ - + ( )", "it's \"quoted", "", "🔥", "\0", "x" * 9999],
)
def test_no_query_is_an_operator(db: Database, query: str) -> None:
    db.upsert_messages([message(1, "plain words")])
    assert db.search_text(query, 5) == []


def test_the_index_follows_edits(db: Database) -> None:
    db.upsert_messages([message(1, "first words")])
    db.upsert_messages([message(1, "second thoughts", edited_at_ms=START_MS)])
    db.upsert_messages([message(2, "")])
    db.upsert_messages([message(2, "late words", edited_at_ms=START_MS)])
    assert db.search_text("first", 5) == []
    assert [i for i, _ in db.search_text("second", 5)] == [1]
    assert [i for i, _ in db.search_text("late", 5)] == [2]
    index_is_whole(db)


def test_rewritten_the_file_keeps_nothing_in_the_unused_part_of_a_page(db: Database) -> None:
    """Channel after channel, rows come in between others: pages are split, and what moves stays
    where it was (one of these, with SQLite 3.4x)."""
    draw = random.Random(1)
    for channel in range(4):
        ids = range(channel or 4, 2001, 4)
        words = [f"zebra{i}quagga " if i % 3 else f"horse{i} " for i in ids]
        lengths = [draw.randint(1, 8) for _ in ids]
        db.upsert_messages([message(i, w * n) for i, w, n in zip(ids, words, lengths, strict=True)])
    db.mark_deleted([i for i in range(1, 2001) if i % 3], START_MS)
    db.scrub(is_rewritten=True)
    index_is_whole(db)
    files = b"".join(path.read_bytes() for path in db.path.parent.iterdir() if path.is_file())
    assert b"zebra" not in files
    assert b"horse1998" in files


def test_scrub_leaves_no_deleted_word_in_any_file(db: Database) -> None:
    words = [f"zebra{i}quagga" for i in range(100)]
    db.upsert_messages([message(i + 1, f"{word} and more") for i, word in enumerate(words)])
    db.mark_deleted(range(1, 101), START_MS)
    db.scrub()
    index_is_whole(db)
    files = b"".join(path.read_bytes() for path in db.path.parent.iterdir() if path.is_file())
    assert b"zebra" not in files
    assert b"quagga" not in files


def test_threads_may_write_and_read_at_once(db: Database) -> None:
    failures: list[BaseException] = []

    def work(channel: int) -> None:
        try:
            for i in range(20):
                db.upsert_messages([message(channel * 1000 + i, channel_id=channel)])
                db.recent_messages(channel, 5)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(db.message_counts().values()) == 120


def test_broken_characters_are_stored_as_question_marks(db: Database) -> None:
    broken = message(1, "half an emoji \ud83d", attachment_names=("\ude00.png",))
    assert db.upsert_messages([broken, message(2, "🔥")]) == UpsertCount(new=2)
    assert db.upsert_messages([broken, message(2, "🔥")]) == UpsertCount(unchanged=2)
    assert [m.content for m in db.messages()] == ["half an emoji ?", "🔥"]


def test_a_number_beyond_sqlite_names_its_message(db: Database) -> None:
    with pytest.raises(DatabaseError, match="Row 12 of messages"):
        db.upsert_messages([message(1), message(12, author_id=2**63)])


def test_a_failure_half_way_leaves_the_whole_batch_out(db: Database) -> None:
    bad = message(2, content=None)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="NOT NULL"):
        db.upsert_messages([message(1), bad])
    assert list(db.messages()) == []
    assert db.upsert_messages([message(1)]).new == 1


def test_what_must_not_be_recalled_takes_no_place_among_the_found(db: Database) -> None:
    db.upsert_channels([ChannelRecord(1, 9, "g", "open"), ChannelRecord(2, 9, "g", "shut")])
    db.set_allowed(2, False)
    people = [MemberRecord(7, "mira", "mira"), MemberRecord(8, "dice", "dice", is_bot=True)]
    people += [MemberRecord(9, "shy", "shy", is_excluded=True)]
    people += [MemberRecord(10, "out", "out", consent="opted_out")]
    hidden: list[dict[str, object]] = [
        {"origin": Origin.PLAYGROUND},
        {"kind": MessageKind.SYSTEM},
        {"author_id": 8},
        {"author_id": 9},
        {"author_id": 10},
        {"author_id": 77},  # nobody knows who that is
        {"channel_id": 2},
        {"channel_id": 77},
    ]
    for number, values in enumerate(hidden):
        db.upsert_messages(message(100 * number + i, "dragon", **values) for i in range(1, 9))
    db.upsert_members(people)
    db.upsert_messages([message(5000, "the old dragon of the hills and of the sea, long ago")])
    assert 5000 not in [i for i, _ in db.search_text("dragon", 24)]
    assert [i for i, _ in db.search_text("dragon", 24, recallable_only=True)] == [5000]
    db.mark_deleted([5000], START_MS)
    assert db.search_text("dragon", 24, recallable_only=True) == []
