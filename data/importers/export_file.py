"""Streams a DiscordChatExporter file: its header first, then its raw messages, with ijson.

The schema since 2018: {"guild", "channel", "dateRange", "exportedAt" (newer ones), "messages": [],
"messageCount"}. A channel a file, as large as it likes: memory stays bounded. A partitioned export
is several such files. Mynah's own exports have a key "mynah" more (see data/exporting.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ijson

from data.importers.fields import BadRecord, id_in, text_in, time_ms_in
from data.importers.json_bytes import LONGEST_OBJECT_BYTES, NO_END, BrokenBytes, JsonBytes
from data.importers.readable import storable
from storage.records import ChannelRecord

_UNREADABLE = (ijson.JSONError, ValueError, ArithmeticError)
"""What ijson's backends raise for broken JSON and for numbers beyond Python's."""

HEAD_BYTES = 4 * 1024 * 1024
"""How far "messages" may be from a file's beginning before it counts as no export."""


class NotAnExport(Exception):
    """The file is something else; str() says what was missed."""


class BrokenExport(Exception):
    """An export that is damaged at `near_byte` of its unpacked bytes; str() is the reason."""

    def __init__(self, reason: str, near_byte: int) -> None:
        super().__init__(reason)
        self.near_byte = near_byte


@dataclass(frozen=True)
class ExportHeader:
    """What a file says about itself."""

    channel: ChannelRecord
    exported_at_ms: int | None
    """When the export was taken; None in files of older exporters."""


def read_header(source: JsonBytes) -> ExportHeader:
    """The header, read with little of the file, or with all of it where messages come first.

    Raises NotAnExport, and BrokenExport where an export is damaged before its header is complete.
    """
    found: dict[str, list[Any]] = {"guild": [], "channel": [], "exportedAt": [], "mynah": []}
    outline = _Outline()
    error = _read_until_named(source, outline, found)
    if outline.has_messages and found["channel"]:
        return _header(found["guild"], found["channel"][0], found["exportedAt"], found["mynah"])
    if error is None:
        raise NotAnExport("no DiscordChatExporter file: channel or messages missing")
    if outline.has_messages or found["channel"]:
        reason = f"the file breaks before it names its channel and messages: {_line(error)}"
        raise BrokenExport(reason, source.offset_bytes) from error
    raise NotAnExport("not readable as JSON") from error


def read_messages(
    source: JsonBytes, prefix: str = "messages.item"
) -> Iterator[tuple[int, list[Any]]]:
    """The raw messages in order, in small lists, each with the byte near which the list ends.

    `prefix` is where they stand, in ijson's words. Raises BrokenExport after the last readable one
    of a damaged file.
    """
    ready: list[Any] = []
    items = _Items(prefix, ready)
    begun_bytes = 0
    try:
        for piece in source.pieces():
            items.feed(piece)
            if ready:
                yield source.offset_bytes, ready.copy()
                ready.clear()
                begun_bytes = source.offset_bytes
            elif source.offset_bytes - begun_bytes > LONGEST_OBJECT_BYTES:
                raise BrokenBytes(NO_END)
        items.close()
    except (*_UNREADABLE, BrokenBytes) as error:
        if ready:
            yield source.offset_bytes, ready.copy()
        raise BrokenExport(f"the file breaks here: {_line(error)}", source.offset_bytes) from error


def _read_until_named(
    source: JsonBytes, outline: _Outline, found: dict[str, list[Any]]
) -> Exception | None:
    """Feed pieces until all is found or nothing is to be hoped for; what stopped it, or None."""
    parts = [_Items(key, values) for key, values in found.items()]
    error: Exception | None = None
    try:
        for piece in source.pieces():
            parsers: list[_Items | _Outline] = [*parts]
            if not outline.has_messages:
                parsers.append(outline)
            for parser in parsers:
                try:
                    parser.feed(piece)
                except _UNREADABLE as problem:  # each parser meets the same
                    error = problem
            complete = outline.has_messages and found["guild"] and found["channel"]
            too_far = not outline.has_messages and source.offset_bytes > HEAD_BYTES
            if complete or too_far or error:
                return error
        parts[0].close()  # the file ends here; does its JSON?
    except (*_UNREADABLE, BrokenBytes) as problem:
        return problem
    return None


class _Items:
    """ijson's push parser for one prefix: what `feed` completes is appended to `target`."""

    def __init__(self, prefix: str, target: list[Any]) -> None:
        self._ready = ijson.sendable_list()
        self._target = target
        self._parser = ijson.items_coro(self._ready, prefix)

    def feed(self, piece: bytes) -> None:
        """Raises ijson.JSONError where the bytes are no JSON; what was complete before is taken."""
        try:
            self._parser.send(piece)
        finally:
            self._take()

    def close(self) -> None:
        """The file ends here. Raises ijson.JSONError where the JSON does not."""
        try:
            self._parser.close()
        finally:
            self._take()

    def _take(self) -> None:
        self._target.extend(self._ready)
        self._ready.clear()


class _Outline:
    """Watches a file's beginning for a top-level list called "messages"."""

    def __init__(self) -> None:
        self._ready = ijson.sendable_list()
        self._parser = ijson.parse_coro(self._ready)
        self.has_messages = False

    def feed(self, piece: bytes) -> None:
        """Raises ijson.JSONError where the bytes are no JSON."""
        try:
            self._parser.send(piece)
        finally:
            self.has_messages = any(
                prefix == "messages" and event == "start_array" for prefix, event, _ in self._ready
            )
            self._ready.clear()


def _header(guilds: list[Any], raw: Any, exported: list[Any], own: list[Any]) -> ExportHeader:
    guild = guilds[0] if guilds else {}
    try:
        if type(raw) is not dict or type(guild) is not dict:
            raise BadRecord("guild or channel is not an object")
        is_thread = str(raw.get("type", "")).endswith("Thread")
        parent = raw.get("categoryId") if is_thread else None
        channel = ChannelRecord(
            channel_id=id_in(raw.get("id"), "channel's id"),
            guild_id=id_in(guild.get("id", 0), "guild's id", least=0),
            guild_name=storable(text_in(guild.get("name"), "guild's name")),
            name=storable(text_in(raw.get("name"), "channel's name")),
            parent_id=None if parent is None else id_in(parent, "channel's categoryId"),
            is_allowed=not (own and type(own[0]) is dict and own[0].get("isAllowed") is False),
        )
    except BadRecord as error:
        raise BrokenExport(f"the header is of no use: {error}", 0) from error
    exported_at_ms = None
    if exported:
        with suppress(BadRecord):  # only a hint which of several exports is the newer one
            exported_at_ms = time_ms_in(exported[0], "exportedAt")
    return ExportHeader(channel, exported_at_ms)


def _line(error: BaseException) -> str:
    """The first line of a parser's message, without its picture of the bytes."""
    lines = str(error).removeprefix("b'").removeprefix('b"').splitlines()
    return lines[0].split("\\n")[0].strip() if lines else type(error).__name__
