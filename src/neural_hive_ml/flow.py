"""The loop on one page: tickets -> features -> candidate -> evaluation -> gate -> registry -> services.

Serving, feedback and drift run on their own (`serving`, `feedback`, `drift`); `retraining.job` closes the
loop by calling `train` again. Everything outside is an argument: see `Workspace` and `bootstrap`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from neural_hive_ml.clock import DAY_MS, Clock, iso
from neural_hive_ml.conventions import AUTOMATION, CHAMPION
from neural_hive_ml.errors import HiveError, NotEnoughData, RegistryUnavailable, StoreUnavailable
from neural_hive_ml.evaluation.verdict import Evaluation, Outcome, Verdict
from neural_hive_ml.family_gate import choose
from neural_hive_ml.feedback.desk import VerdictDesk
from neural_hive_ml.feedback.labels import settled
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.alias_record import read_record
from neural_hive_ml.registry.port import ModelVersion, Registry
from neural_hive_ml.registry.promotion import challenge, promote
from neural_hive_ml.retraining.control import paused_until
from neural_hive_ml.retraining.events import record_run
from neural_hive_ml.retraining.memory import short_of_memory
from neural_hive_ml.rollout.announce import noting
from neural_hive_ml.rollout.history import answered_since
from neural_hive_ml.rollout.mend import mend
from neural_hive_ml.rollout.start import Mode, Way, way
from neural_hive_ml.state.port import StateStore
from neural_hive_ml.tickets.as_of import as_of
from neural_hive_ml.tickets.columns import TicketColumns, concat
from neural_hive_ml.tickets.port import TicketStore, TicketWindow
from neural_hive_ml.training.labels import TicketLabel
from neural_hive_ml.training.request import Candidate, TrainingRequest
from neural_hive_ml.training.tuning import Tuner
from neural_hive_ml.training.window import Earlier, bounded_window

Progress = Callable[[str], None]
# ``held``: nothing was trained, because it must not be now.
Status = Literal["judged", "held", "not_enough_data", "unreachable", "failed"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """The wired adapters that a job works with."""

    tickets: TicketStore
    state: StateStore
    registry: Registry
    ledger: Ledger
    clock: Clock


@dataclass(frozen=True, slots=True)
class Rules:
    """How candidates are judged and whether winners go live.

    `floor_profile` is ``guide`` or ``relative``; `allow_below_floor` promotes a model that misses its floors or
    naive baselines, and is recorded with `actor` as a decision of theirs.
    """

    floor_profile: str = "guide"
    promote_if_better: bool = False
    allow_below_floor: bool = False
    allow_synthetic: bool = False
    actor: str = "operator"
    rollout: Mode = "direct"


@dataclass(frozen=True, slots=True)
class ModelResult:
    """What became of one asked-for model; `error` says why when it was not judged. A winner is `promoted`, or runs in
    `shadow` first."""

    request: TrainingRequest
    status: Status
    version: ModelVersion | None = None
    verdict: Verdict | None = None
    evaluation: Evaluation | None = None
    candidate: Candidate | None = None
    promoted: bool = False
    error: str = ""
    shadow: bool = False


_BLOCK_ROWS: Final = 50_000
# What a request's window is: who asks for the same has it read once.
Windows = dict[tuple[int, int, int, str], tuple[TicketColumns, Earlier | None]]

# Runs one training of a request, or says why not: whoever asks for trainings claims, limits and records them here.
Attend = Callable[[TrainingRequest, Callable[[], ModelResult]], ModelResult]


def unattended(_request: TrainingRequest, attempt: Callable[[], ModelResult]) -> ModelResult:
    """Train, and nothing else."""
    return attempt()


def read_window(tickets: TicketStore, as_of_ms: int, window_days: int) -> TicketColumns:
    """Read the tickets created in the window that ends at `as_of_ms`, as they were known then."""
    window = TicketWindow(since_ms=as_of_ms - window_days * DAY_MS, until_ms=as_of_ms)
    return as_of(concat(list(tickets.blocks(window))), as_of_ms)


def read_for(tickets: TicketStore, request: TrainingRequest) -> tuple[TicketColumns, Earlier | None]:
    """Read the window of a request: its newest tickets, and what those that are too many for rows taught."""
    as_of_ms, most = request.as_of_ms, request.row_tickets
    window = TicketWindow(since_ms=as_of_ms - request.window_days * DAY_MS, until_ms=as_of_ms)
    blocks = tickets.blocks(window, max(min(_BLOCK_ROWS, most // 4), 1))
    return bounded_window(blocks, as_of_ms, most, request.timezone)


def train(
    requests: Sequence[TrainingRequest],
    workspace: Workspace,
    rules: Rules,
    progress: Progress,
    tuner: Tuner | None = None,
    attend: Attend = unattended,
) -> tuple[ModelResult, ...]:
    """Train, judge, register and, where asked and deserved, promote each model; one failure stops no other.

    `tuner` searches hyperparameters for the requests that ask for it; `attend` is called around each training. The run
    is on record (`job_runs`) whatever came of it, and every verdict is in the ledger.
    """
    started_ms = workspace.clock.now_ms()
    results: list[ModelResult] = []
    try:
        mend(workspace.registry, workspace.ledger, at_ms=started_ms, progress=progress)
    except (StoreUnavailable, RegistryUnavailable) as error:
        progress(f"unreachable: {error}")
        results = [ModelResult(request, "unreachable", error=str(error)) for request in requests]
    windows: Windows = {}
    for request in requests[len(results) :]:
        attempt = partial(_attempt, windows, request, workspace, rules, progress, tuner)
        results.append(attend(request, attempt))
        if results[-1].error:
            progress(f"{request.family}: {results[-1].status}: {results[-1].error}")
            _write_failure_down(results[-1], workspace, rules, progress)
    _record(results, started_ms, workspace, progress)
    return tuple(results)


def _attempt(
    windows: Windows,
    request: TrainingRequest,
    workspace: Workspace,
    rules: Rules,
    progress: Progress,
    tuner: Tuner | None,
) -> ModelResult:
    try:
        columns, request = _window_of(windows, request, workspace, progress)
        if request.family == "anomaly":
            request = replace(request, labels=_labels(workspace, request.as_of_ms))
        return train_one(columns, request, workspace, rules, progress, tuner)
    except NotEnoughData as error:
        return ModelResult(request, "not_enough_data", error=str(error))
    except (StoreUnavailable, RegistryUnavailable) as error:
        return ModelResult(request, "unreachable", error=str(error))
    except HiveError as error:
        return ModelResult(request, "failed", error=short_of_memory(error) or str(error))
    except Exception as error:  # noqa: BLE001 - a bug in one family must not stop the others; it is shown and exits 1
        return ModelResult(request, "failed", error=short_of_memory(error) or f"{type(error).__name__}: {error}")


def _window_of(
    windows: Windows, request: TrainingRequest, workspace: Workspace, progress: Progress
) -> tuple[TicketColumns, TrainingRequest]:
    key = (request.as_of_ms, request.window_days, request.row_tickets, request.timezone)
    if key not in windows:
        progress(f"reading tickets of the last {request.window_days} days")
        windows[key] = read_for(workspace.tickets, request)
        columns, earlier = windows[key]
        before = f" to make rows of, after {earlier.tickets:,} that taught statistics and load" if earlier else ""
        progress(f"{len(columns):,} tickets{before}")
    columns, earlier = windows[key]
    return columns, replace(request, earlier=earlier)


def _labels(workspace: Workspace, as_of_ms: int) -> tuple[TicketLabel, ...]:
    """Read what people had settled about tickets before a moment."""
    desk = VerdictDesk(workspace.state, workspace.ledger, target=0.0)
    return settled(desk.between(until_ms=as_of_ms))


def train_one(
    columns: TicketColumns,
    request: TrainingRequest,
    workspace: Workspace,
    rules: Rules,
    progress: Progress,
    tuner: Tuner | None = None,
) -> ModelResult:
    """One model from tickets to a verdict, and live if it won."""
    from neural_hive_ml.evaluation.card import card_files
    from neural_hive_ml.training.families import train_family

    candidate = train_family(columns, request, progress, tuner)
    if columns.synthetic.any() or (request.earlier is not None and request.earlier.synthetic):
        candidate = replace(candidate, model=replace(candidate.model, synthetic=True))
    name = candidate.model.name
    verdict = judge_candidate(candidate, columns, request, workspace.registry, rules)
    progress(f"{name}: {verdict.outcome}: {'; '.join(verdict.reasons)}")
    version = workspace.registry.register(
        candidate.model, candidate.evaluation, verdict, card_files(candidate, verdict)
    )
    _write_run_down(version, candidate, workspace, rules)
    _write_down(version, verdict, workspace, rules)
    taken: Way = "held"
    if rules.promote_if_better and verdict.outcome is Outcome.PROMOTE:
        taken = _go_live(version, verdict, workspace, rules, progress)
    if taken == "direct":
        choose(
            candidate,
            columns,
            request,
            workspace.registry,
            workspace.state,
            profile=rules.floor_profile,
            at_ms=workspace.clock.now_ms(),
            progress=progress,
        )
    _log_trials(version, candidate, workspace.registry, progress)
    return ModelResult(
        request,
        "judged",
        version,
        verdict,
        candidate.evaluation,
        candidate,
        promoted=taken == "direct",
        shadow=taken == "shadow",
    )


def _go_live(
    version: ModelVersion, verdict: Verdict, workspace: Workspace, rules: Rules, progress: Progress
) -> Way:
    """Make a winner the champion, or let it run in shadow first."""
    name, state, now_ms = version.name, workspace.state, workspace.clock.now_ms()
    answering = answered_since(state, name, now_ms - DAY_MS)
    paused = paused_until(state, now_ms) if rules.actor in AUTOMATION else None
    held = f"automatic promotions rest until {iso(paused)}" if paused is not None else ""
    taken, why = way(rules.rollout, read_record(state, name), answering=answering, held=held)
    reason, note = "; ".join(verdict.reasons), noting(workspace.ledger)
    if taken == "direct":
        promote(workspace.registry, state, version, actor=rules.actor, reason=reason, at_ms=now_ms, note=note)
        progress(f"{name}: version {version.version} is the champion (stage Production)")
    elif taken == "shadow":
        challenge(
            workspace.registry,
            state,
            name,
            version.version,
            actor=rules.actor,
            reason=reason,
            at_ms=now_ms,
            note=note,
        )
        progress(f"{name}: version {version.version} runs in shadow first: {why}")
    else:
        progress(f"{name}: version {version.version} is registered only: {why}")
    return taken


def _log_trials(version: ModelVersion, candidate: Candidate, registry: Registry, progress: Progress) -> None:
    """Show each trial as a run below the version's own; what cannot be shown takes nothing from the version."""
    if not candidate.trials:
        return
    try:
        registry.log_trials(version, candidate.trials)
    except RegistryUnavailable as error:
        progress(f"{version.name}: the trials could not be logged: {error}")


