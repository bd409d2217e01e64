"""A policy replayed over history: what would it have retrained, when, and how long would models have been
stale?
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.drift.report import DriftReport, DriftStatus
from neural_hive_ml.retraining.policy import Attempt, DriftCheck, ModelSituation, Policy, decide_model


class World(Protocol):
    """History that answers a policy's questions; retraining changes what later checks compare with."""

    def check(self, at_ms: int) -> DriftReport:
        """Check drift of the window that ends at a moment; `lasting_score` set where it was found."""
        ...

    def retrain(self, at_ms: int) -> None:
        """Learn from the data up to a moment."""
        ...

    def new_tickets(self, since_ms: int, until_ms: int) -> int:
        """Count tickets of a span."""
        ...

    def loss(self, at_ms: int) -> float | None:
        """Return how wrong the present model is just then (lower is better), None where it cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class Replay:
    """What a policy did. `alarms` are checks that detected drift; `stale_hours` those during which drift above
    the threshold stood unanswered; `loss` the mean loss over the steps (None: not measured)."""

    policy: Policy
    checks: int
    answered: int
    alarms: int
    retrains: tuple[tuple[int, str], ...]
    waited: int
    stale_hours: float
    loss: float | None


def replay(
    world: World,
    policy: Policy,
    *,
    from_ms: int,
    until_ms: int,
    step_hours: float = 6.0,
    trained_at_ms: int | None = None,
) -> Replay:
    """Step through [from, until): check, decide, retrain where decided; O(steps history).

    The world is as trained at `trained_at_ms` (default: `from_ms`); it is retrained by calling it.
    """
    step_ms = round(step_hours * HOUR_MS)
    trained, version = trained_at_ms if trained_at_ms is not None else from_ms, 1
    checks: list[DriftCheck] = []
    attempts: list[Attempt] = []
    retrains: list[tuple[int, str]] = []
    losses: list[float] = []
    answered = alarms = waited = 0
    stale_ms = 0
    for at_ms in range(from_ms + step_ms, until_ms, step_ms):
        report = world.check(at_ms)
        detected = report.drift_detected
        score = None if report.status is DriftStatus.INSUFFICIENT_DATA else report.drift_score
        features = tuple(f.name for f in report.drifted)
        checks.insert(0, DriftCheck(at_ms, detected, score, version, features, report.lasting_score))
        del checks[50:]
        answered += score is not None
        alarms += detected
        loss = world.loss(at_ms)
        losses += [loss] if loss is not None else []
        situation = ModelSituation(
            "model", version, trained, tuple(checks), (), tuple(attempts), world.new_tickets(trained, at_ms)
        )
        decision = decide_model(situation, policy, now_ms=at_ms)
        stands = detected and score is not None and score > policy.drift_threshold
        if decision.action == "retrain":
            world.retrain(at_ms)
            trained, version = at_ms, version + 1
            attempts.insert(0, Attempt(at_ms, success=True))
            retrains.append((at_ms, "; ".join(decision.reasons)))
        else:
            waited += decision.action == "wait"
            stale_ms += step_ms if stands else 0
    steps = max((until_ms - from_ms - 1) // step_ms, 0)
    mean = sum(losses) / len(losses) if losses else None
    return Replay(policy, steps, answered, alarms, tuple(retrains), waited, stale_ms / HOUR_MS, mean)


def with_thresholds(policy: Policy, thresholds: Sequence[float]) -> tuple[Policy, ...]:
    """Return the policy once a threshold."""
    return tuple(replace(policy, drift_threshold=t) for t in thresholds)
