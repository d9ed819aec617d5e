"""Writes what is stored as files: data_storage/messages/channel_{id}.json, one a channel.

The layout is DiscordChatExporter's JSON, so that other programs read them too, and our own importer
makes the same rows of them again. What that layout has no place for stands under a key "mynah":
    beside "channel"   {"isAllowed": false}                       a channel off the allow-list
    of a message       {"origin": "discord_api"}                  and: the text is as it was stored
    of an account      {"isExcluded": true, "consent": "opted_out"}
Anybody can write such a file, so an import believes that key only where it asks for more care: a
history that is imported as `export` stays content from Discord's API at least, whatever the file
claims to be. What came from the sample or from a data package therefore comes back as `export`; the
way to take a home along as it is is a backup.

Not written: what was deleted, what excluded members said, what was said in the playground. A
channel without anything left has no file. Each message stands on a line of its own, so that a file
can be rewritten line by line. Memory stays bounded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TextIO

from filelock import FileLock, Timeout

from storage.database import Database
from storage.errors import MynahError
from storage.records import (
    ChannelRecord,
    MemberRecord,
    MessageKind,
    MessageRecord,
    Origin,
)

PARTIAL = ".part"
LOCK_TIMEOUT_S = 600.0
TELL_EVERY_MESSAGES = 2_000

_TYPES = {
    MessageKind.DEFAULT: "Default",
    MessageKind.REPLY: "Reply",
    MessageKind.SYSTEM: "System",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class ExportError(MynahError):
    """The files could not be written; those from before are whole."""


@dataclass(frozen=True)
class ExportProgress:
    """How far an export is."""

    channel: str
    channels_done: int
    channels_total: int
    messages: int


OnProgress = Callable[[ExportProgress], None]


def export_path(folder: Path, channel_id: int) -> Path:
    """Where a channel's file lies."""
    return folder / f"channel_{channel_id}.json"


