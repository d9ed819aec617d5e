"""Staying connected: what is final, what is waited out, and that nothing is lost or told twice."""

from __future__ import annotations

import asyncio

import pytest
import yarl

from bot.platforms import discord_connection
from bot.platforms.discord_client import DoorClient
from bot.platforms.discord_connection import Connection
from bot.platforms.discord_errors import BadTokenError, MissingIntentError, WrongServerError
from bot.platforms.discord_guild import choose_guild_id
from bot.platforms.platform import LoginsUsedUpError
from storage.settings import Settings
from tests.bot.platforms.discord_scene import Scene, discord_scene
from tests.discord_stand_in.stand_in import StandIn, addresses


async def ended(scene: Scene) -> None:
    assert scene.task is not None
    await asyncio.wait_for(asyncio.shield(scene.task), 10)


async def test_a_bad_token_is_tried_once() -> None:
    async with discord_scene(start=False) as scene:
        scene.start("MTIz.not-it")
        with pytest.raises(BadTokenError, match="manage_token"):
            await ended(scene)
        assert len(scene.discord.requests) == 1
        scene.start("two words")
        with pytest.raises(BadTokenError):
            await ended(scene)
        assert len(scene.discord.requests) == 1
        scene.start()
        scene.discord.faults.close_gateway(4004)
        await scene.online()
        scene.discord.faults.refuse_token()
        scene.discord.faults.close_gateway(4004)
        with pytest.raises(BadTokenError):
            await ended(scene)


async def test_missing_intents_are_tried_once() -> None:
    async with discord_scene(start=False) as scene:
        scene.discord.faults.disallow_intents()
        scene.start()
        with pytest.raises(MissingIntentError, match="Message Content Intent"):
            await ended(scene)
        assert scene.identifies == 1


async def test_discord_away_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discord_connection, "FIRST_PAUSE_S", 0.2)
    async with discord_scene(start=False) as scene:
        await scene.discord.faults.down()
        scene.start()
        await scene.until(lambda: "waiting for the network" in scene.phases)
        await scene.discord.faults.up()
        await scene.online()
        said = scene.discord.world.say(
            scene.discord.world.general.id, scene.discord.world.alice.id, "hello"
        )
        await scene.message(said)


async def test_the_gateway_away_at_the_start() -> None:
    """REST answers, and the very first gateway connection fails."""
    async with StandIn() as discord:
        with addresses(discord):
            import yarl
            from discord.gateway import DiscordWebSocket

            here = DiscordWebSocket.DEFAULT_GATEWAY
            DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL("ws://127.0.0.1:9/gateway")
            scene = Scene(discord, {"discord_channel_ids": str(discord.world.general.id)})
            scene.start()
            await scene.until(lambda: "waiting for the network" in scene.phases)
            DiscordWebSocket.DEFAULT_GATEWAY = here
            await scene.online()
            await scene.end()


@pytest.mark.parametrize("fault", ["abort", "op7", "op9", "close", "down", "forgotten"])
async def test_what_is_said_meanwhile_is_told_once_and_in_order(fault: str) -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        faults = scene.discord.faults
        expected = [world.say(general, world.alice.id, f"before {i}") for i in range(3)]
        await scene.message(expected[-1])
        if fault == "abort":
            faults.abort_connections()
        elif fault == "op7":
            faults.op7()
        elif fault == "op9":
            faults.op9()
        elif fault == "close":
            faults.close_gateway(4000)
        elif fault == "forgotten":
            faults.forget_sessions()
            faults.abort_connections()
        else:
            await faults.down()
        for i in range(120):
            expected.append(world.say(general, world.bob.id, f"meanwhile {i}"))
            if i % 40 == 0:
                await asyncio.sleep(0.01)
        if fault == "down":
            await asyncio.sleep(0.2)
            await faults.up()
        await scene.until(lambda: scene.discord.connected, 15)
        for i in range(20):
            expected.append(world.say(general, world.alice.id, f"after {i}"))
            await asyncio.sleep(0.005)
        await scene.message(expected[-1])
        await scene.online()
        await asyncio.sleep(0.1)
        assert scene.ids() == expected


async def test_only_a_fresh_session_reads_back() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        route = f"GET /channels/{general}/messages"
        assert len(scene.discord.asked(route)) == 1
        scene.discord.faults.op7()
        await scene.until(lambda: scene.discord.resumes == 1)
        await scene.message(world.say(general, world.alice.id, "hello"))
        assert len(scene.discord.asked(route)) == 1
        scene.discord.faults.op9()
        await scene.until(lambda: len(scene.discord.asked(route)) == 2)
        await scene.online()
        assert "connecting" in scene.phases


