"""Golden rows: a model that does not score as it was trained never serves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.registry import LinearScorer, linear_model

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.registry.files import write_artifact
from neural_hive_ml.registry.verify import verify_artifact
from neural_hive_ml.scoring.packed import GoldenRows, PackedModel


def refused(model: PackedModel, directory: Path, loader: object = LinearScorer, **expected: str) -> str:
    write_artifact(model, directory)
    with pytest.raises(ArtifactRefused) as caught:
        verify_artifact(directory, load_scorer=loader, **expected)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_faithful_model_is_loaded_with_reasons(tmp_path: Path) -> None:
    manifest = write_artifact(linear_model(), tmp_path / "a")

    verified = verify_artifact(tmp_path / "a", load_scorer=LinearScorer, expected_digest=manifest.digest)

    assert verified.digest == manifest.digest
    assert verified.worst_difference <= 1e-12
    assert verified.golden_rows == 4
    assert len(verified.reasons()) == 3


def test_one_row_off_by_more_than_the_tolerance_is_refused(tmp_path: Path) -> None:
    model = linear_model()
    off = model.golden.expected.copy()
    off[2] += 1e-9
    text = refused(replace(model, golden=replace(model.golden, expected=off)), tmp_path / "a")

    assert "does not reproduce" in text


def test_nan_where_a_score_was_expected_is_a_difference(tmp_path: Path) -> None:
    model = linear_model()
    golden = GoldenRows(model.golden.rows, np.full(4, np.nan))

    assert "does not reproduce" in refused(replace(model, golden=golden), tmp_path / "a")


def test_no_golden_rows_is_no_evidence(tmp_path: Path) -> None:
    golden = GoldenRows(np.empty((0, 3)), np.empty(0))

    assert "no golden rows" in refused(replace(linear_model(), golden=golden), tmp_path / "a")


def test_scores_of_another_shape_are_refused(tmp_path: Path) -> None:
    model = linear_model()
    golden = GoldenRows(model.golden.rows, np.zeros((4, 2)))

    assert "scores golden rows as (4,)" in refused(replace(model, golden=golden), tmp_path / "a")


def test_a_loader_that_breaks_is_a_refusal_with_its_reason(tmp_path: Path) -> None:
    arrays = {"other": np.zeros(1)}

    assert "KeyError: 'weights'" in refused(replace(linear_model(), arrays=arrays), tmp_path / "a")


def test_another_model_or_feature_set_than_expected_is_refused(tmp_path: Path) -> None:
    assert "load-predictor-60m was expected" in refused(
        linear_model(), tmp_path / "a", expected_name="load-predictor-60m"
    )
    assert "trained on feature set 1" in refused(linear_model(), tmp_path / "b", feature_set_version="2")
