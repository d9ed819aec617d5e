"""The supervisor in a terminal, as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gui.headless import describe
from gui.snapshot import Snapshot
from gui.supervision import State
from storage.paths import PROGRAM_DIR
from tests.gui.conftest import LONG_S, House, eventually, lives, reach

CODE = """\
import sys
from pathlib import Path
sys.path.insert(0, {program!r})
from gui import headless
from storage.paths import Home
sys.exit(headless.keep_up(Home(Path({home!r})), {command!r}))
"""


@contextmanager
def headless(house: House, *behaviours: str) -> Iterator[subprocess.Popen[str]]:
    """gui/headless.py's keep_up over the fake bot; its lines on stdout."""
    command = house.command(*behaviours)
    code = CODE.format(program=str(PROGRAM_DIR), home=str(house.home.root), command=command)
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        creationflags=flags,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(process: subprocess.Popen[str], word: str) -> list[str]:
    """What it prints, without the times, up to the line with this word."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.split(" ", 1)[1].rstrip())
        if word in lines[-1]:
            return lines
    raise AssertionError(f"it ended before {word}: {lines}")


def interrupt(process: subprocess.Popen[str]) -> None:
    """What Ctrl-C (Ctrl-Break on Windows) sends."""
    process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT))


@pytest.mark.parametrize("way", ["ctrl-c", "terminate"])
def test_one_line_a_change_and_a_polite_stop(house: House, way: str) -> None:
    with headless(house, "ready") as process:
        lines = lines_until(process, "online (process")
        pid = house.starts[0]["pid"]
        assert lines[0] == "starting"
        assert lines[-1] == f"online (process {pid})"
        if way == "terminate" and sys.platform != "win32":
            process.terminate()
        else:
            interrupt(process)
        assert lines_until(process, "stopped") == [f"stopping (process {pid})", "stopped"]
        assert process.wait(LONG_S) == 0
    assert house.alive() == []


def test_a_second_ctrl_c_does_not_wait(house: House) -> None:
    with headless(house, "stubborn") as process:
        lines_until(process, "online")
        interrupt(process)
        lines_until(process, "stopping")
        interrupt(process)
        lines_until(process, "stopped")  # long before the first grace of 10 s is over
        assert process.wait(LONG_S) == 0


def test_a_final_failure_ends_it(house: House) -> None:
    with headless(house, "says-20") as process:
        lines = lines_until(process, "failed")
        assert lines[-1] == "failed: This is what the bot says."
        assert process.wait(LONG_S) == 2


def test_killed_it_leaves_the_bot_which_the_next_one_adopts(house: House) -> None:
    with headless(house, "ready") as process:
        lines_until(process, "online")
        process.kill()
        process.wait(LONG_S)
        pid = house.starts[0]["pid"]
        assert lives(pid)
    supervisor = house.supervise("crash")
    supervisor.start()
    seen = reach(supervisor, State.ONLINE)
    assert (seen.pid, seen.is_adopted, len(house.starts)) == (pid, True, 1)
    supervisor.stop()
    reach(supervisor, State.STOPPED)
    eventually(lambda: not lives(pid))


def test_a_second_one_is_refused_with_a_sentence(house: House) -> None:
    house.supervise("ready")
    done = subprocess.run(
        [sys.executable, str(PROGRAM_DIR / "gui" / "headless.py"), "--home", house.home.root],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "close it first" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_that_is_none_is_a_sentence() -> None:
    command = [
        sys.executable,
        str(PROGRAM_DIR / "gui" / "headless.py"),
        "--home",
        "~no-such-user/x",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "choose another with --home" in done.stderr
    assert "Traceback" not in done.stderr


def run_headless(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = str(PROGRAM_DIR / "gui" / "headless.py")
    return subprocess.run(
        [sys.executable, script, *arguments], capture_output=True, text=True, timeout=LONG_S
    )


@pytest.mark.parametrize("broken", ["data_storage", "data_storage/supervisor.lock"])
def test_a_home_that_cannot_be_written_is_a_sentence(tmp_path: Path, broken: str) -> None:
    in_the_way = tmp_path / broken
    in_the_way.parent.mkdir(exist_ok=True)
    in_the_way.touch() if broken == "data_storage" else in_the_way.mkdir()
    done = run_headless("--home", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "choose another with --home DIR." in done.stderr
    assert "Errno" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there a process group has Ctrl-Break alone")
@pytest.mark.parametrize("module", ["argparse", "psutil", "gui.supervisor"])
def test_an_early_ctrl_c_is_quiet(tmp_path: Path, module: str) -> None:
    """It comes while this module's import has just ended."""
    script = str(PROGRAM_DIR / "gui" / "headless.py")
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", script, "--home", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.split("|")[-1].strip() == module)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert "Traceback" not in said
    assert "KeyboardInterrupt" not in said


def test_what_waits_says_when_it_goes_on() -> None:
    seen = Snapshot(State.WAITING, reason="The bot crashed.", next_attempt_in_s=3.96)
    assert describe(seen) == "waiting, next attempt in 4 s: The bot crashed."


@pytest.mark.parametrize(
    ("state", "phase", "line"),
    [
        (State.ONLINE, "online", "online (process 7)"),
        (State.ONLINE, "", "online (process 7)"),
        (State.ONLINE, "loading", "running, connecting (process 7)"),
        (State.ONLINE, "waiting for the network", "running, waiting for the network (process 7)"),
        (State.STARTING, "loading", "starting, loading (process 7)"),
        (State.STOPPING, "online", "stopping (process 7)"),
    ],
)
def test_online_is_who_is_on_discord(state: State, phase: str, line: str) -> None:
    assert describe(Snapshot(state, pid=7, phase=phase)) == line


def test_nothing_heavy_is_imported() -> None:
    code = (
        f"import json, sys; sys.path.insert(0, {str(PROGRAM_DIR)!r}); import gui.headless; "
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    heavy = {
        "aiohttp",
        "discord",
        "numpy",
        "sqlalchemy",
        "lancedb",
        "torch",
        "llama_cpp",
        "tkinter",
    }
    assert heavy.isdisjoint(json.loads(done.stdout))
