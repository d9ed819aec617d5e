"""Search in a large home: bounded, and as FTS5 would rank where words are not repeated."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import text_search
from storage.database import Database
from storage.records import ChannelRecord, MemberRecord
from tests.storage.rows import message

MESSAGES = 4_000
RARE, COMMON = "zebra", "the"
FIRST = 10**12


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Words of all frequencies (the n-th in about 1/n of the messages), none twice in a message."""
    dice = random.Random(3)
    words = [f"word{n}" for n in range(1, 400)]

    def said(number: int) -> str:
        some = [word for n, word in enumerate(words, 2) if dice.random() < 1 / n]
        rare = [RARE] if number % 500 == 0 else []
        return " ".join(dice.sample([COMMON, *rare, *some], len(some) + 1 + len(rare)))

    with Database.open(tmp_path_factory.mktemp("home") / "mynah.db") as database:
        database.upsert_channels([ChannelRecord(1, 9, "g", "open")])
        database.upsert_members([MemberRecord(7, "mira", "mira"), MemberRecord(8, "bob", "bob")])
        database.upsert_messages(
            message(FIRST + number, said(number), author_id=7 + number % 2)
            for number in range(1, MESSAGES + 1)
        )
        yield database


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the home were a hundred times as large as it is."""
    monkeypatch.setattr(text_search, "RANKED_BY_FTS5", 0)


def by_fts5(db: Database, query: str, limit: int) -> list[tuple[int, float]]:
    some = " OR ".join(f'"{word}"' for word in query.split())
    ranked = (
        "SELECT rowid, -rank FROM messages_fts WHERE messages_fts MATCH ? ORDER BY rank LIMIT ?"
    )
    with db.reading() as connection:
        return [(row[0], row[1]) for row in connection.exec_driver_sql(ranked, (some, limit))]


@pytest.mark.parametrize("query", ["word3 word50", "word9", "zebra word2 word300", "word100 word7"])
@pytest.mark.parametrize("recallable_only", [False, True])
@pytest.mark.usefixtures("large")
def test_it_ranks_as_fts5_does(
    db: Database, monkeypatch: pytest.MonkeyPatch, query: str, recallable_only: bool
) -> None:
    monkeypatch.setattr(text_search, "COMPARED", MESSAGES)
    found = db.search_text(query, 24, recallable_only=recallable_only)
    expected = by_fts5(db, query, 24)
    assert [score for _, score in found] == pytest.approx([score for _, score in expected])
    surely = {i for i, score in expected if score > expected[-1][1] + 1e-9}
    assert surely <= dict(found).keys()


@pytest.mark.usefixtures("large")
def test_the_rarest_words_come_first_within_what_may_be_read(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "MOST_POSTINGS", 100)
    read: list[str] = []
    holding = text_search._holding

    def watched(connection: object, word: str) -> text_search.Ids:
        read.append(word)
        return holding(connection, word)  # type: ignore[arg-type]

    monkeypatch.setattr(text_search, "_holding", watched)
    found = db.search_text("the zebra word150 word2", 24, recallable_only=True)
    assert read == [RARE, "word150"]
    assert len(found) == 24
    assert {FIRST + number for number in range(500, MESSAGES + 1, 500)} <= dict(found).keys()


@pytest.mark.usefixtures("large")
def test_of_a_word_that_all_hold_the_newest_are_read(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "MOST_POSTINGS", 100)
    found = db.search_text(COMMON, 24)
    assert len(found) == 24
    assert min(i for i, _ in found) > FIRST + MESSAGES - 100


@pytest.mark.usefixtures("large")
def test_what_must_not_be_recalled_is_passed_over_to_the_last(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_search, "COMPARED", 50)  # several rounds
    db.set_excluded(8, True)
    try:
        found = db.search_text(COMMON, MESSAGES, recallable_only=True)
        assert {i for i, _ in found} == {FIRST + n for n in range(2, MESSAGES + 1, 2)}
        assert len(found) == len(dict(found))
        assert db.search_text("nobodysaid", 24, recallable_only=True) == []
    finally:
        db.set_excluded(8, False)


@pytest.mark.usefixtures("large")
def test_a_long_message_and_odd_words_are_no_trouble(tmp_path: Path) -> None:
    with Database.open(tmp_path / "mynah.db") as db:
        db.upsert_messages([message(1, "dragon " + "and " * 300), message(2, "dragon")])
        found = db.search_text("dragon _ \0 🔥 's", 5)
        assert [i for i, _ in found] == [2, 1]
        assert dict(found) == pytest.approx(dict(by_fts5(db, "dragon", 5)))


def test_numbers_of_several_bytes() -> None:
    assert text_search._numbers(bytes([5, 0x81, 0x00, 0x7F])) == [5, 128, 127]
    assert text_search._numbers(b"\xff" * 9) == [2**64 - 1]
