"""What was predicted in the last day, counted from the prediction log. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from neural_hive_ml.state.port import Record


class PredictionStats(msgspec.Struct, frozen=True):
    """The last 24 hours of predictions on record, of all services that share the store.

    `success_rate` is the share that a model made, `anomaly_rate` the share of judged tickets that were flagged; null
    while there are none. `duration_mae_pct` is the newest measured mean absolute error of run times in percent of the
    mean prediction, null while live quality is unknown. `complete` is false when there were more than were counted.
    """

    total_predictions: int
    by_model: dict[str, int]
    success_rate: float | None
    avg_latency_ms: float | None
    anomaly_rate: float | None
    duration_mae_pct: float | None
    window_hours: int
    complete: bool


def stats_of(records: Iterable[Record], mae_ms: float | None, *, window_hours: int) -> PredictionStats:
    """Count predictions one by one, taken for all there are; `mae_ms` is the measured error of run times, None while
    it is unknown.
    """
    models: Counter[str] = Counter()
    made = judged = flagged = 0
    timed = forecast = 0
    latency = middle = 0.0
    for record in records:
        told: Mapping[str, Any] = record.document
        models[str(told.get("model_name", ""))] += 1
        made += not told.get("degraded", False)
        if isinstance(told.get("latency_ms"), int | float):
            timed, latency = timed + 1, latency + told["latency_ms"]
        if told.get("family") == "anomaly":
            judged += 1
            flagged += told.get("decision") == "anomaly"
        if isinstance(told.get("p50_ms"), int | float):
            forecast, middle = forecast + 1, middle + told["p50_ms"]
    total = sum(models.values())
    middle = middle / forecast if forecast else 0.0
    return PredictionStats(
        total_predictions=total,
        by_model=dict(sorted(models.items())),
        success_rate=made / total if total else None,
        avg_latency_ms=latency / timed if timed else None,
        anomaly_rate=flagged / judged if judged else None,
        duration_mae_pct=100 * mae_ms / middle if mae_ms is not None and middle > 0 else None,
        window_hours=window_hours,
        complete=True,
    )
