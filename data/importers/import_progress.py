"""Shows the progress of long work on a terminal: one line, rewritten; elsewhere a line now and
then."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

from data.importers.summary import ImportProgress

ON_TERMINAL_EVERY_S = 0.2
ELSEWHERE_EVERY_S = 10.0


class ProgressLine:
    """Give `show` to `import_paths`, or `write` what you will, and call `end` when it is over.

    One thread.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._rewrites = out.isatty()
        self._shown = time.monotonic()
        self._length = 0

    def show(self, progress: ImportProgress) -> None:
        """Write how far an import is, unless it was told a moment ago."""
        self.write(described(progress))

    def write(self, text: str) -> None:
        """Write this in place of what stands there, unless that was written a moment ago."""
        now = time.monotonic()
        if now - self._shown < (ON_TERMINAL_EVERY_S if self._rewrites else ELSEWHERE_EVERY_S):
            return
        self._shown = now
        if self._rewrites:
            text = text[: shutil.get_terminal_size().columns - 1]
            self._out.write("\r" + text.ljust(self._length))
            self._length = len(text)
        else:
            self._out.write(text + "\n")
        self._out.flush()

    def end(self) -> None:
        """Wipe the line."""
        if self._rewrites and self._length:
            self._out.write("\r" + " " * self._length + "\r")
            self._out.flush()
        self._length = 0


def described(progress: ImportProgress) -> str:
    """ "41% · 83,500 messages · 19,800 a second · 6 s left · general.json"."""
    share = progress.bytes_done / progress.bytes_total if progress.bytes_total else 1.0
    rate = progress.messages / progress.seconds if progress.seconds else 0.0
    left_s = progress.seconds / share - progress.seconds if share else 0.0
    parts = [f"{min(share, 1.0):.0%}", f"{progress.messages:,} messages", f"{rate:,.0f} a second"]
    parts.append(f"{int(left_s // 60)}:{int(left_s % 60):02d} left" if left_s >= 1 else "done soon")
    if progress.quarantined:
        parts.append(f"{progress.quarantined:,} kept aside")
    return " · ".join([*parts, progress.file_name])
