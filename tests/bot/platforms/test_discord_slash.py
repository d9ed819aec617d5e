"""The orders as slash commands, over Discord's own protocol."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.answers import BotStatus
from bot.commands import Orders
from storage.settings import Settings, Value, find, parse
from tests.bot.platforms.discord_scene import discord_scene
from tests.discord_stand_in.things import Allow

PUT = "PUT /applications/*/guilds/*/commands"


class Desk:
    """As much of `bot.commands.BotOrders` as these orders need."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.here: dict[int, dict[str, str]] = {}
        self.status_s = 0.0
        self.restarted = 0

    def settings(self) -> Settings:
        return Settings(self.values)

    async def set_setting(self, name: str, text: str) -> Value:
        self.values[name] = parse(find(name), text)
        return self.values[name]

    async def settings_in(self, channel_id: int) -> Settings:
        return self.settings().overlaid(self.here.get(channel_id, {}))

    async def set_in_channel(self, channel_id: int, name: str, text: str) -> Settings:
        self.here[channel_id] = {name: text}
        return await self.settings_in(channel_id)

    async def status(self) -> BotStatus:
        await asyncio.sleep(self.status_s)
        return BotStatus(phase="online")

    async def restart(self) -> None:
        self.restarted += 1

    def now_ms(self) -> int:
        return 0


def orders(desk: Desk) -> Orders:
    bot: Any = desk
    return Orders(bot)


async def test_commands_are_registered_only_where_they_differ() -> None:
    async with discord_scene(orders=orders(Desk())) as scene:
        commands = scene.discord.world.commands[scene.discord.world.guild.id]
        await scene.until(lambda: scene.discord.asked(PUT))
        shown = {command["name"]: command for command in commands.values()}
        assert {"setrate", "status", "quiet", "help"} <= set(shown)
        assert "exclude" not in shown
        [option, here] = shown["setrate"]["options"]
        assert (here["name"], here["type"]) == ("here", 5)
        assert (option["name"], option["min_value"], option["max_value"]) == ("value", 0.0, 1.0)
        assert shown["setrate"]["default_member_permissions"] == str(int(Allow.MANAGE_GUILD))
        assert shown["quiet"]["default_member_permissions"] == str(int(Allow.MANAGE_MESSAGES))
        scene.discord.faults.op9()
        await scene.until(lambda: scene.identifies == 2)
        await scene.online()
        await scene.until(lambda: len(scene.discord.asked(PUT.replace("PUT", "GET"))) == 2)
        await asyncio.sleep(0.1)
        assert len(scene.discord.asked(PUT)) == 1
        del commands[next(iter(commands))]
        scene.discord.faults.op9()
        await scene.until(lambda: len(scene.discord.asked(PUT)) == 2)


async def test_an_order_is_carried_out_and_answered_to_the_asker_alone() -> None:
    desk = Desk()
    async with discord_scene(orders=orders(desk)) as scene:
        world = scene.discord.world
        await scene.until(lambda: scene.discord.asked(PUT))
        asked = world.interact(
            world.random.id, world.carol.id, command="setrate", options={"value": 0.25}
        )
        await scene.discord.wait_for_answer(asked)
        assert desk.values == {"response_rate": 0.25}
        assert "0.25" in asked.content
        assert all(one.is_ephemeral for one in asked.responses)
        for given in ({"here": True, "value": 0.5}, {"value": 0.5, "here": True}):
            asked = world.interact(
                world.random.id, world.carol.id, command="setrate", options=given
            )
            await scene.discord.wait_for_answer(asked)
            assert "here is now 0.5" in asked.content
            assert desk.here.pop(world.random.id) == {"response_rate": "0.5"}
        assert desk.values == {"response_rate": 0.25}
        asked = world.interact(world.general.id, world.carol.id, command="restart")
        await scene.discord.wait_for_answer(asked)
        await scene.until(lambda: desk.restarted == 1)
    assert scene.told == []


async def test_an_order_that_takes_its_time() -> None:
    desk = Desk()
    desk.status_s = 2.2
    async with discord_scene(orders=orders(desk)) as scene:
        world = scene.discord.world
        await scene.until(lambda: scene.discord.asked(PUT))
        asked = world.interact(world.general.id, world.carol.id, command="status")
        await scene.discord.wait_for_answer(asked)
        assert asked.content == ""  # it thinks
        await scene.discord.wait_for_answer(asked, 2)
        assert "Online" in asked.content
        assert asked.responses[0].is_ephemeral


async def test_rights_are_looked_at_again() -> None:
    """Who manages messages is shown /quiet and /help; an admin of a server may open others up."""
    desk = Desk()
    async with discord_scene(orders=orders(desk)) as scene:
        world = scene.discord.world
        role = world.add_role("all", Allow.MANAGE_GUILD)
        member = world.add_member("mod", roles=[role.id])
        await scene.until(lambda: scene.discord.asked(PUT))
        # Discord's window still offers it, while the gateway tells that the role is gone.
        asked = world.interact(
            world.general.id, member.id, command="setrate", options={"value": 1.0}
        )
        await scene.discord.wait_for_answer(asked)
        assert desk.values == {"response_rate": 1.0}
        for command in world.commands[world.guild.id].values():
            command["default_member_permissions"] = None
        asked = world.interact(
            world.general.id, world.alice.id, command="setrate", options={"value": 0.0}
        )
        await scene.discord.wait_for_answer(asked)
        assert "may not" in asked.content
        assert desk.values == {"response_rate": 1.0}


async def test_without_the_right_to_register() -> None:
    async with discord_scene(orders=orders(Desk()), start=False) as scene:
        scene.discord.faults.fail("* /applications/*/guilds/*/commands", 403, None)
        scene.start()
        await scene.online()
        world = scene.discord.world
        await scene.message(world.say(world.general.id, world.alice.id, "hello"))
