"""Evidence from the records of the store: pairs in shadow, answers given, labels, live quality."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.conventions import (
    MODEL_QUALITY,
    PREDICTIONS,
    ROLLOUTS,
    SHADOW_PREDICTIONS,
    VERDICTS,
    Family,
)
from neural_hive_ml.evaluation.records import EVALUATION_FILE, read_judgement
from neural_hive_ml.feedback.quality import APART_HOURS
from neural_hive_ml.feedback.verdict import Verdict, by_ticket, resolve
from neural_hive_ml.registry.alias_record import AliasRecord
from neural_hive_ml.registry.port import ModelVersion, Registry
from neural_hive_ml.rollout.evidence import ChampionEvidence, ShadowEvidence, answers_of, shadow_evidence
from neural_hive_ml.rollout.policy import Policy
from neural_hive_ml.state.port import Document, Record, StateStore
from neural_hive_ml.tickets.columns import MISSING_MS
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.tickets.ticket import STATUSES

# The newest are enough to tell, and a check stays quick.
MOST: Final = 10_000
_COMPLETED: Final = STATUSES.index("COMPLETED")


def read_shadow(
    state: StateStore, tickets: TicketStore | None, family: Family, name: str, record: AliasRecord,
    *, now_ms: int, promised_share: float | None,
) -> ShadowEvidence:  # fmt: skip
    """Read what the present challenger said beside the present champion, and the labels that came meanwhile."""
    began_ms = record.challenged.at_ms if record.challenged is not None else now_ms
    since_ms = began_ms if record.crowned is None else max(began_ms, record.crowned.at_ms)
    where: dict[str, str | int] = {
        "model_name": name,
        "model_version": int(record.challenger or 0),
        "champion_version": int(record.champion or 0),
    }
    found = state.find(SHADOW_PREDICTIONS, where=where, since_ms=since_ms, newest_first=True, limit=MOST)
    pairs = [r.document for r in found]
    labels: Mapping[str, float] = {}
    if pairs and family == "anomaly":
        labels = verdict_labels(state, since_ms)
    elif pairs and family == "scheduling" and tickets is not None:
        asked = {str(d.get("ticket_id")) for d in pairs}
        labels = run_times(tickets, asked, since_ms - DAY_MS, now_ms)
    return shadow_evidence(
        family, pairs, labels, hours=max(now_ms - since_ms, 0) / HOUR_MS, promised_share=promised_share
    )


def read_champion(
    state: StateStore, family: Family, name: str, record: AliasRecord, policy: Policy,
    *, now_ms: int, promised_share: float | None,
) -> ChampionEvidence:  # fmt: skip
    """Read what the champion answered since it went live, and its predecessor just before."""
    since_ms = record.crowned.at_ms if record.crowned is not None else now_ms
    now, before = (
        _answers(state, name, version, **bounds)
        for version, bounds in (
            (record.champion, {"since_ms": since_ms}),
            (record.previous, {"until_ms": since_ms}),
        )
    )
    quality = state.find(MODEL_QUALITY, where={"model_name": name}, newest_first=True, limit=50)
    own = _apart(r for r in quality if r.at_ms > since_ms and _of(r.document, record.champion))
    earlier = [r.document for r in quality if r.at_ms <= since_ms]
    return ChampionEvidence(
        family=family,
        hours=max(now_ms - since_ms, 0) / HOUR_MS,
        answers=answers_of(now, policy.slow_ms),
        before=answers_of(before, policy.slow_ms),
        promised_share=promised_share,
        quality_lost=tuple(d.get("lost") for d in own),
        quality_lost_before=earlier[0].get("lost") if earlier else None,
        returnable=record.previous is not None and record.previous not in given_up(state, name),
    )


def _apart(newest_first: Iterable[Record]) -> list[Document]:
    """Leave out measurements made shortly before another: they rest on the same labels."""
    kept: list[Record] = []
    for record in newest_first:
        if not kept or kept[-1].at_ms - record.at_ms >= APART_HOURS * HOUR_MS:
            kept.append(record)
    return [record.document for record in kept]


def given_up(state: StateStore, name: str) -> frozenset[int]:
    """Return the versions of a model that were aborted or rolled back from."""
    found = state.find(ROLLOUTS, where={"model_name": name})
    return frozenset(
        int(r.document["version"]) for r in found if r.document.get("action") in {"abort", "rollback"}
    )


def answered_since(state: StateStore, name: str, since_ms: int) -> bool:
    """Return whether a service answered with this model since then: it is up, and a shadow would see traffic."""
    return bool(state.find(PREDICTIONS, where={"model_name": name}, since_ms=since_ms, limit=1))


def promised(registry: Registry, version: ModelVersion) -> float | None:
    """Return the flagged share that a version had on its hold-out, None where that is not on record."""
    content = registry.attached(version, EVALUATION_FILE)
    if content is None:
        return None
    try:
        metrics = read_judgement(content).evaluation.metrics
    except msgspec.DecodeError:
        return None
    return next((m.value for m in metrics if m.name == "flagged_share"), None)


def verdict_labels(state: StateStore, since_ms: int) -> dict[str, float]:
    """Return what people's verdicts since then add up to, by ticket: 1 anomaly, 0 normal; what is open is left out."""
    records = state.find(VERDICTS, since_ms=since_ms, newest_first=True, limit=MOST)
    groups = by_ticket(Verdict.from_document(r.document) for r in records)
    resolved = {ticket: resolve(group) for ticket, group in groups.items()}
    sure = {"anomaly": 1.0, "normal": 0.0}
    return {t: sure[found.label] for t, found in resolved.items() if found is not None and found.label in sure}


def run_times(tickets: TicketStore, asked: set[str], since_ms: int, until_ms: int) -> dict[str, float]:
    """Return the run times in ms of those tickets that have succeeded."""
    out: dict[str, float] = {}
    for block in tickets.blocks(TicketWindow(since_ms, until_ms + 1)):
        for i, ticket_id in enumerate(block.ticket_id):
            if ticket_id in asked and block.status[i] == _COMPLETED and block.completed_at_ms[i] != MISSING_MS:
                took = block.actual_duration_ms[i]
                if took == MISSING_MS and block.started_at_ms[i] != MISSING_MS:
                    took = block.completed_at_ms[i] - block.started_at_ms[i]
                if took != MISSING_MS:
                    out[ticket_id] = float(took)
    return out


def _answers(state: StateStore, name: str, version: int | None, **bounds: int) -> Sequence[Document]:
    if version is None:
        return ()
    where: dict[str, str | int] = {"model_name": name, "model_version": version}
    found = state.find(
        PREDICTIONS, where=where, since_ms=bounds.get("since_ms"), until_ms=bounds.get("until_ms"),
        newest_first=True, limit=MOST,
    )  # fmt: skip
    return [r.document for r in found]


def _of(document: Document, version: int | None) -> bool:
    return document.get("model_version") in {None, version}
