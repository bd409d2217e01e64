"""ML SLOs Dashboard: are the promises kept, what is left of each budget, how fast does it burn."""

from collections.abc import Iterator
from typing import Final

from neural_hive_ml.dashboards.panel import Colour, Dashboard, Mark, Panel, Query, Row, Step, rising
from neural_hive_ml.slo.recordings import PREFIX, burn_rate, compliance, consumed, remaining
from neural_hive_ml.slo.spec import EventBurn, Objective, Objectives

_BUDGET: Final = rising((None, "red"), (20, "yellow"), (50, "green"))
_KEPT: Final[tuple[tuple[float, str, Colour], ...]] = ((0, "broken", "red"), (1, "kept", "green"))
_BURNS: Final = rising((None, "green"), (1, "yellow"), (6, "orange"), (14.4, "red"))
# The gauges' yellow zones are the platform's: close to the objective, not yet outside.
_NEAR: Final = {"f1_score": 0.80, "latency": 0.08, "feedback_rate": 0.12, "availability": 0.997}


def ml_slos(objectives: Objectives) -> Dashboard:
    """Return the dashboard of these objectives."""
    every = objectives.objectives
    return Dashboard(
        "ml-slos-dashboard",
        "ml-slos",
        "ML SLOs Dashboard",
        "The objectives of the models: kept or not, budgets, burn rates, alerts.",
        (
            Row("Compliance", tuple(_compliance(every))),
            Row("Error budgets", tuple(_budgets(every, objectives.period))),
            Row("Burn rates", tuple(_burns(every))),
            Row("What is measured", tuple(_measured(objectives.period))),
            Row("Feedback", tuple(_feedback())),
        ),
        (Mark("Alert", 'ALERTS{slo=~"ml-.+", alertstate="firing"}', "{{alertname}}", "red"),),
    )


def _compliance(every: tuple[Objective, ...]) -> Iterator[Panel]:
    for one in every:
        yield Panel(
            one.title,
            "gauge",
            (Query(one.record),),
            f"Objective: {one.promise}. No figure means that it is not known.",
            "share" if one.unit == "ratio" else "seconds",
            6,
            7,
            _zones(one),
            least=_axis(one)[0],
            most=_axis(one)[1],
            guide="Compliance de F1 Score, Latencia, Feedback, Uptime",
        )
    yield Panel(
        "Compliance over time", "timeline", tuple(Query(compliance(one), one.title) for one in every),
        "Gaps are times in which an objective was not known: neither kept nor broken.", "none", 16, 8, names=_KEPT,
    )  # fmt: skip
    yield Panel(
        "Objectives kept", "stat",
        (Query(f"{PREFIX}ml_compliance:count", "kept"), Query(f"{PREFIX}ml_compliance:known", "known")),
        "Of those that are known.", "count", 4, 8,
    )  # fmt: skip
    yield Panel(
        "All of them", "stat", (Query(f"{PREFIX}ml_compliance:overall"),),
        "Broken as soon as one is; kept only when all are known and kept.", "none", 4, 8, names=_KEPT,
    )  # fmt: skip


def _zones(one: Objective) -> tuple[Step, ...]:
    if one.better == "lower":
        return rising((None, "green"), (_NEAR[one.slug], "yellow"), (one.target, "red"))
    return rising((None, "red"), (one.target, "yellow"), (_NEAR[one.slug], "green"))


def _axis(one: Objective) -> tuple[float, float]:
    """Return a gauge's ends: wide enough to show both the objective and what is far outside it."""
    if one.better == "lower":
        return 0.0, 2 * one.critical
    return (0.98, 1.0) if one.target > 0.98 else (0.0, 1.0)


def _budgets(every: tuple[Objective, ...], period: str) -> Iterator[Panel]:
    for one in every:
        yield Panel(
            f"{one.title}: budget left",
            "stat",
            (Query(remaining(one)),),
            f"Of the budget of {period}: {one.budget:.2%} of {_events(one)}. Below 0 it is spent.",
            "percent",
            6,
            5,
            _BUDGET,
            decimals=0,
        )
    yield Panel(
        "Error budget consumption", "timeseries", tuple(Query(consumed(one), one.title) for one in every),
        f"Share of the budget of {period} that is spent. A flat line burns nothing.", "percent", 24, 8,
        rising((None, "green"), (50, "yellow"), (100, "red")), least=0, guide="Error budget consumption",
    )  # fmt: skip


def _events(one: Objective) -> str:
    return "the requests" if isinstance(one.burn, EventBurn) else "the time"


