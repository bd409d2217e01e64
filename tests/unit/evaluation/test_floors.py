"""The floors are the guide's table, and a figure that was not measured never passes."""

import math

import pytest
from tests.support.registry import evaluation

from neural_hive_ml.conventions import FAMILIES, LOAD_HORIZONS_MINUTES, Family
from neural_hive_ml.errors import UsageError
from neural_hive_ml.evaluation.floors import Floor, check_floors, demands

# The guide's table of models.
GUIDE = {
    ("anomaly", None): ["f1 > 0.65", "precision > 0.75"],
    ("load", 60): ["mape < 20"],
    ("load", 360): ["mape < 25"],
    ("load", 1440): ["mape < 30"],
    ("scheduling", None): ["mae < 5000"],
}


@pytest.mark.parametrize("model", GUIDE)
def test_the_profile_guide_is_the_guide_s_table(model: tuple[Family, int | None]) -> None:
    asked = demands(model[0], "guide", model[1])
    assert [f"{f.metric} {f.comparison} {f.floor:g}" for f in asked.floors] == GUIDE[model]
    assert all(f.source for f in asked.floors)


def test_the_profile_relative_is_the_guide_on_another_scale() -> None:
    assert demands("anomaly", "relative").floors == demands("anomaly", "guide").floors
    (floor,) = demands("scheduling", "relative").floors
    assert floor.metric == "relative_mae"
    assert floor.floor == pytest.approx(5_000 / 60_000, abs=5e-5)
    for minutes in LOAD_HORIZONS_MINUTES:
        assert [(f.metric, f.floor) for f in demands("load", "relative", minutes).floors] == [("mase", 1.0)]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_must_beat_something_on_enough_cases(family: Family) -> None:
    for profile in ("guide", "relative"):
        asked = demands(family, profile, 60 if family == "load" else None)
        assert asked.floors
        assert asked.baselines
        assert asked.evidence >= 30
        assert (asked.margin, asked.harm) == (0.05, 0.10)


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown floor profile 'strict'") as caught:
        demands("anomaly", "strict")
    assert "guide, relative" in caught.value.remedy


@pytest.mark.parametrize(
    ("comparison", "floor", "passed"),
    [(">", 0.80, True), (">", 0.81, False), (">", 0.9, False), ("<", 0.9, True), ("<", 0.81, False)],
)
def test_a_floor_itself_is_not_enough(comparison: str, floor: float, passed: bool) -> None:
    (check,) = check_floors(evaluation(f1=0.81), (Floor("f1", comparison, floor, "test"),))
    assert (check.passed, check.value, check.source) == (passed, 0.81, "test")


def test_what_was_not_measured_or_is_no_number_does_not_pass() -> None:
    with pytest.raises(KeyError):
        check_floors(evaluation(), (Floor("mape", "<", 20.0, "guide"),))
    for comparison in "<>":
        (check,) = check_floors(evaluation(f1=math.nan), (Floor("f1", comparison, 0.5, "test"),))
        assert not check.passed
