#!/usr/bin/env python3
"""Opens the window. `launcher.py` starts this inside the environment.

A second start on the same home shows the first one's window and ends with 0. What keeps the window
from opening is said in a sentence: in a small dialog where there is a display, and on stderr.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if sys.stdout is None or sys.stderr is None:  # pythonw has none, and libraries print
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
# CustomTkinter takes PIL where it is there, for pictures that we do not have: 3 MB.
sys.modules["PIL"] = None  # type: ignore[assignment]
# asyncio does without TLS where it is not there: the window speaks to its bot on this computer.
sys.modules["ssl"] = None  # type: ignore[assignment]
# hashlib has its own code for what OpenSSL would do: 2 MB.
sys.modules["_hashlib"] = None  # type: ignore[assignment]
sys.path[0:1] = [str(Path(__file__).resolve().parent.parent)]

from gui import crash_dialog
from gui.no_window import why_no_window
from storage.errors import MynahError
from storage.paths import Home, find_home

log = logging.getLogger(__name__)

FAILED = 2


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="launcher.py", description=__doc__)
    parser.add_argument("--home", metavar="DIR", help="the home folder (default: MYNAH_HOME)")
    parser.add_argument("--minimised", action="store_true", help="open in the tray")
    arguments = parser.parse_args(argv)
    try:
        home = find_home(arguments.home).ensure()
    except MynahError as error:
        return _refuse(str(error))
    if sentence := why_no_window():
        return _refuse(sentence)
    try:
        return _open(home, arguments.minimised)
    except MynahError as error:
        return _refuse(str(error))
    except Exception as error:
        log.exception("the window failed")
        print(crash_dialog.UNEXPECTED, file=sys.stderr)
        crash_dialog.show(error, home)
        return 1


def _open(home: Home, is_minimised: bool) -> int:
    from gui import window_log

    handler = window_log.begin(home.logs)
    try:
        window = _make(home, is_minimised)
        if window is not None:
            window.run()
    finally:
        window_log.end(handler)
    return 0


def _make(home: Home, is_minimised: bool) -> Any:
    """The window, or None where one is open already, which has shown itself then.

    Raises AlreadySupervisedError where something else looks after this home.
    """
    from gui import toolkit_fonts  # noqa: F401  # before customtkinter is imported
    from gui.app import Window
    from gui.second_start import ask_first
    from gui.supervisor import AlreadySupervisedError

    try:
        return Window(home, is_minimised=is_minimised)
    except AlreadySupervisedError:
        if not ask_first(home):
            raise
        return None


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    crash_dialog.tell(sentence)
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
