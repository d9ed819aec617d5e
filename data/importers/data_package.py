"""Reads Discord's own data package: the zip that a member requests, with all that they ever wrote.

Its layouts since 2018, here all at once (files.py knows a package by its shape):
    Messages/index.json                 {"<channel id>": "general in The Lantern", ...}
    Messages/c<channel id>/channel.json {"id", "type", "name", "guild": {"id", "name"}} or
                                        {"id", "type", "recipients": ["<id>", "<id>"]}
    Messages/c<channel id>/messages.json [{"ID", "Timestamp", "Contents", "Attachments"}, ...]
    Messages/c<channel id>/messages.csv  the same four as columns, in packages before 2024
    Account/user.json                   {"id", "username", "global_name", ...}
Until 2021 the channels' folders lacked the "c"; since 2025 the folders beside them begin with a
capital and are translated ("Nachrichten", "メッセージ"). "type" is Discord's number or its name.
Attachments are addresses between blanks. Times are UTC.

A package holds one member's words in all their servers and all their private talk. Direct messages,
group messages and private threads are counted and left out, unread: they were said to others in
confidence. Whatever is not plainly a server's channel counts as private.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from data.importers.export_file import BrokenExport, read_messages
from data.importers.fields import BadRecord, called, id_in, text_in, time_ms_in
from data.importers.files import PackageFiles, SourceFile
from data.importers.json_bytes import DAMAGED, BrokenBytes, JsonBytes
from data.importers.readable import Names, placeholder, readable, storable
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin

SMALL_BYTES = 16 * 1024 * 1024
"""The longest user.json, channel.json or index.json that is read; real ones take 1 MB at most."""
LONGEST_LINE_CHARS = 1_000_000
PAGE_ROWS = 500

OLDER_THAN_ANY_EXPORT_MS = -1
"""When a package's names were true: its nicknames are none, so any other source knows better."""

_PRIVATE = frozenset({"1", "3", "12", "18", "DM", "GROUP_DM", "PRIVATE_THREAD", "EPHEMERAL_DM"})
_OF_SERVERS = re.compile(r"0|2|5|1[013567]|GUILD_\w+|(?:PUBLIC|ANNOUNCEMENT|NEWS)_THREAD")
_MENTION = re.compile(r"<@!?([0-9]{1,19})>")


@dataclass(frozen=True)
class Room:
    """One channel of a package."""

    channel: ChannelRecord
    """guild_id 0: the package does not say which server's (the member left it, or it is gone)."""
    is_private: bool


def read_owner(package: PackageFiles) -> MemberRecord:
    """Whose package it is. Raises BadRecord with a sentence where nothing says so."""
    for file in sorted(package.users, key=lambda f: f.place.parent.name.lower() != "account"):
        try:
            raw = _small(file)
            member_id = id_in(raw.get("id"), "id")
            name = storable(text_in(raw.get("username"), "username")).strip()
            called_ = storable(text_in(raw.get("global_name"), "global_name")).strip()
        except BadRecord:
            continue
        name = name or called_ or f"user-{member_id}"
        return MemberRecord(member_id, name, called_ or name)
    raise BadRecord(
        "a Discord data package that does not say whose it is: Account/user.json is missing or "
        "unreadable. Name the whole zip or folder; if it has none, request a package with "
        '"Account" ticked'
    )


def read_index(package: PackageFiles) -> dict[str, str]:
    """What index.json calls the channels, by id; empty where it is missing or unreadable."""
    try:
        raw = _small(package.index) if package.index is not None else {}
    except BadRecord:
        return {}
    return {key: storable(name) for key, name in raw.items() if type(name) is str}


def read_room(file: SourceFile, index: dict[str, str]) -> Room:
    """What channel.json and the index say of a channel. Raises BadRecord."""
    raw = _small(file)
    channel_id = id_in(raw.get("id"), "channel's id")
    guild = raw.get("guild")
    if guild is not None and type(guild) is not dict:
        raise BadRecord(f"guild is {called(guild)}, not an object")
    kind = str(raw.get("type"))
    is_private = kind in _PRIVATE or bool(raw.get("recipients"))
    if not is_private and not guild:
        is_private = not _OF_SERVERS.fullmatch(kind)
    labelled, _, labelled_guild = index.get(str(channel_id), "").rpartition(" in ")
    guild_name = storable(text_in((guild or {}).get("name"), "guild's name"))
    name = storable(text_in(raw.get("name"), "channel's name"))
    return Room(
        ChannelRecord(
            channel_id=channel_id,
            guild_id=id_in((guild or {}).get("id", 0), "guild's id", least=0),
            guild_name=guild_name or labelled_guild,
            name=name or labelled or f"channel-{channel_id}",
        ),
        is_private,
    )


