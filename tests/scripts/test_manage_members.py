"""scripts/manage_members.py as a user runs it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot.protocol import ControlServer
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


def test_a_running_bot_is_told(home: Home) -> None:
    with listening(home) as heard:
        done = manage(home, "exclude", "mira")
        assert "The running bot was told" in done.stderr
        manage(home, "include", "mira")
        manage(home, "list")
    assert heard == [
        {"member_id": 1001, "is_excluded": True},
        {"member_id": 1001, "is_excluded": False},
    ]


@contextmanager
def listening(home: Home) -> Iterator[list[dict[str, Any]]]:
    """A bot's control channel on a thread; what it was asked to exclude."""
    heard: list[dict[str, Any]] = []
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def exclude(data: dict[str, Any]) -> dict[str, Any]:
        heard.append({name: data[name] for name in ("member_id", "is_excluded")})
        return {}

    async def serve() -> ControlServer:
        server = ControlServer(
            home.data_storage, hello=dict, handlers={"exclude": exclude}, began_s=began_s
        )
        await server.start()
        return server

    began_s = psutil.Process().create_time()
    server = asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
    try:
        yield heard
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
