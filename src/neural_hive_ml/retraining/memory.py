"""A training that asks for too much memory fails by itself, and its process lives on."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_MIB: Final = 2**20
# How compiled libraries, which know no MemoryError, say that they got none.
_SAID: Final = (
    "bad_alloc",
    "bad allocation",
    "cannot allocate memory",
    "can't allocate memory",
    "failed to map segment",
    "out of memory",
)


@contextmanager
def memory_limit(mebibytes: float) -> Iterator[None]:
    """Limit what this process may hold in the block to so many MiB; 0: no limit of its own.

    Limited is the data of the process (RLIMIT_DATA): all private memory that can be written, Python's, NumPy's and that of
    compiled libraries and threads, what it held before included. Files that are mapped and shared memory are not. It is for
    the whole process and for the processes that it starts, which have as much each. What asks for more gets MemoryError or
    its library's own words for it: see `short_of_memory`. A library that ends its process then (OpenMP when it starts
    a thread, a booster inside one) still does.
    """
    if not mebibytes:
        yield
        return
    _warm_up()
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = round(mebibytes * _MIB)
    if most != resource.RLIM_INFINITY:
        wanted = min(wanted, most)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


def _warm_up() -> None:
    """Let both OpenBLAS, NumPy's and SciPy's, take their work memory now: the process ends where they get none."""
    import numpy as np
    from scipy.linalg.blas import dgemm

    square = np.ones((256, 256))
    dgemm(1.0, square @ square, square)


def short_of_memory(error: BaseException) -> str:
    """Return what to tell of an error that says, or came from one that says, that there was no memory; else nothing.

    >>> short_of_memory(RuntimeError("std::bad_alloc"))[:34], short_of_memory(ValueError("odd"))
    ('training asked for more memory tha', '')
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    limited = limit != resource.RLIM_INFINITY
    cause = _first_cause(error, limited=limited)
    if cause is None:
        return ""
    had = f"the {limit / _MIB:,.0f} MiB it may have" if limited else "there was"
    said = f"{type(cause).__name__}: {cause}".removesuffix(": ")
    return (
        f"training asked for more memory than {had} ({said}); next: shorten RETRAINING_WINDOW_DAYS, or raise "
        "RETRAINING_MEMORY_MIB and the container's limit"
    )


def _first_cause(error: BaseException, *, limited: bool) -> BaseException | None:
    # Compiled modules that forget to say why they failed: under a limit that is why.
    plain = (MemoryError, SystemError) if limited else (MemoryError,)
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        if isinstance(found, plain) or any(words in str(found).lower() for words in _SAID):
            return found
        seen.add(id(found))
        found = found.__cause__ or found.__context__
    return None
