"""Rehearses a recorded day: the very same pipeline in silence, a row for each message.

Nothing of the home changes but the tables `rehearsals` and `rehearsed`. Time is the messages' own
and nothing waits; nothing that was said later is seen. A run that was cut off is found again by
what was asked for, and goes on behind the last message that it judged.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from bot.generate import Writer
from bot.messages import Trace
from bot.model_keeper import Lender
from bot.patience import patiently
from bot.platforms.local import PERSONA_ID
from bot.platforms.platform import wall_clock_ms
from bot.rehearsal_plan import Plan, Wanted, plan
from bot.rehearsal_stage import Parts, Stage, in_rehearsal
from bot.style import Style
from model.writing import Generation, StoppedBy
from storage.paths import Home
from storage.rehearsal_store import REPLAY, Rehearsal, Rehearsed
from storage.scratch import scratch_folder
from storage.settings import Settings

if TYPE_CHECKING:
    from storage.database import Database

log = logging.getLogger(__name__)

Tell = Callable[[str, dict[str, Any]], None]
"""Called with the name and fields of what `rehearse.py run --json` prints a line of."""

AT_ONCE = 200
"""Recorded messages are looked up so many at a time."""
TELL_EVERY_S = 0.5
DRY_AT_MOST = 2_000
"""From so many messages it is estimated how many drafts there will be: 7 ms each."""

DECIDING = (
    *("response_rate", "speak_threshold", "unasked_channel_minutes", "unasked_member_minutes"),
    *("unasked_a_day", "attention_seconds", "quiet_hours", "lurk", "persona_name"),
)
"""The settings that are kept with a rehearsal: those that say when it speaks."""


def decisive(settings: Settings, rows: Mapping[int, Mapping[str, str]]) -> dict[str, Any]:
    """The settings that decide, as they are kept with a rehearsal."""
    own = {
        str(channel_id): {name: text for name, text in values.items() if name in DECIDING}
        for channel_id, values in rows.items()
    }
    channels = {channel_id: values for channel_id, values in own.items() if values}
    return {**{name: settings[name] for name in DECIDING}, "channels": channels}


@dataclass
class Count:
    """How far it is."""

    rehearsal_id: int
    messages: int
    done: int = 0
    spoken: int = 0
    drafts: int = 0
    """About how many it will write."""
    reply_s: float | None = None
    """How long one takes."""

    @property
    def left_s(self) -> float | None:
        if self.reply_s is None:
            return None
        return round(max(0, self.drafts - self.spoken) * self.reply_s, 1)

    def note(self, row: Rehearsed) -> None:
        self.done += 1
        if row.is_spoken:
            self.spoken += 1
            mean_s = row.total_s if self.reply_s is None else self.reply_s
            self.reply_s = 0.8 * mean_s + 0.2 * row.total_s

    def as_json(self) -> dict[str, Any]:
        return {
            "rehearsal_id": self.rehearsal_id,
            "done": self.done,
            "messages": self.messages,
            "spoken": self.spoken,
        }


class Rehearsing:
    """One run. What is handed in is closed by whoever opened it."""

    def __init__(
        self,
        home: Home,
        parts: Parts,
        wanted: Wanted,
        *,
        version_id: str,
        tell: Tell = lambda event, fields: None,
        yield_to: Callable[[], Awaitable[None]] | None = None,
        writes: Callable[[], str] | None = None,
    ) -> None:
        """`parts.settings` as they are stored. `version_id`: of the model that writes. `yield_to`
        is awaited before each message: who is really asked goes first. `writes` names the model
        that writes now: with another one it ends."""
        self._home = home
        self._wanted = wanted
        self._version_id = version_id
        self._tell = tell
        self._yield_to = yield_to
        self._writes = writes or (lambda: version_id)
        self._is_stopping = False
        self._gone: set[int] = set()
        """Of words that went while it ran."""
        self._stage_now: Stage | None = None
        settings = in_rehearsal(parts.settings, response_rate=wanted.rate, seed=wanted.seed)
        rows = _rows_to_try(parts.channel_rows, wanted)
        self._parts = replace(parts, settings=settings, channel_rows=rows)

    def stop(self) -> None:
        """End after the message at hand. Any thread."""
        self._is_stopping = True

    def forget(self, message_ids: Collection[int]) -> None:
        """Words are gone: they leave what the model is shown at once, and the scratch database
        before the next message. Event loop's thread."""
        self._gone.update(message_ids)
        is_quoted = self._parts.style.forget(message_ids)
        if self._stage_now is not None:
            self._stage_now.forget(message_ids)
            if is_quoted:
                self._stage_now.pipeline.reader.forget_persona()

    async def run(self) -> Rehearsal:
        """Rehearse to the end, to the limit, or until it is stopped. Raises MynahError."""
        database = self._parts.database
        kept, planned = await asyncio.to_thread(self._begin)
        await asyncio.to_thread(self._read_style, planned)
        rows = await asyncio.to_thread(database.rehearsed, kept.rehearsal_id)
        judged = {row.message_id: row for row in rows}
        count = Count(kept.rehearsal_id, len(planned.message_ids))
        for row in rows:
            count.note(row)
        count.reply_s = await asyncio.to_thread(database.usual_reply_s)
        count.drafts = await self._drafts(planned, judged)
        self._tell_plan(planned, count)
        is_done = await self._judge_all(planned, judged, count)
        if is_done:
            ended = {"ended_at_ms": wall_clock_ms()}
            await patiently(lambda: database.change_rehearsal(kept.rehearsal_id, **ended))
        self._tell("done", {**count.as_json(), "is_stopped": not is_done})
        return await asyncio.to_thread(database.rehearsal, kept.rehearsal_id)

    # -- before it ------------------------------------------------------------------------------

    def _begin(self) -> tuple[Rehearsal, Plan]:
        """The run as it is kept, one that was cut off where there is one; and what it judges."""
        database, asked = self._parts.database, self._wanted.as_json()
        decides = decisive(self._parts.settings, self._parts.channel_rows)
        for one in database.rehearsals():
            is_it = (one.kind, one.version_id) == (REPLAY, self._version_id)
            if is_it and one.options.get("asked") == asked and one.settings == decides:
                if one.ended_at_ms is not None:
                    break  # the newest of these is done: another one is wanted
                return one, self._plan(one.options)
        planned = self._plan({})
        new = Rehearsal(
            0,
            REPLAY,
            wall_clock_ms(),
            version_id=self._version_id,
            settings=decides,
            options={"asked": asked, **planned.as_json()},
            messages=len(planned.message_ids),
        )
        return replace(new, rehearsal_id=database.begin_rehearsal(new)), planned

    def _read_style(self, planned: Plan) -> None:
        """The persona, without what it would quote of the time that is rehearsed. Blocking."""
        style = Style(self._home, self._parts.database)
        style.read()
        style.quote_before(min(planned.message_ids))
        self._parts = replace(self._parts, style=style)
        style.forget(self._gone)

    def _plan(self, options: Mapping[str, Any]) -> Plan:
        """What is asked for; the same messages as before where `options` say which those were."""
        within_ms = (options["from_ms"], options["until_ms"]) if options else None
        parts, wanted = self._parts, self._wanted
        return plan(parts.database, parts.settings, wanted, parts.own_id, within_ms=within_ms)

    async def _drafts(self, planned: Plan, judged: Mapping[int, Rehearsed]) -> int:
        """About how many drafts it will write, those of `judged` included: the same once more, with
        a model that writes nothing; of a long day its beginning."""
        spoken = sum(row.is_spoken for row in judged.values())
        heard = found = 0
        settings = Settings({**self._parts.settings, "recall_enabled": False})
        dry = replace(self._parts, settings=settings, lender=DryLender(self._parts.lender))
        async with self._stage(dry, planned, judged) as stage:
            async for _, message in self._to_judge(stage, planned, judged):
                if self._is_stopping or heard >= DRY_AT_MOST:
                    break
                row, _ = await stage.judge(0, message)
                heard, found = heard + 1, found + row.is_spoken
        left = len(set(planned.message_ids) - judged.keys())
        return spoken + (round(found * left / heard) if heard else 0)

    def _tell_plan(self, planned: Plan, count: Count) -> None:
        self._tell(
            "plan",
            {
                **planned.as_json(),
                **count.as_json(),
                "drafts": count.drafts,
                "expected_s": count.left_s,
                "goes_on": count.done > 0,
            },
        )

    # -- the run --------------------------------------------------------------------------------

    async def _judge_all(
        self, planned: Plan, judged: Mapping[int, Rehearsed], count: Count
    ) -> bool:
        """Whether it came to the end: what was deleted meanwhile is passed over."""
        told_s, sha256, database = 0.0, "", self._parts.database
        dropped: set[int] = set()
        async with self._stage(self._parts, planned, judged) as stage:
            async for _, message in self._to_judge(stage, planned, judged):
                if self._yield_to is not None:
                    await self._yield_to()
                is_enough = 0 < self._wanted.limit <= count.spoken
                if self._is_stopping or self._is_other_model or is_enough:
                    return False
                if new := self._gone - dropped:
                    dropped |= new
                    await patiently(stage.drop_stored, new)
                if message.message_id in self._gone:
                    continue
                row, trace = await stage.judge(count.rehearsal_id, message)
                if self._is_other_model or (self._is_stopping and trace.error):
                    return False  # its model was taken away meanwhile
                await patiently(database.keep_rehearsed, row)
                if trace.model_sha256 and trace.model_sha256 != sha256:
                    sha256 = trace.model_sha256
                    await self._note_model(count.rehearsal_id, trace)
                count.note(row)
                if row.is_spoken or time.monotonic() - told_s >= TELL_EVERY_S:
                    told_s = time.monotonic()
                    self._tell("progress", {**count.as_json(), "left_s": count.left_s})
        return True

    @property
    def _is_other_model(self) -> bool:
        return self._writes() != self._version_id

    async def _note_model(self, rehearsal_id: int, trace: Trace) -> None:
        database, sha256 = self._parts.database, trace.model_sha256
        await patiently(lambda: database.change_rehearsal(rehearsal_id, model_sha256=sha256))

    async def _to_judge(
        self, stage: Stage, planned: Plan, judged: Mapping[int, Rehearsed]
    ) -> AsyncIterator[tuple[int, Any]]:
        """What is not judged yet and is still there, in order of time."""
        database = self._parts.database
        left = [one for one in planned.message_ids if one not in judged]
        for start in range(0, len(left), AT_ONCE):
            ids = left[start : start + AT_ONCE]
            records = await asyncio.to_thread(database.messages_by_id, ids)
            there = [record for record in records if record.deleted_at_ms is None]
            for message in await asyncio.to_thread(stage.incoming, there):
                yield message.message_id, message

    @asynccontextmanager
    async def _stage(
        self, parts: Parts, planned: Plan, judged: Mapping[int, Rehearsed]
    ) -> AsyncIterator[Stage]:
        """With what was said before, and what it said itself before it was cut off."""
        seed = self._wanted.seed
        said_again = [one for one in planned.message_ids if one in judged]
        ids = (*planned.before_ids, *said_again)
        with ExitStack() as stack:
            folder = await asyncio.to_thread(stack.enter_context, scratch_folder(self._home))
            told = planned.message_ids
            stage = await asyncio.to_thread(
                lambda: Stage(parts, folder, seed=seed, message_ids=told)
            )
            try:
                records = await asyncio.to_thread(parts.database.messages_by_id, ids)
                await stage.read_back(records, judged)
                stage.begin_anew()
                self._stage_now = stage
                yield stage
            finally:
                self._stage_now = None
                await stage.close()


