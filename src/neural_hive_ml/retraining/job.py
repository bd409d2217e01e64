"""One cycle of the job: lease, mend, check drift, decide, train, record. Run by the CronJob, or in a loop.

Killed at any step it leaves the champion serving; the next run mends half-moved aliases and finishes what was
claimed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from neural_hive_ml.clock import HOUR_MS, Clock
from neural_hive_ml.conventions import GUIDE_MODELS, MODELS, RETRAINING_ACTOR
from neural_hive_ml.drift.monitor import Checked, check_champions
from neural_hive_ml.drift.report import DriftReport
from neural_hive_ml.errors import Conflict, HiveError
from neural_hive_ml.feedback.quality import ModelQuality, QualityRules
from neural_hive_ml.feedback.quality_job import check_quality
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.port import Registry
from neural_hive_ml.registry.promotion import reconcile
from neural_hive_ml.retraining.claims import Claim, claim, finish, resume, unfinished
from neural_hive_ml.retraining.control import pause_of
from neural_hive_ml.retraining.events import TrainingOutcome, record_retraining, record_run
from neural_hive_ml.retraining.history import situation_of
from neural_hive_ml.retraining.lease import sole_run
from neural_hive_ml.retraining.policy import Decision, Policy, decide
from neural_hive_ml.rollout.announce import noting
from neural_hive_ml.state.port import StateStore
from neural_hive_ml.tickets.port import TicketStore

# Trains the named models as of a moment and says what became of each. Wired to `flow.train` by the CLI.
Train = Callable[[Sequence[str], int], Sequence[TrainingOutcome]]
Progress = Callable[[str], None]
# An earlier look this long before the present one tells a shift from a blip, when no earlier check is on record.
LOOK_BACK_HOURS = 6


@dataclass(frozen=True, slots=True)
class Desk:
    """What the job works with; `rollout` looks at the rollouts that are under way, `names` are checked for drift."""

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
    rollout: Callable[[], object] = lambda: None
    names: Sequence[str] = GUIDE_MODELS


@dataclass(frozen=True, slots=True)
class CycleResult:
    """What a cycle did. `held_elsewhere` when another run was at work, and this one did nothing."""

    checked: tuple[Checked, ...]
    decision: Decision | None
    outcomes: tuple[TrainingOutcome, ...] = ()
    held_elsewhere: str = ""
    quality: tuple[ModelQuality, ...] = ()

    @property
    def failed(self) -> bool:
        """True when a retraining was tried and failed."""
        return any(not o.success for o in self.outcomes)


def run_cycle(desk: Desk, *, as_of_ms: int, dry_run: bool = False) -> CycleResult:
    """Run one cycle with data as of `as_of_ms`. A dry run checks and decides, writes nothing and trains nothing.

    Raises
    ------
    StoreUnavailable, RegistryUnavailable
        When one does not answer; the run is on record as failed where the store still takes it.
    """
    started = desk.clock.now_ms()
    if dry_run:
        checked = _check(desk, as_of_ms, keep=False)
        return CycleResult(checked, _decide(desk, checked, as_of_ms))
    try:
        with sole_run(desk.state, desk.clock):
            result = _cycle(desk, as_of_ms)
    except Conflict as conflict:
        return CycleResult((), None, held_elsewhere=str(conflict))
    except HiveError as error:
        _record_failure(desk, started, error)
        raise
    outcome = "failed" if result.failed else "succeeded" if result.outcomes else "nothing_to_do"
    reasons = result.decision.reasons if result.decision else ()
    record_run(
        desk.state, job="drift", outcome=outcome, started_at_ms=started, ended_at_ms=desk.clock.now_ms(),
        reasons=reasons,
    )  # fmt: skip
    return result


def _cycle(desk: Desk, as_of_ms: int) -> CycleResult:
    reconcile(desk.registry, desk.state, MODELS, at_ms=desk.clock.now_ms(), note=noting(desk.ledger))
    desk.rollout()
    left = [c for c in (resume(desk.state, u) for u in unfinished(desk.state)) if c is not None]
    outcomes = list(_train(desk, left, as_of_ms)) if left else []
    checked = _check(desk, as_of_ms, keep=True)
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
    reports = {c.name: c.report for c in checked}
    claims = []
    for wish in decision.each:
        if wish.action == "retrain":
            held = claim(
                desk.state,
                name=wish.name,
                trigger=wish.trigger,
                at_ms=as_of_ms,
                reasons=wish.reasons,
                evidence={**wish.evidence, **_drift_evidence(wish.name, reports.get(wish.name))},
            )
            claims += [held] if held is not None else []
    outcomes += _train(desk, claims, as_of_ms)
    return CycleResult(checked, decision, tuple(outcomes), quality=quality)


def _check(desk: Desk, as_of_ms: int, *, keep: bool) -> tuple[Checked, ...]:
    def look(at_ms: int, names: Sequence[str]) -> tuple[Checked, ...]:
        return check_champions(
            desk.tickets, desk.state, desk.registry, as_of_ms=at_ms, window_hours=desk.window_hours,
            threshold=desk.policy.drift_threshold, names=names, keep=keep,
        )  # fmt: skip

    checked = look(as_of_ms, desk.names)
    for one in checked:
        desk.progress(f"{one.name}: {one.report.status}: {'; '.join(one.report.reasons[:3])}")
    strong = [c for c in checked if c.report.drift_detected and c.report.drift_score > desk.policy.drift_threshold]
    strong = [c for c in strong if c.report.lasting_score is None]
    if strong and keep:
        for back in range(1, desk.policy.persistence):
            look(as_of_ms - back * LOOK_BACK_HOURS * HOUR_MS, [c.name for c in strong])
    return checked


def _measure(desk: Desk, *, keep: bool) -> tuple[ModelQuality, ...]:
    """Live quality is of now: predictions are logged by the clock, whatever moment drift is looked at from."""
    found = check_quality(
        desk.tickets, desk.state, desk.registry, desk.quality, now_ms=desk.clock.now_ms(), keep=keep
    )
    for one in found:
        desk.progress(f"{one.name}: live quality: {one.loss.reason}")
    return found


def _decide(desk: Desk, checked: Sequence[Checked], as_of_ms: int) -> Decision:
    pause = pause_of(desk.state)
    situations = [
        situation_of(
            desk.state, desk.tickets, name=c.name, version=c.subject.version.version,
            trained_at_ms=int(c.subject.model.lineage.get("as_of_ms", c.subject.version.created_at_ms)),
            now_ms=as_of_ms, enough=desk.policy.min_new_tickets,
        )
        for c in checked
        if c.subject is not None
    ]  # fmt: skip
    # A pause is the operator's: it holds in the operator's time, which is the clock's.
    paused_until_ms = None
    if pause is not None and pause.until_ms > desk.clock.now_ms():
        paused_until_ms = as_of_ms + pause.until_ms - desk.clock.now_ms()
    return decide(situations, desk.policy, now_ms=as_of_ms, paused_until_ms=paused_until_ms)


def _train(desk: Desk, claims: Sequence[Claim], as_of_ms: int) -> list[TrainingOutcome]:
    if not claims:
        return []
    begun = desk.clock.now_ms()
    names = [c.name for c in claims]
    desk.progress(f"retraining {', '.join(names)}")
    try:
        found = {o.name: o for o in desk.train(names, as_of_ms)}
    except HiveError as error:
        found = {name: TrainingOutcome(name, success=False, error=str(error)) for name in names}
    seconds = (desk.clock.now_ms() - begun) / 1000
    outcomes = []
    for held in claims:
        missing = TrainingOutcome(held.name, success=False, error="the training gave no answer")
        outcome = found.get(held.name, missing)
        record_retraining(desk.state, desk.ledger, held, outcome, seconds=seconds / len(claims))
        finish(desk.state, held, "succeeded" if outcome.success else "failed")
        outcomes.append(outcome)
    return outcomes


def _drift_evidence(name: str, report: DriftReport | None) -> dict[str, object]:
    if report is None or not report.drift_detected:
        return {}
    return {
        "drift_record": f"{name}@{report.until_ms}",
        "drift_score": report.drift_score,
        "drifted_features": [f.name for f in report.drifted],
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
