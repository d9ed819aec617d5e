"""Reading back, against a channel of plain values: nothing lost, doubled or out of order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import pytest

from bot.messages import Deleted, Happening, IncomingMessage
from bot.platforms import discord_catch_up
from bot.platforms.discord_catch_up import FIRST_MESSAGES, OVERLAP, PAGE_MESSAGES, CatchUp
from storage.errors import MynahError
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin

CHANNEL = 5
SECOND = 1000 << 22


def message(message_id: int, channel_id: int = CHANNEL) -> IncomingMessage:
    record = MessageRecord(message_id, channel_id, 1, "x", 0, Origin.DISCORD_API)
    return IncomingMessage(
        record, MemberRecord(1, "a", "a"), ChannelRecord(channel_id, 9, "g", "c")
    )


class History:
    """What REST would give. `before_page` is awaited before, `errors` are raised first."""

    def __init__(self, ids: Sequence[int] = ()) -> None:
        self.ids = list(ids)
        self.stored: int | None = None
        self.errors: list[Exception] = []
        self.before_page: Callable[[], Awaitable[None]] | None = None
        self.asked: list[int | None] = []
        self.told: list[Happening] = []
        self.catch_up = CatchUp(
            read_page=self.page, read_until=self.until, tell=self.told.append, sleep=self.sleep
        )

    async def page(self, channel_id: int, after: int | None) -> list[IncomingMessage]:
        self.asked.append(after)
        if self.errors:
            raise self.errors.pop(0)
        if after is None:
            ids = self.ids[-FIRST_MESSAGES:]
        else:
            ids = [one for one in self.ids if one > after][:PAGE_MESSAGES]
        if self.before_page is not None:
            await self.before_page()
        return [message(one, channel_id) for one in ids]

    async def until(self, channel_id: int) -> int | None:
        return self.stored

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    async def settled(self) -> None:
        for _ in range(2000):
            await asyncio.sleep(0)
            if not self.catch_up.behind:
                return
        raise AssertionError("still behind")

    @property
    def told_ids(self) -> list[int]:
        return [one.message_id for one in self.told if isinstance(one, IncomingMessage)]


def seconds(*numbers: int) -> list[int]:
    return [(100 + number) * SECOND for number in numbers]


async def test_pages_then_what_waited() -> None:
    history = History(seconds(*range(350)))
    history.stored = seconds(20)[0]
    catch_up = history.catch_up
    catch_up.take(CHANNEL, message(seconds(19)[0]))
    catch_up.hold_all()
    live = message(seconds(350)[0])
    history.ids.append(live.message_id)
    catch_up.take(CHANNEL, live)
    gone = Deleted(CHANNEL, (1,), 0)
    catch_up.take(CHANNEL, gone)
    later = message(seconds(360)[0])
    catch_up.take(CHANNEL, later)
    assert history.told_ids == seconds(19)
    catch_up.start([CHANNEL])
    await history.settled()
    assert history.asked == [seconds(20)[0] - OVERLAP, *seconds(115, 215, 315)]
    read_back = [*seconds(16, 17, 18), *seconds(*range(20, 351))]
    assert history.told_ids == [*seconds(19), *read_back, later.message_id]
    assert history.told[-2:] == [gone, later]
    catch_up.take(CHANNEL, live)  # known already
    assert history.told[-1] == later


async def test_what_was_told_here_counts_more_than_what_is_stored() -> None:
    history = History(seconds(*range(50)))
    history.stored = seconds(3)[0]
    for one in seconds(*range(30)):
        history.catch_up.take(CHANNEL, message(one))
    history.catch_up.hold_all()
    history.catch_up.start([CHANNEL])
    await history.settled()
    assert history.asked == [seconds(29)[0] - OVERLAP]
    assert history.told_ids == seconds(*range(50))


async def test_what_passes_is_tried_again_and_what_does_not_is_given_up() -> None:
    history = History(seconds(1, 2))
    history.stored = 0
    history.errors = [ConnectionError(), MynahError("busy"), asyncio.TimeoutError()]
    history.catch_up.start([CHANNEL])
    await history.settled()
    assert history.told_ids == seconds(1, 2)
    history.errors = [LookupError()]
    history.ids += seconds(3)
    history.catch_up.hold_all()
    history.catch_up.take(CHANNEL, message(seconds(4)[0]))
    history.catch_up.start([CHANNEL])
    await history.settled()
    assert history.told_ids == seconds(1, 2, 4)


async def test_another_session_in_the_middle_makes_one_more_round() -> None:
    history = History(seconds(*range(20)))
    history.stored = 0

    async def once() -> None:
        """The page was made already; then the connection breaks, and this is said."""
        history.before_page = None
        history.catch_up.hold_all()
        history.ids += seconds(20)
        history.catch_up.start([CHANNEL])

    history.before_page = once
    history.catch_up.start([CHANNEL])
    await history.settled()
    assert history.told_ids == seconds(*range(21))
    assert len(history.asked) == 2


async def test_too_much_to_hold_is_read_back_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discord_catch_up, "HELD_AT_MOST", 50)
    history = History(seconds(*range(10)))
    history.stored = 0
    late = seconds(*range(10, 150))

    async def once() -> None:
        history.before_page = None
        for one in late:
            history.ids.append(one)
            history.catch_up.take(CHANNEL, message(one))
        history.catch_up.take(CHANNEL, Deleted(CHANNEL, (1,), 0))
        assert len(history.catch_up._held[CHANNEL].waiting) <= 50

    history.before_page = once
    history.catch_up.start([CHANNEL])
    await history.settled()
    assert history.told_ids == seconds(*range(150))
    assert isinstance(history.told[-1], Deleted)


@pytest.mark.parametrize("held_at_most", [5000, 40])
async def test_a_new_channel_that_is_slow_to_be_read(
    held_at_most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More is said before its first page comes than that page holds."""
    monkeypatch.setattr(discord_catch_up, "HELD_AT_MOST", held_at_most)
    history = History(seconds(*range(10)))
    late = seconds(*range(10, 10 + 3 * FIRST_MESSAGES))
    history.errors = [ConnectionError()]
    history.catch_up.start([CHANNEL])
    for one in late:
        history.ids.append(one)
        history.catch_up.take(CHANNEL, message(one))
    await history.settled()
    assert history.told_ids == late


