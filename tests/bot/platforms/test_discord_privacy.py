"""What members do about their own words, over Discord's own protocol: slash commands, buttons that
survive a restart, files and questions for their eyes alone. Database, home and forgetting are real.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot import privacy_desk
from bot.order_desk import OrderDesk
from bot.platforms import discord_slash
from bot.privacy_answers import FORGOTTEN, NOTHING
from bot.recent import Recent
from data.forgetting import ForgetReport
from storage.database import Database
from storage.paths import Home
from storage.records import ChannelRecord, MemberRecord, MessageRecord, Origin
from storage.settings import Settings
from tests.bot.platforms.discord_scene import Scene, discord_scene
from tests.discord_stand_in.sayings import Interaction, Message

PUT = "PUT /applications/*/guilds/*/commands"
EPHEMERAL = 1 << 6
SECRET = "the marzipan is in the attic"


class Bot:
    """What a desk has of its bot, with a real database. `did` is what else it was asked for."""

    platform: Any

    def __init__(self, home: Home, database: Database) -> None:
        self.home = home
        self.database = database
        self.pipeline = self.intake = self
        self.recent = Recent(database, lambda: 0, lambda _: self.settings, lambda: 1)
        self.settings = Settings({"persona_name": "Mynah", "replies_per_minute_member": 4})
        self.serving = self.keeper = self
        self.returned = ""
        self.name = "demo-base"
        self.did: list[tuple[object, ...]] = []
        self.tasks: list[asyncio.Task[None]] = []

    def tell(self, happening: object) -> None:
        self.did.append(("talk",))

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.create_task(work))

    async def exclude(self, member_id: int, is_excluded: bool) -> None:
        self.did.append(("exclude", member_id, is_excluded))

    async def drop_words_of(self, member_id: int) -> None:
        self.did.append(("drop", member_id))

    async def forget(self, member_id: int) -> None:
        assert self.database.is_forgotten(member_id)
        self.did.append(("forget", member_id))

    async def follow(self) -> None:
        self.did.append(("follow",))


class Town:
    """A scene with a desk, in which alice has said three things, one of them elsewhere."""

    def __init__(self, scene: Scene, bot: Bot, desk: OrderDesk) -> None:
        self.scene = scene
        self.bot = bot
        self.desk = desk
        self.world = scene.discord.world
        self.general = self.world.general.id
        self.alice = self.world.alice.id

    async def slash(self, command: str, member_id: int | None = None, n: int = 1) -> Interaction:
        given = self.world.interact(self.general, member_id or self.alice, command=command)
        return await self.scene.discord.wait_for_answer(given, n)

    async def press(
        self, message_id: int, button: str, *, channel_id: int | None = None, n: int = 1
    ) -> Interaction:
        pressed = self.world.interact(
            channel_id or self.general, self.alice, button=button, message_id=message_id
        )
        return await self.scene.discord.wait_for_answer(pressed, n)

    def message(self, answered: Interaction) -> Message:
        """What the asker sees now of an answer."""
        shown: Message = self.world.any_message(answered.original_id or 0)
        return shown

    async def type(self, text: str, member_id: int | None = None) -> None:
        """Somebody types it in #general, and what came of that is over."""
        message_id = self.world.say(self.general, member_id or self.alice, text)
        self.desk.tell(await self.scene.message(message_id))
        await asyncio.gather(*self.bot.tasks)

    def direct(self) -> list[Message]:
        """What alice was written in private."""
        channel = self.world.direct_channel(self.alice)
        return [self.world.messages[i] for i in channel.message_ids]


def buttons(message: Message) -> dict[str, str]:
    """Custom ids by label."""
    return {b["label"]: b["custom_id"] for row in message.components for b in row["components"]}


@asynccontextmanager
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    home = Home(tmp_path / "home")
    with Database.open(home.database) as database:
        bot = Bot(home, database)
        desk = OrderDesk(bot, None)  # type: ignore[arg-type]
        async with discord_scene(orders=desk.orders) as scene:
            bot.platform = scene.platform
            made = Town(scene, bot, desk)
            fill(database, made)
            await scene.until(lambda: scene.discord.asked(PUT))
            yield made


