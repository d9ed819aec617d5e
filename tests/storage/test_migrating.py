"""Migrations from a blank, older and half-migrated files; backups; two processes at once."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from storage.database import Database, DatabaseError
from storage.migrating import MIGRATIONS_DIR, back_up
from storage.paths import PROGRAM_DIR
from storage.records import MessageKind, Reaction, VerdictRow
from storage.schema import HEAD, metadata
from tests.storage.rows import message

FIXTURES = Path(__file__).parent / "fixtures"
OLDER = ("0001", "0002", "0003", "0004", "0005")

# A process that dies in the middle of a migration: a table is made, nothing committed.
DIE_IN_MIGRATION = """
import os, sys
from pathlib import Path
from sqlalchemy import Engine, event
from storage.database import Database

@event.listens_for(Engine, "after_cursor_execute")
def die(connection, cursor, statement, parameters, context, executemany):
    if sys.argv[3] in statement:
        names = {row[0] for row in cursor.execute("SELECT name FROM sqlite_master")}
        print(sys.argv[4] in names, flush=True)
        os._exit(137)

Database.open(Path(sys.argv[1]), backups=Path(sys.argv[2]))
"""

OPEN_AND_SAY = """
import sys
from pathlib import Path
from storage.database import Database
print("ready", flush=True)
sys.stdin.readline()
with Database.open(Path(sys.argv[1]), backups=Path(sys.argv[2])) as db:
    print(len(list(db.messages(include_deleted=True))), flush=True)
