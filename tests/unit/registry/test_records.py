"""What a run says, where code comes from, how versions are named."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.registry import NAME, evaluation, linear_model, verdict

from neural_hive_ml.conventions import CHAMPION
from neural_hive_ml.errors import NotFound, UsageError
from neural_hive_ml.evaluation.verdict import Metric
from neural_hive_ml.registry.code_closure import closure, copy_code
from neural_hive_ml.registry.commit import git_commit
from neural_hive_ml.registry.files import write_artifact
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.registry.reference import find, parse_filter, parse_reference
from neural_hive_ml.registry.run_record import metrics, params, tags


def test_metrics_carry_intervals_baselines_floors_and_slices() -> None:
    logged = metrics(evaluation(), verdict())

    assert (logged["f1"], logged["f1.low"], logged["f1.high"], logged["f1.n"]) == (
        0.81,
        pytest.approx(0.78),
        pytest.approx(0.84),
        900.0,
    )
    assert logged["baseline.flag_longest.f1"] == 0.31
    assert logged["floor.f1"] == 0.65
    assert logged["slice.f1_task_type_BUILD_"] == 0.78


def test_a_metric_without_an_interval_or_value_is_logged_as_it_is() -> None:
    odd = replace(evaluation(), metrics=(Metric("mape", math.nan, 0),))

    logged = metrics(odd, verdict())

    assert math.isnan(logged["mape"])
    assert "mape.low" not in logged


def test_params_are_the_scalars_of_the_lineage() -> None:
    logged = params(linear_model(lineage={"seed": 7, "a": {"b": 1.5}, "list": [1], "none": None}))

    assert logged == {
        "family": "anomaly",
        "algorithm": "isolation_forest",
        "feature_set_version": "1",
        "seed": "7",
        "a.b": "1.5",
    }


def test_params_stay_within_mlflow_s_limits() -> None:
    lineage = {f"{'k' * 300}[{i}]": "v" * 9000 for i in range(300)}

    logged = params(linear_model(lineage=lineage))

    assert len(logged) <= 100
    assert max(map(len, logged)) <= 250
    assert max(map(len, logged.values())) <= 500


def test_empty_tags_are_left_out(tmp_path: Path) -> None:
    manifest = write_artifact(linear_model(), tmp_path / "a")

    logged = tags(linear_model(), evaluation(), verdict(), manifest, "")

    assert "git_commit" not in logged
    assert "missing" not in logged
    assert "horizon_minutes" not in logged
    assert logged["artifact_digest"] == manifest.digest


def test_the_closure_holds_what_loading_needs_and_no_trainer() -> None:
    root = Path(__file__).resolve().parents[3] / "src"

    sources = closure(root, "neural_hive_ml.registry.pyfunc")

    assert "neural_hive_ml/__init__.py" in sources
    assert "neural_hive_ml/scoring/duration.py" in sources
    assert "neural_hive_ml/features/spec.py" in sources
    rooms = {path.split("/")[1] for path in sources}
    assert not rooms & {"training", "serving", "cli", "flow.py", "state", "settings.py"}


def test_copied_packages_let_the_installed_ones_through(tmp_path: Path) -> None:
    package = copy_code(tmp_path, "neural_hive_ml.registry.pyfunc")

    assert package == tmp_path / "neural_hive_ml"
    assert "extend_path" in (package / "__init__.py").read_text()


def test_the_commit_is_read_without_git(tmp_path: Path) -> None:
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    commit = "a" * 40
    assert git_commit(None) == ""
    assert git_commit(tmp_path) == ""
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert git_commit(tmp_path) == ""
    (git / "packed-refs").write_text(f"# pack-refs\n{commit} refs/heads/main\n")
    assert git_commit(tmp_path) == commit
    (git / "refs" / "heads" / "main").write_text("b" * 40 + "\n")
    assert git_commit(tmp_path) == "b" * 40
    (git / "HEAD").write_text(commit)
    assert git_commit(tmp_path) == commit


@pytest.mark.parametrize("text", ["", "a b", "name@", "name/x", "@champion", "a/1/2"])
def test_what_names_no_version_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="names no model"):
        parse_reference(text)


@pytest.mark.parametrize("text", ["stage = 'Production'", "name LIKE anomaly", "name LIKE 'a' AND name LIKE 'b'"])
def test_filters_that_are_not_understood_are_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="not understood"):
        parse_filter(text)


def test_filters_on_names_are_patterns() -> None:
    assert parse_filter('name ilike "Load%"') == "Load%"
    assert parse_filter("name = 'x'") == "x"


def test_a_bare_name_is_its_champion_else_its_newest(tmp_path: Path) -> None:
    registry = MemoryRegistry(tmp_path)
    with pytest.raises(NotFound):
        find(registry, NAME)
    for seed in (1, 2):
        registry.register(linear_model(seed=seed), evaluation(), verdict(), {})

    assert find(registry, NAME).version == 2
    registry.move_alias(NAME, CHAMPION, 1)
    assert find(registry, NAME).version == 1
    assert find(registry, f"{NAME}/v2").version == 2
    assert find(registry, f"{NAME}@champion").version == 1
    with pytest.raises(NotFound, match="no previous"):
        find(registry, f"{NAME}@previous")
