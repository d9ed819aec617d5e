"""scripts/manage_members.py as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from storage.database import Database
from storage.paths import PROGRAM_DIR, Home
from storage.records import MemberRecord

SCRIPT = PROGRAM_DIR / "scripts" / "manage_members.py"
MIRA = MemberRecord(1001, "mira_77", "mira")
PEOPLE = (
    MIRA,
    MemberRecord(1002, "bob", "Bob 🔥", is_excluded=True),
    MemberRecord(1003, "other", "Bob 🔥", consent="opted_out"),
    MemberRecord(1004, "dice", "dice", is_bot=True),
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path).ensure()
    with Database.open(home.database) as database:
        database.upsert_members(PEOPLE)
    return home


def manage(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments, "--home", str(home.root)],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def excluded(home: Home) -> set[int]:
    with Database.open(home.database) as database:
        return {m.member_id for m in database.members() if m.is_excluded}


def test_everyone_is_listed_with_what_counts_for_them(home: Home) -> None:
    listed = manage(home, "list").stdout
    assert "1001  mira (mira_77)\n" in listed
    assert "1002  Bob 🔥 (bob)  excluded\n" in listed
    assert "1003  Bob 🔥 (other)  opted out\n" in listed
    assert "1004  dice  bot\n" in listed


def test_a_member_is_excluded_and_taken_back_by_id_or_name(home: Home) -> None:
    assert "excluded" in manage(home, "exclude", "@Mira").stdout
    assert excluded(home) == {1001, 1002}
    back = json.loads(manage(home, "include", "1001", "--json").stdout)
    assert back["members"][0]["is_excluded"] is False
    assert manage(home, "include", "bob").returncode == 0
    assert excluded(home) == set()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("nobody", 'No member is called "nobody"'), ("Bob 🔥", "name one by id: 1002, 1003")],
)
def test_nobody_and_several_are_refused(home: Home, name: str, sentence: str) -> None:
    refused = manage(home, "exclude", name)
    assert refused.returncode == 2
    assert sentence in refused.stderr
    assert excluded(home) == {1002}
