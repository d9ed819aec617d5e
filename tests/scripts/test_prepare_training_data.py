"""scripts/2_prepare_training_data.py as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from storage.database import Database
from storage.manifest import read_manifest
from storage.paths import PROGRAM_DIR, Home
from storage.records import Origin
from tests.data.talk import MEMBERS, history

SCRIPT = PROGRAM_DIR / "scripts" / "2_prepare_training_data.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, encoding="utf-8"
    )


def test_an_export_is_refused_then_declared_then_remembered(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    records, channels = history(2500)  # steps report their progress at each thousand
    with Database.open(home.database) as database:
        database.upsert_channels(channels)
        database.upsert_messages(replace(record, origin=Origin.EXPORT) for record in records)
        database.upsert_members(MEMBERS)  # afterwards: one of them is excluded

    refused = run("--home", str(tmp_path))
    assert refused.returncode == 2
    assert "rule 21" in refused.stderr
    assert "--declare" in refused.stderr
    assert "Traceback" not in refused.stderr

    made = run(
        "--home", str(tmp_path), "--declare", "open data", "--json", "--events", "--name", "a"
    )
    assert made.returncode == 0, made.stderr
    told = [json.loads(line) for line in made.stdout.splitlines() if line.startswith('{"event"')]
    assert [told[0]["event"], told[-1]["event"]] == ["begin", "end"]
    progress = told[1]
    assert (progress["what"], progress["step"], progress["steps"]) == (
        "reading and cleaning",
        1000,
        2500,
    )
    report = json.loads(made.stdout.splitlines()[-1])
    assert report["messages"]["in"] == 2500
    assert report["consent"]["mode"] == "declared"
    assert read_manifest(home.datasets / "a") is not None
    first = (home.datasets / "a" / "training_data.jsonl").read_text(encoding="utf-8")
    assert "You are Mynah, a regular of The Testers." in first

    again = run("--home", str(tmp_path), "--name", "b", "--limit", "20", "--persona-name", "Pip")
    assert again.returncode == 0, again.stderr
    second = (home.datasets / "b" / "training_data.jsonl").read_text(encoding="utf-8")
    assert "You are Pip, a regular of The Testers." in second
    assert "20 kept" in again.stdout
    assert "consent_mode declared: 4 of 5 members, 97% of messages" in again.stdout


@pytest.mark.skipif(os.name == "nt", reason="limits a file's size as POSIX does")
def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    records, channels = history(1500)
    with Database.open(home.database) as database:
        database.upsert_channels(channels)
        database.upsert_members(MEMBERS)
        database.upsert_messages(records)
    limited = f"""
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.argv = ["2", "--home", {str(tmp_path)!r}]
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True)
    assert done.returncode == 2
    assert "The set could not be made" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home.datasets / "default").exists()
