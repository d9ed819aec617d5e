"""scripts/check_discord.py as the window runs it: against Discord on loopback."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.paths import PROGRAM_DIR
from tests.discord_stand_in.stand_in import StandInThread
from tests.discord_stand_in.things import Allow, ChannelKind
from tests.live.process import environment

SCRIPT = PROGRAM_DIR / "scripts" / "check_discord.py"
WRONG = "MTE5ODYyMjQ4MzQ3MTkyNTI0OA.Gabcde.aB3dEfGhIjKlMnOpQrStUvWxYz0123456789ab"


@pytest.fixture
def discord() -> Iterator[StandInThread]:
    with StandInThread() as stand_in:
        yield stand_in
        assert list(stand_in.violations) == []


def check(
    discord: StandInThread, home: Path, *arguments: str, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    token = discord.token if given is None else given
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments, "--home", str(home)],
        input=f"{token}\n" if token else "",
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment(discord),
        timeout=60,
    )
    assert discord.token not in done.stdout + done.stderr
    return done


def answer(discord: StandInThread, home: Path, *arguments: str, **rest: Any) -> Any:
    done = check(discord, home, *arguments, **rest)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_token_says_whose_it_is(discord: StandInThread, tmp_path: Path) -> None:
    found = answer(discord, tmp_path, "token")
    assert (found["name"], found["id"]) == ("mynah", discord.bot_id)
    assert found["intents"] == {"message_content": True, "members": True}
    assert found["avatar_png_base64"] is None
    assert f"client_id={found['application_id']}" in found["invite_url"]
    assert "applications.commands" in found["invite_url"]

    discord.faults.disallow_intents()
    discord.world.users[discord.bot_id].avatar = "0123456789abcdef0123456789abcdef"
    (tmp_path / ".env").write_text(f"DISCORD_BOT_TOKEN={discord.token}\n")
    kept = answer(discord, tmp_path, "token", given="")
    assert kept["intents"] == {"message_content": False, "members": False}
    assert base64.b64decode(kept["avatar_png_base64"]).startswith(b"\x89PNG")


def test_what_goes_wrong_is_a_sentence(discord: StandInThread, tmp_path: Path) -> None:
    refused = check(discord, tmp_path, "token", given=WRONG)
    assert refused.returncode == 2
    assert "does not accept this token" in refused.stderr
    none = check(discord, tmp_path, "token", given="")
    assert (none.returncode, "no Discord token yet" in none.stderr) == (2, True)
    elsewhere = check(discord, tmp_path, "members", "5")
    assert (elsewhere.returncode, "not on that server" in elsewhere.stderr) == (2, True)
    discord.faults.disallow_intents()
    hidden = check(discord, tmp_path, "members", str(discord.world.guild.id))
    assert (hidden.returncode, "Server Members Intent" in hidden.stderr) == (2, True)
    discord.down()
    away = check(discord, tmp_path, "servers")
    assert (away.returncode, "could not be reached" in away.stderr) == (2, True)
    assert away.stderr.count("\n") == 1
    discord.up()


def test_channels_in_order_with_what_the_bot_may(discord: StandInThread, tmp_path: Path) -> None:
    world = discord.world
    late = world.add_channel("late", kind=ChannelKind.CATEGORY)
    early = world.add_channel("early", kind=ChannelKind.CATEGORY)
    late.position, early.position = 9, 8
    one, two = world.add_channel("one"), world.add_channel("two", kind=ChannelKind.FORUM)
    one.parent_id, two.parent_id = late.id, early.id
    world.add_channel("lounge", kind=ChannelKind.VOICE)
    world.deny(world.random.id, Allow.VIEW_CHANNEL)
    world.deny(one.id, Allow.SEND_MESSAGES)
    world.deny(two.id, Allow.READ_MESSAGE_HISTORY)
    [server] = answer(discord, tmp_path, "servers")["servers"]
    assert (server["name"], server["id"]) == ("The Nest", world.guild.id)
    rights = ("can_see", "can_read", "can_send")
    seen = [(c["name"], c["category"], *(c[name] for name in rights)) for c in server["channels"]]
    assert seen == [
        ("general", "", True, True, True),
        ("random", "", False, False, False),
        ("two", "early", True, False, True),
        ("one", "late", True, True, False),
    ]


def test_watching_tells_of_a_new_server_until_nobody_reads(
    discord: StandInThread, tmp_path: Path
) -> None:
    discord.world.remove_guild(discord.world.guild.id)
    watching = subprocess.Popen(
        [sys.executable, str(SCRIPT), "servers", "--watch", "0.1", "--home", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(discord),
    )
    assert watching.stdin is not None
    assert watching.stdout is not None
    assert watching.stderr is not None
    watching.stdin.write(f"{discord.token}\n")
    watching.stdin.flush()
    assert json.loads(watching.stdout.readline()) == {"servers": []}
    guild = discord.world.add_guild("The Roost", discord.world.users[discord.world.alice.id])
    deadline_s = time.monotonic() + 20
    while (line := json.loads(watching.stdout.readline())) == {"servers": []}:
        assert time.monotonic() < deadline_s
    assert line == {"servers": [{"id": guild.id, "name": "The Roost"}]}
    watching.stdout.close()
    assert watching.wait(20) == 0
    assert watching.stderr.read() == ""
    watching.stdin.close()
    watching.stderr.close()


def test_people_and_who_may_manage_the_server(discord: StandInThread, tmp_path: Path) -> None:
    world = discord.world
    keepers = world.add_role("keepers", Allow.MANAGE_GUILD)
    world.add_member("zoe", nick="Zoë", roles=[keepers.id])
    world.add_member("beep", is_bot=True)
    guild_id = str(world.guild.id)
    found = answer(discord, tmp_path, "members", guild_id)
    assert found["complete"] is True
    people = [(one["name"], one["nickname"], one["manage_guild"]) for one in found["members"]]
    assert people == [
        ("carol", "", True),
        ("zoe", "Zoë", True),
        ("alice", "", False),
        ("bob", "", False),
    ]
    searched = answer(discord, tmp_path, "members", guild_id, "--search", "al")
    assert [one["name"] for one in searched["members"]] == ["alice"]
    assert searched["complete"] is False
