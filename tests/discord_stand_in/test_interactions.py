"""Slash commands and buttons: a real discord.py client offers them, members use them."""

import io
from typing import Any

import discord
import pytest
from discord import app_commands

from tests.discord_stand_in.listener import Listener, listening
from tests.discord_stand_in.stand_in import StandIn
from tests.discord_stand_in.things import Allow


async def offer(client: Listener, guild_id: int) -> None:
    """Registers /rate, which answers its asker alone, and /think, which takes its time."""
    tree = app_commands.CommandTree(client)
    guild = discord.Object(guild_id)

    @tree.command(guild=guild)
    @app_commands.default_permissions(manage_guild=True)
    async def rate(
        interaction: discord.Interaction, value: app_commands.Range[float, 0.0, 1.0]
    ) -> None:
        """Sets the rate."""
        await interaction.response.send_message(f"rate is {value}", ephemeral=True)
        await interaction.followup.send("told nobody", ephemeral=True)

    @tree.command(guild=guild)
    async def think(
        interaction: discord.Interaction, who: discord.Member, deep: bool = False
    ) -> None:
        """Thinks about somebody."""
        await interaction.response.defer(thinking=True)
        await interaction.edit_original_response(content=f"{who.name} {deep}")
        await interaction.followup.send("and more")

    mine = app_commands.Group(name="mine", description="Of the asker's own.")

    @mine.command()
    async def show(interaction: discord.Interaction) -> None:
        """Shows it."""
        file = discord.File(io.BytesIO(b"all of it"), "mine.json")
        await interaction.response.send_message("shown", file=file, ephemeral=True)

    @mine.command()
    async def slowly(interaction: discord.Interaction) -> None:
        """Shows it later."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        file = discord.File(io.BytesIO(b"the rest"), "rest.json")
        await interaction.edit_original_response(content="later", attachments=[file])

    tree.add_command(mine, guild=guild)
    assert len(await tree.sync(guild=guild)) == 3


async def test_a_slash_command_is_answered_to_its_asker_alone(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        await offer(client, world.guild.id)
        done = world.interact(
            world.general.id, world.carol.id, command="rate", options={"value": 0.5}
        )
        await discord_server.wait_for_answer(done, 2)
        assert done.responses[0].content == "rate is 0.5"
        assert all(response.is_ephemeral for response in done.responses)
        assert world.general.message_ids == []
        assert discord_server.posts() == []
        tree_commands = await client.http.get_guild_commands(client.application_id, world.guild.id)
        assert {command["name"] for command in tree_commands} == {"rate", "think", "mine"}


async def test_parts_of_a_command_and_files_for_the_asker_alone(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        await offer(client, world.guild.id)
        done = world.interact(world.general.id, world.alice.id, command="mine show")
        await discord_server.wait_for_answer(done)
        message = world.any_message(done.original_id or 0)
        assert message.is_ephemeral
        assert message.seen_by == world.alice.id
        assert message.files == [("mine.json", b"all of it")]
        [attachment] = message.attachments
        assert (attachment["filename"], attachment["size"]) == ("mine.json", 9)
        done = world.interact(world.general.id, world.alice.id, command="mine slowly")
        await discord_server.wait_for_answer(done, 2)
        assert world.any_message(done.original_id or 0).files == [("rest.json", b"the rest")]
        assert world.general.message_ids == []
        for nonsense in ("mine", "mine hide", "rate show"):
            with pytest.raises(LookupError, match="parts"):
                world.interact(world.general.id, world.carol.id, command=nonsense)


async def test_an_ephemeral_message_s_buttons_are_its_asker_s(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        await offer(client, world.guild.id)
        done = world.interact(world.general.id, world.alice.id, command="mine show")
        seen = await client.hear("interaction")
        await discord_server.wait_for_answer(done)
        await seen.edit_original_response(content="sure?", view=Doors(timeout=None), attachments=[])
        message = world.any_message(done.original_id or 0)
        assert message.attachments == []
        with pytest.raises(LookupError, match="not shown"):
            world.interact(world.general.id, world.bob.id, button="shut", message_id=message.id)
        pressed = world.interact(
            world.general.id, world.alice.id, button="shut", message_id=message.id
        )
        await discord_server.wait_for_answer(pressed)
        assert pressed.responses[0].is_ephemeral
        assert message.content == "shut"


async def test_discords_own_window_would_not_let_it_through(discord_server: StandIn):
    world = discord_server.world
    general = world.general.id
    async with listening(discord_server) as client:
        await offer(client, world.guild.id)
        with pytest.raises(ValueError, match=r"0\.0 to 1\.0"):
            world.interact(general, world.carol.id, command="rate", options={"value": 2.0})
        with pytest.raises(PermissionError):
            world.interact(general, world.alice.id, command="rate", options={"value": 1.0})
        with pytest.raises(ValueError, match="needs"):
            world.interact(general, world.carol.id, command="rate")
        with pytest.raises(LookupError):
            world.interact(general, world.carol.id, command="nonsense")
        keepers = world.add_role("keepers", Allow.MANAGE_GUILD)
        world.change_member(world.alice.id, roles=[keepers.id])
        done = world.interact(general, world.alice.id, command="rate", options={"value": 1})
        await discord_server.wait_for_answer(done)


async def test_thinking_comes_first(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        await offer(client, world.guild.id)
        done = world.interact(
            world.general.id, world.alice.id, command="think", options={"who": world.bob.id}
        )
        await discord_server.wait_for_answer(done, 3)
        assert [response.kind for response in done.responses] == [5, "edit", "followup"]
        assert [response.content for response in done.responses] == ["", "bob False", "and more"]
        shown = [world.messages[message_id].content for message_id in world.general.message_ids]
        assert shown == ["bob False", "and more"]
        message = await client.hear("message", lambda m: m.content == "and more")
        assert message.interaction_metadata.user.id == world.alice.id


class Doors(discord.ui.View):
    @discord.ui.button(label="Open", custom_id="open")
    async def open(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        await interaction.response.send_message("opened", ephemeral=True)

    @discord.ui.button(label="Shut", custom_id="shut")
    async def shut(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        button.disabled = True
        await interaction.response.edit_message(content="shut", view=self)


async def test_buttons_are_pressed(discord_server: StandIn):
    world = discord_server.world
    general = world.general.id
    async with listening(discord_server) as client:
        sent = await client.get_channel(general).send("doors", view=Doors(timeout=None))
        pressed = world.interact(general, world.bob.id, button="open", message_id=sent.id)
        await discord_server.wait_for_answer(pressed)
        assert (pressed.content, pressed.responses[0].is_ephemeral) == ("opened", True)
        pressed = world.interact(general, world.bob.id, button="shut", message_id=sent.id)
        await discord_server.wait_for_answer(pressed)
        assert world.messages[sent.id].content == "shut"
        with pytest.raises(ValueError, match="greyed out"):
            world.interact(general, world.bob.id, button="shut", message_id=sent.id)
        with pytest.raises(LookupError):
            world.interact(general, world.bob.id, button="none", message_id=sent.id)


async def test_an_interaction_is_answered_once_and_in_time(discord_server: StandIn):
    world = discord_server.world
    async with listening(discord_server) as client:
        sent = await client.get_channel(world.general.id).send("x", view=Doors(timeout=None))
        world.answer_within_s = -1.0
        world.interact(world.general.id, world.bob.id, button="open", message_id=sent.id)
        seen = await client.hear("interaction")
        route = "POST /interactions/*/*/callback"
        await discord_server.wait_until(lambda: discord_server.asked(route))
        assert discord_server.asked(route)[0].status == 404
        world.answer_within_s = 3.0
        seen.response._response_type = None
        await seen.response.send_message("late")
        seen.response._response_type = None
        with pytest.raises(discord.HTTPException) as caught:
            await seen.response.send_message("again")
        assert caught.value.code == 40060
