"""The manifests: valid by the schemas of three Kubernetes versions, named as the guide names them, with least privilege."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from neural_hive_ml.conventions import PORTS

K8S = Path(__file__).resolve().parents[3] / "k8s"
VERSIONS = ("1.31", "1.33", "1.35")
CUSTOM = {"ServiceMonitor", "PrometheusRule", "AlertmanagerConfig", "Kustomization"}
Document = dict[str, Any]


def documents() -> list[tuple[Path, Document]]:
    return [
        (file, document)
        for file in sorted(K8S.rglob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        if document
    ]


def one(kind: str, name: str) -> Document:
    found = [d for _, d in documents() if d["kind"] == kind and d["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} of {kind}/{name}"
    return found[0]


def pods() -> Iterator[tuple[str, Document]]:
    for _, d in documents():
        if d["kind"] == "Deployment":
            yield d["metadata"]["name"], d["spec"]["template"]["spec"]
        if d["kind"] == "CronJob":
            yield d["metadata"]["name"], d["spec"]["jobTemplate"]["spec"]["template"]["spec"]


PODS = list(pods())
SERVICES = ("guard-agents", "orchestrator-dynamic", "approval-service")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_document_is_valid(version: str) -> None:
    checked = 0
    for file, document in documents():
        if document["kind"] in CUSTOM:
            continue
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            pytest.fail(f"{file}: {document['kind']}: {error}")
        checked += 1
    assert checked > 25


def test_an_unknown_field_would_be_found() -> None:
    wrong = {**one("CronJob", "drift-retraining"), "shedule": "typo"}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_jobs_run_when_the_guide_says() -> None:
    schedules = {
        "drift-retraining-cronjob.yaml": ("drift-retraining", "0 */6 * * *"),
        "ml-training-cronjob.yaml": ("ml-model-training", "0 2 * * 0"),
    }
    for file, (name, schedule) in schedules.items():
        job = yaml.safe_load((K8S / "jobs" / file).read_text())
        assert (job["metadata"]["name"], job["spec"]["schedule"]) == (name, schedule)
        assert job["metadata"]["namespace"] == "neural-hive-ml"
        assert job["spec"]["concurrencyPolicy"] == "Forbid"


def test_names_are_those_of_the_guides_kubectl_commands() -> None:
    deployment = one("Deployment", "orchestrator-dynamic")
    assert deployment["metadata"]["namespace"] == "neural-hive-orchestration"
    assert deployment["spec"]["template"]["metadata"]["labels"]["app"] == "orchestrator-dynamic"
    mlflow = one("Deployment", "mlflow-server")
    assert mlflow["metadata"]["namespace"] == "mlflow"
    assert mlflow["spec"]["template"]["metadata"]["labels"]["app"] == "mlflow-server"
    secret = one("Secret", "ml-training-secrets")
    assert secret["metadata"]["namespace"] == "neural-hive-ml"
    assert set(secret["stringData"]) == {
        "mongodb_uri",
        "mlflow_tracking_uri",
        "clickhouse_user",
        "clickhouse_password",
    }


@pytest.mark.parametrize(("name", "pod"), PODS, ids=[name for name, _ in PODS])
def test_a_pod_has_least_privilege(name: str, pod: Document) -> None:
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 10_000
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert (
            set(container["resources"]["limits"]) == {"cpu", "memory"} == set(container["resources"]["requests"])
        )
        assert ":" in container["image"].rsplit("/", 1)[1], "an image without a tag"
        assert not container["image"].endswith(":latest")
        for variable in container.get("env", []):
            assert "value" not in variable or "secret" not in variable["name"].lower()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_probed_and_may_lose_a_node(name: str) -> None:
    deployment = one("Deployment", name)
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["serve", name]
    assert container["ports"] == [{"name": "http", "containerPort": PORTS[name]}]
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/liveness"
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/readiness"
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert one("PodDisruptionBudget", name)["spec"]["minAvailable"] == 1
    monitor = one("ServiceMonitor", name)
    assert monitor["metadata"]["namespace"] == deployment["metadata"]["namespace"]
    assert monitor["spec"]["endpoints"][0]["path"] == "/metrics"
    assert one("Service", name)["spec"]["selector"] == {"app": name}


def test_jobs_and_services_read_secrets_by_reference_only() -> None:
    text = "".join(f.read_text() for f in K8S.rglob("*.yaml") if "secrets" not in f.parts)
    assert "user:pass" not in text
    assert "secretKeyRef" in text


def test_every_kustomization_names_files_that_are_there() -> None:
    for file, document in documents():
        if document["kind"] == "Kustomization":
            for resource in document["resources"]:
                assert (file.parent / resource).exists(), f"{file}: {resource}"
