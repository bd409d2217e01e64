"""The retraining policy: a pure function of what is known to a decision with reasons.

It answers, in this order: what asks for it (drift that persists, live quality that is lost, age, new labels)? and is
it allowed (no pause, nothing in shadow, new data, cooldown, weekly budget)? Nothing is retrained on one noisy check.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from neural_hive_ml.clock import DAY_MS, HOUR_MS, WEEK_MS
from neural_hive_ml.feedback.quality import APART_HOURS

Action = Literal["retrain", "wait", "nothing"]
Trigger = Literal["drift", "live_quality", "age", "new_labels", "none"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The knobs, each with the guide's or the issue's default.

    Drift asks for retraining when `drift_detected` and score > `drift_threshold`, and it lasts: what is off in the
    newest three quarters of the window too has that score by itself, or (where that cannot be told) it is so in
    `persistence` checks in a row. Lost live quality asks after `quality_persistence` measurements in a row, at
    least `quality_apart_hours` from each other (the job makes one every six hours).
    After a retraining both are disarmed until a check is quiet (score <= `rearm_share` of the threshold, or no
    drift; quality kept), or a cooldown has passed twice: what is not cured by retraining is not retrained for
    ever. Age and new labels count from the last attempt.
    """

    drift_threshold: float = 0.2
    persistence: int = 2
    rearm_share: float = 0.75
    cooldown_hours: float = 24.0
    weekly_budget: int = 3
    min_new_tickets: int = 200
    max_age_days: float = 30.0
    min_new_labels: int = 200
    quality_persistence: int = 2
    quality_apart_hours: float = APART_HOURS


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """One recorded check; `score` None where there was no answer, `lasting_score` that of what lasts: see
    `drift.report.DriftReport`."""

    at_ms: int
    detected: bool
    score: float | None
    version: int
    features: tuple[str, ...] = ()
    lasting_score: float | None = None


@dataclass(frozen=True, slots=True)
class QualityCheck:
    """One recorded live quality of a version; `lost`: its whole interval lies beyond the objective. None: unknown."""

    at_ms: int
    lost: bool | None
    value: float | None = None
    objective: float | None = None
    version: int | None = None
    metric: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An earlier retraining, successful or not, automatic or by hand."""

    at_ms: int
    success: bool
    automatic: bool = True


@dataclass(frozen=True, slots=True)
class ModelSituation:
    """What is known of one model: histories newest first; `new_tickets` were created since it was trained, `new_labels`
    given since it was trained or last tried, `challenger` the version that runs in shadow."""

    name: str
    version: int
    trained_at_ms: int
    checks: Sequence[DriftCheck] = ()
    quality: Sequence[QualityCheck] = ()
    attempts: Sequence[Attempt] = ()
    new_tickets: int = 0
    new_labels: int = 0
    challenger: int | None = None


@dataclass(frozen=True, slots=True)
class ModelDecision:
    """The decision about one model."""

    name: str
    action: Action
    trigger: Trigger
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about all models: `action` is ``retrain`` when any is to be retrained, else ``wait`` or
    ``nothing``.
    """

    action: Action
    models: tuple[str, ...]
    reasons: tuple[str, ...]
    each: tuple[ModelDecision, ...] = ()

    @property
    def evidence(self) -> Mapping[str, Any]:
        """What each model's decision rests on."""
        return {d.name: dict(d.evidence) for d in self.each}


def decide(
    situations: Sequence[ModelSituation], policy: Policy, *, now_ms: int, paused_until_ms: int | None = None
) -> Decision:
    """Decide about every model. Pure; O(history)."""
    each = tuple(decide_model(s, policy, now_ms=now_ms, paused_until_ms=paused_until_ms) for s in situations)
    chosen = tuple(d.name for d in each if d.action == "retrain")
    waiting = any(d.action == "wait" for d in each)
    action: Action = "retrain" if chosen else "wait" if waiting else "nothing"
    return Decision(action, chosen, tuple(f"{d.name}: {r}" for d in each for r in d.reasons), each)


def decide_model(
    situation: ModelSituation, policy: Policy, *, now_ms: int, paused_until_ms: int | None = None
) -> ModelDecision:
    """Decide about one model."""
    trigger, why = wanted(situation, policy, now_ms)
    evidence: dict[str, Any] = {
        "version": situation.version,
        "age_days": round((now_ms - situation.trained_at_ms) / DAY_MS, 2),
        "new_tickets": situation.new_tickets,
        "new_labels": situation.new_labels,
        "scores": [c.score for c in situation.checks[: policy.persistence]],
    }
    if trigger == "none":
        return ModelDecision(situation.name, "nothing", trigger, (why,), evidence)
    refused = refusal(situation, policy, now_ms, paused_until_ms)
    if refused:
        return ModelDecision(situation.name, "wait", trigger, (why, refused), evidence)
    return ModelDecision(situation.name, "retrain", trigger, (why,), evidence)


