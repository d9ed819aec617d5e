"""The script as a user runs it: a process of its own, ended politely, rudely and not at all."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from storage.paths import PROGRAM_DIR, Home
from tests.data.importers.exports import export, message, write

SCRIPT = PROGRAM_DIR / "scripts" / "1_fetch_all_history.py"


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, str(SCRIPT), *map(str, arguments)]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=120)


def stored_count(home: Home) -> int:
    try:
        with closing(sqlite3.connect(f"{home.database.as_uri()}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM messages").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def started(home: Home, source: Path) -> subprocess.Popen[str]:
    """A running import that has committed something and is not done."""
    process = subprocess.Popen(
        command("--import", source, "--home", home.root),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while stored_count(home) == 0:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process


def test_import_prints_a_summary_and_json_last(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.json", export([message(n) for n in range(10)]))
    write(tmp_path / "in" / "other.json", {"a": 1})
    done = run("--import", tmp_path / "in", "--home", tmp_path / "home", "--json")
    assert done.returncode == 0, done.stderr
    assert "10 messages in 1 file: 10 new" in done.stdout
    assert "1 file skipped" in done.stdout
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["new"], result["members"], len(result["files_skipped"])) == (10, 3, 1)
    assert result["channels"][0]["name"] == "general"


def test_events_come_before_the_result(tmp_path: Path) -> None:
    source = write(tmp_path / "a.json", export([message(n) for n in range(200)]))
    done = run("--import", source, "--home", tmp_path / "home", "--json", "--events")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    last_event = lines[-2]
    assert {"event": "progress", "stage": "import", "messages": 200}.items() <= last_event.items()
    assert last_event["bytes_done"] == last_event["bytes_total"] == source.stat().st_size
    assert last_event["file"] == "a.json"
    assert lines[-1]["new"] == 200


def test_files_and_channels_are_two_ways(tmp_path: Path) -> None:
    done = run("--import", tmp_path, "--channels", "812345678901234567", "--home", tmp_path)
    assert done.returncode == 2
    assert "not allowed with" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "No channel is named"),
        (["--channels", "general"], "discord_channel_ids is"),
        (["--import", "/nowhere/a.json"], "/nowhere/a.json does not exist"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    done = run(*arguments, "--home", tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "script", ["1_fetch_all_history", "2_prepare_training_data", "6_manage_models"]
)
@pytest.mark.parametrize("kind", ["a file", "nobody's"])
def test_a_home_that_cannot_be_one_is_a_sentence(tmp_path: Path, script: str, kind: str) -> None:
    source = write(tmp_path / "a.json", export([message(1)]))
    home = source if kind == "a file" else "~no-such-user-here/x"
    arguments = {"1": ["--import", str(source)], "2": [], "6": ["list"]}[script[0]]
    done = subprocess.run(
        [sys.executable, str(SCRIPT.with_name(f"{script}.py")), *arguments, "--home", str(home)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "--home" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_output_is_utf8_whatever_the_locale(tmp_path: Path) -> None:
    source = write(tmp_path / "größe-🔥.json", {"a": 1})
    done = subprocess.run(
        command("--import", source, "--home", tmp_path / "home"),
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )
    assert "größe-🔥.json" in (done.stdout + done.stderr).decode("utf-8")
    assert b"Traceback" not in done.stderr


def test_nothing_usable_is_a_sentence(tmp_path: Path) -> None:
    done = run("--import", write(tmp_path / "a.json", {"a": 1}), "--home", tmp_path / "home")
    assert done.returncode == 2
    assert "Nothing was imported" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_import_that_is_ended_loses_nothing_and_is_completed_by_another(
    tmp_path: Path, ending: signal.Signals
) -> None:
    home = Home(tmp_path / "home")
    source = write(tmp_path / "a.json", export([message(n) for n in range(16_000)]))
    process = started(home, source)
    acknowledged = stored_count(home)
    process.send_signal(ending)
    _, errors = process.communicate(timeout=60)
    kept = stored_count(home)
    assert acknowledged <= kept < 16_000
    if ending is not signal.SIGKILL:
        assert process.returncode == 130
        assert "What was stored up to here stays" in errors
        assert "Traceback" not in errors
    done = run("--import", source, "--home", home.root, "--json")
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["new"], result["unchanged"]) == (16_000 - kept, kept)
    with closing(sqlite3.connect(home.database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
