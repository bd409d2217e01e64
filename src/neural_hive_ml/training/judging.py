"""A candidate before the gate: the champion answers the same hold-out, then everything is weighed."""

import numpy as np

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.evaluation.compare import compare
from neural_hive_ml.evaluation.floors import demands
from neural_hive_ml.evaluation.gate import Standing, judge
from neural_hive_ml.evaluation.verdict import Verdict
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.tickets.columns import TicketColumns
from neural_hive_ml.training.families import rescore_family
from neural_hive_ml.training.request import Candidate, TrainingRequest


def judge_against(
    candidate: Candidate,
    columns: TicketColumns,
    request: TrainingRequest,
    champion: PackedModel | None,
    *,
    profile: str,
    allow_synthetic: bool = False,
    allow_below_floor: bool = False,
) -> Verdict:
    """Judge a candidate against `champion` (None: there is none) on the hold-out of `columns` under `request`.

    A champion that this release can no longer load, or that answers other cases, counts as none, and the verdict
    says so. Raises `UsageError` for an unknown floor profile.
    """
    model, evaluation = candidate.model, candidate.evaluation
    asked = demands(model.family, profile, model.horizon_minutes)
    unanswerable, comparison = "", None
    if champion is not None:
        try:
            _same_features(champion, model)
            answers = rescore_family(champion, columns, request)
            rng = np.random.default_rng([request.seed, 11])
            comparison = compare(candidate.cases, answers, evaluation.primary, rng, asked.harm)
        except (ArtifactRefused, ValueError) as error:
            unanswerable = f"the champion cannot answer this hold-out: {error}"
    standing = Standing(model.synthetic, allow_synthetic, allow_below_floor, unanswerable)
    return judge(evaluation, asked, comparison, standing)


def _same_features(champion: PackedModel, candidate: PackedModel) -> None:
    if champion.feature_set_version != candidate.feature_set_version:
        raise ArtifactRefused(
            f"it reads feature set {champion.feature_set_version}, not {candidate.feature_set_version}",
            kind="feature_set",
        )
