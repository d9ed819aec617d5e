"""Rehearsals: runs in which the persona was only heard by its owner, and what it would have done.

A row a message of a run. `draft` are the model's words and `source_ids` the messages that it was
shown: a row goes with any of them (`drop_rehearsed`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from storage.acceptance import Acceptance
from storage.connections import Connections, DatabaseError
from storage.records import Origin
from storage.schema import messages, rehearsals, rehearsed, verdicts

REPLAY, LIVE_SHADOW = "replay", "live"
YES, NO, TOO_MUCH = "yes", "no", "too_much"
ANSWERS = (YES, NO, TOO_MUCH)
REPLY, SILENT = "reply", "silent"
QUARTER_MS = 15 * 60 * 1000
"""Every clock's days begin at one of these."""

_DROP = """
    DELETE FROM rehearsed WHERE message_id IN (SELECT value FROM json_each(:ids))
    OR (source_ids <> '[]' AND EXISTS (
        SELECT 1 FROM json_each(source_ids) AS shown
        WHERE shown.value IN (SELECT value FROM json_each(:ids))
    ))
"""


@dataclass(frozen=True)
class Rehearsal:
    """One run."""

    rehearsal_id: int
    kind: str
    """replay, of what is recorded; or live."""
    began_at_ms: int
    ended_at_ms: int | None = None
    """None: it was cut off, or goes on."""
    version_id: str = ""
    """Of the model that wrote; a server's address or a file's name where it is no version."""
    model_sha256: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Those that decide: by name, and `channels`: by channel id and name."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for, and what that came to."""
    messages: int = 0
    """How many it is to judge."""
    error: str = ""
    accepted: int = 0
    answered: int = 0
    accepted_at_ms: int | None = None
    """When its owner let the bot speak after it; with so many accepted of those answered."""


@dataclass(frozen=True)
class Rehearsed:
    """What it would have done about one message."""

    rehearsal_id: int
    message_id: int
    channel_id: int
    at_ms: int
    """When the message was said."""
    verdict: str
    """reply or silent."""
    reason: str
    detail: str = ""
    parts: Mapping[str, Any] = field(default_factory=dict)
    """bot.messages.Urge.as_json; empty where it did not come to that."""
    draft: str = ""
    """What it would have said, or the emoji that it would have reacted with; "": nothing."""
    guard: str = ""
    source_ids: tuple[int, ...] = ()
    """The messages that the model was shown, the asked one among them."""
    total_s: float = 0.0
    answer: str = ""
    answered_at_ms: int | None = None
    answered_by: int | None = None
    """A member; None: at this computer."""
    posted_id: int | None = None
    """Its message in the rehearsal channel."""
    rehearsed_id: int = 0

    @property
    def is_spoken(self) -> bool:
        """Whether anybody would have seen something."""
        return self.verdict == REPLY and bool(self.draft)


