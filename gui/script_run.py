"""Runs one of our scripts as a short process beside the window: what is heavy happens there.

A script that is meant for the window prints JSON objects, one a line: `on_line` gets each, the last
one is the result. What it says on stderr are sentences for people: the last is the reason of a
failure. Called from Tk's thread; callbacks come on Tk's thread.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Collection
from typing import IO, Any

from gui.child_process import TOKEN_VARIABLE, console_python
from gui.ui_thread import UiThread
from storage.paths import PROGRAM_DIR, Home

NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
KEPT_LINES = 200
STOPPED_STATUS = 130

OnLine = Callable[[dict[str, Any]], object]
OnDone = Callable[[dict[str, Any]], object]
OnFailed = Callable[[str], object]


class ScriptRun:
    """One running script. Made by `start`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.is_cancelled = False
        self.said: deque[str] = deque(maxlen=KEPT_LINES)
        """The last lines of its stderr."""

    def cancel(self) -> None:
        """Ask it to stop; what it has finished stays. It ends with `failed`."""
        self.is_cancelled = True
        if self._process.poll() is None:
            self._process.terminate()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def tell(self, line: str) -> None:
        """Write a line to its stdin (`start(..., talks=True)`)."""
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
            except OSError:
                return  # it has ended, and says so by itself


def start(
    ui: UiThread,
    home: Home,
    script: str,
    *arguments: str,
    done: OnDone = lambda result: None,
    failed: OnFailed = lambda reason: None,
    on_line: OnLine | None = None,
    on_said: Callable[[str], object] | None = None,
    stdin: str | None = None,
    talks: bool = False,
    may_end_with: Collection[int] = (0,),
) -> ScriptRun:
    """Start scripts/`script` on the home. `stdin` is written and closed (a token goes that way).

    `talks` keeps stdin open for `tell`; `may_end_with`: the statuses with which a result is one.
    Raises OSError where no process can be started.
    """
    environment = {k: v for k, v in os.environ.items() if k != TOKEN_VARIABLE}
    file = PROGRAM_DIR / "scripts" / script
    process = subprocess.Popen(
        [str(console_python()), str(file), *arguments, "--home", str(home.root)],
        stdin=subprocess.PIPE if talks or stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"},
        encoding="utf-8",
        errors="replace",
        creationflags=NO_WINDOW,
    )
    run = ScriptRun(process)
    reader = threading.Thread(
        target=_follow,
        args=(ui, run, process, on_line, on_said, done, failed, stdin, may_end_with),
        name=f"script {script}",
        daemon=True,
    )
    reader.start()
    return run


def _follow(
    ui: UiThread,
    run: ScriptRun,
    process: subprocess.Popen[str],
    on_line: OnLine | None,
    on_said: Callable[[str], object] | None,
    done: OnDone,
    failed: OnFailed,
    stdin: str | None,
    may_end_with: Collection[int],
) -> None:
    """On a thread of its own, until the script has ended."""
    assert process.stdout is not None
    assert process.stderr is not None
    if stdin is not None and process.stdin is not None:
        _feed(process.stdin, stdin)
    errors = threading.Thread(target=_listen, args=(ui, run, process.stderr, on_said), daemon=True)
    errors.start()
    last: dict[str, Any] = {}
    for line in process.stdout:
        value = _object(line)
        if value is not None:
            last = value
            if on_line is not None:
                ui.enqueue(on_line, value)
    status = process.wait()
    errors.join(5)
    is_result = bool(last) and "event" not in last
    if status == 0 or (status in may_end_with and is_result):
        ui.enqueue(done, last)
    else:
        ui.enqueue(failed, _reason(run, status))


def _feed(stdin: IO[str], text: str) -> None:
    try:
        stdin.write(text)
        stdin.close()
    except OSError:
        return  # it did not want to read


def _listen(
    ui: UiThread, run: ScriptRun, errors: IO[str], on_said: Callable[[str], object] | None
) -> None:
    for line in errors:
        text = line.rsplit("\r", 1)[-1].strip()
        if text:
            run.said.append(text)
            if on_said is not None:
                ui.enqueue(on_said, text)


def _reason(run: ScriptRun, status: int) -> str:
    if run.is_cancelled or status == STOPPED_STATUS:
        return "Stopped; what was finished stays."
    return run.said[-1] if run.said else f"It ended with the status {status} and said nothing."


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