def wanted(situation: ModelSituation, policy: Policy, now_ms: int) -> tuple[Trigger, str]:
    """Return what asks for a retraining and why; ``none`` and the reason otherwise."""
    drift, why = _drift_asks(situation, policy, now_ms)
    if drift:
        return "drift", why
    lost, told = _quality_asks(situation, policy, now_ms)
    if lost:
        return "live_quality", told
    why = f"{why}; {told}" if told else why
    age_days = (now_ms - situation.trained_at_ms) / DAY_MS
    tried_days = (now_ms - max((a.at_ms for a in situation.attempts), default=situation.trained_at_ms)) / DAY_MS
    if min(age_days, tried_days) > policy.max_age_days:
        return "age", f"trained {age_days:.0f} days ago, at most {policy.max_age_days:.0f} are wanted"
    if situation.new_labels >= policy.min_new_labels:
        return "new_labels", f"{situation.new_labels} labels since the last training"
    return "none", why


def refusal(situation: ModelSituation, policy: Policy, now_ms: int, paused_until_ms: int | None = None) -> str:
    """Return why an asked-for retraining must not run now, empty when it may."""
    if paused_until_ms is not None and now_ms < paused_until_ms:
        return f"an operator paused retraining for {(paused_until_ms - now_ms) / HOUR_MS:.1f} h more"
    if situation.challenger is not None:
        return f"version {situation.challenger} is in shadow, and is judged before another one is trained"
    if situation.new_tickets < policy.min_new_tickets:
        return f"{situation.new_tickets} new tickets since the last training, {policy.min_new_tickets} are needed"
    if situation.attempts:
        since_hours = (now_ms - max(a.at_ms for a in situation.attempts)) / HOUR_MS
        if since_hours < policy.cooldown_hours:
            return f"cooldown: last attempt {since_hours:.1f} h ago, {policy.cooldown_hours:g} h must pass"
    spent = sum(a.automatic and a.at_ms > now_ms - WEEK_MS for a in situation.attempts)
    if spent >= policy.weekly_budget:
        return f"weekly budget: {spent} of {policy.weekly_budget} automatic retrainings in 7 days are spent"
    return ""


def _drift_asks(situation: ModelSituation, policy: Policy, now_ms: int) -> tuple[bool, str]:
    checks = [c for c in situation.checks if c.version == situation.version and c.score is not None]
    if not checks:
        return False, "no drift check with an answer yet"
    strong = [c.detected and c.score is not None and c.score > policy.drift_threshold for c in checks]
    newest = checks[0]
    if not strong[0]:
        seen = "detected" if newest.detected else "not detected"
        return False, f"drift {seen}, score {newest.score:.3f} (threshold {policy.drift_threshold:g})"
    run = next((i for i, s in enumerate(strong) if not s), len(strong))
    if newest.lasting_score is None and run < policy.persistence:
        return False, f"drift in {run} check in a row, {policy.persistence} are needed"
    if newest.lasting_score is not None and newest.lasting_score <= policy.drift_threshold:
        return False, (
            f"drift with score {newest.score:.3f}, of which {newest.lasting_score:.3f} lasts (threshold "
            f"{policy.drift_threshold:g}): it may be a burst"
        )
    last = _last_attempt(situation)
    if last is not None and not _rearmed(checks, last, policy, now_ms):
        return (
            False,
            "still the drift that the last retraining was for; waiting for a quiet check or two cooldowns",
        )
    named = ", ".join(newest.features[:3]) or "several features"
    lasts = f"in {run} checks in a row" if newest.lasting_score is None else "that lasts"
    return True, f"drift {lasts}, score {newest.score:.3f} > {policy.drift_threshold:g} ({named})"


def _quality_asks(situation: ModelSituation, policy: Policy, now_ms: int) -> tuple[bool, str]:
    own = [q for q in situation.quality if q.version in {None, situation.version}]
    recent = [q for q in own if q.at_ms >= situation.trained_at_ms and q.lost is not None]
    losing = next((i for i, q in enumerate(recent) if not q.lost), len(recent))
    if not losing:
        return False, ""
    # Measurements of one hour rest on the same labels: they are one.
    run, counted = 0, recent[0].at_ms + policy.quality_apart_hours * HOUR_MS
    for q in recent[:losing]:
        if counted - q.at_ms >= policy.quality_apart_hours * HOUR_MS:
            run, counted = run + 1, q.at_ms
    if run < policy.quality_persistence:
        return False, f"live quality lost in {run} measurement, {policy.quality_persistence} in a row are needed"
    last = _last_attempt(situation)
    quiet = last is None or any(q.at_ms > last and not q.lost for q in recent)
    if last is not None and not quiet and now_ms - last < 2 * policy.cooldown_hours * HOUR_MS:
        return False, "live quality is still as the last retraining found it; waiting for two cooldowns"
    newest = recent[0]
    value = "unknown" if newest.value is None else f"{newest.value:.3g}"
    objective = "unknown" if newest.objective is None else f"{newest.objective:.3g}"
    name = f" ({newest.metric})" if newest.metric else ""
    return True, f"live quality{name} {value} lost its objective {objective} in {run} measurements in a row"


def _last_attempt(situation: ModelSituation) -> int | None:
    return max((a.at_ms for a in situation.attempts if a.automatic), default=None)


def _rearmed(checks: Sequence[DriftCheck], last_ms: int, policy: Policy, now_ms: int) -> bool:
    if now_ms - last_ms >= 2 * policy.cooldown_hours * HOUR_MS:
        return True
    level = policy.rearm_share * policy.drift_threshold
    return any(c.at_ms > last_ms and (not c.detected or (c.score or 0.0) <= level) for c in checks)