def _write_run_down(version: ModelVersion, candidate: Candidate, workspace: Workspace, rules: Rules) -> None:
    lineage, at_ms = candidate.model.lineage, workspace.clock.now_ms()
    read = {"rows": lineage["tickets"], "digest": lineage["data_digest"]} | {
        name: lineage[name]
        for name in ("as_of_ms", "window_days", "oldest", "newest", "earlier", "verdicts", "verdicts_digest")
        if name in lineage
    }
    run = {
        "version": version.version, "run_id": version.run_id, "digest": version.digest, "seed": lineage["seed"],
        "release": lineage["release"],
    }  # fmt: skip
    workspace.ledger.append("data_read", version.name, read, at_ms=at_ms, actor=rules.actor)
    workspace.ledger.append("run", version.name, run, at_ms=at_ms, actor=rules.actor)


def _write_failure_down(result: ModelResult, workspace: Workspace, rules: Rules, progress: Progress) -> None:
    """A training that came to nothing is a run as well; without the store it stays in the job's own words."""
    run = {"version": None, "outcome": result.status, "reasons": [result.error]}
    try:
        workspace.ledger.append(
            "run", result.request.model_name, run, at_ms=workspace.clock.now_ms(), actor=rules.actor
        )
    except StoreUnavailable as error:
        progress(f"the failure could not be written down: {error}")


