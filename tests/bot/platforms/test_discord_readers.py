"""Who may read what on Discord, by its permissions; and that what was said there stays there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bot.messages import IncomingMessage
from bot.recall import Recall
from bot.store import store
from storage.database import Database
from storage.records import Readers
from tests.bot.platforms.discord_scene import Scene, discord_scene
from tests.discord_stand_in.things import Allow

SEE = Allow.VIEW_CHANNEL


async def changed(scene: Scene, change: Callable[[], object]) -> dict[int, Readers]:
    """The readers that are told behind a change."""
    before = scene.readers
    change()
    await scene.until(lambda: scene.readers is not before)
    return scene.readers


async def test_who_reads_a_channel() -> None:
    async with discord_scene() as scene:
        world = scene.discord.world
        everyone, general = world.guild.id, world.general.id
        assert scene.readers[general] == Readers(everyone=True)
        await changed(scene, lambda: world.add_role("staff"))
        staff = next(role.id for role in world.guild.roles.values() if role.name == "staff")
        await changed(scene, lambda: world.deny(general, SEE, staff))
        assert scene.readers[general] == Readers(everyone=True, without=frozenset({staff}))
        # The bot itself, which goes on seeing it, is nobody from whom it must be kept.
        await changed(scene, lambda: world.allow(general, SEE))
        await changed(scene, lambda: world.deny(general, SEE, everyone))
        assert scene.readers[general] == Readers(without=frozenset({staff}))
        await changed(scene, lambda: world.allow(general, SEE, staff))
        assert scene.readers[general] == Readers(may=frozenset({staff}))
        await changed(scene, lambda: world.allow(general, SEE, world.alice.id))
        assert scene.readers[general] == Readers(may=frozenset({staff, world.alice.id}))
        assert scene.readers[world.random.id] == Readers(everyone=True)


async def test_a_thread_is_read_by_its_channel_s_readers_and_a_private_one_by_its_own() -> None:
    async with discord_scene() as scene:
        world = scene.discord.world
        general = world.general.id
        thread = world.add_thread(general, "twigs")
        private = world.add_thread(general, "hidden", private=True, members=[world.bot_id])
        said = [world.say(place.id, world.alice.id, "a twig here") for place in (thread, private)]
        told = [(await scene.message(one)).channel.readers for one in said]
        assert told == [Readers(everyone=True), Readers(everyone=True, is_private=True)]
        await changed(scene, lambda: world.allow(general, SEE))  # the bot stays
        readers = await changed(scene, lambda: world.deny(general, SEE, world.guild.id))
        assert readers[thread.id] == Readers()
        assert readers[private.id] == Readers(is_private=True)


async def test_what_the_staff_says_never_surfaces_in_general(tmp_path: Path) -> None:
    async with discord_scene(start=False) as scene:
        world = scene.discord.world
        role, staff = world.add_role("staff").id, world.add_channel("staff").id
        world.deny(staff, SEE, world.guild.id)
        world.allow(staff, SEE, role)
        world.allow(staff, SEE)  # the bot
        hidden = world.add_thread(staff, "hidden", private=True, members=[world.bot_id]).id
        general = world.general.id
        scene.settings = scene.settings.__class__({"discord_channel_ids": f"{general},{staff}"})
        scene.start()
        await scene.online()
        ids = [
            world.say(staff, world.alice.id, "the vault code hangs behind the dungeon door"),
            world.say(hidden, world.alice.id, "nobody knows the dungeon of the hidden thread"),
            world.say(general, world.bob.id, "a dungeon for everybody at nine tonight"),
        ]
        asked = [world.say(place, world.bob.id, "which dungeon?") for place in (general, staff)]
        told = {one: await scene.message(one) for one in (*ids, *asked)}
        with Database.open(tmp_path / "mynah.db") as database:
            store(database, list(told.values()), own_id=scene.platform.own_id, persona_name="m")
            recall = Recall(database)

            def heard(message: IncomingMessage) -> set[int]:
                found = recall.find(message, None, limit=8, in_view=(), said=[])
                return {memory.message_id for memory in found.items}

            in_general, in_staff = (told[one] for one in asked)
            assert heard(in_general) == {ids[2]}
            assert heard(in_staff) == {ids[0], ids[2]}
            # The permissions change while nobody says anything.
            opened = await changed(scene, lambda: world.allow(staff, SEE, world.guild.id))
            database.set_readers(opened)
            assert heard(in_general) == {ids[0], ids[2]}
            closed = await changed(scene, lambda: world.deny(general, SEE, role))
            database.set_readers(closed)
            assert heard(in_staff) == {ids[0]}


async def test_an_archived_thread_is_closed_with_its_channel(tmp_path: Path) -> None:
    async with discord_scene() as scene:
        world = scene.discord.world
        general = world.general.id
        thread = world.add_thread(general, "twigs")
        private = world.add_thread(general, "hidden", private=True, members=[world.bot_id])
        said = [world.say(one.id, world.alice.id, "a twig here") for one in (thread, private)]
        told = [await scene.message(one) for one in said]
        with Database.open(tmp_path / "mynah.db") as database:
            store(database, told, own_id=scene.platform.own_id, persona_name="m")
            world.archive_thread(thread.id)
            world.archive_thread(private.id)
            await changed(scene, lambda: world.allow(general, SEE))  # the bot stays
            readers = await changed(scene, lambda: world.deny(general, SEE, world.guild.id))
            assert thread.id not in readers
            assert database.set_readers(readers)
            assert not database.set_readers(readers)
            known = {one.channel_id: one.readers for one in database.channels()}
            assert known[thread.id] == Readers()
            assert known[private.id] == Readers(is_private=True)
