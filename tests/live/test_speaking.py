"""The bot's process speaks: a reply as lines, and one that grows while a model server writes it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from tests.discord_stand_in.stand_in import StandInThread
from tests.live.process import BotProcess, make_home, running
from tests.model.model_server_stand_in import ModelServerStandIn

LINES = "nine works for me\nbring cake\nand a torch"
LONG = "nine works for me but please bring some cake and a torch as it will be dark by then"


@pytest.fixture
def discord() -> Iterator[StandInThread]:
    with StandInThread() as stand_in:
        yield stand_in
        assert list(stand_in.violations) == []


@pytest.fixture
def server() -> Iterator[ModelServerStandIn]:
    with ModelServerStandIn() as stand_in:
        yield stand_in


def sent(bot: BotProcess) -> bool:
    rows = bot.ask("verdicts", limit=5)["verdicts"]
    return any(row["outcome"] == "sent" for row in rows)


def test_lines_come_one_after_the_other(
    discord: StandInThread, server: ModelServerStandIn, tmp_path: Path
) -> None:
    server.reply = LINES
    world = discord.world
    home = make_home(
        tmp_path / "home", discord, model_path="", model_url=server.url, delivery="lines"
    )
    with running(home, discord) as bot:
        asked = world.say(world.general.id, world.alice.id, "Mynah, when is the raid?")
        bot.wait_posts(3)
        bot.wait_until(lambda: sent(bot))
        posts = bot.wait_posts(3)
    assert [post.content for post in posts] == LINES.split("\n")
    assert [(post.asked, post.reply_to) for post in posts] == [(asked, None)] * 3
    gaps = [after.sent_s - before.sent_s for before, after in itertools.pairwise(posts)]
    assert all(0.6 <= gap <= 7.5 for gap in gaps), gaps
    with Database.open(home.database) as database:
        shown = [line.text for line in database.context(world.general.id, 10)]
        assert shown[1:] == LINES.split("\n")
        assert len(database.replies_since(0)) == 3


def test_a_reply_grows_while_a_server_writes_it(
    discord: StandInThread, server: ModelServerStandIn, tmp_path: Path
) -> None:
    server.reply, server.between_s = LONG, 0.3
    world = discord.world
    home = make_home(
        tmp_path / "home", discord, model_path="", model_url=server.url, delivery="growing"
    )
    seen: list[str] = []

    def grown(bot: BotProcess) -> Any:
        content = [post.content for post in discord.posts(world.general.id)]
        seen.extend(text for text in content if text not in seen)
        return content == [LONG] and sent(bot)

    with running(home, discord) as bot:
        world.say(world.general.id, world.alice.id, "Mynah, when is the raid?")
        bot.wait_until(lambda: grown(bot), timeout_s=60)
    assert len(seen) >= 3, seen
    assert all(LONG.startswith(text) for text in seen)
    edits = discord.asked("PATCH /channels/*/messages/*")
    assert len(edits) >= 2
    pauses = [after.at_s - before.at_s for before, after in itertools.pairwise(edits)]
    assert all(pause > 1.2 for pause in pauses[:-1]), pauses  # the last one does not wait
