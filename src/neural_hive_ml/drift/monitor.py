"""Check the champions against the newest tickets and keep what was found; renew a reference when an operator
asks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.conventions import CHAMPION, DRIFT_RECORDS, FAMILIES, FEATURE_BASELINES, GUIDE_MODELS, Family
from neural_hive_ml.drift.check import FALSE_ALARM_RATE, LEAST_ROWS, check_drift
from neural_hive_ml.drift.lasting import lasting_load_score, lasting_score
from neural_hive_ml.drift.load import check_load
from neural_hive_ml.drift.load_window import days_of_load, load_window
from neural_hive_ml.drift.records import record_of
from neural_hive_ml.drift.report import DriftReport, DriftStatus
from neural_hive_ml.drift.subject import Subject, baseline_key, read_profile, subject_of
from neural_hive_ml.drift.window import answers_of, days_to_read, model_frame, read_recent, window_of
from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.evaluation.load_answers import load_answers
from neural_hive_ml.evaluation.load_profile import LoadProfile, build_load_profile
from neural_hive_ml.evaluation.profile import model_profile
from neural_hive_ml.features.frame import STAGES
from neural_hive_ml.registry.port import Registry
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.state.port import Record, StateStore
from neural_hive_ml.tickets.port import TicketStore


@dataclass(frozen=True, slots=True)
class Checked:
    """A check of one model; `subject` is None, and the report says why, where there was nothing to check."""

    name: str
    report: DriftReport
    subject: Subject | None


def check_model(subject: Subject, tickets: TicketStore, as_of_ms: int, window_hours: float) -> DriftReport:
    """Check one champion against the tickets of the window that ends at `as_of_ms`."""
    if isinstance(subject.profile, LoadProfile):
        return _check_load(subject.model, subject.profile, tickets, as_of_ms, window_hours)
    columns = read_recent(tickets, as_of_ms, days_to_read(subject.model, as_of_ms, window_hours))
    window = window_of(subject.model, columns, as_of_ms, window_hours)
    report = check_drift(
        subject.profile,
        window.rows,
        window.at_ms,
        window.names,
        predictions=window.predictions,
        truth=window.truth,
        window=(window.from_ms, window.until_ms),
    )
    if report.drift_detected:
        lasting = lasting_score(
            report,
            subject.profile,
            window.rows,
            window.at_ms,
            window.names,
            predictions=window.predictions,
            truth=window.truth,
        )
        report = replace(report, lasting_score=lasting)
    width = round((window.until_ms - window.from_ms) / 3_600_000)
    if width != round(window_hours):
        widened = f"the window was widened to {width} h, the {window_hours:g} h held too few tickets"
        report = replace(report, reasons=(*report.reasons, widened))
    return report


def _check_load(
    model: PackedModel, profile: LoadProfile, tickets: TicketStore, as_of_ms: int, window_hours: float
) -> DriftReport:
    window = load_window(model, read_recent(tickets, as_of_ms, days_of_load(window_hours)), as_of_ms, window_hours)
    report = check_load(profile, window.counts, window.first_hour_ms, replay=window.replay)
    if not report.drift_detected:
        return report
    lasting = lasting_load_score(report, profile, window.counts, window.first_hour_ms, replay=window.replay)
    return replace(report, lasting_score=lasting)


def check_champions(
    tickets: TicketStore,
    state: StateStore,
    registry: Registry,
    *,
    as_of_ms: int,
    window_hours: float,
    threshold: float,
    names: Sequence[str] = GUIDE_MODELS,
    keep: bool = True,
) -> tuple[Checked, ...]:
    """Check each model that has a champion and (with `keep`) write one record a model.

    A model whose artifact is damaged or without a profile is `insufficient_data` with the reason: a failure is
    never "no drift".

    Raises
    ------
    StoreUnavailable, RegistryUnavailable
        When a store does not answer: nothing was judged then.
    """
    out = []
    for name in names:
        subject, version = None, registry.resolve(name, CHAMPION)
        if version is None:
            out.append(Checked(name, _nothing("no champion yet", as_of_ms), None))
            continue
        try:
            subject = subject_of(registry, state, version)
            report = check_model(subject, tickets, as_of_ms, window_hours)
        except ArtifactRefused as error:
            report = _nothing(str(error), as_of_ms)
        if keep:
            record = record_of(
                report,
                name=name,
                version=version.version,
                family=_family(name),
                at_ms=as_of_ms,
                threshold=threshold,
            )
            state.put(DRIFT_RECORDS, record)
        out.append(Checked(name, report, subject))
    return tuple(out)


def update_reference(
    subject: Subject, tickets: TicketStore, state: StateStore, *, as_of_ms: int, days: float, actor: str
) -> Mapping[str, Any]:
    """Profile the newest `days` of tickets as the reference of this very version, and keep it.

    What looked like drift until now is then what is expected: an operator's decision, so `actor` is kept with
    it. Returns the stored document.
    """
    if isinstance(subject.profile, LoadProfile):
        hours = days * 24
        columns = read_recent(tickets, as_of_ms, days_of_load(hours))
        load = load_window(subject.model, columns, as_of_ms, hours)
        # A store may be younger than the days asked for.
        counts = np.where(np.arange(len(load.counts)) < load.unknown_hours, np.nan, load.counts)
        profile = build_load_profile(
            counts,
            load.first_hour_ms,
            subject.profile.timezone,
            answers=load_answers(counts, load.replay, load.first_hour_ms),
        )
    else:
        columns = read_recent(tickets, as_of_ms, days)
        frame = model_frame(subject.model, columns)
        predictions = np.full(len(frame.rows), np.nan)
        # Only what the model had not learned from: residuals of its own training data are too small.
        unseen = columns.created_at_ms[frame.ticket] >= int(subject.model.lineage.get("as_of_ms", as_of_ms))
        ended = frame.stage == STAGES["ended"]
        predictions[ended] = np.where(unseen[ended], answers_of(subject.model, frame), np.nan)
        profile = model_profile(
            frame,
            predictions=predictions if np.isfinite(predictions).sum() >= LEAST_ROWS else None,
            of_durations=subject.model.family == "scheduling",
            timezone=subject.profile.timezone,
        )
    read = read_profile(profile, subject.name)
    document = {
        "model_name": subject.name,
        "version": subject.version.version,
        "timestamp_ms": as_of_ms,
        "sample_count": read.rows,
        "from_ms": read.from_ms,
        "until_ms": read.until_ms,
        "days": days,
        "actor": actor,
        "profile": profile,
    }
    state.put(FEATURE_BASELINES, Record(baseline_key(subject.version), as_of_ms, document))
    return document


def reference_days(subject: Subject) -> float:
    """Return how many days a renewed reference should span: as many as the one it replaces, at least four
    weeks.
    """
    return max((subject.profile.until_ms - subject.profile.from_ms) / DAY_MS, 28.0)


def _family(name: str) -> Family:
    return next(family for family in FAMILIES if name.startswith(family))


def _nothing(reason: str, as_of_ms: int) -> DriftReport:
    return DriftReport(
        DriftStatus.INSUFFICIENT_DATA, 0.0, (), 0, 0, as_of_ms, as_of_ms, FALSE_ALARM_RATE, "none", (reason,)
    )
