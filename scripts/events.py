"""What a long script tells a program that waits for it: JSON objects, one a line on stdout.

    {"event": "begin", "stage": "sft"}
    {"event": "progress", "stage": "sft", "step": 20, "steps": 640, "loss": 3.2, "left_s": 61.0}
    {"event": "end", "stage": "sft", "seconds": 64.2, "made": true}

The result of --json comes after them, on the last line, and has no "event". Standard library alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

EVERY_S = 0.2
"""Progress is told at most so often; begin and end always."""


class Events:
    """One script's. Does nothing where nobody asked for them."""

    def __init__(self, is_asked: bool) -> None:
        self._is_asked = is_asked
        self._told_s = float("-inf")

    def begin(self, stage: str) -> None:
        """A stage begins; its first progress is told at once."""
        self._told_s = float("-inf")
        self._write({"event": "begin", "stage": stage})

    def progress(self, stage: str, *, is_last: bool = False, **figures: Any) -> None:
        """How far a stage is, unless that was told a moment ago; the last of it always."""
        now_s = time.monotonic()
        if is_last or now_s - self._told_s >= EVERY_S:
            self._told_s = now_s
            self._write({"event": "progress", "stage": stage, **figures})

    def end(self, stage: str, seconds: float, *, made: bool = True, **more: Any) -> None:
        """A stage is done; `made` is False where it had been done before."""
        known = {"event": "end", "stage": stage, "seconds": round(seconds, 2), "made": made}
        self._write({**known, **more})

    def _write(self, value: dict[str, Any]) -> None:
        if self._is_asked:
            print(json.dumps(value, ensure_ascii=False), file=sys.stdout, flush=True)


def add_events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--events",
        action="store_true",
        help="tell the progress on stdout, a JSON object a line, before the result of --json",
    )
