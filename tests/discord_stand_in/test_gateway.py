"""How the stand-in's gateway loses, resumes, refuses and forgets clients."""

import asyncio
import contextlib

import aiohttp
import discord
import pytest

from tests.discord_stand_in.listener import Listener, listening
from tests.discord_stand_in.stand_in import StandIn

BREAKS = {
    "abort": lambda faults: faults.abort_connections(),
    "op7": lambda faults: faults.op7(),
    "op9 resumable": lambda faults: faults.op9(resumable=True),
    "close 4000": lambda faults: faults.close_gateway(4000),
    "close 4009": lambda faults: faults.close_gateway(4009),
}


@pytest.mark.parametrize("how", list(BREAKS))
async def test_a_session_is_resumed_with_what_was_said_meanwhile(discord_server: StandIn, how: str):
    world = discord_server.world
    async with listening(discord_server) as client:
        world.say(world.general.id, world.alice.id, "before")
        await client.hear_text("before")
        BREAKS[how](discord_server.faults)
        world.say(world.general.id, world.alice.id, "meanwhile")
        await client.hear("resumed")
        world.say(world.general.id, world.alice.id, "after")
        await client.hear_text("after")
        assert client.texts() == ["before", "meanwhile", "after"]
    assert (discord_server.identifies, discord_server.resumes) == (1, 1)


async def test_op_9_and_forgotten_sessions_lead_to_a_new_one(discord_server: StandIn):
    world, faults = discord_server.world, discord_server.faults
    async with listening(discord_server) as client:
        faults.op9()
        world.say(world.general.id, world.alice.id, "lost")
        await discord_server.wait_until(lambda: discord_server.identifies == 2)
        faults.forget_sessions()
        faults.abort_connections()
        await discord_server.wait_until(lambda: discord_server.identifies == 3)
        faults.invalidate_identifies(1)
        faults.op9()
        await discord_server.wait_until(lambda: discord_server.identifies == 4)
        world.say(world.general.id, world.alice.id, "found")
        await client.hear_text("found")
        assert client.texts() == ["found"]
    assert discord_server.resumes == 0


async def test_heartbeats_are_answered_and_a_dumb_connection_is_left(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server, heartbeat_timeout=0.8) as client:
        await discord_server.wait_until(lambda: discord_server.heartbeats >= 3)
        assert 0 < client.latency < 1
        discord_server.faults.zombie()
        world.say(world.general.id, world.alice.id, "anybody?")
        await client.hear_text("anybody?")
    assert discord_server.resumes == 1
    assert discord_server.identifies == 1


async def test_down_and_up_again_on_the_same_port(discord_server: StandIn):
    world, port = discord_server.world, discord_server.port
    async with listening(discord_server) as client:
        await discord_server.down()
        with pytest.raises(aiohttp.ClientError):
            await client.get_channel(world.general.id).send("nobody there")
        world.say(world.general.id, world.alice.id, "in the dark")
        await discord_server.up()
        assert discord_server.port == port
        await client.hear_text("in the dark")
        await client.get_channel(world.general.id).send("back")
    assert discord_server.resumes == 1


async def test_a_bad_token_is_refused_everywhere(discord_server: StandIn):
    async with Listener() as client:
        with pytest.raises(discord.LoginFailure):
            await client.start("not.the.token")
    async with listening(discord_server) as client:
        discord_server.faults.refuse_token()
        discord_server.faults.close_gateway(4000)
        assert client.running is not None
        with pytest.raises(discord.ConnectionClosed) as caught:
            await client.running
        assert caught.value.code == 4004


async def test_disallowed_intents_are_refused(discord_server: StandIn):
    discord_server.faults.disallow_intents()
    async with Listener() as client:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await client.start(discord_server.token)
    assert discord_server.close_codes == [4014]
    async with listening(discord_server, intents=discord.Intents.none()) as client:
        assert not client.application.flags.gateway_message_content_limited


async def test_servers_leave(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        other = world.add_guild("Elsewhere", world.carol.user)
        assert (await client.hear("guild_join")).id == other.id
        world.remove_guild(other.id)
        assert (await client.hear("guild_remove")).id == other.id


async def test_a_burst_arrives_whole_and_in_order(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        for number in range(2_000):
            world.say(world.general.id, world.alice.id, str(number))
            if number % 500 == 250:
                discord_server.faults.abort_connections()
                await asyncio.sleep(0.02)
        await client.hear_text("1999")
        assert client.texts() == [str(number) for number in range(2_000)]


async def told(stand_in: StandIn, *sent: dict[str, object]) -> tuple[list[int], int | None]:
    """The ops that a bare client is told without compression, and the code it is closed with."""
    seen: list[int] = []
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{stand_in.gateway_url}?v=10&encoding=json") as socket,
    ):
        for one in sent:
            await socket.send_json(one)
        with contextlib.suppress(asyncio.TimeoutError):
            while (message := await socket.receive(timeout=0.2)).type is aiohttp.WSMsgType.TEXT:
                seen.append(message.json()["op"])
        return seen, socket.close_code


async def test_plain_json_and_the_rules_of_the_gateway(discord_server: StandIn):
    identify = {"op": 2, "d": {"token": discord_server.token, "intents": 1, "properties": {}}}
    assert await told(discord_server, {"op": 1, "d": None}) == ([10, 11], 1006)
    assert (await told(discord_server, identify))[0] == [10, 0, 0]
    assert (await told(discord_server, {"op": 8, "d": {"guild_id": "1"}}))[1] == 4003
    assert (await told(discord_server, identify, identify))[1] == 4005
    assert (await told(discord_server, identify, {"op": 42}))[1] == 4001
