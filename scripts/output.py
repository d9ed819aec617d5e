"""Makes what a script prints UTF-8, whatever the locale. Standard library alone."""

from __future__ import annotations

import io
import sys


def use_utf8_output() -> None:
    """Call first in a script: Windows writes to files and pipes in its code page, without emoji."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # anything else is a test's own
            stream.reconfigure(encoding="utf-8", errors="replace")
