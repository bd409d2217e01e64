"""What every registry does alike: memory, MLflow on sqlite, a real MLflow server."""

import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from tests.support.registry import evaluation, linear_model, verdict

from neural_hive_ml.clock import DAY_MS, SystemClock
from neural_hive_ml.conventions import CHALLENGER, CHAMPION
from neural_hive_ml.errors import ArtifactRefused, Conflict, NotFound, RegistryUnavailable
from neural_hive_ml.evaluation.verdict import Outcome
from neural_hive_ml.registry.files import read_artifact
from neural_hive_ml.registry.memory import MemoryRegistry
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from neural_hive_ml.registry.port import ModelVersion, Registry
from neural_hive_ml.registry.published import FilePointerSource, MlflowRestSource, ModelSource
from neural_hive_ml.training.search import Trial

ADAPTERS = [
    "memory",
    "sqlite",
    pytest.param("server", marks=[pytest.mark.services, pytest.mark.xdist_group("mlflow")]),
]
Opened = tuple[Registry, ModelSource]


@pytest.fixture(scope="module")
def sqlite_folder(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Path:
    folder = tmp_path_factory.mktemp("mlflow-sqlite")
    shutil.copy(mlflow_database, folder / "mlflow.db")
    return folder


@pytest.fixture(params=ADAPTERS)
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, sqlite_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Opened:
    if request.param == "memory":
        return MemoryRegistry(tmp_path, now_ms=lambda: 1_700_000_000_000), FilePointerSource(tmp_path)
    if request.param == "sqlite":
        uri = f"sqlite:///{sqlite_folder}/mlflow.db"
        return MlflowRegistry(uri, sqlite_folder), FilePointerSource(sqlite_folder)
    uri = request.getfixturevalue("mlflow_server")
    # How soon a silent server is given up is another test's matter (test_registry_outage.py); this one is only busy.
    for module in ("mlflow_client", "mlflow_rest"):
        monkeypatch.setattr(f"neural_hive_ml.registry.{module}._READ_SECONDS", 20.0)
    return MlflowRegistry(uri, tmp_path), MlflowRestSource(uri)


@pytest.fixture
def registry(opened: Opened) -> Registry:
    return opened[0]


@pytest.fixture
def name() -> str:
    return f"anomaly-detector-{uuid4().hex[:8]}"


@pytest.fixture
def register(registry: Registry, name: str) -> Callable[..., ModelVersion]:
    def registered(seed: int = 1, outcome: Outcome = Outcome.PROMOTE) -> ModelVersion:
        files = {"model_card.md": f"# {name} {seed}".encode(), "plots/scores.svg": b"<svg/>"}
        return registry.register(linear_model(name, seed), evaluation(name), verdict(outcome), files)

    return registered


def test_versions_are_numbered_from_one_and_listed_newest_first(
    registry: Registry, name: str, register: Callable[..., ModelVersion]
) -> None:
    first, second = register(1), register(2)

    assert (first.version, second.version) == (1, 2)
    assert [v.version for v in registry.versions(name)] == [2, 1]
    assert first.digest != second.digest
    assert first.created_at_ms > 1_600_000_000_000
    assert registry.version(name, 1) == first


def test_a_version_says_what_it_is_and_how_it_was_judged(name: str, register: Callable[..., ModelVersion]) -> None:
    tags = register(outcome=Outcome.REJECT).tags

    assert tags["verdict"] == "REJECT"
    assert "above the floor" in tags["reasons"]
    assert tags["data_digest"] == "d1" * 32
    assert (tags["synthetic"], tags["algorithm"], tags["feature_set_version"], tags["format_version"]) == (
        "false",
        "isolation_forest",
        "1",
        "1",
    )


def test_aliases_resolve_move_and_go(registry: Registry, name: str, register: Callable[..., ModelVersion]) -> None:
    register(1)
    register(2)
    assert registry.resolve(name, CHAMPION) is None

    registry.move_alias(name, CHAMPION, 1)
    registry.move_alias(name, CHALLENGER, 2)
    assert registry.version(name, 2).aliases == (CHALLENGER,)
    registry.move_alias(name, CHAMPION, 2)
    found = registry.resolve(name, CHAMPION)
    assert found is not None
    assert (found.version, found.aliases) == (2, (CHALLENGER, CHAMPION) if CHALLENGER < CHAMPION else ())
    registry.move_alias(name, CHALLENGER, None)
    registry.move_alias(name, CHALLENGER, None)
    assert registry.resolve(name, CHALLENGER) is None


def test_the_stage_follows_the_champion(
    registry: Registry, name: str, register: Callable[..., ModelVersion]
) -> None:
    register(1)
    register(2)

    registry.move_alias(name, CHAMPION, 1)
    assert [v.stage for v in registry.versions(name)] == ["None", "Production"]
    registry.move_alias(name, CHAMPION, 2)
    assert [v.stage for v in registry.versions(name)] == ["Production", "Archived"]
    registry.move_alias(name, CHAMPION, None)
    assert [v.stage for v in registry.versions(name)] == ["Archived", "Archived"]


def test_what_does_not_exist_is_none_or_not_found(registry: Registry, name: str) -> None:
    assert registry.resolve(name, CHAMPION) is None
    assert list(registry.versions(name)) == []
    with pytest.raises(NotFound):
        registry.version(name, 1)
    with pytest.raises(NotFound):
        registry.move_alias(name, CHAMPION, 7)


def test_names_match_like_patterns(registry: Registry, name: str, register: Callable[..., ModelVersion]) -> None:
    register()

    assert name in registry.names()
    assert list(registry.names(name)) == [name]
    assert name in registry.names("anomaly%")
    assert list(registry.names("nothing%")) == []
    assert list(registry.names("it's")) == []


def test_an_artifact_comes_back_to_the_byte(
    registry: Registry, name: str, register: Callable[..., ModelVersion], tmp_path: Path
) -> None:
    version = register(3)

    model = read_artifact(registry.download(version, tmp_path / "down"), expected_digest=version.digest)

    assert (model.arrays["weights"] == linear_model(name, 3).arrays["weights"]).all()


def test_a_download_that_is_not_what_was_asked_for_is_refused(
    registry: Registry, register: Callable[..., ModelVersion], tmp_path: Path
) -> None:
    from dataclasses import replace

    with pytest.raises(ArtifactRefused):
        registry.download(replace(register(), digest="0" * 64), tmp_path / "down")
    assert not (tmp_path / "down").exists()


def test_attached_files_come_back(registry: Registry, name: str, register: Callable[..., ModelVersion]) -> None:
    version = register(5)

    assert registry.attached(version, "model_card.md") == f"# {name} 5".encode()
    assert registry.attached(version, "plots/scores.svg") == b"<svg/>"
    assert registry.attached(version, "nothing.md") is None


def test_tags_can_be_added(registry: Registry, name: str, register: Callable[..., ModelVersion]) -> None:
    register()

    registry.tag(name, 1, {"reviewed_by": "ana"})

    assert registry.version(name, 1).tags["reviewed_by"] == "ana"
    with pytest.raises(NotFound):
        registry.tag(name, 9, {"x": "y"})


def test_a_version_with_an_alias_is_not_deleted_others_are_and_numbers_are_not_reused(
    registry: Registry, name: str, register: Callable[..., ModelVersion]
) -> None:
    register(1)
    register(2)
    registry.move_alias(name, CHAMPION, 2)

    with pytest.raises(Conflict, match="champion"):
        registry.delete(name, 2)
    registry.delete(name, 1)

    assert [v.version for v in registry.versions(name)] == [2]
    assert register(3).version == 3


def test_services_see_what_was_published(
    opened: Opened, name: str, register: Callable[..., ModelVersion], tmp_path: Path
) -> None:
    registry, source = opened
    assert source.current(name) is None
    version = register(4)
    assert source.current(name) is None

    registry.move_alias(name, CHAMPION, version.version)
    registry.publish(name, CHAMPION)

    published = source.current(name)
    assert published is not None
    assert (published.name, published.version, published.digest) == (name, 1, version.digest)
    assert source.current(name, CHALLENGER) is None
    checked = source.read(published)
    assert checked.manifest.digest == version.digest
    registry.move_alias(name, CHAMPION, None)
    registry.publish(name, CHAMPION)
    assert source.current(name) is None


def test_descriptions_hold_no_credentials(tmp_path: Path) -> None:
    uri = "http://ana:secret@mlflow:5000"

    assert "secret" not in MlflowRegistry(uri, tmp_path).describe()
    assert "secret" not in MlflowRestSource(uri).describe()


def test_trials_are_runs_below_the_run_of_their_version_and_go_with_it(
    registry: Registry, name: str, register: Callable[..., ModelVersion]
) -> None:
    version, other = register(1), register(2)
    trials = [
        Trial(0, {"depth": 5, "loss": "square"}, "complete", 2.5, ((25, 4.0), (50, 2.5)), 1.5),
        Trial(1, {"depth": 9, "loss": "square"}, "pruned", 4.0, ((25, 4.0),), 0.5),
        Trial(2, {"depth": 99, "loss": "square"}, "failed", None, error="ValueError: too deep"),
    ]
    registry.log_trials(version, trials)
    if isinstance(registry, MemoryRegistry):
        assert list(registry.trials(name, 1)) == trials
        return
    assert isinstance(registry, MlflowRegistry)
    client = MlflowClient(registry.uri, registry.uri)
    experiment = client.get_experiment_by_name(f"neural-hive-ml-{name}")

    def below(parent: ModelVersion) -> list[Run]:
        found = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.run_id}'")
        return sorted(found, key=lambda run: run.info.run_name)

    first, second, third = below(version)
    assert (first.info.status, second.info.status, third.info.status) == ("FINISHED", "KILLED", "FAILED")
    assert first.data.params == {"depth": "5", "loss": "square"}
    assert first.data.metrics["trial.loss"] == 2.5
    steps = client.get_metric_history(first.info.run_id, "trial.step_loss")
    assert [(m.step, m.value) for m in steps] == [(25, 4.0), (50, 2.5)]
    assert third.data.tags["error"] == "ValueError: too deep"
    assert "trial.loss" not in third.data.metrics
    assert below(other) == []
    registry.delete(name, 1)
    assert below(version) == []


