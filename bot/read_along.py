"""Reads along: keeps each active channel's transcript, in memory and in `conversation_context`.

The engine will evaluate new lines from here while nobody waits. Called from the event loop's
thread; the database is asked in worker threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from bot.transcript import Line, Transcript, role_of, turn_from
from model.chat_format import Note, Said
from storage.context_store import ContextLine

if TYPE_CHECKING:
    from storage.database import Database

LOADED_LINES = 400
"""How much of a channel's transcript is read back from the database after a restart; the table
keeps twice as much."""


class Transcripts:
    """The transcripts of one pipeline. One task a channel at a time (the pipeline sees to that)."""

    def __init__(self, database: Database, *, since_ms: int = 0) -> None:
        """Lines older than `since_ms` are not read back: a new conversation begins empty."""
        self._database = database
        self._since_ms = since_ms
        self._by_channel: dict[int, Transcript] = {}

    async def of(self, channel_id: int) -> Transcript:
        """The channel's transcript as it stands."""
        if channel_id not in self._by_channel:
            self._by_channel[channel_id] = await asyncio.to_thread(self._load, channel_id)
        return self._by_channel[channel_id]

    async def append(self, channel_id: int, lines: Sequence[Line]) -> None:
        """Append lines, in the database first."""
        if not lines:
            return
        before = await self.of(channel_id)
        await asyncio.to_thread(self._write, channel_id, lines)
        self._by_channel[channel_id] = before.appended(lines)

    async def recall(self, channel_id: int, notes: Sequence[Line]) -> None:
        """Put notes before the channel's newest line, for which they were recalled."""
        if not notes:
            return
        before = await self.of(channel_id)
        await asyncio.to_thread(self._write, channel_id, notes)
        self._by_channel[channel_id] = before.recalled(notes)

    async def mirror(self, channel_id: int, line: Line) -> None:
        """Append a line that stands in the database already."""
        self._by_channel[channel_id] = (await self.of(channel_id)).appended([line])

    async def edit(self, channel_id: int, message_id: int, text: str) -> None:
        """Give a message's line its new words."""
        await asyncio.to_thread(self._database.replace_context, message_id, text)
        self._by_channel[channel_id] = (await self.of(channel_id)).replaced(message_id, text)

    def remove(self, message_ids: Collection[int]) -> None:
        """Take messages out of all transcripts here; in the database they are gone already."""
        for channel_id, transcript in self._by_channel.items():
            self._by_channel[channel_id] = transcript.without(message_ids)

    async def drop_oldest(self, channel_id: int, count: int) -> None:
        """Forget the oldest lines here (the database keeps them): `compose` halved the prompt."""
        self._by_channel[channel_id] = (await self.of(channel_id)).without_oldest(count)

    def _write(self, channel_id: int, lines: Sequence[Line]) -> None:
        self._database.append_context_lines([_row(channel_id, line) for line in lines])

    def _load(self, channel_id: int) -> Transcript:
        transcript = Transcript()
        for row in self._database.context(channel_id, LOADED_LINES):
            if row.at_ms < self._since_ms:
                continue
            line = Line(turn_from(row.role, row.name, row.text), row.message_id, row.at_ms)
            # The table has a note behind the line it was recalled for: it was found afterwards.
            transcript = (
                transcript.recalled([line])
                if isinstance(line.turn, Note)
                else transcript.appended([line])
            )
        return transcript


def _row(channel_id: int, line: Line) -> ContextLine:
    turn = line.turn
    name = turn.name if isinstance(turn, Said) else ""
    return ContextLine(channel_id, role_of(turn), name, turn.text, line.at_ms, line.message_id)