def fill(database: Database, place: Town) -> None:
    world = place.world
    channels = [
        ChannelRecord(one.id, world.guild.id, "a server", one.name)
        for one in (world.general, world.random)
    ]
    database.upsert_channels(channels)
    database.upsert_members(
        [MemberRecord(one.id, one.user.name, one.user.name) for one in (world.alice, world.bob)]
    )
    said = [(world.general, SECRET), (world.general, "who ate it"), (world.random, "lol")]
    for number, (channel, text) in enumerate(said):
        made_id, at_ms = world.new_id(), 1_746_230_400_000 + number * 60_000
        database.upsert_messages(
            [MessageRecord(made_id, channel.id, place.alice, text, at_ms, Origin.DISCORD_API)]
        )


async def test_privacy_is_offered_to_everybody_in_parts(tmp_path: Path) -> None:
    async with town(tmp_path) as place:
        shown = {c["name"]: c for c in place.world.commands[place.world.guild.id].values()}
        parts = [(one["type"], one["name"]) for one in shown["privacy"]["options"]]
        assert parts == [(1, n) for n in ("show", "export", "optin", "optout", "forget")]
        assert shown["privacy"]["default_member_permissions"] is None
        assert shown["about"]["default_member_permissions"] is None
        assert shown["askconsent"]["default_member_permissions"] is not None
        assert shown["consent"]["default_member_permissions"] is not None


async def test_show_says_what_is_stored_to_the_asker_alone(tmp_path: Path) -> None:
    async with town(tmp_path) as place:
        shown = await place.slash("privacy show")
        assert shown.responses[0].is_ephemeral
        assert shown.content.splitlines() == [
            "**Stored of you** 3 messages since <t:1746230400:D>",
            "**Your choice** you were not asked, or did not answer",
            "**Learned from** no: no admin has recorded a ground for training on Discord's content",
            "**In training sets** 0 examples",
            "**In models** none",
            "**In the memory** 0 messages, as numbers",
            f"<#{place.general}> 2",
            f"<#{place.world.random.id}> 1",
        ]
        nobody = await place.slash("privacy show", place.world.carol.id)
        assert nobody.content == NOTHING
        assert place.world.posted == []


async def test_an_export_is_a_file_for_the_asker_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with town(tmp_path) as place:
        given = await place.slash("privacy export")
        assert given.responses[0].is_ephemeral
        [(name, content)] = place.message(given).files
        assert name == f"mynah-{place.alice}.json"
        written = json.loads(content)
        assert [one["words"] for one in written["said"]] == [SECRET, "who ate it", "lol"]
        assert written["said"][0]["said_at"] == "2025-05-03T00:00:00+00:00"
        assert written["said"][0]["channel"] == "general"
        assert written["stored"]["messages"] == 3
        nobody = await place.slash("privacy export", place.world.carol.id)
        assert nobody.content == NOTHING

        monkeypatch.setattr(privacy_desk, "MOST_BYTES", len(content) - 1)
        packed = await place.slash("privacy export")
        [(name, smaller)] = place.message(packed).files
        assert name.endswith(".json.gz")
        assert gzip.decompress(smaller) == content

        monkeypatch.setattr(privacy_desk, "MOST_BYTES", 10)
        refused = await place.slash("privacy export")
        assert place.message(refused).files == []
        assert "too large for a file on Discord" in refused.content
        assert not list(place.bot.home.data_storage.rglob("*.json*")), "nothing is left on the disk"
        assert place.world.posted == []


async def test_a_slow_export_comes_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with town(tmp_path) as place:
        place.scene.platform._slash._defer_after_s = 0.0  # type: ignore[union-attr]
        given = await place.slash("privacy export", n=2)
        assert [one.kind for one in given.responses] == [5, "edit"]
        assert all(one.is_ephemeral for one in given.responses)
        assert len(place.message(given).files) == 1


async def test_a_choice_is_kept_and_acts_at_once(tmp_path: Path) -> None:
    async with town(tmp_path) as place:
        database = place.bot.database
        yes = await place.slash("privacy optin")
        assert yes.responses[0].is_ephemeral
        assert "Today that changes nothing: no admin has recorded a ground" in yes.content
        member = database.member(place.alice)
        assert member is not None
        assert member.consent == "opted_in"
        assert member.consent_at_ms is not None
        assert place.bot.did == [("exclude", place.alice, False)]
        no = await place.slash("privacy optout")
        assert "nothing you wrote is recalled" in no.content
        assert database.member(place.alice).consent == "opted_out"  # type: ignore[union-attr]
        assert place.bot.did[1:] == [("exclude", place.alice, False), ("drop", place.alice)]
        # Of whom nothing is stored the choice is.
        await place.slash("privacy optout", place.world.carol.id)
        assert database.member(place.world.carol.id).consent == "opted_out"  # type: ignore[union-attr]


