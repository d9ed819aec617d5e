"""Reads what is new at the end of the logs' files: the bot's log, what its process printed, and the
window's own log.

    files = LogFiles(home.logs)
    rows = files.read()          # on a worker, a few times a second: only what is new

Files are opened for each read alone, so that Windows can rename them meanwhile; one that was
renamed (a new day, a new start) is read to its end first. Works without a running bot.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from gui.models.log_lines import Read, Row, read_json, read_printed

BOT_LOG = "bot.jsonl"
PRINTED_LOG = "bot.stderr.log"
WINDOW_LOG = "window.jsonl"
MOST_BYTES = 4 << 20
"""Read at once. Of a file that has grown by more only this end is looked at: no more lines than
about that are kept anyway."""
CHUNK_BYTES = 256 << 10
LONGEST_BYTES = 64 << 10
"""What is kept of a line that does not end."""

Reading = Callable[[str, str], Read]


class Tail:
    """One file's. Not for two threads at once."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self._path = path
        self._reading = reading
        self._inode: int | None = None
        self._position = 0
        self._rest = b""
        """The beginning of a line whose end is not written yet."""
        self._is_within_a_line = False
        """Whether the next bytes are the end of a line that was skipped."""

    def read(self) -> list[Read]:
        """What was written since the last call; [] where nothing was, or nothing can be read."""
        try:
            found = self._path.stat()
        except OSError:
            return []
        read: list[Read] = []
        if self._inode is not None and (
            found.st_ino != self._inode or found.st_size < self._position
        ):
            read += self._read_renamed()
            self._position, self._rest, self._is_within_a_line = 0, b"", False
        self._inode = found.st_ino
        if found.st_size > self._position:
            read += self._read_on(self._path, found.st_size, found.st_mtime)
        return read

    def _read_renamed(self) -> list[Read]:
        """The rest of the file under the name that it has now, where it can be found."""
        for path in self._path.parent.glob(f"{self._path.stem}.*"):
            try:
                found = path.stat()
                if found.st_ino == self._inode and found.st_size > self._position:
                    return self._read_on(path, found.st_size, found.st_mtime)
            except OSError:
                continue
        return []

    def _read_on(self, path: Path, size_bytes: int, written_at_s: float) -> list[Read]:
        at = _iso(written_at_s)
        read: list[Read] = []
        try:
            with path.open("rb") as file:
                self._skip(size_bytes)
                file.seek(self._position)
                while self._position < size_bytes:
                    chunk = file.read(min(CHUNK_BYTES, size_bytes - self._position))
                    if not chunk:
                        break
                    self._position += len(chunk)
                    read += self._lines(chunk, at)
        except OSError:
            return read
        return read

    def _skip(self, size_bytes: int) -> None:
        if size_bytes - self._position > MOST_BYTES:
            self._position, self._rest = size_bytes - MOST_BYTES, b""
            self._is_within_a_line = True

    def _lines(self, chunk: bytes, at: str) -> list[Read]:
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if self._is_within_a_line and whole:
            self._is_within_a_line = False
            whole.pop(0)
        self._rest = self._rest[-LONGEST_BYTES:]
        texts = (line.decode("utf-8", "replace") for line in whole if line.strip())
        return [self._reading(text, at) for text in texts]


class LogFiles:
    """All files of one home's logs, in one order. Not for two threads at once."""

    def __init__(self, folder: Path) -> None:
        self._tails = [
            Tail(folder / BOT_LOG, read_json),
            Tail(folder / PRINTED_LOG, read_printed),
            Tail(folder / WINDOW_LOG, read_json),
        ]

    def read(self) -> list[Row]:
        """What is new in them, by the time at which it was written. Blocks: on a worker."""
        batches = [batch for tail in self._tails if (batch := tail.read())]
        read = [one for batch in batches for one in batch]
        if len(batches) > 1:
            read.sort(key=lambda one: one.at)
        return [row for one in read for row in one.rows]


def _iso(at_s: float) -> str:
    moment = datetime.fromtimestamp(at_s, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
