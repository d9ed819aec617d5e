"""Downloads one file so that no byte is fetched twice: resumed, retried, hashed as it comes.

What has come lies in PART, and what it belongs to in PART.json beside it, written before the first
byte; whoever is killed at any moment goes on from there. The hash decides, and only the hash: the
ETag (If-Range) saves a useless resume where the file has changed. Blocking; one thread at a time
(the caller holds a lock); `stop` may be set from any thread.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import threading
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any

from model.catalogue import RESERVE_BYTES, free_bytes, in_words
from model.hub import Source
from model.web import (
    SHORT_WAITS_S,
    TIMEOUT_S,
    WAITS_S,
    ConnectionLostError,
    DownloadError,
    RangeRefusedError,
    get,
    lost,
    shown,
)
from storage.manifest import write_text_atomically

PIECE_BYTES = 1 << 18
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")

OnProgress = Callable[[int, int], object]
"""Bytes that are there, and bytes in all (0 while not known); called for every piece."""


class NoSpaceError(DownloadError):
    """The disk is too full."""


class WrongHashError(DownloadError):
    """What came is not the file that was meant; it was removed."""


class StoppedError(DownloadError):
    """Somebody stopped it; what has come is kept."""


class Download:
    """One file on its way. `run` until it is there, or raises; again goes on."""

    def __init__(
        self,
        source: Source,
        part: Path,
        *,
        on_progress: OnProgress = lambda done, total: None,
        stop: threading.Event | None = None,
        timeout_s: float = TIMEOUT_S,
        waits_s: tuple[float, ...] = WAITS_S,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        """`part` is made where it does not exist; its folder has to exist."""
        self._source = source
        self._part = part
        self._note = part.with_name(part.name + ".json")
        self._on_progress = on_progress
        self._stop = stop or threading.Event()
        self._timeout_s = timeout_s
        self._waits_s = waits_s
        self._free = free
        self._etag = ""
        self._done = 0
        self._total = source.size_bytes
        self._digest = hashlib.sha256()

    def run(self) -> Path:
        """The part, whole and of the right hash.

        Raises NoSpaceError, WrongHashError, StoppedError, ConnectionLostError (the part is kept),
        DownloadError.
        """
        self._take_up()
        self._on_progress(self._done, self._total)
        waits = list(self._waits_s if self._done else self._waits_s[: len(SHORT_WAITS_S)])
        while not self._is_whole():
            before = self._done
            try:
                self._fetch()
            except ConnectionLostError as error:
                if self._done > before:
                    waits = list(self._waits_s)
                if not waits:
                    raise ConnectionLostError(f"{error} {self._what_is_kept()}") from None
                self._stop.wait(max(waits.pop(0), error.wait_s))
            self._refuse_if_stopped()
        if self._digest.hexdigest() != self._source.sha256:
            self.discard()
            raise WrongHashError(
                f"What came from {shown(self._source.url)} is not the file that was meant: its "
                "SHA-256 is another one. It was removed; start again, and if that repeats, trust "
                "neither the address nor the network."
            )
        return self._part

    def discard(self) -> None:
        """Remove what has come."""
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self._done, self._etag, self._digest = 0, "", hashlib.sha256()

    # -- what is there already ------------------------------------------------------------------

    def _take_up(self) -> None:
        """Hash what an earlier run left, where it belongs to the same file; else begin anew."""
        note = self._read_note()
        if note is None or (self._total and self._size() > self._total):
            self.discard()
            self._write_note()
            return
        self._etag = str(note.get("etag", ""))
        self._total = self._total or int(note.get("total", 0))
        with self._part.open("ab"):
            pass
        with self._part.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                self._refuse_if_stopped()
                self._digest.update(piece)
                self._done += len(piece)

    def _read_note(self) -> dict[str, Any] | None:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            is_ours = note["sha256"] == self._source.sha256
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return note if is_ours else None

    def _write_note(self) -> None:
        note = {"sha256": self._source.sha256, "etag": self._etag, "total": self._total}
        write_text_atomically(self._note, json.dumps(note) + "\n")

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _is_whole(self) -> bool:
        return 0 < self._total == self._done

    def _what_is_kept(self) -> str:
        if not self._done:
            return "Check the network, then start again."
        return f"{in_words(self._done)} have come and are kept; start again to go on."

    # -- one connection -------------------------------------------------------------------------

    def _fetch(self) -> None:
        """Ask for the rest and write what comes, until it ends."""
        try:
            response = get(
                self._source.url,
                headers=self._range(),
                token=self._source.token,
                timeout_s=self._timeout_s,
            )
        except RangeRefusedError:
            if not self._done:
                raise
            self.discard()
            self._write_note()
            return
        with response:
            self._agree(response)
            self._refuse_if_full()
            with self._part.open("r+b" if self._done else "wb", buffering=0) as file:
                file.seek(self._done)
                file.truncate()
                while not self._is_whole():
                    piece = self._piece(response)
                    if not piece:
                        break
                    self._keep(file, piece)
        if not self._done:
            raise ConnectionLostError(f"{shown(self._source.url)} sent nothing.")
        if not self._total:
            self._total = self._done  # a server that tells no length closes at the end
        elif self._done < self._total:
            raise ConnectionLostError("The connection was cut off.")

    def _range(self) -> dict[str, str]:
        if not self._done:
            return {}
        headers = {"Range": f"bytes={self._done}-"}
        if self._etag and not self._etag.startswith("W/"):
            headers["If-Range"] = self._etag
        return headers

    def _agree(self, response: Any) -> None:
        """Take the size and the ETag from the answer; begin anew where it is no continuation."""
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        goes_on = response.status == 206 and found is not None and int(found[1]) == self._done
        length = response.headers.get("Content-Length", "")
        if goes_on and found is not None:
            total = int(found[2])
        else:
            if self._done:
                self.discard()
            if response.status == 206:
                raise ConnectionLostError("The server sent another part than was asked for.")
            total = int(length) if length.isdigit() else 0
        if self._source.size_bytes and total and total != self._source.size_bytes:
            raise DownloadError(
                f"{shown(self._source.url)} has {total:,} bytes and should have "
                f"{self._source.size_bytes:,}: it is another file."
            )
        self._total = total or self._source.size_bytes
        self._etag = response.headers.get("ETag", "")
        self._write_note()

    def _refuse_if_full(self) -> None:
        missing = self._total - self._done
        free = self._free(self._part.parent)
        needed = missing + RESERVE_BYTES
        if needed > free:
            raise NoSpaceError(
                f"The disk has {in_words(free)} free; {in_words(needed)} are needed for "
                f"{self._part.parent}. Make room, then start again."
            )

    def _piece(self, response: Any) -> bytes:
        self._refuse_if_stopped()
        try:
            piece: bytes = response.read1(PIECE_BYTES)
        except (OSError, HTTPException) as error:
            raise lost(self._source.url, error) from None
        return piece

    def _keep(self, file: Any, piece: bytes) -> None:
        view = memoryview(piece)
        try:
            while view:
                view = view[file.write(view) :]
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise NoSpaceError(
                f"The disk is full; {in_words(self._done)} have come. Make room, then start again."
            ) from None
        self._digest.update(piece)
        self._done += len(piece)
        self._on_progress(self._done, self._total)

    def _refuse_if_stopped(self) -> None:
        if self._stop.is_set():
            raise StoppedError(f"Stopped. {self._what_is_kept()}")
