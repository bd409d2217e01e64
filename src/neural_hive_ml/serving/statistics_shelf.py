"""Where numbered snapshots of the serving statistics lie: one writer puts them there, replicas take the newest.

A snapshot holds the statistics and which events they learned last, so that a redelivery after a restart is known.
"""

import fcntl
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import ArtifactRefused, StoreUnavailable
from neural_hive_ml.redis_client import redis_client

Arrays = Mapping[str, npt.NDArray[np.generic]]
_KEY: Final = "hive:statistics"
# Put only what is newer; both fields change together.
_PUT: Final = """
local held = tonumber(redis.call('HGET', KEYS[1], 'number') or '0')
if tonumber(ARGV[1]) <= held then return 0 end
redis.call('HSET', KEYS[1], 'number', ARGV[1], 'content', ARGV[2])
return 1
"""


@dataclass(frozen=True, slots=True)
class Shelved:
    """A snapshot and its number; a higher number is newer."""

    number: int
    arrays: Arrays


class Shelf(Protocol):
    """Keeps the newest snapshot. Raises `StoreUnavailable` when it does not answer."""

    def describe(self) -> str:
        """Return what and where the shelf is."""
        ...

    def newest(self, known: int = 0) -> Shelved | None:
        """Return the newest snapshot, None when its number is not above `known`.

        Raises
        ------
        ArtifactRefused
            When it is damaged.
        """
        ...

    def put(self, number: int, arrays: Arrays) -> bool:
        """Keep a snapshot, whole or not at all; False when one of that number or above is there."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


def packed(arrays: Arrays) -> bytes:
    """Return arrays as bytes, without objects."""
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type] # arrays by name
    return out.getvalue()


def unpacked(content: bytes) -> Arrays:
    """Read what `packed` wrote. Raises `ArtifactRefused` when it is damaged."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except Exception as error:
        raise ArtifactRefused(
            f"statistics snapshot is damaged: {error}", remedy="remove it: the model's own serve until the next"
        ) from error


class FolderShelf:
    """A file below the data folder, replaced as a whole; for one machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self) -> str:
        return f"statistics in {self._folder}"

    def newest(self, known: int = 0) -> Shelved | None:
        with self._answering():
            files = self._files()
            if not files or files[-1][0] <= known:
                return None
            number, file = files[-1]
            return Shelved(number, unpacked(file.read_bytes()))

    def put(self, number: int, arrays: Arrays) -> bool:
        content = packed(arrays)
        with self._answering():
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                files = self._files()
                if files and files[-1][0] >= number:
                    return False
                part = self._folder / f"{number}.part"
                with part.open("wb") as out:
                    out.write(content)
                    out.flush()
                    os.fsync(out.fileno())
                part.replace(self._folder / f"{number:020d}.npz")
                # One before the newest stays for readers that are just opening it.
                for _, old in files[:-1]:
                    old.unlink(missing_ok=True)
        return True

    def _files(self) -> list[tuple[int, Path]]:
        return sorted((int(file.stem), file) for file in self._folder.glob("*.npz") if file.stem.isdigit())

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(
                f"{self._folder}: {error.strerror or error}", remedy="check its rights and free space"
            ) from error

    def close(self) -> None:
        """Nothing is held open."""


class RedisShelf:
    """A hash in Redis, for replicas on several machines."""

    def __init__(self, url: str, name: str, timeout_seconds: float = 5.0) -> None:
        self._redis = redis_client(url, timeout_seconds)
        self._key = f"{_KEY}:{name}"

    def describe(self) -> str:
        return f"statistics in Redis, {self._key}"

    def newest(self, known: int = 0) -> Shelved | None:
        with self._answering():
            number = self._redis.hget(self._key, "number")
            if number is None or int(number) <= known:
                return None
            number, content = self._redis.hmget(self._key, "number", "content")
        return Shelved(int(number), unpacked(content))

    def put(self, number: int, arrays: Arrays) -> bool:
        content = packed(arrays)
        with self._answering():
            return bool(self._redis.eval(_PUT, 1, self._key, number, content))

    @contextmanager
    def _answering(self) -> Iterator[None]:
        import redis

        try:
            yield
        except (redis.RedisError, OSError) as error:
            raise StoreUnavailable(
                f"{self.describe()}: {error}", remedy="check that Redis runs and that REDIS_URL is right"
            ) from error

    def close(self) -> None:
        self._redis.close()
