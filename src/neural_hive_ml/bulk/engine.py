"""Where blocks are worked on: in this process, or on the workers of a Dask cluster (the extra ``dask``)."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

from neural_hive_ml.bulk.work import Block, Work
from neural_hive_ml.errors import StoreUnavailable, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

# Blocks at the workers at a time, a worker: one in hand, one waiting.
_A_WORKER = 2


class Engine(Protocol):
    """Works blocks; answers come in the order of the blocks, and no more than a few blocks are held at a time."""

    def run(self, work: Work, blocks: Iterable[Block]) -> "Iterator[tuple[Block, pa.Table]]": ...


class Here:
    """This process."""

    def run(self, work: Work, blocks: Iterable[Block]) -> "Iterator[tuple[Block, pa.Table]]":
        for block in blocks:
            yield block, work(block)


class DaskCluster:
    """A Dask scheduler, or with an empty address a cluster on this machine."""

    def __init__(self, address: str, timeout_seconds: float = 10.0) -> None:
        self._address, self._timeout = address, timeout_seconds

    def run(self, work: Work, blocks: Iterable[Block]) -> "Iterator[tuple[Block, pa.Table]]":
        try:
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise UsageError(
                "--engine dask needs the extra", remedy="pip install 'neural-hive-ml[dask]'"
            ) from error
        open_cluster: Any = LocalCluster  # the library has no types
        open_client: Any = Client
        try:
            # One thread a worker: the kernels hold the interpreter's lock.
            cluster = None if self._address else open_cluster(threads_per_worker=1, dashboard_address=None)
            client = open_client(cluster or self._address, timeout=self._timeout)
        except (OSError, TimeoutError) as error:
            raise StoreUnavailable(
                f"Dask at {self._address}: {error}", remedy="check the scheduler's address"
            ) from error
        with closing(client):
            shared = client.scatter(work, broadcast=True, hash=False)
            waiting: deque[tuple[Block, object]] = deque()
            most = _A_WORKER * max(len(client.scheduler_info()["workers"]), 1)
            for block in blocks:
                if len(waiting) >= most:
                    yield _answered(waiting)
                waiting.append((block, client.submit(_call, shared, block, pure=False)))
            while waiting:
                yield _answered(waiting)
        if cluster is not None:
            cluster.close()


def engine_of(text: str) -> Engine:
    """Read ``local``, ``dask`` or ``dask://host:port``. Raises `UsageError` for anything else."""
    if text == "local":
        return Here()
    if text == "dask":
        return DaskCluster("")
    if text.startswith("dask://") and len(text) > len("dask://"):
        return DaskCluster("tcp://" + text.removeprefix("dask://"))
    raise UsageError(f"--engine {text!r} is unknown", remedy="give local, dask or dask://host:port")


def _call(work: Work, block: Block) -> "pa.Table":
    return work(block)


def _answered(waiting: "deque[tuple[Block, object]]") -> "tuple[Block, pa.Table]":
    block, future = waiting.popleft()
    return block, future.result()  # type: ignore[attr-defined] # a distributed.Future
