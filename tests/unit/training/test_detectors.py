"""The detectors beside the forest: what they learn, when they refuse; a training repeated is the same to the byte."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neural_network import MLPRegressor
from skops.io import get_untrusted_types, loads
from tests.support.trained import generated, request

from neural_hive_ml.errors import ArtifactRefused, NotEnoughData
from neural_hive_ml.registry.files import pack
from neural_hive_ml.scoring.anomaly import AnomalyScorer
from neural_hive_ml.scoring.autoencoder import PackedAutoencoder
from neural_hive_ml.scoring.load_scorer import load_scorer
from neural_hive_ml.scoring.stage import StageDetector
from neural_hive_ml.training.autoencoder import fit_autoencoder
from neural_hive_ml.training.correction import fit_correction
from neural_hive_ml.training.families import train_family
from neural_hive_ml.training.labels import (
    FEWEST_OF_EACH,
    FEWEST_VERDICTS,
    TicketLabel,
    labels_of,
    missing_verdicts,
)
from neural_hive_ml.training.request import Candidate, TrainingRequest
from neural_hive_ml.training.split import split_by_time


def verdicts(count: int = 700) -> tuple[TicketLabel, ...]:
    """What people who hold every third ticket with a retry or an error for an anomaly say of the first tickets."""
    c = generated()
    strange = (c.retry_count > 0) | c.error | (np.arange(len(c)) % 9 == 0)
    first = zip(c.ticket_id[:count], strange[:count], c.completed_at_ms[:count], strict=True)
    return tuple(TicketLabel(str(i), bool(s), int(at)) for i, s, at in first)


def asked(algorithm: str, labels: tuple[TicketLabel, ...] = ()) -> TrainingRequest:
    return request("anomaly", generated(), algorithm=algorithm, labels=labels)


@cache
def made(algorithm: str) -> Candidate:
    return train_family(generated(), asked(algorithm, verdicts() if algorithm == "learned" else ()))


@pytest.mark.parametrize("algorithm", ["isolation_forest", "autoencoder", "learned"])
def test_a_training_repeated_gives_the_same_artifact_to_the_byte(algorithm: str) -> None:
    one, again = pack(made(algorithm).model), pack(made.__wrapped__(algorithm).model)
    assert one.keys() == again.keys()
    assert [name for name in one if one[name] != again[name]] == []
    assert not any(name.endswith((".pkl", ".pickle", ".joblib")) for name in one)


@pytest.mark.parametrize("algorithm", ["autoencoder", "learned"])
def test_each_is_a_registered_model_of_its_own_that_reproduces_its_golden_rows(algorithm: str) -> None:
    model = made(algorithm).model
    assert (model.name, model.algorithm) == (f"anomaly-detector-{algorithm}", algorithm)
    got = load_scorer(model).reproduce(model.golden.rows)
    assert np.abs(got - model.golden.expected).max() <= model.golden.tolerance
    assert ((got >= 0) & (got <= 1)).all()
    scorer = AnomalyScorer.load(model)
    one_by_one = [scorer.decide(row).score for row in model.golden.rows]
    assert np.array_equal(one_by_one, scorer.score(model.golden.rows))


def test_the_autoencoder_is_scikit_learn_s() -> None:
    rows = np.random.default_rng(1).gamma(1.0, 1.0, size=(500, 7))
    packed, estimator = fit_autoencoder(rows, 3)
    assert isinstance(estimator, MLPRegressor)
    theirs = np.square(estimator.predict(rows) - rows).mean(axis=1)
    assert np.allclose(packed.score(rows), theirs, rtol=1e-10, atol=1e-12)
    assert np.array_equal(packed.score(rows)[:3], np.concatenate([packed.score(row[None]) for row in rows[:3]]))
    assert packed.score(rows[:1] + 30.0)[0] > 10 * np.median(packed.score(rows))


def test_the_library_s_own_model_is_kept_and_says_the_same() -> None:
    model = made("autoencoder").model
    content = model.provenance["autoencoder-ended.skops"]
    kept = loads(content, trusted=get_untrusted_types(data=content))
    whole = StageDetector.from_arrays(model.arrays, "ended").whole
    assert isinstance(whole, PackedAutoencoder)
    rows = np.random.default_rng(2).gamma(1.0, 1.0, size=(50, whole.columns))
    assert np.allclose(whole.score(rows), np.square(kept.predict(rows) - rows).mean(axis=1), rtol=1e-10)


@pytest.mark.parametrize(
    "damage",
    [
        lambda a: a.pop("ended.autoencoder.bias1"),
        lambda a: a.pop("ended.autoencoder.weights1"),
        lambda a: a.update({"ended.autoencoder.weights0": a["ended.autoencoder.weights0"][:-1]}),
        lambda a: a.update({"ended.autoencoder.bias0": a["ended.autoencoder.bias0"] * np.nan}),
        lambda a: a.update({"ended.autoencoder.weights0": a["ended.autoencoder.weights0"][0]}),
    ],
)
def test_a_damaged_autoencoder_is_refused(damage: object) -> None:
    model = made("autoencoder").model
    arrays = dict(model.arrays)
    damage(arrays)  # type: ignore[operator] - one of the lambdas above
    with pytest.raises(ArtifactRefused):
        AnomalyScorer.load(replace(model, arrays=arrays))


@pytest.mark.parametrize(
    "damage",
    [
        lambda a: a.update({"ended.learned.log_odds": np.array([1.0])}),
        lambda a: a.update({"ended.learned.log_odds": np.array([-1.0, 0.0])}),
        lambda a: a.update({"ended.learned.columns": a["ended.learned.columns"] + 1}),
        lambda a: a.pop("ended.learned.roots"),
    ],
)
def test_damaged_corrections_are_refused(damage: object) -> None:
    model = made("learned").model
    arrays = dict(model.arrays)
    damage(arrays)  # type: ignore[operator] - one of the lambdas above
    with pytest.raises(ArtifactRefused):
        AnomalyScorer.load(replace(model, arrays=arrays))


def test_a_detector_of_other_signals_is_refused() -> None:
    model = made("autoencoder").model
    with pytest.raises(ArtifactRefused, match="other signals"):
        AnomalyScorer.load(replace(model, documents={**model.documents, "signals": ["slow_for_forecast"]}))


def test_verdicts_move_what_they_are_about_and_leave_the_rest() -> None:
    random = np.random.default_rng(4)
    rarities, raw = random.gamma(1.0, 1.0, size=(400, 5)), random.gamma(2.0, 1.0, size=400)
    wrong = rarities[:, 2] > 2.0  # whatever scores high there, people call normal
    correction, _ = fit_correction(rarities, raw, ((raw > 3.0) & ~wrong).astype(float), (1.0, -3.0), 5)
    told = correction.apply(rarities, raw) - (raw - 3.0)
    assert told[wrong & (raw > 4.0)].mean() < -1.0
    assert told[~wrong & (raw > 4.0)].mean() > 0.0


def test_without_enough_verdicts_nothing_is_learned_and_the_missing_number_is_said() -> None:
    with pytest.raises(NotEnoughData, match="500 more are needed") as none:
        train_family(generated(), asked("learned"))
    assert (none.value.have, none.value.need) == (0, FEWEST_VERDICTS)
    with pytest.raises(NotEnoughData, match="normal"):
        train_family(generated(), asked("learned", verdicts(450)))


@given(st.integers(0, 700), st.integers(0, 700))
def test_the_missing_number_suffices(anomalies: int, normals: int) -> None:
    missing = missing_verdicts(anomalies, normals)
    assert missing >= 0
    short = max(FEWEST_OF_EACH - anomalies, 0)
    assert missing_verdicts(anomalies + short, normals + max(missing - short, 0)) == 0


def test_a_verdict_counts_only_once_it_was_given() -> None:
    names = np.array(["a", "b", "c"], dtype=object)
    labels = (TicketLabel("a", True, 10), TicketLabel("b", False, 20))
    assert labels_of(labels, names, np.array([11, 20, 99])).tolist() == [1, -1, -1]


def test_verdicts_of_later_change_nothing() -> None:
    """Given in the hold-out about earlier tickets, or after the window: neither model nor threshold knows them."""
    ask = asked("learned", verdicts())
    split = split_by_time(generated(), ask.as_of_ms, ask.min_samples)
    known = {label.ticket_id for label in ask.labels}
    others = [i for i in generated().ticket_id[:1_100] if i not in known]
    late = tuple(TicketLabel(str(i), True, split.holdout_from_ms) for i in others)
    unborn = tuple(TicketLabel(str(i), True, ask.as_of_ms) for i in generated().ticket_id[1_300:])
    other = train_family(generated(), replace(ask, labels=ask.labels + late + unborn))
    one = made("learned")
    assert all(np.array_equal(one.model.arrays[k], other.model.arrays[k]) for k in one.model.arrays)
    assert one.model.policy == other.model.policy
    assert np.array_equal(one.cases.truth, other.cases.truth)


def test_what_people_named_in_the_hold_out_is_truth_and_said_to_be() -> None:
    ask = asked("isolation_forest")
    split = split_by_time(generated(), ask.as_of_ms, ask.min_samples)
    c = generated()
    named = [
        i for i in np.flatnonzero(c.created_at_ms >= split.holdout_from_ms)[:200:5] if c.completed_at_ms[i] > 0
    ]
    labels = tuple(TicketLabel(str(c.ticket_id[i]), True, int(c.completed_at_ms[i])) for i in named)
    found = train_family(c, replace(ask, labels=labels))
    assert found.cases.slice_of is not None
    told = int((found.cases.slice_of == "verdict").sum())
    assert 0 < told <= len(named)
    assert found.cases.truth[found.cases.slice_of == "verdict"].all()
    assert any(f"{told} tickets of the hold-out that people called" in note for note in found.evaluation.notes)
    plain = made("isolation_forest")
    assert all(np.array_equal(plain.model.arrays[k], found.model.arrays[k]) for k in plain.model.arrays)
