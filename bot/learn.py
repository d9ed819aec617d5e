"""Learns from a reply that went out: it joins the transcript and the history.

What the community does with it (reactions, answers, deletions) will become its score here.
Blocking: call from a worker thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.messages import Feedback, IncomingMessage, SentReply
from bot.transcript import role_of
from model.chat_format import Own
from storage.context_store import ContextLine
from storage.records import MessageKind, MessageRecord, Origin

if TYPE_CHECKING:
    from storage.database import Database


def learn(
    database: Database,
    sent: SentReply,
    asked: IncomingMessage,
    *,
    own_id: int,
    own_name: str,
    origin: Origin,
) -> Feedback:
    """Record the reply. What it took stands with the verdict (`bot/verdicts.py`)."""
    database.upsert_messages([_record(sent, own_id=own_id, origin=origin)])
    role, at_ms = role_of(Own(sent.text)), sent.sent_at_ms
    line = ContextLine(sent.channel_id, role, own_name, sent.text, at_ms, sent.message_id)
    database.append_context_lines([line])
    return Feedback(sent.message_id, asked.message_id, sent.sent_at_ms)


def _record(sent: SentReply, *, own_id: int, origin: Origin) -> MessageRecord:
    return MessageRecord(
        message_id=sent.message_id,
        channel_id=sent.channel_id,
        author_id=own_id,
        content=sent.text,
        created_at_ms=sent.sent_at_ms,
        origin=origin,
        kind=MessageKind.REPLY,
        reply_to_id=sent.reply_to_id,
    )