async def test_a_fresh_process_goes_on_after_what_it_was_done_with() -> None:
    async with discord_scene(start=False) as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        role = world.add_role("boss", 8)
        boss = world.add_member("boss", nick="Boss", roles=[role.id])
        now_ms = world.clock_ms()
        old = [
            world.say(general, world.alice.id, f"line {i}", at_ms=now_ms - 900_000 + i * 1000)
            for i in range(250)
        ]
        last = world.say(general, boss.id, f"<@{world.bob.id}> !status", silent=True)
        world.change_member(world.bob.id, nick="Bobby")
        thread = world.add_thread(general, "branches")
        in_thread = world.say(thread.id, world.bob.id, "hello", silent=True)
        scene.cursors[general] = old[9]
        scene.start()
        told = await scene.message(last)
        await scene.message(in_thread)
        await scene.online()
    # Five seconds of overlap: what was said just before is told again, and is known to the bot.
    assert scene.ids(general) == [*old[5:], last]
    assert all(one.is_backfill for one in scene.messages())
    assert told.text == "@Bobby !status"
    assert told.author.nickname == "Boss"
    assert told.rights.value == "admin"
    assert scene.ids(thread.id) == [in_thread]


async def test_a_new_channel_begins_with_its_newest_messages() -> None:
    async with discord_scene(start=False) as scene:
        world = scene.discord.world
        old = world.fill(world.general.id, 300, 1)
        scene.start()
        await scene.until(lambda: len(scene.ids()) == 50)
    assert scene.ids() == old[-50:]


async def test_a_channel_that_cannot_be_read_holds_up_no_other() -> None:
    async with discord_scene(start=False) as scene:
        world = scene.discord.world
        both = f"{world.general.id},{world.random.id}"
        scene.settings = Settings({"discord_channel_ids": both})
        world.fill(world.general.id, 3, 1)
        other = world.fill(world.random.id, 3, 1)
        scene.discord.faults.fail(f"GET /channels/{world.general.id}/messages", 403)
        scene.discord.faults.fail(f"GET /channels/{world.random.id}/messages", 503)
        scene.start()
        await scene.until(lambda: len(scene.ids(world.random.id)) == 3)
        live = world.say(world.general.id, world.alice.id, "hello")
        await scene.message(live)
    assert scene.ids(world.general.id) == [live]
    assert scene.ids(world.random.id) == other


async def test_while_a_channel_is_read_back_its_live_messages_wait() -> None:
    async with discord_scene(start=False) as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        both = f"{general},{world.random.id}"
        scene.settings = Settings({"discord_channel_ids": both})
        old = world.fill(general, 3, 1)
        scene.discord.faults.delay(f"GET /channels/{general}/messages", 0.5)
        scene.start()
        await scene.online()
        held = world.say(general, world.alice.id, "wait")
        world.edit(held, "wait a bit")
        free = world.say(world.random.id, world.alice.id, "at once")
        await scene.message(free)
        assert scene.ids(general) == []
        await scene.message(held)
        await asyncio.sleep(0.05)
    assert scene.ids(general) == [*old, held]
    assert len(scene.told) == len(old) + 3  # the edit and the other channel's


async def test_a_second_session_while_the_first_is_read_back() -> None:
    async with discord_scene(start=False) as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        old = world.fill(general, 3, 1)
        scene.discord.faults.delay(f"GET /channels/{general}/messages", 0.4, times=1)
        scene.start()
        await scene.online()
        scene.discord.faults.op9()
        await asyncio.sleep(0.01)
        missed = world.say(general, world.alice.id, "in between")
        await scene.message(missed)
        live = world.say(general, world.alice.id, "live")
        await scene.message(live)
    assert scene.ids() == [*old, missed, live]


async def test_too_many_logins_are_waited_out() -> None:
    async with discord_scene(start=False) as scene:
        scene.identify_errors.append(LoginsUsedUpError(100, 1.0))
        scene.start()
        await scene.until(lambda: "waiting: too many logins today" in scene.phases)
        await scene.online()
        assert scene.identifies == 2
        assert scene.discord.identifies == 1


async def test_which_server() -> None:
    async with discord_scene(start=False) as scene:
        world = scene.discord.world
        second = world.add_guild("Elsewhere", world.add_user("dave"))
        scene.settings = Settings({})
        scene.start()
        with pytest.raises(WrongServerError, match=r"several servers: The Nest \(\d+\), Elsewhere"):
            await ended(scene)
        scene.settings = Settings(scene.values | {"discord_server_id": "4242424242"})
        scene.start()
        with pytest.raises(WrongServerError, match="not on the server 4242424242"):
            await ended(scene)
        scene.settings = Settings(scene.values | {"discord_server_id": str(world.guild.id)})
        other = world.add_channel("main", guild=second)
        scene.start()
        await scene.online()
        world.say(other.id, second.owner_id, "!status")
        said = world.say(world.general.id, world.alice.id, "hello")
        await scene.message(said)
        assert scene.ids() == [said]


