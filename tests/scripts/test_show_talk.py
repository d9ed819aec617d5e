"""The transcript of a bot's evening: the talk of a later day, and a short one with the real bot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from data.samples.lantern import DAYS, START, lantern
from scripts.lantern_talk import LONGEST_SILENCE_S, LanternWorld, later_talk
from storage.database import Database
from storage.paths import PROGRAM_DIR, Home
from tests.discord_stand_in.things import snowflake_ms

SCRIPT = PROGRAM_DIR / "scripts" / "show_talk.py"


def show(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--home", str(home), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_talk_is_of_members_behind_the_samples_last_day() -> None:
    talk = later_talk(30, 11)
    ids = [one.own_id for one in talk]
    last_ms = START.timestamp() * 1000 + DAYS * 86_400_000
    assert len(talk) == 30
    assert ids == sorted(ids)
    assert snowflake_ms(ids[0]) >= last_ms
    assert {one.member_id for one in talk} <= {int(one.id) for one in lantern().members}
    assert all(0 <= one.gap_s <= LONGEST_SILENCE_S for one in talk)
    assert later_talk(30, 11) == talk != later_talk(30, 12)


def test_the_stand_in_has_the_samples_members_and_channels() -> None:
    world = LanternWorld()
    assert set(world.guild.members) == {int(m.id) for m in lantern().members} | {world.bot_id}
    assert [one.name for one in world.guild.channels.values()][:2] == ["the-hearth", "raid-table"]


def test_the_bot_answers_who_asks_it_and_its_home_is_left_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").ensure()
    with Database.open(home.database) as database:
        database.set_config("threads", "1")
    done = show(
        home.root, "--lines", "2", "--minutes", "0.02", "--set", "response_rate=0", "--json"
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout.splitlines()[-1])
    lines = shown["lines"]
    asked = [one for one in lines if one.get("aside") == "mention"]
    assert [one["outcome"] for one in asked] == ["sent"]
    own = [one for one in lines if "after_s" in one]
    assert {one["text"] for one in asked} <= {one["asked"] for one in own}
    assert all(one["after_s"] >= 0 for one in own)
    assert shown["figures"]["answers"] == sum(one["line"] == 1 for one in own)
    with Database.open(home.database) as database:
        assert database.history_state()["messages"] == 0
        assert database.verdicts(10) == []
    assert not home.env_file.exists()


def test_a_folder_without_a_community_is_said(tmp_path: Path) -> None:
    done = show(tmp_path)
    assert done.returncode == 2
    assert "launcher.py --demo" in done.stderr
    assert "Traceback" not in done.stderr
