"""Writes promtool's test files from the cases. `python -m tests.promtool.build --measure` finds the times anew.

The times (first and last firing second of each alert) are kept in `times.json`; people review them there.
"""

import argparse
import json
import re
import subprocess
from pathlib import Path

import yaml

from neural_hive_ml.slo.recordings import recording_groups
from neural_hive_ml.slo.rules import alert_groups
from neural_hive_ml.slo.spec import load_objectives
from tests.promtool.cases import FIRES_WITHOUT_DATA, SCENARIOS
from tests.promtool.series import Case, Scenario

HERE = Path(__file__).parent
TIMES = HERE / "times.json"
RULES = ["../../prometheus-rules/ml-slo-rules.yaml", "../../prometheus-rules/ml-slo-alerts.yaml"]
HEADER = "# Written by `python -m tests.promtool.build` from tests/promtool/cases.py and times.json.\n"
UNKNOWN = (-1, -1)
PAGE = HERE.parents[1] / "docs" / "slos" / "alert-times.md"
PAGE_HEAD = """\
<!-- Written by `python -m tests.promtool.build` from what promtool measured: edit tests/promtool/cases.py. -->
# When each alert fires and ends

Measured by `promtool test rules` in virtual time (`tests/promtool`), from the moment a fault begins to the moment the
alert fires, and from the moment the fault is over to the moment the alert ends. Faults are plain: half of the requests
fail, a job stops, a gauge jumps. Steps are a minute for most alerts and an hour for those that look at days; times are
exact to a step. "By itself" ends before the fault does, because the alert is about an event, not a state.

| alert | fires after | ends after |
| --- | --- | --- |"""

Times = dict[str, tuple[int, int]]


def path_of(scenario: Scenario) -> Path:
    return HERE / f"{scenario.name}.test.yaml"


def document(scenario: Scenario, times: Times) -> str:
    """Return the promtool file: no alert before its fault, first and last firing second as recorded."""
    series: dict[str, str] = {}
    for case in scenario.cases:
        for selector, values in case.series.items():
            assert series.get(selector, values) == values, f"{case.alert}: {selector} is told twice"
            series[selector] = values
    step = scenario.step_seconds
    whole = f"{scenario.end * step}s"
    checks = []
    for case in scenario.cases:
        if case.alert:
            first, last = times.get(case.alert, UNKNOWN)
            checks += [
                _check(f"min_over_time(timestamp({_firing(case)})[{whole}:{step}s])", scenario.end * step, first),
                _check(f"max_over_time(timestamp({_firing(case)})[{whole}:{step}s])", scenario.end * step, last),
            ]
    test = {
        "name": scenario.name,
        "interval": f"{step}s",
        "input_series": [{"series": selector, "values": values} for selector, values in series.items()],
        "promql_expr_test": checks,
    }
    return _written(test, step)


def nothing() -> str:
    """Return the promtool file without any series: three days later the alerts about absence fire, no other."""
    step, end = 3600, 72 * 3600
    expected = [
        {"labels": f'{{alertname="{alert}"}}', "value": count}
        for alert, count in sorted(FIRES_WITHOUT_DATA.items())
    ]
    fires = 'count by (alertname) (ALERTS{alertstate="firing"})'
    checks = [{"expr": fires, "eval_time": f"{end}s", "exp_samples": expected}]
    test = {"name": "nothing", "interval": f"{step}s", "input_series": [], "promql_expr_test": checks}
    return _written(test, step)


def documents(times: Times) -> dict[Path, str]:
    """Return every file of this folder that is made from the cases."""
    made = {path_of(scenario): document(scenario, times) for scenario in SCENARIOS}
    return {**made, HERE / "nothing.test.yaml": nothing(), PAGE: page(times)}


def page(times: Times) -> str:
    """Return docs/slos/alert-times.md: how long after its fault each alert fires, and how long after it ends."""
    rows = []
    for scenario in SCENARIOS:
        step = scenario.step_seconds
        for case in scenario.cases:
            if case.alert:
                first, last = times.get(case.alert, UNKNOWN)
                after, over = first - scenario.fault * step, last + step - scenario.mended * step
                rows.append(
                    (case.alert, _span(after), _span(over) if over > 0 else "by itself" if over < 0 else "at once")
                )
    lines = [f"| [{alert}](../runbooks/{alert}.md) | {fires} | {ends} |" for alert, fires, ends in sorted(rows)]
    return "\n".join([PAGE_HEAD, *lines, ""])


def _span(seconds: int) -> str:
    """Return a span in the largest unit that keeps it exact to a tenth.

    >>> _span(0), _span(300), _span(13 * 3600), _span(21 * 86400)
    ('at once', '5 min', '13 h', '21 d')
    """
    if seconds == 0:
        return "at once"
    for unit, size in (("d", 86_400), ("h", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds // 60} min"


def _written(test: dict[str, object], step: int) -> str:
    whole_file = {
        "rule_files": RULES,
        "evaluation_interval": f"{step}s",
        "group_eval_order": group_order(),
        "tests": [test],
    }
    return HEADER + yaml.safe_dump(whole_file, sort_keys=False, width=1000)


def group_order() -> list[str]:
    """Return the groups' names, recordings first: left to itself promtool evaluates groups in a random order."""
    objectives = load_objectives()
    return [group.name for group in (*recording_groups(objectives), *alert_groups(objectives))]


def _firing(case: Case) -> str:
    return f'count(ALERTS{{alertname="{case.alert}", alertstate="firing"}})'


def _check(expression: str, at_seconds: int, value: int) -> dict[str, object]:
    return {
        "expr": expression,
        "eval_time": f"{at_seconds}s",
        "exp_samples": [{"labels": "{}", "value": value}],
    }


def read_times() -> Times:
    recorded = json.loads(TIMES.read_text()) if TIMES.exists() else {}
    return {alert: (first, last) for alert, (first, last) in recorded.items()}


def measure(scenario: Scenario) -> Times:
    """Let promtool say when each alert fires: it prints what it got where nothing right was expected."""
    probe = HERE / f"probe-{scenario.name}.yaml"
    probe.write_text(document(scenario, {}))
    try:
        said = subprocess.run(
            ["promtool", "test", "rules", probe.name], cwd=HERE, capture_output=True, text=True, check=False
        )
    finally:
        probe.unlink()
    found: dict[str, list[int]] = {}
    text = said.stdout + said.stderr
    for alert, answer in re.findall(r'alertname=\\?"(\w+)\\?".*?\n.*?\n\s*got:(.*)', text):
        values = re.findall(r"([\d.]+E?[+\d]*)", answer)
        found.setdefault(alert, []).append(int(float(values[-1])) if values and "{}" in answer else -1)
    if not found:
        raise SystemExit(text)
    return {alert: (values[0], values[1]) for alert, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="ask promtool for the times and record them")
    times: Times = read_times()
    if parser.parse_args().measure:
        times = {}
        for scenario in SCENARIOS:
            times |= measure(scenario)
        TIMES.write_text(json.dumps(times, indent=1, sort_keys=True) + "\n")
    for path, text in documents(times).items():
        path.write_text(text)


if __name__ == "__main__":
    main()
