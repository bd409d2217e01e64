"""Isolation forest as packed arrays, scored in microseconds and equal to scikit-learn's to 1e-12.

Liu, Ting, Zhou (ICDM 2008): score = 2 ** (-mean path length / c(max_samples)), in (0, 1), high is anomalous; this is the
negative of scikit-learn's `score_samples`. scikit-learn compares a float32 value with a float64 threshold; rounding the
threshold down to float32 leaves every comparison as it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.compiled import COMPILED, kernels
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.scoring.trees import as_rows, check_trees

_BLOCK = 4096
# As the kernel walks them: a node is one access to memory instead of three.
_NODE = np.dtype([("threshold", np.float32), ("feature", np.int32), ("child", np.int32)])


@dataclass(frozen=True, slots=True)
class PackedForest:
    """`roots` [trees]; `threshold` f4, `feature`, `child`, `path` f8 [nodes]: path is the leaf's depth plus its c(n).

    `trees` is the same as the kernels take it: roots, nodes, path.
    """

    roots: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    feature: npt.NDArray[np.int32]
    child: npt.NDArray[np.int32]
    path: npt.NDArray[np.float64]
    depth: int
    columns: int
    normaliser: float
    trees: tuple[npt.NDArray[Any], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        nodes = np.empty(len(self.child), dtype=_NODE)
        nodes["threshold"], nodes["feature"], nodes["child"] = self.threshold, self.feature, self.child
        object.__setattr__(self, "trees", (self.roots, nodes, self.path))

    def score(self, rows: npt.NDArray[np.floating[Any]], *, compiled: bool = COMPILED) -> npt.NDArray[np.float64]:
        """Score rows [n, columns] (read as float32, no NaN), returning [n] in (0, 1); O(n * trees * depth)."""
        x = as_rows(rows, self.columns)
        sums = np.empty(len(x))
        if compiled:
            kernels.forest(x, self.trees, self.depth, sums, self.columns)
        else:
            for start in range(0, len(x), _BLOCK):
                self._sum_paths(x[start : start + _BLOCK], sums[start : start + _BLOCK])
        return self.normalised(sums)

    def normalised(self, sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the scores of sums of path lengths."""
        return np.asarray(np.exp2(sums / -self.normaliser))

    def _sum_paths(self, x: npt.NDArray[np.float32], sums: npt.NDArray[np.float64]) -> None:
        """Walk all trees a level at a time."""
        node = np.broadcast_to(self.roots, (len(x), len(self.roots)))
        begins = np.arange(0, x.size, self.columns, dtype=np.int32)[:, None]
        for _ in range(self.depth):
            value = x.take(self.feature.take(node) + begins)
            node = self.child.take(node) + (value > self.threshold.take(node))
        # One tree after the other, as the kernel adds them: the same to the last bit.
        sums[:] = np.add.accumulate(self.path.take(node), axis=1)[:, -1]

    def to_arrays(self, prefix: str = "forest") -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an artifact."""
        return {
            f"{prefix}.roots": self.roots,
            f"{prefix}.threshold": self.threshold,
            f"{prefix}.feature": self.feature,
            f"{prefix}.child": self.child,
            f"{prefix}.path": self.path,
            f"{prefix}.shape": np.array([self.depth, self.columns], dtype=np.int64),
            f"{prefix}.normaliser": np.array([self.normaliser]),
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, npt.NDArray[Any]], prefix: str = "forest") -> "PackedForest":
        """Read and check the arrays of an artifact. Raises `ArtifactRefused`."""
        try:
            depth, columns = (int(v) for v in arrays[f"{prefix}.shape"])
            forest = PackedForest(
                np.ascontiguousarray(arrays[f"{prefix}.roots"], dtype=np.int32),
                np.ascontiguousarray(arrays[f"{prefix}.threshold"], dtype=np.float32),
                np.ascontiguousarray(arrays[f"{prefix}.feature"], dtype=np.int32),
                np.ascontiguousarray(arrays[f"{prefix}.child"], dtype=np.int32),
                np.ascontiguousarray(arrays[f"{prefix}.path"], dtype=np.float64),
                depth,
                columns,
                float(arrays[f"{prefix}.normaliser"][0]),
            )
        except (KeyError, ValueError, IndexError) as error:
            raise ArtifactRefused(
                f"forest arrays are incomplete: {error}", remedy="fetch or train it again"
            ) from error
        check_trees(forest.roots, forest.feature, forest.child, forest.threshold, np.array([depth]), columns)
        if len(forest.path) != len(forest.child) or not 0 < forest.normaliser < np.inf:
            raise ArtifactRefused("forest arrays are inconsistent", remedy="fetch or train it again")
        return forest
