"""The compose file: its settings exist, its ports are those of the port table, its files are there, nothing is open."""

from pathlib import Path
from typing import Any

import yaml

from neural_hive_ml.conventions import PORTS
from neural_hive_ml.settings_table import TABLE

ROOT = Path(__file__).resolve().parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8"))
JOBS = ("drift-job", "training-job", "upkeep")
OURS = ("guard-agents", "orchestrator-dynamic", "approval-service")


def test_every_setting_is_one_of_the_table() -> None:
    known = {setting.name for setting in TABLE}
    assert set(COMPOSE["x-settings"]) <= known


def test_services_are_where_the_port_table_says() -> None:
    for name in OURS:
        service = COMPOSE["services"][name]
        assert service["command"] == ["serve", name]
        assert service["ports"] == [f"127.0.0.1:{PORTS[name]}:{PORTS[name]}"]


def test_nothing_listens_beyond_loopback() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_our_containers_can_write_nowhere_but_their_volumes() -> None:
    for name in (*OURS, *JOBS, "mlflow"):
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_files_that_are_mounted_exist_and_images_are_pinned() -> None:
    for service in COMPOSE["services"].values():
        assert ":" in service["image"]
        assert not service["image"].endswith(":latest")
        for volume in service.get("volumes", []):
            if volume.startswith(".."):
                assert (ROOT / "docker" / volume.split(":")[0]).exists(), volume
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_the_whole_system_is_there_and_waits_for_what_it_needs() -> None:
    stores = {"mongodb", "clickhouse", "redis", "mlflow"}
    watching = {"prometheus", "alertmanager", "grafana"}
    services = COMPOSE["services"]
    assert set(services) == {*OURS, *JOBS, *stores, *watching}
    for name in OURS:
        assert set(services[name]["depends_on"]) == stores
        assert str(PORTS[name]) in services[name]["healthcheck"]["test"][-1]
        assert services[name]["volumes"] == ["/var/lib/neural-hive-ml"]
    assert all("healthcheck" in services[name] for name in stores)


def test_whom_prometheus_asks_and_tells_is_in_the_file() -> None:
    config = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    targets = [t for job in config["scrape_configs"] for part in job["static_configs"] for t in part["targets"]]
    told = [
        t for part in config["alerting"]["alertmanagers"] for one in part["static_configs"] for t in one["targets"]
    ]
    for target in (*targets, *told):
        name, _, port = target.partition(":")
        assert f"127.0.0.1:{port}:{port}" in COMPOSE["services"][name]["ports"]


def test_the_file_is_one_that_compose_reads() -> None:
    """Its keys are those of the compose specification, as far as they are used here."""
    known = {
        "image", "build", "command", "environment", "ports", "volumes", "healthcheck", "depends_on", "restart",
        "read_only", "cap_drop", "security_opt", "tmpfs", "secrets",
    }  # fmt: skip
    assert set(COMPOSE) <= {"name", "services", "volumes", "secrets", "x-settings", "x-serving", "x-training"}
    for name, service in COMPOSE["services"].items():
        assert set(service) <= known, name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith(("/", "..")) or source in COMPOSE["volumes"], volume
        for secret in service.get("secrets", []):
            assert secret["source"] in COMPOSE["secrets"]
        for needed in service.get("depends_on", {}):
            assert "healthcheck" in COMPOSE["services"][needed]


def test_no_secret_has_a_value() -> None:
    text = (ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8")
    for line in text.splitlines():
        if "PASSWORD:" in line or "HIVE_API_KEYS:" in line:
            assert "${" in line


def test_streams_survive_a_restart_of_redis() -> None:
    redis = COMPOSE["services"]["redis"]
    assert redis["command"][1:3] == ["--appendonly", "yes"]
    assert "redis:/data" in redis["volumes"]


def test_upkeep_backs_up_onto_a_volume_of_its_own() -> None:
    upkeep = COMPOSE["services"]["upkeep"]
    assert upkeep["command"] == ["hive-ml", "upkeep", "loop"]
    assert f"backups:{upkeep['environment']['BACKUP_DIR']}" in upkeep["volumes"]
    assert upkeep["environment"].keys() > COMPOSE["x-settings"].keys()
