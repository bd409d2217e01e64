"""The recent past of a model as rows: tickets that ended in the window, and what the model had said about
them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.drift.check import LEAST_ROWS
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import STAGES, FeatureFrame, build_frame
from neural_hive_ml.features.spec import INDEX, NAMES
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.tickets.as_of import as_of
from neural_hive_ml.tickets.columns import TicketColumns, concat
from neural_hive_ml.tickets.port import TicketStore, TicketWindow

Floats = npt.NDArray[np.float64]
# Tickets created this long before a window may end in it; statistics learn at most this much again.
_BEFORE_DAYS = 3
_REPLAY_DAYS = 60
# A window with too few rows is widened up to a week: below that, nothing can be said.
WIDEST_HOURS = 168


@dataclass(frozen=True, slots=True)
class Window:
    """Rows [n, COLUMN_COUNT] of tickets that ended in [from_ms, until_ms), by the end; `predictions` [n] are what the
    model says of each: log1p ms at its creation with their `truth` [n], or the score at its end, of which no truth is
    known."""

    rows: Floats
    at_ms: npt.NDArray[np.int64]
    predictions: Floats
    truth: Floats | None
    from_ms: int
    until_ms: int
    names: tuple[str, ...] = NAMES


def read_recent(tickets: TicketStore, as_of_ms: int, days: float) -> TicketColumns:
    """Read the tickets created in the last `days`, as they were known at `as_of_ms`."""
    since = as_of_ms - round(days * DAY_MS)
    return as_of(concat(list(tickets.blocks(TicketWindow(since, as_of_ms)))), as_of_ms)


def days_to_read(model: PackedModel, as_of_ms: int, hours: float) -> float:
    """Return how far back tickets are needed: the window, what may end in it, and what was not learned yet."""
    unlearned = (as_of_ms - int(model.lineage.get("as_of_ms", as_of_ms))) / DAY_MS
    return max(hours / 24, min(max(unlearned, 0.0), _REPLAY_DAYS)) + _BEFORE_DAYS


def model_frame(model: PackedModel, columns: TicketColumns) -> FeatureFrame:
    """Make creation and end rows as the model's service would have: from its own statistics, learning on."""
    statistics = Statistics.restore(model.statistics) if model.statistics else Statistics()
    frame, _ = build_frame(
        columns,
        FeatureBinding.from_document(model.documents["binding"]),
        ("created", "ended"),
        statistics,
        learn_from=columns.created_at_ms >= statistics.as_of_ms,
    )
    return frame


def answers_of(model: PackedModel, frame: FeatureFrame) -> Floats:
    """Return what a model says of each ended row: a detector its score, a duration model the log1p ms it predicted at
    creation; NaN where unknown.
    """
    created, ended = frame.stage == STAGES["created"], frame.stage == STAGES["ended"]
    if model.family == "anomaly":
        return AnomalyScorer.load(model).score(frame.rows[ended])
    answers = np.full(int(frame.ticket.max()) + 1 if len(frame.ticket) else 0, np.nan)
    if created.any():
        median_ms = DurationScorer.load(model).forecast(frame.rows[created])[:, 1]
        answers[frame.ticket[created]] = np.log1p(median_ms)
    return np.asarray(answers[frame.ticket[ended]])


def window_of(model: PackedModel, columns: TicketColumns, as_of_ms: int, hours: float) -> Window:
    """Cut the window [as_of - hours, as_of) out of the model's rows; doubled, up to a week, while too few
    ended.
    """
    frame = model_frame(model, columns)
    predictions = answers_of(model, frame)
    ended = frame.of_stage("ended")
    width = hours
    while width < WIDEST_HOURS and (ended.at_ms >= as_of_ms - width * HOUR_MS).sum() < LEAST_ROWS:
        width = min(width * 2, WIDEST_HOURS)
    since = as_of_ms - round(width * HOUR_MS)
    inside = (ended.at_ms >= since) & (ended.at_ms < as_of_ms)
    rows = ended.rows[inside]
    truth = rows[:, INDEX["log_duration"]] if model.family == "scheduling" else None
    return Window(rows, ended.at_ms[inside], predictions[inside], truth, since, as_of_ms)