"""


LAST_STEP = ("INDEX evaluations_of", "evaluations")
"""What the newest revision makes late, and a table that it has made by then."""


def made(revision: str, folder: Path) -> Path:
    """A file as that revision left it."""
    path = folder / "database" / "mynah.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        script = FIXTURES / f"revision_{revision}.sql"
        connection.executescript(script.read_text(encoding="utf-8"))
    return path


@pytest.fixture
def oldest(tmp_path: Path) -> Path:
    return made(OLDER[0], tmp_path)


def revision(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def schema(path: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {(name, " ".join(sql.split())) for name, sql in rows}


def start(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=PROGRAM_DIR,
        env={**os.environ, "PYTHONPATH": str(PROGRAM_DIR)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_old_rows(db: Database) -> None:
    first, second, gone = db.messages(include_deleted=True)
    assert (first.content, first.reactions) == ("anyone up for the raid?", (Reaction("🔥", 2),))
    assert (second.kind, second.reply_to_id) == (MessageKind.REPLY, 1001)
    assert (second.mentioned_ids, second.attachment_names) == ((7,), ("map.png",))
    assert (gone.content, gone.deleted_at_ms) == ("", 1600000180000)
    assert [i for i, _ in db.search_text("raiding", 5)] == [1001]  # by stems, since 0005
    assert [m.is_excluded for m in db.members()] == [False, True]
    assert db.members()[0].consent == "opted_in"
    assert db.config_rows()["temperature"] == "0.5"
    assert [line.text for line in db.context(100, 5)] == ["anyone up for the raid?"]
    assert db.statistics_since("reply_s", 0) == [(1600000000000, 2.5)]
    assert [v.status for v in db.model_versions()] == ["deployed", "candidate"]
    assert db.model_versions()[1].parents == ("demo-base",)


def test_head_is_the_newest_revision() -> None:
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS_DIR))
    settings.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(settings).get_current_head() == HEAD


def test_a_blank_file_gets_the_schema_and_no_backup(tmp_path: Path) -> None:
    with Database.open(tmp_path / "a b%20c" / "mynah.db") as db:
        db.upsert_messages([message(1)])
        assert not (tmp_path / "a b%20c" / "backups").exists()
        with db.reading() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "include_name": lambda name, kind, _: not str(name).startswith("messages_fts")
                },
            )
            assert compare_metadata(context, metadata) == []


def test_an_empty_file_counts_as_blank(tmp_path: Path) -> None:
    (tmp_path / "mynah.db").touch()
    Database.open(tmp_path / "mynah.db").close()
    assert revision(tmp_path / "mynah.db") == HEAD


@pytest.mark.parametrize("old", OLDER)
def test_an_older_file_is_migrated_whole(tmp_path: Path, old: str) -> None:
    path = made(old, tmp_path)
    with Database.open(path, backups=tmp_path / "backups") as db:
        check_old_rows(db)
        assert [d.who for d in db.declarations()] == ([] if old == "0001" else ["ada"])
        # who had declared a ground goes on learning; who had not learns from nobody
        assert db.config_rows().get("consent_mode") == (None if old == "0001" else "declared")
        db.record_declaration("ada", "permission", 1)
        (first,) = db.deployment_history()  # what was deployed before is known to have run
        assert (first.version_id, first.is_on_trial) == ("demo-base", False)
        assert db.how_rehearsed("demo-base") == (
            "accepted 18 of 20 (70-97%)" if old == "0005" else ""
        )
        db.set_model_status("lantern-1", "deployed", 1_700_000_000_000)
        assert db.roll_back_model(1_700_000_000_001).version_id == "demo-base"
        assert db.quiet_until(100) == 0
        db.record_verdicts([VerdictRow(1001, 100, 1, "silent", "chance said no")])
        assert db.cursor("live", 100) == 1001
        # whose bot spoke in public already goes on
        assert db.config_rows().get("speaks_in_public") == ("on" if old >= "0004" else None)
        assert [channel.readers for channel in db.channels()] == [None]
        assert db.channel_config_rows() == {}
    Database.open(tmp_path / "new.db").close()
    assert schema(path) == schema(tmp_path / "new.db")


@pytest.mark.parametrize(("channel_id", "speaks"), [(50 << 22, "on"), (10, None)])
def test_a_bot_that_last_spoke_long_ago_goes_on(
    tmp_path: Path, channel_id: int, speaks: str | None
) -> None:
    """Verdicts are kept for a month. What it said in the playground is nothing in public."""
    path = made("0004", tmp_path)
    with closing(sqlite3.connect(path)) as old:
        old.execute("DELETE FROM verdicts")
        old.execute(
            "INSERT INTO conversation_context (channel_id, role, name, text, at_ms, message_id) "
            "VALUES (?, 'own', '', 'me', 1600000000000, 9)",
            (channel_id,),
        )
        old.commit()
    with Database.open(path, backups=tmp_path / "backups") as db:
        assert db.config_rows().get("speaks_in_public") == speaks


def test_what_was_stored_before_is_found_by_stems_afterwards(tmp_path: Path) -> None:
    path = made("0004", tmp_path)
    said = [(f"we waited {word} the dragons", n) for n, word in enumerate(("ärger", "it"), 2001)]
    with closing(sqlite3.connect(path)) as old:
        old.executemany(
            "INSERT INTO messages (message_id, channel_id, author_id, content, created_at_ms, "
            "origin, kind) VALUES (?2, 100, 7, ?1, 1600000000000, 'sample', 'default')",
            said,
        )
        old.executemany("INSERT INTO messages_fts (content, rowid) VALUES (?1, ?2)", said)
        old.commit()
        waiting = "SELECT rowid FROM messages_fts WHERE messages_fts MATCH 'waiting'"
        assert old.execute(waiting).fetchall() == []
    with Database.open(path, backups=tmp_path / "backups") as db:
        assert {i for i, _ in db.search_text("waiting", 5)} == {2001, 2002}
        assert [i for i, _ in db.search_text("Arger", 5)] == [2001]
        db.mark_deleted([2001], 1_700_000_000_000)
        assert [i for i, _ in db.search_text("dragon", 5)] == [2002]
        db.scrub()
        with db.writing() as connection:
            connection.exec_driver_sql(
                "INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)"
            )
    assert "ärger".encode() not in path.read_bytes()
    assert b"arger" not in path.read_bytes()


def test_there_is_a_file_of_each_older_revision() -> None:
    numbers = sorted(p.name[:4] for p in (MIGRATIONS_DIR / "versions").glob("[0-9]*.py"))
    assert tuple(numbers) == (*OLDER, HEAD)


def test_the_backup_before_a_migration_is_the_old_file_whole(tmp_path: Path, oldest: Path) -> None:
    Database.open(oldest, backups=tmp_path / "backups").close()
    (backup,) = (tmp_path / "backups").iterdir()
    assert backup.name.endswith(f"-before-{HEAD}.db")
    assert revision(backup) == "0001"
    with Database.open(backup, backups=tmp_path / "other") as db:  # and it can be opened again
        check_old_rows(db)


def test_an_up_to_date_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mynah.db"
    Database.open(path).close()
    before = path.read_bytes()
    Database.open(path).close()
    assert path.read_bytes() == before
    code = (
        "import sys; from pathlib import Path; from storage.database import Database;"
        "Database.open(Path(sys.argv[1])).close(); print('alembic' in sys.modules)"
    )
    out, err = start(code, path).communicate()
    assert out.strip() == "False", err


@pytest.mark.parametrize(
    ("old", "step", "table"),
    [("0001", "COLUMN status_at_ms", "declarations"), ("0001", *LAST_STEP), ("0005", *LAST_STEP)],
)
def test_a_process_that_dies_in_mid_migration_leaves_the_old_file_whole(
    tmp_path: Path, old: str, step: str, table: str
) -> None:
    path = made(old, tmp_path)
    before = schema(path)
    process = start(DIE_IN_MIGRATION, path, tmp_path / "backups", step, table)
    out, err = process.communicate(timeout=30)
    assert (out.strip(), process.returncode) == ("True", 137), err  # it was in the middle
    assert revision(path) == old
    assert schema(path) == before
    with Database.open(path, backups=tmp_path / "backups") as db:
        check_old_rows(db)
    assert revision(path) == HEAD


def test_a_process_that_dies_while_making_a_blank_file_is_made_up_for(tmp_path: Path) -> None:
    path = tmp_path / "mynah.db"
    process = start(DIE_IN_MIGRATION, path, tmp_path / "backups", *LAST_STEP)
    process.communicate(timeout=30)
    assert process.returncode == 137
    with Database.open(path) as db:
        assert db.upsert_messages([message(1)]).new == 1


@pytest.mark.parametrize("blank", [True, False])
def test_two_processes_that_open_at_once(tmp_path: Path, oldest: Path, blank: bool) -> None:
    path = tmp_path / "new.db" if blank else oldest
    processes = [start(OPEN_AND_SAY, path, tmp_path / "backups") for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    results = [_go(process) for process in processes]
    said = [finish() for finish in results]
    assert said == ["0" if blank else "3"] * 2
    backups = tmp_path / "backups"
    assert len(list(backups.iterdir()) if backups.exists() else []) == (0 if blank else 1)
    assert revision(path) == HEAD


def _go(process: subprocess.Popen[str]) -> Callable[[], str]:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()

    def finish() -> str:
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        return out.strip()

    return finish


def test_a_newer_database_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "mynah.db"
    Database.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
        connection.commit()
    with pytest.raises(DatabaseError, match=r"newer Mynah.*Update Mynah"):
        Database.open(path)
    assert revision(path) == "0999"


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mynah.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    with pytest.raises(DatabaseError, match="not Mynah's"):
        Database.open(path)
    assert schema(path) == {("recipes", "CREATE TABLE recipes (name)")}


def test_without_a_backup_nothing_is_migrated(tmp_path: Path, oldest: Path) -> None:
    in_the_way = tmp_path / "backups"
    in_the_way.write_text("a file where the folder should be")
    with pytest.raises(DatabaseError, match="could not be backed up"):
        Database.open(oldest, backups=in_the_way)
    assert revision(oldest) == "0001"


def test_a_damaged_file_is_not_backed_up_as_if_it_were_whole(tmp_path: Path) -> None:
    path = tmp_path / "mynah.db"
    with Database.open(path) as db:
        db.upsert_messages([message(i, "some words " * 20) for i in range(1, 2000)])
    damaged = bytearray(path.read_bytes())
    damaged[20 * 4096 : 40 * 4096] = b"\xa5" * (20 * 4096)
    path.write_bytes(damaged)
    with pytest.raises(DatabaseError, match=r"damaged|backed up"):
        back_up(path, tmp_path / "backups" / "copy.db")
    assert list((tmp_path / "backups").iterdir()) == []
