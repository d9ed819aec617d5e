"""Imports files and folders of exports into the database; broken records go to quarantine.

What it promises: the same import again changes nothing; a later export adds what is new and what
changed; an older one undoes nothing (merging.py decides about messages). What is counted is
committed, 2,500 messages a transaction: a process killed in the middle loses at most the batch it
was writing, and the same command again completes the import.

Names: of several names of one account or channel the newest wins. An export tells the names of the
day it was taken ("exportedAt"; without it, the latest message that bears the name counts). A name
stored before this import gives way only to one as new as the newest message stored then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.importers.export_file import BrokenExport, ExportHeader, NotAnExport, read_header
from data.importers.file_import import FileImport, People
from data.importers.files import MissingPathError, SourceFile, find_files
from data.importers.json_bytes import HEAD_PIECE_BYTES, JsonBytes
from data.importers.newest_names import NewestNames
from data.importers.quarantine import Quarantine
from data.importers.readable import Names
from data.importers.summary import ChannelCount, ImportProgress, ImportSummary
from storage.database import Database
from storage.records import ChannelRecord, Origin

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
    """Import files, and folders with all *.json and *.json.gz below them; oldest export first.

    `quarantine` is the folder for what cannot be used. `progress` is called ten times a second on
    this thread. Raises MissingPathError before anything is read, DatabaseError, OSError (disk).
    Blocking; a KeyboardInterrupt passes through and leaves what was committed.
    """
    return _Import(db, origin, quarantine, progress).run(find_files(paths))


@dataclass(frozen=True)
class _Export:
    """A file whose header was read and is good."""

    file: SourceFile
    header: ExportHeader


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
        channels = db.channels()
        span = db.message_span()
        stored = ((channel.channel_id, _called(channel)) for channel in channels)
        self._places = NewestNames(stored, span[1] if span else None)
        self._names = Names(
            members={member.member_id: member.nickname for member in db.members()},
            channels={channel.channel_id: channel.name for channel in channels},
        )
        self._summary = ImportSummary()

    def run(self, files: Sequence[SourceFile]) -> ImportSummary:
        exports = [export for file in files if (export := self._look_at(file))]
        exports.sort(key=lambda export: export.header.exported_at_ms or 0)
        self._files_total = len(exports)
        self._bytes_total = sum(export.file.size_bytes for export in exports)
        self._store_channels([(e.header.channel, e.header.exported_at_ms or 0) for e in exports])
        for export in exports:
            self._import(export)
            self._files_done += 1
            self._bytes_done += export.file.size_bytes
        if exports:
            self._tell(exports[-1].file, 0)
        summary = self._summary
        summary.members = len(self._people.is_bot)
        summary.bots = sum(self._people.is_bot.values())
        summary.seconds = time.monotonic() - self._started
        return summary

    def _look_at(self, file: SourceFile) -> _Export | None:
        try:
            with JsonBytes(file.path, HEAD_PIECE_BYTES) as source:
                header = read_header(source)
        except NotAnExport as error:
            self._summary.skipped.append((str(file.path), str(error)))
        except OSError as error:
            self._summary.skipped.append((str(file.path), f"cannot be read ({error.strerror})"))
        except BrokenExport as error:
            with Quarantine(self._quarantine, file.path) as aside:
                aside.add(0, error.near_byte, str(error), None)
            self._note(file, aside, error)
        else:
            self._names.channels[header.channel.channel_id] = header.channel.name
            return _Export(file, header)
        return None

    def _import(self, export: _Export) -> None:
        file, header = export.file, export.header
        channel = header.channel
        count = self._summary.channels.setdefault(
            channel.channel_id, ChannelCount(channel.channel_id, channel.name)
        )
        one = FileImport(
            self._db,
            header,
            origin=self._origin,
            names=self._names,
            people=self._people,
            count=count,
        )
        with JsonBytes(file.path) as source, Quarantine(self._quarantine, file.path) as aside:
            one.run(source, aside, lambda: self._tell_now_and_then(file, source.read_bytes))
        if header.exported_at_ms is None:
            self._store_channels([(channel, count.last_ms or 0)])
        self._summary.files_imported += 1
        self._summary.repairs.update(source.repairs)
        self._note(file, aside, one.broken_off)

    def _store_channels(self, known: Sequence[tuple[ChannelRecord, int]]) -> None:
        """Store each channel that is new, or newly named at the time given in ms."""
        due = [c for c, at_ms in known if self._places.is_due(c.channel_id, _called(c), at_ms)]
        if due:
            self._db.upsert_channels(due)

    def _note(self, file: SourceFile, aside: Quarantine, broken: BrokenExport | None) -> None:
        self._summary.quarantined += aside.count
        if aside.count:
            self._summary.quarantine_files.append(str(aside.path))
        if broken is not None:
            self._summary.broken.append((str(file.path), str(broken)))

    def _tell_now_and_then(self, file: SourceFile, read_bytes: int) -> None:
        if time.monotonic() - self._shown >= PROGRESS_EVERY_S:
            self._tell(file, read_bytes)

    def _tell(self, file: SourceFile, read_bytes: int) -> None:
        self._shown = time.monotonic()
        if self._progress is None:
            return
        self._progress(
            ImportProgress(
                file_name=file.path.name,
                files_done=self._files_done,
                files_total=self._files_total,
                bytes_done=self._bytes_done + read_bytes,
                bytes_total=self._bytes_total,
                messages=self._summary.messages,
                quarantined=self._summary.quarantined,
                seconds=self._shown - self._started,
            )
        )


def _called(channel: ChannelRecord) -> tuple[object, ...]:
    return channel.guild_id, channel.guild_name, channel.name, channel.parent_id
