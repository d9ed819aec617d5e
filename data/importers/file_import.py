"""Imports one export: its messages in batches into the database, what is broken into quarantine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from data.importers.discord_chat_exporter import MessageReader
from data.importers.export_file import BrokenExport, ExportHeader, read_messages
from data.importers.fields import BadRecord
from data.importers.json_bytes import JsonBytes
from data.importers.merging import merged
from data.importers.newest_names import NewestNames
from data.importers.quarantine import Quarantine
from data.importers.readable import Names
from data.importers.summary import ChannelCount
from storage.database import Database
from storage.records import MemberRecord, MessageRecord, Origin

BATCH_MESSAGES = 2_500

_Waiting = tuple[MessageRecord, int, int]
"""A record on its way to the database, its index in the file and the byte it ends near."""


class People:
    """Everyone an import has met, and whom the database does not know by the newest name."""

    def __init__(self, db: Database) -> None:
        span = db.message_span()
        stored = ((member.member_id, _called(member)) for member in db.members())
        self._newest = NewestNames(stored, span[1] if span else None)
        self.is_bot: dict[int, bool] = {}

    def due(self, met: dict[int, tuple[MemberRecord, int]]) -> list[MemberRecord]:
        """Those of `met` (record, and the time it was true in ms) that are to be stored."""
        self.is_bot.update((key, member.is_bot) for key, (member, _) in met.items())
        return [
            member
            for key, (member, at_ms) in met.items()
            if self._newest.is_due(key, _called(member), at_ms)
        ]


class FileImport:
    """The import of one file. `run` once; `broken_off` then tells whether and where it broke."""

    def __init__(
        self,
        db: Database,
        header: ExportHeader,
        *,
        origin: Origin,
        names: Names,
        people: People,
        count: ChannelCount,
    ) -> None:
        self._db = db
        self._people = people
        self._count = count
        self._channel_id = header.channel.channel_id
        self._exported_at_ms = header.exported_at_ms
        self._reader = MessageReader(self._channel_id, names, origin)
        self._batch: dict[int, _Waiting] = {}
        self.broken_off: BrokenExport | None = None

    def run(self, source: JsonBytes, aside: Quarantine, on_piece: Callable[[], None]) -> None:
        """Read to the end or to where the file breaks. Raises DatabaseError, OSError (disk)."""
        for one in self._records(source, aside, on_piece):
            message_id = one[0].message_id
            earlier = self._batch.get(message_id)
            if earlier is not None:  # decided as if the first were stored already
                self._count.unchanged += 1
                one = (merged(earlier[0], one[0]), *one[1:])
            self._batch[message_id] = one
            if len(self._batch) >= BATCH_MESSAGES:
                self._store(aside)
        self._store(aside)

    def _records(
        self, source: JsonBytes, aside: Quarantine, on_piece: Callable[[], None]
    ) -> Iterator[_Waiting]:
        index = 0
        try:
            for near_byte, raws in read_messages(source):
                for raw in raws:
                    try:
                        yield self._reader.message(raw), index, near_byte
                    except BadRecord as error:
                        self._refuse(aside, index, near_byte, str(error), raw)
                    index += 1
                on_piece()
        except BrokenExport as error:
            self.broken_off = error
            self._refuse(aside, index, error.near_byte, str(error), None)

    def _store(self, aside: Quarantine) -> None:
        """Commit what waits: people first, so that a message's author is always known."""
        batch, self._batch = self._batch, {}
        met = self._reader.take_met(self._exported_at_ms)
        if due := self._people.due(met):
            self._db.upsert_members(due)
        if not batch:
            return
        write = []
        stored = {record.message_id: record for record in self._db.messages_by_id(batch)}
        for message_id, (told, index, near_byte) in batch.items():
            known = stored.get(message_id)
            if known is None:
                write.append(told)
            elif known.channel_id != self._channel_id:
                reason = f"its id is stored already, in channel {known.channel_id}"
                self._refuse(aside, index, near_byte, reason, asdict(told))
            elif (new := merged(known, told)) is not known:
                write.append(new)
            else:
                self._count.unchanged += 1
        done = self._db.upsert_messages(write)
        self._count.new += done.new
        self._count.changed += done.changed
        self._count.unchanged += done.unchanged
        self._count.widen([told.created_at_ms for told, *_ in batch.values()])

    def _refuse(self, aside: Quarantine, index: int, near_byte: int, reason: str, raw: Any) -> None:
        self._count.quarantined += 1
        aside.add(index, near_byte, reason, raw)


def _called(member: MemberRecord) -> tuple[str, str, bool]:
    return member.name, member.nickname, member.is_bot
