"""Where alerts go, asked of Alertmanager's own amtool."""

import subprocess
from pathlib import Path

import pytest
import yaml

from neural_hive_ml.slo.alertmanager import INHIBITIONS, alertmanager_config, alertmanager_resource
from neural_hive_ml.slo.prometheus_config import RETENTION, compose_config, prometheus_arguments
from neural_hive_ml.slo.rules import alerts
from neural_hive_ml.slo.spec import load_objectives


def said(*command: str) -> str:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "alertmanager.yml"
    file.write_text(alertmanager_config())
    return str(file)


def test_alertmanager_accepts_the_configuration(config: str):
    assert "SUCCESS" in said("amtool", "check-config", config)


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "ml-critical"), ("warning", "ml-slack")])
def test_only_critical_alerts_page(config: str, severity: str, receiver: str):
    labels = (f"severity={severity}", "team=ml-platform", "alertname=MLServiceDown")
    assert said("amtool", "config", "routes", "test", "--config.file", config, *labels).split() == [receiver]


def test_every_receiver_writes_to_the_guides_channel_and_says_when_it_is_over():
    config = yaml.safe_load(alertmanager_config())
    for receiver in config["receivers"]:
        assert [slack["channel"] for slack in receiver["slack_configs"]] == ["#alerts-ml-pipeline"]
        assert all(slack["send_resolved"] for slack in receiver["slack_configs"])
    assert [r["name"] for r in config["receivers"] if "pagerduty_configs" in r] == ["ml-critical"]


def test_no_secret_is_written_only_where_it_lies():
    for text in (alertmanager_config(), alertmanager_resource()):
        assert "hooks.slack.com" not in text
    page = yaml.safe_load(alertmanager_config())["receivers"][1]["pagerduty_configs"][0]
    assert page["routing_key_file"].startswith("/etc/alertmanager/secrets/")


def test_no_alert_is_silenced_by_labels_that_both_lack():
    """Alertmanager holds a label that both sides lack for equal: then any critical would silence any warning."""
    for louder, _, equal in INHIBITIONS:
        for label in equal:
            asked = any(text.startswith(f"{label}=~") for text in louder)
            always = {a.name for a in alerts(load_objectives()) if label in a.expr or (a.slo and label == "slo")}
            named = {text.split('"')[1] for text in louder if text.startswith("alertname=")}
            assert asked or (named and named <= always), (louder, label)


def test_inhibitions_name_alerts_that_exist():
    import re

    names = [alert.name for alert in alerts(load_objectives())]
    for louder, quieter, _ in INHIBITIONS:
        for text in (*louder, *quieter):
            if text.startswith("alertname"):
                assert [n for n in names if re.fullmatch(text.split('"')[1], n)], text


def test_the_operators_resource_routes_like_the_plain_file():
    plain, resource = yaml.safe_load(alertmanager_config()), yaml.safe_load(alertmanager_resource())["spec"]
    assert resource["route"]["groupBy"] == plain["route"]["group_by"]
    assert [r["name"] for r in resource["receivers"]] == [r["name"] for r in plain["receivers"]]
    assert len(resource["inhibitRules"]) == len(plain["inhibit_rules"])
    assert resource["route"]["matchers"] == [{"name": "team", "matchType": "=", "value": "ml-platform"}]


def test_prometheus_accepts_its_configuration_and_remembers_for_35_days(tmp_path: Path):
    file = tmp_path / "prometheus.yml"
    file.write_text(compose_config())
    assert "SUCCESS" in said("promtool", "check", "config", "--syntax-only", str(file))
    assert RETENTION == "35d"
    assert "--storage.tsdb.retention.time=35d" in prometheus_arguments(str(file), "data", "127.0.0.1:9090")
