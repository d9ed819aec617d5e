"""A backup's file: a zip of a home's files and manifest.json, with each one's size and SHA-256.

    mynah-20261121-101500.zip
        data_storage/database/mynah.db      whole, of one moment
        data_storage/tombstone.key          who asked to be forgotten can be told by it alone
        models/.../manifest.json            and other small files
        manifest.json                       written last

What is large and seldom changes (the deployed model, the embedder) lies beside, once for all
archives: models/<sha256>.gguf. An encrypted archive has payload.zip.age in the place of the files,
backup.key, and the manifest, which holds figures and names of files alone; its models are
models/<sha256>-<key>.gguf.age.
"""

from __future__ import annotations

import errno
import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from data.backup_key import BackupKey, Opener, SealBrokenError, encrypt
from storage.errors import MynahError

FORMAT = 1
MANIFEST = "manifest.json"
PAYLOAD = "payload.zip.age"
KEY = "backup.key"
DATABASE = "data_storage/database/mynah.db"
TOMBSTONE_KEY = "data_storage/tombstone.key"

_CHUNK_BYTES = 1 << 20
_LEVEL = 1
"""Of deflate: chat shrinks to a third at 100 MB a second; 9 saves a tenth more at a fifth of it."""
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, TypeError, AttributeError,
    NotImplementedError, RuntimeError, OverflowError, SealBrokenError,
)  # fmt: skip
_FOLDERS = ("data_storage", "models", "personas")
"""What an archive may put into a home, and nothing else."""


class BackupDamagedError(MynahError):
    """A backup that cannot be read, or is not what its manifest says."""


@dataclass(frozen=True)
class Entry:
    """One file as it was: its bytes before compression and encryption."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Blob(Entry):
    """A large file that lies beside the archives."""

    stored: str
    """Its file's name in the folder `models`."""


@dataclass(frozen=True)
class Contents:
    """What an archive's manifest says."""

    created_at_ms: int
    mynah: str
    """The version of the program that made it."""
    revision: str
    """The database's."""
    counts: Mapping[str, int]
    """Rows of each table."""
    entries: Mapping[str, Entry]
    """By path in the home, with forward slashes."""
    blobs: Mapping[str, Blob] = field(default_factory=dict)
    deployed: str = ""
    """The model version that answered; "": the small base, a server, or a file of the user's."""
    is_encrypted: bool = False

    @property
    def messages(self) -> int:
        return self.counts.get("messages", 0)


def write_archive(path: Path, files: Mapping[str, Path], contents: Contents) -> Contents:
    """Write a zip of `files` (path in the home -> where it lies now); its contents, entries filled
    in. Raises OSError."""
    entries: dict[str, Entry] = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        for name, source in files.items():
            entries[name] = add(archive, name, source)
        written = Contents(**{**vars(contents), "entries": entries})
        archive.writestr(info_of(MANIFEST), _to_json(written))
    return written


def add(archive: zipfile.ZipFile, name: str, source: Path, *, is_dense: bool = False) -> Entry:
    """Put one file into a zip; `is_dense`: it would not shrink. Raises OSError."""
    info = info_of(name)
    info.compress_type = zipfile.ZIP_STORED if is_dense else zipfile.ZIP_DEFLATED
    with source.open("rb") as file, archive.open(info, "w", force_zip64=True) as out:
        hashing = Hashing(file)
        hashing.copy_to(out)
    return hashing.entry


def take(archive: zipfile.ZipFile, name: str, entry: Entry, target: Path) -> None:
    """Write one file of a zip to `target`, compared with what the manifest says; never more bytes
    than that. Raises BackupDamagedError, OSError, and what zipfile does."""
    if archive.getinfo(name).file_size == entry.size_bytes:
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(name) as file, target.open("wb") as out:
            hashing = Hashing(file)
            hashing.copy_to(out)
        if hashing.entry == entry:
            return
    raise BackupDamagedError(f"{archive.filename} is damaged: {name} differs.")


def write_encrypted(path: Path, plain: Path, contents: Contents, key: BackupKey) -> Contents:
    """Write the encrypted form of the archive at `plain`. Raises OSError, EncryptionError."""
    written = Contents(**{**vars(contents), "is_encrypted": True})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        with plain.open("rb") as file, archive.open(PAYLOAD, "w", force_zip64=True) as out:
            encrypt(key, file, out)
        archive.writestr(info_of(KEY), key.to_text())
        archive.writestr(info_of(MANIFEST), _to_json(written))
    return written


def read_contents(path: Path) -> Contents:
    """What the manifest says; nothing else is read. Raises BackupDamagedError, OSError."""
    with reading(path), zipfile.ZipFile(path) as archive:
        return _from_json(archive.read(MANIFEST))


