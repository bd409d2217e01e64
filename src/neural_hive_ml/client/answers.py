"""What the services answer, as values. Fields of a later release are ignored, fields that v1 may lack have defaults."""

from typing import Any

import msgspec


class Contribution(msgspec.Struct, frozen=True):
    """One reason: the signal, its rarity in decimal orders of magnitude (2: one in a hundred), plain words."""

    signal: str
    rarity: float
    words: str


class TicketVerdict(msgspec.Struct, frozen=True):
    """Is a ticket anomalous, and why. `anomaly_score` is in [0, 1]; null with `threshold` when `degraded` (rules only)."""

    ticket_id: str
    is_anomaly: bool
    severity: str
    explanation: str
    stage: str
    degraded: bool
    anomaly_score: float | None = None
    threshold: float | None = None
    anomaly_type: str | None = None
    confidence: float | None = None
    contributions: tuple[Contribution, ...] = ()
    model_name: str = ""
    model_version: int | None = None
    prediction_id: str = ""


class DurationForecast(msgspec.Struct, frozen=True):
    """Run time in milliseconds at 0.1, 0.5 and 0.9; null where `source` says that nothing is known of it."""

    ticket_id: str
    source: str
    degraded: bool
    p10_ms: float | None = None
    p50_ms: float | None = None
    p90_ms: float | None = None
    model_name: str = ""
    model_version: int | None = None
    prediction_id: str = ""


class LoadForecast(msgspec.Struct, frozen=True):
    """Completions of the hours ahead: `total` and its bounds; the whole answer, buckets included, is in `document`."""

    horizon_minutes: int
    at_ms: int
    degraded: bool
    total: float | None = None
    model_name: str = ""
    model_version: int | None = None
    document: dict[str, Any] = {}


class AnomalyMark(msgspec.Struct, frozen=True):
    """The detector's verdict on a ticket as created; `score` in [0, 1], null without a model."""

    is_anomaly: bool
    score: float | None = None
    type: str | None = None


class Predictions(msgspec.Struct, frozen=True):
    """The platform's `predictions` object of a ticket: the median run time, the resources by formula, the anomaly."""

    anomaly: AnomalyMark
    duration_ms: float | None = None
    duration_confidence: float = 0.0
    cpu_cores: float = 0.0
    memory_mb: float = 0.0
    model_type: str = ""


class Allocation(msgspec.Struct, frozen=True):
    """What belongs into `allocation_metadata`; null where nothing is known."""

    ml_enriched: bool
    anomaly_detected: bool = False
    predicted_duration_ms: float | None = None
    predicted_queue_ms: float | None = None
    predicted_load_pct: float | None = None


class Enrichment(msgspec.Struct, frozen=True):
    """A ticket's predictions for a scheduler: `priority_boost` (1 or 1.2) with `reasons`; `missing` models when degraded."""

    ticket_id: str
    predictions: Predictions
    allocation_metadata: Allocation
    priority_boost: float = 1.0
    reasons: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    degraded: bool = False
    prediction_id: str = ""


class VerdictReceipt(msgspec.Struct, frozen=True):
    """A verdict as it was stored; `new` is false when the same was given before."""

    verdict_id: str
    ticket_id: str
    verdict: str
    author: str
    new: bool
    prediction_id: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """Why one ticket of a batch has no answer."""

    detail: str
    position: int = 0
    field: str = ""
    remedy: str = ""


class BatchItem(msgspec.Struct, frozen=True):
    """One ticket of a batch: its `answer`, or the `refusal`."""

    answer: TicketVerdict | DurationForecast | None
    refusal: Refusal | None = None
