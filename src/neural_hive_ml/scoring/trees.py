"""What forests and boosters share: flattened trees with adjacent children, checked before any kernel walks them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import ArtifactRefused

Int32 = npt.NDArray[np.int32]


def layout_of(left: Sequence[int], right: Sequence[int]) -> tuple[list[int], list[int], int]:
    """Number a tree's nodes breadth first, children side by side.

    `left`/`right` are child numbers, -1 at a leaf. Returns (old number of each new node, new first child of each new
    node or itself at a leaf, depth in splits). O(nodes).
    """
    order, first_child = [0], [0]
    depth, level = 0, [0]
    while level:
        following = []
        for new in level:
            old = order[new]
            if left[old] < 0:
                first_child[new] = new
                continue
            first_child[new] = len(order)
            for kid in (left[old], right[old]):
                following.append(len(order))
                order.append(kid)
                first_child.append(len(order) - 1)
        if following:
            depth += 1
        level = following
    return order, first_child, depth


def check_trees(
    roots: Int32, feature: Int32, child: Int32, threshold: npt.NDArray[np.float32], depths: Int32, columns: int
) -> None:
    """Refuse arrays that would lead a kernel out of its tables, or on for ever.

    Raises
    ------
    ArtifactRefused
        When a node points outside, or backwards (children lie behind their parent; a leaf is its own child and keeps every
        value: its threshold is +inf), or a tree is deeper than it has nodes.
    """
    nodes = len(child)
    inside = len(roots) > 0 and nodes > 0 and bool((roots >= 0).all() and (roots < nodes).all())
    here = np.arange(nodes)
    leaf = child == here
    forward = bool(((child > here) & (child + 1 < nodes) | leaf).all())
    known = bool((feature >= 0).all() and (feature < columns).all())
    paired = len(feature) == nodes == len(threshold)
    ends = paired and bool(np.where(leaf, threshold == np.inf, np.isfinite(threshold)).all())
    finite = bool((depths >= 0).all() and (depths <= nodes).all())
    if not (inside and forward and known and ends and finite):
        raise ArtifactRefused("tree arrays are inconsistent", remedy="fetch or train the model again")


def as_rows(rows: npt.NDArray[np.floating[Any]], columns: int) -> npt.NDArray[np.float32]:
    """Return rows [n, columns] as a kernel reads them: float32, side by side.

    Raises
    ------
    ValueError
        When they have another width: a kernel would read them askew.
    """
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"rows of shape {rows.shape}, but the trees read {columns} columns")
    return np.ascontiguousarray(rows, dtype=np.float32)
