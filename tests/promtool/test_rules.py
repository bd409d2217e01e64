"""The rules judged by Prometheus's own promtool: every alert fires, keeps quiet, resets, and knows what no data means."""

import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from neural_hive_ml.slo.rules import alerts, rule_files
from neural_hive_ml.slo.spec import load_objectives
from tests.promtool import build
from tests.promtool.cases import FIRES_WITHOUT_DATA, SCENARIOS

ROOT = Path(__file__).parents[2]
ALERTS = [alert.name for alert in alerts(load_objectives())]
FILES = [build.path_of(scenario).name for scenario in SCENARIOS] + ["nothing.test.yaml", "values.test.yaml"]


def promtool(*arguments: str | Path, folder: Path = build.HERE) -> None:
    said = subprocess.run(
        ["promtool", *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_prometheus_accepts_every_rule(tmp_path: Path):
    promtool("check", "rules", *(ROOT / path for path in rule_files(load_objectives())))
    for time_scale in (60, 720, 3600):
        for path, text in rule_files(load_objectives(), time_scale).items():
            (tmp_path / Path(path).name).write_text(text)
        promtool("check", "rules", *tmp_path.glob("*.yaml"))


@pytest.mark.parametrize("name", FILES)
def test_alerts_fire_and_reset_at_the_recorded_second_and_figures_are_those_of_a_pencil(name: str):
    promtool("test", "rules", name)


def test_promtools_files_are_those_that_the_cases_make():
    times = build.read_times()
    for path, text in build.documents(times).items():
        assert path.read_text() == text, f"{path.name} is old (next: python -m tests.promtool.build)"


def test_every_alert_has_exactly_one_fault():
    told = Counter(case.alert for scenario in SCENARIOS for case in scenario.cases if case.alert)
    assert set(told) == set(ALERTS)
    assert max(told.values()) == 1


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_alerts_wait_for_the_fault_and_are_over_when_it_is(scenario):
    times = build.read_times()
    for case in scenario.cases:
        if not case.alert:
            continue
        first, last = times[case.alert]
        step = scenario.step_seconds
        assert scenario.fault * step <= first < scenario.mended * step, f"{case.alert} fires at {first}"
        assert first <= last < scenario.end * step, f"{case.alert} still fires at the end"


def test_only_alerts_about_absence_fire_where_there_is_no_data():
    document = yaml.safe_load((build.HERE / "nothing.test.yaml").read_text())
    assert document["tests"][0]["input_series"] == []
    assert set(FIRES_WITHOUT_DATA) <= set(ALERTS)
