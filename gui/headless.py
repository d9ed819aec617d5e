#!/usr/bin/env python3
"""Keeps the bot up without a window: one line a change, until it is stopped.

Ctrl-C stops it politely, a second Ctrl-C at once. Ends with 0 after a stop, with 2 where the bot
cannot be kept up: the last line says why. `launcher.py --headless` starts this.
"""

from __future__ import annotations

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a quiet end until there is a bot to stop

import argparse
import io
import queue
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gui.snapshot import Snapshot
from gui.supervision import State
from gui.supervisor import Supervisor
from storage.errors import MynahError
from storage.paths import Home, find_home

_POLITE_SIGNALS = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")
_WAKE_S = 0.5  # on Windows a signal is handled only between two waits


def main(argv: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    parser = argparse.ArgumentParser(prog="launcher.py --headless", description=__doc__)
    parser.add_argument("--home", metavar="DIR", help="the home folder (default: MYNAH_HOME)")
    arguments = parser.parse_args(argv)
    try:
        return keep_up(find_home(arguments.home).ensure())
    except MynahError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        why = error.strerror or error
        print(f"The home cannot be used ({why}); choose another with --home DIR.", file=sys.stderr)
    return 2


def keep_up(home: Home, command: Sequence[str] | None = None) -> int:
    """Start the bot, or adopt it, and report until it is stopped or has failed; the exit status.

    Raises AlreadySupervisedError, HomeError. For the main thread: it takes the signals.
    """
    changes: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()
    with Supervisor(home, command=command, on_change=changes.put) as supervisor:
        _stop_on_signals(supervisor)
        supervisor.start()
        return _report(changes)


def _report(changes: queue.SimpleQueue[Snapshot]) -> int:
    said = ""
    while True:
        try:
            change = changes.get(timeout=_WAKE_S)
        except queue.Empty:
            continue
        if (line := describe(change)) != said:
            _say(line)
        said = line
        if change.state is State.STOPPED:
            return 0
        if change.state is State.FAILED:
            return 2


def describe(seen: Snapshot) -> str:
    """One line for one state of things, without figures that change from second to second."""
    line = seen.activity
    if seen.pid is not None:
        line += f" (process {seen.pid}" + (", adopted)" if seen.is_adopted else ")")
    if seen.next_attempt_in_s is not None:
        line += f", next attempt in {seen.next_attempt_in_s:.0f} s"
    return line + (f": {seen.reason}" if seen.reason else "")


def _say(line: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        print(time.strftime("%H:%M:%S"), line, flush=True)


def _stop_on_signals(supervisor: Supervisor) -> None:
    asked = 0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        supervisor.stop() if asked == 1 else supervisor.force_stop()

    for name in _POLITE_SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and not (name == "SIGHUP" and _is_ignored(number)):
            signal.signal(number, stop)


def _is_ignored(number: int) -> bool:
    """As nohup does it: then the end of the terminal is not ours."""
    return signal.getsignal(number) is signal.SIG_IGN


if __name__ == "__main__":
    sys.exit(main())
