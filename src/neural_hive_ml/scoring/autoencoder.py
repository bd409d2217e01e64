"""A small autoencoder as packed arrays: how badly a row is told from four numbers, compared with what it was fitted on.

Layers of tanh, the last one linear; trained by scikit-learn's MLPRegressor to give back its own input. The score is the mean
squared error of the row, high is anomalous (Hawkins et al. 2002).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import ArtifactRefused

Floats = npt.NDArray[np.float64]
_BLOCK = 8192


@dataclass(frozen=True, slots=True)
class PackedAutoencoder:
    """`weights` [layer] of [inputs, outputs], `biases` [layer] of [outputs]; as wide at its end as at its beginning."""

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    @property
    def columns(self) -> int:
        """Width of the rows."""
        return len(self.weights[0])

    def score(self, rows: Floats) -> Floats:
        """Return [n] reconstruction errors in [0, inf) of rows [n, columns]; O(n * weights)."""
        out = np.empty(len(rows))
        for begin in range(0, len(rows), _BLOCK):
            x = rows[begin : begin + _BLOCK]
            out[begin : begin + _BLOCK] = np.square(self._told(x) - x).mean(axis=1)
        return out

    def _told(self, x: Floats) -> Floats:
        last = len(self.weights) - 1
        for layer, (weights, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            # Summed term by term: a matrix product may differ in the last bit between one row and a thousand.
            total = np.tile(bias, (len(x), 1))
            for k, row in enumerate(weights):
                total += x[:, k, None] * row
            x = total if layer == last else np.tanh(total)
        return x

    def to_arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an artifact."""
        named = [(f"{prefix}.weights{i}", w) for i, w in enumerate(self.weights)]
        return dict(named + [(f"{prefix}.bias{i}", b) for i, b in enumerate(self.biases)])

    @staticmethod
    def from_arrays(arrays: Mapping[str, npt.NDArray[Any]], prefix: str) -> "PackedAutoencoder":
        """Read and check the arrays of an artifact. Raises `ArtifactRefused`."""
        layers = sum(name.startswith(f"{prefix}.weights") for name in arrays)
        try:
            weights = tuple(np.asarray(arrays[f"{prefix}.weights{i}"], dtype=np.float64) for i in range(layers))
            biases = tuple(np.asarray(arrays[f"{prefix}.bias{i}"], dtype=np.float64) for i in range(layers))
        except (KeyError, ValueError) as error:
            raise ArtifactRefused(
                f"autoencoder arrays are incomplete: {error}", remedy="train the model again"
            ) from error
        shapes = [w.shape for w in weights]
        fit = bool(layers) and all(len(s) == 2 for s in shapes)
        fit = fit and all(b.shape == (s[1],) for b, s in zip(biases, shapes, strict=True))
        fit = fit and all(one[1] == two[0] for one, two in zip(shapes, [*shapes[1:], shapes[0]], strict=True))
        if not fit or not all(np.isfinite(a).all() for a in (*weights, *biases)):
            raise ArtifactRefused("autoencoder arrays are inconsistent", remedy="train the model again")
        return PackedAutoencoder(weights, biases)
