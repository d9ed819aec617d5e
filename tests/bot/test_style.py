"""The persona that is served: by whichever model answers, as the card is now, without the gone."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.bot import Bot
from bot.composition import open_pipeline
from bot.config import read_config
from bot.generate import Writer
from bot.logs import open_logs
from bot.messages import Prompt
from bot.model_keeper import OneEngine
from bot.pipeline import Pipeline
from bot.platforms.local import Side
from bot.recall import Recall
from bot.style import KEPT_PERSONAS, MOST_SHARE, Style, making_style_card
from data.style.card import StyleCard, make_style_card, path_in, read_style_card
from model import served_as
from model.inference import Engine
from model.model_server import ModelServer
from model.remote_engine import RemoteEngine
from model.served_as import ServedAs
from storage.database import Database
from storage.manifest import write_text_atomically
from storage.paths import PROGRAM_DIR, Home
from storage.records import ChannelRecord, MemberRecord, Readers
from storage.settings import Settings, Value
from tests.bot.scene import BOB, MIRA, OWN_ID, START_MS, TAVERN, incoming, record
from tests.bot.test_pipeline import Room

ANN = MemberRecord(105, "ann", "Ann")
SAYINGS = (
    "who is up for another dungeon",
    "me, right after the cake",
    "the cake is gone already lol",
    "then no dungeon for the healer",
    "the healer never wanted a dungeon",
    "fine, a raid at nine then",
    "nine is when my soup is ready",
    "bring the soup to the raid",
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "house").ensure()


@pytest.fixture
def talked(home: Home, database: Database) -> StyleCard:
    """Three members answer each other; the card of it."""
    talk(database)
    return make_style_card(home, database)


def talk(database: Database) -> None:
    """Sixty lines, a minute apart."""
    people = (MIRA, BOB, ANN)
    database.upsert_channels([TAVERN])
    database.upsert_members(people)
    for number in range(60):
        said = record(100 + number, people[number % 3], SAYINGS[number % len(SAYINGS)])
        answered = 99 + number if number else None
        at_ms = START_MS - (60 - number) * 60_000
        database.upsert_messages([replace(said, reply_to_id=answered, created_at_ms=at_ms)])


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[Engine]:
    with Engine.load(tiny, context_tokens=2048, threads=1) as loaded:
        yield loaded


def settings(**values: Value) -> Settings:
    return Settings({"context_tokens": 2048, "max_reply_tokens": 50, "seed": 3, **values})


def read(home: Home, database: Database) -> Style:
    style = Style(home, database)
    assert style.read()
    return style


def pipeline_of(database: Database, engine: Writer, style: Style) -> Pipeline:
    return Pipeline(
        database=database,
        model=OneEngine(engine),
        recall=Recall(database),
        platform=Room(),
        settings=settings(),
        style=style,
        now_ms=lambda: START_MS + 1_250_000,
    )


def tuned(tiny: Path, folder: Path, served: ServedAs) -> Path:
    folder.mkdir(parents=True)
    served_as.write(folder, served)
    return Path(shutil.copy(tiny, folder / "tuned.gguf"))


def quoted_ids(style: Style) -> set[int]:
    assert style._card is not None
    return {i for one in style._card.exchanges for i in one.message_ids}


async def until(true: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


# -- which model answers ---------------------------------------------------------------------------


def test_an_untuned_model_is_shown_the_place(
    home: Home, database: Database, talked: StyleCard, engine: Engine
) -> None:
    persona = read(home, database).persona(settings(), TAVERN, engine, 2048)
    assert talked.voice
    assert talked.voice in persona
    assert len(talked.exchanges_for(TAVERN)) >= 4
    for one in talked.exchanges_for(TAVERN):
        assert f"> {one.line}\nMynah: {one.answer}" in persona


def test_a_room_is_not_quoted_where_others_read(
    home: Home, database: Database, talked: StyleCard, engine: Engine
) -> None:
    hall = ChannelRecord(
        506, TAVERN.guild_id, TAVERN.guild_name, "hall", readers=Readers(everyone=True)
    )
    style = read(home, database)
    line = talked.exchanges[0].line

    def shown() -> str:
        return style.persona(settings(), hall, engine, 2048)

    assert line in shown()
    database.set_readers({TAVERN.channel_id: Readers(may=frozenset({901}))})
    assert style.note_rights()
    assert line not in shown()
    database.set_readers({TAVERN.channel_id: Readers(everyone=True)})
    assert style.note_rights()
    assert line in shown()


def test_so_is_one_that_runs_elsewhere(home: Home, database: Database, talked: StyleCard) -> None:
    server = ModelServer.of("http://127.0.0.1:9/v1", "", {})
    with RemoteEngine(server, context_tokens=2048) as remote:
        persona = read(home, database).persona(settings(), TAVERN, remote, 2048)
    assert talked.exchanges[0].answer in persona


def test_a_tuned_model_is_served_as_trained_whatever_the_card_says(
    home: Home, database: Database, talked: StyleCard, tiny: Path, tmp_path: Path
) -> None:
    trained = "You are Mynah, a regular of The Lantern.\nWrite as they did then."
    gguf = tuned(tiny, tmp_path / "tuned", ServedAs((("Mynah", trained),)))
    style = read(home, database)
    with Engine.load(gguf, context_tokens=512, threads=1) as engine:
        assert style.persona(settings(), TAVERN, engine, 2048) == trained
        text = path_in(home).read_text(encoding="utf-8")
        write_text_atomically(path_in(home), text.replace("Write as people", "Scribble as people"))
        assert style.read()
        assert style.persona(settings(), TAVERN, engine, 2048) == trained
        written = settings(persona="You are {name}, of {server}.")
        assert style.persona(written, TAVERN, engine, 2048) == "You are Mynah, of The Lantern."
        renamed = style.persona(settings(persona_name="Rook"), TAVERN, engine, 2048)
        assert renamed == trained.replace("Mynah", "Rook")


def test_quotes_give_way_where_the_context_is_small(
    home: Home, database: Database, talked: StyleCard, engine: Engine
) -> None:
    style = read(home, database)
    whole = len(engine.tokenizer.text_ids(style.persona(settings(), TAVERN, engine, 10_000)))
    bare = len(engine.tokenizer.text_ids(style.persona(settings(), TAVERN, engine, 0)))
    room = 3 * (bare + (whole - bare) // 2)
    persona = style.persona(settings(), TAVERN, engine, room)
    assert bare < len(engine.tokenizer.text_ids(persona)) <= room * MOST_SHARE
    assert talked.exchanges_for(TAVERN)[0].line in persona
    assert talked.exchanges_for(TAVERN)[-1].line not in persona.splitlines()[-1]
    assert "How people talk here" not in style.persona(settings(), TAVERN, engine, 0)


def test_without_a_card_the_setting_stands_alone(
    home: Home, database: Database, engine: Engine
) -> None:
    style = Style(home, database)
    assert not style.read()
    persona = style.persona(settings(), TAVERN, engine, 2048)
    assert persona == Style().persona(settings(), TAVERN, engine, 2048)
    assert persona.startswith("You are Mynah, a regular of The Lantern.")


async def test_a_script_s_pipeline_has_it_too(
    home: Home, database: Database, talked: StyleCard, tiny: Path
) -> None:
    with open_pipeline(home, database, tiny, settings=settings()) as pipeline:
        trace = await Side("test", pipeline).say("another dungeon?")
        engine = pipeline.reader._lender.engine
        assert engine is not None
        persona = pipeline.reader._persona(TAVERN, engine)
    assert talked.voice in persona
    assert talked.exchanges[0].answer in persona
    assert trace.prompt_tokens > 200  # of which the persona is the most


# -- what is gone ----------------------------------------------------------------------------------


async def test_what_is_forgotten_leaves_persona_and_engine_at_once(
    home: Home, database: Database, talked: StyleCard, engine: Engine
) -> None:
    style = read(home, database)
    pipeline = pipeline_of(database, engine, style)
    await pipeline.handle(incoming("Mynah, hello there"))
    before = (await pipeline.reader.prompt(TAVERN, engine)).persona
    gone = talked.exchanges_for(TAVERN)[0]
    assert gone.answer in before
    key = pipeline.reader._places[TAVERN.channel_id].key
    with_it = engine.tokenizer.text_ids(before[: before.index(gone.answer) + len(gone.answer)])
    ids = (await pipeline.reader.prompt(TAVERN, engine)).ids
    await until(lambda: engine.missing(key, ids) < len(ids) - len(with_it))

    assert style.forget([gone.message_ids[1]])
    pipeline.reader.forget_persona()
    await until(lambda: engine.missing(key, ids) > len(ids) - len(with_it))
    after = (await pipeline.reader.prompt(TAVERN, engine)).persona
    assert f"> {gone.line}\nMynah: {gone.answer}" not in after
    assert not style.forget([gone.message_ids[1]])
    await pipeline.reader.close()


async def test_a_prompt_in_the_making_is_made_again_without_the_gone(
    home: Home, database: Database, talked: StyleCard, engine: Engine
) -> None:
    style = read(home, database)
    pipeline = pipeline_of(database, engine, style)
    await pipeline.handle(incoming("Mynah, hello there"))
    reader, loop = pipeline.reader, asyncio.get_running_loop()
    gone = talked.exchanges_for(TAVERN)[0]
    lay_out, is_forgotten = reader._lay_out, threading.Event()
    made: list[Prompt] = []

    def forget() -> None:
        assert style.forget([gone.message_ids[1]])
        reader.forget_persona()
        is_forgotten.set()

    def laid_out(*about: Any) -> Prompt:
        made.append(lay_out(*about))
        if not is_forgotten.is_set():
            loop.call_soon_threadsafe(forget)
            assert is_forgotten.wait(10)
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_lay_out", laid_out)
        prompt = await reader.prompt(TAVERN, engine)
    shown = f"> {gone.line}\nMynah: {gone.answer}"
    assert [shown in one.persona for one in made] == [True, False]
    assert shown not in prompt.persona
    await reader.close()


def test_what_is_left_out_while_the_card_is_read_is_not_in_it(
    home: Home, database: Database, talked: StyleCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    style = read(home, database)
    gone = talked.exchanges[0].message_ids[0]
    before = quoted_ids(style)
    reads: list[StyleCard | None] = []

    def looked_up(*kept: Any) -> StyleCard | None:
        card = read_style_card(*kept)
        reads.append(card)
        if len(reads) == 1:
            database.mark_deleted([gone], START_MS)
            assert style.forget([gone])
        return card

    monkeypatch.setattr("bot.style.read_style_card", looked_up)
    style.read()
    assert len(reads) == 2
    assert gone in before
    assert gone not in quoted_ids(style)


def test_personas_of_threads_that_went_are_let_go(
    home: Home, database: Database, talked: StyleCard, engine: Engine
) -> None:
    style = read(home, database)
    for number in range(KEPT_PERSONAS + 5):
        thread = replace(TAVERN, channel_id=9000 + number, parent_id=TAVERN.channel_id)
        assert talked.voice in style.persona(settings(), thread, engine, 2048)
    assert len(style._made[engine]) <= KEPT_PERSONAS


async def test_the_bot_leaves_out_who_is_excluded_or_forgotten(
    home: Home, database: Database, talked: StyleCard, engine: Engine
) -> None:
    logs = open_logs(home.logs)
    bot = Bot(home, database, read_config(home, database, {}), "x" * 30, logs)
    assert bot._style.read()

    def authors() -> set[int]:
        card = bot._style._card
        assert card is not None
        return {i for one in card.exchanges for i in one.author_ids}

    assert BOB.member_id in authors()
    await bot.exclude(BOB.member_id, True)
    assert BOB.member_id not in authors()
    assert authors()
    of_mira = database.message_ids_of(MIRA.member_id)
    bot._forget(of_mira)
    assert MIRA.member_id not in authors()
    assert bot._style.read()
    edited = min(quoted_ids(bot._style))
    bot._unquote([edited])
    assert edited not in quoted_ids(bot._style)
    logs.close()


# -- seeing to it ----------------------------------------------------------------------------------


async def test_a_card_is_made_where_there_is_none(home: Home, database: Database) -> None:
    changes: list[int] = []
    answers: list[bool | None] = [None, True]  # another job runs at first

    async def make() -> bool | None:
        answer = answers.pop(0)
        if answer:
            await asyncio.to_thread(make_style_card, home, database)
        return answer

    style = Style(home, database)
    running = asyncio.create_task(
        style.run(lambda: changes.append(1), make, settle_s=0.0, look_every_s=0.01)
    )
    await until(lambda: len(changes) == 1)
    assert answers == []
    assert style._card is not None
    await asyncio.sleep(0.1)  # it is fresh: none is made again, and `answers` has none to give
    assert not running.done()

    # One that a script made is noticed.
    text = path_in(home).read_text(encoding="utf-8")
    write_text_atomically(path_in(home), text.replace('"voice": "', '"voice": "Well. '))
    await until(lambda: len(changes) == 2)
    assert style._card.voice.startswith("Well. ")
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_one_that_cannot_be_made_is_not_tried_all_the_time(
    home: Home, database: Database
) -> None:
    made: list[int] = []

    async def make() -> bool | None:
        made.append(1)
        return False

    running = asyncio.create_task(
        Style(home, database).run(lambda: None, make, settle_s=0.0, look_every_s=0.01)
    )
    await until(lambda: bool(made))
    await asyncio.sleep(0.2)
    assert made == [1]
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def test_the_script_makes_and_shows_it(home: Home) -> None:
    script = making_style_card(home)
    with Database.open(home.database) as own:
        talk(own)
    command = [sys.executable, str(PROGRAM_DIR / "scripts" / script.file), *script.arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "Write as people do here" in done.stdout
    assert done.stdout.splitlines()[-1] == str(path_in(home))
    shown = subprocess.run(
        [*command, "--show", "--channel", "tavern"], capture_output=True, encoding="utf-8"
    )
    assert shown.returncode == 0
    assert "You are Mynah, a regular of The Lantern." in shown.stdout
    home.personas.mkdir()
    (home.personas / "owl.md").write_text("---\nchannels: tavern\n---\nYou are up late.")
    shown = subprocess.run(
        [*command, "--show", "--channel", "tavern"], capture_output=True, encoding="utf-8"
    )
    assert shown.stdout.startswith("You are up late.\nThe persona file owl.md counts there.\n")
    nowhere = subprocess.run(
        [*command, "--show", "--channel", "attic"], capture_output=True, encoding="utf-8"
    )
    assert nowhere.returncode == 2
    assert 'There is no channel "attic".' in nowhere.stderr


def test_it_is_the_same_after_a_restart(
    home: Home, database: Database, talked: StyleCard, engine: Engine
) -> None:
    first = read(home, database).persona(settings(), TAVERN, engine, 2048)
    assert read(home, database).persona(settings(), TAVERN, engine, 2048) == first
    assert OWN_ID not in {i for one in talked.exchanges for i in one.author_ids}
