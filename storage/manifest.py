"""Artefact folders: what has no manifest does not exist. Standard library alone.

A folder (dataset, adapter, merged model, GGUF, backup) is made under a temporary name beside its
place (`making`), gets its manifest last (`write_manifest`), and is renamed into place. Whoever
reads asks `read_manifest` first; a folder that a crash left half-done answers None and is made
again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import MynahError

MANIFEST_NAME = "manifest.json"
FORMAT = 1
ADDED_LATER = frozenset({"preference_data.jsonl", "preference_prompts.jsonl"})
"""Of a training set: what changes after a tuned model was made from its examples, and does not make
that another one's set."""
_CHUNK_BYTES = 1 << 20
_STALE_S = 24 * 3600
"""Leftovers of `making` older than this are nobody's work in progress."""


class ManifestError(MynahError):
    """An artefact that is missing, incomplete, or differs from its manifest."""


@dataclass(frozen=True)
class ManifestFile:
    """One file of an artefact as it was when the manifest was written."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Manifest:
    """What an artefact folder holds and what it was made from."""

    kind: str
    created_at_ms: int
    config: dict[str, Any]
    counts: dict[str, Any]
    files: dict[str, ManifestFile]
    """By path relative to the folder, with forward slashes."""


def sha256_file(path: Path) -> str:
    """SHA-256 of a file as 64 hex digits, read in 1 MiB pieces. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def write_manifest(
    folder: Path,
    kind: str,
    config: Mapping[str, Any],
    counts: Mapping[str, Any],
    files: list[str] | None = None,
) -> Manifest:
    """Hash and fsync the files, then put manifest.json into place by rename, and return it.

    `files` are paths relative to the folder; None means every file in it and below it.
    `config` and `counts` must be JSON. Raises ManifestError where a named file is missing.
    """
    names = _all_files(folder) if files is None else sorted({Path(f).as_posix() for f in files})
    entries: dict[str, ManifestFile] = {}
    for name in names:
        path = folder / name
        if not path.is_file():
            raise ManifestError(f"{path} is missing, so {folder} cannot be completed.")
        _fsync(path)
        entries[name] = ManifestFile(sha256_file(path), path.stat().st_size)
    manifest = Manifest(kind, time.time_ns() // 1_000_000, dict(config), dict(counts), entries)
    write_text_atomically(folder / MANIFEST_NAME, to_text(manifest))
    return manifest


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest, or None where the folder does not exist or is incomplete.

    Incomplete: no manifest, one that cannot be read, or a file missing or of another size.
    Hashes are not computed; `verify_manifest` does that.
    """
    try:
        manifest = _from_json((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        for name, entry in manifest.files.items():
            if (folder / name).stat().st_size != entry.size_bytes:
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest


def content_hash(folder: Path, without: Collection[str] = ()) -> str:
    """SHA-256 over the names and hashes of an artefact's files, as its manifest has them.

    By it a later step names what it was made from: made again to the same bytes, it is the same.
    `without` are names of files that the step does not use.
    Raises ManifestError where the folder is missing or incomplete.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise ManifestError(f"{folder} is missing or incomplete; run the step that makes it again.")
    listed = sorted(
        (name, entry.sha256) for name, entry in manifest.files.items() if name not in without
    )
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def verify_manifest(folder: Path) -> Manifest:
    """The manifest, after every file's size and SHA-256 agreed.

    Raises ManifestError naming the first that differs.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise ManifestError(f"{folder} is missing or incomplete; run the step that makes it again.")
    for name, entry in manifest.files.items():
        if sha256_file(folder / name) != entry.sha256:
            raise ManifestError(
                f"{folder / name} differs from its manifest; run the step that makes it again."
            )
    return manifest


@contextmanager
def making(folder: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `folder`; on success it takes the place of `folder`.

    The block must end with `write_manifest` (else ManifestError). On any exception, a cancel
    included, the temporary folder is removed and an old `folder` stays as it was. A rename cannot
    replace a full folder on any system we run on, so an old one steps aside first: a crash between
    the two renames leaves no `folder`, which reads as "to be made", never a mixture.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST_NAME).is_file():
        raise ManifestError(f"{folder} holds what Mynah did not make; choose another place.")
    with placing(folder) as temporary:
        yield temporary
        if read_manifest(temporary) is None:
            raise ManifestError(f"{folder.name} was made without a manifest; nothing was kept.")


@contextmanager
def placing(folder: Path) -> Iterator[Path]:
    """`making` for a folder that has no manifest."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    temporary = folder.with_name(f".{folder.name}.making-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    temporary.mkdir()
    try:
        yield temporary
        fsync_folder(temporary)
        _put_into_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text_atomically(path: Path, text: str) -> None:
    """Write a UTF-8 file so that readers see the old or the new one whole: write, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_folder(path.parent)


def _put_into_place(temporary: Path, folder: Path) -> None:
    old = folder.with_name(f".{folder.name}.old-{uuid.uuid4().hex[:8]}")
    if folder.exists():
        folder.replace(old)
    try:
        temporary.replace(folder)
    except OSError:
        if old.exists():
            old.replace(folder)
        raise
    fsync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what crashed runs left behind: at once where their process is gone, else in a day."""
    for pattern in (f".{folder.name}.making-*", f".{folder.name}.old-*"):
        for leftover in folder.parent.glob(pattern):
            if _is_left_over(leftover):
                shutil.rmtree(leftover, ignore_errors=True)


def is_being_made(folder: Path) -> bool:
    """Whether somebody is at it just now, as far as can be known."""
    making = folder.parent.glob(f".{folder.name}.making-*")
    return not all(_is_left_over(one) for one in making)


def _is_left_over(making: Path) -> bool:
    with suppress(FileNotFoundError):  # another process swept it
        return time.time() - making.stat().st_mtime > _STALE_S or _maker_is_gone(making.name)
    return True


def _maker_is_gone(name: str) -> bool:
    """Whether the process whose id the name carries has ended. Unknown on Windows: False."""
    words = name.rsplit("-", 2)
    if os.name == "nt" or len(words) < 3 or not words[1].isdigit():
        return False
    try:
        os.kill(int(words[1]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _all_files(folder: Path) -> list[str]:
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return sorted(name for name in found if name != MANIFEST_NAME)


def to_text(manifest: Manifest) -> str:
    """What manifest.json holds of it."""
    files = {
        name: {"sha256": entry.sha256, "size_bytes": entry.size_bytes}
        for name, entry in manifest.files.items()
    }
    value = {
        "format": FORMAT,
        "kind": manifest.kind,
        "created_at_ms": manifest.created_at_ms,
        "config": manifest.config,
        "counts": manifest.counts,
        "files": files,
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _from_json(text: str) -> Manifest:
    value = json.loads(text)
    if value["format"] != FORMAT:
        raise ValueError("a manifest of another format")
    files = {
        str(name): ManifestFile(str(entry["sha256"]), int(entry["size_bytes"]))
        for name, entry in value["files"].items()
    }
    return Manifest(
        str(value["kind"]),
        int(value["created_at_ms"]),
        dict(value["config"]),
        dict(value["counts"]),
        files,
    )


def _fsync(path: Path) -> None:
    with path.open("rb+" if os.name == "nt" else "rb") as file:
        os.fsync(file.fileno())


def fsync_folder(folder: Path) -> None:
    """Make a rename last.

    Windows cannot open folders; its file system journals the rename itself.
    """
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
