"""Which run times are known of whom, and to which part they belong."""

from dataclasses import replace

import numpy as np
import pytest
from tests.support.histories import START_MS
from tests.support.tickets import ticket
from tests.support.trained import generated, request

from neural_hive_ml.errors import NotEnoughData
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.features.spec import CREATION_COUNT
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.ticket import Ticket
from neural_hive_ml.training.anomaly import train_anomaly
from neural_hive_ml.training.duration import train_duration
from neural_hive_ml.training.durations import DurationRows, duration_rows
from neural_hive_ml.training.split import TimeSplit

SPLIT = TimeSplit(START_MS + 100_000, START_MS + 200_000, START_MS + 10**9)


def rows_of(*tickets: Ticket) -> DurationRows:
    columns = columns_of(tickets)
    frame, _ = build_frame(columns, FeatureBinding(), ("created",))
    return duration_rows(columns, frame, SPLIT)


def test_only_what_succeeded_has_a_run_time() -> None:
    rows = rows_of(
        ticket("measured", START_MS, actual_duration_ms=42),
        ticket("from its times", START_MS, actual_duration_ms=None),
        ticket("failed", START_MS, status="FAILED"),
        ticket("compensated", START_MS, status="COMPENSATED"),
        ticket("open", START_MS, status="RUNNING", completed_at=None, actual_duration_ms=None),
        ticket("never started", START_MS, started_at=None, actual_duration_ms=None),
    )
    known = dict(zip(rows.ticket.tolist(), rows.duration_ms.tolist(), strict=True))
    assert known == {0: 42.0, 1: 60_000.0}
    assert np.array_equal(rows.log_duration, np.log1p(rows.duration_ms))
    assert not rows.rows[:, CREATION_COUNT:].any()


@pytest.mark.parametrize(
    ("created", "ended", "part"),
    [
        (0, 99_999, "fit"), (0, 100_000, None), (99_999, 150_000, None), (100_000, 199_999, "validation"),
        (199_999, 200_000, None), (200_000, 200_001, "holdout"), (250_000, 900_000, "holdout"),
    ],
)  # fmt: skip
def test_a_run_time_is_known_from_its_end_on(created: int, ended: int, part: str | None) -> None:
    at = START_MS + created
    rows = rows_of(
        ticket("t", at, started_at=at, completed_at=START_MS + ended, actual_duration_ms=ended - created)
    )
    found = [name for name in ("fit", "validation", "holdout") if getattr(rows, name)[0]]
    assert found == ([part] if part else [])


@pytest.mark.parametrize(("family", "train"), [("anomaly", train_anomaly), ("scheduling", train_duration)])
def test_tickets_that_never_completed_are_not_enough(family: str, train: object) -> None:
    columns = generated(700)
    failed = np.full(len(columns), 3, dtype=np.int8)
    with pytest.raises(NotEnoughData, match="completed tickets in the fit part"):
        train(replace(columns, status=failed), request(family, columns))  # type: ignore[operator] - the two trainers
