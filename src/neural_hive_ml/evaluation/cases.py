"""A model's answers on a hold-out, case by case, so that two models can be compared in pairs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.conventions import Family


@dataclass(frozen=True, slots=True)
class HoldoutCases:
    """`n` judged cases.

    `truth` and `predicted` are [n]: labels and decisions (0/1) for anomaly, milliseconds for scheduling,
    counts for load. `score` [n] is the calibrated score (anomaly). `block` [n] names the bootstrap block
    of a case (an hour, a day, an origin), so that neighbours are resampled together; `slice_of` [n] names a
    case's slice (task type, kind of truth) for harm checks. Two models are comparable when `digest`, the
    digest of the hold-out, is the same.
    """

    kind: Family
    digest: str
    truth: npt.NDArray[np.float64]
    predicted: npt.NDArray[np.float64]
    block: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64] | None = None
    slice_of: npt.NDArray[np.object_] | None = None
