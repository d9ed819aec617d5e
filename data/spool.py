"""A file for what is made before it is known whether it is kept: records in, read back by place.

It is private, lies where the artefact is being made, and goes when it is closed; where the process
is killed it goes with that folder (storage/manifest.making).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

AT_ONCE_BYTES = 8 << 20
"""Of records that are put into another order: what is held in memory at a time."""


class Spool:
    """Records of bytes, one behind another. Not for several threads. All raise OSError."""

    def __init__(self, path: Path) -> None:
        """Makes the file, which must not be there yet."""
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._disk = FileIO(os.open(path, flags, 0o600), "w+")
        self._file = BufferedWriter(self._disk, buffer_size=1 << 20)
        self.size_bytes = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the file away. A second time does nothing."""
        try:
            self._file.close()
        finally:  # on a full disk the buffer cannot be written any more
            self.path.unlink(missing_ok=True)

    def add(self, record: bytes) -> int:
        """Put a record at the end; the offset where it begins."""
        offset = self.size_bytes
        self._file.write(record)
        self.size_bytes += len(record)
        return offset

    def read(self, offset: int, length: int) -> bytes:
        """One record. Only once all are in: `add` after it would write over others."""
        self._file.flush()
        self._disk.seek(offset)  # past the buffer: through it each record would cost its whole size
        return self._disk.read(length)

    def read_all(self, offsets: NDArray[Any], lengths: NDArray[Any]) -> Iterator[bytes]:
        """Many records in the order given, each as often as it is named.

        About 8 MiB are held at a time, read in the order of the file: so a disk that seeks slowly
        reads straight on, too.
        """
        begin, held = 0, 0
        for end in range(len(offsets)):
            if held and held + int(lengths[end]) > AT_ONCE_BYTES:
                yield from self._in_order(offsets[begin:end], lengths[begin:end])
                begin, held = end, 0
            held += int(lengths[end])
        yield from self._in_order(offsets[begin:], lengths[begin:])

    def _in_order(self, offsets: NDArray[Any], lengths: NDArray[Any]) -> list[bytes]:
        found: list[bytes] = [b""] * len(offsets)
        for at in offsets.argsort(kind="stable"):
            found[at] = self.read(int(offsets[at]), int(lengths[at]))
        return found
