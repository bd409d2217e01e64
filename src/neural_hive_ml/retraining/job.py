"""One cycle of the job: lease, mend, check drift, decide, train, record. Run by the CronJob, or in a loop.

Killed at any step it leaves the champion serving; the next run mends half-moved aliases and finishes what was
claimed.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from neural_hive_ml.clock import HOUR_MS, Clock
from neural_hive_ml.conventions import GUIDE_MODELS, RETRAINING_ACTOR, family_of
from neural_hive_ml.drift.monitor import Checked, check_champions
from neural_hive_ml.drift.records import document_of, mark_answered, record_key
from neural_hive_ml.drift.report import DriftReport
from neural_hive_ml.errors import Conflict, HiveError
from neural_hive_ml.feedback.quality import ModelQuality, QualityRules
from neural_hive_ml.feedback.quality_job import check_quality
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.port import Registry
from neural_hive_ml.retraining.attempt import answer, left_behind
from neural_hive_ml.retraining.claims import Claim, claim
from neural_hive_ml.retraining.control import paused_until
from neural_hive_ml.retraining.events import TrainingOutcome, record_run
from neural_hive_ml.retraining.history import drift_check, quality_check, situation_of
from neural_hive_ml.retraining.lease import PATIENCE_SECONDS, Hold, sole_run
from neural_hive_ml.retraining.policy import Decision, ModelSituation, Policy, decide
from neural_hive_ml.rollout.mend import mend
from neural_hive_ml.state.port import StateStore
from neural_hive_ml.tickets.port import TicketStore

# Trains a named model as of a moment, in so many seconds, and says what became of it. Wired to `flow.train` by the CLI.
Train = Callable[[str, int, float], TrainingOutcome]
Progress = Callable[[str], None]
# All retrainings of a cycle together: well below the deadline that Kubernetes holds its job to.
TRAIN_SECONDS = 3600.0
# An earlier look this long before the present one tells a shift from a blip, when no earlier check is on record.
LOOK_BACK_HOURS = 6


@dataclass(frozen=True, slots=True)
class Desk:
    """What the job works with; `rollout` looks at the rollouts that are under way, `names` are checked for drift.

    `train_seconds` is for all trainings of a cycle; another run is waited for `patience_seconds`: it may be dead.
    """

    tickets: TicketStore
    state: StateStore
    registry: Registry
    ledger: Ledger
    clock: Clock
    train: Train
    policy: Policy
    quality: QualityRules = field(default_factory=QualityRules)
    window_hours: float = 24.0
    progress: Progress = lambda _line: None
    rollout: Callable[[], Sequence[str]] = lambda: ()
    names: Sequence[str] = GUIDE_MODELS
    train_seconds: float = TRAIN_SECONDS
    patience_seconds: float = PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class CycleResult:
    """What a cycle did. `held_elsewhere` when another run was at work, and this one did nothing; `faults` are rollouts
    that could not be carried out."""

    checked: tuple[Checked, ...]
    decision: Decision | None
    outcomes: tuple[TrainingOutcome, ...] = ()
    held_elsewhere: str = ""
    quality: tuple[ModelQuality, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """True when a retraining, or a rollback, was tried and failed."""
        return bool(self.faults) or any(not o.success for o in self.outcomes)


def run_cycle(desk: Desk, *, as_of_ms: int, dry_run: bool = False) -> CycleResult:
    """Run one cycle with data as of `as_of_ms`. A dry run checks and decides, writes nothing and trains nothing.

    Raises
    ------
    StoreUnavailable, RegistryUnavailable
        When one does not answer; the run is on record as failed where the store still takes it.
    Conflict
        When the run lost its lease to another one before it trained; it is on record as failed.
    """
    started = desk.clock.now_ms()
    if dry_run:
        checked, earlier = _check(desk, as_of_ms, keep=False)
        quality = _measure(desk, keep=False)
        decision = _decide(desk, checked, as_of_ms, (*checked, *earlier), quality)
        return CycleResult(checked, decision, quality=quality)
    with ExitStack() as stack:
        try:
            hold = stack.enter_context(sole_run(desk.state, desk.clock, patience_seconds=desk.patience_seconds))
        except Conflict as conflict:
            return CycleResult((), None, held_elsewhere=str(conflict))
        except HiveError as error:
            _record_failure(desk, started, error)
            raise
        try:
            result = _cycle(desk, hold, as_of_ms)
        except HiveError as error:
            _record_failure(desk, started, error)
            raise
    outcome = "failed" if result.failed else "succeeded" if result.outcomes else "nothing_to_do"
    reasons = result.decision.reasons if result.decision else ()
    record_run(
        desk.state, job="drift", outcome=outcome, started_at_ms=started, ended_at_ms=desk.clock.now_ms(),
        reasons=[*result.faults, *reasons],
    )  # fmt: skip
    return result


def _cycle(desk: Desk, hold: Hold, as_of_ms: int) -> CycleResult:
    mend(desk.registry, desk.ledger, at_ms=desk.clock.now_ms(), progress=desk.progress)
    faults = tuple(desk.rollout())
    until_ms = desk.clock.now_ms() + round(desk.train_seconds * 1000)
    outcomes = _finish_left(desk, hold, as_of_ms, until_ms)
    checked, _ = _check(desk, as_of_ms, keep=True)
    quality = _measure(desk, keep=True)
    for one in checked:
        if one.report.drift_detected and one.subject is not None:
            desk.ledger.append(
                "drift", one.name, _drift_payload(one.report), at_ms=as_of_ms, actor=RETRAINING_ACTOR
            )
    decision = _decide(desk, checked, as_of_ms)
    for reason in decision.reasons:
        desk.progress(reason)
    if decision.action != "nothing":
        payload = {"action": decision.action, "models": decision.models, "reasons": decision.reasons,
                   "evidence": decision.evidence}  # fmt: skip
        desk.ledger.append("decision", "retraining", payload, at_ms=as_of_ms, actor=RETRAINING_ACTOR)
    found = {c.name: c for c in checked}
    for wish in decision.each:
        if wish.action != "retrain" or _spent(desk, wish.name, until_ms):
            continue
        hold.require()
        evidence = {**wish.evidence, **_drift_evidence(found.get(wish.name), as_of_ms)}
        held = claim(
            desk.state,
            name=wish.name,
            trigger=wish.trigger,
            at_ms=as_of_ms,
            reasons=wish.reasons,
            evidence=evidence,
        )
        if held is not None:
            if wish.trigger == "drift" and "drift_record" in evidence:
                mark_answered(desk.state, str(evidence["drift_record"]), at_ms=desk.clock.now_ms())
            outcomes.append(_train(desk, hold, held, as_of_ms, until_ms))
    return CycleResult(checked, decision, tuple(outcomes), quality=quality, faults=faults)


def _finish_left(desk: Desk, hold: Hold, as_of_ms: int, until_ms: int) -> list[TrainingOutcome]:
    """Answer what dead runs had claimed; during a pause it is left for the run after it."""
    if paused_until(desk.state, desk.clock.now_ms()) is not None:
        return []
    again, given_up = left_behind(hold, desk.ledger)
    return [*given_up, *(_train(desk, hold, held, as_of_ms, until_ms) for held in again)]


def _train(desk: Desk, hold: Hold, held: Claim, as_of_ms: int, until_ms: int) -> TrainingOutcome:
    desk.progress(f"retraining {held.name}")
    seconds = max((until_ms - desk.clock.now_ms()) / 1000, 1.0)
    return answer(hold, desk.ledger, held, partial(desk.train, held.name, as_of_ms, seconds))


def _spent(desk: Desk, name: str, until_ms: int) -> bool:
    """Whether the cycle's time for training is over: what is not claimed is decided anew by the next run."""
    spent = desk.clock.now_ms() >= until_ms
    if spent:
        desk.progress(f"{name}: left to the next run, {desk.train_seconds:,.0f} s of training are spent")
    return spent


