"""Processes that work for this one, started afresh, and that end with it even when it is killed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor


def pool_of(workers: int) -> "ProcessPoolExecutor":
    """Return a pool of so many processes; no thread or handle of this one leaks into them.

    A worker of Python's own waits for work for ever once its parent was killed: nobody is left to send it home.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )


def _end_with_parent() -> None:
    import multiprocessing
    import os
    from threading import Thread

    parent = multiprocessing.parent_process()
    assert parent is not None, "only workers come here"

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, name="end-with-parent", daemon=True).start()
