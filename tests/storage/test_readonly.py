"""The light reads: sqlite3 alone, a missing file is an empty one, nothing is ever written."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from storage.database import Database
from storage.paths import PROGRAM_DIR
from storage.readonly import (
    Bucket,
    Counts,
    LastReply,
    StorageUnreadableError,
    counts,
    deployed_model,
    last_reply,
    read_config,
    series,
    summary,
)
from storage.records import ChannelRecord, MemberRecord, VerdictRow
from storage.statistics import Summary
from tests.storage.rows import START_MS, message, version


def test_a_missing_or_empty_file_answers_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    for path in (tmp_path / "no" / "mynah.db", tmp_path / "empty.db"):
        assert read_config(path) == {}
        assert deployed_model(path) is None
        assert counts(path) == Counts()
        assert summary(path, 0, 1000) == Summary()
        assert series(path, 0, 1000, 500) == (Bucket(0), Bucket(500))
        assert last_reply(path) is None
    assert [p.name for p in tmp_path.iterdir()] == ["empty.db"]
    assert (tmp_path / "empty.db").stat().st_size == 0


@pytest.mark.parametrize("still_open", [True, False])
def test_reads_beside_a_bot_and_without_one(tmp_path: Path, still_open: bool) -> None:
    path = tmp_path / "a home #1" / "mynah.db"
    db = Database.open(path)
    db.set_config("temperature", "0.5")
    db.upsert_messages([message(1), message(2), message(3)])
    db.mark_deleted([3], START_MS)
    db.upsert_members([MemberRecord(1, "a", "a")])
    db.upsert_channels([ChannelRecord(1, 1, "g", "c")])
    db.add_model_version(version("a", parents=("x", "y")))
    db.set_model_status("a", "deployed", START_MS)
    db.record_verdicts([VerdictRow(1, 1, START_MS, "reply", "", outcome="sent", total_s=2.5)])
    db.add_statistic("up_s", 30, START_MS)
    expected = db.summary(START_MS, START_MS + 60_000)
    if not still_open:
        db.close()
    assert summary(path, START_MS, START_MS + 60_000) == expected
    assert (expected.answered, expected.p50_s, expected.uptime_share) == (1, 2.5, 0.5)
    assert read_config(path) == {"temperature": "0.5"}
    assert counts(path) == Counts(2, 1, 1, START_MS + 1000, START_MS + 2000)
    found = deployed_model(path)
    assert found is not None
    assert (found.version_id, found.parents, found.status) == ("a", ("x", "y"), "deployed")
    db.close()


def test_a_series_counts_in_buckets_and_leaves_orders_out(tmp_path: Path) -> None:
    path = tmp_path / "mynah.db"
    rows = [
        # (time, verdict, outcome, seconds): the first is before the span, the last at its end
        (99, "reply", "sent", 9.0),
        (100, "reply", "sent", 4.0),
        (150, "reply", "sent", 1.0),
        (199, "reply", "sent", 2.0),
        (180, "reply", "refused", 7.0),
        (181, "order", "sent", 0.1),
        (250, "silent", "", 0.0),
        (410, "reply", "sent", 5.0),
        (411, "reply", "sent", 3.0),
        (450, "reply", "sent", 1.0),
    ]
    with Database.open(path) as db:
        db.record_verdicts(
            VerdictRow(n, 1, START_MS + at, verdict, "", outcome=outcome, total_s=total_s)
            for n, (at, verdict, outcome, total_s) in enumerate(rows, start=1)
        )
        day = db.summary(START_MS + 100, START_MS + 200)
    found = series(path, START_MS + 100, START_MS + 450, 100)
    assert found == (
        Bucket(START_MS + 100, 4, 3, 2.0),
        Bucket(START_MS + 200, 1, 0, None),
        Bucket(START_MS + 300, 0, 0, None),
        Bucket(START_MS + 400, 2, 2, 3.0),
    )
    assert day.seen == sum(bucket.seen for bucket in found) + 1  # a summary has no end
    assert last_reply(path) == LastReply(START_MS + 450, 1.0)
    assert series(path, START_MS + 450, START_MS + 100, 100) == ()
    with pytest.raises(ValueError, match="bucket"):
        series(path, 0, 1, 0)


def test_a_file_of_an_older_revision_has_no_verdicts(tmp_path: Path) -> None:
    path = tmp_path / "mynah.db"
    script = Path(__file__).parent / "fixtures" / "revision_0002.sql"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script.read_text(encoding="utf-8"))
        connection.execute("INSERT INTO statistics VALUES (9, 'error', 1, 5)")
        connection.commit()
    assert summary(path, 0, 1000) == Summary(errors=1)
    assert series(path, 0, 1000, 1000) == (Bucket(0),)
    assert last_reply(path) is None


def test_a_damaged_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "mynah.db").write_bytes(b"no database" * 500)
    with pytest.raises(StorageUnreadableError, match="cannot be read"):
        counts(tmp_path / "mynah.db")


def test_light_modules_stay_light() -> None:
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "import storage.readonly, storage.settings, storage.paths\n"
        "heavy = {'sqlalchemy', 'alembic', 'lancedb', 'numpy', 'pyarrow', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=PROGRAM_DIR, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
