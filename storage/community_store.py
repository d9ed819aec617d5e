"""Members (exclusion, consent), channels (allow-list), declarations: who may be learned from."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, or_, select, update

from storage.connections import Connections, DatabaseError
from storage.records import ChannelRecord, Declaration, MemberRecord, Readers
from storage.schema import channels, declarations, members
from storage.tombstones import forgotten_among
from storage.upserting import UpsertCount, upsert_rows

CONSENTS = ("unset", "opted_in", "opted_out")

_UPSERT_MEMBER = """
    INSERT INTO members (member_id, name, nickname, is_bot, is_excluded, consent, consent_at_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (member_id) DO UPDATE
    SET name = excluded.name, nickname = excluded.nickname, is_bot = excluded.is_bot
    WHERE name <> excluded.name OR nickname <> excluded.nickname OR is_bot <> excluded.is_bot
"""
_UPSERT_CHANNEL = """
    INSERT INTO channels (channel_id, guild_id, guild_name, name, parent_id, is_allowed, readers)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (channel_id) DO UPDATE
    SET guild_id = excluded.guild_id, guild_name = excluded.guild_name, name = excluded.name,
        parent_id = excluded.parent_id, readers = coalesce(excluded.readers, readers)
    WHERE guild_id <> excluded.guild_id OR guild_name <> excluded.guild_name
       OR name <> excluded.name OR parent_id IS NOT excluded.parent_id
       OR readers IS NOT coalesce(excluded.readers, readers)
"""
_QUIET = """
    INSERT INTO channels
        (channel_id, guild_id, guild_name, name, parent_id, is_allowed, readers, quiet_until_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (channel_id) DO UPDATE SET quiet_until_ms = excluded.quiet_until_ms
"""
_SET_READERS = "UPDATE channels SET readers = ?1 WHERE channel_id = ?2 AND readers IS NOT ?1"
_SELECT_CHANNEL = select(*(channels.c[field.name] for field in fields(ChannelRecord)))


class CommunityStore(Connections):
    """Members, channels, declarations. Any thread."""

    def upsert_members(self, records: Iterable[MemberRecord]) -> UpsertCount:
        """Store names. A known member's exclusion and consent are never touched.

        Whoever was forgotten is left out and counted.
        """
        given = list(records)
        with self.writing() as connection:
            return write_members(connection, given)

    def members(self) -> list[MemberRecord]:
        """All members, by id."""
        with self.reading() as connection:
            return [
                _member(row)
                for row in connection.execute(select(members).order_by(members.c.member_id))
            ]

    def member(self, member_id: int) -> MemberRecord | None:
        """One member; None where there is none of that id."""
        query = select(members).where(members.c.member_id == member_id)
        with self.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _member(row)

    def set_excluded(self, member_id: int, is_excluded: bool) -> None:
        """Exclude a member from everything, or take that back.

        Raises DatabaseError for an unknown one.
        """
        self._set(members, member_id, "member", is_excluded=int(is_excluded))

    def set_consent(self, member_id: int, consent: str, at_ms: int | None = None) -> None:
        """Record unset, opted_in or opted_out, and when that was said: by default now.

        Raises DatabaseError for another word or an unknown member.
        """
        if consent not in CONSENTS:
            raise DatabaseError(f'Consent is one of {", ".join(CONSENTS)}; "{consent}" is not.')
        said_ms = time.time_ns() // 1_000_000 if at_ms is None else at_ms
        self._set(members, member_id, "member", consent=consent, consent_at_ms=said_ms)

    def is_forgotten(self, member_id: int) -> bool:
        """Whether a tombstone stands for a member: nothing of theirs is stored any more.

        Raises TombstoneKeyError, here and wherever something is to be stored, where the key of
        the tombstones is missing.
        """
        with self.reading() as connection:
            return bool(forgotten_among(connection, [member_id]))

    def anybody_forgotten(self) -> bool:
        """Whether there is any tombstone: then words whose author nobody can tell are not kept."""
        with self.reading() as connection:
            found = connection.exec_driver_sql("SELECT 1 FROM tombstones LIMIT 1")
            return found.scalar() is not None

    def upsert_channels(self, records: Iterable[ChannelRecord]) -> UpsertCount:
        """Store names, places and who may read there. A known channel's place on the allow-list is
        never touched, and its readers stay where a record knows of none."""
        given = list(records)
        with self.writing() as connection:
            return write_channels(connection, given)

    def channels(self) -> list[ChannelRecord]:
        """All channels, by id."""
        with self.reading() as connection:
            return [
                to_channel(row)
                for row in connection.execute(_SELECT_CHANNEL.order_by(channels.c.channel_id))
            ]

    def channel(self, channel_id: int) -> ChannelRecord | None:
        """One channel; None where there is none of that id."""
        query = _SELECT_CHANNEL.where(channels.c.channel_id == channel_id)
        with self.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else to_channel(row)

    def set_allowed(self, channel_id: int, is_allowed: bool) -> None:
        """Put a channel and its threads on the allow-list, or take them off.

        Raises DatabaseError for an unknown one.
        """
        with_threads = or_(channels.c.channel_id == channel_id, channels.c.parent_id == channel_id)
        self._set(channels, channel_id, "channel", with_threads, is_allowed=int(is_allowed))

    def set_readers(self, readers: Mapping[int, Readers]) -> bool:
        """Who may read these channels, and those of their threads that are not among them
        (archived ones), by id; whether that is news. Those that are not stored are passed over."""
        if not readers:
            return False
        with self.writing() as connection:
            known = {**_readers_of_threads(connection, readers), **readers}
            forgotten = _forgotten_readers(connection, known.values())
            rows = [(one.nameless(forgotten).as_text(), key) for key, one in known.items()]
            return bool(connection.exec_driver_sql(_SET_READERS, rows).rowcount)

    def set_quiet(self, channel: ChannelRecord, until_ms: int) -> None:
        """Leave a channel in peace until then; 0 takes that back.

        An unknown one is stored; of a known one nothing else is changed.
        """
        with self.writing() as connection:
            row = _channel_row(replace(channel, readers=None))  # the next message tells them
            connection.exec_driver_sql(_QUIET, (*row, until_ms))

    def quiet_until(self, channel_id: int) -> int:
        """Until when (ms) a channel is left in peace; 0 where it is not, or not known."""
        query = select(channels.c.quiet_until_ms).where(channels.c.channel_id == channel_id)
        with self.reading() as connection:
            return int(connection.execute(query).scalar() or 0)

    def record_declaration(self, who: str, ground: str, at_ms: int) -> Declaration:
        """Keep somebody's ground for training on content from Discord's API.

        Raises DatabaseError where it is empty.
        """
        who, ground = who.strip(), ground.strip()
        if not who or not ground:
            raise DatabaseError("A declaration needs a name and a ground, in your own words.")
        with self.writing() as connection:
            result = connection.execute(
                declarations.insert().values(declared_at_ms=at_ms, who=who, ground=ground)
            )
            return Declaration(int(result.lastrowid), at_ms, who, ground)

    def declarations(self) -> list[Declaration]:
        """All declarations, oldest first."""
        query = select(declarations).order_by(declarations.c.declaration_id)
        with self.reading() as connection:
            return [Declaration(*row) for row in connection.execute(query)]

    def _set(
        self,
        table: Table,
        key: int,
        what: str,
        where: ColumnElement[bool] | None = None,
        **values: object,
    ) -> None:
        if where is None:
            where = next(iter(table.primary_key.columns)) == key
        with self.writing() as connection:
            result = connection.execute(update(table).where(where).values(**values))
            if result.rowcount == 0:
                raise DatabaseError(f"There is no {what} with the id {key} in {self.path.name}.")


def write_members(connection: Connection, records: Iterable[MemberRecord]) -> UpsertCount:
    """`upsert_members` within the caller's transaction."""
    given = list(records)
    forgotten = forgotten_among(connection, {m.member_id for m in given})
    rows = [_member_row(m) for m in given if m.member_id not in forgotten]
    done = upsert_rows(connection, "members", "member_id", _UPSERT_MEMBER, rows)[0]
    return replace(done, forgotten=len(given) - len(rows))


def write_channels(connection: Connection, records: Iterable[ChannelRecord]) -> UpsertCount:
    """`upsert_channels` within the caller's transaction. A new thread is where its parent is."""
    given = list(records)
    parents = {c.parent_id for c in given} - {None}
    is_closed = channels.c.channel_id.in_(parents) & (channels.c.is_allowed == 0)
    query = select(channels.c.channel_id).where(is_closed)
    closed = set(connection.execute(query).scalars()) if parents else set()
    forgotten = _forgotten_readers(connection, (c.readers for c in given if c.readers is not None))
    rows = [
        _channel_row(
            replace(
                c,
                is_allowed=c.is_allowed and c.parent_id not in closed,
                readers=c.readers and c.readers.nameless(forgotten),
            )
        )
        for c in given
    ]
    return upsert_rows(connection, "channels", "channel_id", _UPSERT_CHANNEL, rows)[0]


def forget_reader(connection: Connection, member_id: int) -> None:
    """Take a member's id out of who may read which channel, within the caller's transaction."""
    query = select(channels.c.channel_id, channels.c.readers)
    for channel_id, text in connection.execute(
        query.where(channels.c.readers.contains(str(member_id)))
    ):
        readers = Readers.from_text(text)
        kept = None if readers is None else readers.nameless({member_id}).as_text()
        is_it = channels.c.channel_id == channel_id
        connection.execute(update(channels).where(is_it).values(readers=kept))


def _readers_of_threads(
    connection: Connection, readers: Mapping[int, Readers]
) -> dict[int, Readers]:
    """Of the stored threads of these channels of which it was told once whether they are private:
    who may read them now."""
    c = channels.c
    query = select(c.channel_id, c.parent_id, c.readers).where(c.parent_id.is_not(None))
    found: dict[int, Readers] = {}
    for channel_id, parent_id, text in connection.execute(query):
        above, own = readers.get(parent_id), Readers.from_text(text)
        if above is not None and own is not None:
            found[channel_id] = replace(above, is_private=own.is_private)
    return found


def _forgotten_readers(connection: Connection, readers: Iterable[Readers]) -> set[int]:
    ids = {member_id for one in readers for member_id in one.ids}
    return forgotten_among(connection, ids) if ids else set()


def _member_row(m: MemberRecord) -> tuple[object, ...]:
    flags = (int(m.is_bot), int(m.is_excluded))
    return (m.member_id, m.name, m.nickname, *flags, m.consent, m.consent_at_ms)


def _channel_row(c: ChannelRecord) -> tuple[object, ...]:
    readers = None if c.readers is None else c.readers.as_text()
    place = (c.channel_id, c.guild_id, c.guild_name, c.name, c.parent_id)
    return (*place, int(c.is_allowed), readers)


def _member(row: Row[Any]) -> MemberRecord:
    return MemberRecord(row[0], row[1], row[2], bool(row[3]), bool(row[4]), row[5], row[6])


def to_channel(row: Sequence[Any]) -> ChannelRecord:
    """Of a row with ChannelRecord's columns, in their order."""
    readers = Readers.from_text(row[6])
    return ChannelRecord(row[0], row[1], row[2], row[3], row[4], bool(row[5]), readers)
