"""The gate between a family's algorithms: a new champion takes over where the setting is ``auto`` if it beats who serves."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from neural_hive_ml.conventions import CHAMPION
from neural_hive_ml.evaluation.verdict import Outcome
from neural_hive_ml.registry.family_choice import DEFAULTS, FamilyChoice, read_choice, write_choice
from neural_hive_ml.registry.port import Registry
from neural_hive_ml.state.port import StateStore
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.training.request import Candidate, TrainingRequest


def choose(
    candidate: Candidate,
    columns: TicketColumns,
    request: TrainingRequest,
    registry: Registry,
    state: StateStore,
    *,
    profile: str,
    at_ms: int,
    progress: Callable[[str], None],
) -> None:
    """Let a champion that has just gone live stand against its family's serving model on the candidate's own hold-out.

    It takes over when there is no such model, or the gate between them says PROMOTE from a comparison of both.
    """
    family, name = candidate.model.family, candidate.model.name
    if family not in DEFAULTS:
        return
    before = read_choice(state, family)
    serving = before.name if before is not None else DEFAULTS[family]
    if name == serving:
        return
    reason = _why(candidate, columns, request, registry, serving, profile)
    if not reason:
        progress(f"{family}: where the setting is auto, {serving} goes on serving")
        return
    write_choice(state, FamilyChoice(family, name, reason, at_ms))
    progress(f"{family}: where the setting is auto, {name} serves from the next look on: {reason}")


def _why(
    candidate: Candidate,
    columns: TicketColumns,
    request: TrainingRequest,
    registry: Registry,
    serving: str,
    profile: str,
) -> str:
    """Return why the candidate takes over, empty when it does not."""
    from neural_hive_ml.registry.files import read_artifact
    from neural_hive_ml.training.judging import judge_against

    alias = registry.resolve(serving, CHAMPION)
    if alias is None:
        return f"{serving} has no champion"
    with TemporaryDirectory() as folder:
        rival = read_artifact(registry.download(alias, Path(folder)))
    verdict = judge_against(
        candidate, columns, request, rival, profile=profile, allow_synthetic=True, allow_below_floor=True
    )
    # Without a comparison the rival could not answer: no reason to leave it.
    beaten = verdict.outcome is Outcome.PROMOTE and "gain" in verdict.evidence
    return f"against {serving}: {verdict.reasons[0]}" if beaten else ""
