"""Gradient-boosted trees as packed arrays, equal to XGBoost's own prediction to the last float32 bit.

Read from the model's JSON. The trainer cuts the model at its best iteration before it saves, since a booster saved whole
after early stopping predicts with all trees.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.compiled import COMPILED, kernels
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.scoring.trees import as_rows, check_trees, layout_of

_LARGEST = np.finfo(np.float32).max
# As the kernel walks them: a node is one access to memory instead of five; `place` is 2 * feature + default_left.
_NODE = np.dtype([("threshold", np.float32), ("place", np.int32), ("child", np.int32), ("leaf", np.float32)])
_IDENTITY = ("reg:squarederror", "reg:absoluteerror", "reg:quantileerror", "reg:pseudohubererror")
_LOGISTIC = ("binary:logistic",)


@dataclass(frozen=True, slots=True)
class PackedBooster:
    """`base` [groups] in margin space; `roots`, `depths`, `group` [trees]; the rest [nodes].

    `trees` is the same as the kernels take it: roots, depths, group, base, nodes.
    """

    base: npt.NDArray[np.float32]
    roots: npt.NDArray[np.int32]
    depths: npt.NDArray[np.int32]
    group: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    feature: npt.NDArray[np.int32]
    child: npt.NDArray[np.int32]
    default_left: npt.NDArray[np.uint8]
    leaf: npt.NDArray[np.float32]
    columns: int
    trees: tuple[npt.NDArray[Any], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        nodes = np.empty(len(self.child), dtype=_NODE)
        nodes["threshold"], nodes["child"], nodes["leaf"] = self.threshold, self.child, self.leaf
        nodes["place"] = 2 * self.feature + self.default_left
        object.__setattr__(self, "trees", (self.roots, self.depths, self.group, self.base, nodes))

    @property
    def groups(self) -> int:
        """How many outputs a row has."""
        return len(self.base)

    def margin(self, rows: npt.NDArray[np.floating[Any]], *, compiled: bool = COMPILED) -> npt.NDArray[np.float32]:
        """Predict rows [n, columns] (read as float32, NaN is missing), returning margins [n, groups] float32."""
        # A leaf keeps what is below its +inf; an infinite value goes where the largest number goes. NaN stays NaN.
        x = np.minimum(as_rows(rows, self.columns), _LARGEST)
        out = np.empty((len(x), len(self.base)), dtype=np.float32)
        if compiled:
            kernels.booster(x, self.trees, out, self.columns)
            return out
        out[:] = self.base
        index = np.arange(len(x))
        for tree, root in enumerate(self.roots):
            node = np.full(len(x), root)
            for _ in range(self.depths[tree]):
                value = x[index, self.feature[node]]
                left = (value < self.threshold[node]) | (np.isnan(value) & (self.default_left[node] == 1))
                node = self.child[node] + ~left
            out[:, self.group[tree]] += self.leaf[node]
        return out

    def to_arrays(self, prefix: str = "booster") -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an artifact."""
        names = ("base", "roots", "depths", "group", "threshold", "feature", "child", "default_left", "leaf")
        arrays = {f"{prefix}.{name}": getattr(self, name) for name in names}
        return {**arrays, f"{prefix}.columns": np.array([self.columns], dtype=np.int64)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, npt.NDArray[Any]], prefix: str = "booster") -> "PackedBooster":
        """Read and check the arrays of an artifact. Raises `ArtifactRefused`."""

        def array(name: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
            return np.ascontiguousarray(arrays[f"{prefix}.{name}"], dtype=dtype)

        try:
            booster = PackedBooster(
                array("base", np.float32),
                array("roots", np.int32),
                array("depths", np.int32),
                array("group", np.int32),
                array("threshold", np.float32),
                array("feature", np.int32),
                array("child", np.int32),
                array("default_left", np.uint8),
                array("leaf", np.float32),
                int(arrays[f"{prefix}.columns"][0]),
            )
        except (KeyError, ValueError, IndexError) as error:
            raise ArtifactRefused(
                f"booster arrays are incomplete: {error}", remedy="fetch or train it again"
            ) from error
        check_trees(
            booster.roots, booster.feature, booster.child, booster.threshold, booster.depths, booster.columns
        )
        sizes = {len(booster.leaf), len(booster.default_left), len(booster.child)}
        trees = {len(booster.roots), len(booster.depths), len(booster.group)}
        groups_known = bool((booster.group >= 0).all() and (booster.group < len(booster.base)).all())
        if len(sizes) != 1 or len(trees) != 1 or not groups_known or not _keeps_missing(booster):
            raise ArtifactRefused("booster arrays are inconsistent", remedy="fetch or train it again")
        return booster


def _keeps_missing(booster: PackedBooster) -> bool:
    """Whether directions are 0 or 1, and every leaf keeps a missing value, as it keeps any other."""
    leaf = booster.child == np.arange(len(booster.child))
    return bool((booster.default_left <= 1).all() and (booster.default_left[leaf] == 1).all())


def pack_booster(model_json: bytes | str) -> PackedBooster:
    """Flatten a model that `Booster.save_raw("json")` wrote.

    Raises
    ------
    ArtifactRefused
        For an objective, a booster or a kind of tree that the kernel does not know (linear, dart, categorical splits, vector
        leaves), and for what is no model.
    """
    try:
        return _pack(json.loads(model_json)["learner"])
    except (KeyError, ValueError, TypeError) as error:
        raise ArtifactRefused(
            f"no XGBoost model that this release can read: {type(error).__name__}: {error}",
            remedy="train it again with this release",
        ) from error


def _pack(learner: Mapping[str, Any]) -> PackedBooster:
    objective = learner["objective"]["name"]
    kind = learner["gradient_booster"]["name"]
    if kind != "gbtree":
        raise ArtifactRefused(f"booster {kind} has no packed form", remedy="use gbtree")
    if objective not in _IDENTITY + _LOGISTIC:
        raise ArtifactRefused(
            f"objective {objective} has no packed form", remedy=f"use one of {_IDENTITY + _LOGISTIC}"
        )
    model = learner["gradient_booster"]["model"]
    shape = learner["learner_model_param"]
    groups = max(int(shape.get("num_class", "0")), int(shape.get("num_target", "1")), 1)
    base = np.atleast_1d(np.array(json.loads(str(shape["base_score"])), dtype=np.float32))
    if objective in _LOGISTIC:
        base = -np.log(np.float32(1.0) / base - np.float32(1.0))
    if max(model["tree_info"], default=0) + 1 > groups:
        groups = max(model["tree_info"]) + 1
    base = np.broadcast_to(base, (groups,)).astype(np.float32)
    roots, depths, thresholds, features, children, defaults, leaves = [], [], [], [], [], [], []
    start = 0
    for tree in model["trees"]:
        if tree.get("categories") or int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
            raise ArtifactRefused(
                "categorical splits and vector leaves have no packed form", remedy="train without them"
            )
        order, first_child, depth = layout_of(tree["left_children"], tree["right_children"])
        roots.append(start)
        depths.append(depth)
        for new, old in enumerate(order):
            is_leaf = tree["left_children"][old] < 0
            children.append(start + first_child[new])
            features.append(0 if is_leaf else tree["split_indices"][old])
            thresholds.append(np.inf if is_leaf else tree["split_conditions"][old])
            # A leaf keeps whatever comes: x < inf stays, and so does a missing value.
            defaults.append(1 if is_leaf else int(tree["default_left"][old]))
            leaves.append(tree["split_conditions"][old] if is_leaf else 0.0)
        start += len(order)
    return PackedBooster(
        base,
        np.array(roots, dtype=np.int32),
        np.array(depths, dtype=np.int32),
        np.array(model["tree_info"], dtype=np.int32),
        np.array(thresholds, dtype=np.float32),
        np.array(features, dtype=np.int32),
        np.array(children, dtype=np.int32),
        np.array(defaults, dtype=np.uint8),
        np.array(leaves, dtype=np.float32),
        int(shape["num_feature"]),
    )
