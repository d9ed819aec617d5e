"""Backups: made beside a writer, verified, rotated, encrypted; restored; and what is erased."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import sys
import threading
import time
import zipfile
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from filelock import FileLock

from data import backup
from data.backup import (
    Backup,
    BackupError,
    create,
    erase_from_backups,
    list_backups,
    rotated,
    verify,
)
from data.backup_archive import BackupDamagedError, Contents, read_contents
from data.backup_key import VARIABLE, Opener, PassphraseError, key_file, make_key
from data.emoji_weights import table_of
from data.erased import Erased
from data.restoring import restore
from storage.database import Database
from storage.manifest import sha256_file, write_manifest
from storage.model_registry import ModelRegistry
from storage.paths import Home
from storage.records import ChannelRecord, MemberRecord
from tests.storage.rows import message, version

WORDS = "a marker 7f3c0a that is not to be found again"
PASSPHRASE = "four words are enough"
MIRA, BOB = 10**17 + 1, 10**17 + 2


def fill(home: Home) -> None:
    """Two members, a deployed model with its manifest, an embedder."""
    home.ensure()
    folder = home.finetuned / "first"
    folder.mkdir(parents=True)
    (folder / "first.gguf").write_bytes(b"G" * 3_000_000)
    write_manifest(folder, "gguf", {}, {})
    home.embedder.mkdir(parents=True)
    (home.embedder / "mini.gguf").write_bytes(b"E" * 2_000_000)
    write_manifest(home.embedder, "embedder", {}, {})
    with Database.open(home.database, backups=home.backups) as database:
        database.upsert_channels([ChannelRecord(1, 9, "The Lantern", "general")])
        database.upsert_members(
            [MemberRecord(MIRA, "mira", "mira"), MemberRecord(BOB, "bob", "bob")]
        )
        database.upsert_messages([message(n, f"line {n}", author_id=BOB) for n in range(1, 200)])
        database.upsert_messages([message(900 + n, WORDS, author_id=MIRA) for n in range(20)])
        database.set_config("response_rate", "0.5")
        registry = ModelRegistry(database, home)
        path = folder / "first.gguf"
        values = {"sha256": sha256_file(path), "size_bytes": path.stat().st_size}
        registry.register(version("first", gguf_path=home.relative(path), **values))
        registry.deploy("first")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    fill(home)
    return home


def rows(home: Home) -> dict[str, int]:
    return backup.figures_of(home.database)[1]


def everything(folder: Path) -> bytes:
    """All bytes below a folder, of zips the members too."""
    found = b""
    for path in (p for p in folder.rglob("*") if p.is_file()):
        found += path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                found += b"".join(archive.read(name) for name in archive.namelist())
    return found


def test_a_deleted_home_comes_back(home: Home, tmp_path: Path) -> None:
    before, key = rows(home), b"k" * 32
    home.tombstone_key.write_bytes(key)
    table_of(home).write_text("emoji,names,weight\n,soup_no,-1\n")
    (home.root / "personas").mkdir()
    (home.root / "personas" / "grump.txt").write_text("You are grumpy.")
    home.env_file.write_text("DISCORD_BOT_TOKEN=a-secret-token")
    made = create(home)
    assert made.verified_at_ms
    assert made.contents is not None
    assert (made.contents.messages, made.contents.deployed) == (219, "first")
    kept = tmp_path / "elsewhere"
    shutil.copytree(home.backups, kept)
    assert b"a-secret-token" not in everything(kept)
    shutil.rmtree(home.root)
    done = restore(kept / made.path.name, home)
    assert rows(home) == before
    assert home.tombstone_key.read_bytes() == key
    assert "soup_no" in table_of(home).read_text()
    assert (home.root / "personas" / "grump.txt").read_text() == "You are grumpy."
    assert any("token" in remark for remark in done.remarks)
    with Database.open(home.database) as database:
        assert database.config_rows()["response_rate"] == "0.5"
        registry = ModelRegistry(database, home)
        assert registry.verify("first").status == "deployed"
    assert (home.embedder / "mini.gguf").stat().st_size == 2_000_000


def test_a_writer_goes_on_and_the_backup_is_of_one_moment(home: Home) -> None:
    stop = threading.Event()

    def write() -> None:
        with Database.open(home.database) as database:
            number = 10_000
            while not stop.is_set():
                database.upsert_messages([message(number + n, "together") for n in range(10)])
                number += 10

    writer = threading.Thread(target=write)
    writer.start()
    try:
        archives = [create(home) for _ in range(3)]
    finally:
        stop.set()
        writer.join()
    counts = [one.contents.messages for one in archives if one.contents]
    assert all((count - 219) % 10 == 0 for count in counts)
    assert counts == sorted(counts)


def test_a_model_is_stored_once_and_goes_with_the_last_archive(home: Home) -> None:
    for _ in range(3):
        create(home)
    models = home.backups / "models"
    assert len(list(models.iterdir())) == 2  # the model and the embedder
    assert sum(p.stat().st_size for p in home.backups.glob("*.zip")) < 1_000_000
    without = create(home, with_model=False)
    assert without.contents is not None
    assert not without.contents.blobs
    for one in list_backups(home):
        if one.path != without.path:
            one.path.unlink()
    create(home, with_model=False)
    assert list(models.iterdir()) == []


def test_damage_is_told_from_what_is_whole(home: Home) -> None:
    made = create(home)
    assert verify(home, made.path, Opener(None)).messages == 219
    model = next((home.backups / "models").iterdir())
    whole = model.read_bytes()
    model.write_bytes(whole[:-1] + b"x")
    with pytest.raises(BackupDamagedError, match="damaged"):
        verify(home, made.path, Opener(None))
    model.unlink()
    with pytest.raises(BackupDamagedError, match="missing"):
        verify(home, made.path, Opener(None))
    model.write_bytes(whole)
    content = bytearray(made.path.read_bytes())
    for place in range(100, len(content), 997):
        broken = bytearray(content)
        broken[place] ^= 0xFF
        made.path.write_bytes(broken)
        try:
            verify(home, made.path, Opener(None))
        except BackupDamagedError:
            continue
        with zipfile.ZipFile(made.path) as archive:  # a date, a flag: nothing that counts
            assert archive.testzip() is None
    made.path.write_bytes(b"")
    (one,) = list_backups(home)
    assert one.contents is None
    assert not list(home.backups.glob(".making-*"))


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "models/../../x", "C:/x", "bot/main.py"]
)
def test_an_archive_stays_in_its_home(home: Home, name: str) -> None:
    made = create(home, with_model=False)
    with zipfile.ZipFile(made.path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    manifest["entries"][name] = {"sha256": "0" * 64, "size_bytes": 1}
    with zipfile.ZipFile(made.path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr(name, "x")
    with pytest.raises(BackupDamagedError):
        read_contents(made.path)


def on_another_day(home: Home, monkeypatch: pytest.MonkeyPatch) -> Backup:
    """A backup of tomorrow: of one day only the last is kept."""
    tomorrow_ms = time.time_ns() // 1_000_000 + 86_400_000
    with monkeypatch.context() as patch:
        patch.setattr(backup, "_now_ms", lambda: tomorrow_ms)
        return create(home)


def test_an_encrypted_one_opens_with_its_passphrase_alone(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PassphraseError, match="10 characters"):
        make_key(home, "short")
    make_key(home, PASSPHRASE)
    made = create(home)
    assert made.contents is not None
    assert made.contents.is_encrypted
    assert made.contents.messages == 219
    seen = everything(home.backups)
    assert b"SQLite format 3" not in seen
    assert b"GGGGGGGG" not in seen
    assert PASSPHRASE.encode() not in everything(home.root)
    with pytest.raises(PassphraseError, match="is encrypted"):
        restore(made.path, Home(tmp_path / "new"))
    with pytest.raises(PassphraseError, match="not the passphrase"):
        restore(made.path, Home(tmp_path / "new"), opener=Opener("some other words"))
    assert not (tmp_path / "new" / "data_storage" / "database" / "mynah.db").exists()
    opener = Opener(PASSPHRASE)  # opens the key once, which is meant to cost a second
    assert verify(home, made.path, opener).messages == 219
    restore(made.path, Home(tmp_path / "new"), opener=opener)
    assert rows(Home(tmp_path / "new")) == rows(home)
    assert (Home(tmp_path / "new").finetuned / "first" / "first.gguf").stat().st_size == 3_000_000
    assert key_file(Home(tmp_path / "new")).is_file()  # and the next ones are encrypted too
    make_key(home, "another passphrase")
    second = on_another_day(home, monkeypatch)
    restore(second.path, Home(tmp_path / "b"), opener=Opener("another passphrase"))
    restore(made.path, Home(tmp_path / "a"), opener=opener)


def test_what_is_encrypted_and_damaged_is_damaged(home: Home) -> None:
    make_key(home, PASSPHRASE)
    made = create(home)
    opener = Opener(PASSPHRASE)
    model = max((home.backups / "models").iterdir(), key=lambda path: path.stat().st_size)
    for path in (made.path, model):
        whole = path.read_bytes()
        content = bytearray(whole)
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(BackupDamagedError, match=path.name):
            verify(home, made.path, opener)
        path.write_bytes(whole)
    verify(home, made.path, opener)


def test_one_odd_file_does_not_hide_the_others(home: Home) -> None:
    made = create(home)
    content = bytearray(made.path.read_bytes())
    content[-10:-6] = b"\xff\xff\xff\x00"  # the directory's size: zipfile seeks before byte 0
    (home.backups / "mynah-20260101-000000.zip").write_bytes(content)
    (home.backups / "mynah-20269999-999999.zip").write_bytes(made.path.read_bytes()[:500])
    assert [one.contents is None for one in list_backups(home)] == [True, True, False]


def test_a_wrong_clock_costs_no_backup(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    later_ms = time.time_ns() // 1_000_000 + 1
    with monkeypatch.context() as patch:
        patch.setattr(backup, "_now_ms", lambda: later_ms + 3_600_000)
        create(home, days=1, weeks=0)
    made = create(home, days=1, weeks=0)
    assert made.path.is_file()
    assert backup.newest_ms(home) == made.at_ms  # the one of the future makes nobody wait


def test_folders_that_are_links_are_backed_up(home: Home, tmp_path: Path) -> None:
    for folder in (home.data_storage, home.embedder):
        elsewhere = tmp_path / f"{folder.name}-elsewhere"
        folder.rename(elsewhere)
        folder.symlink_to(elsewhere, target_is_directory=True)
    home.tombstone_key.write_bytes(b"k" * 32)
    made = create(home)
    assert made.contents is not None
    assert {"data_storage/tombstone.key", "models/embedder/manifest.json"} <= {
        *made.contents.entries
    }
    assert "models/embedder/mini.gguf" in made.contents.blobs
    restore(made.path, Home(tmp_path / "new"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_a_name_that_not_every_system_has_is_a_sentence(home: Home) -> None:
    (home.root / "personas").mkdir()
    (home.root / "personas" / "a:b.txt").write_text("You are grumpy.")
    with pytest.raises(BackupError, match=r"personas/a:b.txt cannot be in a backup"):
        create(home)


def test_rotation_keeps_seven_days_and_four_weeks() -> None:
    contents = Contents(0, "", "", {}, {})
    now = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)

    def at(hours: int) -> Backup:
        at_ms = int((now - timedelta(hours=hours)).timestamp() * 1000)
        return Backup(Path(f"{hours:05}.zip"), at_ms, 1, contents, None)

    hourly = [at(hours) for hours in range(0, 24 * 60, 6)]
    gone = rotated(hourly, 7, 4)
    left = [one for one in hourly if one not in gone]
    assert len({one.at_ms // 86_400_000 for one in left}) == len(left) <= 7 + 4
    assert hourly[0] in left
    assert len(left) == 9  # seven days, which end two of the weeks, and the two weeks before
    assert rotated(left, 7, 4) == []
    assert rotated([at(1)], 1, 0) == []
    unreadable = Backup(Path("x.zip"), 0, 1, None, None)
    assert unreadable not in rotated([*hourly, unreadable], 1, 0)


def test_what_is_erased_leaves_the_archives(
    home: Home, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = create(home)
    make_key(home, PASSPHRASE)
    encrypted = on_another_day(home, monkeypatch)
    with Database.open(home.database) as database:
        erasure = database.begin_forgetting(MIRA, "test", 1)
        database.forget_member(erasure)
        erased = Erased(frozenset({MIRA}), erasure.message_ids, frozenset({"mira"}))
        database.end_erasures([erasure.erasure_id])
        database.scrub()
    (home.backups / ".making-left").mkdir()  # what a kill left
    (home.backups / ".making-left" / "copy.db").write_text(WORDS)
    copy = home.backups / f"{old.path.stem} (1).zip"  # which no list shows
    shutil.copyfile(old.path, copy)
    (home.backups / "holidays.zip").write_bytes(b"PK, or not")
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    assert erase_from_backups(home, erased) == 3
    copy.unlink()
    assert (home.backups / "holidays.zip").is_file()
    assert erase_from_backups(home, erased) == 0  # nothing is left to do
    assert WORDS.encode() not in everything(home.root)
    for path, opener in ((old.path, Opener(None)), (encrypted.path, Opener(PASSPHRASE))):
        contents = verify(home, path, opener)
        assert contents.messages == 199
        other = Home(tmp_path / path.stem)
        restore(path, other, opener=opener)
        assert other.tombstone_key.read_bytes() == home.tombstone_key.read_bytes()
        with Database.open(other.database) as database:
            assert database.is_forgotten(MIRA)
            assert database.upsert_messages([message(950, WORDS, author_id=MIRA)]).forgotten == 1
    monkeypatch.delenv(VARIABLE)
    more = Erased(frozenset({BOB}), frozenset({1}), frozenset({"bob"}))
    with caplog.at_level(logging.WARNING):
        assert erase_from_backups(home, more) == 2
    assert [one.path for one in list_backups(home)] == [old.path]
    assert f"{encrypted.path.name} was removed" in caplog.text
    assert erase_from_backups(home, Erased()) == 0


def test_what_was_asked_for_since_holds_after_a_restore(home: Home, tmp_path: Path) -> None:
    with Database.open(home.database) as database:
        registry = ModelRegistry(database, home)
        registry.record_evaluation("first", "audit", None, None, True, {}, "")
    made = create(home)
    kept = tmp_path / "stick"
    home.backups.rename(kept)  # out of the reach of erase_from_backups
    with Database.open(home.database) as database:
        erasure = database.begin_forgetting(MIRA, "test", 1)
        database.forget_member(erasure)
        database.end_erasures([erasure.erasure_id])
        stranger = database.begin_forgetting(MIRA + 77, "test", 2)  # whom the backup never knew
        database.end_erasures([stranger.erasure_id])
        database.set_consent(BOB, "opted_out", 5)
        registry = ModelRegistry(database, home)
        registry.record_evaluation("first", "audit", None, None, False, {"spans": 2}, "")
        database.mark_deleted([3], 6)
        database.end_erasures([e.erasure_id for e in database.erasures()])
    with pytest.raises(BackupError, match="not empty"):
        restore(kept / made.path.name, home)
    done = restore(kept / made.path.name, home, replace=True)
    assert (done.forgotten, done.deleted) == (1, 1)
    assert done.aside is not None
    assert done.aside.parent == home.backups
    assert WORDS.encode() not in everything(home.root)
    with Database.open(home.database) as database:
        assert database.is_forgotten(MIRA)
        assert database.is_forgotten(MIRA + 77)
        bob = database.member(BOB)
        assert bob is not None
        assert (bob.consent, bob.consent_at_ms) == ("opted_out", 5)
        tested = database.evaluations("first")
        assert [(one.passed, one.figures) for one in tested] == [(True, {}), (False, {"spans": 2})]
        assert database.messages_by_id([3])[0].deleted_at_ms is not None
        assert database.messages_by_id([4])[0].content == "line 4"
        assert database.has_erasures()  # the next start sees to what was derived


def test_a_home_that_was_told_nothing_takes_back_no_answer(home: Home) -> None:
    """As in one that was begun anew, where the bot has read along already."""
    with Database.open(home.database) as database:
        database.set_consent(BOB, "opted_out", 5)
    made = create(home)
    with Database.open(home.database) as database:
        database.set_consent(BOB, "unset", 0)
        database.upsert_members([MemberRecord(BOB + n, f"new{n}", f"new{n}") for n in (1, 2, 3)])
        database.set_consent(BOB + 1, "opted_out", 9)
        database.set_excluded(BOB + 2, True)
    restore(made.path, home, replace=True)
    with Database.open(home.database) as database:
        members = {member.member_id: member for member in database.members()}
    assert (members[BOB].consent, members[BOB].consent_at_ms) == ("opted_out", 5)
    assert (members[BOB + 1].consent, members[BOB + 1].consent_at_ms) == ("opted_out", 9)
    assert members[BOB + 2].is_excluded
    assert BOB + 3 not in members


def test_a_log_without_its_database_is_not_played_into_the_restored_one(home: Home) -> None:
    made = create(home)
    before = rows(home)
    log = home.database.with_name(f"{home.database.name}-wal")
    with Database.open(home.database) as database:
        database.upsert_messages([message(n, f"line {n}") for n in range(2000, 2100)])
        left = log.read_bytes()
    assert left
    home.database.unlink()
    log.write_bytes(left)
    restore(made.path, home, replace=True)
    assert rows(home) == before


def test_one_of_a_newer_mynah_is_a_sentence(home: Home, tmp_path: Path) -> None:
    made = create(home, with_model=False)
    newer = made.path.with_name("newer.zip")
    with zipfile.ZipFile(made.path) as old, zipfile.ZipFile(newer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "manifest.json":
                content = json.dumps({**json.loads(content), "revision": "9999"}).encode()
            new.writestr(name, content)
    with pytest.raises(BackupError, match=r"newer.zip was made by a newer Mynah .*: update"):
        restore(newer, Home(tmp_path / "new"))
    with pytest.raises(BackupError, match="newer Mynah"):
        verify(home, newer, Opener(None))
    assert not Home(tmp_path / "new").database.exists()


def test_what_a_killed_restore_left_is_no_home(home: Home, tmp_path: Path) -> None:
    made = create(home)
    new = Home(tmp_path / "new").ensure()
    left = new.data_storage / ".making-0a1b2c3d"
    left.mkdir()
    (left / "mynah.db").write_text(WORDS)
    restore(made.path, new)
    assert rows(new) == rows(home)
    assert not left.exists()


def test_a_damaged_home_is_restored(home: Home) -> None:
    made = create(home)
    before = rows(home)
    content = bytearray(home.database.read_bytes())
    content[0:4096] = b"\xa5" * 4096
    home.database.write_bytes(content)
    done = restore(made.path, home, replace=True)
    assert rows(home) == before
    assert done.aside is not None
    assert done.aside.read_bytes() == content
    assert any("could not be read" in remark for remark in done.remarks)


def test_no_restore_beside_a_bot_nor_into_somebodys_folder(home: Home, tmp_path: Path) -> None:
    made = create(home)
    with FileLock(home.bot_lock), pytest.raises(BackupError, match="stop it first"):
        restore(made.path, home, replace=True)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to_mother.txt").write_text("dear mother")
    with pytest.raises(BackupError, match="to_mother"):
        restore(made.path, Home(tmp_path / "letters"))
    assert [p.name for p in (tmp_path / "letters").iterdir()] == ["to_mother.txt"]


def test_a_model_from_elsewhere_lies_in_the_home_afterwards(home: Home, tmp_path: Path) -> None:
    outside = tmp_path / "outside.gguf"
    outside.write_bytes(b"O" * 2_000_000)
    with Database.open(home.database) as database:
        registry = ModelRegistry(database, home)
        values = {"sha256": sha256_file(outside), "size_bytes": 2_000_000}
        registry.register(version("outside", gguf_path=str(outside), **values))
        registry.deploy("outside")
    made = create(home)
    outside.unlink()
    restore(made.path, home, replace=True)
    with Database.open(home.database) as database:
        registry = ModelRegistry(database, home)
        verified = registry.verify("outside")
        assert verified.gguf_path == "models/finetuned/outside/outside.gguf"


def test_too_little_room_is_said_with_figures(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(home.root)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(BackupError, match=r"needs about \d+ MB .* has 1 MB free"):
        create(home)
    assert list_backups(home) == []


def test_a_model_that_changed_on_the_disk_is_not_backed_up(home: Home) -> None:
    (home.finetuned / "first" / "first.gguf").write_bytes(b"x" * 3_000_000)
    with pytest.raises(BackupError, match="not the file that was registered"):
        create(home)
    assert list_backups(home) == []
    assert create(home, with_model=False).contents


def test_a_home_without_a_database_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no database yet"):
        create(Home(tmp_path))
    with closing(sqlite3.connect(tmp_path / "x.db")):
        pass
