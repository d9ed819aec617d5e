"""The bot's process before its owner lets it speak: heard in the private channel alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import discord as dpy
import pytest

from storage.database import Database
from storage.paths import PROGRAM_DIR, Home
from storage.rehearsal_store import Rehearsed
from tests.discord_stand_in.stand_in import StandInThread
from tests.live.process import BotProcess, make_home, running

VIEW = dpy.Permissions(view_channel=True).value


@pytest.fixture
def discord() -> Iterator[StandInThread]:
    with StandInThread() as stand_in:
        yield stand_in
        assert list(stand_in.violations) == []


@pytest.fixture
def stage(discord: StandInThread) -> int:
    """A channel that admins and the bot alone see."""
    world = discord.world
    channel_id = int(world.add_channel("stage").id)
    world.deny(channel_id, VIEW, int(world.guild.id))
    world.allow(channel_id, VIEW)
    return channel_id


def make(tmp_path: Path, discord: StandInThread, stage: int, **more: object) -> Home:
    values = {"speaks_in_public": "off", "rehearsal_channel_id": stage, "temperature": 0}
    return make_home(tmp_path / "home", discord, **{**values, **more})


def rows_of(bot: BotProcess) -> list[Rehearsed]:
    with Database.open(bot.home.database) as database:
        found = database.rehearsals()
        return database.rehearsed(found[0].rehearsal_id) if found else []


def test_it_is_heard_by_its_admins_first(
    discord: StandInThread, tmp_path: Path, stage: int
) -> None:
    world = discord.world
    general, alice, carol = world.general.id, world.alice.id, world.carol.id
    home = make(tmp_path, discord, stage)
    with running(home, discord) as bot:
        world.say(stage, carol, "this is nobody's business")
        asked = world.say(general, alice, "Mynah, how was the raid?")
        bot.wait_until(lambda: len(discord.posts(stage)) == 1)
        [post] = discord.posts(stage)
        assert "**alice**" in post.content
        assert f"/channels/{world.guild.id}/{general}/{asked}" in post.content
        assert "addressed by name" in post.content
        bot.wait_until(lambda: set(post.reactions) == {"✅", "❌", "🔇"})
        assert list(discord.posts(general)) == []
        [row] = rows_of(bot)
        assert row.posted_id == post.id
        assert row.draft in post.content.replace("> ", "")
        assert not row.answer  # its own reactions are none

        world.react(post.id, alice, "❌")  # no admin
        world.react(post.id, carol, "🔇")
        bot.wait_until(lambda: rows_of(bot)[0].answer == "too_much")
        assert rows_of(bot)[0].answered_by == carol
        world.unreact(post.id, carol, "🔇")
        bot.wait_until(lambda: rows_of(bot)[0].answer == "")
        world.react(post.id, carol, "✅")
        bot.wait_until(lambda: rows_of(bot)[0].answer == "yes")

        world.delete(asked)
        bot.wait_until(lambda: rows_of(bot) == [])
        bot.ask("set", name="speaks_in_public", text="on")
        again = world.say(general, alice, "Mynah, and now?")
        [said] = bot.wait_posts(1)
        assert said.reply_to in (again, None)
        assert len(discord.posts(stage)) == 1
        bot.end()
    with Database.open(home.database) as database:
        assert list(database.messages(channel_id=stage)) == []
        closed = database.channel(stage)
        assert closed is not None
        assert not closed.is_allowed
    assert not home.scratch.exists()


def test_where_it_lurks_it_is_heard_in_private_and_forgets_there_too(
    discord: StandInThread, tmp_path: Path, stage: int
) -> None:
    world = discord.world
    general, alice, carol = world.general.id, world.alice.id, world.carol.id
    home = make(tmp_path, discord, stage, speaks_in_public="on")
    mark = "c0ffee8f1c2b7e6a9d4053b1f0e7c2d9"
    with running(home, discord) as bot:
        world.say(general, carol, "!lurk on")
        bot.wait_posts(1)
        world.say(general, alice, f"Mynah, what is {mark}?")
        bot.wait_until(lambda: len(discord.posts(stage)) == 1)
        assert len(discord.posts(general)) == 1  # the order's answer alone
        assert any(mark.encode() in path.read_bytes() for path in home.scratch.rglob("mynah.db*"))
        command = [sys.executable, str(PROGRAM_DIR / "scripts" / "privacy.py"), "forget"]
        command += ["--member", str(alice), "--yes", "--home", str(home.root)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        bot.wait_until(lambda: not home.scratch.exists())
        assert rows_of(bot) == []
        world.say(general, carol, "Mynah, are you still there?")
        bot.wait_until(lambda: len(rows_of(bot)) == 1)
        bot.end()
    for path in home.root.rglob("*"):
        assert not path.is_file() or mark.encode() not in path.read_bytes(), path


def test_what_was_read_along_is_not_read_twice(discord: StandInThread, tmp_path: Path) -> None:
    """The silent pipeline's conversation begins as a copy of the real one's."""
    world = discord.world
    general, alice = world.general.id, world.alice.id
    home = make_home(tmp_path / "home", discord, speaks_in_public="off", recall_enabled="off")
    with running(home, discord) as bot:

        def serving() -> dict[str, int]:
            return dict(bot.ask("stats")["serving"])

        for n in range(12):
            world.say(general, alice, f"a line that the model reads along, number {n}")
        bot.wait_until(lambda: len(rows_of(bot)) == 12)
        bot.wait_until(lambda: serving()["read_tokens"] > 150)
        world.say(general, alice, "Mynah, did you get all that?")
        bot.wait_until(lambda: rows_of(bot)[-1].reason == "addressed by name")
        assert rows_of(bot)[-1].is_spoken or rows_of(bot)[-1].guard
        after = serving()
        assert after["asked_tokens"] < 100 < 150 < after["read_tokens"]
        bot.end()


def test_a_channel_that_everyone_sees_shows_nothing(discord: StandInThread, tmp_path: Path) -> None:
    world = discord.world
    home = make(tmp_path, discord, world.random.id)
    with running(home, discord) as bot:
        world.say(world.general.id, world.alice.id, "Mynah, are you there?")
        bot.wait_until(lambda: len(rows_of(bot)) == 1)
        bot.wait_until(lambda: "open to everyone" in logged(home))
        assert list(discord.posts(world.random.id)) == []
        bot.end()


def test_nor_one_that_a_role_of_members_sees(
    discord: StandInThread, tmp_path: Path, stage: int
) -> None:
    """Also one that Discord manages, such as that of those who boost the server."""
    world = discord.world
    role = world.add_role("boosters")
    role.managed = True
    world.allow(stage, VIEW, role.id)
    home = make(tmp_path, discord, stage)
    with running(home, discord) as bot:
        world.say(world.general.id, world.alice.id, "Mynah, are you there?")
        bot.wait_until(lambda: len(rows_of(bot)) == 1)
        bot.wait_until(lambda: "nothing is shown there: @boosters" in logged(home))
        assert list(discord.posts(stage)) == []
        bot.end()


def test_an_answer_is_taken_back_after_a_restart(
    discord: StandInThread, tmp_path: Path, stage: int
) -> None:
    """Discord does not say then what roles somebody has who takes a reaction away."""
    world = discord.world
    role = world.add_role("keepers", dpy.Permissions(manage_guild=True).value)
    world.guild.members[world.alice.id].roles.append(role.id)
    home = make(tmp_path, discord, stage)
    with running(home, discord) as bot:
        world.say(world.general.id, world.bob.id, "Mynah, are you there?")
        bot.wait_until(lambda: len(discord.posts(stage)) == 1)
        [post] = discord.posts(stage)
        world.react(post.id, world.alice.id, "✅")
        bot.wait_until(lambda: rows_of(bot)[0].answer == "yes")
        bot.end()
    with running(home, discord) as bot:
        world.unreact(post.id, world.alice.id, "✅")
        bot.wait_until(lambda: rows_of(bot)[0].answer == "")
        bot.end()


def test_the_running_bot_rehearses_what_is_recorded(discord: StandInThread, tmp_path: Path) -> None:
    world = discord.world
    general, alice = world.general.id, world.alice.id
    home = make_home(tmp_path / "home", discord, speaks_in_public="on", temperature=0)
    script = [sys.executable, str(PROGRAM_DIR / "scripts" / "rehearse.py")]
    ending = ["--home", str(home.root), "--json"]

    def ask(*words: str) -> list[dict[str, object]]:
        done = subprocess.run(
            [*script, *words, *ending], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    with running(home, discord) as bot:
        for n in range(6):
            world.say(general, alice, f"Mynah, question {n}?")
            bot.wait_posts(n + 1)
        before = len(discord.posts(general))
        lines = ask("run", "--last", "6")
        assert lines[0]["event"] == "plan"
        assert lines[-1]["event"] == "done"
        # Its own lines are left out of the day.
        assert lines[-1]["done"] == lines[-1]["messages"]
        assert len(discord.posts(general)) == before
        [shown] = ask("show")
        rows = shown["rows"]
        assert isinstance(rows, list)
        assert rows
        answers = [f"{row['row_id']}=yes" for row in rows]
        [kept] = ask("answer", *answers)
        assert kept["answered"] == len(rows)
        bot.end()


def logged(home: Home) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in home.logs.glob("*.jsonl"))
