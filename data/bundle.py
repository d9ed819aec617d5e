"""A bundle's file: folders of one home on their way to another, each file with size and SHA-256.

    demo-20261121-101500.zip
        bundle.json                          what it is, and every file that is in it
        data_storage/training/demo/...       to the box: the set, with its preference files
        models/bases/NAME/...                where asked for
        models/finetuned/demo/gguf-.../...   from the box: the model, with what it learned from,
        models/checkpoints/demo/...            its adapter,
        data_storage/evaluations/...           how it was judged,
        data_storage/logs/training/demo/...    and how its training went
        models/embedder/...

What is read is not believed: only files that bundle.json names are taken, of the size and hash that
it says, into the folders of `_PLACES` and nowhere else. The zip is its owner's alone (0600).
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from data.backup_archive import Entry, add, info_of, reading, safe
from storage.errors import MynahError

FORMAT = 1
MANIFEST = "bundle.json"
DATASET, MODEL = "dataset", "model"

FOLDER = "bundles"
"""In data_storage: where bundles are made and fetched into. Forgetting anybody removes them."""

_PLACES = {
    DATASET: {"data_storage/training": 1, "models/bases": 1},
    MODEL: {
        "models/finetuned": 2,
        "models/checkpoints": 1,
        "models/embedder": 0,
        "data_storage/evaluations": 1,
        "data_storage/logs/training": 1,
    },
}
"""Where a bundle's folders belong, and how deep below."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MOST_MANIFEST_BYTES = 64 << 20
_DENSE = frozenset({".gguf", ".safetensors", ".npz", ".png", ".gz", ".zip"})


class BundleError(MynahError):
    """A bundle that cannot be made or taken in; what was there before is as it was."""


@dataclass(frozen=True)
class Bundle:
    """What bundle.json says."""

    what: str
    """DATASET or MODEL."""
    name: str
    """The set's, or the model version's."""
    created_at_ms: int
    folders: tuple[str, ...]
    """By path in the home, with forward slashes; each is placed as a whole."""
    facts: Mapping[str, Any]
    """What goes with it: profile, base and the door's verdict; or the version, its evaluations."""
    entries: Mapping[str, Entry] = field(default_factory=dict)
    """By path in the home."""

    @property
    def size_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.entries.values())

    def files_of(self, folder: str) -> dict[str, Entry]:
        """The files of one folder, by path in it."""
        start = f"{folder}/"
        return {
            name[len(start) :]: entry
            for name, entry in self.entries.items()
            if name.startswith(start)
        }


def write_bundle(path: Path, files: Mapping[str, Path], bundle: Bundle) -> Bundle:
    """Write a zip of `files` (path in the home -> where it lies now), beside `path` first.

    Raises BundleError where the file is there already, or a folder has a name that no system would
    take; OSError.
    """
    for folder in bundle.folders:
        try:
            _place(folder, bundle.what)
        except ValueError:
            raise BundleError(
                f"{folder} cannot be put into a bundle: rename it, without a dot or blank at "
                "either end, colons and backslashes."
            ) from None
    if path.exists():
        raise BundleError(f"{path} is there already: name another file with --out.")
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.unlink(missing_ok=True)
    entries: dict[str, Entry] = {}
    try:
        with (
            open(unfinished, "xb", opener=_for_its_owner) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        ):
            for name, source in files.items():
                entries[name] = add(archive, safe(name), source, is_dense=_is_dense(source))
            written = replace(bundle, entries=entries)
            value = {"format": FORMAT, "kind": "bundle", **asdict(written)}
            archive.writestr(info_of(MANIFEST), json.dumps(value, ensure_ascii=False) + "\n")
        with unfinished.open("rb+") as made:
            os.fsync(made.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return written


def read_bundle(path: Path) -> Bundle:
    """What bundle.json says, once the zip was found to hold just that, by its table of contents.

    Raises BackupDamagedError, BundleError where it is not there or a newer version made it,
    OSError.
    """
    if not path.is_file():
        raise BundleError(f"There is no file {path}.")
    with reading(path, "bundle"), zipfile.ZipFile(path) as archive:
        listed = archive.infolist()
        if any(info.compress_type not in _METHODS for info in listed):
            raise ValueError("it is packed in a way that no bundle is")
        if archive.getinfo(MANIFEST).file_size > _MOST_MANIFEST_BYTES:
            raise ValueError("its table is too long")
        bundle = _from_json(archive.read(MANIFEST))
        names = [info.filename for info in listed if info.filename != MANIFEST]
        if len(names) != len({name.casefold() for name in names}):
            raise ValueError("two of its files have one name")
        if set(names) != bundle.entries.keys():
            raise ValueError("its files are not those that it names")
        for info in listed:
            if stat.S_ISLNK(info.external_attr >> 16):
                raise ValueError(f"{info.filename} is a link")
        return bundle


def _from_json(text: bytes) -> Bundle:
    value: dict[str, Any] = json.loads(text)
    if value["kind"] == "bundle" and int(value["format"]) > FORMAT:
        raise BundleError(
            "The bundle was made by a newer version of Mynah than this one: update Mynah here."
        )
    if value["kind"] != "bundle" or value["format"] != FORMAT or value["what"] not in _WHATS:
        raise ValueError("another format")
    folders = tuple(_place(str(folder), value["what"]) for folder in value["folders"])
    sets = [folder for folder in folders if folder.startswith("data_storage/training/")]
    if len(sets) != (value["what"] == DATASET):
        raise ValueError("a bundle of a set brings one set")
    entries = {
        safe(name): Entry(str(e["sha256"]), int(e["size_bytes"]))
        for name, e in value["entries"].items()
    }
    above = {str(path).casefold() for name in entries for path in PurePosixPath(name).parents}
    for name in entries:
        if not any(name.startswith(f"{folder}/") for folder in folders):
            raise ValueError(f"{name} belongs to no folder")
        if name.casefold() in above or _is_odd(name):
            raise ValueError(f"{name} is no file's name")
    facts = dict(value["facts"])
    return Bundle(
        value["what"], str(value["name"]), int(value["created_at_ms"]), folders, facts, entries
    )


_WHATS = (DATASET, MODEL)


def _place(folder: str, what: str) -> str:
    """A folder that a bundle of that kind may bring. Raises ValueError."""
    path = PurePosixPath(safe(folder))
    for place, depth in _PLACES[what].items():
        below = path.parts[len(PurePosixPath(place).parts) :]
        is_there = path.is_relative_to(place) and len(below) == depth
        if is_there and not _is_odd(folder) and not any(p.startswith(".") for p in below):
            return folder
    raise ValueError(f"a folder that no bundle brings: {folder}")


def _is_odd(name: str) -> bool:
    """Whether Windows would take a part of the path for another name."""
    return any(part.endswith((".", " ")) for part in PurePosixPath(name).parts)


def _is_dense(path: Path) -> bool:
    return path.suffix in _DENSE


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
