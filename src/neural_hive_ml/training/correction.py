"""Learn from verdicts what a detector gets wrong: few shallow trees on top of its own log-odds."""

import numpy as np
import numpy.typing as npt

from neural_hive_ml.scoring.booster import pack_booster
from neural_hive_ml.scoring.correction import Correction

Floats = npt.NDArray[np.float64]
ROUNDS = 80
# Few labels: small steps, shallow trees, leaves that stay near zero until several verdicts agree.
_PARAMETERS = {
    "objective": "binary:logistic",
    "base_score": 0.5,
    "eta": 0.1,
    "max_depth": 3,
    "min_child_weight": 1.0,
    "lambda": 2.0,
    "tree_method": "hist",
    "nthread": 1,
}


def fit_correction(
    rarities: Floats, raw: Floats, anomaly: Floats, curve: tuple[float, float], seed: int
) -> tuple[Correction, bytes]:
    """Fit on judged rows: rarities [n, m], raw scores [n], `anomaly` [n] 0 or 1, `curve` from raw to log-odds.

    The detector's own log-odds are where the trees start, so that a region without verdicts stays as it was, and who was
    asked about what (the flagged more than others) cancels as far as the score decided it. Returns the correction and
    XGBoost's own model (UBJ).
    """
    import xgboost as xgb

    slope, intercept = curve
    data = xgb.DMatrix(np.hstack([rarities, raw[:, None]]).astype(np.float32), label=anomaly)
    data.set_base_margin(slope * raw + intercept)
    booster = xgb.train({**_PARAMETERS, "seed": seed}, data, num_boost_round=ROUNDS)
    return Correction(slope, intercept, pack_booster(bytes(booster.save_raw("json")))), bytes(
        booster.save_raw("ubj")
    )
