"""Takes orders out of what a platform tells, and does for them what they ask of the bot.

Everything that is no order goes on to the intake. An order is carried out beside the conversation,
once: it is written down before anything is done, so that no restart carries it out again.
Event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from bot.answers import BotData, BotStatus, ChannelCount
from bot.commands import Answer, Order, Orders
from bot.errands import Errands, Told
from bot.messages import Happening, IncomingMessage, Rights
from bot.patience import patiently
from bot.platforms.platform import DeliveryError, wall_clock_ms
from bot.privacy_desk import PrivacyDesk
from storage.manifest import read_manifest
from storage.records import ChannelRecord, MemberRecord, VerdictRow
from storage.settings import Settings, Value

if TYPE_CHECKING:
    from bot.bot import Bot

log = logging.getLogger(__name__)

_CLOSED = (
    "I cannot write to you in private: your settings keep direct messages away. Ask by the slash "
    "command of the same name; only you see its answer."
)


SIDES = ("training", "validation")
"""Under which a set's manifest counts its examples."""


class OrderDesk:
    """What `bot.commands.BotOrders` asks for, for one running bot."""

    def __init__(self, bot: Bot, errands: Errands) -> None:
        self.orders = Orders(self)
        self.privacy = PrivacyDesk(bot)
        self._bot = bot
        self._errands = errands

    def tell(self, happening: Happening) -> None:
        """Take in what the platform tells: an order is carried out, everything else goes on.

        One that is not carried out, for it is too old, goes nowhere: it is no talk.
        """
        if isinstance(happening, IncomingMessage):
            order = self.orders.recognise(happening)
            if order is not None:
                self._bot.soon(self._carry_out(order, happening))
                return
            if self.orders.is_order(happening):
                return
            if not self._bot.platform.listens_to(happening.channel_id):
                return
        self._bot.intake.tell(happening)

    async def _carry_out(self, order: Order, message: IncomingMessage) -> None:
        if self._asks_too_often(order):
            return
        if not await patiently(self._is_first_time, order, message):
            return
        answer = await self.orders.carry_out(order)
        try:
            await self._deliver(answer, order, message)
        except DeliveryError as error:
            log.warning("An order's answer was not delivered. %s", error)
        finally:
            if answer.then is not None:
                await answer.then()

    def _asks_too_often(self, order: Order) -> bool:
        """Members' orders count as replies to them: nobody fills a channel with `!about`."""
        if order.rights is not Rights.MEMBER:
            return False
        recent = self._bot.pipeline.recent
        most = self._bot.settings.whole("replies_per_minute_member")
        if recent.answers_within_a_minute(order.member_id) >= most:
            return True
        recent.note_answered(order.channel_id, order.member_id)
        return False

    def _is_first_time(self, order: Order, message: IncomingMessage) -> bool:
        """Write the order down. In a worker thread."""
        row = VerdictRow(message.message_id, message.channel_id, self.now_ms(), "order", order.name)
        # Without the cursor: what was said before it may still wait for its turn.
        is_first = self._bot.database.record_first_verdict(row)
        if is_first:
            log.info("An order: %s", order.name, extra={"member_id": order.member_id})
        return is_first

    async def _deliver(self, answer: Answer, order: Order, message: IncomingMessage) -> None:
        platform = self._bot.platform
        if not answer.private:
            await platform.send(message.channel_id, answer.text, reply_to_id=message.message_id)
            return
        try:
            await platform.direct_message(
                message.author.member_id, answer.text, file=answer.file, buttons=answer.buttons
            )
        except DeliveryError:
            if not order.spec.is_hidden:
                await platform.send(message.channel_id, _CLOSED, reply_to_id=message.message_id)
            raise

    # -- what orders ask for (bot.commands.BotOrders) -------------------------------------------

    def settings(self) -> Settings:
        return self._bot.settings

    async def set_setting(self, name: str, text: str) -> Value:
        return await self._bot.set_setting(name, text)

    async def settings_in(self, channel_id: int) -> Settings:
        return await asyncio.to_thread(self._bot.settings_in, channel_id)

    async def set_in_channel(self, channel_id: int, name: str, text: str | None) -> Settings:
        return await self._bot.set_in_channel(channel_id, name, text)

    def personas(self) -> list[str]:
        return self._bot.personas()

    def persona_in(self, channel: ChannelRecord) -> str:
        return self._bot.persona_in(channel)

    async def status(self) -> BotStatus:
        stats = await self._bot.stats()
        day = stats["statistics"]["24h"]
        return BotStatus(
            phase=stats["phase"],
            uptime_s=stats["uptime_s"],
            model=stats["model"],
            memory_mb=stats["memory_bytes"] / 1e6,
            seen=day["seen"],
            answered=day["answered"],
            failed=day["failed"],
            errors=day["errors"],
            kept_back=day["kept_back"],
            p50_s=day["p50_s"],
            p95_s=day["p95_s"],
            latency_ms=stats["discord"].get("latency_ms"),
            queued=stats["waiting"],
        )

    async def restart(self) -> None:
        await self._bot.restart()

    async def fetch(self, channel_id: int) -> str:
        return self._errands.fetch(self._bot.platform.history(), self._told(channel_id))

    async def train(self, channel_id: int) -> str:
        return await self._errands.train(self._told(channel_id))

    def _told(self, channel_id: int) -> Told:
        """Says in a channel how an errand ended; 0: Discord did not say where it was asked for."""

        async def tell(text: str) -> None:
            if channel_id:
                await self._bot.platform.send(channel_id, text, reply_to_id=None)

        return tell

    async def botdata(self) -> BotData:
        return await asyncio.to_thread(self._botdata)

    def _botdata(self) -> BotData:
        database, platform = self._bot.database, self._bot.platform
        counts = database.message_counts()
        sets = [read_manifest(folder) for folder in self._bot.home.datasets.glob("*/")]
        newest = max((one for one in sets if one), key=lambda one: one.created_at_ms, default=None)
        return BotData(
            channels=tuple(
                ChannelCount(
                    channel.channel_id,
                    channel.name,
                    counts[channel.channel_id],
                    platform.listens_to(channel.channel_id),
                )
                for channel in database.channels()
                if counts.get(channel.channel_id)
            ),
            members=len(database.members()),
            model=self._bot.serving.keeper.name,
            model_note=self._bot.serving.returned,
            dataset_examples=sum(newest.counts.get(side, 0) for side in SIDES) if newest else None,
            dataset_made_ms=newest.created_at_ms if newest else None,
        )

    async def why(self, channel_id: int, n: int) -> list[VerdictRow]:
        rows = await asyncio.to_thread(self._bot.database.verdicts, 10 * n, channel_id)
        return [row for row in rows if row.verdict != "order"][:n]

    async def set_quiet(self, channel: ChannelRecord, until_ms: int) -> None:
        self._bot.quieten(channel.channel_id, until_ms)
        await patiently(self._bot.database.set_quiet, channel, until_ms)
        if until_ms > self.now_ms():
            await patiently(self._bot.scoring.note_quieted, channel.channel_id, self.now_ms())

    async def exclude(self, member_id: int, is_excluded: bool) -> None:
        await self._bot.exclude(member_id, is_excluded)

    async def find_members(self, text: str) -> list[MemberRecord]:
        wanted = text.casefold()
        members = await asyncio.to_thread(self._bot.database.members)
        return [
            member
            for member in members
            if wanted in (str(member.member_id), member.nickname.casefold(), member.name.casefold())
        ]

    def now_ms(self) -> int:
        return wall_clock_ms()
