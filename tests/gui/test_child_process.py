"""The thin layer over the system's processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from bot.protocol import ExitCode
from gui import child_process
from gui.child_process import LOG_NAME
from storage.paths import Home
from tests.gui.conftest import eventually


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path).ensure()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_exit_code_of_our_own(home: Home) -> None:
    child = child_process.spawn(home, python("import sys; print('out'); sys.exit(7)"))
    eventually(child.has_ended)
    assert child.exit_code == 7
    assert not child.is_adopted
    assert child_process.tail(home, 9) == ["out"]
    child.kill()  # what has ended is left alone
    assert child.memory_bytes() is None


def test_an_adopted_ones_end_is_seen_even_where_nobody_reaps_it(home: Home) -> None:
    with (
        subprocess.Popen(python("import sys; sys.stdin.read()"), stdin=subprocess.PIPE) as process,
        FileLock(home.bot_lock),
    ):
        child = child_process.adopt(home, process.pid, psutil.Process(process.pid).create_time())
        assert child is not None
        assert child.is_adopted
        assert not child.has_ended()
        eventually(lambda: (child.memory_bytes() or 0) > 1 << 20)
        child.kill()
        eventually(child.has_ended)
        assert child.exit_code is None


def test_its_input_is_one_line_and_then_the_end(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_BOT_TOKEN", " planted\nmore ")
    code = "import os, sys; print(repr(sys.stdin.read()), 'DISCORD_BOT_TOKEN' in os.environ)"
    child = child_process.spawn(home, python(code))
    eventually(child.has_ended)
    assert child_process.tail(home, 9) == ["'plantedmore\\n' False"]


def test_a_child_that_reads_nothing_does_no_harm(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_BOT_TOKEN", "planted")
    child = child_process.spawn(home, python("import os; os.close(0)"))
    eventually(child.has_ended)


def test_it_has_a_session_of_its_own(home: Home) -> None:
    child = child_process.spawn(home, python("import time; time.sleep(60)"))
    if sys.platform != "win32":
        assert os.getsid(child.pid) == child.pid
    child.terminate()
    eventually(child.has_ended)


def test_only_what_was_printed_last_is_read(home: Home) -> None:
    (home.logs / LOG_NAME).write_bytes(b"x" * 70_000 + b"\nlast but one\nlast \xff\n")
    assert child_process.tail(home, 2) == ["last but one", "last \ufffd"]
    assert child_process.tail(home, 0) == []
    assert sum(map(len, child_process.tail(home, 9))) < 65_536


def test_nothing_was_printed_yet(home: Home) -> None:
    assert child_process.tail(home, 5) == []


@pytest.mark.parametrize("wrong_s", [None, -3_600.0, -0.02, 0.02])
def test_a_process_that_began_another_time_only_has_the_number(
    home: Home, wrong_s: float | None
) -> None:
    began_s = psutil.Process().create_time()
    said_s = None if wrong_s is None else began_s + wrong_s
    with FileLock(home.bot_lock):
        assert child_process.adopt(home, os.getpid(), said_s) is None
        assert child_process.adopt(home, os.getpid(), began_s) is not None


def test_who_is_named_where_no_bot_runs_is_no_bot(home: Home) -> None:
    began_s = psutil.Process().create_time()
    assert child_process.adopt(home, os.getpid(), began_s) is None
    assert not home.bot_lock.exists()
    with FileLock(home.bot_lock):
        pass
    assert child_process.adopt(home, os.getpid(), began_s) is None


def test_nobody_has_the_number(home: Home) -> None:
    with subprocess.Popen(python("import time; time.sleep(60)")) as process:
        began_s = psutil.Process(process.pid).create_time()
        process.kill()
        process.wait()
    with FileLock(home.bot_lock):
        assert child_process.adopt(home, process.pid, began_s) is None


def test_the_real_bot_holds_the_lock_that_is_asked_for(home: Home) -> None:
    command = [*child_process.bot_command(home)[:-1]]
    with FileLock(home.bot_lock):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == ExitCode.ALREADY_RUNNING


def test_a_place_that_cannot_be_written_is_a_sentence(home: Home) -> None:
    assert child_process.disk_trouble(home) == ""
    assert not any(path.is_file() for path in home.root.rglob("*"))
    home.logs.rmdir()
    home.logs.touch()
    assert "Nothing can be written in" in child_process.disk_trouble(home)
    with pytest.raises(child_process.SpawnError, match="could not be started"):
        child_process.spawn(home, python(""))


def test_the_real_command(home: Home) -> None:
    command = child_process.bot_command(home)
    assert Path(command[0]).stem.lower().startswith("python")
    assert Path(command[1]).parts[-2:] == ("bot", "main.py")
    assert command[2:] == ["--home", str(home.root), "--supervised"]
