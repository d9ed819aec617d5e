"""One script as a step of a longer run: a process of its own whose events and result are read.

What it says for people (stderr) goes to the run's log; the last line of that is the reason where it
fails. On Ctrl-C it is asked once to put away what it has half-made, and waited for; a second one
ends it at once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from storage.errors import MynahError
from storage.paths import PROGRAM_DIR

GRACE_S = 1800.0
"""For the end of a training step, which takes minutes on a processor, and its checkpoint."""
ONE_ORDER_S = 2.0
"""One order may come twice, from the terminal and from who started us: within this it is one."""
STOPPED_STATUS = 130

Heard = Callable[[dict[str, Any]], None]


class StepError(MynahError):
    """A step did not finish; the sentence is its own last one."""


@dataclass(frozen=True)
class StepResult:
    """How a script ended."""

    status: int
    value: dict[str, Any] = field(default_factory=dict)
    """Its --json; empty where it said none."""
    last_words: str = ""


def run_step(script: str, arguments: list[str], log_file: Path, heard: Heard) -> StepResult:
    """Run scripts/`script` with --json and --events to its end; `heard` gets each event.

    Raises KeyboardInterrupt where it was stopped, by us or by itself. Blocking: main thread.
    """
    with log_file.open("a", encoding="utf-8") as log:
        process = _start(script, arguments)
        listening = _Listener(process, log)
        try:
            value = _follow(process, heard)
            status = process.wait()
        except BaseException:  # Ctrl-C, or nobody is there any more to hear of it
            _stop(process)
            raise
        finally:
            listening.close()
    if status == STOPPED_STATUS:
        raise KeyboardInterrupt
    return StepResult(status, value, listening.last_words)


def _start(script: str, arguments: list[str]) -> subprocess.Popen[str]:
    """Out of reach of the terminal's Ctrl-C, which is passed on once. On Windows it shares our
    console, hidden or not: Ctrl-Break reaches it there."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAM_DIR / "scripts" / script), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def _follow(process: subprocess.Popen[str], heard: Heard) -> dict[str, Any]:
    assert process.stdout is not None
    result: dict[str, Any] = {}
    for line in process.stdout:
        try:
            value = json.loads(line)
        except ValueError:
            continue  # words for people
        if isinstance(value, dict) and "event" in value:
            heard(value)
        elif isinstance(value, dict):
            result = value
    return result


def _stop(process: subprocess.Popen[str]) -> None:
    asked_s = time.monotonic()

    def asked_again(number: int, frame: object) -> None:
        if time.monotonic() - asked_s > ONE_ORDER_S:
            process.kill()

    before = signal.signal(signal.SIGINT, asked_again)
    try:
        _ask(process)
        process.wait(timeout=GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def _ask(process: subprocess.Popen[str]) -> None:
    """What scripts/edge.py takes as Ctrl-C."""
    if sys.platform != "win32":
        process.terminate()
        return
    try:
        process.send_signal(signal.CTRL_BREAK_EVENT)
    except OSError:  # there is no console
        process.terminate()


class _Listener:
    """Writes a process' stderr to the log, on a thread of its own."""

    def __init__(self, process: subprocess.Popen[str], log: IO[str]) -> None:
        self.last_words = ""
        self._log = log
        assert process.stderr is not None
        self._thread = threading.Thread(target=self._listen, args=(process.stderr,), daemon=True)
        self._thread.start()

    def _listen(self, stream: IO[str]) -> None:
        with suppress(ValueError, OSError):  # closed while it is read
            for line in stream:
                self._log.write(line)
                self._log.flush()
                self.last_words = line.strip() or self.last_words

    def close(self) -> None:
        """A child that outlived the process may hold the stream open: it is not waited for long."""
        self._thread.join(timeout=5)
