"""A file that names a process, to be known again after a restart: {"name", "pid", "created_s"}.

A pid alone may be another process' by tomorrow. Any thread.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import psutil

_STARTED_WITHIN_S = 1.0


def mark(path: Path, name: str, pid: int) -> None:
    """Write it. Raises OSError."""
    path.write_text(json.dumps({"name": name, **_identity(pid)}))


def marked(path: Path) -> tuple[str, int] | None:
    """(name, pid) of the process that the file names, where that is alive."""
    try:
        noted = json.loads(path.read_text())
        name, pid = str(noted["name"]), int(noted["pid"])
        process = psutil.Process(pid)
        is_same = abs(process.create_time() - float(noted["created_s"])) < _STARTED_WITHIN_S
        return (name, pid) if is_same and is_alive(process) else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def is_alive(process: psutil.Process) -> bool:
    """Not by waiting for it: that would take its exit status away from the event loop."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _identity(pid: int) -> dict[str, float]:
    with suppress(psutil.Error):
        return {"pid": pid, "created_s": psutil.Process(pid).create_time()}
    return {"pid": pid, "created_s": 0.0}
