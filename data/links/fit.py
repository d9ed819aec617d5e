"""Grows boosted trees that choose one of several candidates (scikit-learn; not needed to rank).

The loss is the softmax's over a line's candidates, "answers nobody" among them. scikit-learn's
public boosting has no such loss, so its tree grower is driven here round by round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.links.features import TOP
from data.links.graph import softmax
from data.links.trees import LEAF, Forest

_BINS = TOP + 2
MOST_STEP = 0.3
"""A leaf adds no more than this to a score."""


def is_installed() -> bool:
    """Whether scikit-learn is there, with the grower that is driven here."""
    try:
        from sklearn.ensemble._hist_gradient_boosting import grower
    except ImportError:
        return False
    return hasattr(grower, "TreeGrower")


@dataclass(frozen=True, slots=True)
class Choices:
    """G lines with C candidates each; P of the G x C pairs exist."""

    matrix: NDArray[np.uint8]
    """features x P, the pairs in row order."""
    there: NDArray[np.bool_]
    """G x C."""
    wanted: NDArray[np.float32]
    """G x C; sums to 1 in each row."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How a forest is grown."""

    rounds: int
    leaves: int
    rate: float = 0.1
    smoothing: float = 5.0
    feature_share: float = 0.5
    least_pairs: int = 40
    seed: int = 7


def grow(
    choices: Choices,
    growth: Growth,
    base: NDArray[np.float32] | None = None,
) -> Forest:
    """A forest whose scores (added to `base`, G x C) make `wanted` likely.

    Raises ImportError without scikit-learn (`is_installed`).
    """
    from sklearn.ensemble._hist_gradient_boosting.grower import TreeGrower

    rng = np.random.default_rng(growth.seed)
    scores = np.where(choices.there, 0 if base is None else base, -np.inf).astype(np.float32)
    wanted = choices.wanted[choices.there]
    trees: list[NDArray[np.void]] = []
    for _ in range(growth.rounds):
        chance = softmax(scores)[choices.there]
        grower = TreeGrower(
            choices.matrix.T,
            gradients=(chance - wanted).astype(np.float32),
            hessians=np.maximum(chance * (1 - chance), 1e-6).astype(np.float32),
            max_leaf_nodes=growth.leaves,
            min_samples_leaf=growth.least_pairs,
            n_bins=_BINS,
            l2_regularization=growth.smoothing,
            feature_fraction_per_split=growth.feature_share,
            rng=rng,
            shrinkage=growth.rate,
            n_threads=1,
        )
        grower.grow()
        gain = np.zeros(len(wanted), np.float32)
        for leaf in grower.finalized_leaves:
            # Where chances are near 0 or 1, Newton's step has no measure.
            leaf.value = float(np.clip(leaf.value, -MOST_STEP, MOST_STEP))
            gain[_samples(leaf)] = leaf.value
        scores[choices.there] += gain
        trees.append(_nodes(grower, choices.matrix.shape[0]))
    return _forest(trees, choices.matrix.shape[0])


def _samples(leaf: object) -> NDArray[np.uint32]:
    return np.asarray(leaf.sample_indices)  # type: ignore[attr-defined]


def _nodes(grower: object, features: int) -> NDArray[np.void]:
    cuts = [np.arange(_BINS, dtype=np.float64)] * features
    return np.asarray(grower.make_predictor(binning_thresholds=cuts).nodes)  # type: ignore[attr-defined]


def _forest(trees: list[NDArray[np.void]], features: int) -> Forest:
    shape = (len(trees), max(len(nodes) for nodes in trees))
    feature, threshold = np.full(shape, LEAF, np.uint8), np.zeros(shape, np.uint8)
    left, right = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    value = np.zeros(shape, np.float32)
    for tree, nodes in enumerate(trees):
        leaf, size = nodes["is_leaf"].astype(bool), len(nodes)
        feature[tree, :size] = np.where(leaf, LEAF, nodes["feature_idx"])
        threshold[tree, :size] = np.where(leaf, 0, nodes["bin_threshold"])
        left[tree, :size] = np.where(leaf, 0, nodes["left"])
        right[tree, :size] = np.where(leaf, 0, nodes["right"])
        value[tree, :size] = np.where(leaf, nodes["value"], 0)
    return Forest(feature, threshold, left, right, value, features)
