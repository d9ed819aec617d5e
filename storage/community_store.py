"""Members (exclusion, consent), channels (allow-list), declarations: who may be learned from."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, or_, select, update

from storage.connections import Connections, DatabaseError
from storage.records import ChannelRecord, Declaration, MemberRecord
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
    INSERT INTO channels (channel_id, guild_id, guild_name, name, parent_id, is_allowed)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (channel_id) DO UPDATE
    SET guild_id = excluded.guild_id, guild_name = excluded.guild_name, name = excluded.name,
        parent_id = excluded.parent_id
    WHERE guild_id <> excluded.guild_id OR guild_name <> excluded.guild_name
       OR name <> excluded.name OR parent_id IS NOT excluded.parent_id
"""
_QUIET = """
    INSERT INTO channels
        (channel_id, guild_id, guild_name, name, parent_id, is_allowed, quiet_until_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (channel_id) DO UPDATE SET quiet_until_ms = excluded.quiet_until_ms
"""
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
        """Store names and places. A known channel's place on the allow-list is never touched."""
        given = list(records)
        with self.writing() as connection:
            return write_channels(connection, given)

    def channels(self) -> list[ChannelRecord]:
        """All channels, by id."""
        with self.reading() as connection:
            return [
                _channel(row)
                for row in connection.execute(_SELECT_CHANNEL.order_by(channels.c.channel_id))
            ]

    def channel(self, channel_id: int) -> ChannelRecord | None:
        """One channel; None where there is none of that id."""
        query = _SELECT_CHANNEL.where(channels.c.channel_id == channel_id)
        with self.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _channel(row)

    def set_allowed(self, channel_id: int, is_allowed: bool) -> None:
        """Put a channel and its threads on the allow-list, or take them off.

        Raises DatabaseError for an unknown one.
        """
        with_threads = or_(channels.c.channel_id == channel_id, channels.c.parent_id == channel_id)
        self._set(channels, channel_id, "channel", with_threads, is_allowed=int(is_allowed))

    def set_quiet(self, channel: ChannelRecord, until_ms: int) -> None:
        """Leave a channel in peace until then; 0 takes that back.

        An unknown one is stored; of a known one nothing else is changed.
        """
        with self.writing() as connection:
            connection.exec_driver_sql(_QUIET, (*_channel_row(channel), until_ms))

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
    rows = [
        _channel_row(replace(c, is_allowed=c.is_allowed and c.parent_id not in closed))
        for c in given
    ]
    return upsert_rows(connection, "channels", "channel_id", _UPSERT_CHANNEL, rows)[0]


def _member_row(m: MemberRecord) -> tuple[object, ...]:
    flags = (int(m.is_bot), int(m.is_excluded))
    return (m.member_id, m.name, m.nickname, *flags, m.consent, m.consent_at_ms)


def _channel_row(c: ChannelRecord) -> tuple[object, ...]:
    return (c.channel_id, c.guild_id, c.guild_name, c.name, c.parent_id, int(c.is_allowed))


def _member(row: Row[Any]) -> MemberRecord:
    return MemberRecord(row[0], row[1], row[2], bool(row[3]), bool(row[4]), row[5], row[6])


def _channel(row: Row[Any]) -> ChannelRecord:
    return ChannelRecord(row[0], row[1], row[2], row[3], row[4], bool(row[5]))