def test_the_server_that_it_lives_on_stays_whoever_invites_it_elsewhere() -> None:
    guilds = {7: "The Nest", 8: "Elsewhere"}
    assert choose_guild_id(guilds, Settings({}), 7) == 7
    assert choose_guild_id(guilds, Settings({"discord_server_id": "8"}), 7) == 8
    with pytest.raises(WrongServerError):
        choose_guild_id(guilds, Settings({}), 9)


async def test_invited_later_and_thrown_out() -> None:
    async with discord_scene(start=False) as scene:
        world = scene.discord.world
        world.remove_guild(world.guild.id)
        scene.start()
        await scene.until(lambda: "waiting for an invitation" in scene.phases)
        guild = world.add_guild("New Nest", world.add_user("dave"))
        await scene.online()
        channel = world.add_channel("main", guild=guild)
        scene.settings = Settings({"discord_channel_ids": str(channel.id)})
        said = world.say(channel.id, guild.owner_id, "hello")
        await scene.message(said)
        world.remove_guild(guild.id)
        await scene.until(lambda: scene.phases[-1] == "waiting for an invitation")


async def test_an_outage_of_the_server_is_waited_for() -> None:
    async with discord_scene() as scene:
        world = scene.discord.world
        world.remove_guild(world.guild.id, outage=True)
        await asyncio.sleep(0.05)
        said = world.say(world.general.id, world.alice.id, "nobody heard", silent=True)
        scene.discord.faults.op9()
        await scene.until(lambda: scene.discord.identifies == 2)
        await asyncio.sleep(0.3)
        world.guild.unavailable = False
        from tests.discord_stand_in import payloads
        from tests.discord_stand_in.events import Intent

        world.tell(
            "GUILD_CREATE", Intent.GUILDS, lambda s: payloads.guild_create_json(world, world.guild)
        )
        await scene.message(said)


async def test_a_pause_ends_when_the_clock_on_the_wall_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A laptop that slept wakes up in the middle of a long pause."""
    monkeypatch.setattr(discord_connection, "FIRST_PAUSE_S", 100.0)
    async with discord_scene() as scene:
        await scene.discord.faults.down()
        await scene.until(lambda: scene.phases[-1] == "waiting for the network")
        await scene.discord.faults.up()
        await asyncio.sleep(0.2)
        assert scene.phases[-1] == "waiting for the network"
        scene.later_ms = 3_600_000
        await scene.online(3)
        assert (scene.identifies, scene.discord.resumes) == (1, 1)


async def test_pauses_grow_and_begin_anew_once_it_went_well() -> None:
    phases: list[str] = []
    now_ms = 0
    slept: list[int] = []

    def look() -> int:
        """Time flies: every look at the clock is a quarter of a second later."""
        nonlocal now_ms
        now_ms += 250
        return now_ms

    def make() -> DoorClient:
        raise AssertionError("not needed")

    connection = Connection(make, phases.append, now_ms=look, look_every_s=0.0)
    connection._ended = asyncio.get_running_loop().create_future()

    async def fail() -> int:
        began_ms = now_ms
        failures = await connection._lost(False)
        slept.append((now_ms - began_ms) // 1000)
        return failures

    assert [await fail() for _ in range(12)] == list(range(1, 13))
    assert slept[0] == 0
    assert slept[:10] == sorted(slept[:10])
    assert all(225 <= pause_s <= 302 for pause_s in slept[10:])
    connection.went_up()
    connection.set_phase("online")
    slept.clear()
    assert await fail() == 1
    assert await fail() == 2
    assert slept[0] == 0
    assert slept[1] <= 2
    assert await connection._lost(True) == 2  # only a fresh session: no pause, no failure
    lost = ["connecting", "waiting for the network"]
    assert phases == [*lost, "online", *lost]


async def test_a_session_is_given_up_after_some_failures() -> None:
    """The old session's own gateway may be what is out of reach."""
    async with discord_scene() as scene:
        client = scene.platform._connection.client
        assert client is not None
        client.ws.gateway = yarl.URL("ws://127.0.0.1:9/gateway")
        scene.platform._connection._failures = 3
        scene.discord.faults.abort_connections()
        await scene.until(lambda: scene.identifies == 2)
        await scene.online()


async def test_closing_while_waiting_for_the_network() -> None:
    async with discord_scene(start=False) as scene:
        await scene.discord.faults.down()
        scene.start()
        await scene.until(lambda: "waiting for the network" in scene.phases)
        await asyncio.wait_for(scene.platform.close(), 2)
        await ended(scene)
