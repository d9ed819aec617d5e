"""Writes one file anew without what is erased: JSON, JSON Lines, CSV, zips and gzip of these.

What nothing can be taken out of (a page, a text, a file that a crash left half-written, an unknown
format) goes as a whole where it names what is erased. Memory stays bounded: an export of gigabytes
is read message by message.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, TextIO

from data.forgetting_rules import Rules

PIECE = 1 << 20
_OVERLAP = 512
"""More than the longest name takes, be it escaped."""
_WHOLE_BYTES = 64 << 20
"""A JSON file without a list of messages is read at once up to this size."""
_READ_BY_PEOPLE = frozenset({".txt", ".md", ".html", ".htm", ".csv"})
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)
_UNREADABLE = (*_DAMAGED, OSError, RuntimeError, ValueError, struct.error, zipfile.BadZipFile)

Rewrite = Callable[[TextIO, TextIO, Rules], bool]
"""Copies a text without what is erased; False where that cannot be done."""


def holds_one(path: Path, rules: Rules) -> bool:
    """Whether a file names what is erased, gzip and zips looked into. Raises OSError."""
    if path.suffix == ".zip":
        return _zip_holds_one(path, rules)
    is_read_by_people = _kind(path) in _READ_BY_PEOPLE
    is_kept_aside = _kind(path) == ".jsonl" and "quarantine" in path.parts
    try:
        with _opened(path) as file:
            return any(
                rules.names_one(piece)
                or (is_read_by_people and rules.calls_one(piece))
                or (is_kept_aside and rules.quotes_one(piece))
                for piece in _pieces(file)
            )
    except _DAMAGED:  # nobody can read on from there
        return _names_one_as_it_is(path, rules)


def rewrite(path: Path, target: Path, rules: Rules) -> bool:
    """Write `path` without what is erased to `target`; False where it is to go as a whole.

    Raises OSError.
    """
    if path.suffix == ".zip":
        return _rewrite_zip(path, target, rules)
    how = _REWRITES.get(_kind(path))
    if how is None:
        return False
    try:
        with ExitStack() as stack:
            source = stack.enter_context(_opened(path))
            out: Any = stack.enter_context(target.open("wb"))
            if path.suffix == ".gz":
                out = stack.enter_context(gzip.GzipFile("", "wb", 6, out, mtime=0))
            return _as_text(source, out, how, rules)
    except (*_DAMAGED, ValueError, RecursionError):  # what is odder than was thought of
        return False


def _as_text(source: IO[bytes], out: IO[bytes], how: Rewrite, rules: Rules) -> bool:
    reader = io.TextIOWrapper(source, "utf-8", "surrogateescape", newline="")
    writer = io.TextIOWrapper(out, "utf-8", "surrogateescape", newline="", write_through=True)
    try:
        return how(reader, writer, rules)
    finally:
        writer.flush()
        writer.detach()
        reader.detach()


def _lines(source: TextIO, out: TextIO, rules: Rules) -> bool:
    """JSON Lines: a record a line. One that names it goes, whatever it is about."""
    for line in source:
        raw = line.encode("utf-8", "surrogateescape")
        if not (rules.names_one(raw) or rules.quotes_one(raw)):
            out.write(line)
    return True


def _rows(source: TextIO, out: TextIO, rules: Rules) -> bool:
    """CSV: a record a row, which names its author by id or by name."""
    writer = csv.writer(out)
    csv.field_size_limit(PIECE)
    try:
        rows = csv.reader(source)
        writer.writerows(row for row in rows if not any(map(rules.is_of_one, row)))
    except csv.Error:
        return False
    out.flush()
    return True


def _json(source: TextIO, out: TextIO, rules: Rules) -> bool:
    """A list of messages is gone through one by one; any other JSON is read at once."""
    items = _Items(source)
    if not items.begin():
        return _whole(items.rest(_WHOLE_BYTES), out, rules)
    if rules.names_one(items.head.encode("utf-8", "surrogateescape")):
        return False
    out.write(items.head)
    count = 0
    for text in items:
        kept = text
        if rules.names_one(text.encode("utf-8", "surrogateescape")):
            value = json.loads(text)
            if rules.is_about(value):
                continue
            kept = _dumped(rules.without(value))
        out.write(",\n" if count else "\n")
        out.write(kept)
        count += 1
    tail = items.rest(_WHOLE_BYTES)
    if tail is None or rules.names_one(tail.encode("utf-8", "surrogateescape")):
        return False
    out.write(f"\n{tail}")
    return True


def _whole(text: str | None, out: TextIO, rules: Rules) -> bool:
    try:
        value = json.loads(text.lstrip("\ufeff")) if text is not None else None
    except (ValueError, RecursionError):
        return False
    if value is None or rules.is_about(value):
        return False
    out.write(_dumped(rules.without(value), indent=2) + "\n")
    return True


def _dumped(value: Any, indent: int | None = None) -> str:
    """As it is read by people; escaped where it holds halves of characters, as some exports do."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


