"""The objectives as data: the guide's four are there, and what cannot work is refused by name."""

from importlib import resources

import pytest
import yaml

from neural_hive_ml.errors import UsageError
from neural_hive_ml.slo.burn import UnreachableAlert
from neural_hive_ml.slo.spec import load_objectives

SHIPPED = yaml.safe_load(resources.files("neural_hive_ml.slo").joinpath("objectives.yaml").read_text())


def changed(slug: str, **values: object) -> str:
    document = {
        **SHIPPED,
        "objectives": [{**one, **values} if one["slug"] == slug else one for one in SHIPPED["objectives"]],
    }
    return yaml.safe_dump(document)


def test_the_guides_table_is_what_is_shipped():
    table = {(one.title, one.promise, one.record) for one in load_objectives().objectives}
    assert table == {
        ("F1 Score", ">= 0.75 over 7d", "neural_hive:slo:ml_f1_score:7d"),
        ("Latency P95", "< 100 ms over 24h", "neural_hive:slo:ml_latency_p95_total:5m"),
        ("Feedback Rate", ">= 0.1 over 7d", "neural_hive:slo:ml_feedback_rate:7d"),
        ("Uptime", ">= 0.995 over 30d", "neural_hive:slo:ml_availability:30d"),
    }


def test_an_objective_whose_fast_alert_could_never_fire_is_refused_with_the_ceiling_and_the_way_out():
    with pytest.raises(UnreachableAlert) as refused:
        load_objectives(changed("f1_score", burn={"kind": "time", "objective": 0.75}))
    assert "can never burn faster than 4" in str(refused.value)
    assert "raise the objective above 0.9306" in str(refused.value)


def test_the_same_objective_works_without_a_pager_when_its_slow_alerts_can_fire():
    text = changed("f1_score", burn={"kind": "time", "objective": 0.75}, pages=False)
    assert [pair.speed for pair in load_objectives(text).objectives[0].pairs] == ["slow", "slow"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"burn": {"kind": "time", "objective": 1.0}}, "not between 0 and 1"),
        ({"burn": {"kind": "guess", "objective": 0.9}}, "guess"),
        ({"window": "7 days"}, "7 days"),
        ({"target": "high"}, "target"),
        ({"colour": "red"}, "colour"),
        ({"critical": 0.9}, "lies within the target"),
        ({"burn": {"kind": "events", "objective": 0.99, "total": "x"}}, "either the good or the bad"),
        (
            {"burn": {"kind": "events", "objective": 0.99, "total": "x", "good": "y", "bad": "z"}},
            "either the good",
        ),
    ],
)
def test_what_cannot_work_is_refused_by_name(values, says):
    with pytest.raises(UsageError, match=says):
        load_objectives(changed("f1_score", **values))
