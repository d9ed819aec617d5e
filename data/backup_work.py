"""Working at a home's backups: alone, on a disk that may fill up, and never half-visible."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from storage.connections import DatabaseError
from storage.errors import MynahError
from storage.manifest import fsync_folder
from storage.paths import Home

MAKING = ".making-"
"""How the folders begin that something is made in; one that a kill left is nothing."""
_LOCK_S = 600.0
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


class BackupError(MynahError):
    """A backup cannot be made, read or restored; what was there before is as it was."""


@contextmanager
def at_work(home: Home, failed: str) -> Iterator[None]:
    """Alone with the home's backups; what the system says of a full disk becomes a sentence.

    `failed` begins it: "The backup was not made". Raises BackupError.
    """
    try:
        home.backups.mkdir(parents=True, exist_ok=True)
        with FileLock(home.data_storage / "backups.lock", timeout=_LOCK_S):
            for folder in (home.backups, home.data_storage):
                for left in folder.glob(f"{MAKING}*"):  # of who was killed: we are alone here
                    shutil.rmtree(left, ignore_errors=True)
            yield
    except Timeout:
        raise BackupError(
            f"{failed}: another process is at the backups; try again later."
        ) from None
    except (OSError, sqlite3.Error) as error:
        raise _in_words(home, failed, error) from error
    except DatabaseError as error:
        if is_full(error):
            raise _in_words(home, failed, error) from error
        raise


@contextmanager
def staging(parent: Path) -> Iterator[Path]:
    """An empty folder in the home's backups or data_storage, its owner's alone, that goes in any
    case."""
    folder = parent / f"{MAKING}{uuid.uuid4().hex[:8]}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put(made: Path, path: Path) -> None:
    """Have a finished file take its place, so that it is there after a power cut."""
    if made.stat().st_dev != path.parent.stat().st_dev:  # a folder that is a link elsewhere
        beside = path.with_name(f".{path.name}.new")
        try:
            shutil.copyfile(made, beside)
            put(beside, path)
        finally:
            beside.unlink(missing_ok=True)
        return
    with made.open("rb+") as file:
        os.fsync(file.fileno())
    made.replace(path)
    fsync_folder(path.parent)


def refuse_too_little_room(folder: Path, needed_bytes: int, what: str) -> None:
    """Raise BackupError, with both figures, where the disk has not that much free."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise BackupError(
            f"{what} needs about {needed_bytes / 1e6:,.0f} MB for a while, and the disk of "
            f"{folder} has {free_bytes / 1e6:,.0f} MB free: make room and start again. Nothing was "
            "changed."
        )


def is_full(error: BaseException | None) -> bool:
    """Whether a disk without room was the reason, or what it was raised from."""
    while error is not None:
        said = str(error).lower()
        if (
            getattr(error, "errno", None) in _NO_ROOM
            or "disk is full" in said
            or "no space" in said
        ):
            return True
        error = error.__cause__
    return False


def _in_words(home: Home, failed: str, error: BaseException) -> BackupError:
    said = "the disk is full" if is_full(error) else str(error).rstrip(".")
    return BackupError(
        f"{failed}: {said}. What was there before is as it was: make room, or look at the rights "
        f"of {home.backups}, then start again."
    )
