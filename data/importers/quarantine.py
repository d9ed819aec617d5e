"""Keeps what an import could not use: a JSON Lines file for each damaged source file.

A line: {"file", "index", "near_byte", "reason", "record"}. `index` counts messages from 0;
`near_byte` is where in the unpacked file the piece ends (64 KiB, seldom more) that held the record.
Importing the same file again replaces its quarantine file, or removes it once nothing is wrong.
Words of members who are excluded or were forgotten are not kept here either: then "record" says so.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, TextIO

_ODD = re.compile(r"[^\w.-]+")


class Quarantine:
    """The quarantine of one source file; a context manager. Written from the first entry on."""

    def __init__(self, folder: Path, source: Path) -> None:
        resolved = str(source.resolve())
        mark = hashlib.sha256(resolved.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        stem = _ODD.sub("_", source.name)[:80].encode("utf-8", "replace").decode("utf-8")
        self.path = folder / f"{stem}-{mark}.jsonl"
        self._partial = self.path.with_name(self.path.name + ".part")
        self._source = resolved.encode("utf-8", "replace").decode("utf-8")
        self._file: TextIO | None = None
        self.count = 0

    def __enter__(self) -> Quarantine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is None:
            self.path.unlink(missing_ok=True)
        else:
            self._file.close()
            self._partial.replace(self.path)

    def add(self, index: int, near_byte: int, reason: str, record: Any) -> None:
        """Keep one record and why. Raises OSError where the disk refuses."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("w", encoding="ascii", newline="\n")
        entry = {
            "file": self._source,
            "index": index,
            "near_byte": near_byte,
            "reason": reason,
            "record": record,
        }
        self._file.write(_line(entry) + "\n")
        self.count += 1


def _line(entry: dict[str, Any]) -> str:
    try:
        return json.dumps(entry, default=str)
    except (RecursionError, ValueError):
        return json.dumps({**entry, "record": "left out: nested too deeply or too large a number"})
