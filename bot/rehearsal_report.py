"""What a rehearsal came to: as JSON, and accepted by its owner. Blocking."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from bot.readable import readable
from data.consent import MemberState, state_of
from storage.acceptance import Acceptance
from storage.errors import MynahError
from storage.rehearsal_store import Rehearsal, Rehearsed

if TYPE_CHECKING:
    from storage.database import Database

LEAST_ANSWERED = 5
"""Of the moments in which it would have spoken, or all of them, before it is let speak."""


class NotRehearsedError(MynahError):
    """The owner has not seen enough of what it would say."""


def rehearsal_json(database: Database, one: Rehearsal) -> dict[str, Any]:
    """A run, as `rehearse.py show --json` prints it."""
    acceptance = database.acceptance(one.rehearsal_id)
    return {
        "rehearsal_id": one.rehearsal_id,
        "kind": one.kind,
        "began_at_ms": one.began_at_ms,
        "ended_at_ms": one.ended_at_ms,
        "version_id": one.version_id,
        "model_sha256": one.model_sha256,
        "settings": dict(one.settings),
        "options": dict(one.options),
        "messages": one.messages,
        "done": database.count_rehearsed(one.rehearsal_id),
        "spoken": acceptance.spoken,
        "acceptance": acceptance.as_json(),
        "accepted_at_ms": one.accepted_at_ms,
        "error": one.error,
    }


def rows_json(database: Database, rows: Collection[Rehearsed]) -> list[dict[str, Any]]:
    """Rows, with what they are about; what excluded members said is left out."""
    records = {r.message_id: r for r in database.messages_by_id(row.message_id for row in rows)}
    people = {i: database.member(i) for i in {r.author_id for r in records.values()}}
    names = {c.channel_id: c.name for c in database.channels()}
    found = []
    for row in rows:
        record = records.get(row.message_id)
        if record is None or state_of(people[record.author_id]) is MemberState.EXCLUDED:
            continue
        author = people[record.author_id]
        about = {
            "channel": names.get(row.channel_id, ""),
            "author": author.nickname if author is not None else "",
            "text": readable(database, record.content, {}) or record.content,
        }
        found.append({**_fields(row), **about})
    return found


def accept(database: Database, one: Rehearsal) -> Acceptance:
    """Keep with the rehearsal that its owner lets the bot speak after it, and how many of its
    moments were accepted then. Raises NotRehearsedError where too few were answered."""
    found = database.acceptance(one.rehearsal_id)
    if not found.spoken:
        raise NotRehearsedError(
            "It never spoke in that rehearsal, so there is nothing to accept: rehearse a busier "
            "day, or with a higher --rate."
        )
    wanted = min(LEAST_ANSWERED, found.spoken)
    if found.answered < wanted:
        raise NotRehearsedError(
            f"Answer at least {wanted} of the {found.spoken} moments in which it would have spoken "
            f"first; {found.answered} are answered."
        )
    values = {"accepted": found.accepted, "answered": found.answered}
    database.change_rehearsal(one.rehearsal_id, accepted_at_ms=_now_ms(), **values)
    return found


def _fields(row: Rehearsed) -> dict[str, Any]:
    return {
        "row_id": row.rehearsed_id,
        "message_id": str(row.message_id),
        "channel_id": str(row.channel_id),
        "at_ms": row.at_ms,
        "verdict": row.verdict,
        "reason": row.reason,
        "detail": row.detail,
        "parts": dict(row.parts),
        "draft": row.draft,
        "guard": row.guard,
        "source_ids": [str(one) for one in row.source_ids],
        "total_s": row.total_s,
        "answer": row.answer,
        "answered_at_ms": row.answered_at_ms,
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
