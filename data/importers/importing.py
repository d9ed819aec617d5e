"""Imports exports and data packages into the database; broken records go to quarantine.

What it promises: the same import again changes nothing; a later export adds what is new and what
changed; an older one undoes nothing (merging.py decides about messages). Files may come in any
order and in parts: each message is told from others by its id. What is counted is committed, 2,500
messages a transaction: a process killed in the middle loses at most the batch it was writing, and
the same command again completes the import.

Names: of several names of one account or channel the newest wins. An export tells the names of the
day it was taken ("exportedAt"; without it, the latest message that bears the name counts). A name
stored before this import gives way only to one as new as the newest message stored then.

Data packages: a member's package holds their words on all servers. Where this home knows a server,
by what is stored or by the exports beside the package, only what was said there is taken; a home
that knows none takes all servers' channels. Private talk is never taken (data_package.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.importers.data_package import (
    OLDER_THAN_ANY_EXPORT_MS,
    PackageReader,
    Room,
    read_index,
    read_owner,
    read_pages,
    read_room,
)
from data.importers.discord_chat_exporter import MessageReader
from data.importers.export_file import (
    BrokenExport,
    ExportHeader,
    NotAnExport,
    read_header,
    read_messages,
)
from data.importers.fields import BadRecord
from data.importers.file_import import FileImport, People, Reader
from data.importers.files import (
    MissingPathError,
    PackageFiles,
    SourceFile,
    Sources,
    find_sources,
    missing_parts,
)
from data.importers.json_bytes import HEAD_PIECE_BYTES, JsonBytes
from data.importers.kinds import HEAD_BYTES, what_it_is
from data.importers.newest_names import NewestNames
from data.importers.quarantine import Quarantine
from data.importers.readable import Names
from data.importers.summary import ChannelCount, ImportProgress, ImportSummary, PackageCount
from storage.database import Database
from storage.records import ChannelRecord, MemberRecord, Origin

__all__ = ["ImportProgress", "ImportSummary", "MissingPathError", "import_paths"]

PROGRESS_EVERY_S = 0.1

OnProgress = Callable[[ImportProgress], None]


def import_paths(
    db: Database,
    paths: Sequence[Path],
    *,
    origin: Origin,
    quarantine: Path,
    progress: OnProgress | None = None,
) -> ImportSummary:
    """Import files, zip archives, and folders with all *.json, *.json.gz and *.zip below them;
    oldest export first, data packages last.

    `origin` is that of exports; what a data package holds is `data_package`. `quarantine` is the
    folder for what cannot be used. `progress` is called ten times a second on this thread. Raises
    MissingPathError before anything is read, DatabaseError, OSError (disk). Blocking; a
    KeyboardInterrupt passes through and leaves what was committed.
    """
    with find_sources(paths) as sources:
        return _Import(db, origin, quarantine, progress).run(sources)


@dataclass(frozen=True)
class _Export:
    """A file whose header was read and is good."""

    file: SourceFile
    header: ExportHeader


@dataclass(frozen=True)
class _Package:
    """A package whose owner and channels were read."""

    files: PackageFiles
    owner: MemberRecord
    rooms: list[tuple[Room, SourceFile]] = field(default_factory=list)
    """The channels that have messages."""


class _Import:
    """One run in two passes: the headers, so that all channels' names are known; the messages."""

    def __init__(
        self, db: Database, origin: Origin, quarantine: Path, progress: OnProgress | None
    ) -> None:
        self._db = db
        self._origin = origin
        self._quarantine = quarantine
        self._progress = progress
        self._started = self._shown = time.monotonic()
        self._bytes_done = self._bytes_total = self._files_done = self._files_total = 0
        self._people = People(db)
        self._channels = {channel.channel_id: channel for channel in db.channels()}
        span = db.message_span()
        stored = ((key, _called(channel)) for key, channel in self._channels.items())
        self._places = NewestNames(stored, span[1] if span else None)
        self._names = Names(
            members={member.member_id: member.nickname for member in db.members()},
            channels={key: channel.name for key, channel in self._channels.items()},
        )
        self._summary = ImportSummary()

    def run(self, sources: Sources) -> ImportSummary:
        summary = self._summary
        summary.skipped += sources.skipped
        exports = [export for file in sources.files if (export := self._look_at(file))]
        exports.sort(key=lambda export: export.header.exported_at_ms or 0)
        summary.missing += missing_parts(export.file.place for export in exports)
        packages = [package for files in sources.packages if (package := self._look_into(files))]
        read = [export.file for export in exports]
        read += [file for package in packages for _, file in package.rooms]
        self._files_total = len(read)
        self._bytes_total = sum(file.size_bytes for file in read)
        self._store_channels([(e.header.channel, e.header.exported_at_ms or 0) for e in exports])
        for export in exports:
            self._import(export)
        known = {c.guild_id for c in self._channels.values() if c.guild_id > _OURS}
        for package in packages:
            self._import_package(package, known)
        if read:
            self._tell(read[-1], 0)
        summary.members = len(self._people.is_bot)
        summary.bots = sum(self._people.is_bot.values())
        summary.seconds = time.monotonic() - self._started
        return summary

    # -- exports ----------------------------------------------------------------------------------

    def _look_at(self, file: SourceFile) -> _Export | None:
        try:
            with JsonBytes(file, HEAD_PIECE_BYTES) as source:
                header = read_header(source)
        except NotAnExport as error:
            if not file.is_quiet:
                self._skip(file.place, _what_it_is(file) or str(error))
        except OSError as error:
            self._skip(file.place, f"cannot be read ({error.strerror})")
        except BrokenExport as error:
            with Quarantine(self._quarantine, file.place) as aside:
                aside.add(0, error.near_byte, str(error), None)
            self._note(file, aside, error)
        else:
            self._names.channels[header.channel.channel_id] = header.channel.name
            return _Export(file, header)
        return None

    def _import(self, export: _Export) -> None:
        header = export.header
        channel_id = header.channel.channel_id
        reader = MessageReader(channel_id, self._names, self._origin)
        count = self._read_file(
            export.file,
            header.channel,
            reader,
            exported_at_ms=header.exported_at_ms,
            pages=read_messages,
        )
        if count is not None:
            self._summary.files_imported += 1
            if header.exported_at_ms is None:
                self._store_channels([(header.channel, count.last_ms or 0)])

    # -- data packages ----------------------------------------------------------------------------

    def _look_into(self, files: PackageFiles) -> _Package | None:
        try:
            package = _Package(files, read_owner(files))
        except BadRecord as error:
            self._skip(files.place, str(error))
            return None
        index = read_index(files)
        for about, messages in files.rooms:
            try:
                room = read_room(about, index)
            except BadRecord as error:
                self._skip(about.place, f"the channel beside it is left out: {error}")
                continue
            if not room.is_private:
                self._names.channels.setdefault(room.channel.channel_id, room.channel.name)
            if messages is not None:
                package.rooms.append((room, messages))
        return package

    def _import_package(self, package: _Package, known: set[int]) -> None:
        told = PackageCount(str(package.files.place), package.owner.nickname)
        self._summary.packages.append(told)
        self._summary.files_imported += 1
        self._names.members.setdefault(package.owner.member_id, package.owner.nickname)
        for room, file in package.rooms:
            channel = self._channels.get(room.channel.channel_id, room.channel)
            if room.is_private:
                told.private_channels += 1
                told.private_messages += self._count(file)
            elif known and channel.guild_id not in known:
                told.elsewhere_channels += 1
                told.elsewhere_messages += self._count(file)
            else:
                told.messages += self._import_room(package.owner, channel, file)
                if channel.guild_name and channel.guild_name not in told.servers:
                    told.servers.append(channel.guild_name)

    def _import_room(self, owner: MemberRecord, channel: ChannelRecord, file: SourceFile) -> int:
        """How many messages were read, known ones too."""
        self._store_channels([(channel, OLDER_THAN_ANY_EXPORT_MS)])
        before = self._summary.messages
        self._read_file(
            file,
            channel,
            PackageReader(channel.channel_id, self._names, owner),
            exported_at_ms=OLDER_THAN_ANY_EXPORT_MS,
            author_id=owner.member_id,
            pages=lambda source: read_pages(file, source),
        )
        return self._summary.messages - before

    def _count(self, file: SourceFile) -> int:
        """How many messages a file holds that is not to be read; as far as it can be told."""
        count = 0
        try:
            with JsonBytes(file) as source:
                for _, raws in read_pages(file, source):
                    count += len(raws)
                    self._tell_now_and_then(file, source.read_bytes)
        except (BrokenExport, OSError):
            pass
        self._done(file)
        return count

    # -- both -------------------------------------------------------------------------------------

    def _read_file(
        self,
        file: SourceFile,
        channel: ChannelRecord,
        reader: Reader,
        *,
        exported_at_ms: int | None,
        author_id: int | None = None,
        pages: Callable[[JsonBytes], Iterator[tuple[int, list[Any]]]],
    ) -> ChannelCount | None:
        """Import one file's messages; None where it cannot be opened any more."""
        count = self._summary.channels.setdefault(
            channel.channel_id, ChannelCount(channel.channel_id, channel.name)
        )
        one = FileImport(
            self._db,
            reader,
            channel_id=channel.channel_id,
            exported_at_ms=exported_at_ms,
            author_id=author_id,
            people=self._people,
            count=count,
        )
        try:
            source = JsonBytes(file)
        except OSError as error:
            self._skip(file.place, f"cannot be read ({error.strerror})")
            self._done(file)
            return None
        with source, Quarantine(self._quarantine, file.place) as aside:
            one.run(pages(source), aside, lambda: self._tell_now_and_then(file, source.read_bytes))
        self._summary.repairs.update(source.repairs)
        self._note(file, aside, one.broken_off)
        self._done(file)
        return count

    def _store_channels(self, known: Sequence[tuple[ChannelRecord, int]]) -> None:
        """Store each channel that is new, or newly named at the time given in ms."""
        due = [c for c, at_ms in known if self._places.is_due(c.channel_id, _called(c), at_ms)]
        if due:
            self._db.upsert_channels(due)
        self._channels.update((channel.channel_id, channel) for channel in due)

    def _skip(self, place: Path, why: str) -> None:
        self._summary.skipped.append((str(place), why))

    def _note(self, file: SourceFile, aside: Quarantine, broken: BrokenExport | None) -> None:
        self._summary.quarantined += aside.count
        if aside.count:
            self._summary.quarantine_files.append(str(aside.path))
        if broken is not None:
            self._summary.broken.append((str(file.place), str(broken)))

    def _done(self, file: SourceFile) -> None:
        self._files_done += 1
        self._bytes_done += file.size_bytes

    def _tell_now_and_then(self, file: SourceFile, read_bytes: int) -> None:
        if time.monotonic() - self._shown >= PROGRESS_EVERY_S:
            self._tell(file, min(read_bytes, file.size_bytes))

    def _tell(self, file: SourceFile, read_bytes: int) -> None:
        self._shown = time.monotonic()
        if self._progress is None:
            return
        self._progress(
            ImportProgress(
                file_name=file.name,
                files_done=self._files_done,
                files_total=self._files_total,
                bytes_done=self._bytes_done + read_bytes,
                bytes_total=self._bytes_total,
                messages=self._summary.messages,
                quarantined=self._summary.quarantined,
                seconds=self._shown - self._started,
            )
        )


_OURS = 1
"""The playground's server; a real one's id is larger. A channel whose server is not known has 0."""


def _what_it_is(file: SourceFile) -> str | None:
    try:
        with file.open() as stream:
            return what_it_is(stream.read(HEAD_BYTES), file.name)
    except OSError:
        return None


def _called(channel: ChannelRecord) -> tuple[object, ...]:
    return channel.guild_id, channel.guild_name, channel.name, channel.parent_id
