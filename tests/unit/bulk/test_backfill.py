"""Predictions of the past: what the stream would have said then, marked, never twice, never about what was learned."""

import pytest
from tests.support.trained import anomaly_candidate, duration_candidate, generated, generated_tickets

from neural_hive_ml.bulk.backfill import backfill, history_from, span_of
from neural_hive_ml.bulk.judge import Judge
from neural_hive_ml.features.frame import Stage
from neural_hive_ml.features.row import feature_row, learn
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.scoring.load_scorer import load_scorer
from neural_hive_ml.serving.guard_agents.records import id_in_stream
from neural_hive_ml.tickets.lifecycle import events_of, order_of
from neural_hive_ml.training.request import Candidate


def judge_of(candidate: Candidate, trained_ms: int) -> Judge:
    model = candidate.model
    scorer = load_scorer(model)
    lineage = {**model.lineage, "as_of_ms": trained_ms}
    return Judge(model.name, 3, "d" * 64, model.algorithm, lineage, scorer, Statistics.restore(model.statistics))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def until_ms() -> int:
    return int(generated().completed_at_ms.max()) + 1


def test_each_prediction_is_what_a_service_that_learned_event_by_event_says(until_ms: int) -> None:
    tickets = generated_tickets()
    trained_ms = tickets[1400].created_at
    judge = judge_of(anomaly_candidate(), trained_ms)
    span = span_of(judge, None, until_ms, in_sample=False)
    records = {record.key: record for record in backfill(span, generated())}
    statistics, seen = Statistics(), 0
    assert isinstance(judge.scorer, AnomalyScorer)
    for event in sorted((e for t in tickets for e in events_of(t)), key=order_of):
        if event.kind != "started" and event.at_ms >= trained_ms:
            stage: Stage = "created" if event.kind == "created" else "ended"
            row = feature_row(event.ticket, stage, event.at_ms, statistics, judge.scorer.binding)
            said, record = judge.scorer.decide(row), records[id_in_stream(stage, event.ticket.ticket_id)]
            assert record.at_ms == event.at_ms
            assert record.document["score"] == said.score
            assert record.document["explanation"] == said.explanation
            assert record.document["decision"] == ("anomaly" if said.is_anomaly else "normal")
            seen += 1
        learn(event, statistics, judge.scorer.binding)
    assert seen == len(records) > 300


def test_marked_not_up_for_review_and_only_out_of_sample_unless_asked(until_ms: int) -> None:
    trained_ms = generated_tickets()[1400].created_at
    judge = judge_of(duration_candidate(), trained_ms)
    out = list(backfill(span_of(judge, 0, until_ms, in_sample=False), generated()))
    assert min(r.at_ms for r in out) >= trained_ms
    assert all(r.document["backfill"] is True and r.document["in_sample"] is False for r in out)
    everything = list(backfill(span_of(judge, 0, until_ms, in_sample=True), generated()))
    assert len(everything) == 1_600
    assert sum(r.document["in_sample"] for r in everything) == len(everything) - len(out)
    verdicts = backfill(
        span_of(judge_of(anomaly_candidate(), trained_ms), 0, until_ms, in_sample=True), generated()
    )
    assert {r.document["review"] for r in verdicts} == {"unsolicited"}


def test_a_model_that_saw_everything_is_asked_nothing(until_ms: int) -> None:
    span = span_of(judge_of(duration_candidate(), until_ms), None, until_ms, in_sample=False)
    assert span.empty
    assert history_from([span]) < until_ms
