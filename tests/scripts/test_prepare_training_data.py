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
    steps = [one for one in told if one["event"] == "progress"]
    assert (steps[0]["what"], steps[0]["steps"]) == ("finding out how people write", 2500)
    assert all(0 <= one["step"] <= one["steps"] for one in steps)
    report = json.loads(made.stdout.splitlines()[-1])
    assert report["messages"]["in"] == 2500
    assert report["consent"]["mode"] == "declared"
    assert read_manifest(home.datasets / "a") is not None
    first = (home.datasets / "a" / "training_data.jsonl").read_text(encoding="utf-8")
    assert "You are Mynah, a regular of The Testers." in first

    named = ("--name", "b", "--limit", "20", "--persona-name", "Pip", "--base")
    missing = run("--home", str(tmp_path), *named, "llama-3.2-3b-instruct")
    assert missing.returncode == 2
    assert "download_base.py get llama-3.2-3b-instruct" in missing.stderr
    again = run("--home", str(tmp_path), *named, "demo-base")
    assert again.returncode == 0, again.stderr
    second = (home.datasets / "b" / "training_data.jsonl").read_text(encoding="utf-8")
    assert "You are Pip, a regular of The Testers." in second
    assert "20 kept" in again.stdout
    assert "consent_mode declared: 4 of 5 members, 97% of messages" in again.stdout


def fill(home: Home, count: int = 1000) -> None:
    records, channels = history(count)
    with Database.open(home.database) as database:
        database.upsert_channels(channels)
        database.upsert_members(MEMBERS)
        database.upsert_messages(records)


def test_keep_makes_nothing_until_something_changed(tmp_path: Path) -> None:
    fill(Home(tmp_path).ensure())
    made = [is_made(tmp_path), is_made(tmp_path), is_made(tmp_path, "--seed", "3")]
    assert made == [True, False, True]


def is_made(home: Path, *flags: str) -> bool:
    """Whether the set is made anew."""
    done = run("--home", str(home), "--keep", "--events", "--json", *flags)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines[-1]["folder"]
    return bool(next(one["made"] for one in lines if one.get("event") == "end"))


def test_targets_are_learned_as_personas_of_their_own(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    fill(home)
    done = run("--home", str(tmp_path), "--target", "Pip=mira,bob", "--target", "Ann=kai")
    assert done.returncode == 0, done.stderr
    assert "replies of 3 members" in done.stdout
    text = (home.datasets / "default" / "training_data.jsonl").read_text(encoding="utf-8")
    assert "You are Pip, a regular of The Testers." in text
    assert "You are Ann, a regular of The Testers." in text
    assert "You are Mynah" not in text

    refused = run("--home", str(tmp_path), "--target", "Pip=mirra")
    assert refused.returncode == 2
    assert 'No member is called "mirra"' in refused.stderr
    for wrong in ("Pip", "=mira", "Pip=,"):
        assert run("--home", str(tmp_path), "--target", wrong).returncode == 2


def test_it_does_not_depend_on_the_process(tmp_path: Path) -> None:
    """Python's own hashes differ from process to process."""
    home = Home(tmp_path).ensure()
    fill(home)
    made = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, str(SCRIPT), "--home", str(tmp_path)]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        folder = home.datasets / "default"
        made.append({path.name: path.read_bytes() for path in folder.glob("*")})
        del made[-1]["manifest.json"]  # it says when
    assert made[0] == made[1]


@pytest.mark.skipif(os.name == "nt", reason="a process that is killed there is gone at once, too")
def test_a_kill_leaves_nothing_half_made(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    fill(home, 3000)
    command = [sys.executable, str(SCRIPT), "--home", str(tmp_path), "--events"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if '"choosing examples"' in line:
                process.kill()
                break
    assert process.returncode == -9
    (left,) = home.datasets.iterdir()
    assert {path.suffix for path in left.iterdir()} == {".spool"}
    again = run("--home", str(tmp_path))
    assert again.returncode == 0, again.stderr
    assert [path.name for path in home.datasets.iterdir()] == ["default"]
    assert read_manifest(home.datasets / "default") is not None


@pytest.mark.skipif(os.name == "nt", reason="limits a file's size as POSIX does")
@pytest.mark.parametrize("room_bytes", [40_000, 400_000])
def test_a_full_disk_is_a_sentence(tmp_path: Path, room_bytes: int) -> None:
    """In the first walk, and in the second."""
    home = Home(tmp_path).ensure()
    fill(home)
    limited = f"""
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({room_bytes}, {room_bytes}))
sys.argv = ["2", "--home", {str(tmp_path)!r}]
runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True)
    assert done.returncode == 2
    assert "The set could not be made" in done.stderr
    assert "disk that is full" in done.stderr
    assert "Make room on that disk" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(home.datasets.iterdir())
