"""What the running bot does to be heard by its owner first: recorded days on request, and hearing
along in silence. Put together in `bot/bot.py`. Event loop's thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from bot.messages import Edited, IncomingMessage, Reacted
from bot.model_keeper import ModelKeeper
from bot.rehearsal import Rehearsing
from bot.rehearsal_plan import Wanted
from bot.rehearsal_room import Place, RehearsalRoom
from bot.rehearsal_stage import Parts
from bot.shadow import Shadow
from bot.store import Known
from storage.errors import MynahError
from storage.paths import Home
from storage.rehearsal_store import Rehearsed

log = logging.getLogger(__name__)


class RehearsalRunningError(MynahError):
    """One at a time."""


class Rehearsals:
    """One bot's."""

    def __init__(
        self,
        home: Home,
        keeper: ModelKeeper,
        place: Place,
        parts: Callable[[], Parts],
        *,
        soon: Callable[[Any], None],
        tell: Callable[[str, Mapping[str, Any]], None],
        yield_to: Callable[[], Awaitable[None]],
    ) -> None:
        """`parts` as they are now; `soon` runs a coroutine beside everything else; `tell` tells all
        clients of the control channel; `yield_to` waits for what is really said."""
        self._home = home
        self._keeper = keeper
        self._parts = parts
        self._soon = soon
        self._tell = tell
        self._yield_to = yield_to
        self._replay: Rehearsing | None = None
        self._is_free = asyncio.Event()
        self._is_free.set()
        self.room = RehearsalRoom(parts().database, place, lambda: self._parts().settings)
        self.shadow = Shadow(home, keeper, parts, show=self._show)

    async def run(self) -> None:
        """Hear along. Never ends."""
        await self.room.close_to_memory()
        await self.shadow.run()

    async def replay(self, wanted: Wanted) -> None:
        """Rehearse what is recorded; returns at its end. Raises MynahError."""
        if self._replay is not None:
            raise RehearsalRunningError("A rehearsal is going on already; let it end, or stop it.")
        self._is_free.clear()
        self._replay = Rehearsing(
            self._home,
            self._parts(),
            wanted,
            version_id=self._keeper.name,
            tell=lambda event, fields: self._tell("rehearsal", {"what": event, **fields}),
            yield_to=self._yield_to,
            writes=lambda: self._keeper.name,
        )
        try:
            await self._replay.run()
        finally:
            self._replay = None
            self._is_free.set()

    def stop_replay(self) -> None:
        """End it after the message at hand; it may be gone on with."""
        if self._replay is not None:
            self._replay.stop()

    async def close(self) -> None:
        """Stop what is going on, and wait for it."""
        self.stop_replay()
        await self._is_free.wait()

    # -- what happens meanwhile -----------------------------------------------------------------

    def hear(self, one: Known | Edited) -> None:
        """Something was said or edited, and is stored."""
        self.shadow.hear(one)

    def takes(self, happening: object) -> bool:
        """Whether that is an answer, which goes nowhere else. It is kept then."""
        if isinstance(happening, Reacted) and happening.channel_id == self.room.channel_id:
            self._soon(self.room.answered(happening))
            return True
        return isinstance(happening, IncomingMessage | Edited) and (
            _channel_of(happening) == self.room.channel_id
        )

    def forget(self, message_ids: Collection[int]) -> None:
        """These words are gone."""
        self.shadow.forget(message_ids)
        if self._replay is not None:
            self._replay.forget(message_ids)

    def forget_persona(self) -> None:
        """The persona is without something that it quoted; a replay sees to its own."""
        self.shadow.forget_persona()

    def exclude(self, member_id: int, is_excluded: bool) -> None:
        """A member is left out, or no longer; a replay that goes on ends, as it may hear them."""
        self.shadow.exclude(member_id, is_excluded)
        if is_excluded:
            self.stop_replay()

    def forget_member(self, member_id: int) -> None:
        """They are being forgotten, and left out already."""
        self.shadow.begin_anew()

    def quieten(self, channel_id: int, until_ms: int) -> None:
        """Somebody asked for silence there."""
        self.shadow.quieten(channel_id, until_ms)

    def note_settings(self) -> None:
        """They are others now."""
        self.shadow.note_settings()
        self._soon(self.room.close_to_memory())

    def _show(self, row: Rehearsed, message: IncomingMessage) -> None:
        self._soon(self.room.show(row, message))


def _channel_of(happening: IncomingMessage | Edited) -> int:
    return happening.record.channel_id
