"""A disk that fills up: a tmpfs of its own where one may be mounted, else a limit on files' sizes.

Both are the operating system's own refusals (ENOSPC, EFBIG), wherever a byte happens to be written.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE_BYTES = 64 << 20


class SmallDisk:
    """A folder on which only so much more can be written. POSIX only."""

    def __init__(self, folder: Path, is_mounted: bool) -> None:
        self.folder = folder
        self.is_mounted = is_mounted
        self._filler = folder / "filler"

    def leave(self, free_bytes: int) -> None:
        """From now on only about that much can be written."""
        self.make_room()
        if not self.is_mounted:
            _limit(free_bytes)
            return
        import shutil

        room = shutil.disk_usage(self.folder).free
        with self._filler.open("wb") as file:
            file.write(bytes(max(room - free_bytes, 0)))

    def make_room(self) -> None:
        """As much as there is can be written again."""
        if self.is_mounted:
            self._filler.unlink(missing_ok=True)
        else:
            _limit(None)


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Mounted at `folder` while the block lasts, where this user may."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(folder)]
    is_mounted = sys.platform == "linux" and _done(command)
    disk = SmallDisk(folder, is_mounted)
    try:
        yield disk
    finally:
        disk.make_room()
        if is_mounted:
            _done(["umount", "-l", str(folder)])


def _limit(size_bytes: int | None) -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size_bytes is None else size_bytes, hard))


def _done(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
