"""Measure live quality of every model now and keep it: run by the drift job, by `hive-ml quality check`, by nobody else."""

from collections.abc import Mapping, Sequence

import msgspec

from neural_hive_ml.conventions import CHAMPION, MODEL_QUALITY, MODELS
from neural_hive_ml.evaluation.records import EVALUATION_FILE, read_judgement
from neural_hive_ml.feedback.quality import ModelQuality, QualityRules, family_of
from neural_hive_ml.feedback.quality_log import predictions, read_outcomes, verdicts_until
from neural_hive_ml.feedback.quality_loss import loss_of
from neural_hive_ml.feedback.quality_measure import Question, measure_detector, measure_durations, measure_load
from neural_hive_ml.registry.port import ModelVersion, Registry
from neural_hive_ml.state.port import Record, StateStore
from neural_hive_ml.tickets.port import TicketStore


def check_quality(
    tickets: TicketStore,
    state: StateStore,
    registry: Registry,
    rules: QualityRules,
    *,
    now_ms: int,
    names: Sequence[str] = MODELS,
    keep: bool = True,
) -> tuple[ModelQuality, ...]:
    """Measure each model that has a champion or predicted in the window; with `keep` write one record a model.

    Predictions of [now - maturity - window, now) are read; verdicts and ends as known at `now_ms`. O(predictions).

    Raises
    ------
    StoreUnavailable, RegistryUnavailable
        When one does not answer: nothing was measured then.
    """
    since_ms = now_ms - rules.maturity_ms - rules.window_ms
    logs = {name: list(predictions(state, name, since_ms, now_ms)) for name in names}
    wanted = {str(r.document["ticket_id"]) for log in logs.values() for r in log if "ticket_id" in r.document}
    outcomes = read_outcomes(tickets, wanted, since_ms - rules.window_ms, now_ms)
    # No verdict is older than the prediction it is about, but one on the ticket's earlier prediction may be.
    said = verdicts_until(state, since_ms - rules.window_ms, now_ms)
    out = []
    for name, log in logs.items():
        champion = registry.resolve(name, CHAMPION)
        if champion is None and not log:
            continue
        asked, family = Question(name, now_ms, rules), family_of(name)
        if family == "anomaly":
            measured = measure_detector(asked, log, said, outcomes)
        elif family == "scheduling":
            measured = measure_durations(asked, log, outcomes)
        else:
            measured = measure_load(asked, log, outcomes)
        version = champion.version if champion is not None else None
        own = measured.versions.get(version, ()) if version is not None else ()
        loss = loss_of(family, own, _promised(registry, champion), rules.f1_objective)
        found = ModelQuality(name, version, now_ms, since_ms, measured, loss)
        if keep:
            state.put(MODEL_QUALITY, Record(f"{name}@{now_ms}", now_ms, found.to_document()))
        out.append(found)
    return tuple(out)


def _promised(registry: Registry, version: ModelVersion | None) -> Mapping[str, float]:
    """Return what a version's evaluation measured on its hold-out; nothing where it was registered without one."""
    held = registry.attached(version, EVALUATION_FILE) if version is not None else None
    if held is None:
        return {}
    try:
        return {m.name: m.value for m in read_judgement(held).evaluation.metrics}
    except msgspec.DecodeError:
        return {}
