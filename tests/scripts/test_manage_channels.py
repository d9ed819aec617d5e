"""scripts/manage_channels.py as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from storage.database import Database
from storage.paths import PROGRAM_DIR, Home
from storage.records import ChannelRecord

SCRIPT = PROGRAM_DIR / "scripts" / "manage_channels.py"
CHANNELS = (
    ChannelRecord(2001, 1, "Tavern", "general"),
    ChannelRecord(2002, 1, "Tavern", "Bot-Tests", is_allowed=False),
    ChannelRecord(2003, 1, "Tavern", "notes", parent_id=2001),
    ChannelRecord(2004, 1, "Tavern", "notes"),
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path).ensure()
    with Database.open(home.database) as database:
        database.upsert_channels(CHANNELS)
    return home


def manage(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments, "--home", str(home.root)],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def closed(home: Home) -> set[int]:
    with Database.open(home.database) as database:
        return {c.channel_id for c in database.channels() if not c.is_allowed}


def test_all_are_listed(home: Home) -> None:
    listed = manage(home, "list").stdout
    assert "2001  #general (Tavern)\n" in listed
    assert "2002  #Bot-Tests (Tavern)  closed\n" in listed


def test_a_channel_is_closed_and_allowed_by_id_or_name(home: Home) -> None:
    done = json.loads(manage(home, "close", "2003", "--json").stdout)
    assert done["channels"] == [
        {
            "channel_id": "2003",
            "name": "notes",
            "server": "Tavern",
            "parent_id": "2001",
            "is_allowed": False,
        }
    ]
    assert closed(home) == {2002, 2003}
    assert manage(home, "allow", "#bot-tests").returncode == 0
    assert closed(home) == {2003}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("nowhere", 'No channel is called "nowhere"'), ("notes", "name one by id: 2004, 2003")],
)
def test_none_and_several_are_refused(home: Home, name: str, sentence: str) -> None:
    refused = manage(home, "close", name)
    assert refused.returncode == 2
    assert sentence.split(":")[0] in refused.stderr
    assert "Traceback" not in refused.stderr
    assert closed(home) == {2002}
