"""A search over a real Dask cluster of two worker processes finds what the same search finds in one process."""

from collections.abc import Iterator

import pytest
from distributed import LocalCluster
from tests.support.searches import bowl

from neural_hive_ml.cli.tuning import open_engine
from neural_hive_ml.errors import TrainingFailed
from neural_hive_ml.training.engine import InProcess
from neural_hive_ml.training.engine_dask import DaskEngine
from neural_hive_ml.training.request import TuningBudget
from neural_hive_ml.training.tuning import Tuner, tune

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("dask")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as running:
        running.wait_for_workers(2)  # type: ignore[no-untyped-call]
        yield running


def test_two_workers_search_as_one_process_of_that_width_would(cluster: LocalCluster) -> None:
    class Wide:
        workers = 2

        def run(self, search, jobs):  # type: ignore[no-untyped-def]
            return InProcess().run(search, jobs)

        def close(self) -> None: ...

    engine = open_engine(cluster.scheduler_address.replace("tcp://", "dask://"))
    try:
        assert engine.workers == 2
        theirs = tune(bowl(), TuningBudget(1e9, 12), 3, Tuner(engine, lambda: 0.0))
    finally:
        engine.close()
    ours = tune(bowl(), TuningBudget(1e9, 12), 3, Tuner(Wide(), lambda: 0.0))
    told = [
        [(t.number, dict(t.values), t.state, t.loss, t.steps) for t in found.trials] for found in (theirs, ours)
    ]
    assert told[0] == told[1]
    assert theirs.values == ours.values


def test_a_cluster_without_workers_is_said() -> None:
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=0, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as empty,
        pytest.raises(TrainingFailed, match="has no workers"),
    ):
        DaskEngine(empty.scheduler_address)
