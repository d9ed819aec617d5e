"""Rate limits, errors and cut connections, as a real discord.py client meets them."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import aiohttp
import discord
import pytest

from tests.discord_stand_in.faults import pattern_of
from tests.discord_stand_in.listener import listening
from tests.discord_stand_in.stand_in import StandIn, StandInThread

POST = "POST /channels/*/messages"


def test_routes_are_written_with_stars():
    assert pattern_of(POST).fullmatch("POST /channels/1/messages")
    assert not pattern_of(POST).fullmatch("POST /channels/1/messages/2")
    assert pattern_of("/channels/{channel_id}/messages").fullmatch("GET /channels/1/messages")
    assert pattern_of("GET /channels/**").fullmatch("GET /channels/1/messages/2")
    assert pattern_of("*").fullmatch("PUT /anything/at/all")


async def test_429_of_a_route_is_waited_for(discord_server: StandIn):
    world = discord_server.world
    rule = discord_server.faults.rate_limit(POST, times=2, retry_after_s=0.2)
    async with listening(discord_server) as client:
        begun_s = time.monotonic()
        await client.get_channel(world.general.id).send("at last")
        assert time.monotonic() - begun_s >= 0.4
    assert [one.status for one in discord_server.asked(POST)] == [429, 429, 200]
    assert rule.met == 2
    assert len(discord_server.posts()) == 1


async def test_a_global_429_holds_everything_up(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        discord_server.faults.rate_limit(POST, retry_after_s=0.3, global_=True)
        sending = client.loop.create_task(client.get_channel(world.general.id).send("one"))
        await discord_server.wait_until(lambda: discord_server.asked(POST))
        begun_s = time.monotonic()
        await client.get_channel(world.random.id).send("two")
        await sending
        assert time.monotonic() - begun_s >= 0.25


async def test_real_limits_are_kept_to_and_enforced(discord_server: StandIn):
    world = discord_server.world
    route = ("POST", "/channels/{channel_id}/messages")
    assert discord_server.faults.limits[route] == (5, 5.0)
    discord_server.faults.limits[route] = (3, 0.5)
    world.real_limits = True
    async with listening(discord_server) as client:
        begun_s = time.monotonic()
        for number in range(7):
            await client.get_channel(world.general.id).send(str(number))
        assert 0.9 < time.monotonic() - begun_s < 5
        assert {one.status for one in discord_server.asked(POST)} == {200}
    headers = {"Authorization": f"Bot {discord_server.token}"}
    url = f"{discord_server.api_url}/channels/{world.random.id}/messages"
    async with aiohttp.ClientSession(headers=headers) as session:
        answers = [await session.post(url, json={"content": "hasty"}) for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert [one.headers["X-RateLimit-Remaining"] for one in answers] == ["2", "1", "0", "0"]
        refusal = await answers[3].json()
        assert 0 < refusal["retry_after"] <= 0.5
        assert answers[3].headers["Via"]


async def test_5xx_is_tried_again_and_the_nonce_keeps_it_single(discord_server: StandIn):
    world, faults = discord_server.world, discord_server.faults
    async with listening(discord_server) as client:
        channel = client.get_channel(world.general.id)
        faults.fail(POST, 502, after_effect=True)
        sent = await channel.send("once")
        assert [one.status for one in discord_server.asked(POST)] == [502, 200]
        assert [post.id for post in discord_server.posts()] == [sent.id]
        faults.fail(POST, 503)
        with pytest.raises(discord.DiscordServerError):
            await channel.send("never")
        assert len(discord_server.posts()) == 1


async def test_a_cut_post_may_have_been_carried_out(discord_server: StandIn):
    world, faults = discord_server.world, discord_server.faults
    async with listening(discord_server) as client:
        channel = client.get_channel(world.general.id)
        for after_effect in (True, False):
            faults.drop(POST, after_effect=after_effect)
            with pytest.raises(aiohttp.ClientError):
                await channel.send(f"after effect: {after_effect}", nonce=f"mine-{after_effect}")
        assert [post.content for post in discord_server.posts()] == ["after effect: True"]
        again = await channel.send("after effect: True", nonce="mine-True")
        assert [post.id for post in discord_server.posts()] == [again.id]
        other = await channel.send("another", nonce="mine-2")
        assert other.id != again.id


async def test_an_answer_can_be_late(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        discord_server.faults.delay("GET /channels/*/messages", 0.3, times=1)
        begun_s = time.monotonic()
        assert [m async for m in client.get_channel(world.general.id).history()] == []
        assert time.monotonic() - begun_s >= 0.3


async def test_what_discord_does_not_take_is_refused_and_noted(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        channel = client.get_channel(world.general.id)
        with pytest.raises(discord.HTTPException) as caught:
            await channel.send("x" * 2_001)
        assert caught.value.code == 50035
        with pytest.raises(discord.HTTPException) as caught:
            await channel.send("  ")
        assert caught.value.code == 50006
        assert [violation[:30] for violation in discord_server.violations] == [
            "request POST /channels/{channe"
        ] * 2
        discord_server.violations.clear()
        await channel.send("x" * 2_000)
        gone = world.say(channel.id, world.bob.id, "soon gone")
        message = await client.hear_text("soon gone")
        world.delete(gone)
        with pytest.raises(discord.HTTPException):
            await message.reply("too late")


CHILD = """
import os, sys, discord, yarl
from discord.gateway import DiscordWebSocket
discord.http.Route.BASE = os.environ["MYNAH_DISCORD_API"]
DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["MYNAH_DISCORD_GATEWAY"])

class Echo(discord.Client):
    async def on_message(self, message):
        if message.author != self.user:
            await message.channel.send(message.content.upper())

Echo(intents=discord.Intents(guilds=True, guild_messages=True, message_content=True)).run(
    sys.stdin.readline(), log_handler=None
)
"""


def test_a_bot_of_another_process_talks_to_the_thread():
    with StandInThread(check_every=2) as discord_server, _child(discord_server):
        discord_server.wait_for_connection(20)
        world = discord_server.world
        world.say(world.general.id, world.alice.id, "hello")
        assert discord_server.wait_for_post(1).content == "HELLO"
        discord_server.faults.abort_connections()
        inner = discord_server.inner.world
        bob_id, channel_id = world.bob.id, world.general.id
        ids = discord_server.call(lambda: [inner.say(channel_id, bob_id, word) for word in "ab"])
        assert ids == sorted(ids)
        assert discord_server.wait_for_post(3).content == "B"
        discord_server.down()
        discord_server.up()
        discord_server.wait_until(lambda: discord_server.inner.resumes == 2)
        assert discord_server.violations == []


@contextlib.contextmanager
def _child(discord_server: StandInThread) -> Iterator[None]:
    environment = {
        **os.environ,
        "MYNAH_DISCORD_API": discord_server.api_url,
        "MYNAH_DISCORD_GATEWAY": discord_server.gateway_url,
    }
    command = [sys.executable, "-c", CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, env=environment) as child:
        try:
            assert child.stdin is not None
            child.stdin.write(f"{discord_server.token}\n")
            child.stdin.flush()
            yield
        finally:
            child.kill()
