"""bot/order_desk.py: an order goes no further, is done once, and it is said how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.commands import Order
from bot.errands import Errands
from bot.messages import Happening, IncomingMessage, Rights
from bot.order_desk import OrderDesk
from bot.platforms.platform import Accepted, wall_clock_ms
from storage.database import Database
from storage.paths import Home
from storage.records import ChannelRecord
from storage.settings import Settings
from tests.bot.scene import GUILD_ID, MIRA, OWN_ID, START_MS, TAVERN, incoming
from tests.bot.unwritable import unwritable

FORUM = ChannelRecord(777, GUILD_ID, "The Lantern", "a new thread", parent_id=500)


class Place:
    """A platform that listens to the tavern, and keeps what is sent."""

    own_id = OWN_ID

    def __init__(self) -> None:
        self.sent: list[tuple[int, str]] = []

    def listens_to(self, channel_id: int) -> bool:
        return channel_id == TAVERN.channel_id

    async def send(self, channel_id: int, text: str, *, reply_to_id: int | None) -> Accepted:
        self.sent.append((channel_id, text))
        return Accepted(10_000 + len(self.sent), START_MS)

    def history(self) -> None:
        return None


class Bot:
    """What a desk has of its bot; the database is a real one."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.platform = Place()
        self.intake = self.pipeline = self
        self.settings = Settings({"discord_channel_ids": "500"})
        self.told: list[Happening] = []
        self.quiet: dict[int, int] = {}
        self.tasks: list[asyncio.Task[None]] = []

    def tell(self, happening: Happening) -> None:
        self.told.append(happening)

    def quieten(self, channel_id: int, until_ms: int) -> None:
        self.quiet[channel_id] = until_ms

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.create_task(work))

    async def done(self) -> list[tuple[int, str]]:
        await asyncio.gather(*self.tasks)
        return self.platform.sent


@pytest.fixture
def bot(database: Database) -> Bot:
    return Bot(database)


@pytest.fixture
def desk(bot: Bot, tmp_path: Path) -> OrderDesk:
    errands = Errands(Home(tmp_path / "home"), bot.database, lambda: bot.settings)
    return OrderDesk(bot, errands)  # type: ignore[arg-type]


def said(
    text: str,
    *,
    rights: Rights = Rights.ADMIN,
    age_s: float = 1,
    channel: ChannelRecord = TAVERN,
    backfill: bool = False,
) -> IncomingMessage:
    message = incoming(text, author=MIRA, channel=channel)
    record = replace(message.record, created_at_ms=wall_clock_ms() - int(age_s * 1000))
    return replace(message, record=record, rights=rights, is_backfill=backfill)


@pytest.mark.parametrize("text", ["!exclude bob", "!help", "!restart", "!setrate 7"])
async def test_an_old_order_is_neither_done_nor_talk(bot: Bot, desk: OrderDesk, text: str) -> None:
    desk.tell(said(text, age_s=3600, backfill=True))
    assert await bot.done() == []
    assert bot.told == []
    assert bot.database.verdicts(9) == []


async def test_talk_goes_on_where_it_is_listened_to(bot: Bot, desk: OrderDesk) -> None:
    talk = [said("hello"), said("!setrate 1", rights=Rights.MEMBER), said("!roll 2d6")]
    for message in (*talk, said("elsewhere", channel=FORUM)):
        desk.tell(message)
    assert bot.told == talk


async def test_an_order_is_carried_out_once(bot: Bot, desk: OrderDesk) -> None:
    for _ in range(3):
        desk.tell(said("!quiet 1h"))
    sent = await bot.done()
    assert [channel_id for channel_id, _ in sent] == [TAVERN.channel_id]
    assert [(r.verdict, r.reason) for r in bot.database.verdicts(9)] == [("order", "quiet")]


async def test_it_waits_for_a_database_that_cannot_be_written(
    bot: Bot, desk: OrderDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.patience.RETRY_S", 0.05)
    with unwritable(bot.database):
        desk.tell(said("!quiet 1h"))
        await asyncio.sleep(0.3)
        assert bot.platform.sent == []
    assert len(await bot.done()) == 1
    assert bot.database.quiet_until(TAVERN.channel_id) > wall_clock_ms()


@pytest.mark.parametrize("is_slash", [False, True])
async def test_a_channel_that_nobody_spoke_in_is_left_in_peace(
    bot: Bot, desk: OrderDesk, is_slash: bool
) -> None:
    if is_slash:
        await desk.orders.carry_out(slash(desk, "quiet", "1h"))
    else:
        desk.tell(said("!quiet 1h", channel=FORUM))
        await bot.done()
    until_ms = bot.quiet[FORUM.channel_id]
    assert bot.database.quiet_until(FORUM.channel_id) == until_ms > wall_clock_ms()
    assert bot.database.channel(FORUM.channel_id) == (
        ChannelRecord(777, GUILD_ID, "", "") if is_slash else FORUM
    )


async def test_how_an_errand_of_a_slash_command_ended_is_said_where_it_was_given(
    bot: Bot, desk: OrderDesk
) -> None:
    """Fetching fails here for want of a source: that is said, too."""
    answer = await desk.orders.carry_out(slash(desk, "fetch"))
    assert answer.text.startswith("Fetching the history of 1 channel")
    for _ in range(200):
        await asyncio.sleep(0.01)
        if bot.platform.sent:
            break
    [(channel_id, text)] = bot.platform.sent
    assert channel_id == FORUM.channel_id
    assert text.startswith("Fetching ended early")


def slash(desk: OrderDesk, name: str, argument: object = None) -> Order:
    order = desk.orders.slash_order(
        name,
        argument,
        channel_id=FORUM.channel_id,
        guild_id=GUILD_ID,
        member_id=MIRA.member_id,
        rights=Rights.ADMIN,
    )
    assert order is not None
    return order
