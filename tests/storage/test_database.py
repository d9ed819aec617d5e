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
    db.set_consent(1, "opted_out", at_ms=5)
    assert db.upsert_members([mira, bob]) == UpsertCount(unchanged=2)
    renamed = MemberRecord(1, "mira", "Mira the Great")
    assert db.upsert_members([renamed]) == UpsertCount(changed=1)
    assert db.members() == [
        MemberRecord(1, "mira", "Mira the Great", False, True, "opted_out", 5),
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


def test_a_thread_is_where_its_parent_is(db: Database) -> None:
    general = ChannelRecord(10, 1, "The Lantern", "general")
    other = ChannelRecord(20, 1, "The Lantern", "other")
    threads = [ChannelRecord(n, 1, "The Lantern", "a thread", parent_id=10) for n in (11, 12)]
    db.upsert_channels([general, other, threads[0]])
    db.set_allowed(10, False)
    db.upsert_channels(threads)
    assert {c.channel_id for c in db.channels() if c.is_allowed} == {20}
    db.set_allowed(10, True)
    assert all(c.is_allowed for c in db.channels())
    db.set_allowed(11, False)
    assert [c.channel_id for c in db.channels() if not c.is_allowed] == [11]


def test_a_channel_is_quiet_until_then_and_keeps_that(db: Database) -> None:
    general = ChannelRecord(10, 1, "The Lantern", "general")
    db.upsert_channels([general])
    assert (db.quiet_until(10), db.quiet_until(99)) == (0, 0)
    db.set_quiet(general, START_MS)
    db.upsert_channels([ChannelRecord(10, 1, "The Lantern", "renamed")])
    assert db.quiet_until(10) == START_MS
    assert db.channel(10) == ChannelRecord(10, 1, "The Lantern", "renamed")
    db.set_quiet(ChannelRecord(10, 1, "", ""), 0)
    assert db.quiet_until(10) == 0
    assert db.channel(10) == ChannelRecord(10, 1, "The Lantern", "renamed")


def test_a_channel_that_is_not_known_is_quiet_too(db: Database) -> None:
    db.set_quiet(ChannelRecord(99, 1, "", ""), START_MS)
    assert db.quiet_until(99) == START_MS
    hall = ChannelRecord(99, 1, "The Lantern", "hall", parent_id=10)
    db.upsert_channels([hall])
    assert (db.quiet_until(99), db.channel(99)) == (START_MS, hall)


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


def test_statistics_are_counted_and_trimmed_but_marks_stay(db: Database) -> None:
    for offset in range(5):
        db.add_statistic("identify", 1.0, START_MS + offset)
        db.add_statistic("up_s", 60.0, START_MS + offset)
    db.add_statistic("env_seeded:DISCORD_SERVER_ID", 1.0, 1)
    assert len(db.statistics_since("identify", START_MS + 1)) == 4
    assert len(db.statistics_since("error", 0)) == 0
    assert db.trim_statistics(START_MS + 3) == 6
    assert [at for at, _ in db.statistics_since("up_s", 0)] == [START_MS + 3, START_MS + 4]
    assert len(db.statistics_since("env_seeded:DISCORD_SERVER_ID", 0)) == 1


def said(message_id: int | None, text: str, channel_id: int = 1, role: str = "said") -> ContextLine:
    return ContextLine(channel_id, role, "Mira", text, START_MS, message_id)


def test_the_transcript_is_kept_in_order(db: Database) -> None:
    lines = [said(i, f"line {i}") for i in range(9)] + [said(None, "mine", role="own")]
    elsewhere = said(3, "elsewhere", channel_id=2)
    db.append_context_lines([])
    db.append_context_lines(lines[:4])
    db.append_context_lines([lines[4], elsewhere, *lines[5:]])
    assert db.context(1, 3) == lines[-3:]
    assert db.context(1, 100) == lines
    assert db.context(2, 100) == [elsewhere]


def test_a_transcript_is_cut_once_it_is_a_quarter_too_long(db: Database) -> None:
    db.append_context_lines([said(1, "elsewhere", channel_id=2)])
    lengths = []
    for i in range(30):
        db.append_context_lines([said(i, f"line {i}")], keep=8)
        lengths.append(len(db.context(1, 100)))
    assert lengths[:12] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 8, 9]
    assert max(lengths) == 10
    assert [line.text for line in db.context(1, 4)] == [f"line {i}" for i in range(26, 30)]
    db.append_context_lines([said(i, "at once") for i in range(100, 150)], keep=8)
    assert len(db.context(1, 100)) == 8
    assert len(db.context(2, 100)) == 1


def test_an_edit_changes_the_line_and_leaves_notes_and_others(db: Database) -> None:
    note = said(1, "mira said: fixd", role="note")
    db.append_context_lines([said(1, "fixd"), said(2, "other"), note])
    assert db.replace_context(1, "fixed") == 1
    assert db.replace_context(99, "nowhere") == 0
    assert [line.text for line in db.context(1, 9)] == ["fixed", "other", "mira said: fixd"]


def test_what_somebody_said_leaves_all_transcripts(db: Database) -> None:
    db.upsert_messages([message(i, author_id=7 + i % 2) for i in range(1, 5)])
    lines = [said(i, f"line {i}", channel_id=1 + i % 3) for i in range(1, 5)]
    db.append_context_lines([*lines, said(1, "eight said", role="note"), said(None, "mine")])
    assert db.drop_context_of_author(8) == {1, 3}
    assert db.drop_context_of_author(8) == set()
    left = [line.text for channel in (1, 2, 3) for line in db.context(channel, 9)]
    assert sorted(left) == ["line 2", "line 4", "mine"]


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


def test_a_channels_own_settings(db: Database) -> None:
    assert db.channel_config_rows() == {}
    db.set_channel_config(2**62, "response_rate", " 0.90 ")
    db.set_channel_config(2**62, "lurk", "yes")
    db.set_channel_config(5, "response_rate", "0")
    db.set_channel_config(2**62, "response_rate", "0.8")
    assert db.channel_config_rows() == {
        2**62: {"response_rate": "0.8", "lurk": "on"},
        5: {"response_rate": "0.0"},
    }
    assert db.config_rows().get("response_rate") is None
    db.set_channel_config(2**62, "response_rate", None)
    db.set_channel_config(2**62, "response_rate", None)
    db.set_channel_config(5, "response_rate", None)
    assert db.channel_config_rows() == {2**62: {"lurk": "on"}}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("response_rate", "9", "from 0.0 to 1.0"),
        ("temprature", "0.5", "There is no setting"),
        ("temprature", None, "There is no setting"),
        ("temperature", "0.5", "the same in all channels"),
    ],
)
def test_what_a_channel_cannot_have_of_its_own(
    db: Database, name: str, text: str | None, says: str
) -> None:
    with pytest.raises(SettingError, match=says):
        db.set_channel_config(5, name, text)
    assert db.channel_config_rows() == {}
