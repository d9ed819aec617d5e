"""What members do about their own words, with the bot's process as it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.asked_if_bot import what_it_is
from storage.database import Database
from storage.paths import Home
from tests.discord_stand_in.stand_in import StandInThread
from tests.live.process import make_home, running
from tests.live.test_bot_process import verdict_reasons

MARK = "8f1c2b7e6a9d4053b1f0e7c2d9a4568b"


@pytest.fixture
def discord() -> Iterator[StandInThread]:
    with StandInThread() as stand_in:
        yield stand_in
        assert list(stand_in.violations) == []


@pytest.fixture
def home(tmp_path: Path, discord: StandInThread) -> Home:
    return make_home(tmp_path / "home", discord)


def test_a_member_says_no_and_is_forgotten(discord: StandInThread, home: Home) -> None:
    world = discord.world
    general, alice, bob = world.general.id, world.alice.id, world.bob.id
    with running(home, discord) as bot:
        bot.wait_until(lambda: bool(discord.asked("PUT /applications/*/guilds/*/commands")))
        world.say(general, alice, f"remember {MARK}")
        asked = world.say(general, alice, "Mynah, are you a real person?")
        [post] = bot.wait_posts(1)
        assert (post.asked, post.content) == (asked, what_it_is("are you real?", "Mynah"))

        assert "nothing you wrote is recalled" in wish(discord, "privacy optout", alice).content
        with Database.open(home.database) as database:
            assert {m.author_id for m in database.messages_by_id([asked])} == {alice}
            assert [one.role for one in database.context(general, 10)] == ["own"]

        question = wish(discord, "privacy forget", alice)
        shown = world.any_message(question.original_id)
        yes = shown.components[0]["components"][0]["custom_id"]
        world.interact(general, alice, button=yes, message_id=shown.id)
        bot.wait_until(lambda: shown.content.startswith("Done: 2 messages"))
        again = world.say(general, alice, f"Mynah, still {MARK}?")
        bot.wait_until(lambda: verdict_reasons(bot)[:1] == ["author excluded"])
        other = world.say(general, bob, "Mynah, are you a bot?")
        assert bot.wait_posts(2)[1].asked == other
        with Database.open(home.database) as database:
            assert database.is_forgotten(alice)
            assert database.messages_by_id([asked, again]) == []
        assert "You were forgotten" in wish(discord, "privacy show", alice).content
        bot.end()
    for path in home.root.rglob("*"):
        if path.is_file():
            assert MARK.encode() not in path.read_bytes(), path


def wish(discord: StandInThread, command: str, member_id: int) -> Any:
    given = discord.world.interact(discord.world.general.id, member_id, command=command)
    return discord.wait_for_answer(given)
