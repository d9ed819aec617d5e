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

from model.profile import load
from scripts import train_all
from scripts.events import Events
from scripts.step_process import StepError, StepResult
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
    """Status, last line (the result), and what was said; each step is told to begin and to end."""
    done = subprocess.run(
        command(home, bar, *flags), capture_output=True, encoding="utf-8", env=surroundings()
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    told = [one for one in lines if one.get("event") in ("begin", "end")]
    assert [one["event"] for one in told] == ["begin", "end"] * (len(told) // 2)
    assert [one["stage"] for one in told[::2]] == [one["stage"] for one in told[1::2]]
    return done.returncode, lines[-1], done.stderr


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


def test_a_trial_leaves_what_the_real_training_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the same name it would begin anew what took a day."""
    for flags, name in (
        ([], "demo"),
        (["--limit", "100", "--epochs", "1"], "demo-trial"),
        (["--limit", "100", "--name", "mine"], "mine"),
    ):
        monkeypatch.setattr("sys.argv", ["train_all.py", "--profile", "demo", *flags])
        assert train_all.parse_arguments().name == name


def test_what_this_machine_lacks_ends_it_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is told once, as not done; the look itself is another script's."""
    checks = [{"state": "lacks", "found": "no NVIDIA card.", "remedy": "Take laptop-cpu."}]
    monkeypatch.setattr(train_all, "run_step", lambda *_: StepResult(1, {"checks": checks}))
    monkeypatch.setattr("sys.argv", ["train_all.py", "--profile", "rtx3070"])
    arguments, events = train_all.parse_arguments(), Events(is_asked=False)
    run = train_all.TrainAll(Home(tmp_path).ensure(), load("rtx3070"), arguments, events)
    with pytest.raises(StepError, match=r"no NVIDIA card\. Take laptop-cpu\. \(--skip env"):
        run.run()
    assert [(one.name, one.state) for one in run.outcomes] == [("environment", train_all.FAILED)]


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
