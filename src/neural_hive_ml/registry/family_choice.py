"""Which of a family's registered models serves where the setting says ``auto``: the one that last won the family's gate."""

from dataclasses import dataclass

from neural_hive_ml.conventions import FAMILY_CHOICES, Family
from neural_hive_ml.state.port import Record, StateStore


@dataclass(frozen=True, slots=True)
class FamilyChoice:
    """The registered name that serves for a family, why, and since when (UTC ms)."""

    family: Family
    name: str
    reason: str
    at_ms: int


def read_choice(state: StateStore, family: Family) -> FamilyChoice | None:
    """Return the choice on record, or None before the first."""
    found = state.get(FAMILY_CHOICES, family)
    if found is None:
        return None
    return FamilyChoice(family, str(found.document["name"]), str(found.document["reason"]), found.at_ms)


def write_choice(state: StateStore, choice: FamilyChoice) -> None:
    """Put a choice on record in place of the one before."""
    document = {"family": choice.family, "name": choice.name, "reason": choice.reason}
    state.put(FAMILY_CHOICES, Record(choice.family, choice.at_ms, document))
