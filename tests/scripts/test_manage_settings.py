"""scripts/manage_settings.py as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from storage.database import Database
from storage.paths import PROGRAM_DIR, Home
from storage.settings import SETTINGS

SCRIPT = PROGRAM_DIR / "scripts" / "manage_settings.py"


def manage(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments, "--home", str(home)],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def test_a_setting_is_set_shown_and_reset(tmp_path: Path) -> None:
    done = manage(tmp_path, "set", "temperature", "0.25")
    assert done.returncode == 0, done.stderr
    assert "temperature          0.25   (default: 0.7)" in done.stdout
    assert "Allowed: a number from 0.0 to 1.0." in done.stdout
    assert manage(tmp_path, "set", "seed", "-1").returncode == 0
    listed = manage(tmp_path, "list").stdout.splitlines()
    assert len(listed) == len(SETTINGS)
    shown = json.loads(manage(tmp_path, "get", "temperature", "--json").stdout)
    assert shown["settings"][0]["value"] == 0.25
    assert "temperature          0.7\n" in manage(tmp_path, "reset", "temperature").stdout
    with Database.open(Home(tmp_path).database) as database:
        assert database.config_rows() == {"seed": "-1"}


def test_what_is_out_of_range_is_refused_with_the_range_and_nothing_is_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    refused = manage(home, "set", "temperature", "1.5")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert 'temperature is a number from 0.0 to 1.0; "1.5" is not.' in refused.stderr
    assert not home.exists()
    unknown = manage(home, "get", "temprature")
    assert unknown.returncode == 2
    assert "There is no setting" in unknown.stderr
