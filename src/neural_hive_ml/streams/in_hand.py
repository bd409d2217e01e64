"""What a reader has in hand, in a file: after a sudden end its successor knows what the reader died of.

A process that is killed leaves its mark; one that ends in order does not, nor one that waits for a store. When it dies, each
reader of the process may have a message in hand, or a batch that is being settled: all of these are suspects, and a suspect
is tried with nothing else in hand in the whole process, so that another death has one cause. Its neighbours are not blamed.
"""

import asyncio
import json
import mmap
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final, TypeVar

import structlog

T = TypeVar("T")
_log = structlog.get_logger("streams")
# A batch's ids fit in; memory that the system keeps when the process is killed.
_SLOT_BYTES: Final = 65_536
_ALONE, _AMONG_OTHERS, _NOTHING, _END = b"a", b"o", ord("-"), b"\n\0"
# Suspects that others did meanwhile never come back to be acquitted.
_MOST_SUSPECTS: Final = 1_000


@dataclass(slots=True)
class InHand:
    """The mark of one reader and the suspects that its predecessors left; without a path nothing is remembered.

    `alone` is one lock for all readers of a process.
    """

    path: Path | None = None
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    _slot: mmap.mmap | None = None
    _deaths: dict[str, int] = field(default_factory=dict)

    def begin(self) -> None:
        """Read what the predecessor left. Where the file cannot be written, the log says so and nothing is remembered."""
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._deaths = self._read_suspects()
            self._slot = _mapped(self.path.with_suffix(".hand"))
            self._blame(*_read(bytes(self._slot)))
            self._write_suspects()
            self._unmark()
        except OSError as error:
            _log.warning("streams.in_hand_not_kept", path=str(self.path), reason=str(error))
            self.end()

    def end(self) -> None:
        """End in order: nothing is in hand."""
        if self._slot is not None:
            self._unmark()
            self._slot.close()
            self._slot = None

    def deaths(self, message_id: str) -> int:
        """Return how often a reader died of a message; 0: it is no suspect."""
        return self._deaths.get(message_id, 0)

    async def during(self, ids: Sequence[str], step: Callable[[], Awaitable[T]], *, alone: bool = False) -> T:
        """Do a step with messages in hand; `alone`: once no other suspect of this process is."""
        if alone:
            async with self.alone:
                return await self._during(_ALONE, ids, step)
        return await self._during(_AMONG_OTHERS, ids, step)

    async def _during(self, how: bytes, ids: Sequence[str], step: Callable[[], Awaitable[T]]) -> T:
        self._mark(how, ids)
        try:
            return await step()
        finally:
            self._unmark()

    def acquit(self, message_id: str) -> None:
        """Forget a suspect that was done, or given up."""
        if self._deaths.pop(message_id, None) is None:
            return
        try:
            self._write_suspects()
        except OSError as error:
            _log.warning("streams.in_hand_not_kept", path=str(self.path), reason=str(error))

    def _mark(self, how: bytes, ids: Sequence[str]) -> None:
        if self._slot is not None:
            text = b"\n".join((how, *(name.encode() for name in ids)))[: _SLOT_BYTES - len(_END)] + _END
            self._slot[: len(text)] = text

    def _unmark(self) -> None:
        if self._slot is not None:
            self._slot[0] = _NOTHING

    def _blame(self, how: bytes, ids: Sequence[str]) -> None:
        for name in ids:
            known = self._deaths.pop(name, 0)
            # Among others a death proves little: it makes a suspect, no more.
            self._deaths[name] = known + 1 if how == _ALONE else max(known, 1)
        if ids:
            _log.warning("streams.predecessor_died", messages=len(ids), first=ids[0], alone=how == _ALONE)

    def _suspects_file(self) -> Path:
        assert self.path is not None, "only called with a path"
        return self.path.with_suffix(".suspects")

    def _read_suspects(self) -> dict[str, int]:
        try:
            held = json.loads(self._suspects_file().read_bytes())
            return {str(name): int(deaths) for name, deaths in held.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError, TypeError) as error:
            # Half a file costs some tries, no message.
            _log.warning("streams.suspects_unreadable", path=str(self._suspects_file()), reason=str(error))
            return {}

    def _write_suspects(self) -> None:
        kept = dict(list(self._deaths.items())[-_MOST_SUSPECTS:])
        part = self._suspects_file().with_suffix(".part")
        part.write_text(json.dumps(kept))
        part.replace(self._suspects_file())


@dataclass(frozen=True, slots=True)
class Hands:
    """The marks of all readers of one process, below a data folder that outlives it.

    `name` is the process's `reader_name`, of which the marks bear the number: a successor on another machine has it too.
    """

    data_dir: Path
    name: str
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    def of(self, stream: str, group: str) -> InHand:
        """Return the mark of the reader of a stream in a group."""
        number = self.name.rpartition("-")[2]
        if not number.isdigit():
            # Named by its process, because nothing can be written there.
            return InHand(None, self.alone)
        reader = blake2b(f"{stream}\n{group}".encode(), digest_size=6).hexdigest()
        return InHand(self.data_dir / "readers" / f"{number}-{reader}", self.alone)


def _mapped(path: Path) -> mmap.mmap:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Allocated, or a full disk would end the process at the first mark.
        os.posix_fallocate(file, 0, _SLOT_BYTES)
        return mmap.mmap(file, _SLOT_BYTES)
    finally:
        os.close(file)


def _read(slot: bytes) -> tuple[bytes, list[str]]:
    """Return how messages were in hand and which; none in a new slot."""
    how, *ids = slot.partition(_END)[0].split(b"\n")
    return how, [name.decode(errors="replace") for name in ids] if how in {_ALONE, _AMONG_OTHERS} else []
