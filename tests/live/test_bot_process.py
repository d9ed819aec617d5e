"""The bot's process as its owner meets it: on Discord's own protocol, with the small base."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.protocol import ExitCode
from storage.database import Database
from storage.paths import Home
from tests.discord_stand_in.stand_in import StandInThread
from tests.live.process import BotProcess, make_home, running


@pytest.fixture
def discord() -> Iterator[StandInThread]:
    with StandInThread() as stand_in:
        yield stand_in
        assert list(stand_in.violations) == []


@pytest.fixture
def home(tmp_path: Path, discord: StandInThread) -> Home:
    return make_home(tmp_path / "home", discord)


def test_a_day_on_a_server(discord: StandInThread, home: Home) -> None:
    """Said, answered, ordered, restarted: everything once, and nobody is pinged."""
    world = discord.world
    general, alice, carol = world.general.id, world.alice.id, world.carol.id
    with running(home, discord) as bot:
        world.say(general, alice, "morning all")
        asked = world.say(general, alice, f"<@{discord.bot_id}> how was the raid?")
        [post] = bot.wait_posts(1)
        assert post.asked == asked
        named = world.say(general, alice, "mynah, you there?")
        assert bot.wait_posts(2)[1].asked == named
        world.say(world.random.id, alice, "Mynah? not listed, not read")

        world.say(general, alice, "!setrate 0.9")  # a stranger's order: silence
        told = world.say(general, carol, "!setrate 1.5")
        assert "0.0 to 1.0" in bot.wait_posts(3)[2].content
        assert bot.discord.posts(general)[2].asked == told
        world.say(general, carol, "!setrate 1.0")
        bot.wait_posts(4)
        unasked = world.say(general, alice, "what a day")
        assert bot.wait_posts(5)[4].asked == unasked
        world.say(general, carol, "!setrate 0.0")
        bot.wait_posts(6)
        world.say(general, alice, "and another one")
        bot.wait_until(lambda: "does not concern it enough" in verdict_reasons(bot)[0])
        world.say(general, carol, "!why 2")
        why = bot.wait_posts(7)[6].content
        assert "does not concern it enough" in why
        assert bot.ask("say", text="hello there")["reply"]
        rows = bot.ask("verdicts", limit=50)["verdicts"]
        assert sum(row["outcome"] == "sent" for row in rows) == 3
        day = bot.ask("stats")["statistics"]["24h"]
        assert (day["answered"], day["errors"]) == (3, 0)
        assert bot.end() == ExitCode.DONE
    with Database.open(home.database) as database:
        stored = [m.content for m in database.messages(channel_id=general)]
        assert "morning all" in stored
        assert not any(text.startswith("!setrate 1") for text in stored)
        assert list(database.messages(channel_id=world.random.id)) == []
    replies = [line for line in log_lines(home) if line["logger"] == "bot.replies"]
    assert len(replies) == 4  # the playground's, too
    assert {"verdict", "recalled", "prompt_tokens", "total_s"} <= replies[0].keys()


def test_what_was_said_while_it_was_away_is_read_once_and_answered_where_it_is_fresh(
    discord: StandInThread, home: Home
) -> None:
    world = discord.world
    general, alice = world.general.id, world.alice.id
    with running(home, discord) as bot:
        world.say(general, alice, "first words")
        bot.wait_until(lambda: bool(bot.ask("verdicts", limit=1)["verdicts"]))
        bot.kill()
    away = [world.say(general, alice, f"while away {n}") for n in range(230)]
    asked = world.say(general, alice, "Mynah, are you back?")
    with running(home, discord) as bot:
        [post] = bot.wait_posts(1)
        assert post.asked == asked
        bot.wait_until(lambda: bot.ask("stats")["waiting"] == 0)
        with Database.open(home.database) as database:
            shown = [line.message_id for line in database.context(general, 1000)]
        assert [one for one in shown if one in set(away)] == away
        assert shown.count(asked) == 1


@pytest.mark.parametrize(
    ("break_it", "code", "sentence"),
    [
        (lambda discord, home: discord.faults.refuse_token(), ExitCode.BAD_TOKEN, "token"),
        (
            lambda discord, home: discord.faults.disallow_intents(),
            ExitCode.MISSING_INTENT,
            "Message Content Intent",
        ),
        (
            lambda discord, home: home.env_file.write_text("DISCORD_CHANNEL_IDS=general\n"),
            ExitCode.BAD_CONFIG,
            "DISCORD_CHANNEL_IDS",
        ),
        (
            lambda discord, home: home.env_file.write_text(f"DISCORD_SERVER_ID={discord.token}\n"),
            ExitCode.BAD_CONFIG,
            "DISCORD_SERVER_ID",
        ),
        (
            lambda discord, home: home.env_file.write_text(""),
            ExitCode.BAD_CONFIG,
            "no Discord token",
        ),
    ],
)
def test_what_is_final_is_one_sentence(
    discord: StandInThread,
    home: Home,
    break_it: object,
    code: ExitCode,
    sentence: str,
) -> None:
    break_it(discord, home)  # type: ignore[operator]
    bot = BotProcess(home, discord)
    assert bot.process.wait(60) == code
    assert sentence in bot.said()
    assert discord.token not in bot.said()
    assert "Traceback" not in bot.said()


def test_one_instance_a_home(discord: StandInThread, home: Home) -> None:
    with running(home, discord) as bot:
        second = BotProcess(home, discord)
        assert second.process.wait(60) == ExitCode.ALREADY_RUNNING
        assert "running already" in second.said()
        assert bot.process.poll() is None


def test_the_token_is_in_no_file_argument_or_log(discord: StandInThread, home: Home) -> None:
    with Database.open(home.database) as database:
        database.set_config("log_level", "DEBUG")
    with running(home, discord) as bot:
        discord.world.say(discord.world.general.id, discord.world.alice.id, "Mynah, my secret word")
        bot.wait_posts(1)
        arguments = Path(f"/proc/{bot.process.pid}/cmdline")
        if arguments.exists():
            assert discord.token.encode() not in arguments.read_bytes()
        assert bot.end() == ExitCode.DONE
    for path in home.root.rglob("*"):
        if path.is_file() and path != home.env_file:
            assert discord.token.encode() not in path.read_bytes(), path
    for path in home.logs.iterdir():
        assert b"my secret word" not in path.read_bytes(), path
    if os.name == "posix":
        assert home.env_file.stat().st_mode & 0o077 == 0


def test_an_exclusion_is_silent_in_the_open_and_holds_at_once(
    discord: StandInThread, home: Home
) -> None:
    world = discord.world
    general, alice, carol = world.general.id, world.alice.id, world.carol.id
    with running(home, discord) as bot:
        world.say(general, alice, "remember me")
        world.say(general, carol, f"!exclude <@{alice}>")
        bot.wait_until(lambda: any("left out" in text for text in direct_messages(discord, carol)))
        world.say(general, alice, "Mynah, do you hear me?")
        bot.wait_until(lambda: verdict_reasons(bot)[:1] == ["author excluded"])
        with Database.open(home.database) as database:
            assert database.context(general, 10) == []
        world.say(general, carol, f"!include {alice}")
        bot.wait_until(lambda: any("no longer" in text for text in direct_messages(discord, carol)))
        asked = world.say(general, alice, "Mynah, and now?")
        assert [post.asked for post in bot.wait_posts(1)] == [asked]


def direct_messages(discord: StandInThread, member_id: int) -> list[str]:
    channel = discord.world.direct_channel(member_id)
    return [post.content for post in discord.posts(channel.id)]


def verdict_reasons(bot: BotProcess) -> list[str]:
    rows = bot.ask("verdicts", limit=10)["verdicts"]
    return [row["reason"] for row in rows if row["verdict"] != "order"]


def log_lines(home: Home) -> list[dict[str, object]]:
    files = [p for p in home.logs.iterdir() if re.fullmatch(r"bot.*\.jsonl", p.name)]
    return [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines()]
