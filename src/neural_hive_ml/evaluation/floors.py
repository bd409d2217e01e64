"""What the gate asks for, read from `floors.yaml`: floors by profile, baselines to beat, evidence, margins."""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from neural_hive_ml.conventions import Family
from neural_hive_ml.errors import UsageError
from neural_hive_ml.evaluation.verdict import Evaluation, FloorCheck


@dataclass(frozen=True, slots=True)
class Floor:
    """An absolute floor: the metric must be above (``>``) or below (``<``) `floor`; `source` says who set it."""

    metric: str
    comparison: str
    floor: float
    source: str


@dataclass(frozen=True, slots=True)
class Demands:
    """All that the gate asks of one model.

    `evidence` is the fewest judged cases (anomalies, where anomalies are judged); `margin` the relative gain over
    the champion; `harm` the relative loss of a slice that is not accepted.
    """

    floors: tuple[Floor, ...]
    baselines: tuple[str, ...]
    evidence: int
    margin: float
    harm: float


@cache
def _document() -> dict[str, Any]:
    text = resources.files("neural_hive_ml.evaluation").joinpath("floors.yaml").read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def demands(family: Family, profile: str, horizon_minutes: int | None = None) -> Demands:
    """Return what the gate asks of a model of a family under a profile.

    Raises
    ------
    UsageError
        For a profile that `floors.yaml` does not have.

    >>> [f"{f.metric} {f.comparison} {f.floor:g}" for f in demands("anomaly", "guide").floors]
    ['f1 > 0.65', 'precision > 0.75']
    """
    document = _document()
    if profile not in document["profiles"]:
        known = ", ".join(document["profiles"])
        raise UsageError(f"unknown floor profile {profile!r}", remedy=f"FLOOR_PROFILE is one of {known}")
    table = document["profiles"][profile]
    rows = table.get(f"{family}-{horizon_minutes}", table.get(family, []))
    return Demands(
        tuple(Floor(r["metric"], r["comparison"], float(r["floor"]), r["source"]) for r in rows),
        tuple(document["baselines"][family]),
        int(document["evidence"][family]),
        float(document["margin"]),
        float(document["harm"]),
    )


def check_floors(evaluation: Evaluation, floors: tuple[Floor, ...]) -> tuple[FloorCheck, ...]:
    """Hold an evaluation against floors; a metric that was not measured is a KeyError, never a pass."""
    checks = []
    for floor in floors:
        value = evaluation.metric(floor.metric).value
        passed = value > floor.floor if floor.comparison == ">" else value < floor.floor
        checks.append(FloorCheck(floor.metric, value, floor.floor, floor.comparison, passed, floor.source))
    return tuple(checks)
