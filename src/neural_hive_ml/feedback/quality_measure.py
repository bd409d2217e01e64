"""One model's predictions of a window against what became known of them since."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.features.series import GRAIN_MS, completions
from neural_hive_ml.feedback.estimate import cbpe, dle
from neural_hive_ml.feedback.maturity import cohorts, mature
from neural_hive_ml.feedback.quality import Measured, QualityRules, generator_of, ids
from neural_hive_ml.feedback.quality_detector import Judged, detector_figures, tickets_in, unaudited
from neural_hive_ml.feedback.quality_log import Outcomes, Said, number
from neural_hive_ml.feedback.quality_outcomes import (
    a_week_before,
    duration_figures,
    load_figures,
    outcome_figures,
    window_totals,
)
from neural_hive_ml.state.port import Record

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# A forecast's hours are over, and what ended in them has reached the store.
_LOAD_GRACE_MS: Final = HOUR_MS


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: which model, when, by which rules."""

    name: str
    now_ms: int
    rules: QualityRules


def measure_detector(asked: Question, records: Sequence[Record], said: Said, outcomes: Outcomes) -> Measured:
    """Judge a detector by human verdicts; of a ticket's predictions at one stage by one version the last counts.

    Backfilled predictions are judged by how tickets ended only: nobody is asked about the past.
    """
    last = {(d["ticket_id"], d.get("stage"), d["model_version"]): r for r in records if (d := r.document)}
    kept = sorted(last.values(), key=lambda r: (r.at_ms, r.key))
    docs = [r.document for r in kept]
    at_ms = np.array([r.at_ms for r in kept], dtype=np.int64)
    tickets = [str(d["ticket_id"]) for d in docs]
    version = np.array([int(d["model_version"]) for d in docs], dtype=np.int64)
    judged = judged_of(docs, flagged_tickets(r.document for r in records), said)
    flagged, asks, labelled = judged.flagged, judged.asked, judged.answered
    given = np.array([not d.get("backfill") for d in docs], dtype=bool)
    rules = asked.rules
    ripe = mature(at_ms, asks & given, labelled, now_ms=asked.now_ms, maturity_ms=rules.maturity_ms)
    live = ripe & given
    told = np.array([said.last_ms.get(t, 0) for t in tickets], dtype=np.int64)
    late = labelled & (told > at_ms + rules.maturity_ms)
    ends = outcomes.of(tickets)
    score = np.array([number(d, "score") for d in docs], dtype=float)
    scored, elsewhere = np.isfinite(score), judged.kinds[1]
    up = {t for t, r in zip(tickets, asks & given, strict=True) if r}
    answered = len(up.intersection(said.resolved))
    before_end = np.array([d.get("stage") in {"created", "running"} for d in docs], dtype=bool)
    weak = ripe & before_end & np.isfinite(ends.bad)
    without, of = unaudited(judged.where(live))
    return Measured(
        figures=detector_figures(judged.where(live), least_labels=rules.least_labels),
        versions={
            int(v): detector_figures(judged.where(live & (version == v)), least_labels=rules.least_labels)
            for v in np.unique(version)
        },
        predictions=len(kept),
        labels=tickets_in(judged, labelled & live),
        overdue=tickets_in(judged, ripe & ~ends.ended & ~np.isfinite(judged.label)),
        cohorts=cohorts(at_ms, asks & given, labelled, late, ripe),
        estimate=cbpe(
            score[scored], flagged[scored], elsewhere[scored], judged.label[scored], (labelled & live)[scored],
            least_labels=rules.least_labels,
        ),
        by_outcome={**outcome_figures(ends.bad[weak], flagged[weak].astype(float)), "labels": int(weak.sum())}
        if weak.any()
        else {},
        feedback={"asked": len(up), "answered": answered, "rate": answered / len(up) if up else None},
        notes=_notes(without, of),
    )  # fmt: skip


