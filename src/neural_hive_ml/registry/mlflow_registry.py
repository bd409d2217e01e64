"""The registry in MLflow: a sqlite file in the data folder, or a tracking server.

Each registered model has its experiment ``neural-hive-ml-<name>``. A version is a run (params, metrics,
tags, model card) with a logged model that holds our artifact under `ARTIFACT_PATH`.
"""

import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neural_hive_ml.addresses import mask
from neural_hive_ml.clock import SystemClock
from neural_hive_ml.conventions import CHAMPION, EXPERIMENT_PREFIX, STAGE_ARCHIVED, STAGE_PRODUCTION
from neural_hive_ml.errors import Conflict, NotFound
from neural_hive_ml.evaluation.trial import Trial
from neural_hive_ml.evaluation.verdict import Evaluation, Verdict
from neural_hive_ml.registry.commit import git_commit
from neural_hive_ml.registry.files import check_directory, write_artifact, write_whole
from neural_hive_ml.registry.mlflow_client import answers, is_server, open_client, sqlite_file
from neural_hive_ml.registry.mlflow_files import collect_rows, delete_run, remove_files, unversioned
from neural_hive_ml.registry.port import ARTIFACT_PATH, DIGEST_TAG, ModelVersion
from neural_hive_ml.registry.published import PublishedFolder
from neural_hive_ml.registry.run_record import metrics, params, tags
from neural_hive_ml.registry.trial_runs import log_trial_runs
from neural_hive_ml.scoring.packed import PackedModel
from neural_hive_ml.settings import checkout_root

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

    from neural_hive_ml.registry.sign import Signer

_PAGE = 200


