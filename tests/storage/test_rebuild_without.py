"""Vectors of forgotten messages leave the files, beside a reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from storage.vectordb import VectorError, VectorIndex, rebuild_without

IDS = list(range(10**17, 10**17 + 600))
GONE = set(IDS[::6])


@pytest.fixture
def vectors() -> np.ndarray:
    found = np.random.default_rng(0).normal(size=(len(IDS), 32)).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


@pytest.fixture
def index(tmp_path: Path, vectors: np.ndarray) -> VectorIndex:
    index = VectorIndex(tmp_path / "embeddings", 32)
    for start in range(0, len(IDS), 100):
        index.add(IDS[start : start + 100], vectors[start : start + 100])
    index.delete(IDS[6:12])  # what LanceDB deletes stays in its files
    return index


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_their_bytes_are_in_no_file_and_readers_go_on(
    index: VectorIndex, vectors: np.ndarray
) -> None:
    reader = VectorIndex(index.folder, 32, repair=False)
    assert vectors[7].tobytes() in everything(index.folder)
    assert rebuild_without(index.folder, GONE) == len(GONE) - 1
    held = everything(index.folder)
    gone = [row for row, i in enumerate(IDS) if i in GONE or 6 <= row < 12]
    assert not [row for row in gone if vectors[row].tobytes() in held]
    assert reader.ids() == {i for row, i in enumerate(IDS) if row not in gone}
    assert [i for i, _ in reader.search(vectors[1], 1)] == [IDS[1]]
    index.add([IDS[0]], vectors[:1])  # the writer goes on too
    VectorIndex(index.folder, 32, repair=False).check()
    assert rebuild_without(index.folder, GONE) == 1


def test_an_index_without_vectors_or_none_at_all(tmp_path: Path) -> None:
    assert rebuild_without(tmp_path / "none", GONE) == 0
    VectorIndex(tmp_path / "empty", 32)
    assert rebuild_without(tmp_path / "empty", GONE) == 0


def test_one_that_cannot_be_read_is_a_sentence(index: VectorIndex) -> None:
    next((index.folder / "vectors.lance" / "data").iterdir()).write_bytes(b"")
    with pytest.raises(VectorError, match="cannot be read"):
        rebuild_without(index.folder, GONE)


def test_the_codes_of_a_large_index_are_made_anew(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(6_000, 32)).astype(np.float32)
    index = VectorIndex(tmp_path / "embeddings", 32)
    index.add(list(range(6_000)), rows)
    index.compact()
    reader = VectorIndex(index.folder, 32, repair=False)
    assert reader.search(rows[7], 1)[0][0] == 7
    before = {path for path in index.folder.rglob("*") if path.is_file()}
    assert [path for path in before if "_indices" in path.parts]
    assert rebuild_without(index.folder, {7, 8}) == 2
    after = {path for path in index.folder.rglob("*") if path.is_file()}
    assert {path.name for path in before & after} <= {"seal.json", "latest_version_hint.json"}
    assert [path for path in after if "_indices" in path.parts]
    for one in (reader, index, VectorIndex(index.folder, 32, repair=False)):
        assert one.search(rows[7], 1)[0][0] != 7
        assert one.search(rows[9], 1)[0][0] == 9
        assert one.vectors([7, 8, 9]).keys() == {9}
