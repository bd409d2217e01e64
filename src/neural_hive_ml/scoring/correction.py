"""What people's verdicts add to a detector: boosted trees over the rarities, on top of the detector's own log-odds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.scoring.booster import PackedBooster

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Correction:
    """`slope` * raw + `intercept` are the detector's log-odds as calibrated before; `booster` corrects them."""

    slope: float
    intercept: float
    booster: PackedBooster

    def apply(self, rarities: Floats, raw: Floats) -> Floats:
        """Return [n] corrected log-odds of rows with rarities [n, m] and raw scores [n]."""
        margin = self.booster.margin(np.hstack([rarities, raw[:, None]]))[:, 0]
        return np.asarray(self.slope * raw + self.intercept + margin)

    def to_arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of an artifact."""
        return {f"{prefix}.log_odds": np.array([self.slope, self.intercept]), **self.booster.to_arrays(prefix)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, npt.NDArray[Any]], prefix: str, columns: int) -> "Correction":
        """Read and check the arrays of an artifact whose rows have `columns` rarities. Raises `ArtifactRefused`."""
        try:
            slope, intercept = (float(v) for v in arrays[f"{prefix}.log_odds"])
        except (KeyError, ValueError) as error:
            raise ArtifactRefused(f"{prefix} is incomplete: {error}", remedy="train the model again") from error
        booster = PackedBooster.from_arrays(arrays, prefix)
        finite = bool(np.isfinite([slope, intercept]).all())
        if booster.columns != columns + 1 or len(booster.base) != 1 or slope <= 0 or not finite:
            raise ArtifactRefused(f"{prefix} does not fit its detector", remedy="train the model again")
        return Correction(slope, intercept, booster)
