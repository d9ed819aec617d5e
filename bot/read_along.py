"""Reads along: keeps each active channel's transcript, in memory and in `conversation_context`.

`bot/reader.py` has the engine read them. Called from the event loop's
thread; the database is asked in worker threads.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from bot.patience import patiently
from bot.transcript import Line, Transcript, line_of, role_of, turn_from
from model.chat_format import Note, Said, clean_name
from storage.context_store import ContextLine

if TYPE_CHECKING:
    from storage.database import Database

LOADED_LINES = 400
"""How much of a channel's transcript is read back from the database after a restart; the table
keeps twice as much."""

KEPT_CHANNELS = 200
"""So many transcripts are held in memory: threads come and go by the thousand."""

KEPT_REMOVED = 20_000


class Transcripts:
    """The transcripts of one pipeline. One task a channel at a time (the pipeline sees to that)."""

    def __init__(self, database: Database, *, since_ms: int = 0) -> None:
        """Lines older than `since_ms` are not read back: a new conversation begins empty."""
        self._database = database
        self._since_ms = since_ms
        self._by_channel: OrderedDict[int, Transcript] = OrderedDict()
        self._removed: OrderedDict[int, None] = OrderedDict()

    async def of(self, channel_id: int) -> Transcript:
        """The channel's transcript as it stands."""
        if channel_id not in self._by_channel:
            loaded = (await patiently(self._load, channel_id)).without(self._removed)
            self._put(channel_id, self._by_channel.get(channel_id, loaded))
        self._by_channel.move_to_end(channel_id)
        return self._by_channel[channel_id]

    async def append(self, channel_id: int, lines: Sequence[Line]) -> None:
        """Append lines, in the database first; what was removed meanwhile stays out."""
        before = await self.of(channel_id)
        if kept := await self._write(channel_id, lines):
            self._put(channel_id, self._since(channel_id, before).appended(kept))

    async def recall(self, channel_id: int, notes: Sequence[Line]) -> None:
        """Put notes before the channel's newest line, for which they were recalled."""
        before = await self.of(channel_id)
        if kept := await self._write(channel_id, notes):
            self._put(channel_id, self._since(channel_id, before).recalled(kept))

    async def mirror(self, channel_id: int, line: Line) -> None:
        """Append a line that stands in the database already."""
        self._put(channel_id, (await self.of(channel_id)).appended([line]))

    def begin_with(self, channel_id: int, lines: Sequence[Line], *, since_ms: int) -> None:
        """Go on as if these lines were all that was said; older ones are not read back."""
        self._since_ms = since_ms
        self._put(channel_id, Transcript(tuple(lines)))

    async def edit(self, channel_id: int, message_id: int, text: str) -> None:
        """Give a message's line its new words."""
        await patiently(self._database.replace_context, message_id, text)
        self._put(channel_id, (await self.of(channel_id)).replaced(message_id, text))

    async def correct(self, channel_id: int, message_id: int, text: str) -> None:
        """A message was edited that stands too far back to be read again: say so at the end.

        The table has its new words in their place.
        """
        await patiently(self._database.replace_context, message_id, text)
        transcript = await self.of(channel_id)
        said = (line.turn for line in transcript.lines if line.message_id == message_id)
        turn = next((turn for turn in said if isinstance(turn, Said)), None)
        if turn is not None and turn.text != text:
            note = Note(f'{clean_name(turn.name)} changed an earlier message to: "{text}"')
            self._put(channel_id, transcript.appended([Line(note, message_id)]))

    def holds(self, channel_id: int, transcript: Transcript) -> bool:
        """Whether this is the channel's transcript as it stands."""
        return self._by_channel.get(channel_id) is transcript

    def has_removed(self, message_ids: Collection[int]) -> bool:
        """Whether any of these was removed, lately at least. From any thread."""
        return any(message_id in self._removed for message_id in message_ids)

    def remove(self, message_ids: Collection[int]) -> set[int]:
        """Take messages out of all transcripts here, for good; in the database they are gone.

        Returns the channels whose transcripts had some.
        """
        for message_id in message_ids:
            self._removed[message_id] = None
        while len(self._removed) > KEPT_REMOVED:
            self._removed.popitem(last=False)
        changed = set()
        for channel_id, transcript in self._by_channel.items():
            self._by_channel[channel_id] = transcript.without(message_ids)
            if self._by_channel[channel_id] is not transcript:
                changed.add(channel_id)
        return changed

    async def drop_oldest(self, channel_id: int, count: int) -> None:
        """Forget the oldest turns here (the database keeps them): the prompt was halved."""
        if count:
            self._put(channel_id, (await self.of(channel_id)).without_oldest_turns(count))

    def _put(self, channel_id: int, transcript: Transcript) -> None:
        """Keep it, and let go of the channel that was not looked at for the longest time."""
        self._by_channel[channel_id] = transcript
        self._by_channel.move_to_end(channel_id)
        while len(self._by_channel) > KEPT_CHANNELS:
            self._by_channel.popitem(last=False)

    def _since(self, channel_id: int, before: Transcript) -> Transcript:
        """As it stands, also where it was let go of since `before`: the table would give what was
        written meanwhile a second time."""
        return self._by_channel.get(channel_id) or before.without(self._removed)

    async def _write(self, channel_id: int, lines: Sequence[Line]) -> list[Line]:
        """Write what was not removed; what was while it was written is taken out again."""
        kept = [line for line in lines if line.message_id not in self._removed]
        if kept:
            rows = [_row(channel_id, line) for line in kept]
            await patiently(self._database.append_context_lines, rows)
        gone = [x.message_id for x in kept if x.message_id in self._removed and x.message_id]
        if gone:
            await patiently(self._database.drop_context, gone)
        return [line for line in kept if line.message_id not in self._removed]

    def _load(self, channel_id: int) -> Transcript:
        transcript = Transcript()
        rows = self._database.context(channel_id, LOADED_LINES)
        rows = [row for row in rows if row.at_ms >= self._since_ms]
        ids = [row.message_id for row in rows if row.message_id is not None]
        records = {one.message_id: one for one in self._database.messages_by_id(ids)}
        for row in rows:
            turn = turn_from(row.role, row.name, row.text)
            line = Line(turn, row.message_id, row.at_ms)
            record = records.get(row.message_id or 0)
            if record is not None and not isinstance(turn, Note):
                line = line_of(turn, record)
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
