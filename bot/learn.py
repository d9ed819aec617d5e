"""Learns from a line that went out: it joins the transcript and the history.

How the community takes it becomes its score (the table `replies`). Blocking: call from a worker
thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.messages import Feedback, SentLine
from bot.transcript import role_of
from model.chat_format import Own
from storage.context_store import ContextLine
from storage.records import MessageKind, MessageRecord, Origin
from storage.reply_store import ReplyRow

if TYPE_CHECKING:
    from storage.database import Database


def learn(
    database: Database, sent: SentLine, *, own_id: int, own_name: str, origin: Origin
) -> Feedback:
    """Record one message of a reply. What it took stands with the verdict (`bot/verdicts.py`)."""
    database.upsert_messages([_record(sent, own_id=own_id, origin=origin)])
    database.record_replies([row_of_line(sent)])
    role, at_ms = role_of(Own(sent.text)), sent.sent_at_ms
    line = ContextLine(sent.channel_id, role, own_name, sent.text, at_ms, sent.message_id)
    database.append_context_lines([line])
    return Feedback(sent.message_id, sent.asked_id, sent.sent_at_ms)


def row_of_line(sent: SentLine) -> ReplyRow:
    return ReplyRow(sent.message_id, sent.asked_id, sent.channel_id, sent.sent_at_ms, sent.line)


def _record(sent: SentLine, *, own_id: int, origin: Origin) -> MessageRecord:
    return MessageRecord(
        message_id=sent.message_id,
        channel_id=sent.channel_id,
        author_id=own_id,
        content=sent.text,
        created_at_ms=sent.sent_at_ms,
        origin=origin,
        kind=MessageKind.DEFAULT if sent.reply_to_id is None else MessageKind.REPLY,
        edited_at_ms=sent.edited_at_ms,
        reply_to_id=sent.reply_to_id,
    )
