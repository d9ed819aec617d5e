"""scripts/5_build_memory.py in a home of a few messages: what gets a vector, resuming, stopping."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import psutil
import pytest

from data.memory import recallable
from model.embedder import Embedder, copy_embedder
from storage.database import Database
from storage.paths import PROGRAM_DIR, Home
from storage.records import ChannelRecord, MemberRecord, MessageKind, MessageRecord, Origin
from storage.vectordb import VectorIndex
from tests.model import tiny

SCRIPT = PROGRAM_DIR / "scripts" / "5_build_memory.py"
_spec = importlib.util.spec_from_file_location("build_memory_script", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
script = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)

MIRA, BOT, GONE, OUT = 1, 2, 3, 4
OPEN, CLOSED = 11, 12


@pytest.fixture(scope="module")
def gguf() -> Path:
    return tiny.minilm_gguf(tiny.session_folder())


def message(number: int, content: str, **changes: Any) -> MessageRecord:
    values: dict[str, Any] = {
        "channel_id": OPEN,
        "author_id": MIRA,
        "origin": Origin.SAMPLE,
        **changes,
    }
    return MessageRecord(
        message_id=number,
        content=content,
        created_at_ms=values.pop("created_at_ms", number * 1000),
        **values,
    )


@pytest.fixture
def home(tmp_path: Path, gguf: Path) -> Home:
    """A home with an embedder and 12 messages, four of which may be recalled."""
    home = Home(tmp_path).ensure()
    copy_embedder(gguf, home)
    with Database.open(home.database, backups=home.backups) as db:
        db.upsert_channels(
            [
                ChannelRecord(OPEN, 9, "The Lantern", "general"),
                ChannelRecord(CLOSED, 9, "The Lantern", "staff", is_allowed=False),
            ]
        )
        db.upsert_messages(
            [
                message(101, "anyone up for a raid this evening?"),
                message(102, "I baked a chocolate cake yesterday", created_at_ms=999_000),
                message(103, "two words"),
                message(104, "rolled a twenty for mira", author_id=BOT),
                message(105, "I want to be forgotten please", author_id=GONE),
                message(106, "I would rather not be quoted", author_id=OUT),
                message(107, "mira joined the party today", kind=MessageKind.SYSTEM),
                message(108, "this was a bad idea", deleted_at_ms=5),
                message(109, "staff only talk goes here", channel_id=CLOSED),
                message(110, "from the playground it comes", origin=Origin.PLAYGROUND),
                message(111, "the healer fell asleep again"),
                message(112, "somebody please repair my sword"),
            ]
        )
        db.upsert_members(
            [
                MemberRecord(MIRA, "mira", "mira"),
                MemberRecord(BOT, "dice", "dice", is_bot=True),
                MemberRecord(GONE, "gone", "gone", is_excluded=True),
                MemberRecord(OUT, "out", "out", consent="opted_out"),
            ]
        )
    return home


def run(home: Home, *flags: str) -> tuple[dict[str, Any], str]:
    said = io.StringIO()
    arguments = script.parse_arguments(["--home", str(home.root), *flags])
    with redirect_stderr(said):
        report: dict[str, Any] = script.run(arguments, script.Stop())
    return report, said.getvalue()


def test_newest_first_then_the_rest_then_nothing(home: Home) -> None:
    with Database.open(home.database) as db:
        assert list(recallable(db)) == [102, 112, 111, 101]
    first, said = run(home, "--limit", "2")
    assert (first["added"], first["had"], first["left"]) == (2, 0, 2)
    assert "2 to go" in said
    index = VectorIndex(home.embeddings, 384)
    assert index.ids() == {102, 112}
    rest, _ = run(home)
    assert (rest["added"], rest["had"], rest["left"]) == (2, 2, 0)
    again, _ = run(home)
    assert (again["added"], again["had"], again["removed"]) == (0, 4, 0)
    with Embedder.load(home.embedder / "all-MiniLM-L6-v2-f16.gguf", threads=1) as embedder:
        found = index.search(embedder.embed(["who wants to go raiding tonight"])[0], 1)
    assert found[0][0] == 101


def test_what_may_not_be_recalled_any_more_is_taken_out(home: Home) -> None:
    run(home)
    with Database.open(home.database) as db:
        db.upsert_messages([message(101, "", deleted_at_ms=7)])
    report, _ = run(home)
    assert report["recallable"] == 3  # its vector went as the deletion was finished
    assert VectorIndex(home.embeddings, 384).ids() == {102, 111, 112}


def test_another_embedder_starts_over(home: Home) -> None:
    run(home)
    (home.embeddings / "embedder.sha256").write_text("of another one", encoding="utf-8")
    report, said = run(home)
    assert (report["had"], report["added"]) == (0, 4)
    assert "built anew" in said


def test_an_edited_message_gets_a_new_vector_once(home: Home) -> None:
    """An edit that is older than the last build too: it came with a later import."""
    run(home)
    with Database.open(home.database) as db:
        db.upsert_messages([message(101, "my cat sleeps all day long", edited_at_ms=200_000)])
    report, _ = run(home)
    assert (report["had"], report["added"], report["removed"]) == (3, 1, 1)
    with Embedder.load(home.embedder / "all-MiniLM-L6-v2-f16.gguf", threads=1) as embedder:
        query = embedder.embed(["a kitten is asleep"])[0]
    assert VectorIndex(home.embeddings, 384).search(query, 1)[0][0] == 101
    report, _ = run(home)
    assert (report["had"], report["added"], report["removed"]) == (4, 0, 0)


def test_the_setting_says_when_the_first_lines_are_there(home: Home) -> None:
    with Database.open(home.database) as db:
        db.set_config("memory_first_lines", "3")
    _, said = run(home, "--limit", "4")
    assert "The newest 4 lines can be recalled now." in said
    (home.embeddings / "embedder.sha256").write_text("of another one", encoding="utf-8")
    with Database.open(home.database) as db:
        db.set_config("memory_first_lines", "0")
    _, said = run(home)
    assert "can be recalled now" not in said


@pytest.mark.parametrize("given", [("--limit", "0"), ("--limit", "-1"), ("--first", "-1")])
def test_numbers_that_mean_nothing_are_refused(given: tuple[str, str]) -> None:
    with pytest.raises(SystemExit), redirect_stderr(io.StringIO()) as said:
        script.parse_arguments(list(given))
    assert "a whole number from" in said.getvalue()


def test_an_unusable_home_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "data_storage").mkdir()
    (tmp_path / "home" / "data_storage" / "embeddings.lock").mkdir()
    for bad in (tmp_path / "home", Path("/proc/nothing") if Path("/proc").is_dir() else tmp_path):
        command = [sys.executable, str(SCRIPT), "--home", str(bad)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert done.stderr.strip()


SLOW_CONVERTER = """
import os, time, pathlib
pathlib.Path(os.environ["MYNAH_TEST_PID"]).write_text(f"{os.getpid()} {os.nice(0)}")
time.sleep(60)
class TextModel: ...
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
def test_sigterm_while_the_embedder_is_made_leaves_no_converter_behind(tmp_path: Path) -> None:
    converter = tmp_path / "converter"
    (converter / "conversion").mkdir(parents=True)
    (converter / "convert_hf_to_gguf.py").write_text("", encoding="utf-8")
    (converter / "conversion" / "__init__.py").write_text("", encoding="utf-8")
    (converter / "conversion" / "base.py").write_text(SLOW_CONVERTER, encoding="utf-8")
    pid_file = tmp_path / "pid"
    builder = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--home", str(tmp_path / "home")],
        env={**os.environ, "MYNAH_CONVERTER": str(converter), "MYNAH_TEST_PID": str(pid_file)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (pid_file.is_file() and pid_file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    pid, niceness = map(int, pid_file.read_text().split())
    assert niceness >= 10
    assert psutil.pid_exists(pid)
    builder.send_signal(signal.SIGTERM)
    _, said = builder.communicate(timeout=10)
    assert builder.returncode == 130
    assert "start it again" in said
    assert not psutil.pid_exists(pid)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
def test_sigterm_ends_it_after_a_batch_and_one_builder_at_a_time(home: Home) -> None:
    lines = tiny.made_up_text(51, 3000)
    with Database.open(home.database) as db:
        db.upsert_messages([message(1000 + i, f"well {line}") for i, line in enumerate(lines)])
    command = [sys.executable, str(SCRIPT), "--home", str(home.root), "--json"]
    builder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert builder.stderr is not None
    progress = builder.stderr.readline()
    assert " of 3,0" in progress
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert "already" in second.stderr
    builder.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    out, said = builder.communicate(timeout=30)
    assert time.monotonic() - asked < 15
    assert builder.returncode == 0
    report = json.loads(out.splitlines()[-1])
    assert report["stopped"] is True
    assert "start it again" in said
    assert len(VectorIndex(home.embeddings, 384).ids()) == report["added"] > 0
