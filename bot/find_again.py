"""Finds own lines that went out and were not learned from: the bot went down in between.

They come back from the platform. What they answer is told by the platform itself (a line's nonce,
while the bot is connected), by the message that they reply to, by the line before, or by the
verdict in the channel that was about to be sent then. Called from the event loop's thread.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.learn import row_of_line
from bot.messages import IncomingMessage, SentLine
from bot.patience import patiently
from bot.read_along import Transcripts
from bot.transcript import line_of
from bot.verdicts import SENDING, SENT
from model.chat_format import GOES_ON_MS, Own
from storage.records import VerdictRow

if TYPE_CHECKING:
    from storage.database import Database

WITHIN_MS = 5 * 60_000
"""A line reaches the platform so soon after its verdict said `sending`, or it was never sent."""
CLOCKS_MS = 60_000
"""How far two clocks may be apart."""
LOOKED_AT = 50
"""Of a channel's verdicts, the newest."""


class FindAgain:
    """One pipeline's."""

    def __init__(self, database: Database, transcripts: Transcripts) -> None:
        self._database = database
        self._transcripts = transcripts
        self._last: dict[int, tuple[int, int]] = {}
        """By channel, the line that was found last: what it answers, and its time."""

    async def look_at(self, own: IncomingMessage) -> None:
        """An own message came back from the platform. Raises DatabaseError."""
        is_known = (await self._transcripts.of(own.channel_id)).has(own.message_id)
        if is_known and not own.is_backfill:
            return  # as nearly always
        row = await self._answer_of(own)
        if row is None:
            return  # an order's answer, which is none of the persona's words
        self._last[own.channel_id] = row.message_id, own.record.created_at_ms
        if not is_known:
            await self._transcripts.append(own.channel_id, [line_of(Own(own.text), own.record)])
            line = SentLine(
                own.message_id,
                own.channel_id,
                own.text,
                own.record.created_at_ms,
                row.message_id,
                own.line,
                own.record.reply_to_id,
            )
            await patiently(self._database.record_replies, [row_of_line(line)])
        if row.outcome == SENDING:
            sent = replace(row, outcome=SENT, reply_id=row.reply_id or own.message_id)
            await patiently(self._database.record_verdicts, [sent])

    async def _answer_of(self, own: IncomingMessage) -> VerdictRow | None:
        """The verdict on the message that it answers."""
        if own.asked_id is not None:
            row = await patiently(self._database.verdict, own.asked_id)
            return row if row is not None and row.outcome in (SENDING, SENT) else None
        replied_to, at_ms = own.record.reply_to_id, own.record.created_at_ms
        asked_id, last_ms = self._last.get(own.channel_id, (None, 0))
        is_next = asked_id is not None and 0 <= at_ms - last_ms <= GOES_ON_MS
        if asked_id is not None and is_next and replied_to in (None, asked_id):
            return await patiently(self._database.verdict, asked_id)
        if replied_to is not None:
            row = await patiently(self._database.verdict, replied_to)
            return row if row is not None and row.outcome == SENDING else None
        rows = await patiently(self._database.verdicts, LOOKED_AT, own.channel_id)
        return next((row for row in rows if _may_be_of(row, own.message_id, at_ms)), None)


def _may_be_of(row: VerdictRow, own_id: int, at_ms: int) -> bool:
    is_soon = -CLOCKS_MS <= at_ms - row.at_ms <= WITHIN_MS
    return row.outcome == SENDING and row.message_id < own_id and is_soon
