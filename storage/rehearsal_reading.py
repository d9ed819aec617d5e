"""Rehearsals as their owner sees them: the runs, and the moments of one with what was said there.

One SQL for light readers (storage/readonly.py). Standard library alone. What an excluded member
said is in none of it, nor what was deleted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from storage.statistics import Query

LINES_BEFORE = 3

_SPOKE = "d.verdict = 'reply' AND d.draft <> ''"
_RUNS = f"""
    SELECT r.rehearsal_id, r.kind, r.began_at_ms, r.ended_at_ms, r.version_id, r.messages, r.error,
           count(d.rehearsed_id), total({_SPOKE}), total({_SPOKE} AND d.answer <> ''),
           total({_SPOKE} AND d.answer = 'yes'), min(d.at_ms), max(d.at_ms)
    FROM rehearsals r LEFT JOIN rehearsed d USING (rehearsal_id)
    GROUP BY r.rehearsal_id ORDER BY r.rehearsal_id DESC
"""
# A member without a row is not excluded: nobody has said so.
_HEARD = """
    m.deleted_at_ms IS NULL AND m.author_id NOT IN (
        SELECT member_id FROM members WHERE is_excluded
    )
"""
_NAME = "coalesce(nullif(p.nickname, ''), p.name, '')"
_MOMENTS = f"""
    SELECT d.rehearsed_id, d.message_id, d.channel_id, coalesce(c.name, ''), d.at_ms,
           {_NAME}, m.content, d.verdict, d.reason, d.detail, d.parts, d.draft, d.guard, d.answer,
           (SELECT json_group_array(json_array(name, content)) FROM (
                SELECT {_NAME} AS name, b.content AS content
                FROM messages b LEFT JOIN members p ON p.member_id = b.author_id
                WHERE b.channel_id = d.channel_id AND b.message_id < d.message_id
                  AND b.content <> '' AND {_HEARD.replace("m.", "b.")}
                ORDER BY b.message_id DESC LIMIT {LINES_BEFORE}
           ))
    FROM rehearsed d JOIN messages m USING (message_id)
         LEFT JOIN members p ON p.member_id = m.author_id
         LEFT JOIN channels c ON c.channel_id = d.channel_id
    WHERE d.rehearsal_id = ? AND {_HEARD} ORDER BY d.at_ms, d.message_id
"""
_NAMED = f"""
    SELECT p.member_id, {_NAME} FROM members p
    WHERE p.member_id IN (SELECT value FROM json_each(?))
"""
_LAST_SAID = """
    SELECT created_at_ms FROM messages WHERE deleted_at_ms IS NULL AND origin <> 'playground'
    ORDER BY message_id DESC LIMIT 1
"""
_MENTION = re.compile(r"<@!?(\d{1,19})>")
_EMOJI = re.compile(r"<a?:(\w{1,64}):\d{1,19}>")


@dataclass(frozen=True)
class Rehearsal:
    """One run."""

    rehearsal_id: int
    kind: str
    """"replay", or "live": listening along in silence."""
    began_at_ms: int
    ended_at_ms: int | None
    version_id: str
    messages: int
    """That it was to judge."""
    error: str
    judged: int = 0
    spoken: int = 0
    """Moments in which it would have spoken."""
    answered: int = 0
    """Of those, what its owner gave an answer to."""
    accepted: int = 0
    """Of those, with a yes."""
    first_ms: int | None = None
    """When the first and the last message was said that it judged."""
    last_ms: int | None = None


@dataclass(frozen=True)
class Said:
    """A line of the talk."""

    name: str
    text: str


@dataclass(frozen=True)
class Moment:
    """A message of a rehearsal, and what the persona would have done about it."""

    row_id: int
    message_id: int
    channel_id: int
    channel: str
    at_ms: int
    asked: Said
    verdict: str
    """"reply" or "silent"."""
    reason: str
    detail: str = ""
    parts: dict[str, Any] = field(default_factory=dict)
    """bot.messages.Urge.as_json; {} where it did not come to that."""
    draft: str = ""
    guard: str = ""
    answer: str = ""
    """"yes", "no", "too_much", or "" as long as nobody said."""
    before: tuple[Said, ...] = ()
    """At most LINES_BEFORE, the oldest first."""

    @property
    def is_spoken(self) -> bool:
        """Whether the community would have read something."""
        return self.verdict == "reply" and bool(self.draft)


def runs(query: Query) -> tuple[Rehearsal, ...]:
    """All rehearsals, the newest first."""
    return tuple(
        Rehearsal(*row[:8], *(int(number) for number in row[8:11]), *row[11:])
        for row in query(_RUNS, ())
    )


def moments(query: Query, rehearsal_id: int) -> tuple[Moment, ...]:
    """Those of one rehearsal in order of time. 0.1 s for a thousand."""
    found = [_moment(row) for row in query(_MOMENTS, (rehearsal_id,))]
    names = _names(query, (text for one in found for text in _texts(one)))
    return tuple(_readable(one, names) for one in found)


def last_said_ms(query: Query) -> int | None:
    """When something was said last; None where nothing is stored."""
    return next((int(row[0]) for row in query(_LAST_SAID, ())), None)


def _moment(row: Sequence[Any]) -> Moment:
    row_id, message_id, channel_id, channel, at_ms, name, content = row[:7]
    verdict, reason, detail, parts, draft, guard, answer, before = row[7:]
    return Moment(
        row_id,
        message_id,
        channel_id,
        channel,
        at_ms,
        Said(name, content),
        verdict,
        reason,
        detail,
        json.loads(parts),
        draft,
        guard,
        answer,
        tuple(Said(str(who), str(text)) for who, text in reversed(json.loads(before))),
    )


def _texts(moment: Moment) -> Iterable[str]:
    return (*(line.text for line in moment.before), moment.asked.text)


def _names(query: Query, texts: Iterable[str]) -> dict[str, str]:
    ids = sorted({found for text in texts for found in _MENTION.findall(text)})
    wanted = json.dumps([int(one) for one in ids])
    return {str(one): str(name) for one, name in query(_NAMED, (wanted,))}


def _readable(moment: Moment, names: dict[str, str]) -> Moment:
    """With names where Discord writes ids."""

    def said(line: Said) -> Said:
        text = _MENTION.sub(lambda found: f"@{names.get(found[1]) or 'somebody'}", line.text)
        return Said(line.name, _EMOJI.sub(r":\1:", text))

    return replace(
        moment, asked=said(moment.asked), before=tuple(said(line) for line in moment.before)
    )