def own_account(database: Database) -> int:
    """The account that the persona has in what is recorded; where it never spoke, the terminal's.
    Blocking."""
    return database.own_account() or PERSONA_ID


def _rows_to_try(
    rows: Mapping[int, Mapping[str, str]], wanted: Wanted
) -> dict[int, dict[str, str]]:
    """Channels' own values without what is to be tried: a rate for all, and speaking in a channel
    that is named, although it only reads along there."""
    tried = {"response_rate"} if wanted.rate is not None else set()
    return {
        channel_id: {
            name: text
            for name, text in values.items()
            if name not in tried and not (name == "lurk" and channel_id in wanted.channel_ids)
        }
        for channel_id, values in rows.items()
    }


class DryLender:
    """Lends a model that writes at once, and always the same: for what only is to be decided."""

    def __init__(self, lender: Lender) -> None:
        self._lender = lender

    @property
    def engine(self) -> Writer | None:
        return self._lender.engine

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Writer]:
        async with self._lender.lend() as engine:
            yield cast(Writer, _Dry(engine))


class _Dry:
    """A model but for what it writes."""

    _written = 0

    def __init__(self, engine: Writer) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def generate(self, *asked: Any, **how: Any) -> Generation:
        _Dry._written += 1  # guard lets nobody say the same twice
        return Generation(f"mhm {_Dry._written}", (), 0, 0, 0, 0.0, 0.0, StoppedBy.END)
