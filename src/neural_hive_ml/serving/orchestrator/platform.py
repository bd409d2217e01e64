"""The platform's own routes below /api/v1/ml: enrichment, the models held, the day's predictions; and /health/ml."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from time import perf_counter_ns
from typing import Any, Final, Literal

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from neural_hive_ml.clock import DAY_MS, Clock
from neural_hive_ml.conventions import FAMILIES, MODEL_QUALITY, PREDICTIONS
from neural_hive_ml.errors import NotFound
from neural_hive_ml.observability.metrics import OrchestratorMetrics
from neural_hive_ml.serving.http.answers import json_answer
from neural_hive_ml.serving.http.body import MAX_TICKET_BYTES, read_body
from neural_hive_ml.serving.http.contract import ONCE, TICKET
from neural_hive_ml.serving.http.endpoint import Endpoint, Example, Parameter
from neural_hive_ml.serving.http.problem import Problem
from neural_hive_ml.serving.orchestrator.contract import EXAMPLE_ENRICHED
from neural_hive_ml.serving.orchestrator.enrichment import Enriched, Enrichment, Parts
from neural_hive_ml.serving.orchestrator.records import keep_duration, keep_forecast
from neural_hive_ml.serving.orchestrator.stats import PredictionStats, stats_of
from neural_hive_ml.serving.prediction_log import PredictionLog
from neural_hive_ml.serving.service import id_asked_for
from neural_hive_ml.serving.slot import ModelSlot
from neural_hive_ml.state.pages import pages
from neural_hive_ml.state.port import Record, StateStore
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.ticket import Ticket

# Counting a day costs a read of the store: one read answers everybody for this long.
_FRESH_MS: Final = 30_000
_MOST_COUNTED: Final = 50_000
_PAGE: Final = 1_000
_NAME: Final = Parameter("name", str, "registered name", "scheduling-predictor-xgboost", "path")
_FAMILY: Final = Parameter("model_type", Literal[FAMILIES], "only this family", "load")


class HeldModel(msgspec.Struct, frozen=True):
    """A model in a slot. `version` and all that follows are null while the slot is empty; `failure` says why."""

    model_name: str
    model_type: str
    alias: str
    algorithm: str | None
    version: int | None
    digest: str | None
    source: str | None
    loaded_at_ms: int | None
    trained_until_ms: int | None
    failure: str


class HeldModels(msgspec.Struct, frozen=True):
    """The models that this process holds, champions before challengers."""

    models: list[HeldModel]


class ModelDetail(msgspec.Struct, frozen=True):
    """One model: what is held of it, and its newest live quality, null while nobody measured it."""

    model_name: str
    versions: list[HeldModel]
    live_quality: dict[str, Any] | None


@dataclass(slots=True)
class PlatformDesk:
    """The handlers. `open_state` is called in a thread, when somebody asks for what is on record."""

    enrichment: Enrichment
    slots: Sequence[ModelSlot]
    metrics: OrchestratorMetrics
    clock: Clock
    open_state: Callable[[], StateStore]
    log: PredictionLog | None = None
    _state: StateStore | None = None
    _stats: tuple[int, PredictionStats] | None = field(default=None)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes."""
        return (
            Endpoint(
                "/api/v1/ml/enrich", self.enrich, Enriched, "POST", "score", "enrich", Ticket, (ONCE,),
                Example(TICKET, EXAMPLE_ENRICHED),
            ),
            Endpoint("/api/v1/ml/models", self.models, HeldModels, role="any", parameters=(_FAMILY,)),
            Endpoint("/api/v1/ml/models/{name}", self.model, ModelDetail, role="any", parameters=(_NAME,)),
            Endpoint("/api/v1/ml/predictions/stats", self.stats, PredictionStats, role="any"),
            Endpoint("/health/ml", self.health, dict[str, Any], operational=True),
        )  # fmt: skip

    async def enrich(self, request: Request) -> Response:
        """The platform's `predictions` and `allocation_metadata` of a ticket, and whether its priority is raised."""
        began = perf_counter_ns()
        ticket = decode_ticket(await read_body(request, MAX_TICKET_BYTES))
        parts = self._kept(self.enrichment.parts(ticket), id_asked_for(request, ticket.ticket_id))
        answer = self.enrichment.enrich(ticket, parts, began)
        return json_answer(answer, degraded=answer.degraded)

    async def models(self, request: Request) -> Response:
        """The models that this process holds, from its memory."""
        family = request.query_params.get("model_type")
        if family is not None and family not in FAMILIES:
            raise Problem(
                400, "Bad request", "no such model_type", field="model_type", remedy=f"use {', '.join(FAMILIES)}"
            )
        held = [_held(slot) for slot in self.slots]
        return json_answer(HeldModels([one for one in held if family in {None, one.model_type}]))

    async def model(self, request: Request) -> Response:
        """One model: the versions held, and its newest measured live quality."""
        name = request.path_params["name"]
        versions = [_held(slot) for slot in self.slots if slot.name == name]
        if not versions:
            known = ", ".join(sorted({slot.name for slot in self.slots}))
            raise NotFound("this service holds no such model", remedy=f"one of {known}")
        quality = await run_in_threadpool(self._quality, name)
        return json_answer(ModelDetail(name, versions, quality))

    async def stats(self, _: Request) -> Response:
        """The last 24 hours of predictions on record, counted at most twice a minute."""
        return json_answer(await run_in_threadpool(self._counted))

    async def health(self, _: Request) -> Response:
        """Which predictors are loaded, from memory: no registry, store or model is asked."""
        champions = [_held(slot) for slot in self.slots if slot.alias == "champion"]
        told: dict[str, Any] = {}
        for family, key in _PREDICTORS.items():
            mine = [one for one in champions if one.model_type == family]
            told[key] = {
                "loaded": all(one.version is not None for one in mine),
                "model_version": mine[0].version if len(mine) == 1 else {m.model_name: m.version for m in mine},
                "model_type": mine[0].algorithm,
            }
        told["load_predictor"]["horizons"] = list(self.enrichment.load.slots)
        healthy = all(one["loaded"] for one in told.values())
        return json_answer({"status": "healthy" if healthy else "degraded", "predictors": told})

    def _kept(self, parts: Parts, prediction_id: str) -> Parts:
        """Count the answers and keep them for feedback."""
        duration, anomaly, load = parts.duration, parts.anomaly, parts.load
        for family, degraded in (("scheduling", duration.degraded), ("anomaly", anomaly.degraded)):
            self.metrics.predictions.inc(family, "fallback" if degraded else "success")
        self.metrics.model_seconds.observe(duration.latency_ms / 1000, "scheduling")
        self.metrics.model_seconds.observe(anomaly.latency_ms / 1000, "anomaly")
        self.metrics.forecasts.inc(str(load.document["model_name"]), "cache" if load.cached else "computed")
        if anomaly.is_anomaly:
            self.metrics.anomalies.inc(anomaly.anomaly_type or "unknown")
        if self.log is not None:
            duration = keep_duration(self.log, duration, prediction_id)
            if load.first:
                keep_forecast(self.log, load)
        return Parts(duration, anomaly, load)

    def _store(self) -> StateStore:
        if self._state is None:
            self._state = self.open_state()
        return self._state

    def _quality(self, name: str) -> dict[str, Any] | None:
        found = self._store().find(MODEL_QUALITY, where={"model_name": name}, newest_first=True, limit=1)
        return dict(found[0].document) if found else None

    def _counted(self) -> PredictionStats:
        now_ms = self.clock.now_ms()
        if self._stats is not None and 0 <= now_ms - self._stats[0] < _FRESH_MS:
            return self._stats[1]
        quality = self._quality(self.enrichment.durations.slot.name) or {}
        mae = quality.get("metrics", {}).get("mae_ms")
        # Page by page: a day's records at once would be more than the service itself.
        records = self._day(now_ms)
        counted = stats_of(islice(records, _MOST_COUNTED), mae, window_hours=DAY_MS // 3_600_000)
        stats = msgspec.structs.replace(counted, complete=next(records, None) is None)
        self._stats = now_ms, stats
        return stats

    def _day(self, now_ms: int) -> Iterator[Record]:
        return chain.from_iterable(pages(self._store(), PREDICTIONS, since_ms=now_ms - DAY_MS, rows=_PAGE))


_PREDICTORS: Final = {
    "scheduling": "scheduling_predictor",
    "load": "load_predictor",
    "anomaly": "anomaly_detector",
}


def _held(slot: ModelSlot) -> HeldModel:
    loaded = slot.current
    family = next(f for f, start in _STARTS.items() if slot.name.startswith(start))
    if loaded is None:
        return HeldModel(slot.name, family, slot.alias, None, None, None, None, None, None, slot.failure)
    until = loaded.artifact.model.lineage.get("as_of_ms")
    return HeldModel(
        slot.name, family, slot.alias, loaded.artifact.model.algorithm, loaded.published.version,
        loaded.artifact.digest, loaded.source, loaded.loaded_at_ms, until if isinstance(until, int) else None, slot.failure,
    )  # fmt: skip


_STARTS: Final = {"anomaly": "anomaly-detector-", "load": "load-predictor-", "scheduling": "scheduling-predictor-"}
