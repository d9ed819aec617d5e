"""Forgetting to the last byte: a furnished home, every file of it searched; and a kill anywhere."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from data import forgetting
from data.budget import EstimatedTokenizer
from data.dataset import DatasetOptions, make_dataset
from data.erased import Erased
from data.forgetting import ForgettingBusyError, forget_member, forget_messages, resume
from data.forgetting_files import BeingMadeError, sweep
from data.forgetting_models import taint_if_lost
from data.forgetting_rewrite import holds_one, rewrite
from data.forgetting_rules import Rules
from data.importers.importing import import_paths
from data.personas import PersonaText
from data.restoring import restore
from data.windows import WindowOptions
from model import trained_on
from scripts.bench_forget import NAME, Furnished, furnish, left_over
from storage.database import Database
from storage.manifest import read_manifest, verify_manifest, write_manifest
from storage.migrating import back_up
from storage.model_registry import ModelRegistry, RegistryError
from storage.paths import PROGRAM_DIR, Home
from storage.records import (
    DELETED_MESSAGE,
    FORGOTTEN_MEMBER,
    ChannelRecord,
    MemberRecord,
    MessageRecord,
    Origin,
)
from storage.vectordb import VectorIndex, vector_ids

MESSAGES = 2_000
FORGET = """
import sys
from pathlib import Path
from data.forgetting import forget_member, resume
from storage.database import Database
from storage.paths import Home
home = Home(Path(sys.argv[1]))
with Database.open(home.database, backups=home.backups) as database:
    print("ready", flush=True)
    if database.has_erasures():
        resume(home, database)
    else:
        forget_member(home, database, int(sys.argv[2]), by="test")
    print("done", flush=True)
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Furnished]:
    folder = tmp_path_factory.mktemp("furnished")
    home = Home(folder / "home").ensure()
    with Database.open(home.database, backups=home.backups) as database:
        furnished = furnish(home, database, folder / "exports", MESSAGES)
    return home.root, furnished


@pytest.fixture
def furnished(original: tuple[Path, Furnished]) -> Furnished:
    return original[1]


@pytest.fixture
def home(original: tuple[Path, Furnished], tmp_path: Path) -> Home:
    shutil.copytree(original[0], tmp_path / "home")
    return Home(tmp_path / "home")


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    with Database.open(home.database, backups=home.backups) as database:
        yield database


def check_nothing_is_left(home: Home, furnished: Furnished) -> None:
    wanted = [*furnished.markers, NAME, NAME.lower(), str(furnished.member_id)]
    assert left_over(home, wanted) == []
    assert left_over(home, [str(i) for i in furnished.message_ids]) == []
    assert vector_ids(home.embeddings).isdisjoint(furnished.message_ids)


