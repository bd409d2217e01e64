"""Flatten a fitted scikit-learn IsolationForest; imported by training only."""

from typing import Any

import numpy as np

from neural_hive_ml.scoring.forest import PackedForest
from neural_hive_ml.scoring.trees import layout_of

_EULER = 0.5772156649015329


def average_path_length(n: float) -> float:
    """Return c(n), the mean path length of an unsuccessful search in a binary search tree of n points (Liu et al. 2008)."""
    if n <= 1:
        return 0.0
    if n <= 2:
        return 1.0
    return float(2.0 * (np.log(n - 1.0) + _EULER) - 2.0 * (n - 1.0) / n)


def pack_forest(estimator: Any) -> PackedForest:
    """Flatten a fitted `sklearn.ensemble.IsolationForest`; O(nodes)."""
    roots, thresholds, features, children, paths = [], [], [], [], []
    deepest, base = 0, 0
    for tree_estimator, columns in zip(estimator.estimators_, estimator.estimators_features_, strict=True):
        tree = tree_estimator.tree_
        order, first_child, depth = layout_of(tree.children_left.tolist(), tree.children_right.tolist())
        roots.append(base)
        levels = [0] * len(order)
        for new, old in enumerate(order):
            is_leaf = tree.children_left[old] < 0
            children.append(base + first_child[new])
            if is_leaf:
                thresholds.append(np.float32(np.inf))
                features.append(0)
                paths.append(levels[new] + average_path_length(float(tree.n_node_samples[old])))
                continue
            levels[first_child[new]] = levels[first_child[new] + 1] = levels[new] + 1
            thresholds.append(_round_down(float(tree.threshold[old])))
            features.append(int(columns[tree.feature[old]]))
            paths.append(0.0)
        deepest, base = max(deepest, depth), base + len(order)
    normaliser = len(estimator.estimators_) * average_path_length(float(estimator.max_samples_))
    return PackedForest(
        np.array(roots, dtype=np.int32),
        np.array(thresholds, dtype=np.float32),
        np.array(features, dtype=np.int32),
        np.array(children, dtype=np.int32),
        np.array(paths),
        deepest,
        int(estimator.n_features_in_),
        normaliser,
    )


def _round_down(threshold: float) -> np.float32:
    """Return the largest float32 not above the threshold."""
    near = np.float32(threshold)
    return near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf))
