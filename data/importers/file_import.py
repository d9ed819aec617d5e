"""Imports one file: its messages in batches into the database, what is broken into quarantine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any, Protocol

from data.consent import Mode, Use, may, state_of
from data.importers.export_file import BrokenExport
from data.importers.fields import BadRecord, id_in
from data.importers.merging import merged
from data.importers.newest_names import NewestNames
from data.importers.quarantine import Quarantine
from data.importers.summary import ChannelCount
from storage.database import Database
from storage.records import MemberRecord, MessageRecord, Origin

BATCH_MESSAGES = 2_500
LEFT_OUT = "left out: its author is excluded, forgotten, or cannot be told"

_Waiting = tuple[MessageRecord, int, int]
"""A record on its way to the database, its index in the file and the byte it ends near."""


class Reader(Protocol):
    """Turns one file's raw messages into records and notes the people it meets."""

    def message(self, raw: Any) -> MessageRecord:
        """The record of one raw message. Raises BadRecord."""

    def take_met(self, exported_at_ms: int | None) -> dict[int, tuple[MemberRecord, int]]:
        """Everyone met since this was called last, and the time in ms at which it was true."""


class People:
    """Everyone an import has met, and whom the database does not know by the newest name."""

    def __init__(self, db: Database) -> None:
        self._db = db
        span = db.message_span()
        members = db.members()
        stored = ((member.member_id, _called(member)) for member in members)
        self._newest = NewestNames(stored, span[1] if span else None)
        self.excluded = {member.member_id for member in members if not _may_store(member)}
        """Nothing of theirs is stored (data/consent.py)."""
        self._anybody_forgotten = db.anybody_forgotten()
        self._said_no: set[int] = set()
        self.is_bot: dict[int, bool] = {}

    def due(self, met: dict[int, tuple[MemberRecord, int]]) -> list[MemberRecord]:
        """Those of `met` (record, and the time it was true in ms) that are to be stored."""
        self.is_bot.update((key, member.is_bot) for key, (member, _) in met.items())
        return [
            member
            for key, (member, at_ms) in met.items()
            if self._newest.is_due(key, _called(member), at_ms)
        ]

    def keep_noes(self, met: dict[int, tuple[MemberRecord, int]]) -> None:
        """A "no" to learning that a file of ours tells counts for whoever has not answered here."""
        for key, (member, _) in met.items():
            if member.consent == "opted_out" and key not in self._said_no:
                self._said_no.add(key)
                known = self._db.member(key)
                if known is not None and known.consent == "unset":
                    self._db.set_consent(key, "opted_out")

    def may_be_kept_aside(self, author_id: int | None) -> bool:
        """Whether a record that cannot be used may be kept with its words.

        Nobody's words who is excluded or was forgotten; and once somebody was forgotten, no
        record's whose author cannot be told.
        """
        if author_id is None:
            return not self._anybody_forgotten
        return author_id not in self.excluded and not self._db.is_forgotten(author_id)


class FileImport:
    """The import of one file. `run` once; `broken_off` then tells whether and where it broke."""

    def __init__(
        self,
        db: Database,
        reader: Reader,
        *,
        channel_id: int,
        exported_at_ms: int | None,
        author_id: int | None = None,
        people: People,
        count: ChannelCount,
    ) -> None:
        """`author_id`: who wrote all of it, where the file is one member's."""
        self._db = db
        self._reader = reader
        self._channel_id = channel_id
        self._exported_at_ms = exported_at_ms
        self._author_id = author_id
        self._people = people
        self._count = count
        self._batch: dict[int, _Waiting] = {}
        self.broken_off: BrokenExport | None = None

    def run(
        self,
        pages: Iterable[tuple[int, list[Any]]],
        aside: Quarantine,
        on_page: Callable[[], None],
    ) -> None:
        """Read to the end or to where the file breaks. Raises DatabaseError, OSError (disk).

        `pages`: raw messages, and the byte near which they end; may raise BrokenExport.
        """
        for one in self._records(pages, aside, on_page):
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
        self,
        pages: Iterable[tuple[int, list[Any]]],
        aside: Quarantine,
        on_page: Callable[[], None],
    ) -> Iterator[_Waiting]:
        index = 0
        try:
            for near_byte, raws in pages:
                for raw in raws:
                    try:
                        record = self._reader.message(raw)
                    except BadRecord as error:
                        author_id = self._author_id or _author_id(raw)
                        self._refuse(aside, index, near_byte, str(error), raw, author_id)
                    else:
                        if record.author_id in self._people.excluded:
                            self._count.excluded += 1
                        else:
                            yield record, index, near_byte
                    index += 1
                on_page()
        except BrokenExport as error:
            self.broken_off = error
            self._count.quarantined += 1
            aside.add(index, error.near_byte, str(error), None)

    def _store(self, aside: Quarantine) -> None:
        """Commit what waits: people first, so that a message's author is always known."""
        batch, self._batch = self._batch, {}
        met = self._reader.take_met(self._exported_at_ms)
        if due := self._people.due(met):
            self._db.upsert_members(due)
        self._people.keep_noes(met)
        if not batch:
            return
        write = []
        stored = {record.message_id: record for record in self._db.messages_by_id(batch)}
        for message_id, (told, index, near_byte) in batch.items():
            known = stored.get(message_id)
            if known is None:
                write.append(told)
            elif reason := self._contradiction(known, told):
                self._refuse(aside, index, near_byte, reason, asdict(told), told.author_id)
            elif (new := merged(known, told)) is not known:
                write.append(new)
            else:
                self._count.unchanged += 1
        done = self._db.upsert_messages(write)
        self._count.new += done.new
        self._count.changed += done.changed
        self._count.unchanged += done.unchanged
        self._count.forgotten += done.forgotten
        self._count.widen([told.created_at_ms for told, *_ in batch.values()])

    def _contradiction(self, known: MessageRecord, told: MessageRecord) -> str:
        """Why this cannot be the message that is stored under its id; "" where it can."""
        if known.channel_id != self._channel_id:
            return f"its id is stored already, in channel {known.channel_id}"
        if told.origin is Origin.DATA_PACKAGE and known.author_id != told.author_id:
            return "its id is stored already, with another author"  # no package holds others' words
        return ""

    def _refuse(
        self,
        aside: Quarantine,
        index: int,
        near_byte: int,
        reason: str,
        raw: Any,
        author_id: int | None,
    ) -> None:
        self._count.quarantined += 1
        kept = raw if self._people.may_be_kept_aside(author_id) else LEFT_OUT
        aside.add(index, near_byte, reason, kept)


def _may_store(member: MemberRecord) -> bool:
    """The same for every origin, in every mode."""
    state, mode = state_of(member), Mode.RETRIEVAL_ONLY
    return may(Use.STORE, state, Origin.EXPORT, mode, is_declared=False)


def _author_id(raw: Any) -> int | None:
    author = raw.get("author") if type(raw) is dict else None
    try:
        return id_in(author.get("id"), "id") if type(author) is dict else None
    except BadRecord:
        return None


def _called(member: MemberRecord) -> tuple[str, str, bool]:
    return member.name, member.nickname, member.is_bot
