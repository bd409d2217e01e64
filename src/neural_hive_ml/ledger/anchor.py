"""The head of a chain, kept outside the store: who cuts the ledger short must also reach this file."""

import fcntl
from dataclasses import dataclass
from pathlib import Path

import msgspec

from neural_hive_ml.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class Head:
    """The newest event of a chain that was seen."""

    chain: str
    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class HeadFile:
    """One small file a chain below `folder`, replaced in one step. Put the folder on another volume than the
    store.
    """

    folder: Path

    def read(self, chain: str) -> Head | None:
        """Return the anchored head, None where none was written yet. Raises `StoreUnavailable`."""
        path = self._path(chain)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Head)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise StoreUnavailable(
                f"{path}: {error}", remedy="restore the ledger's head file from its backup"
            ) from error

    def write(self, head: Head) -> None:
        """Move the anchor forward; an older head than the one held is ignored. Raises `StoreUnavailable`."""
        self._replace(head, forward_only=True)

    def set(self, head: Head) -> None:
        """Put the anchor where a person decided it belongs. Raises `StoreUnavailable`."""
        self._replace(head, forward_only=False)

    def _replace(self, head: Head, *, forward_only: bool) -> None:
        path = self._path(head.chain)
        partial = path.with_name(f".{path.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # One writer at a time, threads too: between reading and replacing another might move the anchor on.
            with path.with_name(f".{path.name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                held = self.read(head.chain) if forward_only else None
                if held is not None and held.sequence >= head.sequence:
                    return
                partial.write_bytes(msgspec.json.encode(head))
                partial.replace(path)
        except OSError as error:
            raise StoreUnavailable(
                f"{path}: {error}", remedy="check the rights and free space of the folder"
            ) from error

    def _path(self, chain: str) -> Path:
        return self.folder / f"ledger-{chain}.head.json"
