"""A real discord.py client talks to the stand-in: messages, history, threads, people, rights."""

import discord
import pytest

from tests.discord_stand_in.listener import listening, usual_intents
from tests.discord_stand_in.stand_in import StandIn
from tests.discord_stand_in.things import Allow, ChannelKind, snowflake_ms


async def test_a_client_comes_up_and_knows_the_server(discord_server: StandIn):
    world = discord_server.world
    world.add_emoji("pog")
    thread = world.add_thread(world.general.id, "side talk")
    world.add_channel("notices", kind=ChannelKind.CATEGORY)
    intents = usual_intents()
    intents.emojis = True
    async with listening(discord_server, intents=intents) as client:
        (guild,) = client.guilds
        assert [c.name for c in guild.channels] == ["general", "random", "notices"]
        assert [(t.id, t.parent_id) for t in guild.threads] == [(thread.id, world.general.id)]
        assert {m.name for m in guild.members} == {"alice", "bob", "carol", "mynah"}
        assert [e.name for e in guild.emojis] == ["pog"]
        assert guild.me.id == discord_server.bot_id
        assert guild.owner_id == world.carol.id
        assert client.application is not None
        assert client.application.flags.gateway_message_content_limited
    assert discord_server.identifies == 1


async def test_a_message_comes_and_is_answered(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        asked = world.say(world.general.id, world.alice.id, f"hello <@{discord_server.bot_id}>")
        message = await client.hear("message")
        assert message.content == f"hello <@{discord_server.bot_id}>"
        assert message.author.joined_at is not None
        assert client.user in message.mentions
        only_asker = discord.AllowedMentions(users=[message.author], replied_user=False)
        await message.reply(
            f"<@{world.alice.id}> and <@{world.bob.id}>", allowed_mentions=only_asker
        )
        post = await discord_server.wait_for_post()
        assert post.reply_to == asked
        assert post.mentions == [world.alice.id]
        own = await client.hear("message", lambda m: m.author.id == discord_server.bot_id)
        assert own.reference.resolved.id == asked
    assert discord_server.posts(world.random.id) == []
    (request,) = discord_server.asked("POST /channels/*/messages")
    assert request.status == 200
    assert request.json["content"].startswith("<@")


async def test_history_comes_in_pages_as_from_discord(discord_server: StandIn):
    world = discord_server.world
    ids = world.fill(world.general.id, 250, seed=1)
    assert ids == sorted(set(ids))
    async with listening(discord_server) as client:
        channel = client.get_channel(world.general.id)
        newest = [m.id async for m in channel.history(limit=120)]
        assert newest == ids[:-121:-1]
        after = discord.Object(ids[9])
        oldest = [m.id async for m in channel.history(limit=None, after=after)]
        assert oldest == ids[10:]
        around = [m.id async for m in channel.history(limit=11, around=discord.Object(ids[50]))]
        assert sorted(around) == ids[45:56]
        before = [m.id async for m in channel.history(limit=3, before=discord.Object(ids[5]))]
        assert before == [ids[4], ids[3], ids[2]]
        assert [m async for m in client.get_channel(world.random.id).history()] == []
        with pytest.raises(discord.NotFound):
            await channel.fetch_message(1)
    sizes = {int(one.json["limit"]) for one in discord_server.asked("GET /channels/*/messages")}
    assert max(sizes) <= 100


async def test_edits_deletes_and_reactions_of_others_are_told(discord_server: StandIn):
    world = discord_server.world
    first, second, third = (world.say(world.general.id, world.bob.id, text) for text in "abc")
    emoji = world.add_emoji("pog")
    async with listening(discord_server) as client:
        world.edit(first, "changed")
        edited = await client.hear("raw_message_edit")
        assert (edited.data["content"], edited.message_id) == ("changed", first)
        assert edited.data["edited_timestamp"] is not None
        world.alter(second, embeds=[{"type": "link", "url": "https://example.org/"}])
        unfurled = await client.hear("raw_message_edit", lambda e: e.message_id == second)
        assert unfurled.data["edited_timestamp"] is None
        world.react(first, world.alice.id, "👍")
        world.react(first, world.alice.id, f"pog:{emoji.id}")
        added = await client.hear("raw_reaction_add", lambda r: r.emoji.name == "pog")
        assert (added.emoji.id, added.member.name) == (emoji.id, "alice")
        world.unreact(first, world.alice.id, "👍")
        assert (await client.hear("raw_reaction_remove")).emoji.name == "👍"
        world.clear_reactions(first, f"pog:{emoji.id}")
        await client.hear("raw_reaction_clear_emoji")
        world.clear_reactions(first)
        await client.hear("raw_reaction_clear")
        world.delete(first)
        assert (await client.hear("raw_message_delete")).message_id == first
        world.bulk_delete([second, third])
        assert (await client.hear("raw_bulk_message_delete")).message_ids == {second, third}
    assert world.general.message_ids == []


async def test_the_bot_edits_deletes_reacts_and_types(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        channel = client.get_channel(world.general.id)
        sent = await channel.send("first", embed=discord.Embed(title="a title"))
        await sent.edit(content="second")
        assert world.messages[sent.id].content == "second"
        assert (await channel.fetch_message(sent.id)).edited_at is not None
        await sent.add_reaction("👍")
        assert world.messages[sent.id].reactions == {"👍": [discord_server.bot_id]}
        shown = await channel.fetch_message(sent.id)
        assert shown.reactions[0].me
        assert [user.id async for user in shown.reactions[0].users()] == [discord_server.bot_id]
        await sent.remove_reaction("👍", client.user)
        async with channel.typing():
            assert world.typings == [world.general.id]
        await sent.delete()
        assert sent.id not in world.messages
        other = world.say(world.general.id, world.bob.id, "mine")
        with pytest.raises(discord.Forbidden):
            await (await channel.fetch_message(other)).delete()
    assert [post.id for post in discord_server.posts()] == [sent.id]


async def test_what_a_message_can_carry_arrives(discord_server: StandIn):
    world = discord_server.world
    url = "https://cdn.example/1/cat.png"
    async with listening(discord_server) as client:
        said = world.say(
            world.general.id,
            world.alice.id,
            "look",
            attachments=[
                {"id": "1", "filename": "cat.png", "size": 3, "url": url, "proxy_url": url}
            ],
            sticker_items=[{"id": "2", "name": "wave", "format_type": 1}],
            embeds=[{"type": "rich", "title": "t"}],
        )
        message = await client.hear("message")
        assert [a.filename for a in message.attachments] == ["cat.png"]
        assert [s.name for s in message.stickers] == ["wave"]
        world.say(world.random.id, world.bob.id, forward_of=said)
        forward = await client.hear("message", lambda m: m.channel.id == world.random.id)
        assert [s.content for s in forward.message_snapshots] == ["look"]
        world.say(world.general.id, 77, "from outside", webhook_name="Hook")
        assert (await client.hear_text("from outside")).webhook_id == 77
        world.say(world.general.id, world.bob.id, type=7)
        joined = await client.hear("message", lambda m: m.type is discord.MessageType.new_member)
        assert joined.is_system()
        file = discord.File(__file__, filename="test.py")
        sent = await client.get_channel(world.general.id).send(file=file)
        assert sent.attachments[0].filename == "test.py"
        history = [m async for m in client.get_channel(world.random.id).history()]
        assert history[0].message_snapshots[0].content == "look"


async def test_threads_come_and_go(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        thread = world.add_thread(world.general.id, "side talk", owner_id=world.bob.id)
        assert (await client.hear("thread_create")).id == thread.id
        world.say(thread.id, world.bob.id, "in here")
        message = await client.hear_text("in here")
        await message.channel.join()
        await message.reply("here I am")
        assert discord_server.posts(thread.id)[0].content == "here I am"
        (guild,) = client.guilds
        assert [t.id for t in await guild.active_threads()] == [thread.id]
        world.archive_thread(thread.id)
        await client.hear("thread_update")
        archived = client.get_channel(world.general.id).archived_threads()
        assert [t.id async for t in archived] == [thread.id]
        asked = world.say(world.general.id, world.bob.id, "start")
        started = await (await client.hear_text("start")).create_thread(name="mine")
        assert started.id == asked
        world.delete_channel(thread.id)
        await client.hear("raw_thread_delete")


async def test_direct_messages_both_ways(discord_server: StandIn):
    world = discord_server.world
    intents = usual_intents()
    intents.dm_messages = True
    intents.message_content = False
    async with listening(discord_server, intents=intents) as client:
        await client.get_user(world.bob.id).send("psst")
        post = await discord_server.wait_for_post()
        assert post.channel_id == world.direct_channel(world.bob.id).id
        world.direct_message(world.bob.id, "what?")
        message = await client.hear_text("what?")
        assert message.guild is None
        assert message.channel.id == post.channel_id
        world.direct_refused.add(world.bob.id)
        with pytest.raises(discord.Forbidden):
            await message.reply("are you there?")


async def test_people_change_and_are_found(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        (guild,) = client.guilds
        keepers = world.add_role("keepers", Allow.MANAGE_MESSAGES)
        dora = world.add_member("dora", nick="Dodo")
        assert (await client.hear("member_join")).id == dora.id
        world.change_member(dora.id, roles=[keepers.id])
        await client.hear("member_update")
        assert guild.get_member(dora.id).guild_permissions.manage_messages
        assert [m.id for m in await guild.query_members("dod")] == [dora.id]
        assert [m.id for m in await guild.query_members(user_ids=[dora.id])] == [dora.id]
        assert (await guild.fetch_member(dora.id)).nick == "Dodo"
        assert len([m async for m in guild.fetch_members()]) == 5
        world.remove_member(dora.id)
        await client.hear("raw_member_remove")
        with pytest.raises(discord.NotFound):
            await guild.fetch_member(dora.id)
        assert (await client.fetch_guild(guild.id)).approximate_member_count == 4
        assert len(await guild.fetch_channels()) == 2


async def test_a_closed_channel_is_closed(discord_server: StandIn):
    world = discord_server.world
    world.fill(world.general.id, 5)
    async with listening(discord_server) as client:
        channel = client.get_channel(world.general.id)
        world.deny(channel.id, Allow.VIEW_CHANNEL)
        world.say(channel.id, world.alice.id, "secret")
        world.say(world.random.id, world.alice.id, "open")
        await client.hear_text("open")
        assert client.texts() == ["open"]
        with pytest.raises(discord.Forbidden) as caught:
            [m async for m in channel.history()]
        assert caught.value.code == 50001
        world.deny(channel.id, Allow.SEND_MESSAGES)
        with pytest.raises(discord.Forbidden) as caught:
            await channel.send("no")
        assert caught.value.code == 50013
        world.deny(channel.id, Allow.READ_MESSAGE_HISTORY)
        assert [m async for m in channel.history()] == []
        assert not channel.permissions_for(channel.guild.me).read_message_history


async def test_content_is_stripped_without_the_intent(discord_server: StandIn):
    world, bot = discord_server.world, discord_server.bot_id
    intents = usual_intents()
    intents.message_content = False
    async with listening(discord_server, intents=intents) as client:
        channel = client.get_channel(world.general.id)
        own = await channel.send("my own")
        world.say(channel.id, world.alice.id, "hidden", embeds=[{"type": "rich", "title": "t"}])
        world.say(channel.id, world.alice.id, f"<@{bot}> seen")
        world.say(channel.id, world.alice.id, "seen too", reply_to=own.id)
        await client.hear_text("seen too")
        assert client.texts() == ["my own", "", f"<@{bot}> seen", "seen too"]
        assert client.events("message")[1].embeds == []
        discord_server.faults.disallow_intents()
        read = [m.content async for m in channel.history(oldest_first=True)]
        assert read == ["my own", "", f"<@{bot}> seen", "seen too"]


async def test_old_messages_have_old_ids(discord_server: StandIn):
    world = discord_server.world
    long_ago_ms = world.clock_ms() - 3_600_000
    new = world.say(world.general.id, world.bob.id, "new")
    old = world.say(world.general.id, world.bob.id, "old", at_ms=long_ago_ms, silent=True)
    also = world.say(world.general.id, world.bob.id, "also", at_ms=long_ago_ms, silent=True)
    assert snowflake_ms(old) == long_ago_ms
    assert world.general.message_ids == [old, also, new]
