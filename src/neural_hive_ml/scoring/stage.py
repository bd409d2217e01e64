"""The detector of one stage: rarities of its signals and of the row as a whole, one raw score, a curve to [0, 1]."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neural_hive_ml.compiled import COMPILED, kernels
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.scoring import behaviour
from neural_hive_ml.scoring.autoencoder import PackedAutoencoder
from neural_hive_ml.scoring.correction import Correction
from neural_hive_ml.scoring.forest import PackedForest
from neural_hive_ml.scoring.packed import Arrays
from neural_hive_ml.scoring.tails import MOST, ORDERS, Tails

Floats = npt.NDArray[np.float64]
SECOND = 0.5


@dataclass(frozen=True, slots=True)
class StageDetector:
    """What is normal at one stage: tails of the signals known then, `whole` over all of them with its own tail, the curve.

    `correction` holds what was learned from verdicts, None for a detector that knows none.
    """

    positions: npt.NDArray[np.intp]
    tails: Tails
    whole: PackedForest | PackedAutoencoder
    whole_tail: Tails
    slope: float
    intercept: float
    correction: Correction | None = None

    def rarities(self, signals: Floats, *, compiled: bool = COMPILED) -> Floats:
        """Return [n, m + 1]: the rarity of each known signal and, last, of the row as a whole."""
        if compiled and isinstance(self.whole, PackedForest):
            return self._rarities(np.ascontiguousarray(signals, dtype=np.float64), self.whole)
        each = self.tails.rarity(signals[:, self.positions], compiled=compiled)
        whole = self.whole_tail.rarity(self.whole.score(each)[:, None], compiled=compiled)
        return np.concatenate((each, whole), axis=1)

    def _rarities(self, signals: Floats, forest: PackedForest) -> Floats:
        """The same in one pass over the signals."""
        n, count = signals.shape
        out, sums = np.empty((n, len(self.positions) + 1)), np.empty(n)
        tails = self.tails
        kernels.stage(
            signals,
            count,
            self.positions,
            tails.knots,
            tails.slope,
            ORDERS,
            MOST,
            forest.trees,
            forest.depth,
            out,
            sums,
        )
        whole, tail = forest.normalised(sums), self.whole_tail
        kernels.last_rarity(whole, tail.knots, tail.slope, ORDERS, MOST, out, out.shape[1])
        return out

    def raw(self, rarities: Floats, *, compiled: bool = COMPILED) -> Floats:
        """Return [n]: the greatest rarity and half of the second, as corrected by verdicts where there were any."""
        if compiled:
            raw = np.empty(len(rarities))
            kernels.top_two(np.ascontiguousarray(rarities, dtype=np.float64), rarities.shape[1], SECOND, raw)
        else:
            two = np.partition(rarities, rarities.shape[1] - 2, axis=1)[:, -2:]
            raw = np.asarray(two[:, 1] + SECOND * two[:, 0])
        return raw if self.correction is None else self.correction.apply(rarities, raw)

    def probability(self, raw: Floats) -> Floats:
        """Map raw scores to [0, 1], increasing."""
        return np.asarray(
            1.0 / (1.0 + np.exp(-np.minimum(np.maximum(self.slope * raw + self.intercept, -500), 500)))
        )

    def probability_of(self, raw: float) -> float:
        """Return what `probability` says of one raw score; NumPy's own exp, so that it is the same to the last bit."""
        return float(1.0 / (1.0 + np.exp(-min(max(self.slope * raw + self.intercept, -500.0), 500.0))))

    def with_curve(self, slope: float, intercept: float) -> "StageDetector":
        """Return the same detector with another curve to [0, 1]."""
        return replace(self, slope=slope, intercept=intercept)

    def to_arrays(self, stage: str) -> Arrays:
        """Return the arrays of an artifact."""
        kind = "forest" if isinstance(self.whole, PackedForest) else "autoencoder"
        learned = {} if self.correction is None else self.correction.to_arrays(f"{stage}.learned")
        return {
            f"{stage}.positions": self.positions.astype(np.int64),
            f"{stage}.knots": self.tails.knots,
            f"{stage}.slope": self.tails.slope,
            f"{stage}.whole_knots": self.whole_tail.knots,
            f"{stage}.whole_slope": self.whole_tail.slope,
            f"{stage}.curve": np.array([self.slope, self.intercept]),
            **self.whole.to_arrays(f"{stage}.{kind}"),
            **learned,
        }

    @staticmethod
    def from_arrays(arrays: Arrays, stage: str) -> "StageDetector":
        """Read the arrays of an artifact. Raises `ArtifactRefused`."""
        try:
            positions = np.asarray(arrays[f"{stage}.positions"], dtype=np.intp)
            if len(positions) == 0 or positions.min() < 0 or positions.max() >= len(behaviour.SIGNALS):
                raise ArtifactRefused(f"{stage}: unknown signals", remedy="train the model again")
            slope, intercept = (float(v) for v in arrays[f"{stage}.curve"])
            tails = Tails.checked(arrays[f"{stage}.knots"], arrays[f"{stage}.slope"], len(positions))
            whole_tail = Tails.checked(arrays[f"{stage}.whole_knots"], arrays[f"{stage}.whole_slope"], 1)
        except (KeyError, ValueError) as error:
            raise ArtifactRefused(
                f"{stage} arrays are incomplete: {error}", remedy="train the model again"
            ) from error
        whole = _whole(arrays, stage)
        if whole.columns != len(positions) or not (0 < slope < np.inf and np.isfinite(intercept)):
            raise ArtifactRefused(f"{stage} arrays do not fit each other", remedy="train the model again")
        correction = None
        if f"{stage}.learned.log_odds" in arrays:
            correction = Correction.from_arrays(arrays, f"{stage}.learned", len(positions) + 1)
        return StageDetector(positions, tails, whole, whole_tail, slope, intercept, correction)


def _whole(arrays: Arrays, stage: str) -> PackedForest | PackedAutoencoder:
    if f"{stage}.autoencoder.weights0" in arrays:
        return PackedAutoencoder.from_arrays(arrays, f"{stage}.autoencoder")
    return PackedForest.from_arrays(arrays, f"{stage}.forest")