class MlflowRegistry:
    """`Registry` over MLflow. Cheap to make: mlflow is imported at the first call."""

    def __init__(
        self,
        uri: str,
        data_dir: Path,
        *,
        signer: "Signer | None" = None,
        username: str = "",
        password: str = "",
        ca_file: str = "",
    ) -> None:
        self.uri = uri
        self._data_dir = data_dir.resolve()
        self._signer = signer
        self._access = (username, password, ca_file)
        self._published = PublishedFolder(self._data_dir / "published")

    @cached_property
    def _client(self) -> "MlflowClient":
        return open_client(self.uri, *self._access)

    @property
    def _untouched(self) -> bool:
        """Nothing was ever registered: known without importing mlflow (2.5 s) and laying out its tables (3 s)."""
        file = sqlite_file(self.uri)
        return file is not None and not file.exists()

    def describe(self) -> str:
        return f"MLflow {mask(self.uri)}"

    def register(
        self, model: PackedModel, evaluation: Evaluation, verdict: Verdict, files: Mapping[str, bytes]
    ) -> ModelVersion:
        client = self._client
        from neural_hive_ml.registry.pyfunc_model import write_mlflow_model

        with answers(self.uri):
            experiment = self._experiment(model.name)
        with tempfile.TemporaryDirectory(prefix="hive-register-") as scratch_name:
            scratch = Path(scratch_name)
            manifest = write_artifact(model, scratch / "artifact", self._signer)
            labels = tags(model, evaluation, verdict, manifest, git_commit(checkout_root()))
            directory = write_mlflow_model(model, scratch / "artifact", scratch)
            write_whole(files, scratch / "attached")
            with answers(self.uri):
                run_id = client.create_run(experiment, tags=labels, run_name=manifest.digest[:12]).info.run_id
            finished = False
            try:
                with answers(self.uri):
                    self._log(run_id, params(model), metrics(evaluation, verdict))
                    client.log_artifacts(run_id, str(scratch / "attached"))
                    logged = self._log_model(experiment, run_id, model.name, directory)
                    version = self._create_version(model.name, logged, run_id, labels)
                finished = True
            finally:
                with answers(self.uri):
                    client.set_terminated(run_id, "FINISHED" if finished else "FAILED")
        return self.version(model.name, version)

    def log_trials(self, version: ModelVersion, trials: Sequence[Trial]) -> None:
        client = self._client
        with answers(self.uri):
            log_trial_runs(client, self._experiment(version.name), version.run_id, trials, SystemClock().now_ms())

    def resolve(self, name: str, alias: str) -> ModelVersion | None:
        aliases = self._aliases(name)
        return self.version(name, aliases[alias]) if alias in aliases else None

    def version(self, name: str, version: int) -> ModelVersion:
        if self._untouched:
            raise NotFound(f"{name} version {version} is not in the registry", remedy="hive-ml models list")
        client = self._client
        with answers(self.uri, missing=f"{name} version {version}"):
            found = client.get_model_version(name, str(version))
        return _version(found, self._aliases(name))

    def versions(self, name: str) -> Sequence[ModelVersion]:
        if self._untouched:
            return []
        client = self._client
        aliases = self._aliases(name)
        found: list[Any] = []
        token: str | None = None
        while True:
            with answers(self.uri):
                page = client.search_model_versions(f"name='{_quoted(name)}'", max_results=_PAGE, page_token=token)
            found += page
            token = page.token
            if not token:
                break
        return sorted((_version(v, aliases) for v in found), key=lambda v: -v.version)

    def names(self, like: str = "%") -> Sequence[str]:
        if self._untouched:
            return []
        client = self._client
        found: list[str] = []
        token: str | None = None
        while True:
            with answers(self.uri):
                page = client.search_registered_models(
                    f"name LIKE '{_quoted(like)}'", max_results=_PAGE, page_token=token
                )
            found += [m.name for m in page]
            token = page.token
            if not token:
                return sorted(found)

    def move_alias(self, name: str, alias: str, version: int | None) -> None:
        client = self._client
        before = self._aliases(name).get(alias)
        with answers(self.uri, missing=f"{name} version {version}"):
            if version is not None:
                client.set_registered_model_alias(name, alias, str(version))
            elif before is not None:
                client.delete_registered_model_alias(name, alias)
            if alias == CHAMPION and version is not None:
                client.transition_model_version_stage(
                    name, str(version), STAGE_PRODUCTION, archive_existing_versions=True
                )
            elif alias == CHAMPION and before is not None:
                client.transition_model_version_stage(name, str(before), STAGE_ARCHIVED)

    def tag(self, name: str, version: int, tags: Mapping[str, str]) -> None:
        client = self._client
        with answers(self.uri, missing=f"{name} version {version}"):
            for key, value in tags.items():
                client.set_model_version_tag(name, str(version), key, value)

    def publish(self, name: str, alias: str) -> None:
        if is_server(self.uri):
            return  # services read the alias from the server itself
        version = self.resolve(name, alias)
        if version is None:
            self._published.withdraw(name, alias)
            return
        with tempfile.TemporaryDirectory(prefix="hive-publish-") as scratch:
            self._published.publish(
                name, alias, version.version, self.download(version, Path(scratch) / "artifact")
            )

    def attached(self, version: ModelVersion, path: str) -> bytes | None:
        client = self._client
        folder = path.rpartition("/")[0]
        with answers(self.uri, missing=f"run {version.run_id}"):
            if path not in {f.path for f in client.list_artifacts(version.run_id, folder or None)}:
                return None
            with tempfile.TemporaryDirectory(prefix="hive-attached-") as scratch:
                return Path(client.download_artifacts(version.run_id, path, scratch)).read_bytes()

    def delete(self, name: str, version: int) -> None:
        client = self._client
        held = [alias for alias, number in self._aliases(name).items() if number == version]
        if held:
            raise Conflict(f"{name} version {version} is {', '.join(held)}", remedy="move the alias first")
        with answers(self.uri, missing=f"{name} version {version}"):
            found = client.get_model_version(name, str(version))
            client.delete_model_version(name, str(version))
            # MLflow marks runs and models as deleted and keeps their files. A run whose files could not be deleted has no
            # version any more, and `sweep` finds it.
            if found.run_id:
                delete_run(client, self.uri, self._files, client.get_run(found.run_id))
            else:
                remove_files(self.uri, self._files, [str(found.source)])
        if not is_server(self.uri):
            self._published.prune()

    def sweep(self, before_ms: int, *, dry_run: bool = False) -> Sequence[str]:
        if self._untouched:
            return []
        client = self._client
        with answers(self.uri):
            experiments = client.search_experiments(filter_string=f"name LIKE '{EXPERIMENT_PREFIX}%'")
            gone = []
            for experiment in experiments:
                name = experiment.name.removeprefix(EXPERIMENT_PREFIX)
                versioned = {version.run_id for version in self.versions(name)}
                for run in list(unversioned(client, experiment.experiment_id, versioned, before_ms)):
                    gone.append(str(run.info.run_id))
                    if not dry_run:
                        delete_run(client, self.uri, self._files, run)
        if not dry_run and not is_server(self.uri):
            collect_rows(self.uri)
        return gone

    def download(self, version: ModelVersion, into: Path) -> Path:
        client = self._client
        import mlflow.artifacts

        with answers(self.uri, missing=f"{version.name} version {version.version}"):
            root = client.get_model_version_download_uri(version.name, str(version.version))
            with tempfile.TemporaryDirectory(prefix="hive-download-") as scratch:
                found = mlflow.artifacts.download_artifacts(
                    artifact_uri=f"{root}/{ARTIFACT_PATH}", dst_path=scratch, tracking_uri=self.uri
                )
                checked = check_directory(Path(found), expected_digest=version.digest)
        write_whole(checked.files, into)
        return into

    @property
    def _files(self) -> Path:
        return self._data_dir / "mlartifacts"

    def _experiment(self, name: str) -> str:
        client = self._client
        title = EXPERIMENT_PREFIX + name
        found = client.get_experiment_by_name(title)
        if found is not None:
            return str(found.experiment_id)
        # Absolute, so that the files are found from whichever folder a command is typed in.
        location = None if is_server(self.uri) else (self._data_dir / "mlartifacts" / name).as_uri()
        return str(client.create_experiment(title, artifact_location=location))

    def _log(self, run_id: str, run_params: Mapping[str, str], run_metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric, Param

        now_ms = SystemClock().now_ms()
        self._client.log_batch(
            run_id,
            metrics=[Metric(key, value, now_ms, 0) for key, value in run_metrics.items()],
            params=[Param(key, value) for key, value in run_params.items()],
        )

    def _log_model(self, experiment: str, run_id: str, name: str, directory: Path) -> "LoggedModel":
        client = self._client
        logged = client.create_logged_model(experiment, name=name, source_run_id=run_id)
        client.log_model_artifacts(logged.model_id, str(directory))
        return client.finalize_logged_model(logged.model_id, "READY")

    def _create_version(self, name: str, logged: "LoggedModel", run_id: str, labels: Mapping[str, str]) -> int:
        client = self._client
        if not self._model_exists(name):
            client.create_registered_model(name)
        # The files' own address: MLflow's sqlite store resolves `models:/m-...` by process-wide state only.
        version = client.create_model_version(
            name,
            logged.artifact_location,
            run_id,
            tags=dict(labels),
            model_id=logged.model_id,
            await_creation_for=0,
        )
        return int(version.version)

    def _model_exists(self, name: str) -> bool:
        return name in {m.name for m in self._client.search_registered_models(f"name='{_quoted(name)}'")}

    def _aliases(self, name: str) -> dict[str, int]:
        if self._untouched:
            return {}
        client = self._client
        try:
            with answers(self.uri, missing=name):
                return {alias: int(number) for alias, number in client.get_registered_model(name).aliases.items()}
        except NotFound:
            return {}


def _version(found: Any, aliases: Mapping[str, int]) -> ModelVersion:
    number = int(found.version)
    return ModelVersion(
        name=found.name,
        version=number,
        run_id=found.run_id or "",
        digest=found.tags.get(DIGEST_TAG, ""),
        created_at_ms=int(found.creation_timestamp),
        aliases=tuple(sorted(alias for alias, held in aliases.items() if held == number)),
        stage=found.current_stage or "None",
        tags=dict(found.tags),
    )


def _quoted(text: str) -> str:
    """Escape a value of MLflow's search filters; a name of ours holds no quote, a caller's may."""
    return text.replace("'", "")
