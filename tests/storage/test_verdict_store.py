"""Verdicts replace one another, cursors never go back, and a summary counts what happened."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage import verdict_store
from storage.database import Database
from storage.records import VerdictRow
from storage.statistics import Summary, nearest_rank
from storage.verdict_store import FETCH, LIVE
from tests.storage.rows import START_MS

MINUTE_MS = 60_000


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "mynah.db") as database:
        yield database


def silent(message_id: int, channel_id: int = 1, **values: Any) -> VerdictRow:
    row = VerdictRow(message_id, channel_id, START_MS + message_id, "silent", "chance said no")
    return replace(row, **values)


def sent(message_id: int, total_s: float, **values: Any) -> VerdictRow:
    return silent(message_id, verdict="reply", outcome="sent", total_s=total_s, **values)


def test_every_field_comes_back(db: Database) -> None:
    row = VerdictRow(
        *(2**62, 5, START_MS, "reply", "you mentioned it", "late", "sent", 2, 2**62 + 1),
        *(3, 412, 17, 9, 1.25),
    )
    db.record_verdicts([row, silent(3)])
    assert db.verdict(2**62) == row
    assert db.verdict(3) == silent(3)
    assert db.verdict(4) is None


def test_a_later_row_replaces_the_earlier_one(db: Database) -> None:
    for outcome in ("begun", "sending", "sent"):
        db.record_verdicts([silent(1, verdict="reply", outcome=outcome)])
    (row,) = db.verdicts(9)
    assert row.outcome == "sent"
    db.record_verdicts([silent(1, reason="first"), silent(1, reason="second")])
    assert [r.reason for r in db.verdicts(9)] == ["second"]


def test_newest_first_everywhere_and_in_one_channel(db: Database) -> None:
    db.record_verdicts([silent(i, 1 + i % 2) for i in (5, 1, 4, 2, 3)])
    assert [row.message_id for row in db.verdicts(3)] == [5, 4, 3]
    assert [row.message_id for row in db.verdicts(9, channel_id=2)] == [5, 3, 1]
    assert db.verdicts(0) == []
    assert db.verdicts(-1) == []


def test_the_live_cursor_follows_and_never_goes_back(db: Database) -> None:
    assert db.cursor(LIVE, 1) is None
    db.record_verdicts([silent(5), silent(9), silent(7), silent(4, 2)])
    assert (db.cursor(LIVE, 1), db.cursor(LIVE, 2)) == (9, 4)
    db.record_verdicts([silent(8), silent(6, 2)])
    assert (db.cursor(LIVE, 1), db.cursor(LIVE, 2)) == (9, 6)
    db.record_verdicts([silent(20)], cursor=False)
    assert db.cursor(LIVE, 1) == 9
    db.record_verdicts([])


def test_an_order_stays_an_order(db: Database) -> None:
    assert db.record_first_verdict(silent(5, verdict="order", reason="exclude"))
    assert not db.record_first_verdict(silent(5, verdict="order", reason="again"))
    db.record_verdicts([silent(5, reason="chance said no"), silent(6)])
    assert [(r.verdict, r.reason) for r in db.verdicts(9)][1] == ("order", "exclude")
    assert db.cursor(LIVE, 1) == 6
    assert not db.record_first_verdict(silent(6, verdict="order"))


def test_cursors_of_other_names_are_others(db: Database) -> None:
    db.set_cursor(FETCH, 1, 50)
    db.set_cursor(FETCH, 1, 40)
    db.record_verdicts([silent(60)])
    assert (db.cursor(FETCH, 1), db.cursor(LIVE, 1), db.cursor(FETCH, 2)) == (50, 60, None)


def test_a_row_that_cannot_be_stored_leaves_all_out(db: Database) -> None:
    bad = silent(2, reason=None)
    with pytest.raises(Exception, match="NOT NULL"):
        db.record_verdicts([silent(1), bad])
    assert (db.verdicts(9), db.cursor(LIVE, 1)) == ([], None)


def test_trimming_takes_what_is_older_in_pieces(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict_store, "_TRIMMED_AT_ONCE", 3)
    db.record_verdicts([silent(i) for i in range(1, 21)])
    assert db.trim_verdicts(START_MS + 16) == 15
    assert db.trim_verdicts(START_MS + 16) == 0
    assert [row.message_id for row in db.verdicts(99)] == [20, 19, 18, 17, 16]
    assert db.cursor(LIVE, 1) == 20


def test_a_summary_counts_what_happened_since(db: Database) -> None:
    db.record_verdicts([sent(i, float(i)) for i in range(1, 101)])
    db.record_verdicts([silent(200), silent(201)])
    db.record_verdicts([silent(300, verdict="order", outcome="sent", total_s=9000.0)])
    db.record_verdicts([silent(301, verdict="reply", outcome="refused", total_s=900.0)])
    db.record_verdicts([silent(302, verdict="reply", outcome="failed", total_s=900.0)])
    db.record_verdicts([silent(303, verdict="reply", outcome="begun")])
    db.record_verdicts([sent(400, 9000.0, at_ms=START_MS - 1)])
    for name, value in (("up_s", 15.0), ("up_s", 30.0), ("error", 1.0), ("error", 1.0)):
        db.add_statistic(name, value, START_MS)
    db.add_statistic("error", 1.0, START_MS - 1)
    expected = Summary(105, 100, 2, 1, 1, 2, 50.0, 95.0, 99.0, 0.75)
    assert db.summary(START_MS, START_MS + MINUTE_MS) == expected
    assert db.summary(START_MS, START_MS + 1000).uptime_share == 1.0
    assert db.summary(START_MS, START_MS).uptime_share == 0.0


def test_nothing_happened(db: Database) -> None:
    assert db.summary(START_MS, START_MS + MINUTE_MS) == Summary()


@pytest.mark.parametrize(
    ("count", "share", "rank"),
    [(1, 0.5, 1), (1, 0.99, 1), (2, 0.5, 1), (3, 0.5, 2), (4, 0.95, 4), (20, 0.95, 19)],
)
def test_a_percentile_is_a_value_that_was_measured(count: int, share: float, rank: int) -> None:
    assert nearest_rank([float(i) for i in range(1, count + 1)], share) == rank


def test_threads_that_record_at_once_lose_nothing(db: Database) -> None:
    def work(channel_id: int) -> None:
        for i in range(30):
            db.record_verdicts([silent(channel_id * 1000 + i, channel_id)])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(db.verdicts(999)) == 120
    assert [db.cursor(LIVE, n) for n in range(1, 5)] == [1029, 2029, 3029, 4029]
