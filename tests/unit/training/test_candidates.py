"""A candidate: the same from the same tickets and seed, measured on cases that it answers again when asked."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, mean_absolute_error, precision_score, recall_score
from tests.support.trained import anomaly_candidate, duration_candidate, generated, request

from neural_hive_ml.errors import UsageError
from neural_hive_ml.evaluation.figure import Figure
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.features.statistics import Statistics
from neural_hive_ml.scoring.load_scorer import load_scorer
from neural_hive_ml.training.families import rescore_family, train_family
from neural_hive_ml.training.request import Candidate

BOTH = pytest.mark.parametrize(
    ("family", "made"), [("anomaly", anomaly_candidate), ("scheduling", duration_candidate)]
)


@BOTH
def test_the_same_tickets_and_seed_give_the_same_model(family: str, made: object) -> None:
    one: Candidate = made()  # type: ignore[operator] - one of the two makers
    said: list[str] = []
    again = train_family(generated(), request(family, generated()), said.append)
    for part in ("arrays", "statistics"):
        mine, theirs = getattr(one.model, part), getattr(again.model, part)
        assert mine.keys() == theirs.keys()
        assert [k for k in mine if mine[k].tobytes() != theirs[k].tobytes()] == []
    for part in ("documents", "policy", "lineage", "profile", "name", "algorithm"):
        assert getattr(one.model, part) == getattr(again.model, part)
    assert one.model.golden.rows.tobytes() == again.model.golden.rows.tobytes()
    assert one.model.golden.expected.tobytes() == again.model.golden.expected.tobytes()
    assert one.evaluation == again.evaluation
    assert one.model.provenance.keys() == again.model.provenance.keys()
    boosters = [k for k in one.model.provenance if k.endswith(".ubj")]
    assert all(one.model.provenance[k] == again.model.provenance[k] for k in boosters)
    assert all(line.startswith(family) for line in said)
    assert said


@BOTH
def test_a_champion_answers_the_same_cases(family: str, made: object) -> None:
    one: Candidate = made()  # type: ignore[operator]
    answers = rescore_family(one.model, generated(), request(family, generated()))
    assert answers.digest == one.cases.digest
    for part in ("truth", "predicted", "block"):
        assert np.array_equal(getattr(answers, part), getattr(one.cases, part))
    other = rescore_family(one.model, generated(1_500), request(family, generated(1_500)))
    assert other.digest != one.cases.digest


def test_another_seed_is_judged_on_other_injections() -> None:
    one = anomaly_candidate()
    asked = replace(request("anomaly", generated()), seed=43)
    assert rescore_family(one.model, generated(), asked).digest != one.cases.digest


@BOTH
def test_the_model_reproduces_its_golden_rows(family: str, made: object) -> None:
    model = made().model  # type: ignore[operator]
    got = load_scorer(model).reproduce(model.golden.rows)
    assert np.abs(got - model.golden.expected).max() <= model.golden.tolerance


def test_the_figures_are_those_of_the_cases() -> None:
    one = anomaly_candidate()
    truth, flagged, score = one.cases.truth, one.cases.predicted, one.cases.score
    told = {m.name: m for m in one.evaluation.metrics}
    assert told["precision"].value == pytest.approx(precision_score(truth, flagged))
    assert told["recall"].value == pytest.approx(recall_score(truth, flagged))
    assert told["f1"].value == pytest.approx(f1_score(truth, flagged))
    assert told["average_precision"].value == pytest.approx(average_precision_score(truth, score))
    assert told["f1"].positives == int(truth.sum()) > 0
    both = duration_candidate()
    assert both.evaluation.metric("mae").value == pytest.approx(
        mean_absolute_error(both.cases.truth, both.cases.predicted)
    )


@BOTH
def test_the_model_beats_knowing_nothing(family: str, made: object) -> None:
    """Generated tickets have structure; a model that does not find it is broken."""
    one: Candidate = made()  # type: ignore[operator]
    primary = one.evaluation.metric(one.evaluation.primary)
    naive = {"anomaly": "random_at_the_true_rate", "scheduling": "global_median"}[family]
    (baseline,) = [b.value for b in one.evaluation.baselines if b.name == naive and b.metric == primary.name]
    assert primary.value > 3 * baseline if primary.higher_is_better else primary.value < 0.9 * baseline


@BOTH
def test_statistics_travel_as_of_the_end_of_the_window(family: str, made: object) -> None:
    one: Candidate = made()  # type: ignore[operator]
    kept = Statistics.restore(one.model.statistics)
    _, memory = build_frame(generated(), load_scorer(one.model).binding)  # type: ignore[attr-defined] - both have one
    assert (kept.as_of_ms, kept.sequence) == (memory.as_of_ms, memory.sequence)
    assert kept.as_of_ms < request(family, generated()).as_of_ms
    assert np.array_equal(kept.tables.full, memory.tables.full[: memory.used["full"]])


@BOTH
def test_figures_can_be_drawn(family: str, made: object) -> None:
    figures: tuple[Figure, ...] = made().figures  # type: ignore[operator]
    assert figures
    for figure in figures:
        for values in figure.series.values():
            assert len(values)
            assert np.isfinite(values).all()


@pytest.mark.parametrize(("family", "algorithm"), [("anomaly", "x"), ("scheduling", "y"), ("load", "z")])
def test_an_algorithm_without_a_trainer_is_not_trained_as_another(family: str, algorithm: str) -> None:
    asked = replace(request(family, generated()), algorithm=algorithm, horizon_minutes=60)
    with pytest.raises(UsageError, match=f"{algorithm}"):
        train_family(generated(), asked)
