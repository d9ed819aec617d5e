"""Sending over Discord's own protocol: once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import time

import pytest

from bot.platforms.discord_sending import Sender
from bot.platforms.platform import DeliveryError
from tests.bot.platforms.discord_scene import discord_scene
from tests.discord_stand_in.things import Allow

POST = "POST /channels/*/messages"


async def test_an_answer_pings_the_asker_alone() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        emoji = world.add_emoji("pog")
        asked = world.say(general, world.alice.id, "hello?")
        await scene.message(asked)
        text = f"@everyone <@{world.bob.id}> yes :pog:"
        sent = await scene.platform.send(general, text, reply_to_id=asked)
        [post] = scene.discord.posts(general)
        body = scene.discord.asked(POST)[0].json
    assert post.id == sent.message_id
    assert post.at_ms == sent.sent_at_ms
    assert post.reply_to == asked
    assert post.mentions == [world.alice.id]
    assert not post.mention_everyone
    assert post.content == f"@everyone <@{world.bob.id}> yes <:pog:{emoji.id}>"
    assert body["nonce"] == str(asked)
    assert body["enforce_nonce"] is True
    assert body["message_reference"]["fail_if_not_exists"] is False


@pytest.mark.parametrize("fault", [503, 502, 0])
@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_message_is_posted_once(fault: int, after_effect: bool) -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        asked = world.say(general, world.alice.id, "hello?")
        scene.discord.faults.fail(POST, fault, 2 if fault != 502 else 1, after_effect=after_effect)
        sent = await scene.platform.send(general, "yes", reply_to_id=asked)
        again = await scene.platform.send(general, "yes", reply_to_id=asked)
        await scene.message(sent.message_id)
        assert [post.id for post in scene.discord.posts()] == [sent.message_id]
        assert again == sent


async def test_what_is_answered_may_be_gone() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        asked = world.say(general, world.alice.id, "hello?")
        world.delete(asked)
        await scene.platform.send(general, "yes", reply_to_id=asked)
        await scene.platform.send(general, "by the way", reply_to_id=None)
        assert [post.reply_to for post in scene.discord.posts()] == [None, None]


async def test_what_discord_does_not_take_is_a_sentence() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        with pytest.raises(DeliveryError, match="1 to 2000 characters, not 2001"):
            await scene.platform.send(general, "x" * 2001, reply_to_id=None)
        with pytest.raises(DeliveryError, match="not 1"):
            await scene.platform.send(general, " ", reply_to_id=None)
        assert scene.discord.asked(POST) == []
        with pytest.raises(DeliveryError, match="knows nothing of channel 4242"):
            await scene.platform.send(4242, "x", reply_to_id=None)
        world.deny(general, Allow.SEND_MESSAGES)
        with pytest.raises(DeliveryError, match='"Send Messages"'):
            await scene.platform.send(general, "x", reply_to_id=None)
        assert len(scene.discord.asked(POST)) == 2


async def test_a_deadline_and_no_connection() -> None:
    sender = Sender(lambda: None, deadline_s=0.2)
    with pytest.raises(DeliveryError, match=r"within 0 seconds: there was no connection"):
        await sender.send(1, "x", reply_to_id=None)


async def test_a_lost_connection_is_waited_out() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        asked = world.say(general, world.alice.id, "hello?")
        await scene.discord.faults.down()
        sending = asyncio.create_task(scene.platform.send(general, "yes", reply_to_id=asked))
        await asyncio.sleep(0.3)
        await scene.discord.faults.up()
        await sending
        assert len(scene.discord.posts()) == 1


async def test_a_cancelled_request_blocks_no_later_one() -> None:
    """A global rate limit that is waited out by somebody who goes away."""
    async with discord_scene() as scene:
        general = scene.discord.world.general.id
        scene.discord.faults.rate_limit(POST, 1, 0.3, global_=True)
        sending = asyncio.create_task(scene.platform.send(general, "one", reply_to_id=None))
        await scene.until(lambda: scene.discord.asked(POST))
        await asyncio.sleep(0.05)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(scene.platform.send(general, "two", reply_to_id=None), 5)
        assert "two" in [post.content for post in scene.discord.posts()]


async def test_typing_is_shown_and_costs_nothing() -> None:
    async with discord_scene() as scene:
        general = scene.discord.world.general.id
        scene.discord.faults.delay("POST /channels/*/typing", 0.3)
        began_s = time.monotonic()
        async with scene.platform.typing(general):
            pass
        assert time.monotonic() - began_s < 0.1
        scene.discord.faults.clear()
        async with scene.platform.typing(general):
            await scene.until(lambda: scene.discord.world.typings)
        scene.discord.faults.fail("POST /channels/*/typing", 500)
        async with scene.platform.typing(general), scene.platform.typing(4242):
            await asyncio.sleep(0.05)


async def test_typing_is_shown_anew() -> None:
    async with discord_scene() as scene:
        sender = Sender(lambda: scene.platform._connection.client, typing_every_s=0.05)
        async with sender.typing(scene.discord.world.general.id):
            await scene.until(lambda: len(scene.discord.world.typings) >= 3)


async def test_a_direct_message() -> None:
    async with discord_scene() as scene:
        world = scene.discord.world
        await scene.platform.direct_message(world.alice.id, "just you")
        [post] = scene.discord.posts()
        assert (post.content, post.channel_id) == (
            "just you",
            world.direct_channel(world.alice.id).id,
        )
        scene.discord.faults.fail("POST /users/@me/channels", 403)
        with pytest.raises(DeliveryError, match="direct message to member"):
            await scene.platform.direct_message(world.bob.id, "and you")
        assert scene.told == []
