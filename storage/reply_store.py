"""The persona's own messages: which message each answers, and how it was received.

An answer is all messages that answer one; what is counted of it (bot/feedback.py) stands with each
of them alike. A row holds ids and figures, never a word: forgetting a person leaves nothing to
erase here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import astuple, dataclass, fields
from itertools import groupby
from typing import Any

from sqlalchemy import Integer, cast, func, select, update

from storage.connections import Connections
from storage.records import Origin, Reaction
from storage.schema import members, messages, replies


@dataclass(frozen=True)
class ReplyRow:
    """One own message; the columns of the table `replies`."""

    message_id: int
    asked_id: int
    channel_id: int
    at_ms: int
    line: int = 0
    """Its place among the lines of that answer, from 0."""
    score: float | None = None
    """-1 to 1; None: nobody showed how they took it."""
    good: float = 0.0
    bad: float = 0.0
    answers: int = 0
    """How many members answered it."""
    deleted_at_ms: int | None = None
    quieted_at_ms: int | None = None
    """When somebody ordered silence right behind it."""


@dataclass(frozen=True)
class OwnAnswer:
    """All messages of the persona's that answer one message, oldest first, and what stands under
    them."""

    asked_id: int
    channel_id: int
    rows: tuple[ReplyRow, ...]
    own_id: int | None
    """The persona's account; None where none of the messages is stored any more."""
    asker_id: int | None
    reactions: tuple[Reaction, ...]
    """Of all its messages together."""
    deleted_at_ms: int | None
    """When the first of its messages was."""
    text: str
    """All that it says; "" once a part of it is gone."""

    @property
    def message_ids(self) -> tuple[int, ...]:
        return tuple(row.message_id for row in self.rows)

    @property
    def score(self) -> float | None:
        return self.rows[0].score

    @property
    def at_ms(self) -> int:
        """Of its last message."""
        return self.rows[-1].at_ms


@dataclass(frozen=True)
class Behind:
    """What somebody said behind an own message; no bot's, no excluded member's."""

    message_id: int
    author_id: int
    at_ms: int
    reply_to_id: int | None
    text: str


_ANSWERS_AT_ONCE = 200
_FIELDS = tuple(field.name for field in fields(ReplyRow))
_SELECT = select(*(replies.c[name] for name in _FIELDS))
_RECORD = f"""
    INSERT INTO replies ({", ".join(_FIELDS)}) VALUES ({", ".join("?" for _ in _FIELDS)})
    ON CONFLICT (message_id) DO NOTHING
"""

_ASKED_BY = """
    SELECT asked_id FROM replies WHERE message_id IN (SELECT value FROM json_each(?1))
    UNION SELECT asked_id FROM replies
    WHERE at_ms >= ?3 AND channel_id IN (SELECT value FROM json_each(?2))
"""