def _check(desk: Desk, as_of_ms: int, *, keep: bool) -> tuple[tuple[Checked, ...], tuple[Checked, ...]]:
    """Return the checks of now, and the earlier looks that tell whether what was found persists."""

    def look(at_ms: int, names: Sequence[str]) -> tuple[Checked, ...]:
        return check_champions(
            desk.tickets, desk.state, desk.registry, as_of_ms=at_ms, window_hours=desk.window_hours,
            threshold=desk.policy.drift_threshold, names=names, keep=keep,
        )  # fmt: skip

    checked = look(as_of_ms, desk.names)
    for one in checked:
        desk.progress(f"{one.name}: {one.report.status}: {'; '.join(one.report.reasons[:3])}")
    strong = [c for c in checked if c.report.drift_detected and c.report.drift_score > desk.policy.drift_threshold]
    unsure = [c.name for c in strong if c.report.lasting_score is None]
    earlier: list[Checked] = []
    for back in range(1, desk.policy.persistence if unsure else 1):
        earlier += look(as_of_ms - back * LOOK_BACK_HOURS * HOUR_MS, unsure)
    return checked, tuple(earlier)


def _measure(desk: Desk, *, keep: bool) -> tuple[ModelQuality, ...]:
    """Live quality is of now: predictions are logged by the clock, whatever moment drift is looked at from."""
    found = check_quality(
        desk.tickets, desk.state, desk.registry, desk.quality, now_ms=desk.clock.now_ms(), keep=keep
    )
    for one in found:
        desk.progress(f"{one.name}: live quality: {one.loss.reason}")
    return found


