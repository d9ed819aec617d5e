"""Cosine against NumPy, upsert, delete, no text in any file, broken folders moved aside."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from storage.vectordb import VectorError, VectorIndex


def vectors(n: int, dimensions: int = 16, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, dimensions)).astype(np.float32)


def cosines(rows: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query))


def test_search_agrees_with_numpy(tmp_path: Path) -> None:
    rows, query = vectors(500) * 3, vectors(1, seed=1)[0] * 0.1
    index = VectorIndex(tmp_path / "index", 16)
    index.add(list(range(1000, 1500)), rows)
    expected = cosines(rows, query)
    best = np.argsort(-expected)[:10]
    found = index.search(query, 10)
    assert [i for i, _ in found] == (best + 1000).tolist()
    assert [c for _, c in found] == pytest.approx(expected[best].tolist(), abs=1e-5)


def test_it_is_kept_and_large_ids_survive(tmp_path: Path) -> None:
    index = VectorIndex(tmp_path / "index", 16)
    assert (index.count(), index.ids(), index.search(vectors(1)[0], 5)) == (0, set(), [])
    ids = [2**62 + n for n in range(3)]
    index.add(ids, vectors(3))
    again = VectorIndex(tmp_path / "index", 16)
    assert (again.count(), again.ids()) == (3, set(ids))


def test_a_second_process_sees_what_was_added_meanwhile(tmp_path: Path) -> None:
    one, two = VectorIndex(tmp_path / "index", 16), VectorIndex(tmp_path / "index", 16)
    one.add([1, 2], vectors(2))
    assert two.ids() == {1, 2}
    two.delete([1])
    assert [i for i, _ in one.search(vectors(1)[0], 5)] == [2]


def test_adding_again_replaces(tmp_path: Path) -> None:
    index = VectorIndex(tmp_path / "index", 4)
    east, north = np.eye(4, dtype=np.float32)[:2]
    index.add([1, 2], np.stack([east, north]))
    index.add([1], north[None, :])
    assert index.count() == 2
    assert dict(index.search(north, 5)) == pytest.approx({1: 1.0, 2: 1.0})
    index.add([3, 3], np.stack([east, north]))  # the last of a repeated id counts
    assert index.count() == 3
    assert dict(index.search(north, 5))[3] == pytest.approx(1.0)


def test_deleted_vectors_are_not_found(tmp_path: Path) -> None:
    index = VectorIndex(tmp_path / "index", 16)
    index.add(list(range(2500)), vectors(2500))
    index.delete(iter([*range(0, 2500, 2), 99_999]))
    index.delete([])
    assert index.ids() == set(range(1, 2500, 2))
    assert all(i % 2 for i, _ in index.search(vectors(1)[0], 50))


def test_many_small_writes_are_merged(tmp_path: Path) -> None:
    index = VectorIndex(tmp_path / "index", 16)
    for n in range(70):
        index.add([n], vectors(1, seed=n))
    assert index.count() == 70
    assert index._table.stats()["fragment_stats"]["num_fragments"] < 10


def test_no_column_can_hold_text(tmp_path: Path) -> None:
    index = VectorIndex(tmp_path / "index", 16)
    index.add([1, 2, 3], vectors(3))
    assert index._table.schema.names == ["id", "vector"]
    assert [str(field.type) for field in index._table.schema] == [
        "int64",
        "fixed_size_list<item: float>[16]",
    ]


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((1, 16), np.float32),
        np.full((1, 16), np.nan, np.float32),
        vectors(2),
        vectors(1, 8),
    ],
)
def test_wrong_vectors_are_refused(tmp_path: Path, bad: NDArray[np.float32]) -> None:
    index = VectorIndex(tmp_path / "index", 16)
    with pytest.raises(VectorError):
        index.add([1], bad)
    with pytest.raises(VectorError):
        index.search(bad[0][:3], 1)
    assert index.count() == 0


def damage_manifests(folder: Path) -> None:
    for path in folder.rglob("*.manifest"):
        path.write_bytes(b"")  # what a power cut leaves of a file that was not fsynced


def damage_data(folder: Path) -> None:
    for path in folder.rglob("*.lance"):
        if path.is_file():
            path.write_bytes(b"")


@pytest.mark.parametrize("damage", [damage_manifests, damage_data])
def test_a_broken_index_is_moved_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: object
) -> None:
    folder = tmp_path / "index"
    for _ in range(2):  # a second time too
        index = VectorIndex(folder, 16)
        index.add([1, 2, 3], vectors(3))
        damage(folder)  # type: ignore[operator]
        with caplog.at_level(logging.WARNING):
            fresh = VectorIndex(folder, 16)
        assert fresh.ids() == set()
        assert "starts empty" in caplog.text
        assert sorted(p.name for p in tmp_path.iterdir()) == ["index", "index.broken"]
    fresh.add([5], vectors(1))
    assert VectorIndex(folder, 16).ids() == {5}


def test_a_reader_moves_and_makes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with pytest.raises(VectorError, match="5_build_memory"):
        VectorIndex(folder, 8, repair=False)
    assert not folder.exists() or not list(folder.iterdir())
    builder = VectorIndex(folder, 8)
    builder.add([1], vectors(1, 8))
    with pytest.raises(VectorError, match="5_build_memory"):
        VectorIndex(folder, 16, repair=False)
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    builder.add([2], vectors(1, 8))
    assert VectorIndex(folder, 8, repair=False).ids() == {1, 2}


def test_a_folder_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    index = VectorIndex(tmp_path / "index", 8)
    index.add([1], vectors(1, 8))
    shutil.rmtree(tmp_path / "index")
    with pytest.raises(VectorError, match="cannot be read"):
        index.search(vectors(1, 8)[0], 3)


def test_an_index_of_other_dimensions_is_moved_aside(tmp_path: Path) -> None:
    VectorIndex(tmp_path / "index", 8).add([1], vectors(1, 8))
    assert VectorIndex(tmp_path / "index", 16).count() == 0
