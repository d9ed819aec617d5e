"""scripts/check_model.py as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from model.gguf_check import check
from model.thread_tuning import remembered_for, shown
from scripts.check_model import threads_of, tune_model
from storage.paths import DEMO_BASE_DIR, PROGRAM_DIR, Home

SCRIPT = PROGRAM_DIR / "scripts" / "check_model.py"
[BASE] = DEMO_BASE_DIR.glob("*.gguf")


def look(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments, "--home", str(home)],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def test_a_sound_model_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = look(home, str(BASE))
    assert done.returncode == 0, done.stderr
    assert "million parameters." in done.stdout
    assert "On this computer: 1 thread: so small a model needs no more.\n" in done.stdout
    assert not home.exists()


def test_tuned_with_json(tmp_path: Path) -> None:
    done = look(tmp_path, str(BASE), "--tune", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["architecture"] == "qwen2"
    assert found["threads"]["threads"] == found["threads"]["batch_threads"] == 1
    assert found["threads_shown"] == "1 thread: so small a model needs no more"


def test_what_was_measured_is_in_the_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    tuned = tune_model(BASE, home, small_model_bytes=0)
    assert (tmp_path / "data_storage" / "threads.json").is_file()
    assert remembered_for(home.data_storage, check(BASE), small_model_bytes=0) == tuned
    assert threads_of(tuned)["threads_shown"] == shown(tuned)


def test_nothing_known_is_said() -> None:
    said = "the threads are not measured yet"
    assert threads_of(None) == {"threads": None, "threads_shown": said}


def test_no_model_is_a_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF\x03\x00\x00\x00")
    for arguments in ([str(broken)], [str(broken), "--tune"], [str(tmp_path / "missing.gguf")]):
        done = look(tmp_path, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.endswith("Choose another file.\n")
        assert "Traceback" not in done.stderr