_REWRITES: dict[str, Rewrite] = {
    ".json": _json,
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".csv": _rows,
}


class _Items:
    """The texts of the items of a JSON file's list: the one under "messages", or all of it."""

    def __init__(self, source: TextIO) -> None:
        self._source = source
        self._text = ""
        self._at = 0
        self._decoder = json.JSONDecoder()
        self.head = ""
        """What stands before the first item, its bracket included."""

    def begin(self) -> bool:
        """Whether there is such a list; then the head is known."""
        self._more()
        text = self._text.lstrip("\ufeff \t\r\n")
        if text.startswith("["):
            self._at = self._text.index("[") + 1
        else:
            key = self._text.find('"messages"')
            bracket = self._text.find("[", key) if key >= 0 else -1
            if bracket < 0 or self._text[key + 10 : bracket].strip(" \t\r\n") != ":":
                return False
            self._at = bracket + 1
        self.head = self._text[: self._at]
        return True

    def __iter__(self) -> Iterator[str]:
        """Ends before the list's closing bracket, or where the file is damaged."""
        while True:
            self._skip(" \t\r\n,")
            if self._at >= len(self._text) or self._text[self._at] in "]}":
                return
            end = self._end_of_item()
            if end is None:
                return
            yield self._text[self._at : end]
            self._at = end

    def rest(self, most: int) -> str | None:
        """What was not given yet; None where that is more than `most`."""
        while len(self._text) - self._at <= most:
            if not self._more():
                return self._text[self._at :]
        return None

    def _end_of_item(self) -> int | None:
        while True:
            try:
                _, end = self._decoder.raw_decode(self._text, self._at)
                if end < len(self._text) or not self._more():
                    return end
            except (ValueError, RecursionError):
                if not self._more():
                    return None

    def _skip(self, characters: str) -> None:
        while True:
            while self._at < len(self._text) and self._text[self._at] in characters:
                self._at += 1
            if self._at < len(self._text) or not self._more():
                return

    def _more(self) -> bool:
        read = self._source.read(PIECE)
        self._text = self._text[self._at :] + read
        self._at = 0
        return bool(read)


def _zip_holds_one(path: Path, rules: Rules) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                with archive.open(info) as file:
                    if any(map(rules.names_one, _pieces(file))):
                        return True
    except _UNREADABLE:
        return _names_one_as_it_is(path, rules)
    return False


def _names_one_as_it_is(path: Path, rules: Rules) -> bool:
    with path.open("rb") as file:
        return any(map(rules.names_one, _pieces(file)))


def _rewrite_zip(path: Path, target: Path, rules: Rules) -> bool:
    """A data package: that of a forgotten member goes as a whole, for its account says whose."""
    try:
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as out:
            for info in archive.infolist():
                with archive.open(info) as file:
                    is_named = any(map(rules.names_one, _pieces(file)))
                how = _REWRITES.get(Path(info.filename).suffix) if is_named else _copy
                if how is None or (is_named and info.filename.endswith("user.json")):
                    return False
                with archive.open(info) as file, out.open(info, "w", force_zip64=True) as written:
                    if not _as_text(file, written, how, rules):
                        return False
    except _UNREADABLE:
        return False
    return True


def _copy(source: TextIO, out: TextIO, rules: Rules) -> bool:
    while piece := source.read(PIECE):
        out.write(piece)
    return True


def _kind(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == ".gz" else path.suffix


def _opened(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """1 MiB at a time, each with the end of the one before: no number is cut in two."""
    end = b""
    # Of a file that breaks off what can be read still comes with `read1`, before it raises.
    read: Callable[[int], bytes] = getattr(file, "read1", file.read)
    while piece := read(PIECE):
        yield end + piece
        end = piece[-_OVERLAP:]