def test_no_file_holds_a_marker_afterwards(
    home: Home, database: Database, furnished: Furnished
) -> None:
    others = [m for m in database.messages() if m.author_id != furnished.member_id]
    vectors = len(vector_ids(home.embeddings))
    assert len(left_over(home, furnished.markers)) >= 18
    reader = VectorIndex(home.embeddings, 384, repair=False)  # as a running bot has one
    report = forget_member(home, database, furnished.member_id, by="test")
    assert report.unfinished == {}
    assert report.messages == len(furnished.markers) == 100
    check_nothing_is_left(home, furnished)
    assert database.erasures() == []

    # What is not theirs stays, but for them as mentioned.
    left = list(database.messages())
    assert [m.message_id for m in left] == [m.message_id for m in others]
    assert [m.content for m in left] == [m.content for m in others]
    assert any(m.mentioned_ids for m in others)
    assert not any(m.mentioned_ids for m in left)
    assert reader.count() == vectors - 100
    verify_manifest(home.datasets / "default")
    made = read_manifest(home.datasets / "default")
    assert made is not None
    text = (home.datasets / "default" / "training_data.jsonl").read_text(encoding="utf-8")
    assert made.counts["training"] == len(text.splitlines()) > 10
    pairs = (home.datasets / "pairs" / "pairs.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["chosen"] for line in pairs.splitlines()] == ["kept"]
    sheet = json.loads((home.data_storage / "reports" / "sheet.json").read_text())
    assert sheet == {"rows": [{"text": "kept"}]}
    assert (home.messages / "table.csv").read_text().splitlines()[1:] == ["7,bob,kept"]
    export = json.loads((home.messages / "put-c0.json").read_text(encoding="utf-8"))
    assert 300 < len(export["messages"]) < 400
    assert all(m["mentions"] == [] for m in export["messages"])
    (copy,) = home.backups.glob("*.db")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM messages").fetchone() == (len(others),)
        assert len(connection.execute("SELECT * FROM tombstones").fetchall()) == 2


def test_nothing_comes_back(home: Home, database: Database, furnished: Furnished) -> None:
    forget_member(home, database, furnished.member_id, by="test")
    summary = import_paths(
        database, furnished.exports, origin=Origin.EXPORT, quarantine=home.quarantine
    )
    assert summary.new == 0
    shutil.rmtree(home.quarantine)  # the import's own report of what it cannot use
    said = MessageRecord(
        max(furnished.message_ids) + 1, 10, furnished.member_id,
        furnished.markers[0], 1, Origin.DISCORD_API,
    )  # fmt: skip
    other = replace(said, message_id=said.message_id + 1, author_id=1 << 60, content="hello",
                    mentioned_ids=(furnished.member_id, 1 << 61))  # fmt: skip
    people = [MemberRecord(furnished.member_id, "q", NAME), MemberRecord(1 << 60, "b", "B")]
    count = database.store_messages([ChannelRecord(10, 1, "g", "c")], people, [said, other])
    assert (count.new, count.forgotten) == (1, 1)
    assert database.upsert_members(people).forgotten == 1
    (stored,) = database.messages_by_id([other.message_id])
    assert stored.mentioned_ids == (1 << 61,)
    assert database.member(furnished.member_id) is None
    check_nothing_is_left(home, furnished)


def test_a_model_that_learned_from_them_answers_no_more(
    home: Home, database: Database, furnished: Furnished
) -> None:
    registry = ModelRegistry(database, home)
    assert registry.get("tainted").status == "deployed"
    report = forget_member(home, database, furnished.member_id, by="test")
    assert [(one.version_id, one.because) for one in report.tainted] == [
        ("tainted", FORGOTTEN_MEMBER)
    ]
    assert report.answers_now == "clean"
    assert registry.get("clean").status == "deployed"
    version = registry.get("tainted")
    assert version.retrain_by_ms is not None
    days = (version.retrain_by_ms - time.time() * 1000) / 86_400_000
    assert 29.9 < days <= 30
    with pytest.raises(RegistryError, match="defer tainted"):
        registry.deploy("tainted")
    database.defer_model("tainted", "ada", "retrained on Sunday", 5)
    assert registry.deploy("tainted").deferred_by == "ada"
    assert registry.get("clean").tainted_at_ms is None


def test_one_that_was_deferred_goes_on(
    home: Home, database: Database, furnished: Furnished
) -> None:
    database.defer_model("tainted", "ada", "the guild wars end on Sunday", 5)
    report = forget_member(home, database, furnished.member_id, by="test")
    assert report.answers_now == ""
    assert [one.version_id for one in report.tainted] == ["tainted"]
    assert ModelRegistry(database, home).get("tainted").status == "deployed"


def test_without_another_version_the_small_base_answers(
    home: Home, database: Database, furnished: Furnished
) -> None:
    registry = ModelRegistry(database, home)
    registry.path(registry.get("clean")).write_bytes(b"another file")
    report = forget_member(home, database, furnished.member_id, by="test")
    assert report.answers_now.startswith("demo-base-")


def test_a_model_of_which_it_is_not_known_is_taken_for_one(
    home: Home, database: Database, furnished: Furnished
) -> None:
    for path in home.models.rglob("trained_on.npz"):
        path.unlink()
    report = forget_member(home, database, furnished.member_id, by="test")
    assert {one.version_id: one.is_known for one in report.tainted} == {
        "clean": False,
        "tainted": False,
    }


def test_a_version_that_was_trained_meanwhile_is_tainted_when_it_is_registered(
    home: Home, database: Database, furnished: Furnished
) -> None:
    folder = home.finetuned / "tainted" / "gguf-1"
    late = (folder / "trained_on.npz").read_bytes()
    forget_member(home, database, furnished.member_id, by="test")
    stripped = trained_on.read(folder)
    assert stripped is not None
    assert stripped.messages.isdisjoint(furnished.message_ids)
    assert stripped.lost == FORGOTTEN_MEMBER  # made from the adapter that lay here meanwhile
    for name, kept in (("as it was", late), ("stripped", (folder / "trained_on.npz").read_bytes())):
        (folder / "trained_on.npz").write_bytes(kept)
        version = replace(
            ModelRegistry(database, home).get("tainted"), version_id=name, status="candidate",
            tainted_at_ms=None, tainted_because="",
        )  # fmt: skip
        database.add_model_version(version)
        assert taint_if_lost(home, database, version).tainted_because == FORGOTTEN_MEMBER


def test_what_was_deleted_on_discord_takes_the_same_path(
    home: Home, database: Database, furnished: Furnished
) -> None:
    ids = sorted(furnished.message_ids)[10:20]
    by_id = {m.message_id: m.content.split()[-1] for m in database.messages_by_id(ids)}
    assert database.mark_deleted(ids[:5], 1) == 5  # as the bot does, at once
    assert database.has_erasures()
    database.mark_deleted(ids[:5], 2)
    assert len(database.erasures()) == 1
    report = forget_messages(home, database, ids[5:])
    assert report.is_done
    assert report.messages == 10
    in_packages = {home.messages / "package.zip"}
    assert {Path(p) for p in left_over(home, list(by_id.values()))} - in_packages == set()
    assert vector_ids(home.embeddings).isdisjoint(ids)
    assert database.member(furnished.member_id) is not None
    assert len(database.messages_by_id(ids)) == 10  # so that no import brings them back
    registry = ModelRegistry(database, home)
    assert registry.get("tainted").tainted_because == DELETED_MESSAGE
    assert registry.get("tainted").status == "deployed"  # that names a date, no more
    assert resume(home, database) == []


def test_a_folder_with_a_manifest_is_whole_wherever_it_is_cut_off(
    home: Home, furnished: Furnished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off before each of its renames, then begun again."""
    folder, real = home.datasets / "default", Path.replace
    rules = Rules(Erased(frozenset({furnished.member_id}), furnished.message_ids))
    before = home.root / "before"
    shutil.copytree(folder, before)
    for cut_at in range(10):
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
        renames = iter(range(cut_at))

        def cut_off(path: Path, target: Path, left: Iterator[int] = renames) -> Path:
            if "default" in str(path) and next(left, None) is None:
                raise KeyboardInterrupt
            return real(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", cut_off)
            try:
                sweep(home.datasets, rules)
                break
            except KeyboardInterrupt:
                pass
        sweep(home.datasets, rules)
        verify_manifest(folder)
        held = b"".join(path.read_bytes() for path in folder.rglob("*"))
        assert not [one for one in furnished.markers if one.encode() in held]
        assert not list(folder.glob(".*"))
    assert cut_at >= 4


@pytest.mark.slow
def test_killed_anywhere_it_is_finished_at_the_next_start(
    original: tuple[Path, Furnished], furnished: Furnished, tmp_path: Path
) -> None:
    """First once uninterrupted, for the time it takes; then killed at points spread over it."""
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM_DIR)}

    def begin(root: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", FORGET, str(root), str(furnished.member_id)],
            cwd=PROGRAM_DIR, env=environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    whole = tmp_path / "whole"
    shutil.copytree(original[0], whole)
    began_s = time.monotonic()
    assert "done" in begin(whole).communicate(timeout=120)[0]
    takes_s = time.monotonic() - began_s
    random.seed(7)
    cut = 0
    for number in range(12):
        home = Home(tmp_path / f"home{number}")
        shutil.copytree(original[0], home.root)
        for _ in range(2):  # and killed again while it finishes
            process = begin(home.root)
            time.sleep(takes_s * (number + random.random()) / 12)
            process.kill()
            out, _ = process.communicate(timeout=60)
            cut += "done" not in out
        with Database.open(home.database, backups=home.backups) as database:
            if not database.is_forgotten(furnished.member_id):
                forget_member(home, database, furnished.member_id, by="test")
            assert all(report.is_done for report in resume(home, database))
            assert database.erasures() == []
        check_nothing_is_left(home, furnished)
        verify_manifest(home.datasets / "default")
        verify_manifest(home.datasets / "pairs")
        shutil.rmtree(home.root)
    assert cut >= 8


def test_what_is_in_use_is_said_and_done_later(
    home: Home, database: Database, furnished: Furnished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "BUILDER_S", 0.1)
    with FileLock(home.data_storage / "embeddings.lock"):
        report = forget_member(home, database, furnished.member_id, by="test")
    assert list(report.unfinished) == ["vectors"]
    assert "being built" in report.unfinished["vectors"]
    assert len(database.erasures()) == 1
    (second,) = resume(home, database)
    assert second.is_done
    check_nothing_is_left(home, furnished)


def test_two_processes_do_not_erase_at_once(
    home: Home, database: Database, furnished: Furnished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "LOCK_S", 0.1)
    with FileLock(home.data_storage / "forgetting.lock"):
        with pytest.raises(ForgettingBusyError):
            forget_member(home, database, furnished.member_id, by="test")
        assert resume(home, database) == []
    assert resume(home, database)[0].is_done


def test_copies_are_found_by_what_they_are_and_know_of_the_taint(
    home: Home, database: Database, furnished: Furnished
) -> None:
    aside = home.database.with_name("mynah.db.bak")
    back_up(home.database, aside)
    (home.backups / "gone.db-wal").write_text(furnished.markers[0])
    shutil.copy(furnished.exports[0], home.data_storage / "loose.json")
    assert forget_member(home, database, furnished.member_id, by="test").is_done
    check_nothing_is_left(home, furnished)
    with closing(sqlite3.connect(aside)) as connection:
        tainted = "SELECT version_id FROM model_versions WHERE tainted_because = ?"
        assert connection.execute(tainted, (FORGOTTEN_MEMBER,)).fetchall() == [("tainted",)]


def test_a_name_is_but_a_word_in_a_models_vocabulary(
    home: Home, database: Database, furnished: Furnished
) -> None:
    folder = home.finetuned / "clean" / "merged"
    folder.mkdir()
    (folder / "merges.txt").write_text(f"t h\nh {NAME}\n")
    write_manifest(folder, "merged", {}, {})
    forget_member(home, database, furnished.member_id, by="test")
    verify_manifest(folder)
    assert NAME in (folder / "merges.txt").read_text()


def test_a_file_in_use_bars_none_of_the_others(
    home: Home, furnished: Furnished, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if Path(target).name in {"table.csv", "training_data.jsonl"}:
            raise PermissionError(13, "it is open in another program", str(target))
        return real(path, target)

    rules = Rules(Erased(frozenset({furnished.member_id}), furnished.message_ids))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        for folder in (home.messages, home.datasets):
            with pytest.raises(PermissionError):
                sweep(folder, rules)
    left = {Path(path).name for path in left_over(home, [str(furnished.member_id)])}
    assert {"put-c2.json", "put-c4.json"}.isdisjoint(left)
    assert "table.csv" in left
    pairs = (home.datasets / "pairs" / "pairs.jsonl").read_text(encoding="utf-8")
    assert len(pairs.splitlines()) == 1
    for folder in (home.messages, home.datasets):
        sweep(folder, rules)
    verify_manifest(home.datasets / "default")
    assert "table.csv" not in {Path(p).name for p in left_over(home, [str(furnished.member_id)])}


def test_what_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as maker:
        folder = tmp_path / f".set.making-{maker.pid}-00000000"
        folder.mkdir()
        (folder / "training_data.jsonl").write_text("words")
        with pytest.raises(BeingMadeError, match="is being made"):
            sweep(tmp_path, RULES)
        assert folder.is_dir()
        os.utime(folder, (1.0, 1.0))  # by a process that had this id before
        assert sweep(tmp_path, RULES).removed == [str(folder)]
        assert maker.stdin is not None
        maker.stdin.close()
    assert not folder.exists()


# -- one file -------------------------------------------------------------------------------------

GONE = 1_200_000_000_000_000_001
KEPT = 1_200_000_000_001_000_000
RULES = Rules(Erased(frozenset({GONE}), frozenset({GONE + 10}), frozenset({"Mira"})))


def rewritten(tmp_path: Path, name: str, text: str) -> str | None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return (tmp_path / "new").read_text() if rewrite(path, tmp_path / "new", RULES) else None


def test_an_export_keeps_what_others_said(tmp_path: Path) -> None:
    theirs = {"id": str(KEPT + 1), "author": {"id": str(GONE)}, "content": "secret"}
    reply = {
        "id": str(KEPT + 2), "author": {"id": str(KEPT)}, "content": "hi @Mira",
        "mentions": [{"id": str(GONE), "name": "mira"}, {"id": str(KEPT)}],
        "reference": {"messageId": str(GONE + 10), "channelId": "1"},
        "forwardedMessage": {"content": "secret"},
        "reactions": [{"emoji": {"name": "x"}, "count": 1, "users": [{"id": str(GONE)}]}],
    }  # fmt: skip
    plain = {"id": str(KEPT + 3), "author": {"id": str(KEPT)}, "content": "å\u2028"}
    export = {"guild": {"id": "1"}, "messages": [theirs, reply, plain], "messageCount": 3}
    for indent in (None, 2):
        text = rewritten(tmp_path, "e.json", json.dumps(export, indent=indent))
        assert text is not None
        found = json.loads(text)
        assert "secret" not in text
        assert [m["id"] for m in found["messages"]] == [str(KEPT + 2), str(KEPT + 3)]
        assert found["messages"][0]["content"] == "hi @Mira"
        assert found["messages"][0]["mentions"] == [{"id": str(KEPT)}]
        assert found["messages"][0]["reference"] is None
        assert found["messages"][0]["reactions"][0]["users"] == []
        assert found["messages"][1] == plain


def test_a_cut_off_export_is_taken_away_where_its_end_names_them(tmp_path: Path) -> None:
    head = '{"messages": [{"id": "5"}, {"id": "' + str(GONE + 10) + '", "content": "sec'
    assert rewritten(tmp_path, "e.json", head) is None
    assert rewritten(tmp_path, "e.json", '{"messages": [{"id": "5"}, {"id": "6"') is not None


def test_a_long_list_is_read_piece_by_piece(tmp_path: Path) -> None:
    rows = [{"ID": KEPT + n, "Contents": "x" * 100} for n in range(30_000)]
    rows[20_000]["ID"] = GONE + 10
    text = rewritten(tmp_path, "messages.json", json.dumps(rows))
    assert text is not None
    assert json.loads(text) == rows[:20_000] + rows[20_001:]


def test_half_a_character_bars_nothing(tmp_path: Path) -> None:
    message = {"id": str(KEPT), "content": "\ud83d", "mentions": [{"id": str(GONE)}]}
    for name, value in (("e.json", {"messages": [message]}), ("s.json", {"rows": message})):
        text = rewritten(tmp_path, name, json.dumps(value))
        assert text is not None
        assert '"\\ud83d"' in text
        assert str(GONE) not in text


def test_a_gzip_that_breaks_off_goes_where_what_is_there_names_them(tmp_path: Path) -> None:
    others = [{"id": str(KEPT + n), "content": random.randbytes(16).hex()} for n in range(900)]
    for first, is_held in ((GONE, True), (KEPT, False)):
        whole = json.dumps([{"author": {"id": str(first)}}, *others]).encode()
        path = tmp_path / f"{first}.json.gz"
        path.write_bytes(gzip.compress(whole)[:-2000])
        assert holds_one(path, RULES) is is_held
        assert not rewrite(path, tmp_path / "new", RULES)
    (tmp_path / "plain.json.gz").write_text(f'{{"id": "{GONE}"}}')
    assert holds_one(tmp_path / "plain.json.gz", RULES)


def test_a_page_goes_as_a_whole(tmp_path: Path) -> None:
    assert rewritten(tmp_path, "page.html", f"<p id={GONE}>") is None
    assert rewritten(tmp_path, "unknown", "anything") is None


def test_a_set_that_was_read_before_holds_nothing_of_them(
    home: Home, database: Database, furnished: Furnished
) -> None:
    forgotten: list[str] = []

    def forget(step: str, done: int, total: int) -> None:
        """As a running bot does: another process, which leaves alone what is being made."""
        if step == "choosing examples" and not forgotten:
            command = [sys.executable, "-c", FORGET, str(home.root), str(furnished.member_id)]
            ran = subprocess.run(command, cwd=PROGRAM_DIR, capture_output=True, text=True)
            forgotten.append(ran.stdout.split()[-1])

    options = DatasetOptions(WindowOptions(0, 512, 5_000))
    persona = PersonaText("Mynah", "You are Mynah.")
    folder = home.datasets / "second"
    make_dataset(database, folder, EstimatedTokenizer(), persona, options, forget)
    assert forgotten == ["done"]
    words = (folder / "training_data.jsonl").read_text(encoding="utf-8")
    assert not any(marker in words for marker in furnished.markers)
    assert [report.is_done for report in resume(home, database)] == [True]
    check_nothing_is_left(home, furnished)
    assert verify_manifest(folder).counts["training"] > 10


def test_a_backup_that_is_restored_knows_of_the_taint(
    home: Home, database: Database, furnished: Furnished, tmp_path: Path
) -> None:
    forget_member(home, database, furnished.member_id, by="test")
    (archive,) = home.backups.glob("mynah-*.zip")
    other = Home(tmp_path / "other")
    restore(archive, other)
    with Database.open(other.database, backups=other.backups) as restored:
        registry = ModelRegistry(restored, other)
        assert registry.get("tainted").tainted_because == FORGOTTEN_MEMBER
        deployed = registry.deployed()
        assert deployed is not None
        assert not deployed.is_barred