class RehearsalStore(Connections):
    """rehearsals and rehearsed. Any thread."""

    def begin_rehearsal(self, one: Rehearsal) -> int:
        """Keep a new run; its id (the one given does not count)."""
        row = {**vars(one), "settings": _json(one.settings), "options": _json(one.options)}
        del row["rehearsal_id"]
        with self.writing() as connection:
            return int(connection.execute(rehearsals.insert().values(**row)).lastrowid)

    def change_rehearsal(self, rehearsal_id: int, **values: Any) -> None:
        """Give a run other values, by column: `ended_at_ms`, `messages`, `error` ..."""
        is_it = rehearsals.c.rehearsal_id == rehearsal_id
        with self.writing() as connection:
            connection.execute(update(rehearsals).where(is_it).values(**values))

    def rehearsal(self, rehearsal_id: int | None = None) -> Rehearsal:
        """A run; None: the newest. Raises DatabaseError where there is none."""
        query = select(rehearsals).order_by(rehearsals.c.rehearsal_id.desc()).limit(1)
        if rehearsal_id is not None:
            query = query.where(rehearsals.c.rehearsal_id == rehearsal_id)
        with self.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            which = "" if rehearsal_id is None else f" {rehearsal_id}"
            raise DatabaseError(
                f"There is no rehearsal{which} yet; python scripts/rehearse.py run makes one."
            )
        return _rehearsal(row)

    def rehearsals(self) -> list[Rehearsal]:
        """All runs, the newest first."""
        query = select(rehearsals).order_by(rehearsals.c.rehearsal_id.desc())
        with self.reading() as connection:
            return [_rehearsal(row) for row in connection.execute(query)]

    def accepted_rehearsal(self, version_id: str) -> Rehearsal | None:
        """The last run after which its owner let that version speak; None: there is none."""
        runs = (one for one in self.rehearsals() if one.version_id == version_id)
        return max(
            (one for one in runs if one.accepted_at_ms is not None),
            key=lambda one: one.accepted_at_ms or 0,
            default=None,
        )

    def how_rehearsed(self, version_id: str) -> str:
        """How a version did in its last accepted rehearsal, such as "accepted 34 of 40 (71-93%)";
        "" where there was none."""
        one = self.accepted_rehearsal(version_id)
        return "" if one is None else str(Acceptance(one.accepted, one.answered))

    def keep_rehearsed(self, row: Rehearsed) -> int:
        """Keep what was judged; the id of its row. Of a message that was judged in this run before
        nothing is changed; 0: it is not kept, as the message, or one that the draft was written
        from, is gone."""
        values = {**vars(row), "parts": _json(row.parts), "source_ids": _json(row.source_ids)}
        del values["rehearsed_id"]
        table = rehearsed
        is_it = (table.c.rehearsal_id == row.rehearsal_id) & (table.c.message_id == row.message_id)
        with self.writing() as connection:
            found = connection.execute(select(table.c.rehearsed_id).where(is_it)).scalar()
            if found is not None:
                return int(found)
            wanted = {row.message_id, *row.source_ids}
            there = select(func.count()).select_from(messages)
            there = there.where(
                messages.c.message_id.in_(wanted), messages.c.deleted_at_ms.is_(None)
            )
            if connection.execute(there).scalar_one() < len(wanted):
                return 0
            return int(connection.execute(table.insert().values(**values)).lastrowid)

    def rehearsed(self, rehearsal_id: int) -> list[Rehearsed]:
        """What was judged in a run, in order of time."""
        query = select(rehearsed).where(rehearsed.c.rehearsal_id == rehearsal_id)
        query = query.order_by(rehearsed.c.at_ms, rehearsed.c.message_id)
        with self.reading() as connection:
            return [_rehearsed(row) for row in connection.execute(query)]

    def count_rehearsed(self, rehearsal_id: int) -> int:
        """How much was judged in a run."""
        query = select(func.count()).where(rehearsed.c.rehearsal_id == rehearsal_id)
        with self.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def rehearsed_row(self, rehearsed_id: int) -> Rehearsed | None:
        return self._one(rehearsed.c.rehearsed_id == rehearsed_id)

    def rehearsed_as(self, posted_id: int) -> Rehearsed | None:
        """What that message in the rehearsal channel shows."""
        return self._one(rehearsed.c.posted_id == posted_id)

    def note_posted(self, rehearsed_id: int, posted_id: int) -> None:
        """It was shown in the rehearsal channel."""
        with self.writing() as connection:
            is_it = rehearsed.c.rehearsed_id == rehearsed_id
            connection.execute(update(rehearsed).where(is_it).values(posted_id=posted_id))

    def answer_rehearsed(
        self, answers: Mapping[int, str], at_ms: int, *, by: int | None = None
    ) -> None:
        """Keep what an admin thinks of rows, by their ids, all or none; "" takes an answer back.

        Raises DatabaseError for an unknown row or another word.
        """
        with self.writing() as connection:
            for row_id, answer in answers.items():
                if answer and answer not in ANSWERS:
                    raise DatabaseError(f'An answer is yes, no or too_much; "{answer}" is not.')
                given = {"answer": answer, "answered_at_ms": at_ms, "answered_by": by}
                if not answer:
                    given = {"answer": "", "answered_at_ms": None, "answered_by": None}
                is_it = rehearsed.c.rehearsed_id == row_id
                if not connection.execute(update(rehearsed).where(is_it).values(**given)).rowcount:
                    raise DatabaseError(f"There is no row {row_id} in any rehearsal.")

    def answered_drafts(self) -> list[Rehearsed]:
        """What it would have said, guard had let out, and was answered with yes or no; by the time
        of the answer."""
        said = (rehearsed.c.verdict == REPLY) & (rehearsed.c.draft != "")
        # A reaction in place of words was not guarded, and the sentence on what it is not written.
        is_written = (rehearsed.c.guard == "allowed") & (rehearsed.c.source_ids != "[]")
        query = select(rehearsed).where(said, is_written, rehearsed.c.answer.in_((YES, NO)))
        query = query.order_by(rehearsed.c.answered_at_ms, rehearsed.c.rehearsed_id)
        with self.reading() as connection:
            return [_rehearsed(row) for row in connection.execute(query)]

    def acceptance(self, rehearsal_id: int) -> Acceptance:
        """Of the moments in which it would have spoken."""
        spoken = (rehearsed.c.verdict == REPLY) & (rehearsed.c.draft != "")
        answer = rehearsed.c.answer
        query = select(func.total(answer == YES), func.total(answer != ""), func.count()).where(
            rehearsed.c.rehearsal_id == rehearsal_id, spoken
        )
        with self.reading() as connection:
            return Acceptance(*(int(count) for count in connection.execute(query).one()))

    def drop_rehearsed(self, message_ids: Collection[int]) -> None:
        """Take out all rows on these messages, and those whose drafts were written from them."""
        with self.writing() as connection:
            drop_rehearsed(connection, message_ids)

    def rehearsed_of(self, message_ids: Iterable[int]) -> int:
        """How many rows are on these messages, or were written from them."""
        listed = json.dumps(list(message_ids))
        counting = _DROP.replace("DELETE FROM", "SELECT count(*) FROM")
        with self.reading() as connection:
            return int(connection.exec_driver_sql(counting, {"ids": listed}).scalar_one())

    def trim_rehearsed(self, before_ms: int) -> None:
        """Drop what was heard live before that and nobody answered."""
        live = select(rehearsals.c.rehearsal_id).where(rehearsals.c.kind == LIVE_SHADOW)
        with self.writing() as connection:
            connection.execute(
                rehearsed.delete().where(
                    rehearsed.c.at_ms < before_ms,
                    rehearsed.c.answer == "",
                    rehearsed.c.rehearsal_id.in_(live),
                )
            )

    def said_by_day(self, channel_ids: Collection[int], day: Callable[[int], str]) -> Counter[str]:
        """How much was said in these channels on each day; `day` names the one of a time in ms. A
        second for a million messages."""
        quarter = messages.c.created_at_ms // QUARTER_MS
        query = _of(channel_ids, select(quarter, func.count()).group_by(quarter))
        found = Counter[str]()
        with self.reading() as connection:
            for number, count in connection.execute(query):
                found[day(number * QUARTER_MS)] += count
        return found

    def said_between(self, channel_ids: Collection[int], from_ms: int, until_ms: int) -> list[int]:
        """The ids of what was said in these channels from one time until before the other, in order
        of time."""
        at = messages.c.created_at_ms
        query = _of(channel_ids, select(messages.c.message_id))
        query = query.where(at >= from_ms, at < until_ms).order_by(at, messages.c.message_id)
        with self.reading() as connection:
            return list(connection.execute(query).scalars())

    def said_last(
        self, channel_ids: Collection[int], limit: int, *, before_ms: int | None = None
    ) -> list[int]:
        """The ids of the last messages there, in order of time."""
        at = messages.c.created_at_ms
        query = _of(channel_ids, select(messages.c.message_id))
        if before_ms is not None:
            query = query.where(at < before_ms)
        query = query.order_by(at.desc(), messages.c.message_id.desc()).limit(limit)
        with self.reading() as connection:
            return list(connection.execute(query).scalars())[::-1]

    def usual_reply_s(self) -> float | None:
        """How long the last replies took on an average, those of rehearsals too; None: there were
        none."""
        last = (
            select(rehearsed.c.total_s.label("total_s"))
            .where(rehearsed.c.draft != "")
            .order_by(rehearsed.c.rehearsed_id.desc())
            .limit(20)
        )
        sent = (
            select(verdicts.c.total_s.label("total_s"))
            .where(verdicts.c.outcome == "sent")
            .order_by(verdicts.c.at_ms.desc())
            .limit(20)
        )
        with self.reading() as connection:
            for query in (last, sent):
                taken = list(connection.execute(query).scalars())
                if taken:
                    return sum(taken) / len(taken)
        return None

    def own_account(self) -> int | None:
        """The id of the account that the persona spoke with last; None: it never did."""
        query = select(messages.c.author_id).join(
            verdicts, verdicts.c.reply_id == messages.c.message_id
        )
        with self.reading() as connection:
            return connection.execute(query.order_by(verdicts.c.at_ms.desc()).limit(1)).scalar()

    def _one(self, is_it: Any) -> Rehearsed | None:
        with self.reading() as connection:
            row = connection.execute(select(rehearsed).where(is_it)).first()
        return None if row is None else _rehearsed(row)


def _of(channel_ids: Collection[int], query: Select[Any]) -> Select[Any]:
    """What people said in these channels, the playground aside."""
    return query.where(
        messages.c.channel_id.in_(channel_ids),
        messages.c.deleted_at_ms.is_(None),
        messages.c.origin != Origin.PLAYGROUND.value,
    )


def drop_rehearsed(connection: Connection, message_ids: Collection[int]) -> int:
    """The same within the caller's transaction; how many rows went."""
    listed = json.dumps(list(message_ids))
    return connection.exec_driver_sql(_DROP, {"ids": listed}).rowcount


def _rehearsal(row: Row[Any]) -> Rehearsal:
    values = dict(row._mapping)
    return Rehearsal(
        **{
            **values,
            "settings": json.loads(values["settings"]),
            "options": json.loads(values["options"]),
        }
    )


def _rehearsed(row: Row[Any]) -> Rehearsed:
    values = dict(row._mapping)
    return Rehearsed(
        **{
            **values,
            "parts": json.loads(values["parts"]),
            "source_ids": tuple(json.loads(values["source_ids"])),
        }
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
