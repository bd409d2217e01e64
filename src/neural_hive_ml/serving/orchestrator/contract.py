"""What orchestrator-dynamic gives, as /openapi.json describes it."""

from typing import Annotated, Any, Final

import msgspec

from neural_hive_ml.conventions import LOAD_HORIZONS_MINUTES
from neural_hive_ml.serving.http.contract import TICKET
from neural_hive_ml.serving.http.endpoint import Parameter

_Horizon = Annotated[int, msgspec.Meta(extra_json_schema={"enum": list(LOAD_HORIZONS_MINUTES)})]
HORIZONS: Final = (
    Parameter("horizon", _Horizon, "minutes ahead", 60),
    Parameter("horizon_minutes", _Horizon, "the same, in the platform's word; `horizon` goes before"),
)


class LoadDocument(msgspec.Struct, frozen=True):
    """Completions ahead, by buckets of `bucket_minutes`; `lower` and `upper` hold 80 % of outcomes.

    `total` is of the whole horizon, null when nothing is known. `history_hours` of history were known; `notes` say what
    was missing. `degraded`: no model, or no history.
    """

    horizon_minutes: int
    at_ms: int
    model_name: str
    model_version: int | None
    history_hours: int
    history_until_ms: int | None
    degraded: bool
    timestamps_ms: list[int]
    mean: list[float]
    lower: list[float]
    upper: list[float]
    bucket_minutes: int
    total: float | None
    total_lower: float | None
    total_upper: float | None
    notes: list[str]
    latency_ms: float


EXAMPLE_DURATION: Final[dict[str, Any]] = {
    "ticket_id": TICKET["ticket_id"],
    "p10_ms": 51_200.0,
    "p50_ms": 70_800.0,
    "p90_ms": 104_500.0,
    "source": "model",
    "model_name": "scheduling-predictor-xgboost",
    "model_version": 4,
    "statistics_sequence": 184_223,
    "latency_ms": 0.09,
    "degraded": False,
    "prediction_id": "4f0c6a0d8f5b4a2e9c3b7d6e5f4a3b2c",
    "cpu_cores": 0.7,
    "memory_mb": 364.4,
}
EXAMPLE_LOAD: Final[dict[str, Any]] = {
    "horizon_minutes": 60,
    "at_ms": 1_788_156_100_000,
    "model_name": "load-predictor-60m",
    "model_version": 4,
    "history_hours": 672,
    "history_until_ms": 1_788_156_076_340,
    "degraded": False,
    "timestamps_ms": [1_788_156_000_000],
    "mean": [41.5],
    "lower": [33.0],
    "upper": [52.0],
    "bucket_minutes": 60,
    "total": 41.5,
    "total_lower": 33.0,
    "total_upper": 52.0,
    "notes": [],
    "latency_ms": 0.4,
}
EXAMPLE_ENRICHED: Final[dict[str, Any]] = {
    "ticket_id": TICKET["ticket_id"],
    "predictions": {
        "duration_ms": 70_800.0,
        "confidence": 0.98,
        "duration_confidence": 0.98,
        "cpu_cores": 0.7,
        "memory_mb": 364.4,
        "resources_confidence": 0.0,
        "model_type": "xgboost",
        "anomaly": {"is_anomaly": False, "score": 0.04, "type": None},
    },
    "allocation_metadata": {
        "predicted_duration_ms": 70_800.0,
        "anomaly_detected": False,
        "predicted_queue_ms": 3_900.0,
        "predicted_load_pct": 61.0,
        "ml_enriched": True,
    },
    "priority_boost": 1.0,
    "reasons": [],
    "missing": [],
    "degraded": False,
    "latency_ms": 0.4,
    "prediction_id": "4f0c6a0d8f5b4a2e9c3b7d6e5f4a3b2c",
}
