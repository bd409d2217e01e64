"""The detector that serves: scores in [0, 1], one threshold a stage, reasons that name what was done to a ticket."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.trained import anomaly_candidate, generated, generated_tickets

from neural_hive_ml.conventions import ANOMALY_TYPES, SEVERITIES
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.features.frame import Stage, build_frame
from neural_hive_ml.features.row import feature_row
from neural_hive_ml.features.spec import FEATURES, INDEX
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring import behaviour
from neural_hive_ml.scoring.anomaly import AnomalyScorer, AnomalyVerdict, severity, stages_of
from neural_hive_ml.tickets.ticket import Ticket

Floats = npt.NDArray[np.float64]
LOW, HIGH = np.array([f.low for f in FEATURES]), np.array([f.high for f in FEATURES])


def scorer() -> AnomalyScorer:
    return AnomalyScorer.load(anomaly_candidate().model)


def statistics() -> Statistics:
    return Statistics.restore(anomaly_candidate().model.statistics)


def any_rows(seed: int, n: int = 20) -> Floats:
    """Rows that no ticket may ever make, within the features' ranges, of all three stages."""
    random = np.random.default_rng(seed)
    rows = random.uniform(LOW, HIGH, size=(n, len(FEATURES)))
    stage = np.arange(n) % 3
    rows[:, INDEX["is_running"]], rows[:, INDEX["is_ended"]] = stage == 1, stage == 2
    return rows


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_every_row_has_a_score_a_verdict_and_no_surprise(seed: int) -> None:
    rows = any_rows(seed)
    score, flagged = scorer().score(rows), scorer().flagged(rows)
    assert ((score >= 0) & (score <= 1)).all()
    for i, row in enumerate(rows):
        verdict = scorer().decide(row)
        assert verdict.score == score[i]
        assert verdict.is_anomaly == flagged[i] == (verdict.score >= verdict.threshold)
        assert 0 <= verdict.confidence <= 1
        assert verdict.severity in SEVERITIES
        assert (verdict.severity == "low") == (not verdict.is_anomaly)
        assert verdict.anomaly_type in (ANOMALY_TYPES if verdict.is_anomaly else ("",))
        assert 1 <= len(verdict.contributions) <= 3 if verdict.is_anomaly else not verdict.contributions
        rarities = [c.rarity for c in verdict.contributions]
        assert rarities == sorted(rarities, reverse=True)


def test_no_rows_have_no_scores() -> None:
    assert scorer().score(np.zeros((0, len(FEATURES)))).shape == (0,)
    assert scorer().flagged(np.zeros((0, len(FEATURES)))).shape == (0,)


def test_golden_rows_cover_the_holdout_and_are_reproduced() -> None:
    golden = anomaly_candidate().model.golden
    assert len(golden.rows) >= 32
    assert set(stages_of(golden.rows)) == set(behaviour.STAGES)
    assert np.abs(scorer().reproduce(golden.rows) - golden.expected).max() <= golden.tolerance


def test_each_stage_has_its_own_threshold_and_signals() -> None:
    whole = scorer()
    assert set(whole.thresholds) == set(behaviour.STAGES) == set(whole.stages)
    never = {stage: 1.0 if stage == "created" else 0.0 for stage in behaviour.STAGES}
    rows = any_rows(1, 30)
    flagged = replace(whole, thresholds=never).flagged(rows)
    stage = stages_of(rows)
    assert flagged[stage != "created"].all()
    assert not flagged[(stage == "created") & (whole.score(rows) < 1.0)].any()
    for name in behaviour.STAGES:
        told = {behaviour.NAMES[i] for i in whole.stages[name].positions}
        assert told == {s.name for s in behaviour.SIGNALS if name in s.stages}


@pytest.mark.parametrize("name", behaviour.STAGES)
def test_a_creation_row_says_nothing_of_the_run(name: str) -> None:
    """Signals that need a run time, retries or an error speak at the stages at which those are known."""
    at_creation = {s.name for s in behaviour.SIGNALS if "created" in s.stages}
    assert not at_creation & {"near_sla", "excess_retries", "error_in_success"}
    assert not any("forecast" in n or n.startswith(("slow_", "fast_")) for n in at_creation)
    assert all(s.anomaly_type in ANOMALY_TYPES for s in behaviour.SIGNALS if name in s.stages)


def some_ticket() -> Ticket:
    """An ordinary ticket of a frequent task, completed without anything."""
    usual = [t for t in generated_tickets()[-300:] if t.status == "COMPLETED" and not t.retry_count]
    tasks = [t.task_id for t in usual]
    return next(t for t in usual if t.task_id == max(set(tasks), key=tasks.count))


def judged(ticket: Ticket, stage: Stage = "ended") -> AnomalyVerdict:
    at_ms = {"created": ticket.created_at, "ended": ticket.completed_at or 0}.get(stage, 0)
    return scorer().decide(feature_row(ticket, stage, at_ms, statistics(), scorer().binding))


def run_for(ticket: Ticket, factor: float) -> Ticket:
    assert ticket.actual_duration_ms is not None
    assert ticket.started_at is not None
    took = max(int(ticket.actual_duration_ms * factor), 1)
    return replace(ticket, actual_duration_ms=took, completed_at=ticket.started_at + took)


