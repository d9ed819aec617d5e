"""The doctor's report on this computer, to paste into a bug. Takes seconds: call it on a worker."""

from __future__ import annotations

import os
import subprocess

from gui.child_process import TOKEN_VARIABLE, console_python
from gui.script_run import NO_WINDOW
from storage.errors import MynahError
from storage.paths import PROGRAM_DIR, Home

TIMEOUT_S = 180.0


class NoReportError(MynahError):
    """The report could not be made."""


def doctor_report(home: Home) -> str:
    """The report as `launcher.py --doctor` prints it; it names no user. Raises NoReportError."""
    try:
        done = subprocess.run(
            [
                str(console_python()),
                str(PROGRAM_DIR / "launcher.py"),
                *("--doctor", "--home", str(home.root)),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={
                **{name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE},
                "PYTHONUTF8": "1",
            },
            encoding="utf-8",
            errors="replace",
            creationflags=NO_WINDOW,
            timeout=TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NoReportError(f"The report could not be made ({type(error).__name__}).") from error
    if not done.stdout.strip():
        said = done.stderr.strip().splitlines()
        raise NoReportError(said[-1] if said else "The report could not be made: it is empty.")
    return done.stdout
