"""Learn what is normal at one stage: tails of its signals and an isolation forest over their rarities."""

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.scoring import behaviour
from neural_hive_ml.scoring.anomaly import StageDetector
from neural_hive_ml.scoring.forest_pack import pack_forest
from neural_hive_ml.scoring.tails import fit_tails

Floats = npt.NDArray[np.float64]
TREES = 100
SUBSAMPLE = 1024
# The forest's score moves by hundredths: this much beyond its own tail is one step.
_FOREST_SCALE = 0.05
_FEWEST = 50


def fit_stage(signals: Floats, stage: str, seed: int) -> tuple[StageDetector, bytes]:
    """Fit on the signals [n, len(SIGNALS)] of one stage; returns the detector, its curve still flat, and the
    library's own forest as skops bytes.

    Raises
    ------
    NotEnoughData
        When there are fewer than 50 rows.
    """
    from sklearn.ensemble import IsolationForest
    from skops.io import dumps

    if len(signals) < _FEWEST:
        raise NotEnoughData(
            f"{len(signals)} rows at stage {stage}, {_FEWEST} needed",
            have=len(signals),
            need=_FEWEST,
            remedy="a longer --training-window-days",
        )
    positions = behaviour.positions(stage)
    scales = np.array([behaviour.SIGNALS[i].scale for i in positions])
    tails = fit_tails(signals[:, positions], scales)
    rarities = tails.rarity(signals[:, positions])
    estimator = IsolationForest(
        n_estimators=TREES, max_samples=min(SUBSAMPLE, len(signals)), random_state=seed, n_jobs=1
    ).fit(rarities.astype(np.float32))
    forest = pack_forest(estimator)
    forest_tail = fit_tails(forest.score(rarities)[:, None], np.array([_FOREST_SCALE]))
    return StageDetector(positions, tails, forest, forest_tail, slope=1.0, intercept=0.0), dumps(estimator)
