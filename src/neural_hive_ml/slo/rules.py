"""All rules in one place: what `hive-ml slo generate` writes and what tests walk over."""

from neural_hive_ml.slo.alertmanager import alertmanager_resource
from neural_hive_ml.slo.model_alerts import MODEL_GROUPS
from neural_hive_ml.slo.objective_alerts import objective_groups
from neural_hive_ml.slo.recordings import recording_groups
from neural_hive_ml.slo.render import prometheus_rule, rule_file
from neural_hive_ml.slo.rule import Alert, Group, Recording
from neural_hive_ml.slo.spec import Objectives
from neural_hive_ml.slo.system_alerts import SYSTEM_GROUPS

RULES_FILE = "prometheus-rules/ml-slo-rules.yaml"
ALERTS_FILE = "prometheus-rules/ml-slo-alerts.yaml"


def alert_groups(objectives: Objectives) -> tuple[Group, ...]:
    """Return all groups of alerts."""
    return (*objective_groups(objectives), *MODEL_GROUPS, *SYSTEM_GROUPS)


def alerts(objectives: Objectives) -> tuple[Alert, ...]:
    """Return every alert in the order in which it is written."""
    return tuple(rule for group in alert_groups(objectives) for rule in group.rules if isinstance(rule, Alert))


def recordings(objectives: Objectives) -> tuple[Recording, ...]:
    """Return every recording rule in the order in which it is evaluated."""
    return tuple(
        rule for group in recording_groups(objectives) for rule in group.rules if isinstance(rule, Recording)
    )


def rule_files(objectives: Objectives, time_scale: float = 1.0) -> dict[str, str]:
    """Return the plain rule files: path -> text."""
    return {
        RULES_FILE: rule_file(recording_groups(objectives), time_scale),
        ALERTS_FILE: rule_file(alert_groups(objectives), time_scale),
    }


def operator_files(objectives: Objectives) -> dict[str, str]:
    """Return the resources of the Prometheus operator: path -> text."""
    return {
        "k8s/monitoring/ml-slo-recording-rules.yaml": prometheus_rule(
            "ml-slo-recording-rules", "recording-rules", recording_groups(objectives)
        ),
        "k8s/monitoring/ml-slo-alerts.yaml": prometheus_rule(
            "ml-slo-alerts", "alert-rules", alert_groups(objectives)
        ),
        "k8s/monitoring/ml-alertmanager-config.yaml": alertmanager_resource(),
    }
