"""Finds what there is to import: the files named, *.json, *.json.gz and *.zip below the folders
named, the entries of zip archives; and what of it is a data package of Discord's.

Nothing is unpacked: an entry is read out of its archive, which stays open until `Sources.close`.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Literal

from data.importers.archives import is_zip, open_archive, open_entry
from storage.errors import MynahError

ENDINGS = (".json", ".json.gz", ".zip")
_OF_PACKAGES = (".csv",)
_ROOM = re.compile(r"c?[0-9]{1,20}")
"""A channel's folder in a data package; the other folders' names are translated."""
_PART = re.compile(
    r"(?P<name>.*?)(?: \[part (?P<number>[1-9][0-9]{0,3})\])?(?P<ending>\.json(?:\.gz)?)"
)
_MOST_MISSING = 20


class MissingPathError(MynahError):
    """A path to import does not exist."""


@dataclass(frozen=True)
class SourceFile:
    """A file on disk, or an entry of a zip archive, that may be an export."""

    path: Path
    """On disk; of an entry, its archive."""
    size_bytes: int
    """What reading it is counted by: on disk; of an entry, unpacked."""
    packed_bytes: int
    """What it takes on the disk."""
    entry: str = ""
    archive: zipfile.ZipFile | None = field(default=None, repr=False, compare=False)
    is_quiet: bool = False
    """It lies in a data package, which holds much that is no export: nothing is said of it."""

    @property
    def place(self) -> Path:
        """For people, and to tell it from others: for an entry, as if its archive were a folder."""
        return self.path / _shown(self.entry).lstrip("/") if self.entry else self.path

    @property
    def name(self) -> str:
        return self.place.name

    def open(self, mode: Literal["rb"] = "rb") -> BinaryIO:
        """Its bytes, as they lie there. Raises OSError whose strerror is a reason."""
        if self.archive is not None:
            return open_entry(self.archive, self.entry)
        return self.path.open(mode)


@dataclass(frozen=True)
class PackageFiles:
    """The files of one data package that matter (see data_package.py)."""

    place: Path
    """Its folder or zip, for people."""
    rooms: tuple[tuple[SourceFile, SourceFile | None], ...]
    """Each channel's channel.json, and its messages where there is such a file."""
    index: SourceFile | None
    users: tuple[SourceFile, ...]
    """What may say whose it is: one where all is well."""


