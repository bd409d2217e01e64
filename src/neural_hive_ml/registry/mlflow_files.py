"""What MLflow keeps of what was deleted, taken away for good: files, and runs that became no version."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from neural_hive_ml.errors import RegistryUnavailable
from neural_hive_ml.registry.mlflow_client import is_server
from neural_hive_ml.registry.port import DIGEST_TAG
from neural_hive_ml.registry.trial_runs import PARENT_TAG, delete_trial_runs

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PAGE: Final = 1_000
_GC_SECONDS: Final = 600


def remove_files(uri: str, root: Path, places: Sequence[str]) -> None:
    """Delete the files at artifact addresses: through a server, or below `root`, where ours lie. Nothing there is fine.

    Raises MLflow's and requests' errors.
    """
    if is_server(uri):
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        for place in places:
            repository: Any = get_artifact_repository(place, tracking_uri=uri)
            repository.delete_artifacts()
        return
    for place in places:
        directory = Path(unquote(urlsplit(place).path)).parent  # .../<run or model id>/artifacts
        if directory.is_relative_to(root) and len(directory.relative_to(root).parts) >= 2:
            shutil.rmtree(directory, ignore_errors=True)


def unversioned(
    client: "MlflowClient", experiment: str, versioned: Collection[str], before_ms: int
) -> Iterator[Any]:
    """Yield our runs of an experiment, begun before a moment, that became no version; trials go with their parent."""
    condition = f"attributes.start_time < {before_ms:d} AND tags.`{DIGEST_TAG}` LIKE '%'"
    token: str | None = None
    while True:
        page = client.search_runs([experiment], condition, max_results=_PAGE, page_token=token)
        for run in page:
            if run.info.run_id not in versioned and PARENT_TAG not in run.data.tags:
                yield run
        token = page.token
        if not token:
            return


def models_of(client: "MlflowClient", experiment: str, run_id: str) -> Iterator[Any]:
    """Yield the logged models that a run made."""
    yield from client.search_logged_models([experiment], f"source_run_id = '{run_id}'")


def delete_run(client: "MlflowClient", uri: str, root: Path, run: Any) -> None:
    """Delete a run with its files, trials and models: files first, so that what fails is found again."""
    models = list(models_of(client, run.info.experiment_id, run.info.run_id))
    remove_files(uri, root, [str(run.info.artifact_uri), *(str(m.artifact_location) for m in models)])
    for model in models:
        client.delete_logged_model(model.model_id)
    delete_trial_runs(client, run.info.experiment_id, run.info.run_id)
    client.delete_run(run.info.run_id)


def collect_rows(uri: str) -> None:
    """Delete the rows of what was marked as deleted from a database of our own, as `mlflow gc` does on a server's machine.

    Raises
    ------
    RegistryUnavailable
        When it fails, or takes longer than ten minutes.
    """
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", uri]
    try:
        done = subprocess.run(
            command, env={**os.environ, "MLFLOW_TRACKING_URI": uri}, capture_output=True, text=True, check=False,
            timeout=_GC_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise RegistryUnavailable(
            f"mlflow gc of {uri}: {error}", remedy="run it again when nothing trains"
        ) from error
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no word"]
        raise RegistryUnavailable(
            f"mlflow gc of {uri}: {last[0][:300]}", remedy="look at the database file's rights"
        )
