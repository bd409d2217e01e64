"""A Prometheus that measures the objectives: what it scrapes, how long it remembers, where it sends alerts.

A month's objective needs a month: Prometheus forgets after 15 days unless told otherwise.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from neural_hive_ml.conventions import PORTS
from neural_hive_ml.slo.render import GENERATED, dump
from neural_hive_ml.slo.system_alerts import SERVICE_JOBS

RETENTION: Final = "35d"
SCRAPE_INTERVAL: Final = "15s"
_RULES: Final = "/etc/prometheus/rules/*.yaml"


def prometheus_config(
    targets: Mapping[str, str],
    *,
    rule_files: Sequence[str],
    alertmanager: str = "",
    scrape_interval: str = SCRAPE_INTERVAL,
) -> str:
    """Return a configuration. `targets` is job -> host:port; the rules know services by these job names."""
    config: dict[str, object] = {
        "global": {"scrape_interval": scrape_interval, "evaluation_interval": scrape_interval},
        "rule_files": list(rule_files),
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()
        ],
    }
    if alertmanager:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    return GENERATED + dump(config)


def prometheus_arguments(config: str, data: str, address: str) -> list[str]:
    """Return the command-line arguments; how long Prometheus remembers can be said here only."""
    return [
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--web.listen-address={address}",
        "--web.enable-lifecycle",
    ]


def compose_config() -> str:
    """Return the configuration of the compose file, whose hosts are named as the services are."""
    return prometheus_config(
        {service: f"{service}:{PORTS[service]}" for service in SERVICE_JOBS},
        rule_files=[_RULES],
        alertmanager=f"alertmanager:{PORTS['alertmanager']}",
    )
