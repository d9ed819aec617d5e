"""persona_files: which file counts where, read again as it changes, while the talk goes on."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import watchfiles

from bot import persona_files
from bot.bot import Bot
from bot.config import read_config
from bot.logs import open_logs
from bot.persona_files import MOST_FILES, PersonaFiles
from bot.style import MOST_SHARE, Style
from data.persona_file import Cares
from model import served_as
from model.inference import Engine
from model.served_as import ServedAs
from storage.database import Database
from storage.paths import DEMO_BASE_DIR, SHIPPED_PERSONAS, Home
from storage.settings import Settings
from tests.bot.scene import CELLAR, TAVERN, fill, incoming
from tests.bot.test_style import pipeline_of, settings, tuned, until

THREAD = replace(TAVERN, channel_id=777, name="a thread", parent_id=TAVERN.channel_id)
WITHIN_S = 2.0
"""Of a file's being saved."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "house").ensure()
    home.personas.mkdir()
    return home


@pytest.fixture(scope="module")
def engine(tiny: Path) -> Iterator[Engine]:
    with Engine.load(tiny, context_tokens=2048, threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def base() -> Iterator[Engine]:
    with Engine.load(next(DEMO_BASE_DIR.glob("*.gguf")), context_tokens=2048, threads=1) as loaded:
        yield loaded


def write(home: Home, name: str, *lines: str, voice: str = "") -> Path:
    path = home.personas / f"{name}.md"
    path.write_text("\n".join(("---", *lines, "---", voice)), encoding="utf-8")
    return path


def read(home: Home) -> PersonaFiles:
    files = PersonaFiles(home.personas)
    files.read()
    return files


def stem(files: PersonaFiles, channel=TAVERN, parent: str = "", **values: str) -> str | None:
    found = files.counting(Settings(values), channel, parent)
    return None if found is None else found.stem


# -- which one counts ------------------------------------------------------------------------------


def test_the_setting_then_the_channel_then_its_parent_then_all(home: Home) -> None:
    write(home, "a", "channels: all")
    write(home, "b", "channels: tavern")
    write(home, "c", "channels: ['#tavern', cellar]")
    write(home, "d", "channels: 777")
    write(home, "e", "channels: []")
    files = read(home)
    assert stem(files) == "b"
    assert stem(files, CELLAR) == "c"
    assert stem(files, replace(CELLAR, name="attic")) == "a"
    assert stem(files, THREAD, "tavern") == "d"
    assert stem(files, replace(THREAD, channel_id=778), "tavern") == "b"
    for named in ("e", "E.md", " e "):
        assert stem(files, persona_file=named) == "e"


def test_none_counts_unless_it_is_named(home: Home) -> None:
    write(home, "a")
    files = read(home)
    assert stem(files) is None
    assert stem(files, persona_file="night-owl") == "night-owl"
    assert stem(PersonaFiles()) is None
    # One of the home's own is taken before the example of that name.
    write(home, "night-owl", voice="Mine.")
    assert files.read()
    found = files.counting(Settings({"persona_file": "night-owl"}), TAVERN)
    assert found is not None
    assert found.voice == "Mine."


def test_a_name_is_never_a_path(home: Home) -> None:
    outside = home.root / "secret.md"
    outside.write_text("hidden")
    files = read(home)
    for named in ("../secret", str(outside), "..\\secret", "."):
        assert stem(files, persona_file=named) is None


def test_what_is_named_and_not_there_is_told_once(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    write(home, "a", "channels: tavern")
    files = read(home)
    for _ in range(3):
        assert stem(files, persona_file="ghost") == "a"
    told = [r.message for r in caplog.records if "ghost.md" in r.message]
    assert len(told) == 1
    states = files.states(["ghost", "", "night-owl"])
    assert states["ghost"]["state"].startswith(f"broken: There is no ghost.md in {home.personas}")
    assert states["night-owl"] == {"state": "good", "channels": []}
    assert states["a"] == {"state": "good", "channels": ["tavern"]}
    assert set(states) == {"ghost", "night-owl", "a"}


def test_a_broken_file_keeps_what_was_read_of_it_and_says_why(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    write(home, "owl", "channels: tavern", voice="Hoot.")
    files = read(home)
    write(home, "owl", "channels: [tavern", voice="Hoot hoot.")
    write(home, "new", "quiet_hours: late", "channels: cellar")
    assert not files.read()  # nobody speaks otherwise for that
    found = files.counting(Settings(), TAVERN)
    assert found is not None
    assert found.voice == "Hoot."
    assert stem(files, CELLAR) is None
    states = files.states()
    assert states["owl"]["state"].startswith("broken: owl.md, line 2: this is no YAML")
    assert states["owl"]["state"].endswith("What was read before counts on.")
    assert states["owl"]["channels"] == ["tavern"]
    assert states["new"]["state"].endswith("Nothing of it counts.")
    assert states["new"]["channels"] == []
    warned = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warned) == 2
    assert any("owl.md, line 2: this is no YAML" in one for one in warned)
    files.read()
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 2  # told once

    write(home, "owl", "channels: tavern", voice="Hoot hoot.")
    assert files.read()
    assert files.states()["owl"]["state"] == "good"
    (home.personas / "owl.md").unlink()
    assert files.look()
    assert stem(files) is None
    assert "The persona file owl.md is gone." in caplog.messages


@pytest.mark.parametrize("left", ["", "\n \n", "---\n---\n"])
def test_a_file_that_says_nothing_keeps_what_was_read_of_it(home: Home, left: str) -> None:
    """A full disk leaves 0 bytes; an editor that writes in two steps does for a moment."""
    write(home, "owl", "channels: tavern", voice="Hoot.")
    files = read(home)
    path = home.personas / "owl.md"
    path.write_text(left)
    assert not files.read()
    assert stem(files, TAVERN) == "owl"
    assert files.states()["owl"]["state"].startswith("broken: owl.md")
    # As editors do that never leave half a file.
    (home.personas / "new").write_text("---\nchannels: tavern\n---\nHoot hoot.")
    (home.personas / "new").replace(path)
    assert files.look()
    found = files.counting(Settings(), TAVERN)
    assert found is not None
    assert found.voice == "Hoot hoot."


def test_a_folder_of_anything_is_borne(home: Home) -> None:
    write(home, "owl", "channels: tavern")
    (home.personas / "notes.txt").write_text("not one")
    (home.personas / ".owl.md.swp").write_bytes(b"\0\1")
    (home.personas / ".#owl.md").symlink_to("nobody@nowhere:1")
    (home.personas / "folder.md").mkdir()
    (home.personas / "dangling.md").symlink_to(home.personas / "nothing")
    (home.personas / "README.md").write_text("How we write these.")
    files = read(home)
    assert set(files.states()) == {"owl", "readme"}
    assert stem(files) == "owl"
    for number in range(MOST_FILES + 20):
        write(home, f"z{number:03}")
    files.read()
    assert len(files.states()) == MOST_FILES


def test_one_that_may_not_be_read_is_broken(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modes hold no root back: the system's answer is given in their place."""
    path = write(home, "owl", "channels: tavern")
    files = read(home)
    opened = Path.open

    def refused(file: Path, *args: Any, **kwargs: Any) -> Any:
        if file == path:
            raise PermissionError(13, "Permission denied", str(file))
        return opened(file, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refused)
    os.utime(path, (1, 1))  # its rights were changed
    files.read()
    assert "who may read it?" in files.states()["owl"]["state"]
    assert stem(files) == "owl"


# -- in the style ----------------------------------------------------------------------------------


def test_each_channel_has_its_own_persona_and_cares(
    home: Home, database: Database, engine: Engine
) -> None:
    fill(database)
    write(
        home, "owl", "channels: tavern", "cares_about: [cats]", "dislikes: [dogs]",
        "quiet_hours: 23-7", voice="You are {name}, of {server}, up late.",
    )  # fmt: skip
    style = Style(home, database)
    assert style.read()
    owl = "You are Mynah, of The Lantern, up late.\nYou care about cats.\nYou dislike dogs."
    assert style.persona(settings(), TAVERN, engine, 2048) == owl
    assert style.persona(settings(), THREAD, engine, 2048) == owl
    plain = style.persona(settings(), CELLAR, engine, 2048)
    assert plain == Style().persona(settings(), CELLAR, engine, 2048)
    assert style.cares(settings(), THREAD) == Cares(("cats",), ("dogs",), "23-7")
    assert style.cares(settings(), CELLAR) == Cares()
    chosen = settings(persona_file="night-owl")
    assert style.persona(chosen, TAVERN, engine, 2048).startswith("You are Mynah, the night owl")
    assert style.cares(chosen, TAVERN).quiet_hours == "08:00-17:00"
    # What somebody wrote into the setting stands behind a file.
    written = settings(persona="You are {name}.")
    assert style.persona(written, TAVERN, engine, 2048) == owl
    assert style.persona(written, CELLAR, engine, 2048) == "You are Mynah."


def test_a_file_stands_before_what_a_model_was_trained_with(
    home: Home, database: Database, tiny: Path, tmp_path: Path
) -> None:
    gguf = tuned(tiny, tmp_path / "tuned", ServedAs((("Mynah", "As trained."),)))
    assert served_as.read(gguf.parent) is not None
    write(home, "owl", "channels: tavern", voice="Up late.")
    style = Style(home, database)
    style.read()
    with Engine.load(gguf, context_tokens=512, threads=1) as engine:
        assert style.persona(settings(), TAVERN, engine, 400) == "Up late."
        assert style.persona(settings(), CELLAR, engine, 400) == "As trained."


def test_examples_give_way_where_the_room_is_small(
    home: Home, database: Database, engine: Engine
) -> None:
    examples = [f"  - line number {n} of the night owl's own" for n in range(30)]
    keys = ("channels: tavern", "cares_about: [cats]", "examples:")
    write(home, "owl", *keys, *examples, voice="V.")
    style = Style(home, database)
    style.read()

    def tokens(room: int) -> tuple[int, str]:
        persona = style.persona(settings(), TAVERN, engine, room)
        return len(engine.tokenizer.text_ids(persona)), persona

    whole, _ = tokens(100_000)
    room = int(1.5 * whole)
    some, persona = tokens(room)
    assert some <= room * MOST_SHARE < whole
    assert "line number 0 " in persona
    assert "line number 29 " not in persona
    assert tokens(0)[1] == "V."


# -- watched ---------------------------------------------------------------------------------------


@asynccontextmanager
async def watching(
    files: PersonaFiles, changed: Callable[[], None] = lambda: None
) -> AsyncIterator[None]:
    running = asyncio.create_task(files.watch(changed))
    try:
        await asyncio.sleep(0.2)
        yield
        assert not running.done()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def noticed(files: PersonaFiles, expected: str | None) -> float:
    """How long it took, in seconds."""
    begun_s = time.monotonic()
    await until(lambda: stem(files) == expected)
    return time.monotonic() - begun_s


async def each_change(home: Home, files: PersonaFiles) -> list[float]:
    """Make, write over, replace, break, mend, rename and remove a file."""
    took = []
    path = write(home, "owl", "channels: tavern")
    took.append(await noticed(files, "owl"))
    write(home, "owl", "channels: cellar")
    took.append(await noticed(files, None))
    beside = home.root / "beside"
    beside.write_text("---\nchannels: tavern\n---\n")
    beside.replace(path)
    took.append(await noticed(files, "owl"))
    path.rename(home.personas / "cat.md")
    took.append(await noticed(files, "cat"))
    (home.personas / "cat.md").unlink()
    took.append(await noticed(files, None))
    return took


async def test_a_change_counts_within_two_seconds(home: Home) -> None:
    files = read(home)
    async with watching(files):
        took = await each_change(home, files)
    print("seconds from saved to read:", [round(one, 2) for one in took])
    assert max(took) < WITHIN_S


async def test_so_it_does_where_the_folder_cannot_be_watched(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*folders: Path, **about: object) -> AsyncIterator[set[object]]:
        raise OSError("no more watches")

    caplog.set_level(logging.INFO)
    monkeypatch.setattr(persona_files, "awatch", refused)
    files = read(home)
    async with watching(files):
        assert max(await each_change(home, files)) < WITHIN_S
    assert [m for m in caplog.messages if "no more watches" in m] == [
        f"{home.personas} is looked at each second (no more watches)."
    ]


async def test_so_it_does_where_nothing_tells_of_a_change(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network drive, or behind a link."""
    monkeypatch.setattr(persona_files, "awatch", lambda folder, **about: watchfiles.awatch(
        home.data_storage, **about))  # fmt: skip
    files = read(home)
    async with watching(files):
        assert max(await each_change(home, files)) < WITHIN_S


async def test_a_folder_that_comes_later_and_goes_is_followed(home: Home) -> None:
    home.personas.rmdir()
    files = read(home)
    async with watching(files):
        assert home.personas.is_dir()  # the owner finds where to put one
        shutil.rmtree(home.personas)
        await asyncio.sleep(0.2)
        home.personas.mkdir()
        write(home, "owl", "channels: tavern")
        assert await noticed(files, "owl") < WITHIN_S
        write(home, "cat", "channels: 500")
        assert await noticed(files, "cat") < WITHIN_S


def test_no_thread_is_left_at_the_end(home: Home) -> None:
    before = set(threading.enumerate())

    async def live() -> None:
        files = read(home)
        async with watching(files):
            write(home, "owl", "channels: tavern")
            await noticed(files, "owl")

    begun_s = time.monotonic()
    asyncio.run(live())
    deadline = time.monotonic() + 2
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) - before == set()
    assert time.monotonic() - begun_s < 10


async def test_the_talk_stays_and_the_next_prompt_begins_with_the_new_persona(
    home: Home, database: Database, base: Engine
) -> None:
    fill(database)
    write(home, "owl", "channels: tavern", voice="You are {name}, up late.")
    style = Style(home, database)
    style.read()
    pipeline = pipeline_of(database, base, style)
    pipeline.settings = settings(speaks_in_public=True)
    async with watching(style.files, pipeline.reader.read_anew):
        for number in range(3):
            trace = await pipeline.handle(
                incoming(f"Mynah, {number} cakes", message_id=900 + number)
            )
            assert trace.sent is not None
        before = await pipeline.reader.prompt(TAVERN, base)
        assert before.persona == "You are Mynah, up late."
        lines = (await pipeline.transcripts.of(TAVERN.channel_id)).lines

        begun_s = time.monotonic()
        write(home, "owl", "channels: tavern", voice="You are {name}, up early.")
        await until(lambda: style.persona(settings(), TAVERN, base, 2048).endswith("up early."))
        assert time.monotonic() - begun_s < WITHIN_S
        after = await pipeline.reader.prompt(TAVERN, base)
        assert after.persona == "You are Mynah, up early."
        assert after.turns == before.turns
        assert len(after.turns) >= 6
        assert (await pipeline.transcripts.of(TAVERN.channel_id)).lines == lines
        # It is read before anybody asks.
        key = pipeline.reader._places[TAVERN.channel_id].key
        await until(lambda: base.missing(key, after.ids) < 20)

        write(home, "owl", "channels: [tavern", voice="You are {name}, up at noon.")
        await until(lambda: style.files.states()["owl"]["state"] != "good")
        still = await pipeline.reader.prompt(TAVERN, base)
        assert (still.persona, still.turns) == (after.persona, after.turns)
    await pipeline.reader.close()


def test_people_are_told_which_one_counts(home: Home) -> None:
    write(home, "owl", "name: Night owl", "channels: tavern")
    write(home, "bad", "name: [")
    files = read(home)
    lines = files.told(Settings(), TAVERN).splitlines()
    assert lines[0] == "Night owl speaks here (owl.md, by its channels)."
    assert lines[1] == "There are: doorkeeper, night-owl, owl, template."
    assert lines[2].startswith("bad.md, line ")
    assert len(lines) == 3
    named = files.told(Settings({"persona_file": "Template"}), TAVERN)
    assert named.startswith("A name speaks here (template.md, by the setting persona_file).")
    assert files.told(Settings(), CELLAR).startswith("No persona file counts here.")


async def test_the_bot_tells_of_them(home: Home, database: Database) -> None:
    logs = open_logs(home.logs)
    database.set_config("persona_file", "ghost")
    database.set_channel_config(TAVERN.channel_id, "persona_file", "doorkeeper")
    bot = Bot(home, database, read_config(home, database, {}), "x" * 30, logs)
    write(home, "owl", "channels: [tavern")
    bot._style.read()
    await bot.reload()
    personas = (await bot.stats())["personas"]
    assert bot.persona_in(TAVERN).startswith("Doorkeeper speaks here (doorkeeper.md, by the")
    assert bot.persona_in(CELLAR).startswith("No persona file counts here.")
    assert "night-owl" in bot.personas()
    logs.close()
    assert set(personas) == {"owl", "ghost", "doorkeeper"}
    assert personas["doorkeeper"]["state"] == "good"
    assert personas["owl"]["state"].startswith("broken: owl.md, line 2: ")
    assert personas["ghost"]["state"].startswith("broken: There is no ghost.md")


def test_what_is_shipped_lies_where_it_is_looked_for() -> None:
    assert {path.stem for path in SHIPPED_PERSONAS.glob("*.md")} >= {"night-owl", "template"}
