"""The retraining job wired: policy from settings, each claim answered by a training of `flow`."""

from collections.abc import Callable, Sequence

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.conventions import MODEL_TYPE_SETTINGS, RETRAINING_ACTOR, family_of
from neural_hive_ml.feedback.quality import QualityRules
from neural_hive_ml.flow import ModelResult, Rules, Workspace, train
from neural_hive_ml.registry.family_choice import watched_names
from neural_hive_ml.registry.sign import load_verify_keys
from neural_hive_ml.retraining.control import pause_of
from neural_hive_ml.retraining.deadline import deadline
from neural_hive_ml.retraining.events import TrainingOutcome
from neural_hive_ml.retraining.job import Desk
from neural_hive_ml.retraining.policy import Policy
from neural_hive_ml.rollout.announce import send_waiting
from neural_hive_ml.rollout.check import Checked, check
from neural_hive_ml.rollout.check import Desk as RolloutDesk
from neural_hive_ml.rollout.policy import Policy as RolloutPolicy
from neural_hive_ml.rollout.start import MODES
from neural_hive_ml.rollout.webhook import Webhook
from neural_hive_ml.settings import Settings
from neural_hive_ml.slo.spec import load_objectives
from neural_hive_ml.state.port import StateStore
from neural_hive_ml.training.request import TrainingRequest

# A training that takes longer than this is ended and counts as failed.
TRAIN_SECONDS = 3600.0


def desk_of(settings: Settings, workspace: Workspace, progress: Callable[[str], None]) -> Desk:
    """Wire the job: policy from settings, training through `flow.train`."""

    def retrain(names: Sequence[str], as_of_ms: int) -> Sequence[TrainingOutcome]:
        rules = Rules(
            floor_profile=settings.text("FLOOR_PROFILE"),
            promote_if_better=True,
            allow_synthetic=settings.flag("ALLOW_SYNTHETIC_FALLBACK"),
            actor=RETRAINING_ACTOR,
            rollout=next(mode for mode in MODES if mode == settings.text("ROLLOUT_MODE")),
        )
        requests = [_request(name, as_of_ms, settings) for name in names]
        with deadline(TRAIN_SECONDS):
            results = train(requests, workspace, rules, progress)
        announce(settings, workspace)
        return [_outcome(name, result) for name, result in zip(names, results, strict=True)]

    return Desk(
        tickets=workspace.tickets,
        state=workspace.state,
        registry=workspace.registry,
        ledger=workspace.ledger,
        clock=workspace.clock,
        train=retrain,
        policy=policy_of(settings),
        quality=quality_rules(settings),
        window_hours=settings.number("DRIFT_WINDOW_HOURS"),
        progress=progress,
        rollout=lambda: check_rollouts(settings, workspace, progress),
        names=watched(settings, workspace.state),
    )


def watched(settings: Settings, state: StateStore) -> tuple[str, ...]:
    """Return the models that are checked for drift: the guide's and what else serves. Raises `StoreUnavailable`."""
    return watched_names(state, {family: settings.text(name) for family, name in MODEL_TYPE_SETTINGS.items()})


def check_rollouts(settings: Settings, workspace: Workspace, progress: Callable[[str], None]) -> Sequence[Checked]:
    """Look at every rollout, act, and send what waits to be announced."""
    state, clock = workspace.state, workspace.clock
    pause, keys = pause_of(state), settings.text("HIVE_VERIFY_KEYS")
    desk = RolloutDesk(
        state=state,
        registry=workspace.registry,
        ledger=workspace.ledger,
        clock=clock,
        policy=rollout_policy_of(settings),
        tickets=workspace.tickets,
        paused_until_ms=0 if pause is None else pause.until_ms,
        keys=load_verify_keys(keys) if keys else (),
        progress=progress,
    )
    found = check(desk)
    announce(settings, workspace)
    return found


def announce(settings: Settings, workspace: Workspace) -> None:
    """Send what waits in the outbox of announcements."""
    url = settings.text("ROLLOUT_WEBHOOK_URL")
    send_waiting(workspace.state, Webhook(url) if url else None, now_ms=workspace.clock.now_ms())


def rollout_policy_of(settings: Settings) -> RolloutPolicy:
    """Read the rollout policy from the settings."""
    return RolloutPolicy(
        least_hours=settings.number("ROLLOUT_SHADOW_HOURS"),
        most_hours=settings.number("ROLLOUT_SHADOW_MOST_HOURS"),
        least_pairs=settings.integer("ROLLOUT_LEAST_PREDICTIONS"),
    )


def quality_rules(settings: Settings) -> QualityRules:
    """Read the rules of live quality from the settings; what a detector must reach is the objective's."""
    return QualityRules(
        maturity_ms=round(settings.number("LABEL_MATURITY_HOURS") * HOUR_MS),
        least_labels=settings.integer("QUALITY_LEAST_LABELS"),
        f1_objective=next(one.target for one in load_objectives().objectives if one.slug == "f1_score"),
    )


def policy_of(settings: Settings) -> Policy:
    """Read the policy from the settings."""
    return Policy(
        drift_threshold=settings.number("DRIFT_THRESHOLD"),
        cooldown_hours=settings.number("RETRAINING_COOLDOWN_HOURS"),
        weekly_budget=settings.integer("RETRAINING_WEEKLY_BUDGET"),
    )


def _request(name: str, as_of_ms: int, settings: Settings) -> TrainingRequest:
    family = family_of(name)
    suffix = name.rsplit("-", 1)[1]
    return TrainingRequest(
        family=family,
        as_of_ms=as_of_ms,
        window_days=settings.integer("RETRAINING_WINDOW_DAYS"),
        algorithm=None if family == "load" else suffix,
        horizon_minutes=int(suffix.removesuffix("m")) if family == "load" else None,
        timezone=settings.text("CALENDAR_TIMEZONE"),
        holidays=settings.text("LOAD_HOLIDAYS_COUNTRY") if family == "load" else "",
    )


def _outcome(name: str, result: ModelResult) -> TrainingOutcome:
    verdict = result.verdict
    return TrainingOutcome(
        name,
        success=result.status == "judged",
        promoted=result.promoted,
        version=result.version.version if result.version else None,
        verdict=str(verdict.outcome) if verdict else "",
        reasons=verdict.reasons if verdict else (),
        error=result.error,
        shadow=result.shadow,
    )
