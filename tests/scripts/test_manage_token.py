"""scripts/manage_token.py as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage.paths import PROGRAM_DIR
from tests.bot.file_keyring import FILE

SCRIPT = PROGRAM_DIR / "scripts" / "manage_token.py"
TOKEN = "MTE5ODYyMjQ4MzQ3MTkyNTI0OA.Gabcde.aB3dEfGhIjKlMnOpQrStUvWxYz0123456789ab"


def manage(
    home: Path, command: str, *more: str, given: str = "", backend: str = "", token: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "DISCORD_BOT_TOKEN"}
    environment["PYTHON_KEYRING_BACKEND"] = backend or "tests.bot.file_keyring.FileKeyring"
    environment[FILE] = str(home.parent / "keyring.json")
    if token:
        environment["DISCORD_BOT_TOKEN"] = token
    done = subprocess.run(
        [sys.executable, str(SCRIPT), command, *more, "--home", str(home)],
        input=given,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
    )
    assert TOKEN not in done.stdout + done.stderr
    return done


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_token_is_kept_found_and_deleted(home: Path) -> None:
    assert "Kept in the keyring" in manage(home, "set", given=f"{TOKEN}\n").stdout
    assert manage(home, "where").stdout == "The token is in the keyring.\n"
    assert "counts before" in manage(home, "delete", token="x.y.z").stdout
    gone = manage(home, "where")
    assert (gone.returncode, gone.stderr) == (2, "There is no token yet; `set` keeps one.\n")
    assert manage(home, "delete").stdout == "There was no token to delete.\n"


def test_without_a_keyring_it_says_which_file(home: Path) -> None:
    none = "keyring.backends.fail.Keyring"
    kept = manage(home, "set", "--json", given=TOKEN, backend=none)
    assert json.loads(kept.stdout) == {"kept_in": str(home / ".env")}
    assert "The keyring is not used" in kept.stderr
    places = json.loads(manage(home, "where", "--json", backend=none, token=TOKEN).stdout)
    assert places == {"places": ["the environment", str(home / ".env")]}


def test_nothing_is_no_token(home: Path) -> None:
    refused = manage(home, "set", given="\n")
    assert refused.returncode == 2
    assert "copy it again" in refused.stderr
    assert not home.exists()


def test_it_cannot_be_given_in_the_command_line(home: Path) -> None:
    assert manage(home, "set", "some.other.token").returncode == 2
