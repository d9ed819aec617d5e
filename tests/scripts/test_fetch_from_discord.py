"""The script over Discord's own protocol on loopback: faults, closed channels, Ctrl-C."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from storage.paths import PROGRAM_DIR, Home
from storage.records import MessageRecord, Origin
from storage.schema import messages
from tests.discord_stand_in.stand_in import StandInThread
from tests.discord_stand_in.things import Allow, ChannelKind

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
    with Database.open(home.database) as db:
        db.set_config("fetch_reconcile_days", "0")
    before = len(discord.asked(PAGES))
    code, out, err = ended(start(discord, home))
    assert (code, out.splitlines()[0][:16]) == (0, "1 messages new, "), err
    assert stored_ids(home, general) == [*said, late]
    assert len(discord.asked(PAGES)) - before == 1  # in the thread nothing is new


def test_every_kind_of_channel_is_read(discord: StandInThread, home: Home) -> None:
    """Forums, announcements, voices; threads archived while nobody looked, over several pages."""
    world = discord.world
    kinds = ChannelKind.NEWS, ChannelKind.VOICE, ChannelKind.STAGE
    plain = [world.add_channel(kind.name.lower(), kind=kind).id for kind in kinds]
    forums = [
        world.add_channel(kind.name.lower(), kind=kind).id
        for kind in (ChannelKind.FORUM, ChannelKind.MEDIA)
    ]
    empty = world.add_channel("empty forum", kind=ChannelKind.FORUM).id
    general, managed, hidden = world.general.id, world.random.id, world.add_channel("hidden").id
    lone = world.add_thread(hidden, "listed by itself").id
    posts = [world.add_thread(forum, f"post {n}").id for forum in forums for n in range(2)]
    threads = [world.add_thread(general, f"thread {n}").id for n in range(130)]
    joined = [
        world.add_thread(general, f"private {n}", private=True, members=[world.bot_id]).id
        for n in range(2)
    ]
    unseen = world.add_thread(general, "not the bot's", private=True).id
    moderated = world.add_thread(managed, "a moderators' thread", private=True).id
    world.allow(managed, Allow.MANAGE_THREADS)
    for thread in (lone, posts[0], posts[2], *threads[1:], joined[1], unseen, moderated):
        world.archive_thread(thread)
    read = [*plain, *posts, *threads, *joined, moderated, lone]
    said = {channel_id: world.fill(channel_id, 3, seed=channel_id) for channel_id in read}
    world.fill(unseen, 3)
    listed = [general, managed, lone, empty, *plain, *forums]
    code, out, err = ended(start(discord, home, "--json", "--channels", *listed))
    assert code == 0, err
    assert json.loads(out.splitlines()[-1])["skipped"] == []
    for channel_id in read:
        assert stored_ids(home, channel_id) == said[channel_id]
    assert stored_ids(home, unseen) == []
    with Database.open(home.database) as db:
        parents = {c.channel_id: c.parent_id for c in db.channels()}
    assert parents[posts[0]] == forums[0]
    assert parents[moderated] == managed


def test_what_changed_while_nobody_looked(discord: StandInThread, home: Home) -> None:
    world = discord.world
    general, excluded = world.general.id, world.bob.id
    said = world.fill(general, 350, seed=1)
    assert ended(start(discord, home))[0] == 0
    with Database.open(home.database) as db:
        db.set_excluded(excluded, True)
        mine = [m.message_id for m in db.messages() if m.author_id != excluded]
    world.edit(mine[40], "not what it was")
    world.react(mine[50], world.carol.id, "🐦")
    gone = [mine[60], mine[61], said[-1]]
    for message_id in gone:
        world.delete(message_id)
    code, out, err = ended(start(discord, home, "--json"))
    assert code == 0, err
    done = json.loads(out.splitlines()[-1])
    assert (done["new"], done["changed"], done["deleted"]) == (0, 2, 3)
    with Database.open(home.database) as db:
        edited, liked = db.messages_by_id([mine[40], mine[50]])
        assert edited.content == "not what it was"
        assert [(r.emoji, r.count) for r in liked.reactions] == [("🐦", 1)]
        stored = {m.message_id for m in db.messages(channel_id=general)}
    assert stored.isdisjoint(gone)
    assert set(mine) - set(gone) <= stored
    file = json.loads((home.messages / f"channel_{general}.json").read_text(encoding="utf-8"))
    shown = {int(m["id"]): m["content"] for m in file["messages"]}
    assert set(shown) == set(mine) - set(gone)
    assert shown[mine[40]] == "not what it was"


def test_a_long_outage_is_waited_out_and_said(discord: StandInThread, home: Home) -> None:
    general = discord.world.general.id
    said = discord.world.fill(general, 500)
    discord.faults.delay(PAGES, 0.1)
    process = start(discord, home, "--json", "--events")
    wait_for_pages(discord, process, 2)
    discord.faults.fail(PAGES, 503, times=None)
    assert process.stdout is not None
    events: list[dict[str, Any]] = []
    while not events or not events[-1].get("waiting"):
        events.append(json.loads(process.stdout.readline()))
    assert events[-1]["waiting"] == "Discord answered 503 (code 0); asked again in 1 s"
    discord.faults.clear()
    discord.faults.down()
    time.sleep(1.5)
    discord.faults.up()
    code, out, err = ended(process)
    assert (code, json.loads(out.splitlines()[-1])["new"]) == (0, 500), err
    assert stored_ids(home, general) == said


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_waiting_for_discord_can_be_stopped(discord: StandInThread, home: Home) -> None:
    discord.world.fill(discord.world.general.id, 500)
    discord.faults.fail(PAGES, 500, times=None)  # discord.py itself waits, too
    process = start(discord, home)
    wait_for_pages(discord, process, 1)
    process.send_signal(signal.SIGINT)
    began_s = time.monotonic()
    code, _, err = ended(process)
    assert (code, time.monotonic() - began_s < 5) == (130, True)
    assert "the same command again goes on from there" in err


def test_one_fetch_at_a_time(discord: StandInThread, home: Home) -> None:
    discord.world.fill(discord.world.general.id, 300)
    discord.faults.fail(PAGES, 503, times=None)
    first = start(discord, home)
    wait_for_pages(discord, first, 1)
    code, _, err = ended(start(discord, home))
    assert code == 2
    assert "running already" in err
    discord.faults.clear()
    assert ended(first)[0] == 0


def wait_for_pages(discord: StandInThread, process: subprocess.Popen[str], count: int) -> None:
    deadline = time.monotonic() + 60
    while len(discord.asked(PAGES)) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def rows_of(home: Home) -> dict[str, list[tuple[object, ...]]]:
    """All that a fetch stores, but for the times at which it did."""
    queries = {
        "messages": "SELECT * FROM messages ORDER BY message_id",
        "members": "SELECT * FROM members ORDER BY member_id",
        "channels": "SELECT * FROM channels ORDER BY channel_id",
        "fetch": "SELECT channel_id, message_id FROM cursors WHERE name = 'fetch' ORDER BY 1",
        "index": "SELECT count(*) FROM messages_fts WHERE messages_fts MATCH 'bird OR wind'",
    }
    with closing(sqlite3.connect(home.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.execute("INSERT INTO messages_fts (messages_fts) VALUES ('integrity-check')")
        return {name: connection.execute(query).fetchall() for name, query in queries.items()}


@pytest.mark.slow
def test_a_fetch_that_is_killed_ten_times_equals_one_that_is_not(tmp_path: Path) -> None:
    """20,000 messages, kill -9 at random instants; then three times while they are read again."""
    chance = random.Random(6)
    homes = Home(tmp_path / "whole"), Home(tmp_path / "killed")
    with StandInThread(check_every=50) as discord:
        world = discord.world
        places = [world.general.id, world.add_thread(world.general.id, "a thread").id]
        places += [world.add_thread(world.general.id, f"small {n}").id for n in range(10)]
        for place, size in zip(places, (12_000, 6_000, *[200] * 10), strict=True):
            world.fill(place, size, seed=place)  # the same seed would give the same ids
        assert ended(start(discord, homes[0], "--json"))[0] == 0
        uninterrupted = len(discord.asked(PAGES))
        kill_on_the_way(discord, homes[1], 10, uninterrupted, chance)
        assert rows_of(homes[0]) == rows_of(homes[1])

        said = [m.message_id for m in messages_of(homes[0])]
        for message_id in chance.sample(said, 200):
            world.delete(message_id) if message_id % 2 else world.edit(message_id, "changed since")
        before = len(discord.asked(PAGES))
        done = json.loads(ended(start(discord, homes[0], "--json", "--whole"))[1].splitlines()[-1])
        assert done["changed"] + done["deleted"] == 200
        again = len(discord.asked(PAGES)) - before
        kill_on_the_way(discord, homes[1], 3, again, chance, "--whole")
        rows, other = (without_deletion_times(rows_of(home)) for home in homes)
        pairs = zip(rows["messages"], other["messages"], strict=True)
        assert [pair for pair in pairs if pair[0] != pair[1]] == []
        assert rows == other
        assert discord.violations == []


def messages_of(home: Home) -> list[MessageRecord]:
    with Database.open(home.database) as db:
        return list(db.messages())


def without_deletion_times(
    rows: dict[str, list[tuple[object, ...]]],
) -> dict[str, list[tuple[object, ...]]]:
    deleted = [column.name for column in messages.columns].index("deleted_at_ms")
    shown = [
        (*row[:deleted], row[deleted] is None, *row[deleted + 1 :]) for row in rows["messages"]
    ]
    return {**rows, "messages": shown}


def kill_on_the_way(
    discord: StandInThread,
    home: Home,
    times: int,
    pages: int,
    chance: random.Random,
    *arguments: str,
) -> None:
    """Fetch, with kill -9 at random instants; then to the end. What was stored is not asked for
    again but for the pages that were on their way."""
    first = len(discord.asked(PAGES))
    for _ in range(times):
        before = len(discord.asked(PAGES))
        process = start(discord, home, *arguments)
        wait_for_pages(discord, process, before + chance.randint(1, pages // (times + 2)))
        time.sleep(chance.uniform(0.0, 0.02))
        process.kill()
        process.communicate(timeout=30)
    code, _, err = ended(start(discord, home, *arguments))
    assert code == 0, err
    on_their_way = 2 * 12  # of each channel the page that is stored and the one that is asked for
    assert len(discord.asked(PAGES)) - first <= pages + times * on_their_way


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
    wait_for_pages(discord, process, 4)
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
    assert not list(home.messages.glob("*.part"))
    assert stored_ids(home, general) == said