async def test_an_admin_s_exclusion_goes_before_a_yes(tmp_path: Path) -> None:
    async with town(tmp_path) as place:
        place.bot.database.set_excluded(place.alice, True)
        yes = await place.slash("privacy optin")
        assert "An admin has left you out of everything" in yes.content
        assert place.bot.did == [("exclude", place.alice, True)]


async def test_forgetting_is_asked_once_more_and_whole(tmp_path: Path) -> None:
    async with town(tmp_path) as place:
        database = place.bot.database
        asked = await place.slash("privacy forget")
        question = place.message(asked)
        assert question.is_ephemeral
        assert "This erases 3 messages of yours" in question.content
        assert list(buttons(question)) == ["Yes, forget me", "No"]
        assert database.message_ids_of(place.alice)
        with pytest.raises(LookupError, match="not shown"):  # nobody else could press it
            place.world.interact(
                place.general,
                place.world.bob.id,
                button=buttons(question)["No"],
                message_id=question.id,
            )
        await place.press(question.id, buttons(question)["No"])
        assert (question.content, question.components) == ("Nothing was erased.", [])

        question = place.message(await place.slash("privacy forget"))
        await place.press(question.id, buttons(question)["Yes, forget me"])
        await place.scene.until(lambda: question.content.startswith("Done"))
        assert question.content.startswith("Done: 3 messages of yours are erased")
        assert "a keyed hash of your account's id" in question.content
        assert question.components == []
        assert question.is_ephemeral
        assert database.is_forgotten(place.alice)
        assert database.message_ids_of(place.alice) == []
        assert database.member(place.alice) is None
        assert place.bot.did == [("forget", place.alice)]
        for wish in ("show", "export", "forget", "optout"):
            assert (await place.slash(f"privacy {wish}")).content == FORGOTTEN
        assert database.member(place.alice) is None
        await place.slash("privacy optin")
        assert not database.is_forgotten(place.alice)
        assert place.world.posted == []


