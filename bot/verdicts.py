"""Keeps each verdict as a row, so that nothing is answered twice and "why?" has an answer later.

A reply's row says `begun` before the model writes and `sending` before the message leaves: whatever
takes the bot down after that, the message is not answered again. It says `sent` once all lines are
out. Pure; any thread.
"""

from __future__ import annotations

from bot.messages import Refused, Reply, Trace
from storage.records import VerdictRow

BEGUN, SENDING, SENT, REFUSED, FAILED = "begun", "sending", "sent", "refused", "failed"
REACTED = "reacted"
"""A reaction was given in place of words."""


def row_of(
    trace: Trace, at_ms: int, *, outcome: str | None = None, attempts: int = 0
) -> VerdictRow:
    """The row of a message's trace. `outcome` is what the trace itself says, unless given."""
    verdict = trace.verdict
    return VerdictRow(
        message_id=trace.message_id,
        channel_id=trace.channel_id,
        at_ms=at_ms,
        verdict="reply" if isinstance(verdict, Reply) else "silent",
        reason=verdict.reason.value,
        detail=trace.error or verdict.detail,
        outcome=_outcome(trace) if outcome is None else outcome,
        attempts=attempts,
        reply_id=trace.sent.message_id if trace.sent else None,
        recalled=len(trace.notes),
        prompt_tokens=trace.prompt_tokens,
        evaluated_tokens=trace.evaluated_tokens,
        reply_tokens=trace.reply_tokens,
        total_s=trace.total_s,
    )


def _outcome(trace: Trace) -> str:
    if not isinstance(trace.verdict, Reply):
        return ""
    if trace.error:
        return FAILED
    if trace.sent is not None:
        return SENT
    if trace.reacted:
        return REACTED
    return REFUSED if isinstance(trace.guard, Refused) else FAILED
