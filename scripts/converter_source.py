"""Fetches llama.cpp's converter to GGUF: the one that belongs to the installed llama-cpp-python.

llama-cpp-python's source distribution carries llama.cpp whole, so no git clone is needed. A folder
`share/mynah/llama.cpp-VERSION` in the environment holds what we take; its manifest is written last.
Standard library alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from storage.errors import MynahError

_WANTED_FILES = {"convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "LICENSE"}
_WANTED_FOLDERS = {"conversion", "gguf-py"}


class ConverterError(MynahError):
    """The source distribution did not hold the converter."""


def converter_folder(version: str, environment: Path) -> Path:
    """Where the converter of llama-cpp-python `version` lies; model/export.py looks there."""
    return environment / "share" / "mynah" / f"llama.cpp-{version}"


def is_whole(folder: Path) -> bool:
    return (folder / "manifest.json").is_file()


def fetch_converter(version: str, environment: Path, pip: Callable[[list[str]], None]) -> Path:
    """Download the source distribution with `pip(arguments)`, keep the converter; its folder."""
    folder = converter_folder(version, environment)
    if is_whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as scratch:
        requirement = f"llama-cpp-python=={version}"
        only_source = ["--no-deps", "--no-binary", "llama-cpp-python"]
        pip(["download", *only_source, "--progress-bar", "off", "-d", scratch, requirement])
        archive = next(Path(scratch).glob("*.tar.gz"))
        fresh = Path(scratch) / "llama.cpp"
        names = unpack_converter(archive, fresh)
        _write_manifest(fresh, version, archive, names)
        if folder.exists():  # left without a manifest: not whole
            shutil.rmtree(folder)
        fresh.replace(folder)
    return folder


def unpack_converter(archive: Path, destination: Path) -> list[str]:
    """Write the converter's files of the source distribution to `destination`; their names."""
    names: list[str] = []
    with tarfile.open(archive) as tar:
        for member in tar:
            name = _wanted_name(member.name)
            source = tar.extractfile(member) if name and member.isfile() else None
            if name is None or source is None:
                continue
            target = destination / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read())
            names.append(name.as_posix())
    if "convert_hf_to_gguf.py" not in names:
        raise ConverterError(f"{archive.name} holds no vendor/llama.cpp/convert_hf_to_gguf.py.")
    return sorted(names)


def _wanted_name(member: str) -> PurePosixPath | None:
    """`x/vendor/llama.cpp/conversion/a.py` -> `conversion/a.py`; None for what we do not take."""
    parts = PurePosixPath(member).parts
    if parts[1:3] != ("vendor", "llama.cpp") or len(parts) < 4 or ".." in parts:
        return None
    inner = parts[3:]
    wanted = inner[0] in _WANTED_FOLDERS or (len(inner) == 1 and inner[0] in _WANTED_FILES)
    return PurePosixPath(*inner) if wanted else None


def _write_manifest(folder: Path, version: str, archive: Path, names: list[str]) -> None:
    manifest = {
        "llama_cpp_python": version,
        "archive": archive.name,
        "archive_sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "files": names,
    }
    with (folder / "manifest.json").open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
