"""What a training says at its end: a table for people, a document for machines, an exit code for scripts."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from neural_hive_ml.conventions import (
    EXIT_FAILURE,
    EXIT_NOT_ENOUGH_DATA,
    EXIT_OK,
    EXIT_UNREACHABLE,
)
from neural_hive_ml.evaluation.verdict import Evaluation, Metric
from neural_hive_ml.flow import ModelResult
from neural_hive_ml.training.request import model_name_of

# The gravest answer wins.
_CODES = {"unreachable": EXIT_UNREACHABLE, "failed": EXIT_FAILURE, "not_enough_data": EXIT_NOT_ENOUGH_DATA}
# The guide's section "Metricas abaixo do threshold", as commands.
_ADVICE = {
    "anomaly": "a longer window (--training-window-days 365 --min-samples 5000) or --hyperparameter-tuning",
    "load": "a longer window, --hyperparameter-tuning, or --floor-profile relative where counts are low",
    "scheduling": "--hyperparameter-tuning, or --floor-profile relative where durations are long",
}


def exit_code(results: Sequence[ModelResult]) -> int:
    """Return the exit code of a training: 0 when every asked-for model was trained and judged."""
    seen = {r.status for r in results}
    for status, code in _CODES.items():
        if status in seen:
            return code
    return EXIT_OK


def figure(metric: Metric) -> str:
    """Write a metric with its interval, e.g. ``0.81 [0.78, 0.84]``."""
    digits = 0 if abs(metric.value) >= 1000 else 3
    text = f"{metric.value:,.{digits}f}{metric.unit and ' ' + metric.unit}"
    if metric.low is None or metric.high is None:
        return text
    return f"{text} [{metric.low:,.{digits}f}, {metric.high:,.{digits}f}]"


def best_baseline(evaluation: Evaluation, metric: str) -> str:
    """Name the strongest naive method on a metric, with its figure."""
    rivals = [b for b in evaluation.baselines if b.metric == metric]
    if not rivals:
        return "-"
    better = max if evaluation.metric(metric).higher_is_better else min
    best = better(rivals, key=lambda b: b.value)
    digits = 0 if abs(best.value) >= 1000 else 3
    return f"{best.value:,.{digits}f} {best.name}"


def print_report(results: Sequence[ModelResult], console: Console) -> None:
    """Print one row a floor (or deciding metric) and, below, why anything was not promoted and what to try."""
    table = Table(title="Models on the time-ordered hold-out (95 % intervals)")
    for heading in ("model", "version", "metric", "value", "floor", "baseline", "verdict", "live"):
        table.add_column(heading, overflow="fold")
    for result in results:
        for row in _rows(result):
            table.add_row(*row)
        table.add_section()
    console.print(table)
    for result in results:
        name = model_name_of(result.request)
        if result.verdict is None:
            console.print(f"{name}: {result.status}: {result.error}", highlight=False)
        elif not result.promoted:
            console.print(
                f"{name}: {result.verdict.outcome}: {'; '.join(result.verdict.reasons)}", highlight=False
            )
            if result.verdict.missing:
                console.print(f"  missing: {result.verdict.missing}", highlight=False)
            if result.verdict.below_floor:
                console.print(f"  to try: {_ADVICE[result.request.family]}", highlight=False)


def _rows(result: ModelResult) -> list[tuple[str, ...]]:
    name = model_name_of(result.request)
    if result.verdict is None or result.evaluation is None or result.version is None:
        return [(name, "-", "-", "-", "-", "-", result.status, "no")]
    head = (name, str(result.version.version))
    tail = (str(result.verdict.outcome), "yes" if result.promoted else "no")
    rows: list[tuple[str, ...]] = []
    for check in result.verdict.floors:
        mark = "" if check.passed else " missed"
        metric = result.evaluation.metric(check.metric)
        rows.append(
            (
                *head,
                check.metric,
                figure(metric),
                f"{check.comparison} {check.floor:,g}{mark}",
                best_baseline(result.evaluation, check.metric),
                *tail,
            )
        )
        head, tail = ("", ""), ("", "")
    if not rows:
        metric = result.evaluation.metric(result.evaluation.primary)
        rows.append(
            (*head, metric.name, figure(metric), "-", best_baseline(result.evaluation, metric.name), *tail)
        )
    return rows


def to_json(results: Sequence[ModelResult]) -> dict[str, Any]:
    """Return the results as one JSON-able document."""
    return {
        "exit_code": exit_code(results),
        "models": [
            {
                "model": model_name_of(r.request),
                "status": r.status,
                "version": r.version.version if r.version else None,
                "promoted": r.promoted,
                "error": r.error or None,
                "verdict": str(r.verdict.outcome) if r.verdict else None,
                "reasons": list(r.verdict.reasons) if r.verdict else [],
                "floors": [
                    {
                        "metric": c.metric,
                        "value": c.value,
                        "floor": c.floor,
                        "comparison": c.comparison,
                        "passed": c.passed,
                    }
                    for c in (r.verdict.floors if r.verdict else ())
                ],
                "metrics": {
                    m.name: {"value": m.value, "low": m.low, "high": m.high, "n": m.n, "unit": m.unit}
                    for m in (r.evaluation.metrics if r.evaluation else ())
                },
                "baselines": [
                    {"name": b.name, "metric": b.metric, "value": b.value}
                    for b in (r.evaluation.baselines if r.evaluation else ())
                ],
            }
            for r in results
        ],
    }
