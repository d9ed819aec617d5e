"""scripts/privacy.py as a person calls it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from storage.database import Database
from storage.paths import PROGRAM_DIR, Home
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin
from tests.storage.rows import version

MIRA, BOB = 1_200_000_000_000_000_001, 1_200_000_000_000_000_002
CHANNEL = 1_200_000_000_000_000_009


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path).ensure()
    with Database.open(home.database) as database:
        database.store_messages(
            [ChannelRecord(CHANNEL, CHANNEL - 1, "The Lantern", "general")],
            [MemberRecord(MIRA, "mira", "Mira"), MemberRecord(BOB, "bob", "Bob")],
            [
                MessageRecord(CHANNEL + n, CHANNEL, author, f"line {n}", 1, Origin.EXPORT)
                for n, author in ((1, MIRA), (2, BOB), (3, MIRA))
            ],
        )
        database.add_model_version(version("lantern-1"))
    return home


def call(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/privacy.py", "--home", str(home.root), *arguments],
        cwd=PROGRAM_DIR, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def told(home: Home, *arguments: str) -> Any:
    done = call(home, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_show_and_export(home: Home) -> None:
    shown = told(home, "show", "--member", "@mira")
    assert (shown["member_id"], shown["messages"], shown["vectors"]) == (str(MIRA), 2, 0)
    assert shown["models"] == ["lantern-1"]  # nobody knows what it learned
    text = call(home, "show", "--member", str(MIRA)).stdout
    assert "Mira (mira)" in text
    assert "2  general, export, 1970-01-01 to 1970-01-01" in text
    path = Path(told(home, "export", "--member", "Mira")["file"])
    assert path.parent == home.personal_exports
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("messages.jsonl").decode().splitlines()
        assert [json.loads(line)["content"] for line in lines] == ["line 1", "line 3"]
        assert json.loads(archive.read("stored.json"))["member"]["name"] == "mira"


def test_consent_and_exclusion(home: Home) -> None:
    for command, consent, is_excluded in (
        ("optout", "opted_out", False),
        ("exclude", "opted_out", True),
        ("optin", "opted_in", True),
        ("include", "opted_in", False),
    ):
        member = told(home, command, "--member", "mira")["member"]
        assert (member["consent"], member["is_excluded"]) == (consent, is_excluded)
        assert member["consent_at_ms"] > 1_700_000_000_000


def test_forget_asks_first_and_then_forgets(home: Home) -> None:
    unasked = call(home, "forget", "--member", "mira")
    assert unasked.returncode == 2
    assert "2 messages" in unasked.stderr
    assert "add --yes" in unasked.stderr
    done = call(home, "forget", "--member", "mira", "--yes")
    assert done.returncode == 0, done.stderr
    assert f"Erased: member {MIRA}, 2 messages" in done.stdout
    assert "lantern-1 may have learned from a member who was forgotten" in done.stdout
    assert "Mira" not in done.stdout
    with Database.open(home.database) as database:
        assert [m.message_id for m in database.messages()] == [CHANNEL + 2]
        assert database.is_forgotten(MIRA)
    assert told(home, "show", "--member", str(MIRA))["is_forgotten"] is True
    unknown = call(home, "show", "--member", "mira")
    assert unknown.returncode == 2
    assert "Traceback" not in unknown.stderr
    assert told(home, "resume") == {"reports": []}
    shown = call(home, "optin", "--member", str(MIRA))
    assert "They are known again" in shown.stderr
    with Database.open(home.database) as database:
        assert not database.is_forgotten(MIRA)


def test_resume_erases_what_was_deleted(home: Home) -> None:
    with Database.open(home.database) as database:
        database.mark_deleted([CHANNEL + 1], 1)
    with FileLock(home.data_storage / "forgetting.lock"):
        busy = call(home, "resume")
    assert (busy.returncode, busy.stdout) == (1, "")
    assert "Another process is erasing" in busy.stderr
    (report,) = told(home, "resume")["reports"]
    assert (report["messages"], report["unfinished"]) == (1, {})


def test_deferring_is_kept_with_name_and_reason(home: Home) -> None:
    told(home, "defer", "lantern-1", "--why", "retrained on Sunday")
    with Database.open(home.database) as database:
        (one,) = database.model_versions()
        assert one.deferred_why == "retrained on Sunday"
        assert one.deferred_by
        assert one.deferred_at_ms
    assert call(home, "defer", "lantern-9", "--why", "x").returncode == 2
    assert "in your own words" in call(home, "defer", "lantern-1", "--why", " ").stderr


def test_coverage_follows_mode_and_ground(home: Home) -> None:
    nobody = json.loads(call(home, "coverage", "--json").stdout)
    assert nobody["words"] == "0 of 2 members, 0% of messages"
    assert (nobody["mode"], nobody["is_declared"]) == ("retrieval_only", False)
    with Database.open(home.database) as database:
        database.record_declaration("ada", "open data", 1)
        database.set_config("consent_mode", "opt_in")
        database.set_consent(MIRA, "opted_in")
    said = call(home, "coverage").stdout
    assert said.startswith("1 of 2 members, 67% of messages may be learned from; consent_mode is")
    assert "1  left out: author has not opted in" in said
