"""Trees as arrays: evaluated as a walk from node to node would, and never taken when damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.links.ranker import LinkRankerDamaged, load_forests, prior, save_forests
from data.links.trees import LEAF, DamagedForest, Forest, Scorer, mean_of, read_forest


def walked(forest: Forest, row: np.ndarray) -> float:
    """The score of one row, node by node."""
    total = 0.0
    for tree in range(len(forest.value)):
        node = 0
        while forest.feature[tree, node] != LEAF:
            goes_left = row[forest.feature[tree, node]] <= forest.threshold[tree, node]
            node = int((forest.left if goes_left else forest.right)[tree, node])
        total += float(forest.value[tree, node])
    return total


def test_look_up_tables_find_the_leaves_that_a_walk_finds() -> None:
    forests = prior().forests
    for forest in (forests.quick, forests.pair, forests.graph):
        rows = np.random.default_rng(1).integers(0, 97, (forest.features, 300), np.uint8)
        scores = Scorer(forest).scores(rows)
        for number in range(0, 300, 7):
            assert scores[number] == pytest.approx(walked(forest, rows[:, number]), abs=1e-3)


def test_values_at_the_ends_of_a_byte_are_told_apart() -> None:
    none = np.zeros((1, 3), np.uint8)
    for threshold, expected in ((0, [1, 2, 2]), (254, [1, 1, 2]), (255, [1, 1, 1])):
        forest = Forest(
            np.array([[0, LEAF, LEAF]], np.uint8),
            np.array([[threshold, 0, 0]], np.uint8),
            none + np.array([1, 0, 0], np.uint8),
            none + np.array([2, 0, 0], np.uint8),
            np.array([[0, 1, 2]], np.float32),
            1,
        )
        assert Scorer(forest).scores(np.array([[0, 254, 255]], np.uint8)).tolist() == expected


def test_what_was_saved_is_read_again(tmp_path: Path) -> None:
    save_forests(tmp_path / "trees.npz", prior().forests, "notes")
    again = load_forests(tmp_path / "trees.npz")
    assert np.array_equal(again.pair.value, prior().forests.pair.value)
    assert again.start_bias == pytest.approx(prior().forests.start_bias)


def test_the_shipped_trees_name_their_data_and_hold_no_sentences() -> None:
    from data.links.ranker import PRIOR

    assert PRIOR.stat().st_size < 2_000_000
    with np.load(PRIOR, allow_pickle=False) as file:
        notes = str(file["notes"])
        texts = {name for name in file.files if file[name].dtype.kind == "U"}
    assert "CC-BY-4.0" in notes
    assert "Kummerfeld" in notes
    assert texts == {"notes", "feature_names"}


@pytest.mark.parametrize(
    "damage",
    ["missing", "empty", "cut", "noise", "features", "branch", "shape", "value", "leaves", "bias"],
)
def test_a_damaged_file_gives_a_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "trees.npz"
    save_forests(path, prior().forests, "notes")
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "noise":
        path.write_bytes(np.random.default_rng(1).bytes(9000))
    else:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        spoil(arrays, damage)
        np.savez_compressed(path, **arrays)
    with pytest.raises(LinkRankerDamaged, match=r"trees\.npz .*cannot be read"):
        load_forests(path)


def spoil(arrays: dict[str, np.ndarray], damage: str) -> None:
    if damage == "features":
        arrays["feature_names"] = np.array("some others")
    elif damage == "branch":
        arrays["graph.left"][0, 0] = 0
    elif damage == "shape":
        arrays["pair.right"] = arrays["pair.right"][:-1]
    elif damage == "value":
        arrays["quick.value"][0, :] = np.nan
    elif damage == "leaves":
        del arrays["pair.value"]
    elif damage == "bias":
        arrays["start_bias"] = np.array(np.inf, np.float32)


def test_a_tree_with_more_leaves_than_bits_or_with_shared_branches_is_refused() -> None:
    chain = forest_of_chain(40)
    with pytest.raises(DamagedForest, match="no numbers"):
        read_forest(dict(chain.arrays("x")), "x", 1)
    fine = forest_of_chain(31)
    assert read_forest(dict(fine.arrays("x")), "x", 1).features == 1
    # Both branches to the same node: 2 to the power of 31 ways to walk.
    fine.left[0] = fine.right[0]
    with pytest.raises(DamagedForest, match="lead to one place"):
        read_forest(dict(fine.arrays("x")), "x", 1)


def forest_of_chain(splits: int) -> Forest:
    """Every left child is a leaf."""
    nodes = np.arange(2 * splits + 1)
    inner = (nodes % 2 == 0) & (nodes < 2 * splits)
    shape = (1, len(nodes))
    return Forest(
        np.where(inner, 0, LEAF)[None].astype(np.uint8),
        np.zeros(shape, np.uint8),
        np.where(inner, nodes + 1, 0)[None].astype(np.uint8),
        np.where(inner, nodes + 2, 0)[None].astype(np.uint8),
        np.zeros(shape, np.float32),
        1,
    )


def test_the_mean_of_forests_scores_as_their_mean() -> None:
    one, other = forest_of_chain(3), forest_of_chain(9)
    one.value[:], other.value[:] = 1, 4
    rows = np.zeros((1, 2), np.uint8)
    assert Scorer(mean_of([one, other])).scores(rows).tolist() == [2.5, 2.5]
