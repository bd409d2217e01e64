"""The model slots of a service under watch: looked at in the background, what came of it told in metrics and health."""

import asyncio
import gc
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from starlette.concurrency import run_in_threadpool

from neural_hive_ml.clock import Clock
from neural_hive_ml.conventions import CHAMPION
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.observability.metrics import PredictingMetrics
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.scoring.duration import DurationScorer
from neural_hive_ml.serving.slot import LoadedModel, ModelSlot, RefreshResult, nothing
from neural_hive_ml.serving.statistics_source import LiveStatistics

log = structlog.get_logger("serving")
# Without a model look again this soon.
_EAGER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ModelWatch:
    """The slots of a service and the live statistics that its models read features from.

    `slots` hold champions, which answer; `challengers` run in shadow beside them.
    """

    slots: Sequence[ModelSlot]
    statistics: LiveStatistics
    clock: Clock
    metrics: PredictingMetrics
    refresh_seconds: float
    challengers: Sequence[ModelSlot] = ()

    def refresh(self) -> dict[str, dict[str, object]]:
        """Look at the source of every slot; return what came of each, by model name. Runs in a worker thread."""
        found: dict[str, dict[str, object]] = {}
        for slot in self.slots:
            result = self._refresh(slot)
            found[slot.name] = result  # the name that it holds now: a look may change it
        for slot in self.challengers:
            result = self._refresh(slot)
            if result["version"] is not None or result["outcome"] != "unchanged":
                found.setdefault(slot.name, {})["challenger"] = result
        self.show_statistics()
        return found

    async def keep_refreshing(self) -> None:
        """Refresh for ever: soon again while a model is missing, else at the configured pace."""
        settled = False
        while True:
            try:
                await run_in_threadpool(self.refresh)
            except Exception:
                # A service that stops looking would serve an old model for ever, and nobody would know.
                log.exception("serving.refresh_failed")
            complete = all(slot.current for slot in self.slots)
            if complete and not settled:
                # What is here now stays as long as the process: a full round of the garbage collector over it
                # takes 50 ms, in the middle of an answer. What comes later is collected as ever, and models are
                # freed as they are swapped.
                gc.freeze()
                settled = True
            await asyncio.sleep(self.refresh_seconds if complete else min(self.refresh_seconds, _EAGER_SECONDS))

    def show_statistics(self) -> None:
        """Tell how far the statistics are."""
        statistics = self.statistics.current
        self.metrics.statistics_sequence.set(statistics.sequence)
        self.metrics.statistics_as_of.set(statistics.as_of_ms / 1000)

    def _refresh(self, slot: ModelSlot) -> dict[str, object]:
        before = slot.name
        try:
            result = slot.refresh(self._feed if slot.alias == CHAMPION else nothing)
        except Exception as error:
            # What nobody foresaw about one model must not keep the others from being looked at.
            log.exception("serving.refresh_failed", model=slot.name, alias=slot.alias)
            result = RefreshResult("failed", f"{type(error).__name__}: {error}", "other")
        if slot.name != before:
            self._hide(before, slot.alias)
        loaded = slot.current
        self._show_source(slot, result)
        if loaded is not None:
            if slot.alias == CHAMPION and result.outcome == "swapped":
                self.metrics.swaps.inc(loaded.published.name)
            self._show_model(slot, loaded)
        elif result.outcome == "withdrawn":
            self._hide(slot.name, slot.alias)
        version = loaded.published.version if loaded else None
        return {"outcome": result.outcome, "reason": result.reason, "version": version}

    def _feed(self, loaded: LoadedModel) -> None:
        """Features are the champion's: its snapshot begins the statistics, its binding reads them, before it answers."""
        scorer = loaded.artifact.scorer
        if isinstance(scorer, AnomalyScorer | DurationScorer):
            self.statistics.begin(Statistics.restore(loaded.artifact.model.statistics), scorer.binding)

    def _show_source(self, slot: ModelSlot, result: RefreshResult) -> None:
        if result.outcome == "failed" and result.kind not in {"", "refused_before"}:
            self.metrics.load_errors.inc(slot.name, result.kind)
        if result.kind != "unreachable":
            self.metrics.source_contact.set(self.clock.now_ms() / 1000)
        self.metrics.dependency_up.set(0 if result.kind == "unreachable" else 1, "registry")

    def _hide(self, name: str, alias: str) -> None:
        self.metrics.model_version.clear(name, alias)
        self.metrics.model_info.hide(name, alias)
        if alias == CHAMPION:
            self.metrics.model_trained.clear(name)

    def _show_model(self, slot: ModelSlot, loaded: LoadedModel) -> None:
        version, artifact = loaded.published.version, loaded.artifact
        self.metrics.model_version.set(version, slot.name, slot.alias)
        self.metrics.model_info.show(slot.name, slot.alias, str(version), artifact.digest[:16])
        until = artifact.model.lineage.get("as_of_ms")
        if isinstance(until, int) and slot.alias == CHAMPION:
            self.metrics.model_trained.set(until / 1000, slot.name)

    def challenger_states(self) -> dict[str, object]:
        """Return what runs in shadow, and what should but is refused, by model name."""
        return {
            slot.name: {"model": self.model_state(slot), "failure": slot.failure}
            for slot in self.challengers
            if slot.current is not None or slot.failure
        }

    def model_state(self, slot: ModelSlot) -> dict[str, object] | None:
        """Return what a slot serves, from where, since when; None without a model."""
        loaded = slot.current
        if loaded is None:
            return None
        return {
            "name": loaded.published.name,
            "version": loaded.published.version,
            "digest": loaded.artifact.digest,
            "source": loaded.source,
            "golden_rows": loaded.artifact.golden_rows,
            "age_s": max(self.clock.now_ms() - loaded.loaded_at_ms, 0) // 1000,
        }

    def statistics_state(self) -> dict[str, int]:
        """Return which snapshot of the statistics features are made from."""
        statistics = self.statistics.current
        return {"sequence": statistics.sequence, "as_of_ms": statistics.as_of_ms}
