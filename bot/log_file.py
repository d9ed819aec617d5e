"""One log file, a new one each day (UTC): NAME.jsonl, and NAME.2026-05-01.jsonl for that day.

Works on Windows while somebody reads along: where the file cannot be renamed the day's lines go on
in it, and renaming is tried again a minute later. Nothing here raises.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

KEPT = 30
"""Files of earlier days."""
RETRY_S = 60.0


class DailyFile:
    """Opened at the first line. One thread, one process."""

    def __init__(self, folder: Path, name: str, now_s: Callable[[], float] = time.time) -> None:
        self.path = folder / f"{name}.jsonl"
        self.lost = 0
        """Lines that could not be written."""
        self._now_s = now_s
        self._file: TextIO | None = None
        self._day = ""
        self._not_before_s = 0.0

    def write(self, line: str) -> None:
        """Write one line, its line break included, and hand it to the system."""
        try:
            self._turn_over()
            if self._file is None:
                self._open()
            assert self._file is not None
            self._file.write(line)
            self._file.flush()
        except (OSError, ValueError):
            self.lost += 1
            self.close()

    def close(self) -> None:
        """Let go of the file; the next line opens it again."""
        if self._file is not None:
            with suppress(OSError, ValueError):
                self._file.close()
        self._file = None

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        was_torn = _ends_within_a_line(self.path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = os.open(self.path, flags, 0o600)
        self._file = os.fdopen(
            descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n"
        )
        if was_torn:
            self._file.write("\n")

    def _turn_over(self) -> None:
        """Put the file away where it is of another day than now."""
        now_s = self._now_s()
        today = _day(now_s)
        if today == self._day or now_s < self._not_before_s:
            return
        self.close()
        try:
            first_day = self._day or _day(self.path.stat().st_mtime)
            if first_day != today:
                self.path.replace(self._free_name(first_day))
                self._drop_old()
        except FileNotFoundError:
            pass
        except OSError:  # Windows: somebody has it open
            self._not_before_s = now_s + RETRY_S
            return
        self._day = today

    def _free_name(self, day: str) -> Path:
        """The day's name; where it is taken (the clock was set back), one with a number."""
        name, number = self.path.with_suffix(f".{day}.jsonl"), 1
        while name.exists():
            number += 1
            name = self.path.with_suffix(f".{day}-{number}.jsonl")
        return name

    def _drop_old(self) -> None:
        old = sorted(self.path.parent.glob(f"{self.path.stem}.*.jsonl"))
        for path in old[:-KEPT]:
            with suppress(OSError):
                path.unlink()


def _ends_within_a_line(path: Path) -> bool:
    """Whether a process was killed while it wrote."""
    with suppress(OSError), path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
    return False


def _day(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, timezone.utc).strftime("%Y-%m-%d")
