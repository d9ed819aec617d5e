"""The bot's process ends within ten seconds of being asked to, whatever holds it up."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from bot.protocol import ExitCode
from storage.paths import Home
from tests.discord_stand_in.stand_in import StandInThread
from tests.live.process import BotProcess, make_home, running

HELD_UP = (sys.executable, str(Path(__file__).with_name("held_up.py")))
LIMIT_S = 10.0

posix = pytest.mark.skipif(os.name != "posix", reason="Windows sends no signals")


@pytest.fixture
def discord() -> Iterator[StandInThread]:
    with StandInThread() as stand_in:
        yield stand_in


@pytest.fixture
def home(tmp_path: Path, discord: StandInThread) -> Home:
    return make_home(tmp_path / "home", discord)


def ends_in_time(bot: BotProcess, code: ExitCode = ExitCode.DONE) -> None:
    """It ends now, in order: with its last line in the log, and without a trace elsewhere."""
    began_s = time.monotonic()
    assert bot.process.wait(30) == code, bot.said()
    assert time.monotonic() - began_s < LIMIT_S
    assert "Traceback" not in bot.said()
    assert not (bot.home.data_storage / "control.json").exists()
    lines = (bot.home.logs / "bot.jsonl").read_text(encoding="utf-8").splitlines()
    assert any("The bot ends." in json.loads(line)["message"] for line in lines)


def loading(home: Home, discord: StandInThread) -> BotProcess:
    bot = BotProcess(home, discord, command=(*HELD_UP, "loading"))
    bot.wait_until(lambda: bot.phase() == "loading")
    return bot


def test_while_it_loads(discord: StandInThread, home: Home) -> None:
    """Until then it says what it can, and does what needs no model."""
    bot = loading(home, discord)
    bot.ask("reload")
    bot.ask("set", name="response_rate", text="0.5")
    bot.ask("exclude", member_id=discord.world.alice.id, is_excluded=True)
    assert bot.ask("verdicts", limit=1)["verdicts"] == []
    with pytest.raises(Exception, match="still being loaded"):
        bot.ask("say", text="hello")
    bot.ask("stop")
    ends_in_time(bot)


@posix
def test_by_ctrl_c_while_it_loads(discord: StandInThread, home: Home) -> None:
    bot = loading(home, discord)
    bot.process.send_signal(signal.SIGINT)
    ends_in_time(bot)


def test_while_another_process_keeps_the_database_locked(
    discord: StandInThread, home: Home
) -> None:
    """Nothing that was asked for or said meanwhile is lost: it is read back."""
    world = discord.world
    general, alice, carol = world.general.id, world.alice.id, world.carol.id
    with closing(sqlite3.connect(home.database, isolation_level=None)) as other:
        with running(home, discord) as bot:
            other.execute("BEGIN IMMEDIATE")
            asked = [world.say(general, alice, f"Mynah, are you there? {n}") for n in range(3)]
            world.say(general, carol, "!setrate 0.0")
            time.sleep(0.5)
            bot.ask("stop")
            ends_in_time(bot)
        other.execute("ROLLBACK")
    with running(home, discord) as bot:
        bot.wait_until(lambda: set(asked) <= {p.asked for p in discord.posts(general)})


def test_with_a_training_that_does_not_end(discord: StandInThread, home: Home) -> None:
    world = discord.world
    with running(home, discord, command=(*HELD_UP, "training")) as bot:
        world.say(world.general.id, world.carol.id, "!train")
        bot.wait_posts(1)
        mark = home.data_storage / "job.json"
        bot.wait_until(lambda: any("deaf" in p.read_text() for p in home.logs.glob("train-*")))
        training = psutil.Process(json.loads(mark.read_text())["pid"])
        bot.ask("stop")
        ends_in_time(bot)
        assert not training.is_running()
        assert not mark.exists()
        assert len(discord.posts(world.general.id)) == 1


@posix
def test_by_ctrl_c_while_a_reply_hangs_in_a_dead_network(
    discord: StandInThread, home: Home
) -> None:
    world = discord.world
    with running(home, discord) as bot:
        discord.faults.delay("POST /channels/*/messages", 60)
        world.say(world.general.id, world.alice.id, "Mynah, are you there?")
        bot.wait_until(lambda: bool(bot.ask("verdicts", limit=1)["verdicts"]))
        bot.process.send_signal(signal.SIGINT)
        ends_in_time(bot)


def test_a_restart_by_itself_ends_the_old_life_and_begins_a_new_one(
    discord: StandInThread, home: Home
) -> None:
    with running(home, discord) as bot:
        bot.ask("restart")
        bot.wait_until(lambda: bot.said().count("Restarting, as asked.") == 1)
        bot.wait_online()
        bot.ask("stop")
        ends_in_time(bot)
