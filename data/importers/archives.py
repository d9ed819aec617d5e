"""Opens zip archives and their entries without unpacking them, within bounds.

Nothing is written to the disk and nothing is held but a buffer; names of entries are labels here,
never paths. How far a single entry may unpack is `json_bytes.py`'s business.
"""

from __future__ import annotations

import errno
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, cast

ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
DIRECTORY_BYTES = 32 * 1024 * 1024
"""The longest table of contents that is read: about 300,000 entries."""

_END_MAGIC = b"PK\x05\x06"
_END64_MAGIC = b"PK\x06\x06"
_END_BYTES = 22
_LONGEST_COMMENT = 65_535
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Others want a dictionary of up to 4 GB (LZMA), or Python has no code for them (Deflate64)."""


def is_zip(path: Path) -> bool:
    """Whether the file begins as a zip archive does. Raises OSError."""
    with path.open("rb") as file:
        return file.read(4) in ZIP_MAGIC


def open_archive(path: Path) -> zipfile.ZipFile:
    """The archive, to be closed by the caller. Raises OSError whose strerror says what is wrong."""
    with path.open("rb") as file:
        if _directory_bytes(file) > DIRECTORY_BYTES:
            raise OSError(errno.EFBIG, "the zip file names more entries than anybody can have")
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise OSError(errno.EIO, "the zip file is damaged or was not copied in whole") from error


def open_entry(archive: zipfile.ZipFile, entry: str) -> BinaryIO:
    """The entry's unpacked bytes as a stream. Raises OSError whose strerror says what is wrong."""
    info = archive.getinfo(entry)
    if info.flag_bits & 1:
        raise OSError(errno.EACCES, "it is locked with a password: unpack it first")
    if info.compress_type not in _READABLE:
        how = "it is packed in a way that Mynah cannot read: unpack it first"
        raise OSError(errno.ENOTSUP, how)
    try:
        return cast(BinaryIO, archive.open(info))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error) as error:
        raise OSError(errno.EIO, "it is damaged within the zip file") from error


def _directory_bytes(file: BinaryIO) -> int:
    """How long the table of contents says it is; 0 where no end of an archive is found.

    Asked beforehand: `zipfile` reads all of it into memory, an object an entry.
    """
    size_bytes = file.seek(0, 2)
    file.seek(max(0, size_bytes - _LONGEST_COMMENT - _END_BYTES - 20 - 56))
    tail = file.read()
    at = tail.rfind(_END_MAGIC)
    if at < 0 or len(tail) - at < _END_BYTES:
        return 0
    told = int.from_bytes(tail[at + 12 : at + 16], "little")
    at64 = tail.rfind(_END64_MAGIC, 0, at)
    if told == 0xFFFFFFFF and at64 >= 0:
        told = int.from_bytes(tail[at64 + 40 : at64 + 48], "little")
    return told
