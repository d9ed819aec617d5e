"""Boosted trees as flat arrays: kept in npz, evaluated with NumPy alone.

Features are small whole numbers (uint8), so a split is `value <= threshold`. A tree is evaluated
as in QuickScorer (Lucchese et al., SIGIR 2015): for every feature that it uses a table of 256 bit
sets says which leaves stay within reach, and the lowest bit left of all of them together is the
leaf. One look-up a row for each feature of a tree, no walk from node to node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAF = 255
MOST_LEAVES = 32
"""A bit set's width."""
MOST_NODES = 2 * MOST_LEAVES - 1
ROWS_AT_ONCE = 4096


class DamagedForest(ValueError):
    """The arrays are no trees."""


@dataclass(frozen=True, slots=True)
class Forest:
    """T trees of at most M nodes; node 0 is the root, children come after their parent."""

    feature: NDArray[np.uint8]
    """T x M; LEAF for a leaf."""
    threshold: NDArray[np.uint8]
    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    value: NDArray[np.float32]
    """T x M; what a leaf adds to the score."""
    features: int
    """How many columns a row has."""

    def arrays(self, name: str) -> dict[str, NDArray[np.generic]]:
        """What `read_forest` takes, each under `name` and a dot."""
        return {
            f"{name}.feature": self.feature,
            f"{name}.threshold": self.threshold,
            f"{name}.left": self.left,
            f"{name}.right": self.right,
            f"{name}.value": self.value,
            f"{name}.features": np.array(self.features, np.int64),
        }


def mean_of(forests: Sequence[Forest]) -> Forest:
    """One forest that scores as the mean of several does."""
    most = max(forest.value.shape[1] for forest in forests)

    def wide(name: str, filled: int) -> NDArray[Any]:
        parts = [getattr(forest, name) for forest in forests]
        room = [((0, 0), (0, most - part.shape[1])) for part in parts]
        return np.concatenate(
            [np.pad(p, r, constant_values=filled) for p, r in zip(parts, room, strict=True)]
        )

    value = (wide("value", 0) / len(forests)).astype(np.float32)
    nodes = (wide("feature", LEAF), wide("threshold", 0), wide("left", 0), wide("right", 0))
    return Forest(*nodes, value, forests[0].features)


def read_forest(arrays: dict[str, NDArray[np.generic]], name: str, features: int) -> Forest:
    """The forest kept under `name`. Raises DamagedForest on whatever cannot be evaluated."""
    try:
        kept = [arrays[f"{name}.{part}"] for part in ("feature", "threshold", "left", "right")]
        value, columns = arrays[f"{name}.value"], arrays[f"{name}.features"]
    except KeyError as error:
        raise DamagedForest(f"{error.args[0]} is missing") from error
    shape = value.shape
    if value.ndim != 2 or any(a.shape != shape or a.dtype != np.uint8 for a in kept):
        raise DamagedForest(f"the arrays of {name} do not fit each other")
    if value.dtype != np.float32 or not np.isfinite(value).all() or not 0 < shape[1] <= MOST_NODES:
        raise DamagedForest(f"the values of {name} are no numbers")
    if columns.shape != () or int(columns) != features:
        raise DamagedForest(f"{name} was made for other features")
    feature, threshold, left, right = (a.astype(np.uint8) for a in kept)
    inner = feature != LEAF
    here = np.broadcast_to(np.arange(shape[1]), shape)
    for child in (left, right):
        if np.any(inner & ((child <= here) | (child >= shape[1]))):
            raise DamagedForest(f"{name} has a branch that leads nowhere")
    if any(_shared_child(*tree) for tree in zip(inner, left, right, strict=True)):
        raise DamagedForest(f"two branches of {name} lead to one place")
    if np.any(inner & (feature >= features)):
        raise DamagedForest(f"{name} asks for a feature that does not exist")
    return Forest(feature, threshold, left, right, value.astype(np.float32), features)


def _shared_child(
    inner: NDArray[np.bool_], left: NDArray[np.uint8], right: NDArray[np.uint8]
) -> bool:
    children = np.concatenate([left[inner], right[inner]])
    return len(np.unique(children)) < len(children)


class Scorer:
    """A forest made ready: look-up tables by tree and feature."""

    def __init__(self, forest: Forest) -> None:
        self._trees = [_tables(forest, tree) for tree in range(len(forest.value))]
        self._features = forest.features

    def scores(self, columns: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The score of each row; `columns` is features x rows."""
        rows = columns.shape[1]
        total = np.zeros(rows, np.float32)
        for start in range(0, rows, ROWS_AT_ONCE):
            block = columns[:, start : start + ROWS_AT_ONCE].astype(np.intp)
            total[start : start + ROWS_AT_ONCE] = self._block(block)
        return total

    def _block(self, columns: NDArray[np.intp]) -> NDArray[np.float32]:
        """columns: features x rows (at most ROWS_AT_ONCE)."""
        rows = columns.shape[1]
        total = np.zeros(rows, np.float32)
        reach, also = np.empty(rows, np.uint32), np.empty(rows, np.uint32)
        leaf, gain = np.empty(rows, np.intp), np.empty(rows, np.float32)
        for used, tables, values in self._trees:
            if not used:
                total += values[0]
                continue
            tables[0].take(columns[used[0]], out=reach, mode="clip")
            for feature, table in zip(used[1:], tables[1:], strict=True):
                table.take(columns[feature], out=also, mode="clip")
                np.bitwise_and(reach, also, out=reach)
            np.bitwise_and(reach, np.negative(reach, out=also), out=reach)
            # A power of two as a float has its place in the exponent.
            np.subtract(reach.astype(np.float32).view(np.int32) >> 23, 127, out=leaf)
            values.take(leaf, out=gain, mode="clip")
            total += gain
        return total


_Tables = tuple[list[int], list[NDArray[np.uint32]], NDArray[np.float32]]


def _tables(forest: Forest, tree: int) -> _Tables:
    """The features that a tree uses, the reach of its leaves by their values, the leaves."""
    values: list[float] = []
    cuts: list[tuple[int, int, int]] = []

    def walk(node: int) -> int:
        """The leaves below a node, as bits; they are numbered from left to right."""
        feature = int(forest.feature[tree, node])
        if feature == LEAF:
            values.append(float(forest.value[tree, node]))
            return 1 << (len(values) - 1)
        left = walk(int(forest.left[tree, node]))
        cuts.append((feature, int(forest.threshold[tree, node]), left))
        return left | walk(int(forest.right[tree, node]))

    walk(0)
    by_feature: dict[int, NDArray[np.uint32]] = {}
    for feature, threshold, left in cuts:
        table = by_feature.setdefault(feature, np.full(256, 0xFFFFFFFF, np.uint32))
        table[threshold + 1 :] &= np.uint32(0xFFFFFFFF ^ left)
    return list(by_feature), list(by_feature.values()), np.array(values, np.float32)