def test_an_ordinary_ticket_is_ordinary() -> None:
    verdict = judged(some_ticket())
    assert not verdict.is_anomaly
    assert (verdict.severity, verdict.explanation, verdict.anomaly_type) == ("low", "within what is usual", "")
    assert verdict.confidence == pytest.approx(1 - verdict.score)


@pytest.mark.parametrize(
    ("change", "kinds", "words"),
    [
        (lambda t: run_for(t, 60), {"duration_outlier", "timeout_risk"}, "took"),
        (lambda t: run_for(t, 0.01), {"duration_outlier"}, "took"),
        (lambda t: replace(t, retry_count=15), {"excessive_retries"}, "15 retries"),
        (lambda t: replace(t, error_message="broke"), {"silent_failure"}, "although it carries an error"),
        (
            lambda t: replace(t, required_capabilities=("exotic", "never_seen")),
            {"capability_anomaly"},
            "asks for capabilities",
        ),
        (lambda t: replace(t, parameters={"items": str(10**14)}), {"resource_mismatch"}, "parameter"),
    ],
)
def test_what_was_done_to_a_ticket_is_what_is_said(change: object, kinds: set[str], words: str) -> None:
    verdict = judged(change(some_ticket()))  # type: ignore[operator] - one of the lambdas above
    assert verdict.is_anomaly
    assert verdict.anomaly_type in kinds
    assert words in verdict.explanation
    assert verdict.explanation == "; ".join(c.words for c in verdict.contributions)


def test_a_longer_run_is_never_less_anomalous() -> None:
    # From the forecast on: below it a run is anomalous for being short.
    scores = [judged(run_for(some_ticket(), 2.0**k)).score for k in range(2, 12)]
    assert (np.diff(scores) >= 0).all()
    assert scores[-1] > 0.9


def test_an_owner_and_task_never_seen_are_a_case_like_any_other() -> None:
    stranger = replace(some_ticket(), task_id="never-seen", metadata={}, ticket_id="x")
    verdict = judged(stranger, "created")
    assert 0 <= verdict.score <= 1


def test_severity_is_how_far_beyond_the_threshold() -> None:
    assert [severity(s, 0.6) for s in (0.0, 0.59, 0.6, 0.79, 0.81, 0.95, 0.97, 1.0)] == [
        "low", "low", "medium", "medium", "high", "high", "critical", "critical",
    ]  # fmt: skip
    assert severity(1.0, 1.0) == "medium"


def test_the_service_scores_the_row_that_training_would_have_made() -> None:
    """From statistics as of training on, a bulk row and a served row have one score."""
    columns = generated()
    frame, memory = build_frame(columns, scorer().binding)
    assert memory.as_of_ms == statistics().as_of_ms
    served = [feature_row(t, "created", t.created_at, memory, scorer().binding) for t in generated_tickets()[:5]]
    assert np.array_equal(scorer().score(np.array(served)), [scorer().decide(r).score for r in served])
    assert np.array_equal(scorer().score(frame.rows)[:50], scorer().score(frame.rows[:50]))


@pytest.mark.parametrize(
    "thresholds",
    [{}, {"created": 0.5, "ended": 0.5}, {"created": 0.5, "running": 0.5, "ended": float("nan")},
     {"created": 0.5, "running": 1.5, "ended": 0.5}, {"created": -0.1, "running": 0.5, "ended": 0.5},
     {"created": "high", "running": 0.5, "ended": 0.5}, {"created": None, "running": 0.5, "ended": 0.5}],
)  # fmt: skip
def test_a_policy_without_a_threshold_for_each_stage_is_refused(thresholds: dict[str, object]) -> None:
    model = replace(anomaly_candidate().model, policy={"thresholds": thresholds})
    with pytest.raises(ArtifactRefused, match="threshold"):
        AnomalyScorer.load(model)


@pytest.mark.parametrize(
    "damage",
    [
        lambda a: a.pop("ended.knots"),
        lambda a: a.pop("created.forest.roots"),
        lambda a: a.update({"ended.positions": a["ended.positions"] + 100}),
        lambda a: a.update({"ended.positions": a["ended.positions"][:0]}),
        lambda a: a.update({"ended.positions": a["ended.positions"][:-1]}),
        lambda a: a.update({"ended.knots": a["ended.knots"][:, 1:]}),
        lambda a: a.update({"ended.knots": a["ended.knots"] * np.nan}),
        lambda a: a.update({"ended.knots": a["ended.knots"][:, ::-1]}),
        lambda a: a.update({"ended.slope": a["ended.slope"][1:]}),
        lambda a: a.update({"ended.slope": -a["ended.slope"]}),
        lambda a: a.update({"running.whole_knots": a["running.whole_knots"][:, :3]}),
        lambda a: a.update({"running.curve": np.array([1.0])}),
        lambda a: a.update({"running.curve": np.array([np.nan, 0.0])}),
        lambda a: a.update({"running.curve": np.array([-1.0, 0.0])}),
        lambda a: a.update(
            {k.replace("created", "ended"): v for k, v in a.items() if k.startswith("created.forest")}
        ),
    ],
)
def test_damaged_arrays_are_refused(damage: object) -> None:
    arrays = dict(anomaly_candidate().model.arrays)
    damage(arrays)  # type: ignore[operator] - one of the lambdas above
    with pytest.raises(ArtifactRefused):
        AnomalyScorer.load(replace(anomaly_candidate().model, arrays=arrays))
