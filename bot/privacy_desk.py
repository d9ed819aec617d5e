"""Does for members what they ask about their own words: show, export, keep a choice, forget.

One request of a member's at a time; looking reads the training sets, so one member's at a time.
Event loop's thread; the work is done in worker threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bot.order_values import Button, File
from bot.patience import patiently
from bot.personal_export import MOST_BYTES, export_of
from data.consent import Coverage, Rules, coverage
from data.forgetting import ForgetReport, forget_member
from data.member_view import MemberView, view_of
from storage.errors import MynahError
from storage.records import MemberRecord

if TYPE_CHECKING:
    from bot.bot import Bot

BY = "the member, on Discord"
BEGIN_S = 60.0
"""How long taking somebody's words out of transcripts and caches may take."""


class StillAtItError(MynahError):
    """A member asked again before the last thing was done."""


class PrivacyDesk:
    """One running bot's (`bot.order_values.PrivacyOrders`)."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._asking: set[int] = set()
        self._looking = asyncio.Lock()

    async def view(self, member_id: int) -> MemberView:
        with self._nothing_else(member_id):
            async with self._looking:
                return await asyncio.to_thread(self._view, member_id)

    async def export(self, member_id: int) -> File | None:
        with self._nothing_else(member_id):
            async with self._looking:
                return await asyncio.to_thread(self._export, member_id)

    async def choose(self, member_id: int, consent: str) -> MemberRecord | None:
        with self._nothing_else(member_id):
            member = await patiently(self._choose, member_id, consent)
            if member is not None:
                # Whoever was forgotten before is read again from now on; an exclusion stays.
                await self._bot.exclude(member_id, member.is_excluded)
                if consent == "opted_out":
                    await self._bot.drop_words_of(member_id)
            return member

    async def forget(self, member_id: int) -> ForgetReport:
        loop = asyncio.get_running_loop()

        def begun() -> None:
            asyncio.run_coroutine_threadsafe(self._bot.forget(member_id), loop).result(BEGIN_S)

        with self._nothing_else(member_id):
            report = await asyncio.to_thread(
                forget_member, self._bot.home, self._bot.database, member_id, by=BY, begun=begun
            )
        if report.answers_now:
            self._bot.soon(self._bot.follow())
        return report

    async def rules(self) -> Rules:
        return await asyncio.to_thread(Rules.of, self._bot.database)

    async def coverage(self) -> Coverage:
        rules = await self.rules()
        return await asyncio.to_thread(coverage, self._bot.database, rules.mode, rules.is_declared)

    async def ask(self, channel_id: int, text: str, buttons: tuple[Button, ...]) -> None:
        await self._bot.platform.send(channel_id, text, reply_to_id=None, buttons=buttons)

    @contextmanager
    def _nothing_else(self, member_id: int) -> Iterator[None]:
        """Raises StillAtItError."""
        if member_id in self._asking:
            raise StillAtItError("I am still at what you asked before; a moment, please.")
        self._asking.add(member_id)
        try:
            yield
        finally:
            self._asking.discard(member_id)

    # -- in worker threads ----------------------------------------------------------------------

    def _view(self, member_id: int) -> MemberView:
        return view_of(self._bot.home, self._bot.database, member_id)

    def _export(self, member_id: int) -> File | None:
        return export_of(self._view(member_id), self._bot.database, MOST_BYTES)

    def _choose(self, member_id: int, consent: str) -> MemberRecord | None:
        """Whoever was forgotten is unknown, and stays so unless they say yes."""
        database = self._bot.database
        if consent == "opted_in":
            database.lift_tombstone(member_id)
        elif database.is_forgotten(member_id):
            return None
        if database.member(member_id) is None:
            name = f"member {member_id}"
            database.upsert_members([MemberRecord(member_id, name, name)])
        database.set_consent(member_id, consent)
        return database.member(member_id)
