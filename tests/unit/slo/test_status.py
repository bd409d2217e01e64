"""Where objectives stand: what has no series is unknown, and never kept."""

import pytest

from neural_hive_ml.slo.prometheus import Sample
from neural_hive_ml.slo.spec import load_objectives
from neural_hive_ml.slo.status import statuses

OBJECTIVES = load_objectives()


def sample(name: str, value: float) -> Sample:
    return Sample({"__name__": f"neural_hive:slo:{name}"}, ((0.0, value),))


def test_nothing_recorded_is_unknown_for_every_objective():
    found = statuses(OBJECTIVES, ())
    assert [status.standing for status in found] == ["unknown"] * 4
    assert all(status.value is None and status.remaining is None and status.held is None for status in found)
    assert {status.shown for status in found} == {"unknown"}


def test_recorded_figures_are_shown_with_their_unit_and_the_budgets_end():
    found = statuses(
        OBJECTIVES,
        [
            sample("ml_latency_p95_total:5m", 0.25),
            sample("ml_compliance:latency", 0),
            sample("ml_error_budget_remaining:latency", 50),
            sample("ml_burn_rate:latency:1h", 14.4),
            sample("ml_window_held:24h", 0.5),
            sample("ml_availability:30d", 0.9991),
            sample("ml_compliance:availability", 1),
        ],
    )
    latency, uptime = found[1], found[3]
    assert (latency.standing, latency.shown, latency.held) == ("broken", "250.0 ms", 0.5)
    assert latency.exhausted_in_hours == pytest.approx(25)
    assert (uptime.standing, uptime.shown, uptime.exhausted_in_hours) == ("kept", "99.91%", None)


def test_a_value_without_its_verdict_is_unknown():
    assert statuses(OBJECTIVES, [sample("ml_f1_score:7d", 0.9)])[0].standing == "unknown"
