"""The name of a reader in its group: its successor's too, so that what a killed one left undone comes first, in order."""

import fcntl
import os
import socket
from functools import cache
from hashlib import blake2b
from itertools import count
from pathlib import Path

import structlog

_log = structlog.get_logger("streams")


@cache
def reader_name(folder: Path) -> str:
    """Return this process's name among readers, the same again after a restart on the same data folder.

    Processes that share a folder get different ones: each holds the lock of its number as long as it lives. On a folder
    that cannot be written the name ends with the process's number, and its messages wait for those who take over.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     reader_name(Path(folder)).endswith("-0")
    True
    """
    machine = f"{socket.gethostname()}-{blake2b(os.fsencode(folder.resolve()), digest_size=4).hexdigest()}"
    try:
        locks = folder / "readers"
        locks.mkdir(parents=True, exist_ok=True)
        for number in count():
            # Open for as long as the process lives; the system unlocks what a killed one held.
            held = os.open(locks / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(held)
                continue
            return f"{machine}-{number}"
    except OSError as error:
        _log.warning("streams.name_not_kept", folder=str(folder), reason=str(error))
    return f"{machine}-p{os.getpid()}"
