"""The platform over Discord's own protocol: what it tells, and what it lets be."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import discord.gateway
import discord.http
import pytest
import yarl

from bot.messages import Deleted, Edited, Reacted, ReactionsCleared, Rights
from bot.platforms.discord_addresses import BadAddressError, use_addresses
from storage.paths import PROGRAM_DIR
from storage.records import MessageKind
from storage.settings import Settings
from tests.bot.platforms.discord_scene import discord_scene
from tests.discord_stand_in.things import Allow


async def test_a_message_is_told_as_it_is_stored() -> None:
    async with discord_scene(persona_name="Perch") as scene:
        world = scene.discord.world
        world.change_member(world.alice.id, nick="Ali")
        said = world.say(
            world.general.id, world.alice.id, f"hi <@{world.bot_id}> and <@{world.bob.id}>"
        )
        told = await scene.message(said)
    assert told.text == "hi @Perch and @bob"
    assert told.record.mentioned_ids == (world.bot_id, world.bob.id)
    assert (told.author.name, told.author.nickname, told.author.is_bot) == ("alice", "Ali", False)
    assert (told.channel.name, told.channel.guild_name) == ("general", "The Nest")
    assert told.channel.parent_id is None
    assert told.mentions_persona
    assert not told.is_backfill
    assert scene.phases == ["connecting", "online"]


async def test_only_listed_channels_and_their_threads_are_heard() -> None:
    async with discord_scene() as scene:
        world = scene.discord.world
        thread = world.add_thread(world.general.id, "branches")
        other = world.add_thread(world.random.id, "twigs")
        for place in (world.random, other):
            world.say(place.id, world.alice.id, "not for you")
        world.direct_message(world.alice.id, "psst")
        in_thread = world.say(thread.id, world.bob.id, "in the thread")
        last = world.say(world.general.id, world.alice.id, "here")
        await scene.message(last)
        told = await scene.message(in_thread)
        assert scene.platform.listens_to(thread.id)
        assert not scene.platform.listens_to(other.id)
    assert scene.ids() == [in_thread, last]
    assert (told.channel.name, told.channel.parent_id) == ("branches", world.general.id)


async def test_an_answer_to_the_bot_is_seen_as_one() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        asked = world.say(general, world.alice.id, "who are you?")
        sent = await scene.platform.send(general, "a bird", reply_to_id=asked)
        reply = world.say(general, world.alice.id, "no", reply_to=sent.message_id, ping=False)
        to_bob = world.say(general, world.alice.id, "so", reply_to=asked)
        told, other = await scene.message(reply), await scene.message(to_bob)
        own = await scene.message(sent.message_id)
    assert (told.answers_persona, told.mentions_persona) == (True, False)
    assert told.record.kind is MessageKind.REPLY
    assert told.record.reply_to_id == sent.message_id
    assert not other.answers_persona
    assert own.author.member_id == scene.platform.own_id
    assert own.author.is_bot


async def test_the_bots_own_role_is_a_mention_and_everyone_is_not() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        own_role = world.guild.members[world.bot_id].roles[0]
        crowd = world.say(general, world.carol.id, "@everyone wake up")
        role = world.say(general, world.carol.id, f"<@&{own_role}> you?")
        told = await scene.message(role), await scene.message(crowd)
    assert [one.mentions_persona for one in told] == [True, False]


async def test_bots_and_webhooks_are_bots() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        robot = world.add_member("robot", is_bot=True, roles=[world.add_role("r", 8).id])
        by_bot = world.say(general, robot.id, "!status")
        by_hook = world.say(general, world.new_id(), "ci is green", webhook_name="ci")
        told = await scene.message(by_bot), await scene.message(by_hook)
    assert [(one.author.is_bot, one.rights) for one in told] == [(True, Rights.MEMBER)] * 2
    assert told[1].author.nickname == "ci"


async def test_a_notice_is_a_notice() -> None:
    async with discord_scene() as scene:
        world = scene.discord.world
        joined = world.say(world.general.id, world.bob.id, "", type=7)
        told = await scene.message(joined)
    assert (told.record.kind, told.text) == (MessageKind.SYSTEM, "Joined the server.")


async def test_an_edit_counts_where_its_time_changed() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        said = world.say(general, world.alice.id, "look https://example.org")
        world.alter(said, embeds=[{"type": "link", "title": "Example"}])
        world.edit(said, "look there")
        world.alter(said, embeds=[])
        elsewhere = world.say(world.random.id, world.alice.id, "one")
        world.edit(elsewhere, "two")
        await scene.message(world.say(general, world.alice.id, "done"))
    edits = [one for one in scene.told if isinstance(one, Edited)]
    assert [(one.record.message_id, one.record.content) for one in edits] == [(said, "look there")]
    assert edits[0].record.edited_at_ms is not None
    assert edits[0].author.nickname == "alice"


async def test_deletions_and_reactions_of_messages_never_seen_before() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        ids = world.fill(general, 5, 1)
        unheard = world.fill(world.random.id, 1, 2)
        emoji = world.add_emoji("pog")
        world.react(ids[0], world.bob.id, f"pog:{emoji.id}")
        world.react(ids[0], world.bob.id, "🐦")
        world.unreact(ids[0], world.bob.id, "🐦")
        world.react(unheard[0], world.bob.id, "🐦")
        world.clear_reactions(ids[0], f"pog:{emoji.id}")
        world.clear_reactions(ids[0])
        world.delete(ids[0])
        world.bulk_delete(ids[1:4])
        world.delete(unheard[0])
        await scene.message(world.say(general, world.alice.id, "done"))
    told, bob = scene.told[:-1], world.bob.id
    assert told[:5] == [
        Reacted(general, ids[0], ":pog:", 1, bob),
        Reacted(general, ids[0], "🐦", 1, bob),
        Reacted(general, ids[0], "🐦", -1, bob),
        ReactionsCleared(general, ids[0], ":pog:"),
        ReactionsCleared(general, ids[0]),
    ]
    gone = [(one.channel_id, one.message_ids) for one in told[5:] if isinstance(one, Deleted)]
    # A deletion counts wherever it was: the channel may have been listed once.
    assert gone == [
        (general, (ids[0],)),
        (general, tuple(ids[1:4])),
        (world.random.id, (unheard[0],)),
    ]


async def test_who_may_give_orders() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        chief = world.add_role("chief")
        may = {
            "manager": world.add_role("m", Allow.MANAGE_GUILD).id,
            "moderator": world.add_role("mod", Allow.MANAGE_MESSAGES).id,
            "warden": world.add_role("w", Allow.MODERATE_MEMBERS).id,
            "chief": chief.id,
        }
        people = {name: world.add_member(name, roles=[role]).id for name, role in may.items()}
        people |= {"bob": world.bob.id, "alice": world.alice.id, "owner": world.carol.id}
        scene.settings = Settings(
            scene.values | {"admin_user_ids": str(world.bob.id), "admin_role_id": str(chief.id)}
        )
        told = {
            name: (await scene.message(world.say(general, member_id, "hello"))).rights
            for name, member_id in people.items()
        }
        # An order is heard on the whole server, from those who may give one.
        heard = world.say(world.random.id, people["moderator"], " !quiet 1h")
        unheard = world.say(world.random.id, people["alice"], "!quiet 1h")
        world.say(world.random.id, people["owner"], "not an order")
        await scene.message(heard)
        await asyncio.sleep(0.05)
        assert not scene.platform.listens_to(world.random.id)
    assert told == {
        "manager": Rights.ADMIN,
        "moderator": Rights.MODERATOR,
        "warden": Rights.MODERATOR,
        "chief": Rights.ADMIN,
        "bob": Rights.ADMIN,
        "alice": Rights.MEMBER,
        "owner": Rights.ADMIN,
    }
    assert scene.ids(world.random.id) == [heard]
    assert unheard not in scene.ids()


async def test_settings_count_live_and_a_new_channel_is_read_back() -> None:
    async with discord_scene() as scene:
        world = scene.discord.world
        old = world.fill(world.random.id, 60, 3)
        both = f"{world.general.id},{world.random.id}"
        scene.settings = Settings(scene.values | {"discord_channel_ids": both})
        await scene.platform.rescan()
        await scene.until(lambda: len(scene.ids(world.random.id)) == 50)
        live = world.say(world.random.id, world.alice.id, "hello")
        await scene.message(live)
        scene.settings = Settings(scene.values)
        world.say(world.random.id, world.alice.id, "gone again")
        await scene.message(world.say(world.general.id, world.alice.id, "done"))
    assert scene.ids(world.random.id) == [*old[-50:], live]


async def test_the_status_and_the_invitation() -> None:
    async with discord_scene() as scene:
        status: dict[str, Any] = scene.platform.status()
        url = scene.platform.invite_url()
        assert status["phase"] == "online"
        assert (status["guild"], status["channels"]) == ("The Nest", 1)
    assert "scope=bot+applications.commands" in url
    assert f"client_id={scene.discord.bot_id}" in url
    wanted = (
        Allow.VIEW_CHANNEL
        | Allow.SEND_MESSAGES
        | Allow.SEND_MESSAGES_IN_THREADS
        | Allow.READ_MESSAGE_HISTORY
    )
    assert f"permissions={int(wanted)}" in url


async def test_stopped_listening() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        scene.platform.stop_listening()
        world.say(general, world.alice.id, "hello")
        sent = await scene.platform.send(general, "bye", reply_to_id=None)
        assert scene.discord.posts()[0].id == sent.message_id
    assert scene.told == []


async def test_a_burst_of_messages() -> None:
    async with discord_scene() as scene:
        world, general = scene.discord.world, scene.discord.world.general.id
        said = [world.say(general, world.alice.id, f"line {i}") for i in range(1500)]
        await scene.message(said[-1])
    assert scene.ids() == said


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discord.http.Route, "BASE", "old")
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL("ws://old"))
    use_addresses(None, "")
    assert discord.http.Route.BASE == "old"
    use_addresses("http://127.0.0.1:1/api/v10/", "ws://127.0.0.1:1/gateway")
    assert discord.http.Route.BASE == "http://127.0.0.1:1/api/v10"
    assert str(discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY) == "ws://127.0.0.1:1/gateway"
    for api, gateway in ((":", None), ("ws://x", None), (None, "http://x"), (None, "ws://")):
        with pytest.raises(BadAddressError, match="MYNAH_DISCORD"):
            use_addresses(api, gateway)


def test_nothing_heavy_is_imported() -> None:
    heavy = ("torch", "transformers", "tkinter", "llama_cpp", "lancedb", "numpy")
    script = (
        "import sys, bot.platforms.discord\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROGRAM_DIR,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert out.stdout.strip() == "[]"