def held_files(registry: MlflowRegistry, name: str) -> set[str]:
    """The files that MLflow keeps for an experiment, wherever they are."""
    client = MlflowClient(registry.uri, registry.uri)
    experiment = client.get_experiment_by_name(f"neural-hive-ml-{name}")
    assert experiment is not None
    repository = get_artifact_repository(experiment.artifact_location, tracking_uri=registry.uri)
    found, folders = set(), [""]
    while folders:
        for one in repository.list_artifacts(folders.pop() or None):
            if one.is_dir:
                folders.append(one.path)
            else:
                found.add(one.path)
    return found


def test_the_files_of_a_deleted_version_are_gone_and_others_stay(
    registry: Registry, name: str, register: Callable[..., ModelVersion], tmp_path: Path
) -> None:
    if not isinstance(registry, MlflowRegistry):
        return  # keeps no files of MLflow's
    first = register(1)
    before = held_files(registry, name)
    second = register(2)
    both = held_files(registry, name)
    registry.delete(name, 1)
    assert len(both) == 2 * len(before) > 10
    assert held_files(registry, name) == both - before
    assert registry.attached(second, "model_card.md")
    assert registry.download(second, tmp_path / "artifact").is_dir()
    assert first.run_id != second.run_id


def test_what_became_no_version_is_swept_with_its_files(
    registry: Registry, name: str, register: Callable[..., ModelVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(registry, MlflowRegistry):
        assert registry.sweep(SystemClock().now_ms()) == []  # registers in one step
        return
    kept = register(1)
    registry.log_trials(kept, [Trial(0, {"depth": 5}, "complete", 2.5, ((25, 4.0),), 1.5)])
    before = held_files(registry, name)

    def fails(*_: object) -> int:
        raise OSError("the network went away")

    with monkeypatch.context() as broken:
        broken.setattr(MlflowRegistry, "_create_version", fails)
        with pytest.raises(RegistryUnavailable):
            register(2)
    assert held_files(registry, name) > before
    client = MlflowClient(registry.uri, registry.uri)
    found = client.get_experiment_by_name(f"neural-hive-ml-{name}")
    assert found is not None
    experiment = found.experiment_id
    [failed] = [run.info.run_id for run in client.search_runs([experiment], "attributes.status = 'FAILED'")]
    now_ms = SystemClock().now_ms() + 1_000
    assert failed not in registry.sweep(now_ms - DAY_MS), "it may be under way"
    assert failed in registry.sweep(now_ms)
    assert held_files(registry, name) == before
    left = {run.info.run_id for run in client.search_runs([experiment], run_view_type=ViewType.ALL)}
    assert kept.run_id in left
    # A server's rows are its operator's: mlflow gc.
    assert (failed in left) == registry.uri.startswith("http")
