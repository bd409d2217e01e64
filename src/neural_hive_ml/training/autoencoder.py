"""Fit a small autoencoder on rows that are mostly normal; imported by training only."""

from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.scoring.autoencoder import PackedAutoencoder

Floats = npt.NDArray[np.float64]
# Wide enough to bend, four numbers in the middle: what is usual fits through, what is not does not.
LAYERS = (12, 4, 12)
_MOST_ROWS = 20_000
_EPOCHS = 40


def fit_autoencoder(rows: Floats, seed: int) -> tuple[PackedAutoencoder, Any]:
    """Fit on rows [n, m] (at most 20,000 of them, drawn by `seed`); returns it packed, and the library's own."""
    from sklearn.neural_network import MLPRegressor

    rng = np.random.default_rng([seed, 17])
    if len(rows) > _MOST_ROWS:
        rows = rows[np.sort(rng.choice(len(rows), _MOST_ROWS, replace=False))]
    estimator = MLPRegressor(
        hidden_layer_sizes=LAYERS,
        activation="tanh",
        batch_size=min(256, len(rows)),
        learning_rate_init=3e-3,
        alpha=1e-4,
        max_iter=_EPOCHS,
        tol=0.0,
        n_iter_no_change=_EPOCHS,
        random_state=seed,
    )
    # All epochs are run: the library warns that it could go on.
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(rows, rows)
    weights = tuple(np.ascontiguousarray(w, dtype=np.float64) for w in estimator.coefs_)
    return PackedAutoencoder(
        weights, tuple(np.asarray(b, dtype=np.float64) for b in estimator.intercepts_)
    ), estimator