async def test_channels_that_are_not_read_back_are_let_go() -> None:
    history = History()
    history.catch_up.hold_all()
    history.catch_up.take(7, message(1, 7))
    assert history.told == []
    history.catch_up.start([CHANNEL])
    assert history.told_ids == [1]
    await history.settled()


async def test_closing_tells_nothing_more() -> None:
    history = History(seconds(1))
    history.before_page = lambda: asyncio.sleep(60)
    history.catch_up.start([CHANNEL])
    history.catch_up.take(CHANNEL, message(seconds(2)[0]))
    await asyncio.sleep(0)
    await history.catch_up.close()
    assert (history.told, history.catch_up.behind) == ([], 0)


@pytest.mark.parametrize("seed", range(30))
async def test_any_order_of_events(seed: int) -> None:
    """Messages come while sessions break at random: each once, and in the order of its channel."""
    chance = random.Random(seed)
    history = History()
    history.stored = chance.choice([0, None])
    listening = True
    said: list[int] = []
    history.errors = [ConnectionError()] * chance.randrange(6)
    history.catch_up.hold_all()
    history.catch_up.start([CHANNEL])

    async def slow() -> None:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)

    history.before_page = slow
    for number in range(600):
        said.append(seconds(number)[0])
        history.ids.append(said[-1])
        if listening:
            history.catch_up.take(CHANNEL, message(said[-1]))
        if chance.random() < 0.05:
            listening = False
            if chance.random() < 0.2:
                history.errors.append(ConnectionError())
        elif not listening and chance.random() < 0.3:
            listening = True
            history.catch_up.hold_all()
            if chance.random() < 0.8:
                history.catch_up.start([CHANNEL])
        await asyncio.sleep(0)
    history.catch_up.hold_all()
    history.catch_up.start([CHANNEL])
    await history.settled()
    assert history.told_ids == said
