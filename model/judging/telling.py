"""Whether a reader of letters alone can tell two sets of replies apart.

A logistic regression over character 2-5-grams learns four fifths of both sets and says of the last
fifth which set each is from; five times round. The two replies to one context are never parted
between learning and asking: its topic would give the answer away. AUC is the chance that of one
reply of each set it takes the right one: 0.5 cannot tell, 1.0 always can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FOLDS = 5
STRENGTH = 10.0
"""scikit-learn's C: how little the weights are held back."""


def told_apart(
    grams: Any, first: npt.NDArray[np.intp], second: npt.NDArray[np.intp]
) -> tuple[float, npt.NDArray[np.float64]]:
    """The AUC, 0 to 1, and how much each of `first` looks like one of `first` (log odds) to a
    classifier that has not seen it.

    `grams` are rows of features; `first` and `second` numbers of rows, as many of each, and the
    i-th of both are replies to one context.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    count = len(first)
    rows = grams[np.concatenate([first, second])]
    is_first = np.repeat([1, 0], count)
    fold = np.tile(np.arange(count) * FOLDS // count, 2)
    said = np.zeros(2 * count)
    for asked in range(FOLDS):
        learned = fold != asked
        model = LogisticRegression(C=STRENGTH, solver="liblinear", dual=True, max_iter=2000)
        model.fit(rows[learned], is_first[learned])
        said[~learned] = model.decision_function(rows[~learned])
    auc = np.mean([roc_auc_score(is_first[fold == one], said[fold == one]) for one in range(FOLDS)])
    return float(auc), said[:count]
