"""Which bytes the vectors' files had when they were written: LanceDB checks neither, and does not
fsync.

A file that was cut short, emptied, overwritten or taken away is found by its size and SHA-256
before LanceDB opens it: a damaged one gives wrong ids, or takes the process down. LanceDB's files
are never changed once they are written, so a write costs the hashes of its own new files.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from storage.manifest import sha256_file, write_text_atomically

SEAL = "seal.json"
_HINT = "latest_version_hint.json"
"""The one file that LanceDB writes anew each time; it does without it."""
_NEWEST = 2**64 - 1


class BrokenSealError(ValueError):
    """A file is not what was written."""


def check(folder: Path) -> None:
    """Raise BrokenSealError for the first file that is missing or differs. 100,000 vectors: 0.2 s.

    Where a writer is ahead of its seal (it is at it just now, or was killed), what it has taken
    away meanwhile is not missed. An index without a seal is one of an older Mynah: not checked.
    """
    if not (folder / SEAL).is_file():
        return
    sealed, files = _read(folder)
    on_disk = _version(folder)
    if on_disk < sealed:
        raise BrokenSealError(f"its newest version is {on_disk}, not {sealed}")
    for name, (size_bytes, sha256) in files.items():
        path = folder / name
        try:
            if path.stat().st_size != size_bytes or sha256_file(path) != sha256:
                raise BrokenSealError(f"{name} is not what was written")
        except FileNotFoundError:
            if _version(folder) <= sealed:
                raise BrokenSealError(f"{name} is missing") from None


def seal(folder: Path) -> None:
    """Note the files as they are now; those that were noted before are not read again."""
    try:
        before = _read(folder)[1]
    except (BrokenSealError, OSError):
        before = {}
    version = _version(folder)
    text = json.dumps({"version": version, "files": _present(folder, before)})
    write_text_atomically(folder / SEAL, text)


def _present(folder: Path, known: dict[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of each file; one that another process takes away meanwhile is none."""
    found: dict[str, tuple[int, str]] = {}
    for path in sorted(folder.glob("*.lance/**/*")):
        name = path.relative_to(folder).as_posix()
        if path.name != _HINT and path.is_file():
            with suppress(FileNotFoundError):
                found[name] = known.get(name) or (path.stat().st_size, sha256_file(path))
    return found


def _version(folder: Path) -> int:
    """The table's newest version by the names of its manifests, which count down; 0: none."""
    stems = [path.stem for path in folder.glob("*.lance/_versions/*.manifest")]
    numbers = [int(stem) for stem in stems if stem.isdigit()]
    return _NEWEST - min(numbers) if numbers else 0


def _read(folder: Path) -> tuple[int, dict[str, tuple[int, str]]]:
    try:
        kept = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        files = {str(n): (int(size), str(sha)) for n, (size, sha) in kept["files"].items()}
        return int(kept["version"]), files
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenSealError(f"{SEAL} cannot be read") from error
