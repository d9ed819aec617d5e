"""local: the terminal, piped, with one side and with two; and one question, one reply."""

from __future__ import annotations

import asyncio
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bot.composition import open_pipeline, open_recall, stored_settings
from bot.model_keeper import OneEngine
from bot.platforms.local import LocalPlatform, Side, Terminal, new_message_id, say_once
from bot.recall import Recall
from model.embedder import copy_embedder
from storage.database import Database
from storage.manifest import sha256_file
from storage.paths import PROGRAM_DIR, Home
from storage.records import Origin, community_name
from storage.vector_seal import SEAL
from storage.vectordb import BUILT_WITH, VectorIndex
from tests.bot.odd_engines import FailingEngine


@pytest.fixture
def sides(tmp_path: Path, database: Database, tiny: Path) -> Iterator[list[Side]]:
    """A base and a tuned side that share one memory (here of one model)."""
    database.set_config("context_tokens", "512")
    database.set_config("max_reply_tokens", "50")
    database.set_config("threads", "1")
    home = Home(tmp_path / "home")
    settings = stored_settings(database)
    with ExitStack() as stack:
        recall = stack.enter_context(open_recall(home, database, settings))
        yield [
            Side(
                label,
                stack.enter_context(
                    open_pipeline(
                        home,
                        database,
                        tiny,
                        label=label,
                        number=number,
                        recall=recall,
                        chance=random.Random(number),
                    )
                ),
            )
            for number, label in enumerate(["base", "tuned"])
        ]


def talk(sides: list[Side], text: str) -> str:
    said = io.StringIO()
    asyncio.run(Terminal(sides, read=io.StringIO(text), write=said).run())
    return said.getvalue()


def test_both_sides_answer_labelled_and_why_tells_why(
    sides: list[Side], database: Database
) -> None:
    shown = talk(sides, "/why\nanother dungeon?\n\n/why\n/dance\n/help\n/quit\nnever read\n")
    lines = shown.splitlines()
    assert "Nothing was said yet." in shown
    assert sum(line.startswith("[base]  ") for line in lines) == 1
    assert sum(line.startswith("[tuned] ") for line in lines) == 1
    assert shown.count("verdict: reply: asked in the playground") == 2
    assert shown.count('recalled: mira once: "never again a dungeon before nine"') == 2
    assert shown.count("model: sha256 ") == 2
    assert "There is no command /dance." in shown
    assert lines[-1] == "Bye."
    assert "never read" not in shown
    mine = [m for m in database.messages() if m.origin is Origin.PLAYGROUND]
    assert sum(m.content == "another dungeon?" for m in mine) == 2
    assert len({m.message_id for m in mine}) == len(mine)


def test_the_end_of_the_input_ends_it(sides: list[Side]) -> None:
    assert talk(sides, "").splitlines()[-1] == "Bye."
    assert "[tuned]" in talk(sides, "hi there")


def test_each_session_starts_afresh_but_remembers_the_history(
    sides: list[Side], tmp_path: Path, database: Database, tiny: Path
) -> None:
    async def scene() -> None:
        first = await say_once(sides[0].pipeline, "who overslept")
        assert first is not None
        await asyncio.sleep(0.005)
        with open_pipeline(Home(tmp_path / "home"), database, tiny) as later:
            trace = await Side("", later).say("another dungeon")
            assert trace.notes
            channel_id = trace.channel_id
            assert channel_id == first.channel_id
            said = (await later.transcripts.of(channel_id)).turns
            assert "who overslept" not in [turn.text for turn in said]

    asyncio.run(scene())


def test_a_failing_side_says_so_and_the_other_still_answers(sides: list[Side]) -> None:
    pipeline: Any = sides[0].pipeline
    answerer = pipeline._answerer
    answerer._lender = OneEngine(FailingEngine(answerer._lender.engine))  # type: ignore[arg-type]
    shown = talk(sides, "hello over there\n")
    assert "[base]  (failed: the model is out of words)" in shown
    assert "[tuned] " in shown


def test_a_memory_whose_folder_is_gone_costs_no_reply(
    sides: list[Side], tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    import numpy as np

    from tests.bot.test_recall import Directions

    folder = tmp_path / "vectors"
    index = VectorIndex(folder, 8)
    index.add([1], np.eye(8, dtype=np.float32)[:1])
    answerer: Any = sides[0].pipeline._answerer
    answerer._recall = Recall(database, index=index, embedder=Directions())  # type: ignore[arg-type]
    shutil.rmtree(folder)
    shown = talk(sides[:1], "who brought the cake to us\n")
    assert shown.splitlines()[-1] == "Bye."
    assert "failed" not in shown
    assert "searched without vectors" in caplog.text


def test_vectors_of_another_embedder_or_none_are_done_without(
    tmp_path: Path, database: Database, embedder_gguf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(tmp_path / "home")
    copied = copy_embedder(embedder_gguf, home)
    settings = stored_settings(database)

    def has_vectors() -> bool:
        with open_recall(home, database, settings) as recall:
            return recall._vectors is not None

    assert not has_vectors()
    VectorIndex(home.embeddings, 384)
    assert not has_vectors()
    assert "not built yet" in caplog.text
    (home.embeddings / BUILT_WITH).write_text("another", encoding="utf-8")
    assert not has_vectors()
    assert "another embedder" in caplog.text
    (home.embeddings / BUILT_WITH).write_text(sha256_file(copied), encoding="utf-8")
    assert has_vectors()
    shutil.rmtree(home.embeddings / "vectors.lance")
    assert not has_vectors()
    made = {path.name for path in home.embeddings.iterdir()}
    assert made == {BUILT_WITH, SEAL}  # and nothing more


def test_the_loop_is_free_while_the_terminal_waits_for_a_key() -> None:
    read, write = os.pipe()

    async def scene() -> int:
        beats = 0
        with os.fdopen(read) as keys:
            chat = asyncio.create_task(Terminal([], read=keys, write=io.StringIO()).run())
            for _ in range(20):
                await asyncio.sleep(0.002)
                beats += not chat.done()
            os.write(write, b"/quit\n")
            os.close(write)
            await asyncio.wait_for(chat, 10)
        return beats

    assert asyncio.run(scene()) == 20


def test_ids_are_never_the_same() -> None:
    assert len({new_message_id(1_746_230_400_000) for _ in range(10_000)}) == 10_000
    assert new_message_id(1_746_230_400_001) >> 22 == 1_746_230_400_001 - 1_420_070_400_000


def test_the_community_lends_its_name(database: Database, tmp_path: Path) -> None:
    assert community_name(database.channels()) == "The Lantern"
    database.upsert_channels([LocalPlatform(server="Elsewhere").channel])
    assert community_name(database.channels()) == "The Lantern"
    with Database.open(tmp_path / "empty.db") as empty:
        assert community_name(empty.channels()) == "this server"


CHAT = """
import asyncio, contextlib
from bot.platforms.local import Terminal
with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(Terminal([]).run())
print("after")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one child")
def test_ctrl_c_ends_it_politely() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHAT],
        cwd=PROGRAM_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline().startswith("Type a line")
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out.split(), err) == (0, ["Bye.", "after"], "")
