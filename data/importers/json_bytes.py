"""Reads a JSON file, plain, gzip or in a zip, as clean pieces that a strict JSON parser survives.

Exports meet disks that fill up and editors that guess encodings. Bytes that are no UTF-8, raw
control characters and halves of surrogate pairs are replaced here, and counted, before the parser
sees them: yajl ends at the first two and silently writes a wrong letter for the third. Numbers of
thousands of digits are cut (at 4,301 ijson 3.6's C code crashes the process), and lists nested
thousands deep end the file (ijson's memory grows with the square of the depth). So does what is
made to fill a memory or a disk: a text without an end, a file that unpacks to hundreds of times its
size.
"""

from __future__ import annotations

import errno
import gzip
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from data.importers.files import SourceFile

PIECE_BYTES = 64 * 1024
HEAD_PIECE_BYTES = 2 * 1024
LONGEST_PIECE_BYTES = 8 * 1024 * 1024
"""A piece without one closing brace is handed on at this length, wherever that cuts it."""
LONGEST_OBJECT_BYTES = 32 * 1024 * 1024
"""No object of an export is near that: a message with thousands of reactions takes 2 MB."""
NO_END = "no message ends for 32 MB"
MOST_UNPACKED = 200
"""Exports unpack to 5 to 30 times their size, one of a bot that says but one thing to 75. The first
64 MiB are free."""
FREE_BYTES = 64 * 1024 * 1024

INVALID_UTF8 = "invalid UTF-8"
CONTROL_CHARACTER = "control character"
LONE_SURROGATE = "lone surrogate"
ENDLESS_NUMBER = "endless number"

_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_MARK = b"\xef\xbb\xbf"
_BLANKS = bytes(32 if byte < 32 else byte for byte in range(256))
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ESCAPE = re.compile(
    rb"\\(?:(?P<pair>u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_LONG_RUN = re.compile(rb"(?P<digits>[0-9]{4300,})|\[{4300,}")
"""Longer than any text that Discord lets somebody write, so never part of one."""
_SAMPLE_STRIDE = 256
_LONG_RUN_SAMPLED = re.compile(rb"[0-9]{15}|\[{15}")
_KEPT_DIGITS = 100


class BrokenBytes(Exception):
    """The file cannot be read on from here; str() is the reason, without the file's name."""


class JsonBytes:
    """One pass over a file. A context manager; not shared between threads."""

    def __init__(self, file: Path | SourceFile, piece_bytes: int = PIECE_BYTES) -> None:
        """Opens `file`. Raises OSError where that fails."""
        self._piece_bytes = piece_bytes
        packed = file.stat().st_size if isinstance(file, Path) else file.packed_bytes
        self._most_bytes = FREE_BYTES + MOST_UNPACKED * packed
        self._file = file.open("rb")
        try:
            self._source = _unpacked(self._file)
        except DAMAGED as error:
            self._file.close()
            raise OSError(errno.EIO, _reason(error)) from error
        self._begun = False
        self.offset_bytes = 0
        """Where the piece handed out last ends in the unpacked file."""
        self.repairs: Counter[str] = Counter()

    def __enter__(self) -> JsonBytes:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()
        self._file.close()

    @property
    def read_bytes(self) -> int:
        """How far the file on disk has been read, for progress; of an archive's entry, unpacked."""
        return self._file.tell()

    def pieces(self) -> Iterator[bytes]:
        """The clean pieces in order. Raises BrokenBytes after a damaged file's last good one."""
        held: list[bytes] = []  # without a closing brace
        held_bytes = 0
        open_bytes = 0  # since the last closing brace
        broken: BrokenBytes | None = None
        blocks = self.blocks()
        while True:
            try:
                new = next(blocks, b"")
            except BrokenBytes as error:
                broken = error
                break
            if not new:
                break
            # No escape and no character holds a closing brace: cutting behind one is safe.
            cut = new.rfind(b"}") + 1
            open_bytes = 0 if cut else open_bytes + len(new)
            if open_bytes > LONGEST_OBJECT_BYTES:
                raise BrokenBytes(NO_END)
            if not cut and held_bytes >= LONGEST_PIECE_BYTES:
                cut = len(new)
            if cut:
                yield self._clean(b"".join([*held, new[:cut]]))
                held, held_bytes = [], 0
            held.append(new[cut:])
            held_bytes += len(new) - cut
        if held_bytes:
            yield self._clean(b"".join(held))
        if broken is not None:
            raise broken

    def blocks(self) -> Iterator[bytes]:
        """The unpacked bytes as they are, for what is no JSON. Raises BrokenBytes."""
        done_bytes = 0
        while True:
            try:
                new: bytes = self._source.read1(self._piece_bytes)  # type: ignore[attr-defined]
            except DAMAGED as error:
                raise BrokenBytes(_reason(error)) from error
            if not new:
                return
            done_bytes += len(new)
            if done_bytes > self._most_bytes:
                raise BrokenBytes(f"it unpacks to more than {MOST_UNPACKED} times its size")
            yield new

    def _clean(self, piece: bytes) -> bytes:
        self.offset_bytes += len(piece)
        if not self._begun:
            self._begun = True
            piece = piece.removeprefix(_UTF8_MARK)
        try:
            piece.decode("utf-8")
        except UnicodeDecodeError:
            text = piece.decode("utf-8", "replace")
            self.repairs[INVALID_UTF8] += text.count("\ufffd")
            piece = text.encode("utf-8")
        controls = len(_CONTROLS.findall(piece))
        if controls:
            self.repairs[CONTROL_CHARACTER] += controls
        piece = piece.translate(_BLANKS)
        if b"\\ud" in piece or b"\\uD" in piece:
            piece = _ESCAPE.sub(self._mend_escape, piece)
        if _LONG_RUN_SAMPLED.search(piece[::_SAMPLE_STRIDE]):
            piece = _LONG_RUN.sub(self._shorten, piece)
        return piece

    def _shorten(self, match: re.Match[bytes]) -> bytes:
        if match["digits"] is None:
            raise BrokenBytes("lists are nested thousands deep")
        self.repairs[ENDLESS_NUMBER] += 1
        return match[0][:_KEPT_DIGITS]

    def _mend_escape(self, match: re.Match[bytes]) -> bytes:
        if match["lone"] is None:
            return match[0]
        self.repairs[LONE_SURROGATE] += 1
        return b"\\ufffd"


DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile)


def _unpacked(file: BinaryIO) -> BinaryIO:
    magic = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    if magic == _GZIP_MAGIC:
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    return file


def _reason(error: BaseException) -> str:
    if isinstance(error, EOFError):
        return "the packed file is cut off"
    if isinstance(error, zipfile.BadZipFile):
        return f"the zip file is damaged ({error})"
    if isinstance(error, (gzip.BadGzipFile, zlib.error)):
        return f"the packed file is damaged ({error})"
    return f"it cannot be read on ({error})"
