"""The search of the scheduling predictor: boosters on the earlier fit part, stopped on its end, judged on validation."""

from dataclasses import dataclass, fields
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from neural_hive_ml.conventions import scheduling_model_name
from neural_hive_ml.features.binding import bind
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.training.durations import duration_rows
from neural_hive_ml.training.quantile_boosters import QuantileParameters
from neural_hive_ml.training.quantiles import fit_quantiles
from neural_hive_ml.training.request import TrainingRequest
from neural_hive_ml.training.search import Knob, Report, Search, Values
from neural_hive_ml.training.split import split_by_time
from neural_hive_ml.training.window import window_frame

Floats = npt.NDArray[np.float64]
# Enough to rank settings by; the model itself is then trained on more.
_MOST_ROWS = 12_000
_STOP_SHARE = 0.15

SPACE = (
    Knob("learning_rate", "float", 0.02, 0.2, log=True),
    Knob("max_depth", "int", 3, 9),
    Knob("min_child_weight", "float", 1.0, 100.0, log=True),
    Knob("subsample", "float", 0.5, 1.0),
    Knob("colsample_bytree", "float", 0.1, 1.0),
    Knob("reg_lambda", "float", 0.1, 20.0, log=True),
)


@dataclass(frozen=True, slots=True)
class DurationObjective:
    """MAE in ms on the validation part. `stop` marks the rows of fit that end the training; `judge` the validation."""

    rows: Floats
    log_duration: Floats
    stop: npt.NDArray[np.bool_]
    judge: npt.NDArray[np.bool_]
    seed: int
    algorithm: str

    def __call__(self, values: Values, report: Report) -> float:
        learn = ~self.judge
        fitted = fit_quantiles(
            self.rows[learn],
            self.log_duration[learn],
            self.stop[learn],
            seed=self.seed,
            threads=1,
            parameters=QuantileParameters.of(values.items()),
            report=report,
            algorithm=self.algorithm,
        )
        forecast = np.expm1(fitted.quantiles.log_quantiles(self.rows[self.judge])[:, 1])
        return float(np.mean(np.abs(forecast - np.expm1(self.log_duration[self.judge]))))


def duration_search(columns: TicketColumns, request: TrainingRequest) -> Search:
    """Lay out the search of a request. Rows of the hold-out are not in it. Raises `NotEnoughData`."""
    split = split_by_time(columns, request.as_of_ms, request.min_samples)
    binding = bind(columns, request.timezone)
    frame, _ = window_frame(columns, binding, ("created",), request.earlier)
    data = duration_rows(columns, frame, split)
    fit = np.flatnonzero(data.fit)[-_MOST_ROWS:]
    judge = np.flatnonzero(data.validation)[-_MOST_ROWS:]
    rows, use = data.rows, np.concatenate([fit, judge])
    stop = np.zeros(len(use), dtype=bool)
    stop[int(len(fit) * (1 - _STOP_SHARE)) : len(fit)] = True
    judged = np.arange(len(use)) >= len(fit)
    objective = DurationObjective(
        rows[use], data.log_duration[use], stop, judged, request.seed, request.algorithm or "xgboost"
    )
    digest = sha256(rows[use].tobytes() + data.duration_ms[use].tobytes() + str(request.seed).encode())
    defaults = QuantileParameters()
    name = scheduling_model_name(request.algorithm or "xgboost")
    return Search(
        name, SPACE, {f.name: getattr(defaults, f.name) for f in fields(defaults)}, objective, digest.hexdigest()
    )
