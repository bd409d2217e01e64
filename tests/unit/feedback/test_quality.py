"""Live quality: what labels say, what they cannot say, and what is estimated instead."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.support.tickets import ticket

from neural_hive_ml.clock import DAY_MS, HOUR_MS, MINUTE_MS
from neural_hive_ml.conventions import MODEL_QUALITY, PREDICTIONS, load_model_name, scheduling_model_name
from neural_hive_ml.feedback.estimate import cbpe, dle
from neural_hive_ml.feedback.live import LiveFigure, unknown
from neural_hive_ml.feedback.maturity import mature
from neural_hive_ml.feedback.quality import QualityRules
from neural_hive_ml.feedback.quality_detector import Judged, beta_quantiles, counts, detector_figures, weights
from neural_hive_ml.feedback.quality_job import check_quality
from neural_hive_ml.feedback.quality_loss import loss_of
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.state.memory import MemoryStateStore
from neural_hive_ml.state.port import Record
from neural_hive_ml.tickets.memory import MemoryTicketStore

Figures = tuple[float, float]
NOW = 1_700_006_400_000
DURATION, LOAD = scheduling_model_name(), load_model_name(60)


def drawn(
    rng: np.random.Generator, n: int, answered: tuple[float, float], share: float = 0.1
) -> tuple[Judged, float]:
    """A day of a detector whose true F1 over all `n` predictions is known."""
    truth = rng.random(n) < 0.1
    flagged = np.where(truth, rng.random(n) < 0.7, rng.random(n) < 0.03)
    asked = flagged | (rng.random(n) < share)
    given_up = rng.random(n) >= np.where(flagged, *answered)
    label = np.where(asked & ~given_up, truth.astype(float), np.nan)
    judged = Judged(flagged, flagged, asked & ~flagged, np.full(n, share), label, np.arange(n))
    tp, fp, fn = (truth & flagged).sum(), (~truth & flagged).sum(), (truth & ~flagged).sum()
    return judged, float(2 * tp / (2 * tp + fp + fn))


@pytest.mark.parametrize("answered", [(1.0, 1.0), (0.2, 0.9), (0.9, 0.3)])
def test_f1_is_right_whichever_kind_people_judge_more_eagerly(answered: tuple[float, float]) -> None:
    inside, gaps = 0, []
    for k in range(60):
        judged, truth = drawn(np.random.default_rng(k), 4_000, answered)
        f1 = detector_figures(judged, least_labels=20)[0]
        assert f1.value is not None
        assert f1.low is not None
        assert f1.high is not None
        inside += f1.low <= truth <= f1.high
        gaps.append(f1.value - truth)
    assert abs(np.mean(gaps)) < 3 * np.std(gaps) / np.sqrt(60) + 0.01
    assert inside >= 52  # of 60 at 95 %: fewer would come by chance once in a hundred times


def test_without_audited_labels_nobody_knows_what_was_missed() -> None:
    judged, _ = drawn(np.random.default_rng(1), 4_000, (1.0, 0.0))
    f1, precision, recall = detector_figures(judged, least_labels=20)
    assert (f1.value, recall.value) == (None, None)
    assert "audited" in f1.reason
    assert precision.value is not None
    few = detector_figures(judged, least_labels=10_000)
    assert {f.value for f in few} == {None}
    assert all("10000 are needed" in f.reason for f in few)


def test_no_miss_among_few_audited_is_no_certain_recall() -> None:
    n, flagged = 3_040, np.arange(3_040) < 40
    asked = flagged | (np.arange(n) >= n - 30)
    label = np.where(asked, flagged.astype(float), np.nan)
    judged = Judged(flagged, flagged, asked & ~flagged, np.full(n, 0.01), label, np.arange(n))
    recall = detector_figures(judged, least_labels=20)[2]
    assert recall.value == 1.0
    assert recall.low is not None
    assert (
        recall.low < 0.6
    )  # 30 of 3,000 unflagged looked at: a tenth of them may be anomalies, more than were flagged


def staged(
    rng: np.random.Generator, n: int, answered: tuple[float, float], share: float = 0.05
) -> tuple[Judged, Figures]:
    """Tickets predicted at creation, where little is seen, and at their end; true F1 and recall over all predictions.

    People answer about tickets in the queue because they are flagged, and about those that the audit draws.
    """
    truth = rng.random(n) < 0.05
    created = np.where(truth, rng.random(n) < 0.3, rng.random(n) < 0.005)
    ended = np.where(truth, rng.random(n) < 0.8, rng.random(n) < 0.01)
    drawn, queued = rng.random(n) < share, created | ended
    known = (queued | drawn) & (rng.random(n) < np.where(queued, *answered))
    flagged, odd = np.r_[created, ended], np.r_[truth, truth]
    judged = Judged(
        flagged, np.r_[queued, queued], np.r_[drawn, drawn] & ~flagged, np.full(2 * n, share),
        np.where(np.r_[known, known], odd.astype(float), np.nan), np.r_[np.arange(n), np.arange(n)],
    )  # fmt: skip
    tp, fp, fn = (odd & flagged).sum(), (~odd & flagged).sum(), (odd & ~flagged).sum()
    return judged, (float(2 * tp / (2 * tp + fp + fn)), float(tp / (tp + fn)))


@pytest.mark.parametrize("answered", [(0.9, 0.3), (0.4, 1.0)])
def test_f1_and_recall_are_right_where_a_ticket_is_judged_at_several_stages(answered: tuple[float, float]) -> None:
    replays = [staged(np.random.default_rng(k), 8_000, answered) for k in range(40)]
    found = [detector_figures(judged, least_labels=20) for judged, _ in replays]
    for place, true in ((0, [t[0] for _, t in replays]), (2, [t[1] for _, t in replays])):
        gaps = [f[place].value - t for f, t in zip(found, true, strict=True)]  # type: ignore[operator]
        assert abs(np.mean(gaps)) < 3 * np.std(gaps) / np.sqrt(40) + 0.01
        inside = sum(f[place].low <= t <= f[place].high for f, t in zip(found, true, strict=True))  # type: ignore[operator]
        assert inside >= 34  # of 40 at 95 %: fewer would come by chance once in a hundred times


def test_days_without_an_audit_are_no_days_without_misses() -> None:
    judged, (f1, _) = staged(np.random.default_rng(3), 40_000, (0.9, 0.9), share=0.2)
    chance = np.where(np.arange(80_000) % 10 < 4, 0.0, 0.2)
    some = detector_figures(replace(judged, probability=chance), least_labels=20)[0]
    assert some.value == pytest.approx(f1, abs=0.04)
    chance = np.where(np.arange(80_000) % 10 < 7, 0.0, 0.2)
    figures = detector_figures(replace(judged, probability=chance), least_labels=20)
    assert (figures[0].value, figures[2].value) == (None, None)
    assert "without an audit" in figures[0].reason
    assert figures[1].value is not None


def test_labels_are_counted_in_tickets() -> None:
    # Seven tickets, flagged at three stages each: seven labels, not 21.
    ones, ticket = np.ones(21, dtype=bool), np.repeat(np.arange(7), 3)
    judged = Judged(ones, ones, ~ones, np.ones(21), np.ones(21), ticket)
    f1, precision, _ = detector_figures(judged, least_labels=20)
    assert (f1.value, precision.value, precision.labels) == (None, None, 7)
    assert detector_figures(judged, least_labels=7)[1].value == 1.0


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_weighted_counts_add_up_to_the_predictions(seed: int) -> None:
    judged, _ = drawn(np.random.default_rng(seed), 800, (0.5, 0.7))
    found = counts(judged)
    assert found.tp + found.fp + found.fn + found.tn == pytest.approx(800)
    assert weights(judged).sum() == pytest.approx(800)


@pytest.mark.parametrize(("a", "b"), [(0.5, 30.5), (12.5, 3.5), (0.5, 0.5), (900.5, 2000.5)])
def test_beta_quantiles_are_scipys(a: float, b: float) -> None:
    wanted = stats.beta.ppf((np.arange(200) + 0.5) / 200, a, b)
    assert np.abs(beta_quantiles(a, b) - wanted).max() < 2e-4


def test_a_young_day_counts_when_all_its_labels_are_there() -> None:
    at = np.array([NOW - 3 * HOUR_MS, NOW - 2 * HOUR_MS, NOW - 30 * HOUR_MS])
    asked = np.array([True, True, True])
    some = mature(at, asked, np.array([True, False, False]), now_ms=NOW, maturity_ms=DAY_MS)
    assert some.tolist() == [False, False, True]
    every = mature(at, asked, np.array([True, True, False]), now_ms=NOW, maturity_ms=DAY_MS)
    assert every.tolist() == [True, True, True]


def test_cbpe_tells_the_f1_of_calibrated_scores_and_says_when_they_are_not() -> None:
    rng = np.random.default_rng(5)
    score = rng.beta(0.4, 2.0, 6_000)
    truth = (rng.random(6_000) < score).astype(float)
    flagged, none, old = score >= 0.5, np.zeros(6_000, dtype=bool), np.arange(6_000) < 1_000
    found = cbpe(score, flagged, none, np.where(old, truth, np.nan), ~none, least_labels=20)
    assert found.figures["f1"] == pytest.approx(f1_of(truth > 0, flagged), abs=0.05)
    assert (found.holds, found.predictions, found.labels) == (True, 6_000, 1_000)
    # The world changes halfway: what was flagged is now normal.
    changed = np.where((np.arange(6_000) >= 500) & flagged, 0.0, truth)
    broken = cbpe(score, flagged, none, np.where(old, changed, np.nan), ~none, least_labels=20)
    assert broken.holds is False
    assert "does NOT hold" in broken.check
    few = cbpe(score, flagged, none, np.where(np.arange(6_000) < 10, truth, np.nan), ~none, least_labels=20)
    assert few.holds is None


@pytest.mark.parametrize("answered", [1.0, 0.8])
def test_cbpe_is_of_the_model_not_of_what_nobody_judged(answered: float) -> None:
    """All that is flagged is judged, of the rest a twentieth, and all of tickets that were flagged at another stage."""
    gaps, held = [], 0
    for k in range(40):
        rng = np.random.default_rng(k)
        score = rng.beta(0.4, 3.0, 6_000)
        truth, flagged = rng.random(6_000) < score, score >= 0.5
        elsewhere = ~flagged & (rng.random(6_000) < np.where(truth, 0.5, 0.02))
        judged = np.where(flagged | elsewhere, rng.random(6_000) < answered, rng.random(6_000) < 0.05)
        label = np.where(judged, truth.astype(float), np.nan)
        found = cbpe(score, flagged, elsewhere, label, judged, least_labels=20)
        gaps.append(found.figures["f1"] - f1_of(truth, flagged))
        held += found.holds is True
    assert abs(np.mean(gaps)) < 0.01
    assert held >= 34  # the scores are calibrated: 5 % of checks may say otherwise


def f1_of(truth: np.ndarray, flagged: np.ndarray) -> float:
    return float(2 * (truth & flagged).sum() / (truth.sum() + flagged.sum()))


def test_dle_tells_the_error_of_tickets_that_have_not_ended() -> None:
    rng = np.random.default_rng(6)
    width = rng.lognormal(8, 1, 5_000)
    error = np.abs(rng.normal(0, 0.4, 5_000)) * width
    at = NOW + np.arange(5_000) * MINUTE_MS
    found = dle(error[:1_000], width[:1_000], at[:1_000], width[1_000:], least_labels=20, rng=rng)
    assert found.figures["mae_ms"] == pytest.approx(error[1_000:].mean(), rel=0.1)
    assert found.holds is True
    worse = np.where(np.arange(1_000) >= 500, error[:1_000] * 4, error[:1_000])
    assert dle(worse, width[:1_000], at[:1_000], width[1_000:], least_labels=20, rng=rng).holds is False


def test_lost_means_the_whole_interval_is_beyond_what_was_promised() -> None:
    f1 = LiveFigure("f1", 0.6, 0.5, 0.68, 90)
    assert loss_of("anomaly", [f1], {"f1": 0.9}, 0.75).lost is True
    # What it never reached it did not lose.
    assert loss_of("anomaly", [f1], {"f1": 0.66}, 0.75).lost is False
    assert loss_of("anomaly", [unknown("f1", 3, "3 labels")], {"f1": 0.9}, 0.75).lost is None
    mae = LiveFigure("mae_ms", 900.0, 700.0, 1_100.0, 90)
    assert loss_of("scheduling", [mae], {"mae": 500.0}, 0.75).lost is True
    assert loss_of("scheduling", [mae], {"mae": 600.0}, 0.75).lost is False
    assert loss_of("scheduling", [mae], {}, 0.75).lost is None
    assert loss_of("load", [LiveFigure("mase", 1.6, 1.3, 2.0, 90)], {}, 0.75).lost is True


def ended_tickets(count: int, every_ms: int) -> list:
    return [
        ticket(
            f"t{i}", NOW - (count - i) * every_ms, started_at=NOW - (count - i) * every_ms,
            completed_at=NOW - (count - i) * every_ms + 60_000 + i,
        )
        for i in range(count)
    ]  # fmt: skip


def test_durations_and_forecasts_are_judged_by_how_tickets_ended(tmp_path: Path) -> None:
    state, tickets = MemoryStateStore(), MemoryTicketStore()
    # One ticket every 10 minutes for 16 days; it lasts a minute.
    ended = ended_tickets(16 * 144, 10 * MINUTE_MS)
    tickets.upsert(ended)
    predicted = [
        Record(f"d{i}", t.created_at, {
            "model_name": DURATION, "model_version": 2, "ticket_id": t.ticket_id, "p10_ms": 50_000.0,
            "p50_ms": 63_000.0, "p90_ms": 70_000.0,
        })
        for i, t in enumerate(ended[-400:])
    ]  # fmt: skip
    late = Record("open", NOW - 30 * HOUR_MS, {**predicted[0].document, "ticket_id": "never-ended"})
    young = [Record(f"young{k}", NOW - HOUR_MS - k, {**late.document, "ticket_id": f"young{k}"}) for k in range(3)]
    state.insert(PREDICTIONS, [*predicted, late, *young])
    forecasts = []
    for hour in range(1, 60):
        begin = NOW - hour * HOUR_MS
        forecasts.append(Record(f"l{hour}", begin, {
            "model_name": LOAD, "model_version": 1, "timestamps_ms": [begin + k * 5 * MINUTE_MS for k in range(12)],
            "bucket_minutes": 5, "total": 9.0, "total_lower": 5.0, "total_upper": 12.0,
        }))  # fmt: skip
    state.insert(PREDICTIONS, forecasts)
    found = {
        one.name: one
        for one in check_quality(
            tickets, state, MemoryRegistry(tmp_path), QualityRules(), now_ms=NOW, names=[DURATION, LOAD]
        )
    }
    figures = {f.name: f for f in found[DURATION].measured.figures}
    assert figures["mae_ms"].value == pytest.approx(3_000)
    assert figures["coverage"].value == 1.0
    assert (
        found[DURATION].measured.labels == figures["mae_ms"].labels == 257
    )  # those of the last day still lack some, so none counts
    assert found[DURATION].measured.overdue == 1
    load = {f.name: f for f in found[LOAD].measured.figures}
    assert load["wape"].value == pytest.approx(0.5, abs=0.01)  # six an hour came, nine were told
    assert load["mape"].value == pytest.approx(50, abs=1)
    assert load["wape"].labels == 58  # the newest forecast's hour is just over: what ended in it may still come
    kept = state.find(MODEL_QUALITY, where={"model_name": DURATION})[0].document
    assert kept["metrics"]["mae_ms"] == figures["mae_ms"].value
    assert kept["versions"]["2"]["mae_ms"]["labels"] == 257


def test_a_store_whose_stream_stopped_makes_no_forecast_wrong(tmp_path: Path) -> None:
    state, tickets = MemoryStateStore(), MemoryTicketStore()
    begin = NOW - 5 * HOUR_MS
    tickets.upsert([ticket("old", begin - 10 * DAY_MS), ticket("last", begin)])
    state.insert(PREDICTIONS, [Record("l", begin, {
        "model_name": LOAD, "model_version": 1, "timestamps_ms": [begin], "bucket_minutes": 60, "total": 9.0,
        "total_lower": 5.0, "total_upper": 12.0,
    })])  # fmt: skip
    (found,) = check_quality(
        tickets, state, MemoryRegistry(tmp_path), QualityRules(least_labels=1), now_ms=NOW, names=[LOAD]
    )
    assert (found.measured.labels, found.measured.overdue) == (0, 1)
    assert not found.enough
