"""How long a ticket will take: packed quantile trees on its creation row, in milliseconds."""

from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from neural_hive_ml.compiled import COMPILED, kernels
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.spec import CREATION_COUNT, INDEX
from neural_hive_ml.scoring.adaptive import AdaptiveInterval
from neural_hive_ml.scoring.booster import PackedBooster
from neural_hive_ml.scoring.double_trees import DoubleTrees
from neural_hive_ml.scoring.packed import Arrays, PackedModel

Floats = npt.NDArray[np.float64]
LEVELS = (0.1, 0.5, 0.9)
Trees = PackedBooster | DoubleTrees
# What a log duration may be: below a microsecond and beyond ten years nothing is believed.
_LOW, _HIGH = 0.0, float(np.log1p(10 * 366 * 86_400_000.0))
_SAME = INDEX["same_fast_mean"]


@dataclass(frozen=True, slots=True)
class DurationQuantiles:
    """Log-space quantiles of the run time from a creation row.

    Two boosters are mixed: `direct` predicts the log duration, `relative` its distance to the history of the very same work
    (`same_fast_mean`), which follows a change of level at once. `weight` is the share of `relative`. `widen` moves the
    outer quantiles out (log ms), the conformal adjustment of Romano, Patterson, Candès (2019); `step` (log ms) is
    how far each outcome moves them on while serving (`adaptive`), 0 for not at all.
    """

    direct: Trees | None
    relative: Trees | None
    weight: float
    widen: tuple[float, float]
    step: float = 0.0
    _bounds: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bounds", np.array([*self.widen, _LOW, _HIGH]))

    def log_quantiles(self, rows: Floats, *, compiled: bool = COMPILED) -> Floats:
        """Return [n, 3] log1p ms, ordered, for rows [n, >= CREATION_COUNT]."""
        if compiled and _walked(self.direct) and _walked(self.relative):
            rows = np.ascontiguousarray(rows, dtype=np.float64)
            told = np.empty((len(rows), 3))
            kernels.quantiles(
                rows,
                rows.shape[1],
                CREATION_COUNT,
                self.direct and self.direct.trees,
                self.relative and self.relative.trees,
                self.weight,
                _SAME,
                self._bounds,
                told,
            )
            return told
        x = np.ascontiguousarray(rows[:, :CREATION_COUNT], dtype=np.float32)
        out = np.zeros((len(x), 3))
        if self.direct is not None:
            out += (1.0 - self.weight) * self.direct.margin(x)
        if self.relative is not None:
            out += self.weight * (self.relative.margin(x) + rows[:, _SAME, None])
        out[:, 0] -= self.widen[0]
        out[:, 2] += self.widen[1]
        out[:, 0] = np.minimum(out[:, 0], out[:, 1])
        out[:, 2] = np.maximum(out[:, 2], out[:, 1])
        return np.minimum(np.maximum(out, _LOW), _HIGH)

    def to_arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an artifact."""
        arrays = {f"{prefix}.mix": np.array([self.weight, *self.widen, self.step])}
        if self.direct is not None:
            arrays |= self.direct.to_arrays(f"{prefix}.direct")
        if self.relative is not None:
            arrays |= self.relative.to_arrays(f"{prefix}.relative")
        return arrays

    @staticmethod
    def from_arrays(arrays: Arrays, prefix: str) -> "DurationQuantiles":
        """Read and check the arrays of an artifact. Raises `ArtifactRefused`."""
        try:
            weight, low, high, *more = (float(v) for v in arrays[f"{prefix}.mix"])
            step = more[0] if more else 0.0  # artifacts of the first form have none
        except (KeyError, ValueError) as error:
            raise ArtifactRefused(
                f"duration arrays are incomplete: {error}", remedy="train the model again"
            ) from error
        parts = [_trees(arrays, f"{prefix}.{name}") for name in ("direct", "relative")]
        if (parts[0] is None and weight < 1) or (parts[1] is None and weight > 0):
            raise ArtifactRefused(
                "duration arrays lack a booster that the mix needs", remedy="train the model again"
            )
        fits = all(p is None or (p.columns == CREATION_COUNT and p.groups == len(LEVELS)) for p in parts)
        if not fits or not (0 <= weight <= 1 and np.isfinite([low, high]).all() and 0 <= step <= 1):
            raise ArtifactRefused("duration arrays do not fit this release", remedy="train the model again")
        return DurationQuantiles(parts[0], parts[1], weight, (low, high), step)


def _walked(trees: Trees | None) -> TypeGuard[PackedBooster | None]:
    """Whether the kernel knows these trees."""
    return trees is None or (isinstance(trees, PackedBooster) and trees.columns == CREATION_COUNT)


def _trees(arrays: Arrays, prefix: str) -> Trees | None:
    if f"{prefix}.roots" not in arrays:
        return None
    # Only XGBoost keeps a base apart from its trees.
    kind = PackedBooster if f"{prefix}.base" in arrays else DoubleTrees
    return kind.from_arrays(arrays, prefix)


@dataclass(frozen=True, slots=True)
class DurationForecast:
    """Milliseconds at 0.1, 0.5 and 0.9; `coverage` is what the outer two are calibrated to contain (0.8)."""

    low_ms: float
    median_ms: float
    high_ms: float
    coverage: float


@dataclass(frozen=True, slots=True)
class DurationScorer:
    """A loaded scheduling predictor."""

    quantiles: DurationQuantiles
    binding: FeatureBinding

    @staticmethod
    def load(model: PackedModel) -> "DurationScorer":
        """Load from an artifact. Raises `ArtifactRefused`."""
        return DurationScorer(
            DurationQuantiles.from_arrays(model.arrays, "duration"),
            FeatureBinding.from_document(model.documents["binding"]),
        )

    def forecast(self, rows: Floats) -> Floats:
        """Return [n, 3] milliseconds at 0.1, 0.5, 0.9 for feature rows [n, >= CREATION_COUNT]."""
        return np.asarray(np.expm1(self.quantiles.log_quantiles(rows)))

    def interval(self) -> AdaptiveInterval:
        """Return a tracker that starts where the model was calibrated."""
        return AdaptiveInterval(self.quantiles.step)

    def reproduce(self, rows: Floats) -> Floats:
        """Return what golden rows expect: [g, 3] milliseconds."""
        return self.forecast(rows)
