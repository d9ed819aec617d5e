"""The script over Discord's own protocol on loopback: faults, closed channels, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.paths import PROGRAM_DIR, Home
from storage.records import Origin
from tests.discord_stand_in.stand_in import StandInThread
from tests.discord_stand_in.things import Allow

SCRIPT = PROGRAM_DIR / "scripts" / "1_fetch_all_history.py"
PAGES = "GET /channels/*/messages"


@pytest.fixture
def discord() -> Iterator[StandInThread]:
    with StandInThread() as stand_in:
        yield stand_in
        assert stand_in.violations == []


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def start(discord: StandInThread, home: Home, *arguments: object) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "DISCORD_BOT_TOKEN": discord.token,
        "MYNAH_DISCORD_API": discord.api_url,
        "MYNAH_DISCORD_GATEWAY": discord.gateway_url,
        "DISCORD_SERVER_ID": str(discord.world.guild.id),
        "DISCORD_CHANNEL_IDS": str(discord.world.general.id),
    }
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), "--home", str(home.root), *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def stored_ids(home: Home, channel_id: int) -> list[int]:
    with Database.open(home.database) as db:
        assert db.origins() <= {Origin.DISCORD_API}
        return [message.message_id for message in db.messages(channel_id=channel_id)]


def test_a_history_is_fetched_with_faults_on_the_way(discord: StandInThread, home: Home) -> None:
    general, random = discord.world.general.id, discord.world.random.id
    said = discord.world.fill(general, 1500, seed=1)
    thread = discord.world.add_thread(general, "a thread").id
    in_thread = discord.world.fill(thread, 120, seed=2)
    discord.world.fill(random, 50, seed=3)  # not listed
    discord.faults.rate_limit(PAGES, times=2, retry_after_s=0.2)
    discord.faults.fail(PAGES, 503, times=1)
    code, out, err = ended(start(discord, home, "--json"))
    assert (code, json.loads(out.splitlines()[-1])["new"]) == (0, 1620), err
    assert stored_ids(home, general) == said
    assert stored_ids(home, thread) == in_thread
    assert stored_ids(home, random) == []
    assert discord.token not in out + err
    assert not discord.asked("GET /gateway/bot")

    late = discord.world.say(general, discord.world.alice.id, "one more thing")
    before = len(discord.asked(PAGES))
    code, out, err = ended(start(discord, home))
    assert (code, out.splitlines()[0][:16]) == (0, "1 messages new, "), err
    assert stored_ids(home, general) == [*said, late]
    assert len(discord.asked(PAGES)) - before == 2  # one for the channel, one for the thread


@pytest.mark.parametrize("denied", [Allow.VIEW_CHANNEL, Allow.READ_MESSAGE_HISTORY])
def test_closed_and_unknown_channels_are_named_and_others_go_on(
    discord: StandInThread, home: Home, denied: Allow
) -> None:
    general, random = discord.world.general.id, discord.world.random.id
    said = discord.world.fill(random, 30)
    discord.world.fill(general, 30)
    discord.world.deny(general, denied)
    unknown = 812345678901234567
    code, out, err = ended(start(discord, home, "--channels", general, random, unknown))
    assert code == 0, err
    assert stored_ids(home, random) == said
    assert stored_ids(home, general) == []
    assert "general was skipped: Discord does not let the bot read" in out
    assert f"{unknown} was skipped: there is no such channel" in out
    code, _, err = ended(start(discord, home, "--channels", general))
    assert code == 2
    assert "none of the channels could be read" in err


def test_a_refused_token_is_a_sentence(discord: StandInThread, home: Home) -> None:
    discord.faults.refuse_token()
    code, _, err = ended(start(discord, home))
    assert code == 2
    assert "token" in err
    assert discord.token not in err


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_fetch_that_is_ended_is_completed_by_another(
    discord: StandInThread, home: Home, ending: signal.Signals
) -> None:
    general = discord.world.general.id
    said = discord.world.fill(general, 900)
    discord.faults.delay(PAGES, 0.1)
    process = start(discord, home)
    deadline = time.monotonic() + 60
    while len(discord.asked(PAGES)) < 4:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(ending)
    code, _, err = ended(process)
    kept = stored_ids(home, general)
    assert kept == said[: len(kept)]
    assert 200 <= len(kept) < 900
    if ending is not signal.SIGKILL:
        assert code == 130
        assert "the same command again goes on from there" in err
    code, out, _ = ended(start(discord, home, "--json"))
    assert (code, json.loads(out.splitlines()[-1])["new"]) == (0, 900 - len(kept))
    assert stored_ids(home, general) == said