def _burns(every: tuple[Objective, ...]) -> Iterator[Panel]:
    for one in every:
        windows = ("5m", "1h", "6h", "3d") if one.pages else ("6h", "24h", "3d")
        yield Panel(
            f"{one.title}: burn rate",
            "timeseries",
            tuple(Query(burn_rate(one, window), window) for window in windows),
            "1 spends exactly the budget in its period. Alerts ask for a long and a short window together: "
            + ", ".join(f"{p.long} and {p.short} above {p.factor('30d'):g}" for p in one.pairs)
            + ".",
            "none",
            12,
            8,
            _BURNS,
            least=0,
            guide="Burn rate alerting",
        )
    yield Panel(
        "Alerts", "table", (Query('ALERTS{team="ml-platform", alertstate=~"firing|pending"}'),),
        "All alerts of the models, firing or about to. None is good news only while the services are up.", "none",
        24, 8, columns=(("alertname", "alert"), ("severity", "severity"), ("alertstate", "state"), ("slo", "SLO"),
                        ("model_name", "model")), guide="Burn rate alerting",
    )  # fmt: skip


def _measured(period: str) -> Iterator[Panel]:
    windows = ("24h", "7d", period)
    yield Panel(
        "Windows filled", "ranking", tuple(Query(f"{PREFIX}ml_window_held:{w}", w) for w in windows),
        "What share of each window Prometheus has measured. A new install has little to say about a month.", "share",
        8, 7, rising((None, "red"), (0.5, "yellow"), (0.95, "green")), least=0, most=1,
    )  # fmt: skip
    yield Panel(
        "Prediction throughput", "timeseries", (Query(f"{PREFIX}ml_evaluation_rps:5m", "{{route}}"),),
        "What latency and uptime are measured on.", "per_second", 8, 7, stacked=True,
    )  # fmt: skip
    yield Panel(
        "Latency P95 of the last 24 hours", "timeseries",
        (Query(f"{PREFIX}ml_latency_p95_total:24h", "24 h"), Query(f"{PREFIX}ml_latency_p95_total:5m", "5 min")),
        "The objective's window is 24 hours; alerts look at five minutes.", "seconds", 8, 7,
        rising((None, "green"), (0.08, "yellow"), (0.1, "red")), least=0,
    )  # fmt: skip
    yield Panel(
        "F1 by model", "timeseries", (Query(f"{PREFIX}ml_f1_score_by_model:7d", "{{model_name}}"),),
        "The objective is that of the worst detector.", "share", 12, 7,
        rising((None, "red"), (0.7, "yellow"), (0.75, "green")), least=0, most=1,
    )  # fmt: skip
    yield Panel(
        "Uptime by route", "timeseries", (Query(f"{PREFIX}ml_availability_by_route:{period}", "{{route}}"),),
        "Which route spends the budget.", "share", 12, 7, most=1,
    )  # fmt: skip


def _feedback() -> Iterator[Panel]:
    yield Panel(
        "Verdicts", "timeseries",
        (
            Query(
                "sum by (reason, verdict) (increase(neural_hive_ml_feedback_verdicts_total[$__rate_interval]))",
                "{{reason}}: {{verdict}}",
            ),
        ),
        "What people said about predictions, and why they were asked.", "count", 8, 7, stacked=True,
    )  # fmt: skip
    yield Panel(
        "Reviews asked for", "timeseries",
        (
            Query("sum by (reason) (increase(neural_hive_ml_reviews_requested_total[$__rate_interval]))", "{{reason}}"),
        ),
        "All that were flagged, and a random audit of the rest.", "count", 6, 7, stacked=True,
    )  # fmt: skip
    yield Panel(
        "Reviews open", "stat", (Query("sum(max by (job) (neural_hive_ml_feedback_open_reviews))"),),
        "Tickets of the last 7 days still waiting for a verdict.", "count", 4, 7,
    )  # fmt: skip
    yield Panel(
        "Feedback API", "timeseries",
        (
            Query(
                "sum by (route, outcome) (rate(neural_hive_ml_feedback_requests_total[$__rate_interval]))",
                "{{route}} {{outcome}}",
            ),
            Query(
                "histogram_quantile(0.95, sum by (le) "
                "(rate(neural_hive_ml_feedback_latency_seconds_bucket[$__rate_interval])))",
                "P95, seconds",
            ),
        ),
        "Whether people can give verdicts at all.", "none", 6, 7, least=0,
    )  # fmt: skip
