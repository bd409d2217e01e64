"""Durations and load forecasts as the prediction log keeps them."""

from functools import partial

import msgspec

from neural_hive_ml.serving.orchestrator.duration import DurationAnswer
from neural_hive_ml.serving.orchestrator.load import LoadAnswer
from neural_hive_ml.serving.prediction_log import PredictionLog, new_id
from neural_hive_ml.state.port import Record


def keep_duration(log: PredictionLog, answer: DurationAnswer, prediction_id: str = "") -> DurationAnswer:
    """Queue a duration; return it with the id that it is kept under, by default a new one."""
    named = msgspec.structs.replace(answer, prediction_id=prediction_id or new_id())
    log.keep(partial(duration_record, named, log.clock.now_ms()))
    return named


def keep_forecast(log: PredictionLog, answer: LoadAnswer) -> None:
    """Queue a forecast of the present."""
    log.keep(partial(_load_record, answer, new_id()))


def duration_record(answer: DurationAnswer, at_ms: int) -> Record:
    """Return an answer as a record; its `prediction_id` is the key."""
    told = msgspec.to_builtins(answer)
    key = told.pop("prediction_id")
    decision = "unknown" if answer.p50_ms is None else f"{answer.p50_ms:.0f} ms"
    document = {**told, "service": "orchestrator-dynamic", "family": "scheduling", "stage": "created"}
    return Record(key, at_ms, {**document, "decision": decision})


def _load_record(answer: LoadAnswer, key: str) -> Record:
    total = answer.document["total"]
    decision = "unknown" if total is None else f"{total:.1f} completions"
    document = {**answer.document, "service": "orchestrator-dynamic", "family": "load", "decision": decision}
    return Record(key, int(answer.document["at_ms"]), document)
