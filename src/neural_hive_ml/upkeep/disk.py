"""How much of the disk each part of the data folder holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Part -> the names in the data folder that belong to it; what is in none of them is "other".
PARTS: Final = {
    "tickets": ("tickets",),
    "state": ("state.db", "state.db-wal", "state.db-shm", "ledger"),
    "models": ("mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "mlartifacts"),
    "published": ("published", "last-known-good", "statistics"),
}


@dataclass(frozen=True, slots=True)
class DiskUse:
    """Bytes by part."""

    bytes_of: dict[str, int]

    @property
    def total(self) -> int:
        """All bytes."""
        return sum(self.bytes_of.values())


def disk_use(folder: Path) -> DiskUse:
    """Measure the data folder; O(files). Files that vanish meanwhile count as nothing."""
    part_of = {name: part for part, names in PARTS.items() for name in names}
    sizes = dict.fromkeys((*PARTS, "other"), 0)
    for entry in folder.iterdir() if folder.is_dir() else ():
        sizes[part_of.get(entry.name, "other")] += _size(entry)
    return DiskUse(sizes)


def _size(path: Path) -> int:
    total = 0
    for file in (path,) if path.is_file() else path.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:
            continue
    return total
