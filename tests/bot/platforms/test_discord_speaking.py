"""How it speaks over Discord's own protocol: the whole pipeline, with a real client on a socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.intake import Intake
from bot.model_keeper import OneEngine
from bot.pipeline import Pipeline
from bot.platforms.discord_sending import asked_in
from bot.recall import Recall
from bot.verdicts import SENDING, SENT
from data.style.pace import LONGEST_S, SHORTEST_S
from model.chat_format import Own
from model.inference import Engine
from storage.database import Database
from storage.settings import Settings
from tests.bot.odd_engines import LinesEngine, OddEngine
from tests.bot.platforms.discord_scene import Scene, discord_scene
from tests.bot.test_speak import Streaming

POST = "POST /channels/*/messages"
PATCH = "PATCH /channels/*/messages/*"
SETTINGS: dict[str, Any] = {
    "context_tokens": 512,
    "max_reply_tokens": 50,
    "seed": 3,
    "recall_enabled": False,
    "persona": "You are {name}.",
    "speaks_in_public": True,
    "response_rate": 0.0,
}
THREE = "nine works\nbring cake\nand a torch"


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[Engine]:
    with Engine.load(tiny, context_tokens=512, threads=1) as loaded:
        yield loaded


@dataclass
class Talk:
    """A bot on the stand-in, with everything between message and answer."""

    scene: Scene
    pipeline: Pipeline
    intake: Intake
    database: Database

    @property
    def world(self) -> Any:
        return self.scene.discord.world

    @property
    def place(self) -> int:
        return int(self.world.general.id)

    def asks(self, text: str = "Mynah, when?") -> int:
        return int(self.world.say(self.place, self.world.alice.id, text))

    def posts(self) -> list[Any]:
        return list(self.scene.discord.posts(self.place))

    async def outcome(self, asked: int, outcome: str) -> None:
        def is_so() -> bool:
            row = self.database.verdict(asked)
            return row is not None and row.outcome == outcome

        await self.scene.until(is_so)


@asynccontextmanager
async def talking(
    database: Database,
    engine: OddEngine,
    *,
    sleep: Callable[[float], Any] = asyncio.sleep,
    cursors: dict[int, int] | None = None,
    scene: Scene | None = None,
    **settings: Any,
) -> AsyncIterator[Talk]:
    """`scene`: one that is there already, whose platform is made anew."""
    if scene is None:
        async with (
            discord_scene(start=False) as made,
            talking(database, engine, sleep=sleep, cursors=cursors, scene=made, **settings) as talk,
        ):
            yield talk
        return
    scene.platform = scene.made()
    scene.cursors = cursors or {}
    pipeline = Pipeline(
        database=database,
        model=OneEngine(engine),  # type: ignore[arg-type]
        recall=Recall(database),
        platform=scene.platform,
        settings=Settings({**SETTINGS, **settings}),
        now_ms=scene.discord.world.clock_ms,
        sleep=sleep,
    )
    intake = Intake(pipeline, database)
    scene.platform._tell = intake.tell
    taking_in = asyncio.create_task(intake.run())
    scene.phases.clear()
    scene.start()
    await scene.online()
    try:
        yield Talk(scene, pipeline, intake, database)
    finally:
        await scene.end()
        taking_in.cancel()
        await asyncio.wait({taking_in})
        await pipeline.reader.close()


async def soon(seconds: float) -> None:
    await asyncio.sleep(seconds / 50)


async def test_lines_come_with_pauses_and_the_typing_sign(
    database: Database, engine: Engine
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0.1)

    async with talking(database, LinesEngine(engine, THREE), sleep=sleep) as talk:
        asked = talk.asks()
        await talk.outcome(asked, SENT)
        posts = talk.posts()
        assert [post.content for post in posts] == THREE.split("\n")
        assert [asked_in(post.nonce) for post in posts] == [(asked, n) for n in range(3)]
        assert [(post.reply_to, post.mentions) for post in posts] == [(None, [])] * 3
        assert len(talk.world.typings) >= 3
        assert all(SHORTEST_S <= one <= LONGEST_S for one in slept)
        assert posts[1].sent_s - posts[0].sent_s >= 0.1
        await talk.intake.drained()
        turns = (await talk.pipeline.transcripts.of(talk.place)).turns
        assert turns[-1] == Own(THREE)
        # They came back over the gateway, and are known.
        assert len(database.context(talk.place, 10)) == 4
        assert len(database.replies_since(0)) == 3


async def test_it_refers_to_the_asked_message_where_others_spoke_in_between(
    database: Database, engine: Engine
) -> None:
    async with talking(database, LinesEngine(engine, THREE), sleep=soon) as talk:
        talk.scene.discord.faults.delay(POST, 0.2, times=1)
        record = database.record_verdicts

        def slowly(rows: Any, **rest: Any) -> None:
            record(rows, **rest)
            if rows[0].outcome == "begun":
                time.sleep(0.3)  # somebody else writes meanwhile

        database.record_verdicts = slowly  # type: ignore[method-assign]
        asked = talk.asks()
        talk.world.say(talk.place, talk.world.bob.id, "brb")
        await talk.outcome(asked, SENT)
        first, *others = talk.posts()
        assert (first.reply_to, first.mentions) == (asked, [talk.world.alice.id])
        assert [post.reply_to for post in others] == [None, None]


async def test_after_a_crash_between_the_lines_nothing_is_said_twice(
    database: Database, engine: Engine
) -> None:
    async with discord_scene(start=False) as scene:
        has_sent_two = asyncio.Event()

        async def sleep(seconds: float) -> None:
            if len(scene.discord.posts()) == 2:
                has_sent_two.set()
                await asyncio.sleep(60)  # here it goes down

        async with talking(database, LinesEngine(engine, THREE), sleep=sleep, scene=scene) as talk:
            before = talk.asks("morning")
            await talk.scene.until(lambda: database.verdict(before))
            asked = talk.asks()
            await has_sent_two.wait()
            row = database.verdict(asked)
            assert row is not None
            assert row.outcome == SENDING
        # The second line was not learned from: as if the power went just before.
        second = scene.discord.posts()[1].id
        database.drop_context([second])
        with database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM replies WHERE message_id = ?", (second,))
        cursors = {scene.discord.world.general.id: asked}
        async with talking(
            database, LinesEngine(engine, THREE), sleep=soon, scene=scene, cursors=cursors
        ) as talk:
            await talk.outcome(asked, SENT)
            await talk.intake.drained()
            assert [post.content for post in talk.posts()] == THREE.split("\n")[:2]
            turns = (await talk.pipeline.transcripts.of(talk.place)).turns
            assert turns[-1] == Own("nine works\nbring cake")
            assert database.reply(second) is not None


async def test_a_growing_reply_is_edited_and_backs_off_where_discord_limits_it(
    database: Database, engine: Engine
) -> None:
    pieces = [f"word{n} " for n in range(40)]
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(seconds / 20)

    drafts = Streaming(engine, pieces)
    async with talking(database, drafts, sleep=sleep, delivery="growing") as talk:
        limited = talk.scene.discord.faults.rate_limit(PATCH, 1, 1.1)
        asked = talk.asks()
        await talk.outcome(asked, SENT)
        [post] = talk.posts()
        assert limited.met == 1
        assert post.content == "".join(pieces).strip()
        assert asked_in(post.nonce) == (asked, 0)
        edits = talk.scene.discord.asked(PATCH)
        assert len(edits) >= 3
        assert {1.5, 3.0} <= set(slept)
        await talk.intake.drained()
        [stored] = database.messages_by_id([post.id])
        assert stored.content == post.content
        turns = (await talk.pipeline.transcripts.of(talk.place)).turns
        assert turns[-1] == Own(post.content)


async def test_what_guard_refuses_in_the_end_is_taken_back(
    database: Database, engine: Engine
) -> None:
    """What it showed of a line that it said today goes; the new try is another message."""
    long = "the healer always oversleeps on fridays"
    bad = ["so, ", "listen:\n", "the healer ", "always oversleeps ", "on fridays"]
    drafts = Streaming(engine, [long], bad, ["never mind"])
    async with talking(database, drafts, sleep=soon, delivery="growing") as talk:
        first = talk.asks()
        await talk.outcome(first, SENT)
        second = talk.asks("Mynah, and now?")
        await talk.outcome(second, SENT)
        await talk.intake.drained()
        said = [
            m.content
            for m in talk.world.messages.values()
            if m.author_id == talk.scene.discord.bot_id
        ]
        assert said == [long, "never mind"]
        own = [
            t for t in (await talk.pipeline.transcripts.of(talk.place)).turns if isinstance(t, Own)
        ]
        assert own == [Own(long), Own("never mind")]


async def test_a_reaction_is_the_place_s_own_emoji(database: Database, engine: Engine) -> None:
    async with talking(database, LinesEngine(engine, "hey"), sleep=soon, response_rate=1.0) as talk:
        world = talk.world
        emoji = world.add_emoji("sunny")
        for _ in range(4):
            greeting = world.say(talk.place, world.bob.id, "good morning all", silent=True)
            world.react(greeting, world.alice.id, f"sunny:{emoji.id}")
        platform = talk.scene.platform
        await talk.scene.until(lambda: platform._emojis)
        assert await platform.react(talk.place, greeting, ":sunny:")
        assert not await platform.react(talk.place, greeting, ":elsewhere:")
        assert await platform.react(talk.place, greeting, "🌞")
        reactions = world.messages[greeting].reactions
        bot = talk.scene.discord.bot_id
        assert bot in reactions[f"sunny:{emoji.id}"]
        assert reactions["🌞"] == [bot]


async def test_deleting_what_is_gone_is_no_error(database: Database, engine: Engine) -> None:
    async with talking(database, LinesEngine(engine, "hey"), sleep=soon) as talk:
        asked = talk.asks()
        await talk.outcome(asked, SENT)
        [post] = talk.posts()
        await talk.scene.platform.delete(talk.place, post.id)
        await talk.scene.platform.delete(talk.place, post.id)
        assert post.id not in talk.world.messages


@pytest.mark.parametrize(
    ("nonce", "answers"),
    [
        ("12345", (12345, 0)),
        (12345, (12345, 0)),
        ("12345-3", (12345, 3)),
        ("mine-1", None),
        ("-", None),
        (None, None),
    ],
)
def test_a_nonce_tells_what_a_line_answers(
    nonce: str | int | None, answers: tuple[int, int] | None
) -> None:
    assert asked_in(nonce) == answers


async def test_after_a_crash_a_growing_reply_stays_as_it_stood_and_is_known(
    database: Database, engine: Engine
) -> None:
    class Hanging(Streaming):
        async def generate(self, ids: Any, **rest: Any) -> Any:
            made = await super().generate(ids, **rest)
            is_half_way.set()
            await asyncio.sleep(60)  # here it goes down
            return made

    is_half_way = asyncio.Event()
    async with discord_scene(start=False) as scene:
        drafts = Hanging(engine, ["nine works ", "for ", "me"])
        async with talking(database, drafts, sleep=soon, scene=scene, delivery="growing") as talk:
            asked = talk.asks()
            await is_half_way.wait()
            await talk.scene.until(lambda: talk.posts() and talk.posts()[0].content.endswith("for"))
            shown = talk.posts()[0].content
        cursors = {scene.discord.world.general.id: asked}
        async with talking(
            database, LinesEngine(engine, THREE), sleep=soon, scene=scene, cursors=cursors
        ) as talk:
            await talk.outcome(asked, SENT)
            await talk.intake.drained()
            [post] = talk.posts()
            assert post.content == shown
            turns = (await talk.pipeline.transcripts.of(talk.place)).turns
            assert turns[-1] == Own(shown)
            [stored] = database.messages_by_id([post.id])
            assert stored.content == shown
