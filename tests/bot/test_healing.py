"""healing: 200 damaged indexes, each known, set aside and built again while full text goes on."""

from __future__ import annotations

import hashlib
import logging
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bot.healing import AGAIN_AFTER_S, CHECK_EVERY_S, Healing
from bot.messages import Memories
from bot.recall import Recall
from data.memory import build_memory
from storage.database import Database
from storage.vector_seal import SEAL
from storage.vectordb import BUILT_WITH, VectorError, VectorIndex, built_with
from tests.bot.scene import MIRA, SHY, incoming, record

CASES = 200
DIMENSIONS = 16
ASKED = "who wants cake in the dungeon"


class Letters:
    """An embedder by the words' hashes: lines that share words are near each other."""

    dimensions = DIMENSIONS

    def embed(self, lines: list[str]) -> np.ndarray:
        rows = np.full((len(lines), DIMENSIONS), 0.01, np.float32)
        for row, line in zip(rows, lines, strict=True):
            for word in line.lower().split():
                row[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1
        return rows

    def close(self) -> None:
        pass


@pytest.fixture
def filled(database: Database) -> Database:
    words = "cake dungeon tonight healer sword asleep dragon nine bring potion".split()
    chance = random.Random(6)
    database.upsert_messages(
        [record(100 + n, MIRA, " ".join(chance.choices(words, k=6))) for n in range(300)]
    )
    return database


def build(database: Database, folder: Path) -> None:
    index = VectorIndex(folder, DIMENSIONS)
    build_memory(database, index, Letters())  # type: ignore[arg-type]


def opened(folder: Path) -> tuple[VectorIndex, Letters]:
    return VectorIndex(folder, DIMENSIONS, repair=False), Letters()


def truncate(path: Path, chance: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: chance.randrange(max(path.stat().st_size, 1))])


def empty(path: Path, chance: random.Random) -> None:
    path.write_bytes(b"")


def delete(path: Path, chance: random.Random) -> None:
    path.unlink()


def zero(path: Path, chance: random.Random) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def overwrite(path: Path, chance: random.Random) -> None:
    """Some bytes at a random place."""
    content = bytearray(path.read_bytes())
    at, many = chance.randrange(len(content)), chance.choice([1, 8, 64])
    content[at : at + many] = chance.randbytes(len(content[at : at + many]))
    path.write_bytes(content)


DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (
    truncate,
    empty,
    delete,
    zero,
    overwrite,
)


def files_of(folder: Path) -> list[Path]:
    return sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())


def found(recall: Recall) -> Memories:
    message = incoming(ASKED)
    return recall.find(message, recall.embed(ASKED), limit=8, in_view=(), said=[])


class Home:
    """An index to be damaged, a recall that uses it, and what heals it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        self.recall = Recall(database)
        self.now_s = 0.0
        self.builds = 0
        self.answer: bool | None = True
        self.healing = Healing(self.recall, self.open, self.rebuild, clock_s=lambda: self.now_s)  # type: ignore[arg-type]

    def open(self) -> tuple[VectorIndex, Letters]:
        return opened(self.folder)

    async def rebuild(self) -> bool | None:
        self.builds += 1
        if self.answer:
            assert found(self.recall).found_by == ("full text",)
            build(self.database, self.folder)
        return self.answer


@pytest.fixture
def sound(filled: Database, tmp_path: Path) -> Path:
    """An index of several writes, a delete and a merge."""
    folder = tmp_path / "sound"
    build(filled, folder)
    index = VectorIndex(folder, DIMENSIONS)
    ids = sorted(index.ids())
    for some in (ids[:5], ids[5:9], ids[9:11]):
        index.delete(some)
        texts = [m.content for m in filled.messages_by_id(some)]
        by_id = [m.message_id for m in filled.messages_by_id(some)]
        index.add(by_id, Letters().embed(texts))
    return folder


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.slow
@pytest.mark.parametrize("while_it_serves", [False, True])
async def test_200_damaged_indexes_heal(
    filled: Database, sound: Path, tmp_path: Path, quiet: None, while_it_serves: bool
) -> None:
    undamaged = Recall(filled)
    undamaged.use(*opened(sound))  # type: ignore[arg-type]
    by_both, by_text = found(undamaged), found(Recall(filled))
    assert by_both.found_by == ("full text", "vectors")
    assert by_both != by_text
    files = files_of(sound)
    noticed = 0
    for case in range(CASES):
        chance = random.Random(case)
        folder = tmp_path / f"case{case}"
        shutil.copytree(sound, folder)
        home = Home(filled, folder)
        if while_it_serves:
            await home.healing.look()
            assert found(home.recall) == by_both
        DAMAGES[case % len(DAMAGES)](folder / chance.choice(files), chance)
        if while_it_serves:  # what LanceDB does not notice by itself is seen at the next check
            may_be = {m.message_id for m in filled.messages() if m.author_id != SHY.member_id}
            assert {memory.message_id for memory in found(home.recall).items} <= may_be
            home.now_s += CHECK_EVERY_S
        await home.healing.look()
        assert found(home.recall) == by_both, case
        noticed += home.builds
        index = VectorIndex(folder, DIMENSIONS, repair=False)
        assert index.ids() == VectorIndex(sound, DIMENSIONS, repair=False).ids()
        shutil.rmtree(folder)
    print(f"{noticed} of {CASES} were built again; in the others a file that nobody needs was hit")
    assert noticed > CASES * 0.7


async def test_a_build_that_cannot_be_is_tried_again_in_an_hour(
    filled: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(filled, tmp_path / "none")
    home.answer = None  # another job runs: ask again soon, and say so once
    with caplog.at_level(logging.INFO, logger="bot.healing"):
        await home.healing.look()
        said = len(caplog.records)
        await home.healing.look()
    assert said == len(caplog.records) == 2
    assert home.builds == 2
    home.answer = False  # it failed
    await home.healing.look()
    await home.healing.look()
    assert home.builds == 3
    assert found(home.recall).found_by == ("full text",)
    home.now_s += AGAIN_AFTER_S
    home.answer = True
    await home.healing.look()
    assert found(home.recall).found_by == ("full text", "vectors")


def test_a_marker_of_other_bytes_is_another_embedders(tmp_path: Path) -> None:
    """Not a failure that would end the bot."""
    (tmp_path / BUILT_WITH).write_bytes(b"\xff\xfe\x00\x81")
    assert built_with(tmp_path) not in ("", "0" * 64)


def test_a_flipped_bit_of_an_id_is_known(filled: Database, sound: Path) -> None:
    """LanceDB itself takes any bytes for vectors and ids."""
    for path in sound.rglob("*.lance"):
        if path.is_file():
            content = bytearray(path.read_bytes())
            content[40] ^= 1
            path.write_bytes(content)
    with pytest.raises(VectorError, match="not what was written"):
        opened(sound)
    (sound / SEAL).unlink()
    opened(sound)  # so it would have gone unnoticed


def test_a_writer_that_is_ahead_of_its_seal_is_no_damage(filled: Database, sound: Path) -> None:
    before = (sound / SEAL).read_bytes()
    index = VectorIndex(sound, DIMENSIONS)
    index.delete([min(index.ids())])
    (sound / SEAL).write_bytes(before)
    assert len(opened(sound)[0].ids()) == len(index.ids())