def _write_down(version: ModelVersion, verdict: Verdict, workspace: Workspace, rules: Rules) -> None:
    payload = {
        "version": version.version,
        "digest": version.digest,
        "outcome": str(verdict.outcome),
        "reasons": list(verdict.reasons),
        "missing": verdict.missing,
        "evidence": dict(verdict.evidence),
        "floor_profile": rules.floor_profile,
        "allow_below_floor": rules.allow_below_floor,
    }
    workspace.ledger.append("gate", version.name, payload, at_ms=workspace.clock.now_ms(), actor=rules.actor)


def _record(results: Sequence[ModelResult], started_ms: int, workspace: Workspace, progress: Progress) -> None:
    worst = [r for r in results if r.status in {"failed", "unreachable"}]
    done = any(r.status == "judged" for r in results)
    outcome = "failed" if worst else "succeeded" if done else "nothing_to_do"
    reasons = [f"{r.request.family}: {r.status}: {r.error}" for r in results if r.error]
    try:
        record_run(
            workspace.state,
            job="training",
            outcome=outcome,
            started_at_ms=started_ms,
            ended_at_ms=workspace.clock.now_ms(),
            reasons=reasons,
        )
    except StoreUnavailable as error:
        progress(f"the run could not be recorded: {error}")


def judge_candidate(
    candidate: Candidate, columns: TicketColumns, request: TrainingRequest, registry: Registry, rules: Rules
) -> Verdict:
    """Judge a candidate against the champion of its name, which answers the same hold-out."""
    from neural_hive_ml.registry.files import read_artifact
    from neural_hive_ml.training.judging import judge_against

    alias = registry.resolve(candidate.model.name, CHAMPION)
    champion = None
    if alias is not None:
        with TemporaryDirectory() as folder:
            champion = read_artifact(registry.download(alias, Path(folder)))
    return judge_against(
        candidate,
        columns,
        request,
        champion,
        profile=rules.floor_profile,
        allow_synthetic=rules.allow_synthetic,
        allow_below_floor=rules.allow_below_floor,
    )