async def test_forgetting_takes_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said that it goes on; a second wish meanwhile has to wait; models are named."""
    async with town(tmp_path) as place:
        may_end, loop = asyncio.Event(), asyncio.get_running_loop()

        def slowly(*_: object, begun: Any, **__: object) -> ForgetReport:
            from data.forgetting_models import Tainted

            asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result(10)
            learned = Tainted("lantern_1", "a member who asked to be forgotten", 1_800_000_000_000)
            return ForgetReport(
                (place.alice,), 3, {}, (), (learned,), "base", {"backups": "in use"}, 9.0
            )

        monkeypatch.setattr(privacy_desk, "forget_member", slowly)
        monkeypatch.setattr(discord_slash, "DEFER_AFTER_S", 0.05)
        place.scene.platform._slash._defer_after_s = 0.05  # type: ignore[union-attr]
        question = place.message(await place.slash("privacy forget"))
        pressed = await place.press(question.id, buttons(question)["Yes, forget me"])
        assert pressed.responses[0].kind == 7
        assert (question.content, question.components) == (
            "I am at it; this takes a moment.",
            [],
        )
        other = await place.slash("privacy show")
        assert "I am still at what you asked before" in other.content
        may_end.set()
        await place.scene.discord.wait_for_answer(pressed, 2)
        assert "Not erased yet in backups" in question.content
        assert "Another model answers from now on." in question.content
        await place.scene.until(lambda: ("follow",) in place.bot.did)


async def test_a_message_with_buttons_that_survive_a_restart(tmp_path: Path) -> None:
    async with town(tmp_path) as place:
        scene, world = place.scene, place.world
        done = await place.slash("askconsent", world.carol.id)
        assert done.responses[0].is_ephemeral
        assert "that message is not needed any more" in done.content
        [posted] = scene.discord.posts(place.general)
        assert posted.content.startswith("**May Mynah learn from you?**")
        ids = buttons(posted)
        assert list(ids) == ["Learn from me", "Don't", "Forget me"]

        await scene.end()  # and a fresh process, which knows nothing of that message
        scene.platform = place.bot.platform = scene.made()
        scene.phases.clear()
        scene.start()
        await scene.online()

        yes = await place.press(posted.id, ids["Learn from me"])
        assert yes.responses[0].is_ephemeral
        assert place.bot.database.member(place.alice).consent == "opted_in"  # type: ignore[union-attr]
        await place.press(posted.id, ids["Don't"])
        assert place.bot.database.member(place.alice).consent == "opted_out"  # type: ignore[union-attr]
        asked = await place.press(posted.id, ids["Forget me"])
        question = place.message(asked)
        assert question.is_ephemeral
        assert list(buttons(question)) == ["Yes, forget me", "No"]
        assert list(buttons(posted)) == list(ids), "the message itself stays as it was"
        assert len(world.posted) == 1, "nothing personal in the open"


async def test_only_an_admin_has_it_posted(tmp_path: Path) -> None:
    async with town(tmp_path) as place:
        with pytest.raises(PermissionError):
            await place.slash("askconsent")
        await place.type("!askconsent")
        assert place.world.posted == []
        assert place.bot.did == [("talk",)]
        await place.type("!askconsent", place.world.carol.id)
        asked, answer = place.world.posted
        assert asked.components
        assert answer.content.startswith("Asked.")


async def test_a_button_of_nobody_s(tmp_path: Path) -> None:
    """Also one of ours for an order that the presser may not give."""
    async with town(tmp_path) as place:
        from bot.order_values import Button

        for button in (Button("x", "setrate", "1"), Button("x", "exclude", "1")):
            sent = await place.scene.platform.send(
                place.general, "x", reply_to_id=None, buttons=[button]
            )
            pressed = await place.press(sent.message_id, f"mynah:{button.order}:1")
            assert "may not give this order" in pressed.content
        message = place.world.messages[sent.message_id]
        message.components[0]["components"][0]["custom_id"] = "nonsense"
        assert "may not" in (await place.press(sent.message_id, "nonsense")).content


async def test_typed_it_is_answered_in_private(tmp_path: Path) -> None:
    async with town(tmp_path) as place:
        await place.type("!privacy show")
        assert place.direct()[-1].content.startswith("**Stored of you** 3 messages")
        await place.type("!Privacy EXPORT")
        assert place.direct()[-1].files[0][0] == f"mynah-{place.alice}.json"
        await place.type("!privacy bob")
        assert place.direct()[-1].content.startswith("`!privacy` takes one of these.")
        await place.type("!privacy forget")
        question = place.direct()[-1]
        assert list(buttons(question)) == ["Yes, forget me", "No"]
        direct = question.channel_id
        await place.press(question.id, buttons(question)["Yes, forget me"], channel_id=direct)
        await place.scene.until(lambda: question.content.startswith("Done"))
        assert question.components == []
        assert place.bot.database.is_forgotten(place.alice)
        assert [m for m in place.world.posted if m.channel_id == place.general] == []
        assert place.bot.did == [("forget", place.alice)], "no order is talk"


async def test_who_takes_no_direct_messages_is_told_of_the_slash_command(tmp_path: Path) -> None:
    async with town(tmp_path) as place:
        place.world.direct_refused.add(place.alice)
        await place.type("!privacy show")
        [said] = place.world.posted
        assert said.channel_id == place.general
        assert said.content.startswith("I cannot write to you in private")
        assert "messages" not in said.content.partition("away.")[2]


async def test_about_is_for_everybody_but_not_without_end(tmp_path: Path) -> None:
    async with town(tmp_path) as place:
        for _ in range(6):
            await place.type("!about")
        assert len(place.world.posted) == 4
        assert place.world.posted[0].content.startswith("I am Mynah, a bot: a language model")
        assert f"<#{place.general}>" in place.world.posted[0].content
        assert "So far 3 messages of 2 members" in place.world.posted[0].content
        assert place.bot.did == []
        about = await place.slash("about")
        assert about.content == place.world.posted[0].content


async def test_the_admin_sees_how_much_may_be_learned_from(tmp_path: Path) -> None:
    async with town(tmp_path) as place:
        database = place.bot.database
        database.set_config("consent_mode", "opt_in")
        database.record_declaration("carol", "permission", 1)
        database.set_consent(place.alice, "opted_in")
        database.upsert_messages(
            [MessageRecord(9, place.general, place.world.bob.id, "hm", 1, Origin.DISCORD_API)]
        )
        told = await place.slash("consent", place.world.carol.id)
        assert told.content.splitlines()[:3] == [
            "**May be learned from** 1 of 2 members, 75% of messages",
            "**Who that is** whoever said yes, and nobody else",
            "**Left out** 1 messages: author has not opted in",
        ]
        shown = await place.slash("privacy show")
        assert "**Learned from** yes" in shown.content
        assert "**Your choice** you may be learned from, said <t:" in shown.content
