"""The duration rows of a window, split in time: what is known of run times when, shared by both models that need them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.features.frame import FeatureFrame
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns
from neural_hive_ml.tickets.ticket import STATUSES
from neural_hive_ml.training.split import TimeSplit

_COMPLETED = STATUSES.index("COMPLETED")


@dataclass(frozen=True, slots=True)
class DurationRows:
    """Creation rows of tickets that succeeded: `rows` [n, COLUMN_COUNT], `duration_ms` [n], masks [n] of the parts.

    A run time is a label from its ticket's end on: `fit` rows ended before the validation begins, `validation` rows before
    the hold-out does. A ticket of an earlier part that ended later is in no part.
    """

    rows: npt.NDArray[np.float64]
    ticket: npt.NDArray[np.intp]
    duration_ms: npt.NDArray[np.float64]
    ended_at_ms: npt.NDArray[np.int64]
    fit: npt.NDArray[np.bool_]
    validation: npt.NDArray[np.bool_]
    holdout: npt.NDArray[np.bool_]

    @property
    def log_duration(self) -> npt.NDArray[np.float64]:
        """log1p of the run time in ms."""
        return np.log1p(self.duration_ms)


def duration_rows(columns: TicketColumns, created: FeatureFrame, split: TimeSplit) -> DurationRows:
    """Pick the tickets whose run time is known from creation rows, in their order. O(n)."""
    t = created.ticket
    duration = np.where(
        columns.actual_duration_ms[t] != MISSING_MS,
        columns.actual_duration_ms[t],
        columns.completed_at_ms[t] - columns.started_at_ms[t],
    )
    known = (columns.status[t] == _COMPLETED) & (columns.completed_at_ms[t] != MISSING_MS)
    known &= (columns.actual_duration_ms[t] != MISSING_MS) | (columns.started_at_ms[t] != MISSING_MS)
    t, rows, duration = t[known], created.rows[known], duration[known]
    part, ended = split.part(columns.created_at_ms[t]), columns.completed_at_ms[t]
    return DurationRows(
        rows,
        t,
        np.maximum(duration, 0).astype(float),
        ended,
        fit=(part == 0) & (ended < split.validation_from_ms),
        validation=(part == 1) & (ended < split.holdout_from_ms),
        holdout=part == 2,
    )
