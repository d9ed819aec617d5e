"""Folders for a database that lives as long as one piece of work: in the home, and gone with it.

What a kill left is taken away by the next one, and by forgetting (data/forgetting.py); what is in
use then its holder has to clean. Blocking; any thread.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from storage.paths import Home

_HELD = "held.lock"


@contextmanager
def scratch_folder(home: Home) -> Iterator[Path]:
    """An empty folder of one's own. Raises OSError."""
    sweep_scratch(home)
    home.scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=home.scratch))
    try:
        with FileLock(folder / _HELD, thread_local=False):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_if_empty(home.scratch)


def sweep_scratch(home: Home) -> int:
    """Take away the folders that nobody holds any more; how many."""
    swept = 0
    for folder in home.scratch.glob("*/"):
        try:
            with FileLock(folder / _HELD, timeout=0):
                pass
        except Timeout:
            continue
        except OSError:  # it is being taken away, or made, just now
            continue
        shutil.rmtree(folder, ignore_errors=True)
        swept += 1
    _remove_if_empty(home.scratch)
    return swept


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # another one is in use, or there is none
        return
