"""Pragmas, locks, sentences for broken files; members, channels, settings, transcript."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.connections import explaining, make_engine
from storage.database import ContextLine, Database, DatabaseBusyError, DatabaseError, UpsertCount
from storage.records import ChannelRecord, MemberRecord
from storage.settings import SettingError, load
from tests.storage.rows import START_MS, message, version


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "mynah.db") as database:
        yield database


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("secure_delete", 1),
        ("busy_timeout", 15_000),
    ],
)
def test_every_connection_carries_the_pragmas(db: Database, pragma: str, value: object) -> None:
    with db.writing() as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    with db.reading() as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value


def test_a_reader_cannot_write(db: Database) -> None:
    with pytest.raises(DatabaseError, match="readonly"), db.reading() as connection:
        connection.exec_driver_sql("DELETE FROM config")


def test_a_write_inside_a_write_is_refused_at_once(db: Database) -> None:
    with pytest.raises(RuntimeError, match="inside another"), db.writing():
        db.set_config("temperature", "0.1")
    assert db.set_config("temperature", "0.1") == 0.1


def test_a_file_that_stays_locked_is_a_sentence(tmp_path: Path) -> None:
    Database.open(tmp_path / "mynah.db").close()
    other = sqlite3.connect(tmp_path / "mynah.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with Database.open(tmp_path / "mynah.db") as db:
        db._writer.dispose()
        db._writer = make_engine(db.path, writes=True, busy_timeout_ms=50)
        with pytest.raises(DatabaseBusyError, match="in use by another process"):
            db.upsert_messages([message(1)])
        assert list(db.messages()) == []  # readers go on
        other.execute("COMMIT")
        assert db.upsert_messages([message(1)]).new == 1
    other.close()


def test_a_file_that_is_no_database_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mynah.db"
    path.write_bytes(b"this was a letter to my grandmother" * 100)
    with pytest.raises(DatabaseError, match="damaged or no database"):
        Database.open(path)
    assert path.read_bytes().startswith(b"this was a letter")


def test_members_keep_exclusion_and_consent(db: Database) -> None:
    mira, bob = MemberRecord(1, "mira", "Mira"), MemberRecord(2, "bob", "Bob", is_bot=True)
    assert db.upsert_members([mira, bob]) == UpsertCount(new=2)
    db.set_excluded(1, True)
    db.set_consent(1, "opted_out")
    assert db.upsert_members([mira, bob]) == UpsertCount(unchanged=2)
    renamed = MemberRecord(1, "mira", "Mira the Great")
    assert db.upsert_members([renamed]) == UpsertCount(changed=1)
    assert db.members() == [
        MemberRecord(1, "mira", "Mira the Great", False, True, "opted_out"),
        bob,
    ]
    with pytest.raises(DatabaseError, match="no member with the id 3"):
        db.set_excluded(3, True)
    with pytest.raises(DatabaseError, match="opted_in"):
        db.set_consent(1, "perhaps")


def test_channels_keep_the_allow_list(db: Database) -> None:
    general = ChannelRecord(10, 1, "The Lantern", "general")
    thread = ChannelRecord(11, 1, "The Lantern", "a thread", parent_id=10, is_allowed=False)
    assert db.upsert_channels([general, thread]) == UpsertCount(new=2)
    db.set_allowed(10, False)
    assert db.upsert_channels([general, thread]) == UpsertCount(unchanged=2)
    assert [c.is_allowed for c in db.channels()] == [False, False]
    with pytest.raises(DatabaseError, match="no channel"):
        db.set_allowed(12, True)


def test_declarations_are_kept(db: Database) -> None:
    first = db.record_declaration(" ada ", "written permission of 3 May", START_MS)
    assert (first.who, first.ground) == ("ada", "written permission of 3 May")
    db.record_declaration("bob", "open data", START_MS + 1)
    assert [d.who for d in db.declarations()] == ["ada", "bob"]
    assert db.declarations()[0] == first
    with pytest.raises(DatabaseError, match="ground"):
        db.record_declaration("ada", "  ", START_MS)


def test_settings_are_validated_on_the_way_in(db: Database) -> None:
    assert db.set_config("temperature", " 0.25 ") == 0.25
    assert db.set_config("recall_enabled", "no") is False
    assert db.config_rows() == {"temperature": "0.25", "recall_enabled": "off"}
    with pytest.raises(SettingError, match=r"0\.0 to 1\.0"):
        db.set_config("temperature", "7")
    with pytest.raises(SettingError, match="no setting"):
        db.set_config("temprature", "0.5")
    assert load(db.config_rows())[0]["temperature"] == 0.25
    db.reset_config("temperature")
    assert db.config_rows() == {"recall_enabled": "off"}


def test_statistics_by_name_and_time(db: Database) -> None:
    for offset in (2, 0, 1):
        db.add_statistic("reply_s", offset + 0.5, START_MS + offset)
    db.add_statistic("other", 9.0, START_MS + 5)
    assert db.statistics_since("reply_s", START_MS + 1) == [
        (START_MS + 1, 1.5),
        (START_MS + 2, 2.5),
    ]


def test_the_transcript_is_kept_in_order_and_trimmed(db: Database) -> None:
    lines = [ContextLine(1, "said", "Mira", f"line {i}", START_MS + i, i) for i in range(9)]
    lines.append(ContextLine(1, "own", "Mynah", "mine", START_MS + 9))
    for line in lines:
        db.append_context(**vars(line))
    db.append_context(2, "note", "", "elsewhere", START_MS)
    assert db.context(1, 3) == lines[-3:]
    assert db.trim_context(1, 4) == 6
    assert db.context(1, 100) == lines[-4:]
    assert len(db.context(2, 100)) == 1


def test_the_database_itself_allows_one_deployed_model(db: Database) -> None:
    for name in ("a", "b"):
        db.add_model_version(version(name))
    db.set_model_status("a", "deployed", START_MS)
    with pytest.raises(Exception, match="UNIQUE"), db.writing() as connection:
        connection.exec_driver_sql("UPDATE model_versions SET status = 'deployed'")
    with pytest.raises(DatabaseError, match="in its place"):
        db.set_model_status("a", "retired", START_MS)
    with pytest.raises(DatabaseError, match="no model version named c"):
        db.set_model_status("c", "deployed", START_MS)
    assert [v.status for v in db.model_versions()] == ["deployed", "candidate"]


@pytest.mark.parametrize("said", ["disk I/O error", "database or disk is full"])
def test_a_failing_disk_is_a_sentence(tmp_path: Path, said: str) -> None:
    with (
        pytest.raises(DatabaseError, match=r"check the disk's space"),
        explaining(tmp_path / "mynah.db"),
    ):
        raise sqlite3.OperationalError(said)
