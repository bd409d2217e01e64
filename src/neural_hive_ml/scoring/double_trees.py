"""Trees that add in double precision, as LightGBM's do, walked all at once; equal to the library within 1e-12.

LightGBM asks ``x <= t`` in doubles. Rows here are float32, so the same question is ``x < s`` with s the float32 that follows
the largest one not above t: packed once, exact ever after.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.scoring.trees import as_rows, check_trees, layout_of

# Rows by trees walked in one go: bounds the memory of a batch to a few megabytes.
_AT_ONCE = 400_000
_LARGEST = np.finfo(np.float32).max
_PLAIN = {"decision_type": "<=", "missing_type": "None"}


@dataclass(frozen=True, slots=True)
class DoubleTrees:
    """`roots`, `depths`, `group` [trees]; `threshold`, `feature`, `child`, `leaf` [nodes]; `groups` outputs a row."""

    roots: npt.NDArray[np.int32]
    depths: npt.NDArray[np.int32]
    group: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    feature: npt.NDArray[np.int32]
    child: npt.NDArray[np.int32]
    leaf: npt.NDArray[np.float64]
    columns: int
    groups: int

    def margin(self, rows: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """Predict rows [n, columns] (read as float32; NaN is 0, as LightGBM has it), returning [n, groups] doubles."""
        # A leaf keeps what is below its +inf; an infinite value goes where the largest number goes.
        x = np.minimum(as_rows(rows, self.columns), _LARGEST)
        x[np.isnan(x)] = 0.0
        out = np.zeros((len(x), self.groups))
        step = max(1, _AT_ONCE // len(self.roots))
        for start in range(0, len(x), step):
            part = x[start : start + step]
            node = np.broadcast_to(self.roots, (len(part), len(self.roots))).astype(np.intp)
            index = np.arange(len(part))[:, None]
            for _ in range(int(self.depths.max(initial=0))):
                beyond = part[index, self.feature[node]] >= self.threshold[node]
                node = (self.child[node] + beyond).astype(np.intp)
            said = self.leaf[node]
            for group in range(self.groups):
                out[start : start + step, group] = said[:, self.group == group].sum(axis=1)
        return out

    def to_arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an artifact."""
        names = ("roots", "depths", "group", "threshold", "feature", "child", "leaf")
        arrays = {f"{prefix}.{name}": getattr(self, name) for name in names}
        return {**arrays, f"{prefix}.shape": np.array([self.columns, self.groups], dtype=np.int64)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, npt.NDArray[Any]], prefix: str) -> "DoubleTrees":
        """Read and check the arrays of an artifact. Raises `ArtifactRefused`."""

        def array(name: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
            return np.ascontiguousarray(arrays[f"{prefix}.{name}"], dtype=dtype)

        try:
            columns, groups = (int(v) for v in arrays[f"{prefix}.shape"])
            trees = DoubleTrees(
                array("roots", np.int32),
                array("depths", np.int32),
                array("group", np.int32),
                array("threshold", np.float32),
                array("feature", np.int32),
                array("child", np.int32),
                array("leaf", np.float64),
                columns,
                groups,
            )
        except (KeyError, ValueError) as error:
            raise ArtifactRefused(
                f"tree arrays are incomplete: {error}", remedy="fetch or train it again"
            ) from error
        check_trees(trees.roots, trees.feature, trees.child, trees.threshold, trees.depths, columns)
        sized = len({len(trees.roots), len(trees.depths), len(trees.group)}) == 1
        known = bool((trees.group >= 0).all() and (trees.group < groups).all())
        if not (sized and known and len(trees.leaf) == len(trees.child) and np.isfinite(trees.leaf).all()):
            raise ArtifactRefused("tree arrays are inconsistent", remedy="fetch or train it again")
        return trees


def pack_lightgbm(models: Sequence[Mapping[str, Any]]) -> DoubleTrees:
    """Flatten what ``Booster.dump_model`` gave, one model an output.

    Raises
    ------
    ArtifactRefused
        For categorical splits, missing values that have a side of their own, or linear leaves.
    """
    roots, depths, groups, thresholds, features, children, leaves = [], [], [], [], [], [], []
    start = 0
    for group, model in enumerate(models):
        for tree in model["tree_info"]:
            nodes: list[Mapping[str, Any]] = []
            left, right = _number(tree["tree_structure"], nodes)
            order, first_child, depth = layout_of(left, right)
            roots.append(start)
            depths.append(depth)
            groups.append(group)
            for new, old in enumerate(order):
                node, is_leaf = nodes[old], left[old] < 0
                children.append(start + first_child[new])
                features.append(0 if is_leaf else int(node["split_feature"]))
                thresholds.append(np.float32(np.inf) if is_leaf else _follows(float(node["threshold"])))
                leaves.append(float(node["leaf_value"]) if is_leaf else 0.0)
            start += len(order)
    return DoubleTrees(
        np.array(roots, dtype=np.int32),
        np.array(depths, dtype=np.int32),
        np.array(groups, dtype=np.int32),
        np.array(thresholds, dtype=np.float32),
        np.array(features, dtype=np.int32),
        np.array(children, dtype=np.int32),
        np.array(leaves, dtype=np.float64),
        int(models[0]["max_feature_idx"]) + 1,
        len(models),
    )


def _follows(threshold: float) -> np.float32:
    """Return the float32 s with ``x <= threshold`` exactly when ``x < s``, for every float32 x."""
    near = np.float32(threshold)
    return near if float(near) > threshold else np.nextafter(near, np.float32(np.inf))


def _number(root: Mapping[str, Any], nodes: list[Mapping[str, Any]]) -> tuple[list[int], list[int]]:
    """Number the nested nodes into `nodes`; return the left and right child of each, -1 at a leaf."""
    nodes.append(root)
    left, right, at = [-1], [-1], 0
    while at < len(nodes):
        node = nodes[at]
        if "split_feature" in node:
            odd = {k: node.get(k) for k, v in _PLAIN.items() if node.get(k) != v}
            if odd:
                raise ArtifactRefused(
                    f"a split of {odd} has no packed form", remedy="train with use_missing=false"
                )
            for side, name in ((left, "left_child"), (right, "right_child")):
                side[at] = len(nodes)
                nodes.append(node[name])
                left.append(-1)
                right.append(-1)
        elif "leaf_value" not in node or "leaf_coeff" in node:
            raise ArtifactRefused("linear leaves have no packed form", remedy="train without linear_tree")
        at += 1
    return left, right
