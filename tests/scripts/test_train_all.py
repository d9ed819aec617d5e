"""scripts/train_all.py as a user runs it: real steps on a small history."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from storage.model_registry import ModelRegistry
from storage.paths import PROGRAM_DIR, Home
from tests.data.talk import MEMBERS, history

SCRIPT = PROGRAM_DIR / "scripts" / "train_all.py"
PROFILE = """
name: tiny
base: demo-base
max_length: 256
packing: false
lora: {r: 4, alpha: 8}
sft: {epochs: 1, batch_size: 4, gradient_accumulation: 1, learning_rate: 3.0e-3, max_tokens: 6000}
dpo: {epochs: 1, batch_size: 4, gradient_accumulation: 1, learning_rate: 1.0e-4}
kto: {epochs: 1, batch_size: 4, gradient_accumulation: 1, learning_rate: 1.0e-4}
judge: {deploy_at: BAR, replies: 10}
audit: {is_needed: false}
"""


def command(home: Path, bar: int, *flags: str) -> list[str]:
    profile = home / "tiny.yaml"
    profile.write_text(PROFILE.replace("BAR", str(bar)), encoding="utf-8")
    given = ["--home", str(home), "--profile", str(profile), "--skip", "environment"]
    return [sys.executable, str(SCRIPT), *given, "--json", "--events", *flags]


def surroundings() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


def train(home: Path, bar: int, *flags: str) -> tuple[int, dict[str, Any], str]:
    """Status, result, and what was said."""
    done = subprocess.run(
        command(home, bar, *flags), capture_output=True, encoding="utf-8", env=surroundings()
    )
    lines = done.stdout.splitlines()
    return done.returncode, json.loads(lines[-1]) if lines else {}, done.stderr


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a history."""
    home = Home(tmp_path_factory.mktemp("home")).ensure()
    records, channels = history(1500)
    with Database.open(home.database) as database:
        database.upsert_channels(channels)
        database.upsert_members(MEMBERS)
        database.upsert_messages(records)
    return home.root


def states(result: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["state"] for one in result["steps"]}


@pytest.mark.slow
def test_stopped_it_goes_on_and_a_second_start_finds_it_done(house: Path) -> None:
    begun = subprocess.Popen(
        command(house, 0), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=surroundings(),
    )  # fmt: skip
    assert begun.stdout is not None
    for line in begun.stdout:
        event = json.loads(line)
        if event.get("part") == "sft" and event["event"] == "progress":
            break
    begun.send_signal(signal.SIGTERM)
    _, said = begun.communicate(timeout=300)
    assert begun.returncode == 130, said
    assert "start again to go on" in said

    status, result, said = train(house, 0, "--deploy")
    assert status == 0, said
    assert states(result) == {
        "environment": "skipped",
        "examples": "done before",
        "train": "done",
        "judge": "done",
        "audit": "skipped",
        "deploy": "done",
    }
    home = Home(house)
    with Database.open(home.database) as database:
        registry = ModelRegistry(database, home)
        deployed = registry.deployed()
        assert deployed is not None
        assert deployed.version_id == result["version"]
        (judged,) = registry.evaluations(deployed.version_id)
        assert judged.score is not None

    status, result, said = train(house, 0)
    assert status == 0
    assert set(states(result).values()) == {"skipped", "done before"}


@pytest.mark.slow
def test_what_is_not_reached_is_said_and_not_deployed(house: Path) -> None:
    status, result, said = train(house, 100, "--name", "better", "--deploy")
    assert status == 1
    assert "of the 100 needed" in result["lacks"]
    assert states(result)["deploy"] == "not done"
    assert "--force --why" not in result["lacks"]
    assert "Traceback" not in said


def test_what_cannot_be_done_is_a_sentence(tmp_path: Path) -> None:
    Home(tmp_path).ensure()
    status, _, said = train(tmp_path, 0)
    assert status == 2
    assert "There is no history to learn from" in said
    assert "train_all.log" in said
    assert "Traceback" not in said
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--home", str(tmp_path), "--profile", "none"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert 'There is no profile "none"' in done.stderr