class ReplyStore(Connections):
    """replies. Any thread."""

    def record_replies(self, rows: Iterable[ReplyRow]) -> None:
        """Keep own messages, in one transaction; one that is known stays as it is."""
        values = [astuple(row) for row in rows]
        if values:
            with self.writing() as connection:
                connection.exec_driver_sql(_RECORD, values)

    def reply(self, message_id: int) -> ReplyRow | None:
        """The row of an own message; None where it is not known as one."""
        with self.reading() as connection:
            row = connection.execute(_SELECT.where(replies.c.message_id == message_id)).first()
        return None if row is None else ReplyRow(*row)

    def replies_since(self, at_ms: int) -> list[ReplyRow]:
        """The own messages from that time on, oldest first."""
        query = _SELECT.where(replies.c.at_ms >= at_ms)
        query = query.order_by(replies.c.at_ms, replies.c.message_id)
        with self.reading() as connection:
            return [ReplyRow(*row) for row in connection.execute(query)]

    def own_words_since(self, at_ms: int) -> list[tuple[int, str]]:
        """(time, text) of the own messages from that time on, oldest first: not of deleted ones,
        nor of what was only tried in the playground."""
        query = select(replies.c.at_ms, messages.c.content)
        query = query.join(messages, messages.c.message_id == replies.c.message_id)
        query = query.where(replies.c.at_ms >= at_ms, messages.c.deleted_at_ms.is_(None))
        query = query.where(messages.c.origin != Origin.PLAYGROUND.value)
        query = query.order_by(replies.c.at_ms, replies.c.message_id)
        with self.reading() as connection:
            return [(row[0], row[1]) for row in connection.execute(query)]

    def is_answered(self, channel_id: int, message_id: int, *, among: int) -> bool:
        """Whether one of the next messages of its channel explicitly replies to that message."""
        column = messages.c.message_id
        later = select(messages.c.reply_to_id).where(
            messages.c.channel_id == channel_id, column > message_id
        )
        with self.reading() as connection:
            found = connection.execute(later.order_by(column).limit(among)).scalars()
            return message_id in set(found)

    # -- how it was received ----------------------------------------------------------------------

    def asked_by(
        self,
        message_ids: Collection[int] = (),
        *,
        channels: Collection[int] = (),
        since_ms: int = 0,
    ) -> set[int]:
        """What the answers are to (`asked_id`) that any of these own messages belong to, or that
        were given in these channels since then."""
        values = (_json(message_ids), _json(channels), since_ms)
        with self.reading() as connection:
            return set(connection.exec_driver_sql(_ASKED_BY, values).scalars())

    def newest_asked(self, limit: int, *, scored_only: bool = False) -> list[int]:
        """To which messages the newest answers are, the newest first."""
        query = select(replies.c.asked_id).group_by(replies.c.asked_id)
        query = query.order_by(func.max(replies.c.at_ms).desc(), replies.c.asked_id.desc())
        if scored_only:
            query = query.where(replies.c.score.is_not(None))
        with self.reading() as connection:
            return list(connection.execute(query.limit(limit)).scalars())

    def own_answers(self, asked_ids: Iterable[int]) -> list[OwnAnswer]:
        """The answers to these messages, in the order of `asked_ids`."""
        wanted = list(dict.fromkeys(asked_ids))
        found: dict[int, OwnAnswer] = {}
        for begin in range(0, len(wanted), _ANSWERS_AT_ONCE):
            some = self._own_answers(wanted[begin : begin + _ANSWERS_AT_ONCE])
            found.update((one.asked_id, one) for one in some)
        return [found[asked_id] for asked_id in wanted if asked_id in found]

    def said_behind(self, channel_id: int, message_id: int, limit: int) -> list[Behind]:
        """Of the next `limit` messages of a channel what people said, oldest first."""
        said = messages
        next_ids = (
            select(said.c.message_id)
            .where(said.c.channel_id == channel_id, said.c.message_id > message_id)
            .order_by(said.c.message_id)
            .limit(limit)
        )
        query = select(
            said.c.message_id,
            said.c.author_id,
            said.c.created_at_ms,
            said.c.reply_to_id,
            said.c.content,
        ).join(members, members.c.member_id == said.c.author_id)
        query = query.where(
            said.c.message_id.in_(next_ids),
            said.c.deleted_at_ms.is_(None),
            members.c.is_bot == 0,
            members.c.is_excluded == 0,
        ).order_by(said.c.message_id)
        with self.reading() as connection:
            return [Behind(*row) for row in connection.execute(query)]

    def score_answer(
        self,
        asked_id: int,
        score: float | None,
        *,
        good: float,
        bad: float,
        answers: int,
        deleted_at_ms: int | None,
    ) -> None:
        """Keep how an answer was received."""
        values = {"score": score, "good": good, "bad": bad, "answers": answers}
        is_it = replies.c.asked_id == asked_id
        with self.writing() as connection:
            connection.execute(
                update(replies).where(is_it).values(**values, deleted_at_ms=deleted_at_ms)
            )

    def note_quieted(self, channel_id: int, from_ms: int, at_ms: int) -> set[int]:
        """Somebody ordered silence in a channel at `at_ms`: the answer given there last, since
        `from_ms`, is noted for it; to which message it is, if there is one."""
        here = (replies.c.channel_id == channel_id) & replies.c.at_ms.between(from_ms, at_ms)
        last = select(replies.c.asked_id).where(here).order_by(replies.c.at_ms.desc()).limit(1)
        with self.writing() as connection:
            asked_id = connection.execute(last).scalar()
            if asked_id is None:
                return set()
            is_it = (replies.c.asked_id == asked_id) & replies.c.quieted_at_ms.is_(None)
            connection.execute(update(replies).where(is_it).values(quieted_at_ms=at_ms))
        return {asked_id}

    def _own_answers(self, asked_ids: Collection[int]) -> list[OwnAnswer]:
        asked = messages.alias()
        columns = (
            messages.c.author_id.label("own_id"),
            messages.c.content,
            messages.c.reactions,
            messages.c.deleted_at_ms.label("gone_at_ms"),
            asked.c.author_id.label("asker_id"),
        )
        query = (
            select(*(replies.c[name] for name in _FIELDS), *columns)
            .outerjoin(messages, messages.c.message_id == replies.c.message_id)
            .outerjoin(asked, asked.c.message_id == replies.c.asked_id)
            .where(replies.c.asked_id.in_(_listed(asked_ids)))
            .where(func.coalesce(messages.c.origin, "") != Origin.PLAYGROUND.value)
            .order_by(replies.c.asked_id, replies.c.line, replies.c.message_id)
        )
        with self.reading() as connection:
            rows = connection.execute(query).all()
        return [_answer(list(group)) for _, group in groupby(rows, key=lambda row: row.asked_id)]


def _answer(rows: list[Any]) -> OwnAnswer:
    own = tuple(ReplyRow(*row[: len(_FIELDS)]) for row in rows)
    gone = [at for row in rows for at in (row.gone_at_ms, row.deleted_at_ms) if at is not None]
    texts = [row.content or "" for row in rows]
    return OwnAnswer(
        own[0].asked_id,
        own[0].channel_id,
        own,
        next((row.own_id for row in rows if row.own_id is not None), None),
        rows[0].asker_id,
        tuple(Reaction(*one) for row in rows for one in json.loads(row.reactions or "[]")),
        min(gone, default=None),
        "\n".join(texts) if all(texts) else "",
    )


def _listed(ids: Collection[int]) -> Any:
    """For `in_`: any number of them, as one parameter."""
    each = func.json_each(_json(ids)).table_valued("value")
    return select(cast(each.c.value, Integer))


def _json(ids: Collection[int]) -> str:
    return json.dumps(list(ids))
