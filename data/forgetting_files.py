"""Takes what is erased out of every file below a folder; a kill at any point leaves nothing halved.

A file alone is written beside its place and renamed. In a folder with a manifest all changed files
are written first, then the new manifest; from that moment on the change is made, and whoever comes
next finishes the renames.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from data.dataset import FILES, KIND
from data.forgetting_rewrite import holds_one, rewrite
from data.forgetting_rules import Rules
from data.preference_rows import FILES as PREFERENCES
from storage import manifest
from storage.errors import MynahError
from storage.manifest import MANIFEST_NAME, Manifest, ManifestFile

STAGED = ".erasing-"
_HALF_MADE = (".making-", ".old-")
_CLOCKS_DIFFER_S = 60.0
LEFT_ALONE = frozenset(
    ".db .db-wal .db-shm .db-journal .gguf .lock .npz .safetensors .bin .pt .lance .arrow".split()
)
"""Databases have a place of their own; the others hold no text."""


class BeingMadeError(MynahError):
    """Another process is making a folder just now."""


@dataclass
class Swept:
    """What became of the files below a folder."""

    changed: int = 0
    removed: list[str] = field(default_factory=list)
    """Files that went as a whole, as paths."""

    @property
    def count(self) -> int:
        return self.changed + len(self.removed)


def sweep(folder: Path, rules: Rules) -> Swept:
    """Rewrite or remove what names what is erased, below `folder`. A second time does nothing.

    Once all else is done: raises OSError for a file that cannot be written just now, BeingMadeError
    where another process is making a folder.
    """
    swept = Swept()
    held: OSError | None = None
    if not folder.is_dir():
        return swept
    being_made = [path for path in _half_made(folder) if not _taken_away(path, swept)]
    for place in _with_manifest(folder):
        _finish(place)
    for left in folder.rglob(f"*{STAGED}*"):
        left.unlink(missing_ok=True)
    done: set[Path] = set()
    for place in _with_manifest(folder):
        known = manifest.read_manifest(place)
        if known is not None:
            done.update(place / name for name in known.files)
            try:
                _rewrite_whole(place, known, rules, swept)
            except OSError as error:
                held = error
    for path in _files(folder):
        if path not in done and not any(one in path.parents for one in being_made):
            try:
                rewrite_one(path, rules, swept)
            except OSError as error:  # Windows: a program has it open
                held = error
    if held is not None:
        raise held
    if being_made:
        raise BeingMadeError(
            f"{being_made[0]} is being made by another process; it is looked at again once that "
            "has ended."
        )
    return swept


def rewrite_one(path: Path, rules: Rules, swept: Swept) -> None:
    """One file that no manifest names. Raises OSError."""
    with suppress(FileNotFoundError):  # somebody took it away meanwhile
        if not holds_one(path, rules):
            return
        staged = path.with_name(f"{STAGED}{path.name}")
        try:
            if not rewrite(path, staged, rules):
                path.unlink()
                swept.removed.append(str(path))
            elif not filecmp.cmp(staged, path, shallow=False):
                _sync(staged)
                staged.replace(path)
                swept.changed += 1
        finally:
            staged.unlink(missing_ok=True)


def _rewrite_whole(folder: Path, known: Manifest, rules: Rules, swept: Swept) -> None:
    """A folder with a manifest: what cannot be rewritten is emptied, for the manifest names it."""
    files = dict(known.files)
    for name in known.files:
        path = folder / name
        if path.suffix in LEFT_ALONE or not holds_one(path, rules):
            continue
        staged = path.with_name(f"{STAGED}{path.name}")
        if rewrite(path, staged, rules):
            swept.changed += 1
        else:
            staged.write_bytes(b"")
            swept.removed.append(str(path))
        files[name] = noted(staged)
    config = rules.without(known.config)
    if files == known.files and config == known.config:
        return
    put_into_place(folder, replace(known, config=config, files=files))


def noted(path: Path) -> ManifestFile:
    """A file as a manifest names it, synced."""
    _sync(path)
    return ManifestFile(manifest.sha256_file(path), path.stat().st_size)


def put_into_place(folder: Path, new: Manifest) -> None:
    """Make the staged files of `folder` the real ones, and `new` its manifest."""
    if new.kind == KIND:
        files = {**FILES, **PREFERENCES}
        counts = {
            what: _lines_of(folder, name) for what, name in files.items() if name in new.files
        }
        new = replace(new, counts={**new.counts, **counts})
    marker = folder / f"{STAGED}{MANIFEST_NAME}"
    manifest.write_text_atomically(marker, manifest.to_text(new))
    _finish(folder)


def _finish(folder: Path) -> None:
    """Where the new manifest was written, the renames are made up for."""
    marker = folder / f"{STAGED}{MANIFEST_NAME}"
    if not marker.is_file():
        return
    for name in json.loads(marker.read_text(encoding="utf-8"))["files"]:
        path = folder / name
        with suppress(FileNotFoundError):
            path.with_name(f"{STAGED}{path.name}").replace(path)
    marker.replace(folder / MANIFEST_NAME)


def _lines_of(folder: Path, name: str) -> int:
    staged = folder / f"{STAGED}{name}"
    with (staged if staged.is_file() else folder / name).open("rb") as file:
        return sum(1 for _ in file)


def _with_manifest(folder: Path) -> list[Path]:
    return sorted({path.parent for path in folder.rglob(f"*{MANIFEST_NAME}")})


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix not in LEFT_ALONE and path.is_file() and not path.is_symlink():
            yield path


def _half_made(folder: Path) -> list[Path]:
    """What `storage.manifest.making` left, or is at."""
    return [
        path
        for path in folder.rglob(".*")
        if path.is_dir() and any(mark in path.name for mark in _HALF_MADE)
    ]


def _taken_away(path: Path, swept: Swept) -> bool:
    """Remove what a process left half-made; False where it is still at it."""
    if _maker_lives(path):
        return False
    shutil.rmtree(path, ignore_errors=True)
    swept.removed.append(str(path))
    return True


def _maker_lives(path: Path) -> bool:
    """Whether the process whose id stands in the name is there: .NAME.making-PID-MARK."""
    words = path.name.rsplit("-", 2)
    is_named = ".making-" in path.name and len(words) == 3 and words[1].isdigit()
    if not is_named or int(words[1]) == os.getpid():
        return False
    try:  # one that was started after the last change is another one with that id
        began_s = psutil.Process(int(words[1])).create_time()
        return began_s <= path.stat().st_mtime + _CLOCKS_DIFFER_S
    except psutil.AccessDenied:
        return True
    except (psutil.Error, OSError, OverflowError):
        return False


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
