"""Is there enough to train a model on? The trainers' own conditions, without their features and fits. Pure."""

from dataclasses import dataclass

import numpy as np

from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.features.frame import FeatureFrame
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.training.anomaly import check_known_durations
from neural_hive_ml.training.duration import check_parts
from neural_hive_ml.training.durations import duration_rows
from neural_hive_ml.training.load import hours_of, training_task
from neural_hive_ml.training.request import TrainingRequest
from neural_hive_ml.training.split import split_by_time


@dataclass(frozen=True, slots=True)
class Enough:
    """There is enough; `detail` says what there is."""

    detail: str


def enough_for(columns: TicketColumns, request: TrainingRequest) -> Enough | NotEnoughData:
    """Return what there is to train a request's model on, or what is missing as its training would say it. O(n log n).

    For the algorithm ``learned``, which needs people's verdicts, this is not the whole answer.
    """
    try:
        if request.family == "load":
            task = training_task(columns, request)
            done = int(hours_of(columns, request).counts.sum())
            return Enough(f"{done:,} completed tickets; {len(task.hours):,} hours to learn from")
        split = split_by_time(columns, request.as_of_ms, request.min_samples)
        n = len(columns)
        unbuilt = FeatureFrame(np.empty((n, 0)), columns.created_at_ms, np.arange(n), np.zeros(n, np.int8))
        data = duration_rows(columns, unbuilt, split)
        if request.family == "anomaly":
            check_known_durations(data)
        else:
            check_parts(data)
    except NotEnoughData as error:
        return error
    known = f"{int(data.fit.sum()):,} fit, {int(data.validation.sum()):,} validation, {int(data.holdout.sum()):,} hold-out"
    return Enough(f"{n:,} tickets; run times known of {known}")
