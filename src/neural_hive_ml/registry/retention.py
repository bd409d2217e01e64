"""Which old versions may go: a pure decision, and the deletion it leads to."""

from collections.abc import Sequence
from dataclasses import dataclass

from neural_hive_ml.clock import DAY_MS
from neural_hive_ml.registry.alias_record import AliasRecord, read_record
from neural_hive_ml.registry.port import ModelVersion, Registry
from neural_hive_ml.state.port import StateStore


@dataclass(frozen=True, slots=True)
class Retention:
    """Keep the `last` newest versions of a model, and everything younger than `days`, whatever else."""

    last: int = 10
    days: float = 7.0


@dataclass(frozen=True, slots=True)
class Keeping:
    """One version and what becomes of it; an empty `why` means it goes."""

    version: ModelVersion
    why: str

    @property
    def kept(self) -> bool:
        """True when the version stays."""
        return bool(self.why)


def plan(
    versions: Sequence[ModelVersion], record: AliasRecord, rules: Retention, *, now_ms: int
) -> tuple[Keeping, ...]:
    """Decide for each version of one model, newest first; the first reason to keep it is named.

    A version with an alias, a pin or an unfinished move is never let go.

    Complexity: O(n log n) for n versions.
    """
    known = {
        record.champion: "champion",
        record.previous: "previous champion",
        record.challenger: "challenger",
        record.pin.version if record.pin else None: "pinned",
        record.pending.version if record.pending else None: "being promoted",
    }
    out = []
    for rank, version in enumerate(sorted(versions, key=lambda v: -v.version)):
        age_days = (now_ms - version.created_at_ms) / DAY_MS
        if version.aliases:
            why = ", ".join(version.aliases)
        elif version.version in known:
            why = known[version.version]
        elif rank < rules.last:
            why = f"one of the newest {rules.last}"
        elif age_days < rules.days:
            why = f"younger than {rules.days:g} days"
        else:
            why = ""
        out.append(Keeping(version, why))
    return tuple(out)


def prune(
    registry: Registry, state: StateStore, name: str, rules: Retention, *, now_ms: int, dry_run: bool = False
) -> tuple[Keeping, ...]:
    """Delete what `plan` lets go, and return the plan. Raises `Conflict` when an alias moved meanwhile."""
    planned = plan(registry.versions(name), read_record(state, name), rules, now_ms=now_ms)
    if not dry_run:
        for keeping in planned:
            if not keeping.kept:
                registry.delete(name, keeping.version.version)
    return planned
