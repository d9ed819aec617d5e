"""Finds the files to import: those named, and all *.json and *.json.gz below the folders named."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.errors import MynahError

ENDINGS = (".json", ".json.gz")


class MissingPathError(MynahError):
    """A path to import does not exist."""


@dataclass(frozen=True)
class SourceFile:
    """A file that may be an export."""

    path: Path
    size_bytes: int


def find_files(paths: Sequence[Path]) -> list[SourceFile]:
    """Each file once, in the order of `paths`, below a folder by name. Raises MissingPathError."""
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        verb = "does" if len(missing) == 1 else "do"
        raise MissingPathError(f"{', '.join(missing)} {verb} not exist; check the path to import.")
    found: dict[Path, SourceFile] = {}
    for path in paths:
        for file in _below(path) if path.is_dir() else (path,):
            if not os.path.isfile(file):  # noqa: PTH113 - Path's raises where it may not look
                continue  # a link to itself too, which resolve() would not survive
            resolved = file.resolve()
            if resolved not in found:
                found[resolved] = SourceFile(file, resolved.stat().st_size)
    return list(found.values())


def _below(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(ENDINGS):
                yield Path(where) / name
