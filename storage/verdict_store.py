"""Verdicts on messages, the cursors that say how far a channel was read, and their summary.

A verdict row holds ids, reasons and figures, never a word that anybody wrote: deleting a message or
forgetting a person leaves nothing to erase here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import astuple, fields

from sqlalchemy import Connection, select

from storage.connections import Connections
from storage.records import VerdictRow
from storage.schema import cursors, verdicts
from storage.statistics import Summary, summarise

LIVE = "live"
"""The cursor of what the bot has reached a verdict on."""
FETCH = "fetch"
"""The cursor of what the fetcher has stored of a channel's history."""

_TRIMMED_AT_ONCE = 5_000
_FIELDS = tuple(field.name for field in fields(VerdictRow))
_SELECT = select(*(verdicts.c[name] for name in _FIELDS))
_RECORD = f"""
    INSERT INTO verdicts ({", ".join(_FIELDS)}) VALUES ({", ".join("?" for _ in _FIELDS)})
    ON CONFLICT (message_id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _FIELDS[1:])}
    WHERE verdicts.verdict <> 'order' OR excluded.verdict = 'order'
"""
_RECORD_NEW = f"""
    INSERT INTO verdicts ({", ".join(_FIELDS)}) VALUES ({", ".join("?" for _ in _FIELDS)})
    ON CONFLICT (message_id) DO NOTHING
"""
_ADVANCE = """
    INSERT INTO cursors (name, channel_id, message_id, at_ms) VALUES (?, ?, ?, ?)
    ON CONFLICT (name, channel_id) DO UPDATE
    SET message_id = excluded.message_id, at_ms = excluded.at_ms
    WHERE excluded.message_id > cursors.message_id
"""
_REPLIED = """
    SELECT verdicts.at_ms, verdicts.channel_id, COALESCE(messages.author_id, 0)
    FROM verdicts LEFT JOIN messages ON messages.message_id = verdicts.message_id
    WHERE verdicts.at_ms >= ? AND verdict = 'reply' AND outcome IN ('sent', 'sending')
    AND reason = ? ORDER BY verdicts.at_ms
"""
_TRIM = """
    DELETE FROM verdicts WHERE message_id IN (
        SELECT message_id FROM verdicts WHERE at_ms < ? LIMIT ?
    )
"""


class VerdictStore(Connections):
    """verdicts and cursors. Any thread."""

    def record_verdicts(self, rows: Iterable[VerdictRow], *, cursor: bool = True) -> None:
        """Keep verdicts, all in one transaction; a later one on the same message replaces it.

        That a message was an order stays: no other verdict replaces that one.
        With `cursor`, the `live` cursor of each channel moves up to its largest message id here.
        """
        records = list(rows)
        furthest: dict[int, int] = {}
        for row in records if cursor else ():
            furthest[row.channel_id] = max(row.message_id, furthest.get(row.channel_id, 0))
        if not records:
            return
        with self.writing() as connection:
            connection.exec_driver_sql(_RECORD, [astuple(row) for row in records])
            advance(connection, LIVE, furthest)

    def record_first_verdict(self, row: VerdictRow) -> bool:
        """Keep the verdict where there is none on its message yet; whether there was none.

        No cursor is moved.
        """
        with self.writing() as connection:
            return connection.exec_driver_sql(_RECORD_NEW, astuple(row)).rowcount == 1

    def verdict(self, message_id: int) -> VerdictRow | None:
        """The verdict on a message; None where there is none."""
        query = _SELECT.where(verdicts.c.message_id == message_id)
        with self.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else VerdictRow(*row)

    def verdicts(self, limit: int, channel_id: int | None = None) -> list[VerdictRow]:
        """The verdicts on the newest messages, of everywhere or of one channel, newest first."""
        query = _SELECT.order_by(verdicts.c.message_id.desc()).limit(max(limit, 0))
        if channel_id is not None:
            query = query.where(verdicts.c.channel_id == channel_id)
        with self.reading() as connection:
            return [VerdictRow(*row) for row in connection.execute(query)]

    def replied_since(self, reason: str, at_ms: int) -> list[tuple[int, int, int]]:
        """(time, channel, author of the message or 0) of the replies for that reason that went
        out, or may have, from then on, oldest first."""
        with self.reading() as connection:
            rows = connection.exec_driver_sql(_REPLIED, (at_ms, reason)).fetchall()
        return [(row[0], row[1], row[2]) for row in rows]

    def trim_verdicts(self, before_ms: int) -> int:
        """Drop the verdicts from before that time, 5,000 a transaction; returns how many went."""
        dropped, last = 0, _TRIMMED_AT_ONCE
        while last == _TRIMMED_AT_ONCE:
            with self.writing() as connection:
                last = connection.exec_driver_sql(_TRIM, (before_ms, _TRIMMED_AT_ONCE)).rowcount
            dropped += last
        return dropped

    def cursor(self, name: str, channel_id: int) -> int | None:
        """The last message id that was read of a channel; None where none was."""
        query = select(cursors.c.message_id)
        query = query.where(cursors.c.name == name, cursors.c.channel_id == channel_id)
        with self.reading() as connection:
            found: int | None = connection.execute(query).scalar()
        return found

    def set_cursor(self, name: str, channel_id: int, message_id: int) -> None:
        """Move a cursor up to a message; it never goes back."""
        with self.writing() as connection:
            advance(connection, name, {channel_id: message_id})

    def summary(self, since_ms: int, now_ms: int) -> Summary:
        """What happened from `since_ms` until `now_ms`. 0.3 s over a million verdicts."""
        with self.reading() as connection:
            return summarise(
                lambda sql, values: connection.exec_driver_sql(sql, values).fetchall(),
                since_ms,
                now_ms,
            )


def advance(connection: Connection, name: str, furthest: dict[int, int]) -> None:
    """Move the cursors of that name up, by channel, within the caller's transaction."""
    now_ms = time.time_ns() // 1_000_000
    rows = [(name, channel_id, message_id, now_ms) for channel_id, message_id in furthest.items()]
    if rows:
        connection.exec_driver_sql(_ADVANCE, rows)
