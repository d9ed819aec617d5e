"""Hears along in silence: where the bot does not speak yet, a second pipeline of the same model
judges what is said, and what it would have said is kept as a rehearsal, and shown.

What it is shown it has mostly read already: its conversation begins in the cache as a copy of the
real one's, which stands there. Event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bot.decide import STALE_S
from bot.messages import Edited, IncomingMessage
from bot.model_keeper import ModelKeeper
from bot.patience import patiently
from bot.pipeline import settings_in
from bot.platforms.platform import wall_clock_ms
from bot.rehearsal import decisive
from bot.rehearsal_stage import Parts, Stage, in_rehearsal
from bot.store import Known
from storage.errors import MynahError
from storage.paths import Home
from storage.rehearsal_store import LIVE_SHADOW, Rehearsal, Rehearsed
from storage.scratch import scratch_folder
from storage.settings import Settings

log = logging.getLogger(__name__)

KEPT_WAITING = 500
"""What waits longer than that is too old anyway."""
DAY_MS = 24 * 60 * 60 * 1000

Show = Callable[[Rehearsed, IncomingMessage], None]
"""Called for each moment in which it would have spoken, once that is kept."""


@dataclass(frozen=True)
class Kept:
    """The run that is being written to."""

    rehearsal_id: int
    version_id: str
    settings: Mapping[str, object]


class Shadow:
    """One bot's."""

    def __init__(
        self,
        home: Home,
        keeper: ModelKeeper,
        parts: Callable[[], Parts],
        *,
        show: Show = lambda row, message: None,
    ) -> None:
        """`parts` as they are now, the settings as they are stored. Opens nothing."""
        self._home = home
        self._keeper = keeper
        self._parts = parts
        self._show = show
        self._waiting: deque[IncomingMessage | Edited] = deque(maxlen=KEPT_WAITING)
        self._wake = asyncio.Event()
        self._stage: Stage | None = None
        self._kept: Kept | None = None
        self._known: set[int] = set()
        """The channels whose transcripts were taken over."""
        self._gone: set[int] = set()
        self._folder = ExitStack()
        self._is_to_begin_anew = False
        self.is_idle = True

    def hear(self, one: Known | Edited) -> None:
        """Something was said or edited, and is stored. Returns at once."""
        if isinstance(one, Known):
            if not one.channel_is_allowed or one.author_is_excluded:
                return
            self._line_up(one.message)
        elif self._stage is not None:
            self._line_up(one)

    def forget(self, message_ids: Collection[int]) -> None:
        """These words are gone; at once from what the model is shown."""
        gone = frozenset(message_ids)
        waiting = [one for one in self._waiting if one.record.message_id not in gone]
        self._waiting = deque(waiting, maxlen=KEPT_WAITING)
        self._gone.update(gone)
        if self._stage is not None:
            self._stage.forget(gone)
        self._wake.set()

    def forget_persona(self) -> None:
        """The persona is without something that it quoted."""
        if self._stage is not None:
            self._stage.pipeline.reader.forget_persona()

    def exclude(self, member_id: int, is_excluded: bool) -> None:
        """A member is left out, or no longer."""
        if self._stage is not None:
            self._stage.pipeline.exclude(member_id, is_excluded)

    def begin_anew(self) -> None:
        """Nothing of what was heard up to now is kept here."""
        if self._stage is not None:
            self._is_to_begin_anew = True
            self._wake.set()

    def quieten(self, channel_id: int, until_ms: int) -> None:
        """Somebody asked for silence there."""
        if self._stage is not None:
            self._stage.pipeline.quieten(channel_id, until_ms)

    def note_settings(self) -> None:
        """They are others now; so is what they come to, in a rehearsal of its own. Where nothing is
        heard in silence any more, nothing is kept for that."""
        if self._stage is None:
            return
        settings = self._parts().settings
        if settings.switch("speaks_in_public") and not settings.ids("rehearsal_channel_id"):
            self.begin_anew()
        else:
            self._put_settings(self._stage)

    async def run(self) -> None:
        """Judge what is heard, one after another. Never ends; closes what it opened."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._work_off()
        finally:
            await self._leave()

    async def _work_off(self) -> None:
        self.is_idle = False
        try:
            await self._put_away()
            while self._waiting:
                await self._take(self._waiting.popleft())
                await self._put_away()
        except MynahError as error:
            log.warning("What it would have said is not known. %s", error)
        except Exception:
            # The edge of a message: the next one is heard.
            log.exception("What it would have said is not known")
        finally:
            self.is_idle = not self._waiting
            if self._waiting:
                self._wake.set()

    async def _put_away(self) -> None:
        """What is gone leaves the scratch database."""
        if self._is_to_begin_anew:
            await self._leave()
        gone, self._gone = self._gone, set()
        if self._stage is not None and gone:
            await patiently(self._stage.drop_stored, gone)

    async def _leave(self) -> None:
        """The scratch database goes; the next message opens another one."""
        stage, self._stage, self._is_to_begin_anew = self._stage, None, False
        self._known.clear()
        self._gone.clear()
        try:
            if stage is not None:
                await stage.close()
        finally:
            await asyncio.to_thread(self._folder.close)

    async def _take(self, one: IncomingMessage | Edited) -> None:
        if isinstance(one, Edited):
            if self._stage is not None:
                await self._stage.edit(one.record)
            return
        parts = self._parts()
        if one.record.author_id == parts.own_id:
            return
        if not is_shadowed(one, parts.settings, parts.channel_rows):
            return
        stage = self._stage or await self._open(parts)
        if one.channel_id not in self._known:
            self._known.add(one.channel_id)
            await patiently(stage.take_over, one.channel_id, one.message_id)
        kept = await patiently(self._kept_now)
        if one.message_id in self._gone:
            return
        row, _ = await stage.judge(kept.rehearsal_id, one)
        if await patiently(self._kept_now) != kept:
            return  # another model may have written it
        row_id = await patiently(parts.database.keep_rehearsed, row)
        if row_id and row.is_spoken:
            self._show(replace(row, rehearsed_id=row_id), one)

    async def _open(self, parts: Parts) -> Stage:
        folder = await asyncio.to_thread(self._folder.enter_context, scratch_folder(self._home))
        stage = await asyncio.to_thread(
            lambda: Stage(parts, folder, clock=wall_clock_ms, label="shadow")
        )
        await patiently(self._remember, stage)
        self._put_settings(stage)
        self._stage = stage
        return stage

    def _put_settings(self, stage: Stage) -> None:
        parts = self._parts()
        stage.pipeline.settings = in_rehearsal(parts.settings, lurk=False)
        stage.pipeline.channel_rows = _without_lurking(parts.channel_rows)

    def _remember(self, stage: Stage) -> None:
        """What it would have said within the last day, before a restart. Blocking."""
        since_ms = wall_clock_ms() - DAY_MS
        rows = stage.parts.database.rehearsed(self._kept_now().rehearsal_id)
        stage.remember([row for row in rows if row.is_spoken and row.at_ms >= since_ms])

    def _kept_now(self) -> Kept:
        """The run to write to: another model and other settings are another one's. Blocking."""
        parts, version_id = self._parts(), self._keeper.name
        settings = decisive(in_rehearsal(parts.settings), parts.channel_rows)
        if self._kept is not None and (version_id, settings) == (
            self._kept.version_id,
            self._kept.settings,
        ):
            return self._kept
        for one in parts.database.rehearsals():
            is_open = one.kind == LIVE_SHADOW and one.accepted_at_ms is None
            if is_open and (one.version_id, one.settings) == (version_id, settings):
                self._kept = Kept(one.rehearsal_id, version_id, settings)
                return self._kept
        new = Rehearsal(0, LIVE_SHADOW, wall_clock_ms(), version_id=version_id, settings=settings)
        self._kept = Kept(parts.database.begin_rehearsal(new), version_id, settings)
        return self._kept

    def _line_up(self, one: IncomingMessage | Edited) -> None:
        self._waiting.append(one)
        self.is_idle = False
        self._wake.set()


def is_shadowed(
    message: IncomingMessage, settings: Settings, rows: Mapping[int, Mapping[str, str]]
) -> bool:
    """Where the bot does not speak yet; and where it only reads along, if there is a channel to
    show what it would say. Not what was said long before the bot came back."""
    age_ms = wall_clock_ms() - message.record.created_at_ms
    if message.is_playground or (message.is_backfill and age_ms > STALE_S * 1000):
        return False
    if not settings.switch("speaks_in_public"):
        return True
    here = settings_in(message.channel, settings, rows)
    return here.switch("lurk") and bool(settings.ids("rehearsal_channel_id"))


def _without_lurking(rows: Mapping[int, Mapping[str, str]]) -> dict[int, dict[str, str]]:
    return {
        channel_id: {name: text for name, text in values.items() if name != "lurk"}
        for channel_id, values in rows.items()
    }
