"""What a model says of the window's tickets is compared with what it said of tickets that it had not learned from."""

from dataclasses import replace

import numpy as np
import pytest
from tests.support.trained import anomaly_candidate, duration_candidate, generated, generated_tickets

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.drift.check import check_drift
from neural_hive_ml.drift.report import DriftReport
from neural_hive_ml.drift.window import window_of
from neural_hive_ml.evaluation.profile import Profile
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.tickets.columns import columns_of
from neural_hive_ml.tickets.ticket import Ticket


def checked(model: PackedModel, tickets: tuple[Ticket, ...]) -> DriftReport:
    columns = columns_of(tickets)
    window = window_of(model, columns, int(columns.completed_at_ms.max()) + 1, 96)
    profile = Profile.from_document(model.profile)
    return check_drift(
        profile, window.rows, window.at_ms, window.names,
        predictions=window.predictions, truth=window.truth, window=(window.from_ms, window.until_ms),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "answers"),
    [(anomaly_candidate().model, ("prediction",)), (duration_candidate().model, ("prediction", "residual"))],
    ids=["anomaly", "scheduling"],
)
def test_answers_are_profiled_and_checked(model: PackedModel, answers: tuple[str, ...]) -> None:
    profile = Profile.from_document(model.profile)
    assert profile.answers is not None
    assert profile.answers.names == answers
    assert profile.answers.rows < profile.rows / 2  # those that the model had not learned from
    report = checked(model, generated_tickets())
    assert [f.name for f in report.features if f.name in {"prediction", "residual"}] == list(answers)
    assert not {f.name for f in report.drifted} & set(answers)


def test_scores_of_another_world_are_prediction_drift() -> None:
    tickets = generated_tickets()
    newest = max(t.created_at for t in tickets) - 4 * DAY_MS

    def slower(ticket: Ticket) -> Ticket:
        if ticket.created_at < newest or ticket.completed_at is None or ticket.started_at is None:
            return ticket
        spent = 40 * (ticket.completed_at - ticket.started_at)
        return replace(ticket, completed_at=ticket.started_at + spent, actual_duration_ms=spent)

    report = checked(anomaly_candidate().model, tuple(map(slower, tickets)))
    [prediction] = [f for f in report.features if f.name == "prediction"]
    assert prediction.current is not None
    assert prediction.reference is not None
    assert prediction.current > prediction.reference
    assert prediction.psi > 0.5


def test_a_detectors_answers_have_no_truth() -> None:
    columns = generated()
    window = window_of(anomaly_candidate().model, columns, int(columns.completed_at_ms.max()) + 1, 96)
    assert window.truth is None
    assert np.isfinite(window.predictions).all()
