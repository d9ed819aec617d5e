"""Imports customtkinter, before anybody else does, so that its fonts stay where they lie already.

On Linux each import of it writes its fonts into ~/.fonts, over those that are there. A window that
is open has these files mapped into memory, and one that draws in that instant is ended by the
system (SIGBUS): so did a second start of the program now and then.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def put(source: str, folder: str) -> str:
    """In place of `shutil.copy`: a file that is there as it should be is left alone, another one
    replaced as a whole. Returns the copy's path. Raises OSError."""
    target = Path(folder) / Path(source).name
    if not (target.is_file() and filecmp.cmp(source, target, shallow=False)):
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(source, partial)
        partial.replace(target)
    return str(target)


@contextmanager
def _copying_by(copy: object) -> Iterator[None]:
    before = shutil.copy
    shutil.copy = copy  # type: ignore[assignment]
    try:
        yield
    finally:
        shutil.copy = before


with _copying_by(put):
    import customtkinter  # noqa: F401
