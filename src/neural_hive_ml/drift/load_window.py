"""The recent past of a load model as hours: completions, and what the model had said of each."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.features.series import completions
from neural_hive_ml.scoring.load import LoadForecaster
from neural_hive_ml.scoring.load_memory import HISTORY_HOURS
from neural_hive_ml.scoring.load_replay import LoadReplay, replay_load
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.tickets.columns import TicketColumns

Floats = npt.NDArray[np.float64]
# Tickets created this long before an hour may end in it.
_BEFORE_DAYS = 3
_LONGEST_HORIZON_HOURS = 24


@dataclass(frozen=True, slots=True)
class LoadWindow:
    """`counts` [h] of the whole hours from `first_hour_ms`, and what the model says of each from the history before it: not
    known where it had learned from the hour or too little came before. The first `unknown_hours` lie before the first
    completion that is known at all: empty as far as is known."""

    counts: Floats
    replay: LoadReplay
    first_hour_ms: int
    unknown_hours: int


def days_of_load(hours: float) -> float:
    """Return how far back tickets are needed for a window of `hours`: the forecasts of its hours look back too."""
    return (hours + HISTORY_HOURS + _LONGEST_HORIZON_HOURS) / 24 + _BEFORE_DAYS


def load_window(model: PackedModel, columns: TicketColumns, as_of_ms: int, hours: float) -> LoadWindow:
    """Count the last whole `hours` before `as_of_ms` and make the model's forecasts of them again, point-in-time.

    Raises `ArtifactRefused` for a model that does not load.
    """
    forecaster = LoadForecaster.load(model)
    window = completions(columns, as_of_ms, (as_of_ms // HOUR_MS - round(hours)) * HOUR_MS, HOUR_MS)
    # To a forecast, hours before the first completion are not known; before the reach of the read they are partial.
    before = completions(columns, as_of_ms, bucket_ms=HOUR_MS).since(
        window.start_ms - (HISTORY_HOURS + forecaster.hours_ahead) * HOUR_MS
    )
    learned_until = int(model.lineage.get("learned_until_ms", model.lineage.get("as_of_ms", as_of_ms)))
    first = -((before.start_ms - max(learned_until, window.start_ms)) // HOUR_MS)
    replay = replay_load(forecaster, before, max(first, 0))
    unknown = max(len(window) - len(before), 0)
    begin, missing = max(len(before) - len(window), 0), np.full(unknown, np.nan)
    padded = (np.concatenate([missing, values[begin:]]) for values in (replay.said, replay.repeated))
    return LoadWindow(window.counts, LoadReplay(*padded), window.start_ms, unknown)