def measure_durations(asked: Question, records: Sequence[Record], outcomes: Outcomes) -> Measured:
    """Judge a duration model by the run times of tickets that succeeded; a ticket's first prediction by a version counts."""
    first: dict[tuple[Any, ...], Record] = {}
    for record in records:
        if record.document.get("p50_ms") is not None and record.document.get("p10_ms") is not None:
            first.setdefault((record.document["ticket_id"], record.document["model_version"]), record)
    kept = list(first.values())
    docs = [r.document for r in kept]
    at_ms = np.array([r.at_ms for r in kept], dtype=np.int64)
    tickets = [str(d["ticket_id"]) for d in docs]
    version = np.array([int(d["model_version"]) for d in docs], dtype=np.int64)
    told = np.array([[number(d, q) for q in ("p10_ms", "p50_ms", "p90_ms")] for d in docs]).reshape(-1, 3)
    ends, rules = outcomes.of(tickets), asked.rules
    everyone = np.ones(len(kept), dtype=bool)
    ripe = mature(at_ms, everyone, ends.ended, now_ms=asked.now_ms, maturity_ms=rules.maturity_ms)
    timed = ripe & np.isfinite(ends.duration_ms)
    rng = generator_of(asked.name, asked.now_ms)

    def figures(part: npt.NDArray[np.bool_]) -> Any:
        return duration_figures(
            ends.duration_ms[part], told[part], at_ms[part], least_labels=rules.least_labels, rng=rng
        )

    late = ends.ended & (np.nan_to_num(ends.at_ms) > at_ms + rules.maturity_ms)
    after_end = int((ends.ended & (np.nan_to_num(ends.at_ms) < at_ms)).sum())
    width = np.maximum(told[:, 2] - told[:, 0], 1.0)
    return Measured(
        figures=figures(timed),
        versions={int(v): figures(timed & (version == v)) for v in np.unique(version)},
        predictions=len(kept),
        labels=int(timed.sum()),
        overdue=int((ripe & ~ends.ended).sum()),
        cohorts=cohorts(at_ms, everyone, ends.ended, late, ripe),
        estimate=dle(
            np.abs(ends.duration_ms - told[:, 1])[timed], width[timed], at_ms[timed], width[~ends.ended],
            least_labels=rules.least_labels, rng=rng,
        ),
        notes=(f"{after_end} predictions were asked for after their ticket had ended",) if after_end else (),
    )  # fmt: skip


def measure_load(asked: Question, records: Sequence[Record], outcomes: Outcomes) -> Measured:
    """Judge forecasts of a horizon by what was completed in it; of an hour's forecasts by a version the first counts."""
    first: dict[tuple[int, Any], Record] = {}
    for record in records:
        if record.document.get("total") is not None and record.document.get("timestamps_ms"):
            first.setdefault((record.at_ms // HOUR_MS, record.document["model_version"]), record)
    kept = list(first.values())
    docs = [r.document for r in kept]
    at_ms = np.array([r.at_ms for r in kept], dtype=np.int64)
    begins = np.array([d["timestamps_ms"][0] for d in docs], dtype=np.int64)
    ends = np.array([d["timestamps_ms"][-1] + d["bucket_minutes"] * 60_000 for d in docs], dtype=np.int64)
    told = np.array([[number(d, q) for q in ("total_lower", "total", "total_upper")] for d in docs]).reshape(-1, 3)
    version = np.array([int(d["model_version"]) for d in docs], dtype=np.int64)
    rules = asked.rules
    over = ends + _LOAD_GRACE_MS <= asked.now_ms
    since = int(begins.min()) - 8 * DAY_MS if len(begins) else asked.now_ms
    known_until = outcomes.known_until_ms // GRAIN_MS * GRAIN_MS
    series = completions(outcomes.columns, known_until, since)
    oldest = int(outcomes.columns.created_at_ms.min()) if len(outcomes.columns) else asked.now_ms
    truth = window_totals(series.counts, series.start_ms, begins, ends)
    naive = window_totals(series.counts, series.start_ms, a_week_before(begins), a_week_before(ends))
    known = over & np.isfinite(truth) & np.isfinite(naive) & (a_week_before(begins) >= oldest)
    horizon = int(asked.name.rsplit("-", 1)[1].removesuffix("m"))
    rng = generator_of(asked.name, asked.now_ms)

    def figures(part: npt.NDArray[np.bool_]) -> Any:
        return load_figures(
            truth[part], told[part], naive[part], at_ms[part], horizon, least_labels=rules.least_labels, rng=rng
        )

    return Measured(
        figures=figures(known),
        versions={int(v): figures(known & (version == v)) for v in np.unique(version)},
        predictions=len(kept),
        labels=int(known.sum()),
        overdue=int((over & ~known).sum()),
        cohorts=cohorts(at_ms, np.ones(len(kept), dtype=bool), known, np.zeros(len(kept), dtype=bool), over),
    )


def _notes(unaudited_count: int, of: int) -> tuple[str, ...]:
    if not unaudited_count:
        return ()
    said = f"{unaudited_count} of {of} predictions of unflagged tickets were made without an audit"
    return (f"{said}: taken to miss as often as the others",)


def flagged_tickets(documents: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the tickets that are in the queue because some prediction, at any stage by any version, flagged them."""
    return {str(d["ticket_id"]) for d in documents if d.get("review") == "flagged"}


def judged_of(documents: Sequence[Mapping[str, Any]], queued: Collection[str], said: Said) -> Judged:
    """Set predictions beside what people said about their tickets."""
    tickets = [str(d["ticket_id"]) for d in documents]
    return Judged(
        flagged=np.array([d.get("decision") == "anomaly" for d in documents], dtype=bool),
        queued=np.array([t in queued for t in tickets], dtype=bool),
        audited=np.array([d.get("review") == "audit" for d in documents], dtype=bool),
        probability=np.nan_to_num(np.array([number(d, "review_probability") for d in documents], dtype=float)),
        label=np.array([said.label(t) for t in tickets], dtype=float),
        ticket=ids(tickets),
    )
