"""What is remembered as of a moment: tables of records, one row a key, fed by lifecycle events only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from neural_hive_ml.errors import ArtifactRefused
from neural_hive_ml.features import layout as at
from neural_hive_ml.features.spec import FEATURE_SET_VERSION

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_FIRST_CAPACITY = 64
_PERSONAL = tuple(scope in at.PERSONAL_SCOPES for scope in at.SCOPES)
# In a snapshot: its personal keys are digests already. Those of before had names.
_DIGESTED = "personal.digested"


# The owners of a few hours; a digest costs a microsecond, and a hundred thousand of them would hold 40 MB.
@lru_cache(maxsize=4_096)
def personal_key(key: str) -> str:
    """Return the digest by which statistics remember a key that names an owner; an empty key stays nobody's.

    >>> personal_key("ana")
    'd:98f220a063966b1d46fb51e72039d1dc'
    """
    if not key:
        return ""
    raw = key.encode("utf-8", "surrogatepass")
    return "d:" + blake2b(raw, digest_size=16, person=b"hive-owner").hexdigest()


@dataclass(slots=True)
class Tables:
    """Records by slot: full [f, FULL_WIDTH], slim [s, SLIM_WIDTH], pairs [p, 1], hours [h, 24], float64."""

    full: Floats
    slim: Floats
    pairs: Floats
    hours: Floats


_TABLES = ("full", "slim", "pairs", "hours")
_WIDTHS = {"full": at.FULL_WIDTH, "slim": at.SLIM_WIDTH, "pairs": 1, "hours": at.HOURS}
_TABLE_OF = tuple(
    "full"
    if s in at.FULL_SCOPES
    else "slim"
    if s in at.SLIM_SCOPES
    else "pairs"
    if s in at.PAIR_SCOPES
    else "hours"
    for s in at.SCOPES
)


@dataclass(slots=True)
class Statistics:
    """Point-in-time statistics.

    `as_of_ms` is the time of the newest event learned, `sequence` how many were; a prediction names the sequence
    it was made with. Keys that name an owner are kept as digests.
    """

    tables: Tables = field(
        default_factory=lambda: Tables(*(np.zeros((_FIRST_CAPACITY, _WIDTHS[t])) for t in _TABLES))
    )
    as_of_ms: int = 0
    sequence: int = 0
    slots: tuple[dict[str, int], ...] = field(default_factory=lambda: tuple({} for _ in at.SCOPES))
    used: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_TABLES, 1))

    def find(self, keys: tuple[str, ...]) -> list[int]:
        """Return the slots of keys, 0 (nobody's, all zeros) for one never seen."""
        return [
            slots.get(personal_key(key) if personal else key, 0)
            for slots, key, personal in zip(self.slots, keys, _PERSONAL, strict=True)
        ]

    def assign(self, keys: tuple[str, ...]) -> list[int]:
        """Return the slots of keys, giving a new one to each key never seen; an empty key stays nobody's."""
        return [self.slot(scope, key) for scope, key in enumerate(keys)]

    def look(self, scope: int, key: str) -> int:
        """Return the slot of one key of a scope (its place in `layout.SCOPES`), 0 for one never seen."""
        return self.slots[scope].get(personal_key(key) if _PERSONAL[scope] else key, 0)

    def slot(self, scope: int, key: str) -> int:
        """Return the slot of one key of a scope, a new one where it was never seen; call `grow` before it is used."""
        if _PERSONAL[scope]:
            key = personal_key(key)
        slot = self.slots[scope].get(key, 0)
        if slot == 0 and key:
            table = _TABLE_OF[scope]
            slot = self.used[table]
            self.used[table] = slot + 1
            self.slots[scope][key] = slot
        return slot

    def grow(self) -> None:
        """Make the tables as large as the slots given; doubles, so that it costs O(1) a key."""
        for name in _TABLES:
            table = getattr(self.tables, name)
            if self.used[name] > len(table):
                larger = np.zeros((max(self.used[name], 2 * len(table)), _WIDTHS[name]))
                larger[: len(table)] = table
                setattr(self.tables, name, larger)

    def copy(self) -> "Statistics":
        """Return an independent copy."""
        tables = Tables(*(getattr(self.tables, name).copy() for name in _TABLES))
        return Statistics(
            tables, self.as_of_ms, self.sequence, tuple(dict(s) for s in self.slots), dict(self.used)
        )

    def snapshot(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return everything as plain arrays (no objects), which `restore` reads."""
        arrays: dict[str, npt.NDArray[np.generic]] = {
            name: getattr(self.tables, name)[: self.used[name]].copy() for name in _TABLES
        }
        arrays["moment"] = np.array([self.as_of_ms, self.sequence], dtype=np.int64)
        arrays["version"] = np.frombuffer(FEATURE_SET_VERSION.encode(), dtype=np.uint8).copy()
        arrays[_DIGESTED] = np.ones(1, dtype=np.uint8)
        for scope, slots in zip(at.SCOPES, self.slots, strict=True):
            encoded = [key.encode("utf-8", "surrogatepass") for key in slots]
            arrays[f"{scope}.slots"] = np.fromiter(slots.values(), dtype=np.int64, count=len(slots))
            arrays[f"{scope}.ends"] = np.cumsum([len(key) for key in encoded], dtype=np.int64)
            arrays[f"{scope}.keys"] = np.frombuffer(b"".join(encoded), dtype=np.uint8).copy()
        return arrays

    @staticmethod
    def restore(arrays: Mapping[str, npt.NDArray[np.generic]]) -> "Statistics":
        """Read a snapshot.

        Raises
        ------
        ArtifactRefused
            When the snapshot is of another feature set version, incomplete, or says what no history can leave behind: the
            kernel trusts its tables.
        """
        try:
            version = arrays["version"].tobytes().decode()
            if version != FEATURE_SET_VERSION:
                raise ArtifactRefused(
                    f"statistics of feature set {version}, this release has {FEATURE_SET_VERSION}",
                    kind="feature_set",
                    remedy="retrain, or run the release that wrote them",
                )
            as_of_ms, sequence = (int(v) for v in arrays["moment"])
            tables = Tables(*(np.array(arrays[name], dtype=np.float64, order="C") for name in _TABLES))
            slots = []
            for scope in at.SCOPES:
                blob = arrays[f"{scope}.keys"].tobytes()
                begin, table = 0, {}
                ends, numbers = arrays[f"{scope}.ends"].tolist(), arrays[f"{scope}.slots"].tolist()
                named = scope in at.PERSONAL_SCOPES and _DIGESTED not in arrays
                for end, slot in zip(ends, numbers, strict=True):
                    key = blob[begin:end].decode("utf-8", "surrogatepass")
                    table[personal_key(key) if named else key] = int(slot)
                    begin = end
                slots.append(table)
            _check(tables, slots)
        except (KeyError, ValueError, UnicodeDecodeError) as error:
            raise ArtifactRefused(
                f"statistics snapshot is damaged: {error}", remedy="fetch or train it again"
            ) from error
        used = {name: len(getattr(tables, name)) for name in _TABLES}
        return Statistics(tables, as_of_ms, sequence, tuple(slots), used)


# Counts, and places in the ring: what a kernel indexes with.
_COUNTS = [at.N_CREATED, at.N_SUCCESS, at.N_ENDED, at.N_GAPS, at.N_WAITS, at.RUNNING, at.QUEUED, at.RING_AT]


def _check(tables: Tables, slots: list[dict[str, int]]) -> None:
    """Raise ValueError where tables and slots do not fit each other."""
    for name in _TABLES:
        table: Floats = getattr(tables, name)
        if table.ndim != 2 or table.shape[1] != _WIDTHS[name] or len(table) == 0:
            raise ValueError(f"table {name} has shape {table.shape}")
        counts = table[:, _COUNTS] if table.shape[1] >= at.SLIM_WIDTH else table
        if not np.isfinite(table).all() or (counts < 0).any() or table[0].any():
            raise ValueError(f"table {name} holds what no ticket left")
        given = [slot for scope, of in zip(slots, _TABLE_OF, strict=True) if of == name for slot in scope.values()]
        if len(set(given)) != len(given) or any(not 0 < slot < len(table) for slot in given):
            raise ValueError(f"keys and table {name} do not fit each other")
    if (tables.full[:, at.RING_AT] >= at.RING).any():
        raise ValueError("a ring is left")
