"""Columns as bins: equal-mass bins for numbers, one bin a value where values are few; unseen and missing apart.

A feature has `len(edges)` cumulative counts (how many values are <= an edge), from which its bins follow. For
numbers the edges are inner quantiles. For few values v each has two edges, just below v and v itself, so that a
value that the reference never held falls between and is counted as new.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Kind = Literal["numeric", "category"]
BINS: Final = 10
MOST_VALUES: Final = 12
# Rows that one pass keeps in the cache while it compares them with every edge.
_BLOCK_ROWS: Final = 8192


@dataclass(frozen=True, slots=True)
class Binning:
    """How one feature is cut.

    `edges` are ascending inner edges (numeric) or the values themselves (category); `low` and `high` the
    smallest and largest reference value. Bins in order: the bins or values, then ``new`` (category only), then
    ``missing``.
    """

    kind: Kind
    edges: tuple[float, ...]
    low: float
    high: float

    @property
    def bins(self) -> int:
        """Number of bins, with ``new`` and ``missing``."""
        return len(self.edges) + 2

    @property
    def ordered(self) -> int:
        """Number of leading bins that have an order."""
        return len(self.edges) + (self.kind == "numeric")

    def cuts(self) -> Floats:
        """Return the edges whose cumulative counts give the bins."""
        edges = np.asarray(self.edges)
        if self.kind == "numeric":
            return edges
        return np.column_stack([np.nextafter(edges, -np.inf), edges]).ravel()

    def to_document(self) -> dict[str, Any]:
        """Return a JSON-able form."""
        return {"kind": self.kind, "edges": list(self.edges), "low": self.low, "high": self.high}

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> "Binning":
        """Read what `to_document` wrote."""
        return Binning(document["kind"], tuple(document["edges"]), document["low"], document["high"])


def bin_of(values: Floats, bins: int = BINS) -> Binning:
    """Choose the bins of a column; NaN and infinities are missing. Ties collapse bins instead of splitting a
    value.

    >>> bin_of(np.array([1.0, 1.0, 0.0, np.nan])).edges
    (0.0, 1.0)
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return Binning("category", (), 0.0, 0.0)
    low, high = float(known.min()), float(known.max())
    distinct = np.unique(known[:: max(len(known) // 10_000, 1)])
    if len(distinct) <= MOST_VALUES:
        distinct = np.unique(known)
    if len(distinct) <= MOST_VALUES:
        return Binning("category", tuple(distinct.tolist()), low, high)
    inner = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf"))
    inner = inner[inner < high]
    if not len(inner):  # nearly everything sits at the largest value: cut just below it
        inner = known[known < high].max(keepdims=True)
    return Binning("numeric", tuple(inner.tolist()), low, high)


def counts_of(
    rows: Floats, binnings: Sequence[Binning], picked: Sequence[int] | None = None
) -> list[npt.NDArray[np.int64]]:
    """Count rows [n, D] into the bins of each column, or of the `picked` columns: one array [bins] a binning.

    One pass in cache-sized blocks, O(n D edges) comparisons and O(1) memory beyond the input.
    """
    cuts = [b.cuts() for b in binnings]
    everything = picked is None or list(picked) == list(range(rows.shape[1]))
    # Columns with as many edges are compared together; each group is one small matrix of edges.
    groups = [
        (np.flatnonzero([len(c) == size for c in cuts]), size) for size in sorted({len(c) for c in cuts if len(c)})
    ]
    tables = [(columns, np.stack([cuts[i] for i in columns])) for columns, _ in groups]
    below = [np.zeros((len(columns), size), dtype=np.int64) for columns, size in groups]
    known = np.zeros(len(binnings), dtype=np.int64)
    for begin in range(0, len(rows), _BLOCK_ROWS):
        part = rows[begin : begin + _BLOCK_ROWS].T
        block = part.copy() if everything else part[picked]
        finite = np.isfinite(block)
        known += np.count_nonzero(finite, axis=1)
        if not finite.all():
            block[~finite] = np.nan
        for (columns, table), total in zip(tables, below, strict=True):
            group = block[columns] if len(columns) < len(block) else block
            for k in range(table.shape[1]):
                total[:, k] += np.count_nonzero(group <= table[:, k : k + 1], axis=1)
    out: list[npt.NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)] * len(binnings)
    for (columns, _), total in zip(tables, below, strict=True):
        for i, cumulative in zip(columns.tolist(), total, strict=True):
            out[i] = _bins_from(cumulative, binnings[i], int(known[i]), len(rows))
    for i, binning in enumerate(binnings):
        if not len(binning.edges):
            out[i] = _bins_from(np.zeros(0, dtype=np.int64), binning, int(known[i]), len(rows))
    return out


def _bins_from(cumulative: npt.NDArray[np.int64], binning: Binning, known: int, n: int) -> npt.NDArray[np.int64]:
    if binning.kind == "numeric":
        bins = np.diff(np.concatenate(([0], cumulative, [known])))
        return np.concatenate((bins, [n - known]))
    held = cumulative[1::2] - cumulative[0::2]
    return np.concatenate((held, [known - held.sum(), n - known])).astype(np.int64)


def codes_of(values: Floats, binning: Binning) -> npt.NDArray[np.int64]:
    """Return the bin number of each value."""
    edges = np.asarray(binning.edges)
    finite = np.isfinite(values)
    code = np.searchsorted(edges, values, side="left")
    if binning.kind == "category":
        inside = np.minimum(code, max(len(edges) - 1, 0))
        held = (edges[inside] == values) if len(edges) else np.zeros(len(values), dtype=bool)
        code = np.where(held, inside, len(edges))
    return np.where(finite, code, binning.bins - 1).astype(np.int64)
