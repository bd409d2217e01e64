"""The retraining job wired: policy from settings, each claim answered by a training of `flow`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from neural_hive_ml.clock import HOUR_MS, iso
from neural_hive_ml.conventions import MODEL_TYPE_SETTINGS, RETRAINING_ACTOR, TRAINING_ACTOR, family_of
from neural_hive_ml.errors import HiveError, RegistryUnavailable, StoreUnavailable
from neural_hive_ml.feedback.quality import QualityRules
from neural_hive_ml.flow import Attend, ModelResult, Rules, Workspace, train
from neural_hive_ml.registry.alias_record import read_record
from neural_hive_ml.registry.family_choice import watched_names
from neural_hive_ml.registry.sign import load_verify_keys
from neural_hive_ml.retraining.attempt import answer
from neural_hive_ml.retraining.claims import Claim, claim
from neural_hive_ml.retraining.control import pause_of, paused_until
from neural_hive_ml.retraining.deadline import deadline
from neural_hive_ml.retraining.events import TrainingOutcome, record_retraining
from neural_hive_ml.retraining.job import TRAIN_SECONDS, Desk
from neural_hive_ml.retraining.lease import PATIENCE_SECONDS, sole_run
from neural_hive_ml.retraining.memory import memory_limit
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
from neural_hive_ml.training.request import TrainingRequest, model_name_of

# The weekly training waits so long for the drift job, whose trainings end by then.
_PATIENCE_SECONDS = TRAIN_SECONDS + PATIENCE_SECONDS


def desk_of(settings: Settings, workspace: Workspace, progress: Callable[[str], None]) -> Desk:
    """Wire the job: policy from settings, training through `flow.train`."""

    memory_mib = settings.number("RETRAINING_MEMORY_MIB")

    def limited(_request: TrainingRequest, attempt: Callable[[], ModelResult]) -> ModelResult:
        with memory_limit(memory_mib):
            return attempt()

    def retrain(name: str, as_of_ms: int, seconds: float) -> TrainingOutcome:
        rules = Rules(
            floor_profile=settings.text("FLOOR_PROFILE"),
            promote_if_better=True,
            allow_synthetic=settings.flag("ALLOW_SYNTHETIC_FALLBACK"),
            actor=RETRAINING_ACTOR,
            rollout=next(mode for mode in MODES if mode == settings.text("ROLLOUT_MODE")),
        )
        with deadline(seconds):
            (result,) = train([_request(name, as_of_ms, settings)], workspace, rules, progress, attend=limited)
        announce(settings, workspace)
        return _outcome(name, result)

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
        rollout=lambda: [f"{c.name}: {c.fault}" for c in check_rollouts(settings, workspace, progress) if c.fault],
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


@contextmanager
def scheduled(workspace: Workspace, memory_mib: float = 0.0) -> Iterator[Attend]:
    """Hold the lease of retrainings and yield what trains each model as the drift job does: claimed, limited, on record.

    `memory_mib` is what the process may hold while it trains, 0: all that there is.

    What is paused, or has a challenger in shadow, is held back and says so.

    Raises
    ------
    Conflict
        When another run is still at work after an hour.
    """
    state, ledger, clock = workspace.state, workspace.ledger, workspace.clock

    def attend(request: TrainingRequest, attempt: Callable[[], ModelResult]) -> ModelResult:
        name, results = model_name_of(request), list[ModelResult]()

        def run() -> TrainingOutcome:
            with deadline(TRAIN_SECONDS), memory_limit(memory_mib):
                results.append(attempt())
            return _outcome(name, results[0])

        try:
            hold.require()
            why = _held_back(workspace, name)
            held = why or claim(
                state, name=name, trigger="schedule", at_ms=request.as_of_ms, reasons=("the weekly training",), evidence={}
            )  # fmt: skip
            if not isinstance(held, Claim):
                return ModelResult(
                    request, "held", error=held or "its weekly training at this moment was begun before"
                )
            outcome = answer(hold, ledger, held, run, actor=TRAINING_ACTOR)
        except (StoreUnavailable, RegistryUnavailable) as error:
            return ModelResult(request, "unreachable", error=str(error))
        except HiveError as error:
            return ModelResult(request, "failed", error=str(error))
        return results[0] if results else ModelResult(request, "failed", error=outcome.error)

    with sole_run(state, clock, patience_seconds=_PATIENCE_SECONDS) as hold:
        yield attend


def _held_back(workspace: Workspace, name: str) -> str:
    until_ms = paused_until(workspace.state, workspace.clock.now_ms())
    if until_ms is not None:
        return f"automatic retraining is paused until {iso(until_ms)}"
    challenger = read_record(workspace.state, name).challenger
    return "" if challenger is None else f"version {challenger} is in shadow, and is judged first"


def by_hand(workspace: Workspace, actor: str, progress: Callable[[str], None]) -> Attend:
    """Return what puts each training that a person ran, and that was judged, on record beside the policy's."""

    def attend(request: TrainingRequest, attempt: Callable[[], ModelResult]) -> ModelResult:
        begun_ms = workspace.clock.now_ms()
        result, name = attempt(), model_name_of(request)
        if result.status != "judged":  # the person was told, and the run is on record
            return result
        seconds = (workspace.clock.now_ms() - begun_ms) / 1000
        made = Claim(
            f"{name}:manual:{request.as_of_ms}:{begun_ms}", name, request.as_of_ms, 1, "succeeded", "manual",
            ("trained by hand",), {},
        )  # fmt: skip
        try:
            record_retraining(
                workspace.state, workspace.ledger, made, _outcome(name, result), seconds=seconds, actor=actor
            )
        except StoreUnavailable as error:
            progress(f"{name}: the training could not be recorded: {error}")
        return result

    return attend


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
        most_tickets=settings.integer("TRAINING_MOST_TICKETS"),
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