@contextmanager
def rewriting(folder: Path) -> Iterator[None]:
    """Held by whoever writes files of `folder`: an export, or what erases words from them.

    Erase the rows first, then take this: a file that is being written from older rows is finished
    by then, and a later one is written without them. Raises ExportError after ten minutes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f"{folder.name}.lock"), timeout=LOCK_TIMEOUT_S)
    try:
        lock.acquire()
    except Timeout:
        raise ExportError(
            f"Another program has been writing in {folder} for ten minutes; stop it and try again."
        ) from None
    try:
        for left in folder.glob(f"channel_*{PARTIAL}"):  # by a program that was killed
            left.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def write_channel_exports(
    database: Database,
    folder: Path,
    *,
    channel_ids: Collection[int] | None = None,
    progress: OnProgress | None = None,
) -> list[Path]:
    """Write the files of these channels, or of all, and return them.

    Each is written beside its place, synced and renamed. A file of a channel that has nothing to be
    written any more is removed; with `channel_ids` None, of a channel that is not stored too.
    Raises ExportError (disk), DatabaseError. Blocking; any thread.
    """
    try:
        with rewriting(folder):
            return _Export(database, folder, progress).run(channel_ids)
    except OSError as error:
        raise ExportError(
            f"The messages could not be written to {folder} ({error.strerror or error}). What was "
            "there before is whole. Check the disk's space and the folder's rights, and try again."
        ) from error


class _Export:
    """One run."""

    def __init__(self, database: Database, folder: Path, progress: OnProgress | None) -> None:
        self._database = database
        self._folder = folder
        self._progress = progress
        self._channels = {channel.channel_id: channel for channel in database.channels()}
        self._members = {member.member_id: member for member in database.members()}
        self._accounts: dict[int, dict[str, Any]] = {}
        self._messages = 0

    def run(self, channel_ids: Collection[int] | None) -> list[Path]:
        counts = self._database.message_counts()
        wanted = sorted(counts if channel_ids is None else channel_ids)
        written = []
        for done, channel_id in enumerate(wanted):
            channel = self._channels.get(channel_id)
            if channel is None:
                channel = ChannelRecord(channel_id, 0, "", f"channel-{channel_id}")
            path = export_path(self._folder, channel_id)
            told = ExportProgress(channel.name, done, len(wanted), self._messages)
            if counts.get(channel_id) and self._write(path, channel, told):
                written.append(path)
            else:
                path.unlink(missing_ok=True)
        if channel_ids is None:
            for path in set(self._folder.glob("channel_*.json")).difference(written):
                path.unlink()
        return written

    def _write(self, path: Path, channel: ChannelRecord, told: ExportProgress) -> bool:
        """Whether there was anything to write."""
        partial = path.with_name(path.name + PARTIAL)
        try:
            with partial.open("w", encoding="utf-8", newline="\n") as file:
                count = self._write_channel(file, channel, told)
                file.flush()
                os.fsync(file.fileno())
            if count:
                partial.replace(path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        return count > 0

    def _write_channel(self, file: TextIO, channel: ChannelRecord, told: ExportProgress) -> int:
        file.write(f"{_json(self._head(channel))[:-1]},\n")
        file.write('"messages":[')
        count = 0
        for message in self._database.messages(channel_id=channel.channel_id):
            if message.origin is Origin.PLAYGROUND or self._is_excluded(message.author_id):
                continue
            file.write(",\n" if count else "\n")
            file.write(_json(self._message(message)))
            count += 1
            if count % TELL_EVERY_MESSAGES == 0:
                self._tell(told, count)
        file.write(f'\n],\n"messageCount":{count}}}\n')
        self._messages += count
        self._tell(told, 0)
        return count

    def _head(self, channel: ChannelRecord) -> dict[str, Any]:
        parent = self._channels.get(channel.parent_id or 0)
        return {
            "guild": {"id": str(channel.guild_id), "name": channel.guild_name, "iconUrl": ""},
            "channel": {
                "id": str(channel.channel_id),
                "type": "GuildTextChat" if channel.parent_id is None else "GuildPublicThread",
                "categoryId": None if channel.parent_id is None else str(channel.parent_id),
                "category": parent.name if parent else None,
                "name": channel.name,
                "topic": None,
            },
            "mynah": {} if channel.is_allowed else {"isAllowed": False},
            "dateRange": {"after": None, "before": None},
            "exportedAt": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        }

    def _message(self, message: MessageRecord) -> dict[str, Any]:
        edited = message.edited_at_ms
        document: dict[str, Any] = {
            "id": str(message.message_id),
            "type": _TYPES[message.kind],
            "timestamp": _iso(message.created_at_ms),
            "timestampEdited": None if edited is None else _iso(edited),
            "isPinned": False,
            "content": message.content,
            "author": self._account(message.author_id),
            "attachments": [
                {"id": "", "url": "", "fileName": name, "fileSizeBytes": 0}
                for name in message.attachment_names
            ],
            "embeds": [],
            "stickers": [],
            "reactions": [
                {"emoji": {"id": "", "name": one.emoji, "code": one.emoji}, "count": one.count}
                for one in message.reactions
            ],
            "mentions": [self._account(member_id) for member_id in message.mentioned_ids],
            "mynah": {"origin": message.origin.value},
        }
        if message.reply_to_id is not None:
            document["reference"] = {
                "messageId": str(message.reply_to_id),
                "channelId": str(message.channel_id),
                "guildId": None,
            }
        return document

    def _account(self, member_id: int) -> dict[str, Any]:
        known = self._accounts.get(member_id)
        if known is None:
            member = self._members.get(member_id) or MemberRecord(member_id, "", "")
            known = self._accounts[member_id] = _account(member)
        return known

    def _is_excluded(self, member_id: int) -> bool:
        member = self._members.get(member_id)
        return member is not None and member.is_excluded

    def _tell(self, told: ExportProgress, count: int) -> None:
        if self._progress is not None:
            done, total = told.channels_done, told.channels_total
            messages = self._messages + count
            self._progress(ExportProgress(told.channel, done, total, messages))


def _account(member: MemberRecord) -> dict[str, Any]:
    own: dict[str, Any] = {}
    if member.is_excluded:
        own["isExcluded"] = True
    if member.consent == "opted_out":
        own["consent"] = member.consent
    return {
        "id": str(member.member_id),
        "name": member.name,
        "discriminator": "0000",
        "nickname": member.nickname,
        "color": None,
        "isBot": member.is_bot,
        "roles": [],
        "avatarUrl": "",
        **({"mynah": own} if own else {}),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _iso(at_ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.isoformat(timespec="milliseconds")
