"""Which of a family's models serves: the one that a setting names, or for ``auto`` the one that last won the gate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from neural_hive_ml.conventions import (
    FAMILY_CHOICES,
    GUIDE_MODELS,
    MODELS,
    Family,
    anomaly_model_name,
    scheduling_model_name,
)
from neural_hive_ml.state.port import Record, StateStore

# Families whose registered names carry the algorithm, with the name that serves before anything was chosen.
DEFAULTS: Final[Mapping[Family, str]] = {"anomaly": anomaly_model_name(), "scheduling": scheduling_model_name()}
AUTO: Final = "auto"


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


def named_model(family: Family, algorithm: str) -> str:
    """Return the registered name of an algorithm of a family in `DEFAULTS`."""
    return anomaly_model_name(algorithm) if family == "anomaly" else scheduling_model_name(algorithm)


def serving_name(state: StateStore, family: Family, algorithm: str) -> str:
    """Return the registered name that serves for a family where its setting says `algorithm`. Raises `StoreUnavailable`."""
    if algorithm == AUTO:
        choice = read_choice(state, family)
        return DEFAULTS[family] if choice is None else choice.name
    return named_model(family, algorithm)


def watched_names(state: StateStore, algorithms: Mapping[Family, str]) -> tuple[str, ...]:
    """Return the names that are checked for drift: the guide's, and what else serves where settings say `algorithms`.

    Raises `StoreUnavailable`.
    """
    serving = {serving_name(state, family, algorithm) for family, algorithm in algorithms.items()}
    return (*GUIDE_MODELS, *(name for name in MODELS if name in serving - set(GUIDE_MODELS)))
