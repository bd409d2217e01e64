"""Where trials run: in this process, in processes beside it; over Dask in `engine_dask`.

A worker needs nothing but the objective and the values: what a trial is pruned by travels with it, so no store is shared.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from neural_hive_ml.children import pool_of
from neural_hive_ml.errors import TrainingFailed
from neural_hive_ml.training.search import Objective, Search, State, Trial, Values


@dataclass(frozen=True, slots=True)
class TrialJob:
    """A trial to run. Its best loss so far must stay at or below `ceilings` at their steps, and it stops after
    `seconds`."""

    number: int
    values: Values
    ceilings: Mapping[int, float]
    seconds: float


class Engine(Protocol):
    """Runs trials, `workers` at a time."""

    @property
    def workers(self) -> int:
        """How many trials run at once."""
        ...

    def run(self, search: Search, jobs: Sequence[TrialJob]) -> Sequence[Trial]:
        """Run jobs and return their trials in the order of the jobs. Raises `TrainingFailed` when workers are lost."""
        ...

    def close(self) -> None:
        """Give the workers back."""
        ...


def run_trial(objective: Objective, job: TrialJob) -> Trial:
    """Run one trial; an objective that raises makes a failed trial, not a failed search."""
    began = perf_counter()
    steps: list[tuple[int, float]] = []
    pruned = False

    def report(step: int, loss: float) -> bool:
        nonlocal pruned
        steps.append((step, loss))
        ceiling = job.ceilings.get(step)
        pruned = (
            ceiling is not None and min(v for _, v in steps) > ceiling
        ) or perf_counter() - began > job.seconds
        return pruned

    try:
        loss = float(objective(job.values, report))
    except Exception as error:  # noqa: BLE001 - values that a library refuses are a finding about these values
        why = f"{type(error).__name__}: {error}"
        return Trial(job.number, job.values, "failed", None, tuple(steps), perf_counter() - began, why)
    state: State = "pruned" if pruned else "complete"
    return Trial(job.number, job.values, state, loss, tuple(steps), perf_counter() - began)


@dataclass(frozen=True, slots=True)
class InProcess:
    """One trial after the other, here."""

    workers: int = 1

    def run(self, search: Search, jobs: Sequence[TrialJob]) -> Sequence[Trial]:
        return [run_trial(search.objective, job) for job in jobs]

    def close(self) -> None:
        """Nothing to give back."""


class Processes:
    """Processes of this machine, started afresh."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool = pool_of(workers)
        self._sent: dict[str, bytes] = {}

    def run(self, search: Search, jobs: Sequence[TrialJob]) -> Sequence[Trial]:
        from concurrent.futures.process import BrokenProcessPool

        if search.key not in self._sent:
            self._sent = {search.key: pickle.dumps(search.objective)}
        packed = self._sent[search.key]
        try:
            return list(self._pool.map(_run_packed, [search.key] * len(jobs), [packed] * len(jobs), jobs))
        except BrokenProcessPool as error:
            raise TrainingFailed(
                f"a process that ran trials of {search.name} died: {error}",
                remedy="more memory, or --engine local; finished trials are kept and not run again",
            ) from error

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


_unpacked: dict[str, Objective] = {}


def _run_packed(key: str, packed: bytes, job: TrialJob) -> Trial:
    # Unpacked once a worker and search; bytes travel each time, which costs a fraction of any trial.
    if key not in _unpacked:
        _unpacked.clear()
        _unpacked[key] = pickle.loads(packed)  # noqa: S301 - our own bytes, from the process that started this one
    return run_trial(_unpacked[key], job)
