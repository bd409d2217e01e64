"""Which tickets a segment holds: sorted 128-bit keys beside it, searched without reading the segment.

A key run is four arrays of one length in one file, memory-mapped: the key's high and low halves (ordered by the
high half), the digest of the ticket's content, and its row in the segment; 28 bytes a ticket.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

UInt64 = npt.NDArray[np.uint64]
Int32 = npt.NDArray[np.int32]
_ROW_BYTES = 8 + 8 + 8 + 4


@dataclass(frozen=True, slots=True)
class Keys:
    """`n` keys with the content digest and the row of each, all of length n."""

    high: UInt64
    low: UInt64
    digest: UInt64
    row: Int32

    def __len__(self) -> int:
        return len(self.high)

    def find(self, wanted: "Keys") -> npt.NDArray[np.intp]:
        """Return the place of each wanted key here, -1 where it is absent; O(m log n)."""
        place = np.searchsorted(self.high, wanted.high)
        found = np.full(len(wanted), -1, dtype=np.intp)
        open_ = np.arange(len(wanted))
        # One round for all practical purposes: a second one needs two keys whose first 64 bits agree.
        while len(open_):
            open_ = open_[place[open_] < len(self)]
            open_ = open_[self.high[place[open_]] == wanted.high[open_]]
            same = self.low[place[open_]] == wanted.low[open_]
            found[open_[same]] = place[open_[same]]
            open_ = open_[~same]
            place[open_] += 1
        return found

    def take(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Keys":
        """Return the keys of a mask or an index array, in its order."""
        return Keys(self.high[index], self.low[index], self.digest[index], self.row[index])

    def ordered(self) -> "Keys":
        """Return the same keys, ordered for `find`."""
        return self.take(np.argsort(self.high, kind="stable"))


def keys_of(ticket_ids: Iterable[str], documents: Iterable[bytes]) -> Keys:
    """Make the keys of tickets in their order, unsorted; rows count from 0."""
    ids = b"".join(
        [blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest() for name in ticket_ids]
    )
    contents = b"".join([blake2b(document, digest_size=8).digest() for document in documents])
    halves = np.frombuffer(ids, dtype="<u8").reshape(-1, 2)
    digest = np.frombuffer(contents, dtype="<u8")
    return Keys(
        halves[:, 0].copy(), halves[:, 1].copy(), digest.astype(np.uint64), np.arange(len(digest), dtype=np.int32)
    )


def write_keys(keys: Keys, path: Path) -> None:
    """Write ordered keys."""
    with path.open("wb") as out:
        for array in (keys.high, keys.low, keys.digest, keys.row):
            out.write(np.ascontiguousarray(array).tobytes())


def map_keys(path: Path) -> Keys:
    """Open a key run without reading it."""
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    n = len(raw) // _ROW_BYTES
    return Keys(
        raw[: 8 * n].view("<u8"),
        raw[8 * n : 16 * n].view("<u8"),
        raw[16 * n : 24 * n].view("<u8"),
        raw[24 * n :].view("<i4"),
    )


def merge_keys(parts: Sequence[Keys]) -> Keys:
    """Join keys one after another, in their order."""
    return Keys(
        np.concatenate([p.high for p in parts]),
        np.concatenate([p.low for p in parts]),
        np.concatenate([p.digest for p in parts]),
        np.concatenate([p.row for p in parts]),
    )
