"""Where blocks are worked on: in this process, or on the workers of a Dask cluster (the extra ``dask``)."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
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
        with ExitStack() as stack:
            try:
                cluster = self._address
                if not cluster:
                    # One thread a worker: the kernels hold the interpreter's lock.
                    cluster = stack.enter_context(
                        closing(open_cluster(threads_per_worker=1, dashboard_address=None))
                    )
                client = stack.enter_context(closing(open_client(cluster, timeout=self._timeout)))
            except (OSError, TimeoutError) as error:
                raise StoreUnavailable(
                    f"Dask at {self._address}: {error}", remedy="check the scheduler's address"
                ) from error
            with self._answering():
                shared = client.scatter(work, broadcast=True, hash=False)
            waiting: deque[tuple[Block, Any]] = deque()
            most = _A_WORKER * max(len(client.scheduler_info()["workers"]), 1)
            for block in blocks:
                if len(waiting) >= most:
                    yield self._answered(waiting)
                with self._answering():
                    waiting.append((block, client.submit(_call, shared, block, pure=False)))
            while waiting:
                yield self._answered(waiting)

    def _answered(self, waiting: "deque[tuple[Block, Any]]") -> "tuple[Block, pa.Table]":
        block, future = waiting.popleft()
        with self._answering():
            return block, future.result()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Say which cluster was lost, in our words; what a block itself raises passes."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        try:
            yield
        except (KilledWorker, CommClosedError, CancelledError, OSError) as error:
            where = self._address or "this machine"
            raise StoreUnavailable(
                f"Dask at {where}: {type(error).__name__}: {str(error)[:200]}",
                remedy="look at its workers (memory?), then repeat the command: it goes on where it stopped",
            ) from error


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