def read_pages(file: SourceFile, source: JsonBytes) -> Iterator[tuple[int, list[Any]]]:
    """The raw messages in small lists, each with the byte near which it ends; memory stays bounded.

    `source` is `file`, opened. Raises BrokenExport after the last readable one of a damaged file.
    """
    if file.name.lower().endswith(".csv"):
        return _csv_pages(source)
    return read_messages(source, "item")


class PackageReader:
    """Turns one channel's raw messages into its member's records. One thread."""

    def __init__(self, channel_id: int, names: Names, owner: MemberRecord) -> None:
        self._channel_id = channel_id
        self._names = names
        self._owner = owner

    def take_met(self, exported_at_ms: int | None) -> dict[int, tuple[MemberRecord, int]]:
        """The member, as known since then (as `MessageReader.take_met`)."""
        at_ms = OLDER_THAN_ANY_EXPORT_MS if exported_at_ms is None else exported_at_ms
        return {self._owner.member_id: (self._owner, at_ms)}

    def message(self, raw: Any) -> MessageRecord:
        """The record of one raw message. Raises BadRecord."""
        if type(raw) is not dict:
            raise BadRecord(f"a message is {called(raw)}, not an object")
        text = text_in(raw.get("Contents"), "Contents")
        files = [storable(name) for name in _file_names(raw.get("Attachments"))]
        mentioned = (int(found) for found in _MENTION.findall(text))
        if not text or text.isspace():
            text = " ".join(placeholder("attachment", name) for name in files)
        return MessageRecord(
            message_id=id_in(raw.get("ID"), "ID"),
            channel_id=self._channel_id,
            author_id=self._owner.member_id,
            content=readable(text, self._names),
            created_at_ms=time_ms_in(raw.get("Timestamp"), "Timestamp"),
            origin=Origin.DATA_PACKAGE,
            mentioned_ids=tuple(dict.fromkeys(one for one in mentioned if 0 < one < 1 << 63)),
            attachment_names=tuple(files),
        )


def _file_names(value: Any) -> list[str]:
    addresses = text_in(value, "Attachments").split()
    try:
        paths = [urlsplit(address).path for address in addresses]
    except ValueError as error:
        raise BadRecord("Attachments are no addresses") from error
    return [unquote(path.rpartition("/")[2]) for path in paths]


def _csv_pages(source: JsonBytes) -> Iterator[tuple[int, list[Any]]]:
    page: list[Any] = []
    rows = csv.DictReader(_lines(source))
    try:
        for row in rows:
            if None in row or "ID" not in row:
                raise csv.Error("a line has other columns than ID, Timestamp, Contents, ...")
            page.append(row)
            if len(page) >= PAGE_ROWS:
                yield source.read_bytes, page
                page = []
    except (csv.Error, BrokenBytes) as error:
        if page:
            yield source.read_bytes, page
        raise BrokenExport(f"the file breaks here: {error}", source.read_bytes) from error
    if page:
        yield source.read_bytes, page


def _lines(source: JsonBytes) -> Iterator[str]:
    """The file's lines with their ends. Raises BrokenBytes."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    rest = ""
    for block in source.blocks():
        *lines, rest = (rest + decoder.decode(block).replace("\0", "")).split("\n")
        yield from (f"{line}\n" for line in lines)
        if len(rest) > LONGEST_LINE_CHARS:
            raise BrokenBytes("a line without an end")
    if rest:
        yield rest


def _small(file: SourceFile) -> dict[str, Any]:
    """A small JSON object. Raises BadRecord."""
    try:
        with file.open() as stream:
            data = stream.read(SMALL_BYTES + 1)
        if len(data) > SMALL_BYTES:
            raise BadRecord(f"{file.name} is larger than any real one")
        raw = json.loads(data.decode("utf-8-sig", "replace"))
    except (*DAMAGED, ValueError, RecursionError) as error:
        raise BadRecord(f"{file.name} cannot be read ({error})") from error
    if type(raw) is not dict:
        raise BadRecord(f"{file.name} is {called(raw)}, not an object")
    return raw
