"""The light reads: sqlite3 alone, a missing file is an empty one, nothing is ever written."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from data.consent import MemberState, Mode, Use, may
from storage import manifest
from storage.database import Database
from storage.paths import PROGRAM_DIR, Home
from storage.readonly import (
    Bucket,
    ChannelRow,
    Counts,
    LastReply,
    Learnable,
    MemberRow,
    StorageUnreadableError,
    channels,
    counts,
    deployed_model,
    last_reply,
    learnable,
    may_learn,
    members,
    read_config,
    series,
    summary,
    training_runs,
)
from storage.records import ChannelRecord, MemberRecord, Origin, VerdictRow
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
        assert (channels(path), members(path, 10)) == ((), ())
        assert learnable(path) == Learnable()
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


ID = 1 << 40
"""What is added to small numbers, so that they look like Discord's."""


def test_channels_and_members_with_what_was_said(tmp_path: Path) -> None:
    path = tmp_path / "mynah.db"
    with Database.open(path) as db:
        db.upsert_channels(
            [
                ChannelRecord(ID + 1, 1, "Tavern", "general"),
                ChannelRecord(ID + 2, 1, "Tavern", "notes", ID + 1, is_allowed=False),
                ChannelRecord(7, 0, "", "playground"),
            ]
        )
        db.upsert_messages(
            message(n, channel_id=ID + 1, author_id=ID + 1 + n % 2, origin=Origin.EXPORT)
            for n in range(1, 6)
        )
        db.upsert_members(
            [
                MemberRecord(ID + 1, "mira_77", "Mira"),
                MemberRecord(ID + 2, "osk", "ØSKAR", is_excluded=True),
                MemberRecord(ID + 3, "dice", "100%", is_bot=True, consent="opted_out"),
                MemberRecord(8, "you", "You"),
            ]
        )
        db.mark_deleted([5], START_MS)
    assert channels(path) == (
        ChannelRow(ID + 1, "general", "Tavern", None, True, 4, START_MS + 1000, START_MS + 4000),
        ChannelRow(ID + 2, "notes", "Tavern", ID + 1, False),
    )
    mira, oskar, dice = (
        MemberRow(ID + 1, "mira_77", "Mira", False, False, "unset", 2),
        MemberRow(ID + 2, "osk", "ØSKAR", False, True, "unset", 2),
        MemberRow(ID + 3, "dice", "100%", True, False, "opted_out"),
    )
    assert members(path, 10) == (mira, oskar, dice)
    assert members(path, 1) == (mira,)
    assert members(path, 10, " MIRA") == members(path, 10, "_77") == (mira,)
    assert members(path, 10, "øskar") == (oskar,)
    assert members(path, 10, "%") == (dice,)
    assert members(path, 10, "nobody") == ()


def test_what_may_be_learned_from(tmp_path: Path) -> None:
    path = tmp_path / "mynah.db"
    with Database.open(path) as db:
        db.upsert_channels([ChannelRecord(1, 1, "g", "a"), ChannelRecord(2, 1, "g", "b")])
        db.set_allowed(2, False)
        db.upsert_messages(
            [
                message(1, channel_id=1, author_id=1, origin=Origin.SAMPLE),
                message(2, channel_id=2, author_id=1, origin=Origin.EXPORT),
                message(3, channel_id=1, author_id=2, origin=Origin.EXPORT),
                message(4, channel_id=1, author_id=3, origin=Origin.EXPORT),
                message(5, channel_id=1, author_id=4, origin=Origin.EXPORT),
                message(6, channel_id=1, author_id=1, origin=Origin.PLAYGROUND),
            ]
        )
        db.upsert_members(
            [
                MemberRecord(1, "a", "a"),
                MemberRecord(2, "b", "b", is_excluded=True),
                MemberRecord(3, "c", "c", is_bot=True),
                MemberRecord(4, "d", "d", consent="opted_out"),
            ]
        )
        assert learnable(path) == Learnable(1, messages_now=1, left_out=1)
        db.upsert_messages([message(7, channel_id=1, author_id=1, origin=Origin.EXPORT)])
        # a declaration would make the mode `declared`
        assert learnable(path) == Learnable(2, True, messages_now=1, left_out=1)
        db.set_config("consent_mode", "opt_in")
        assert learnable(path) == Learnable(1, messages_now=1, left_out=2, mode="opt_in")
        db.set_consent(1, "opted_in")
        assert learnable(path) == Learnable(2, True, messages_now=1, left_out=1, mode="opt_in")
        db.record_declaration("mira", "open data", 5)
        db.record_declaration("bob", "a letter", 9)
        said = (2, True, "bob", "a letter", 9)
        assert learnable(path) == Learnable(*said, messages_now=2, left_out=1, mode="opt_in")
        db.set_config("consent_mode", "retrieval_only")
        assert learnable(path).messages == learnable(path).messages_now == 1
        db.set_config("consent_mode", "declared")
    assert learnable(path) == Learnable(*said, messages_now=2, left_out=1, mode="declared")


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("origin", Origin)
@pytest.mark.parametrize("state", [s for s in MemberState if s is not MemberState.EXCLUDED])
def test_the_window_knows_the_matrix(mode: Mode, origin: Origin, state: MemberState) -> None:
    expected = may(Use.TARGET, state, origin, mode, is_declared=True)
    assert may_learn(state.value, origin, mode.value) is expected


def test_trainings_by_their_manifests(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert training_runs(home) == ()
    counts = {
        "examples": 40,
        "steps": 10,
        "validation_loss_before": 4.5,
        "validation_loss_after": 2.9,
    }
    made(home.datasets / "plain", "dataset", {}, {"training": 12})
    made(home.datasets / "demo", "dataset", {}, {"training": 99})
    made(home.checkpoints / "half", "adapter", {}, counts)
    adapter = made(home.checkpoints / "demo", "adapter", {}, counts)
    made(home.finetuned / "demo" / "gguf-0old", "gguf", {}, {}, "demo-q4_k_m.gguf")
    merged = made(home.finetuned / "demo" / "merged", "merged", {"adapter_sha256": adapter}, {})
    newest = home.finetuned / "demo" / f"gguf-{merged[:12]}"
    made(newest, "gguf", {}, {}, "demo-q4_k_m.gguf")
    larger = home.finetuned / "demo" / f"{newest.name}-q6_k"
    made(larger, "gguf", {}, {}, "demo-q6_k.gguf")
    runs = training_runs(home)
    assert sorted((run.name, run.stage, run.steps) for run in runs if run.steps) == [
        ("demo", "export", 10),
        ("demo", "export", 10),
        ("half", "sft", 10),
    ]
    assert {run.name for run in runs if run.stage == "examples"} == {"plain"}
    whole = [run for run in runs if run.stage == "export" and run.steps]
    assert {(one.examples, one.loss_before, one.loss_after) for one in whole} == {(40, 4.5, 2.9)}
    assert {one.gguf for one in whole} == {newest / "demo-q4_k_m.gguf", larger / "demo-q6_k.gguf"}
    assert len(runs) == 5
    assert [run.made_at_ms for run in runs] == sorted(
        (run.made_at_ms for run in runs), reverse=True
    )


def made(
    folder: Path, kind: str, config: dict[str, Any], counts: dict[str, Any], file: str = "x.bin"
) -> str:
    """An artefact; its content's hash."""
    with manifest.making(folder) as work:
        (work / file).write_text(str(folder))
        manifest.write_manifest(work, kind, config, counts)
    return manifest.content_hash(folder)


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
