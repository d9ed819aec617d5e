"""Cosine against NumPy, upsert, delete, no text in any file, broken folders moved aside; the
codes of a large index."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

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


def test_the_vectors_of_some_ids(tmp_path: Path) -> None:
    index = VectorIndex(tmp_path / "index", 16)
    rows = vectors(300) * 2
    index.add([2**62 + n for n in range(300)], rows)
    index.delete([2**62 + 7])
    found = index.vectors([2**62 + 5, 2**62 + 250, 2**62 + 7, 99])
    assert found.keys() == {2**62 + 5, 2**62 + 250}
    for message_id, vector in found.items():
        row = rows[message_id - 2**62]
        assert vector == pytest.approx(row / np.linalg.norm(row), abs=1e-6)
    assert index.vectors([]) == {}


LARGE, WIDE = 6_000, 128


def like_lines(n: int, seed: int = 0) -> NDArray[np.float32]:
    """Vectors that vary in fewer directions than they have dimensions, as those of lines do."""
    directions = np.random.default_rng(7).standard_normal((32, WIDE))
    return (vectors(n, 32, seed) @ directions).astype(np.float32)


@pytest.fixture(scope="module")
def made_large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With codes for all but the last 100, which were written after them."""
    folder = tmp_path_factory.mktemp("large") / "index"
    index = VectorIndex(folder, WIDE)
    rows = like_lines(LARGE)
    index.add(list(range(LARGE - 100)), rows[:-100])
    index.compact()
    index.add(list(range(LARGE - 100, LARGE)), rows[-100:])
    return folder


@pytest.fixture
def large(tmp_path: Path, made_large: Path) -> VectorIndex:
    shutil.copytree(made_large, tmp_path / "index")
    return VectorIndex(tmp_path / "index", WIDE)


def codes_of(index: VectorIndex) -> Any:
    return {one.name: one for one in index._table.list_indices()}["codes"]


def test_a_large_index_finds_nearly_all_that_exact_search_does(large: VectorIndex) -> None:
    rows, queries = like_lines(LARGE), like_lines(100, seed=1)
    assert codes_of(large).num_indexed_rows == LARGE - 100
    found_of_10 = []
    for query in queries:
        expected = cosines(rows, query)
        found = large.search(query, 10)
        assert [c for _, c in found] == pytest.approx([expected[i] for i, _ in found], abs=1e-5)
        found_of_10.append(len({i for i, _ in found} & set(np.argsort(-expected)[:10].tolist())))
    assert sum(found_of_10) >= 970


def test_what_is_added_to_a_large_index_is_found_at_once_and_what_is_deleted_not(
    large: VectorIndex,
) -> None:
    rows = like_lines(LARGE)
    other = VectorIndex(large.folder, WIDE, repair=False)
    for number in (17, LARGE - 3):  # with a code, and without
        assert dict(other.search(rows[number], 1)) == pytest.approx({number: 1.0}, abs=1e-6)
    large.add([17, 10**6], np.stack([rows[18], -rows[17]]))  # replaced, and new
    assert other.search(-rows[17], 1)[0][0] == 10**6
    assert {i for i, c in other.search(rows[18], 2) if c > 0.999} == {17, 18}
    assert other.search(rows[17], 1)[0][0] != 17
    large.delete([18, LARGE - 3])
    assert other.search(rows[18], 1)[0][0] == 17
    assert other.search(rows[LARGE - 3], 1)[0][0] != LARGE - 3
    large.compact()
    assert other.search(rows[18], 1)[0][0] == 17
    assert other.vectors([17, 18, 10**6]).keys() == {17, 10**6}
    VectorIndex(large.folder, WIDE, repair=False).check()


def test_codes_are_made_anew_where_there_are_too_many_segments(large: VectorIndex) -> None:
    before = codes_of(large).index_uuid
    segments = []
    for round_ in range(12):
        large.add([10**6 + round_], like_lines(1, seed=100 + round_))
        large.compact()
        segments.append(codes_of(large).num_segments)
    assert max(segments) <= 9
    assert segments[-1] < max(segments)
    assert codes_of(large).index_uuid != before
    assert codes_of(large).num_unindexed_rows == 0
    assert large.search(like_lines(1, seed=103)[0], 1)[0][0] == 10**6 + 3


def test_codes_that_were_damaged_are_noticed(large: VectorIndex) -> None:
    (codes,) = large.folder.glob("vectors.lance/_indices/*/auxiliary.idx")
    data = bytearray(codes.read_bytes())
    data[len(data) // 2] ^= 0xFF
    codes.write_bytes(data)
    with pytest.raises(VectorError, match="cannot be read"):
        large.check()
    with pytest.raises(VectorError, match="5_build_memory"):
        VectorIndex(large.folder, WIDE, repair=False)
    assert VectorIndex(large.folder, WIDE).count() == 0  # the builder starts again