def read_through(path: Path) -> None:
    """Read every byte of the zip against its checksums. Raises BackupDamagedError, OSError."""
    with reading(path), zipfile.ZipFile(path) as archive:
        if (bad := archive.testzip()) is not None:
            raise BackupDamagedError(f"{path} is damaged ({bad}).")


def unpack(path: Path, folder: Path, opener: Opener) -> Contents:
    """Write an archive's files below `folder`, each compared with the manifest.

    Raises BackupDamagedError, PassphraseError, EncryptionError, OSError.
    """
    contents = read_contents(path)
    if not contents.is_encrypted:
        _unpack_plain(path, contents, folder)
        return contents
    folder.mkdir(parents=True, exist_ok=True)
    plain = folder / "payload.zip"
    with reading(path), zipfile.ZipFile(path) as archive:
        key = BackupKey.from_text(archive.read(KEY).decode("utf-8"))
        with archive.open(PAYLOAD) as file, plain.open("wb") as out:
            opener.decrypt(key, file, out)
    _unpack_plain(plain, contents, folder)
    plain.unlink()
    return contents


def key_of(path: Path) -> BackupKey:
    """The key that an encrypted archive was made with. Raises BackupDamagedError, OSError."""
    with reading(path), zipfile.ZipFile(path) as archive:
        return BackupKey.from_text(archive.read(KEY).decode("utf-8"))


class Hashing:
    """A file that hashes what is read or written through it; None: what is written goes nowhere."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file
        self._digest, self._size_bytes = hashlib.sha256(), 0

    def read(self, size: int = _CHUNK_BYTES) -> bytes:
        assert self._file is not None
        chunk = self._file.read(size)
        self._note(chunk)
        return chunk

    def write(self, chunk: bytes) -> int:
        self._note(chunk)
        if self._file is not None:
            self._file.write(chunk)
        return len(chunk)

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def copy_to(self, target: IO[bytes]) -> None:
        """All that is left."""
        while chunk := self.read():
            target.write(chunk)

    @property
    def entry(self) -> Entry:
        """What went through so far."""
        return Entry(self._digest.hexdigest(), self._size_bytes)

    def _note(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._size_bytes += len(chunk)


def _unpack_plain(path: Path, contents: Contents, folder: Path) -> None:
    with reading(path), zipfile.ZipFile(path) as archive:
        for name, entry in contents.entries.items():
            take(archive, name, entry, folder / name)


@contextmanager
def reading(path: Path, what: str = "backup") -> Iterator[None]:
    """What zipfile, zlib and age say of a damaged file, as a sentence."""
    try:
        yield
    except (*_DAMAGED, OSError) as error:
        # zipfile looks for a damaged file's parts before its beginning.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        said = str(error).rstrip(".")
        raise BackupDamagedError(f"{path} is damaged, or no {what} of Mynah's ({said}).") from error


def info_of(name: str) -> zipfile.ZipInfo:
    """Readable by its owner alone, where a system keeps that."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


def _to_json(contents: Contents) -> str:
    return json.dumps({"format": FORMAT, "kind": "backup", **asdict(contents)}, indent=2) + "\n"


def _from_json(text: bytes) -> Contents:
    value: dict[str, Any] = json.loads(text)
    if value["kind"] != "backup" or value["format"] != FORMAT:
        raise ValueError("another format")
    entries = {
        safe(n): Entry(str(e["sha256"]), int(e["size_bytes"])) for n, e in value["entries"].items()
    }
    blobs = {
        safe(n): Blob(str(b["sha256"]), int(b["size_bytes"]), _plain_name(b["stored"]))
        for n, b in value["blobs"].items()
    }
    return Contents(
        int(value["created_at_ms"]),
        str(value["mynah"]),
        str(value["revision"]),
        {str(n): int(c) for n, c in value["counts"].items()},
        entries,
        blobs,
        str(value["deployed"]),
        bool(value["is_encrypted"]),
    )


def safe(name: str) -> str:
    """A path that stays in the home, on every system. Raises ValueError."""
    parts = PurePosixPath(name).parts
    odd = any(p in ("..", ".") or ":" in p or "\\" in p or "\0" in p for p in parts)
    # Of "a//b", what stands behind "a/" would be taken for a path from the root.
    odd = odd or PurePosixPath(name).as_posix() != name
    if len(parts) < 2 or parts[0] not in _FOLDERS or odd:
        raise ValueError(f"a path out of the home: {name}")
    return name


def _plain_name(name: str) -> str:
    if not name or PurePosixPath(name).name != name or "\\" in name or ":" in name:
        raise ValueError(f"no file's name: {name}")
    return name