def _decide(
    desk: Desk,
    checked: Sequence[Checked],
    as_of_ms: int,
    looks: Sequence[Checked] = (),
    quality: Sequence[ModelQuality] = (),
) -> Decision:
    """Decide from the records, and from `looks` and `quality` where these were not recorded."""
    situations = [
        _with_found(
            situation_of(
                desk.state, desk.tickets, name=c.name, version=c.subject.version.version,
                trained_at_ms=int(c.subject.model.lineage.get("as_of_ms", c.subject.version.created_at_ms)),
                now_ms=as_of_ms, enough=desk.policy.min_new_tickets,
            ),
            looks, [q for q in quality if q.at_ms <= as_of_ms],
        )
        for c in checked
        if c.subject is not None
    ]  # fmt: skip
    # A pause is the operator's: it holds in the operator's time, which is the clock's.
    until_ms = paused_until(desk.state, desk.clock.now_ms())
    paused_until_ms = None if until_ms is None else as_of_ms + until_ms - desk.clock.now_ms()
    return decide(situations, desk.policy, now_ms=as_of_ms, paused_until_ms=paused_until_ms)


def _with_found(
    situation: ModelSituation, looks: Sequence[Checked], quality: Sequence[ModelQuality]
) -> ModelSituation:
    """Add what was found and not recorded, as its record would say it."""
    checks = [
        drift_check(c.report.until_ms, document_of(
            c.report, name=c.name, version=c.subject.version.version, family=family_of(c.name),
            at_ms=c.report.until_ms, threshold=0.0,
        ))
        for c in looks
        if c.name == situation.name and c.subject is not None
    ]  # fmt: skip
    measured = [quality_check(q.at_ms, q.to_document()) for q in quality if q.name == situation.name]
    return replace(
        situation,
        checks=tuple(sorted((*checks, *situation.checks), key=lambda c: -c.at_ms)),
        quality=tuple(sorted((*measured, *situation.quality), key=lambda q: -q.at_ms)),
    )


def _drift_evidence(found: Checked | None, as_of_ms: int) -> dict[str, object]:
    if found is None or found.subject is None or not found.report.drift_detected:
        return {}
    return {
        "drift_record": record_key(found.name, found.subject.version.version, as_of_ms),
        "drift_score": found.report.drift_score,
        "drifted_features": [f.name for f in found.report.drifted],
    }


def _drift_payload(report: DriftReport) -> dict[str, object]:
    return {
        "status": report.status.value, "drift_detected": report.drift_detected, "drift_score": report.drift_score,
        "rows": report.rows, "reasons": list(report.reasons[:8]),
    }  # fmt: skip


def _record_failure(desk: Desk, started: int, error: HiveError) -> None:
    try:
        record_run(
            desk.state, job="drift", outcome="failed", started_at_ms=started, ended_at_ms=desk.clock.now_ms(),
            reasons=[str(error)],
        )  # fmt: skip
    except HiveError as second:
        desk.progress(f"the failure could not be recorded: {second}")
