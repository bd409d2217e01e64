"""Recording rules: the guide's values, compliance as 0 or 1, burn rates, budgets. What is unknown has no series.

A ratio divides increases of events (not averages of ratios), so that a quiet hour does not weigh like a busy one.
"""

from collections.abc import Iterator
from typing import Final

from neural_hive_ml.slo.durations import seconds_of
from neural_hive_ml.slo.rule import Group, Recording
from neural_hive_ml.slo.spec import EventBurn, Objective, Objectives

PREFIX: Final = "neural_hive:slo:"
OBSERVED: Final = "neural_hive:sli:ml_observed"
SHORT_INTERVAL: Final = "30s"
BURN_INTERVAL: Final = "1m"
LONG_INTERVAL: Final = "5m"
BURN_WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "24h", "3d")
QUANTILES: Final = ("0.5", "0.95", "0.99")
_REQUESTS: Final = "neural_hive_ml_prediction_requests_total"
_LATENCY: Final = "neural_hive_ml_prediction_latency_seconds"


def compliance(one: Objective) -> str:
    """Return the name of an objective's 0-or-1 series."""
    return f"{PREFIX}ml_compliance:{one.slug}"


def burn_rate(one: Objective, window: str) -> str:
    """Return the name of an objective's burn rate over a window; 1 spends exactly the budget in the period."""
    return f"{PREFIX}ml_burn_rate:{one.slug}:{window}"


def events(one: Objective, window: str) -> str:
    """Return the name of the number of events, or of measured minutes, that a burn rate rests on."""
    return f"neural_hive:sli:ml_events:{one.slug}:{window}"


def remaining(one: Objective) -> str:
    """Return the name of an objective's remaining budget in percent."""
    return f"{PREFIX}ml_error_budget_remaining:{one.slug}"


def consumed(one: Objective) -> str:
    """Return the name of an objective's consumed budget in percent."""
    return f"{PREFIX}ml_error_budget_consumed:{one.slug}"


def recording_groups(objectives: Objectives) -> tuple[Group, ...]:
    """Return all recording groups."""
    every = objectives.objectives
    period = objectives.period
    short = tuple(one for one in every if seconds_of(one.window) < seconds_of("30d"))
    long = tuple(one for one in every if one not in short)
    return (
        Group("ml_slo_metrics", SHORT_INTERVAL, (*_views(), *(_value(one) for one in short))),
        Group("ml_slo_metrics_long", LONG_INTERVAL, (*(_value(one) for one in long), *_long_views(period))),
        Group("ml_slo_compliance", BURN_INTERVAL, tuple(_compliance(every))),
        Group("ml_error_budget_burn_rate", BURN_INTERVAL, tuple(_burn(every, BURN_WINDOWS))),
        Group("ml_error_budget", LONG_INTERVAL, (*_burn(every, (period,)), *_budgets(every, period))),
    )


def _value(one: Objective) -> Recording:
    return Recording(one.record, one.value.strip(), {"slo": one.label})


def _views() -> Iterator[Recording]:
    """The guide's quantile view, and what people ask next: which route, which model, how much traffic."""
    for q in QUANTILES:
        yield Recording(
            "anomaly_detection_latency_seconds",
            f"histogram_quantile({q}, sum by (le, model_type) "
            "(rate(anomaly_detection_latency_seconds_bucket[$5m]))) >= 0",
            {"quantile": q},
        )
    by_route = f"sum by (le, route) (rate({_LATENCY}_bucket[$5m]))"
    yield Recording(f"{PREFIX}ml_latency_p95:5m", f"histogram_quantile(0.95, {by_route}) >= 0")
    yield Recording(f"{PREFIX}ml_latency_p99:5m", f"histogram_quantile(0.99, {by_route}) >= 0")
    yield Recording(f"{PREFIX}ml_f1_score_by_model:7d", "max by (model_name) (neural_hive_mlflow_model_f1)")
    yield Recording(f"{PREFIX}ml_evaluation_rps:5m", f"sum by (route) (rate({_REQUESTS}[$5m]))")
    yield Recording(f"{PREFIX}ml_evaluation_rps_total:5m", f"sum(rate({_REQUESTS}[$5m]))")
    yield Recording(OBSERVED, f"max({_REQUESTS} >= bool 0)")


def _long_views(period: str) -> Iterator[Recording]:
    day = f"sum by (le) (rate({_LATENCY}_bucket[$24h]))"
    yield Recording(f"{PREFIX}ml_latency_p95_total:24h", f"histogram_quantile(0.95, {day}) >= 0")
    bad = f'sum by (route) (increase({_REQUESTS}{{outcome="server_error"}}[${period}]))'
    counted = f'sum by (route) (increase({_REQUESTS}{{outcome!="client_error"}}[${period}])) > 0'
    yield Recording(f"{PREFIX}ml_availability_by_route:{period}", f"1 - {bad} / ({counted})")
    for window in ("24h", "7d", period):
        samples = seconds_of(window) // seconds_of(SHORT_INTERVAL)
        yield Recording(
            f"{PREFIX}ml_window_held:{window}", f"clamp_max(count_over_time({OBSERVED}[${window}]) / {samples}, 1)"
        )


def _compliance(every: tuple[Objective, ...]) -> Iterator[Recording]:
    for one in every:
        yield Recording(
            compliance(one), f"{one.record} {one.kept_operator} bool {one.target:g}", {"slo": one.label}
        )
    known = " or ".join(compliance(one) for one in every)
    yield Recording(f"{PREFIX}ml_compliance:known", f"count({known})")
    yield Recording(f"{PREFIX}ml_compliance:count", f"sum({known})")
    # One broken promise breaks the whole, known or not; all kept is said only when all are known.
    yield Recording(
        f"{PREFIX}ml_compliance:overall",
        f"min({known}) == 0 or (min({known}) and {PREFIX}ml_compliance:known == {len(every)})",
    )


def _burn(every: tuple[Objective, ...], windows: tuple[str, ...]) -> Iterator[Recording]:
    for one in every:
        for window in windows:
            bad, total = _bad_and_total(one, window)
            labels = {"slo": one.label}
            yield Recording(events(one, window), total, labels)
            yield Recording(burn_rate(one, window), f"({bad}) / {one.budget:.6g}", labels)


def _bad_and_total(one: Objective, window: str) -> tuple[str, str]:
    """Return expressions of the share of bad events and of the number of events in a window."""
    if not isinstance(one.burn, EventBurn):
        name = compliance(one)
        return f"1 - avg_over_time({name}[${window}])", f"count_over_time({name}[${window}])"
    total = f"sum({_increase(one.burn.total, window)})"
    if one.burn.bad:
        return f"sum({_increase(one.burn.bad, window)}) / ({total} > 0)", total
    good = f"sum({_increase(one.burn.good, window)})"
    # Two extrapolated increases may differ by a rounding: never less than nothing is bad.
    return f"clamp_min(1 - {good} / ({total} > 0), 0)", total


def _increase(selector: str, window: str) -> str:
    return f"increase({selector}[${window}])"


def _budgets(every: tuple[Objective, ...], period: str) -> Iterator[Recording]:
    for one in every:
        spent = f"100 * {burn_rate(one, period)}"
        yield Recording(consumed(one), spent, {"slo": one.label})
        yield Recording(remaining(one), f"clamp_min(100 - {spent}, -100)", {"slo": one.label})
