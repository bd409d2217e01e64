"""The search of the isolation forest: fitted on the fit part's ended rows, judged by how it ranks the validation part's."""

from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from neural_hive_ml.conventions import anomaly_model_name
from neural_hive_ml.evaluation.metrics import average_precision
from neural_hive_ml.features.binding import bind
from neural_hive_ml.scoring import behaviour
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.training.anomaly import frozen_durations, judged_of
from neural_hive_ml.training.durations import duration_rows
from neural_hive_ml.training.request import TrainingRequest
from neural_hive_ml.training.search import Knob, Report, Search, Values
from neural_hive_ml.training.split import split_by_time
from neural_hive_ml.training.stage_detector import ForestSettings, fit_stage
from neural_hive_ml.training.window import window_frame

Floats = npt.NDArray[np.float64]
# Enough normal rows to rank settings by.
_MOST_ROWS = 20_000

SPACE = (
    Knob("trees", "int", 50, 300),
    Knob("subsample", "int", 128, 4096, log=True),
)


@dataclass(frozen=True, slots=True)
class AnomalyObjective:
    """One minus the average precision of the ended stage on validation: no threshold is chosen here."""

    normal: Floats
    judged: Floats
    label: Floats
    seed: int

    def __call__(self, values: Values, report: Report) -> float:
        settings = ForestSettings.of(values.items())
        detector, _ = fit_stage(self.normal, behaviour.ENDED, self.seed, "isolation_forest", settings)
        return 1.0 - average_precision(self.label, detector.raw(detector.rarities(self.judged)))


def anomaly_search(columns: TicketColumns, request: TrainingRequest) -> Search | None:
    """Lay out the search of a request; None for the other detectors, which have no knobs. Raises `NotEnoughData`."""
    if request.algorithm not in (None, "isolation_forest"):
        return None
    split = split_by_time(columns, request.as_of_ms, request.min_samples)
    binding = bind(columns, request.timezone)
    created, _ = window_frame(columns, binding, ("created",), request.earlier)
    frozen = frozen_durations(duration_rows(columns, created, split), request)
    judged = judged_of(columns, binding, split, request)
    ended = np.array(behaviour.STAGES)[judged.frame.stage] == behaviour.ENDED
    normal = np.flatnonzero(ended & (judged.part == 0) & (judged.label == 0))[-_MOST_ROWS:]
    later = np.flatnonzero(ended & (judged.part == 1))

    def signals(which: npt.NDArray[np.intp]) -> Floats:
        rows = judged.frame.rows[which]
        return behaviour.signals(rows, frozen.quantiles.log_quantiles(rows))

    objective = AnomalyObjective(signals(normal), signals(later), judged.label[later], request.seed)
    digest = sha256(objective.normal.tobytes() + objective.judged.tobytes() + objective.label.tobytes())
    digest.update(str(request.seed).encode())
    defaults = ForestSettings()
    values: dict[str, Any] = {f.name: getattr(defaults, f.name) for f in fields(defaults)}
    return Search(anomaly_model_name(), SPACE, values, objective, digest.hexdigest())
