"""The history over REST, as a source for the fetcher; and the same records as live."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.platforms.discord_errors import BadTokenError, UnreachableError
from bot.platforms.discord_history import DiscordHistory
from data.fetcher import ChannelClosedError, fetch_history
from storage.database import Database
from storage.settings import Settings
from tests.bot.platforms.discord_scene import discord_scene
from tests.discord_stand_in.stand_in import StandIn, addresses
from tests.discord_stand_in.things import Allow, ChannelKind


def settings_of(*channel_ids: int) -> Settings:
    return Settings({"discord_channel_ids": ",".join(map(str, channel_ids))})


async def test_channels_and_pages_without_a_gateway() -> None:
    async with StandIn() as discord:
        world = discord.world
        world.add_channel("voices", kind=ChannelKind.VOICE)
        thread = world.add_thread(world.general.id, "branches")
        old = world.add_thread(world.general.id, "leaves")
        world.archive_thread(old.id)
        ids = world.fill(world.general.id, 250, 1)
        world.change_member(world.alice.id, nick="Ali")
        joined = world.say(world.general.id, world.bob.id, "", type=7)
        said = world.say(world.general.id, world.bob.id, f"<@{world.alice.id}> in <#{old.id}>")
        with addresses(discord):
            async with DiscordHistory.login(discord.token, settings_of(world.general.id)) as source:
                seen = [one.channel for one in await source.channels()]
                channels = {channel.channel_id: channel for channel in seen}
                first = await source.page(world.general.id, 0, 100)
                second = await source.page(world.general.id, first.messages[-1].message_id, 100)
                third = await source.page(world.general.id, second.messages[-1].message_id, 100)
                none = await source.page(world.general.id, said, 100)
        assert {channels[place].parent_id for place in (thread.id, old.id)} == {world.general.id}
        assert {"general", "random", "voices"} <= {one.name for one in channels.values()}
        assert channels[world.general.id].guild_name == "The Nest"
        pages = (first, second, third)
        assert [m.message_id for page in pages for m in page.messages] == [*ids, joined, said]
        assert third.messages[-1].content == "@Ali in #leaves"
        nicks = {one.member_id: one.nickname for page in pages for one in page.members}
        assert nicks == {world.alice.id: "Ali", world.bob.id: "bob", world.carol.id: "carol"}
        assert none.messages == []
        assert discord.identifies == 0
        assert discord.violations == []


async def test_a_closed_channel_says_what_would_open_it() -> None:
    async with discord_scene() as scene:
        world = scene.discord.world
        world.deny(world.random.id, Allow.READ_MESSAGE_HISTORY)
        world.deny(world.general.id, Allow.VIEW_CHANNEL)
        source = scene.platform.history()
        thread = world.add_thread(world.random.id, "twigs")
        for channel_id in (world.general.id, world.random.id, thread.id):
            with pytest.raises(ChannelClosedError, match="Read Message History"):
                await source.page(channel_id, 0, 100)
        with pytest.raises(ChannelClosedError, match="none that the bot can see"):
            await source.page(4242, 0, 100)


async def test_what_passes_is_waited_out() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        ids = world.fill(general, 5, 1)
        source = scene.platform.history()
        route = f"GET /channels/{general}/messages"
        scene.discord.faults.fail(route, 503)
        scene.discord.faults.rate_limit(route, 1, 0.1)
        scene.discord.faults.drop(route)
        page = await source.page(general, 0, 100)
        assert [one.message_id for one in page.messages] == ids
        assert [one.status for one in scene.discord.asked(route)[1:]] == [503, 429, 0, 200]


async def test_discord_stays_away() -> None:
    source = DiscordHistory(lambda: None, Settings(), patience_s=0.0)
    with pytest.raises(UnreachableError, match="try again later"):
        await source.channels()


async def test_a_bad_token() -> None:
    async with StandIn() as discord:
        with addresses(discord), pytest.raises(BadTokenError):
            async with DiscordHistory.login("MTIz.no", Settings()):
                raise AssertionError("logged in")


async def test_live_and_fetched_are_the_same(tmp_path: Path) -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        world.change_member(world.bob.id, nick="Bobby")
        first = world.say(general, world.alice.id, f"<@{world.bob.id}> :) <@{world.bot_id}>")
        world.say(general, world.bob.id, "yes", reply_to=first)
        world.say(general, world.alice.id, forward_of=first)
        last = world.say(general, world.new_id(), "built", webhook_name="ci")
        await scene.message(last)
        source = scene.platform.history()
        page = await source.page(general, 0, 100)
        live = scene.messages()
        assert list(page.messages) == [one.record for one in live]
        assert set(page.members) == {replace(one.author) for one in live}
        with Database.open(tmp_path / "mynah.db") as database:
            report = await fetch_history(source, database, channels=[general])
            assert report.new == 4
