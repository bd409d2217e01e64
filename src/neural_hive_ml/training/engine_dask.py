"""Trials over a Dask cluster: the objective is sent to each worker once, trials as they come."""

from collections.abc import Sequence
from typing import Any

from neural_hive_ml.errors import TrainingFailed, UsageError
from neural_hive_ml.training.engine import TrialJob, run_trial
from neural_hive_ml.training.search import Search, Trial


class DaskEngine:
    """Runs trials on the workers of a scheduler, e.g. ``tcp://scheduler:8786``; they need this package at this release."""

    def __init__(self, address: str, timeout_seconds: float = 10.0) -> None:
        try:
            import distributed
        except ImportError as error:
            raise UsageError("Dask is not installed", remedy="pip install neural-hive-ml[dask]") from error
        try:
            client: Any = distributed.Client
            self._client = client(address, timeout=timeout_seconds, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise TrainingFailed(
                f"no Dask scheduler answers at {address}: {error}", remedy="check --engine, or leave it out"
            ) from error
        self.workers = sum(self._client.nthreads().values())
        if not self.workers:
            self.close()
            raise TrainingFailed(f"the Dask scheduler at {address} has no workers", remedy="start dask worker")
        self._sent: tuple[str, Any] = ("", None)

    def run(self, search: Search, jobs: Sequence[TrialJob]) -> Sequence[Trial]:
        if self._sent[0] != search.key:
            self._sent = (search.key, self._client.scatter(search.objective, broadcast=True))
        futures = [self._client.submit(run_trial, self._sent[1], job, pure=False) for job in jobs]
        try:
            return list(self._client.gather(futures))
        except Exception as error:
            raise TrainingFailed(
                f"Dask lost trials of {search.name}: {type(error).__name__}: {error}",
                remedy="look at the scheduler's page; finished trials are kept and not run again",
            ) from error

    def close(self) -> None:
        self._client.close()
