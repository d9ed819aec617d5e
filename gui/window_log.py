"""The window's own log, beside the bot's: data_storage/logs/window.jsonl, lines of the same form.

    handler = window_log.begin(home.logs)      # once, at the start

Ours from INFO, others' from WARNING. At most two files of half a megabyte. Exceptions are type and
frames without what they say: a driver's error could quote a message. Where the file cannot be
written the lines are lost.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import datetime, timezone
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any

from storage.errors import MynahError

FILE_NAME = "window.jsonl"
MOST_BYTES = 512 << 10
MAX_FRAMES = 20
OURS = ("bot", "gui", "storage", "__main__")


class WindowLog(RotatingFileHandler):
    """Writes one home's. Any thread."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(
            folder / FILE_NAME, maxBytes=MOST_BYTES, backupCount=1, encoding="utf-8", delay=True
        )
        self.addFilter(_may_pass)

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, Any] = {
            "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": "gui" if record.name == "__main__" else record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _harmless(record.exc_info[1], record.exc_info[2])
        return json.dumps(line, ensure_ascii=False, default=str)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """A full disk must not fill a terminal as well."""


def begin(folder: Path) -> WindowLog:
    """Log into `folder` from now on; `end` takes it back. Raises OSError."""
    handler = WindowLog(folder)
    root = logging.getLogger()
    root.addHandler(handler)
    if root.level > logging.INFO:
        root.setLevel(logging.INFO)
    return handler


def end(handler: WindowLog) -> None:
    """Write no more."""
    logging.getLogger().removeHandler(handler)
    handler.close()


def _may_pass(record: logging.LogRecord) -> bool:
    least = logging.INFO if record.name.partition(".")[0] in OURS else logging.WARNING
    return record.levelno >= least


def _harmless(error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
    frames = traceback.extract_tb(trace)[-MAX_FRAMES:]
    told: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "frames": [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames],
    }
    if isinstance(error, MynahError):
        told["says"] = str(error)
    return told