@dataclass
class Sources:
    """Everything found, in the order of the paths, below a folder by name. A context manager."""

    files: list[SourceFile] = field(default_factory=list)
    packages: list[PackageFiles] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """What cannot be looked into, and why; folders that hold nothing of use."""
    _archives: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the archives: no entry can be read any more."""
        self._archives.close()

    def add_listing(self, place: Path, listing: Mapping[str, SourceFile]) -> None:
        """Take over the files below one folder or in one archive, by their names in it."""
        packages, rest = _sorted_out(place, listing)
        self.packages += packages
        for name, file in rest.items():
            if file.archive is None and name.lower().endswith(".zip"):
                self.add_archive(file)
            elif name.lower().endswith(".zip"):
                self.skipped.append((str(file.place), "a zip within a zip: unpack the outer one"))
            elif not name.lower().endswith(_OF_PACKAGES):
                self.files.append(file)

    def add_archive(self, file: SourceFile) -> None:
        """Take over the entries of a zip archive."""
        try:
            archive = self._archives.enter_context(open_archive(file.path))
        except OSError as error:
            self.skipped.append((str(file.path), f"cannot be read ({error.strerror})"))
            return
        listing = {
            info.filename: SourceFile(
                file.path, info.file_size, info.compress_size, info.filename, archive
            )
            for info in archive.infolist()
            if not info.is_dir() and info.filename.lower().endswith((*ENDINGS, *_OF_PACKAGES))
        }
        if not listing and not file.is_quiet:
            others = _kinds(info.filename for info in archive.infolist() if not info.is_dir())
            self.skipped.append((str(file.path), f"a zip file without an export in it{others}"))
        self.add_listing(file.path, listing)


def find_sources(paths: Sequence[Path]) -> Sources:
    """What is at and below `paths`, each file once; to be closed. Raises MissingPathError."""
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        verb = "does" if len(missing) == 1 else "do"
        raise MissingPathError(f"{', '.join(missing)} {verb} not exist; check the path to import.")
    sources = Sources()
    known: set[Path] = set()
    for path in paths:
        if not path.is_dir():
            listing = _below(path.parent, [path], known)
            for file in listing.values():
                if _is_archive(file):
                    sources.add_archive(file)
                else:
                    sources.files.append(file)
            continue
        wanted = [p for p in _walk(path) if p.name.lower().endswith((*ENDINGS, *_OF_PACKAGES))]
        listing = _below(path, wanted, known)
        if not wanted:
            others = _kinds(file.name for file in _walk(path))
            what = f"a folder without .json, .json.gz or .zip files{others}"
            sources.skipped.append((str(path), what))
        sources.add_listing(path, listing)
    return sources


def _below(folder: Path, files: Sequence[Path], known: set[Path]) -> dict[str, SourceFile]:
    """Those of `files` that exist and were not met before, by their names below `folder`."""
    listing: dict[str, SourceFile] = {}
    for file in files:
        if not os.path.isfile(file):  # noqa: PTH113 - Path's raises where it may not look
            continue  # a link to itself too, which resolve() would not survive
        resolved = file.resolve()
        if resolved not in known:
            known.add(resolved)
            size_bytes = resolved.stat().st_size
            listing[file.relative_to(folder).as_posix()] = SourceFile(file, size_bytes, size_bytes)
    return listing


def _walk(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(where) / name


def _is_archive(file: SourceFile) -> bool:
    try:
        return is_zip(file.path)
    except OSError:
        return False  # said when it is read


def _sorted_out(
    place: Path, listing: Mapping[str, SourceFile]
) -> tuple[list[PackageFiles], dict[str, SourceFile]]:
    """The data packages in a listing, and what else there is.

    A package is known by its shape: folders named for channels, each with a channel.json, side by
    side. What lies beside them is looked at all the same, without a word where it is no export.
    """
    rooms: defaultdict[str, list[str]] = defaultdict(list)
    for name in listing:
        folder, _, last = name.rpartition("/")
        if last == "channel.json" and _ROOM.fullmatch(folder.rpartition("/")[2]):
            rooms[folder.rpartition("/")[0]].append(folder)
    packages, roots, taken = [], [], set[str]()
    for messages, folders in rooms.items():
        root = messages.rpartition("/")[0] if messages else None
        found = [_room(listing, folder) for folder in folders]
        users = [
            file
            for name, file in listing.items()
            if root is not None and _is_in_folder_of(name, root) and name.endswith("/user.json")
        ]
        index = listing.get(f"{messages}/index.json".lstrip("/"))
        whole = place / _shown(root) if root else place
        packages.append(PackageFiles(whole, tuple(found), index, tuple(users)))
        roots.append(root)
        taken.update(f"{folder}/" for folder in folders)
    rest = {
        name: replace(file, is_quiet=any(_is_below(name, root) for root in roots))
        for name, file in listing.items()
        if f"{name.rpartition('/')[0]}/" not in taken
    }
    return packages, rest


def missing_parts(places: Iterable[Path]) -> list[str]:
    """What a partitioned export lacks: "general.json", "general [part 2].json", ... are one; how
    many there should be after the last is not known."""
    parts: defaultdict[Path, set[int]] = defaultdict(set)
    for place in places:
        if match := _PART.fullmatch(place.name):
            whole = place.with_name(match["name"] + match["ending"])
            parts[whole].add(int(match["number"] or 1))
    return [
        str(whole if number == 1 else whole.with_name(_part_name(whole.name, number)))
        for whole, found in parts.items()
        for number in sorted(set(range(1, max(found))) - found)[:_MOST_MISSING]
    ]


def _part_name(whole: str, number: int) -> str:
    name, _, ending = whole.rpartition(".json")
    return f"{name} [part {number}].json{ending}"


def _room(listing: Mapping[str, SourceFile], folder: str) -> tuple[SourceFile, SourceFile | None]:
    found = (listing.get(f"{folder}/messages{ending}") for ending in (".json", ".csv"))
    return listing[f"{folder}/channel.json"], next((file for file in found if file), None)


def _is_in_folder_of(name: str, root: str) -> bool:
    """Whether it lies in one of the folders of `root`, not deeper."""
    within = name.removeprefix(f"{root}/") if root else name
    return (not root or name.startswith(f"{root}/")) and within.count("/") == 1


def _is_below(name: str, root: str | None) -> bool:
    """Whether it lies in a folder of a package; what lies beside those folders may be anything."""
    if root is None:
        return False
    within = name.removeprefix(f"{root}/") if root else name
    return (not root or name.startswith(f"{root}/")) and "/" in within


def _kinds(names: Iterator[str]) -> str:
    """ " (41 x .png, 2 x .txt)"; nothing where there is nothing."""
    counts = Counter(Path(name).suffix.lower() or "without an ending" for name in names)
    told = ", ".join(f"{count:,} x {ending}" for ending, count in counts.most_common(3))
    return f" ({_shown(told)}{', ...' if len(counts) > 3 else ''})" if told else ""


def _shown(name: str) -> str:
    """An archive's own names may hold anything, a terminal's control codes too."""
    return "".join(char if char.isprintable() else "?" for char in name)
