"""What the original guide wrote and could not mean, and the form that works. docs/compatibility.md lists the same."""

from typing import NamedTuple


class Correction(NamedTuple):
    """`original` is literal text of the original guide's block."""

    original: str
    working: str


CORRECTIONS = (
    Correction("mlflow models list --filter", "hive-ml models list --filter"),
    Correction("mlflow models list\n", "hive-ml models list\n"),
    Correction("import EvidentlyMonitor\n", "import EvidentlyMonitor, config\n"),
    Correction(
        "kubectl logs -n mlflow -l app=mlflow-server | grep cache",
        "kubectl logs -n neural-hive-orchestration -l app=orchestrator-dynamic | grep serving.",
    ),
    # Names and labels of metrics, not queries: braces without matchers do not parse.
    Correction(
        "anomaly_detection_total{model_type, is_anomaly}",
        "sum by (model_type, is_anomaly) (rate(anomaly_detection_total[5m]))",
    ),
    Correction(
        "anomaly_detection_latency_seconds{model_type, quantile}",
        "max by (model_type, quantile) (anomaly_detection_latency_seconds)",
    ),
    Correction("model_drift_score{model_name}", "max by (model_name) (model_drift_score)"),
    Correction(
        "ml_retraining_events_total{model_type, success}",
        "max by (model_type, success) (ml_retraining_events_total)",
    ),
)
# Here a shell block goes on in Python: it is two blocks.
PYTHON_BEGINS = "# Ou via Python\n"


def corrected(text: str) -> str:
    """Return a block of the original guide in the form that works."""
    text += "\n"
    for one in CORRECTIONS:
        text = text.replace(one.original, one.working)
    return text.rstrip("\n")
