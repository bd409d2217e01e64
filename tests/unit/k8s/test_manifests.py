"""The manifests: valid by the schemas of three Kubernetes versions, named as the guide names them, with least privilege."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from neural_hive_ml.conventions import PORTS
from neural_hive_ml.upkeep.schedule import JOBS

K8S = Path(__file__).resolve().parents[3] / "k8s"
CRDS = Path(__file__).resolve().parents[2] / "support" / "crds"
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


def strict(schema: Any) -> Any:
    """Refuse fields that a schema does not know, as the API server does with strict field validation."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: strict(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        # The API server knows these of every object.
        known = {"apiVersion", "kind", "metadata"} if "spec" in schema["properties"] else set()
        inner["properties"] |= {name: {} for name in known}
        inner["additionalProperties"] = False
    return inner


def custom_schema(document: Document) -> Any:
    version = document["apiVersion"].rpartition("/")[2]
    return strict(json.loads((CRDS / f"{document['kind']}.{version}.json").read_text()))


def test_resources_of_the_prometheus_operator_are_valid_by_its_schemas() -> None:
    checked = []
    for _file, document in documents():
        if document["kind"] in CUSTOM - {"Kustomization"}:
            faults = [
                e.message for e in jsonschema.Draft202012Validator(custom_schema(document)).iter_errors(document)
            ]
            assert not faults, faults
            checked.append(document["kind"])
    assert set(checked) == {"ServiceMonitor", "PrometheusRule", "AlertmanagerConfig"}
    wrong = {**one("ServiceMonitor", "guard-agents"), "spec": {"endpoint": []}}
    assert not jsonschema.Draft202012Validator(custom_schema(wrong)).is_valid(wrong)


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


@pytest.mark.parametrize("name", ["drift-retraining", "ml-model-training"])
def test_a_training_fails_before_its_container_is_killed(name: str) -> None:
    [container] = one("CronJob", name)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    told = {v["name"]: v["value"] for v in container["env"] if "value" in v}
    most = container["resources"]["limits"]["memory"]
    assert most.endswith("Gi")
    # What is mapped, shared or the kernel's own counts for the container too.
    assert 0.8 <= int(told["RETRAINING_MEMORY_MIB"]) / (int(most[:-2]) * 1024) <= 0.9


@pytest.mark.parametrize("name", JOBS)
def test_upkeep_is_a_cronjob_each(name: str) -> None:
    job = one("CronJob", name)
    assert job["spec"]["schedule"] == JOBS[name].cron
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert [*container["command"], *container["args"]] == ["hive-ml", "upkeep", "run", name]
    folders = {v["name"]: v["value"] for v in container["env"] if "value" in v}
    folders.pop("LEDGER_ANCHOR_DIR", None)
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert folders == ({"BACKUP_DIR": mounted["backups"]} if name == "backup" else {})
    claims = claims_of(pod) - {"ledger-anchor"}
    assert claims == ({"ml-backups"} if name == "backup" else set())
    assert all(one("PersistentVolumeClaim", claim) for claim in claims)


def claims_of(pod: Document) -> set[str]:
    return {v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v}


# Who appends decisions without a person, or moves the head file on; backup copies it.
ANCHOR_WRITERS = {"drift-retraining", "ml-model-training", "rollout-check", "ledger-verify"}


@pytest.mark.parametrize(("name", "pod"), PODS, ids=[name for name, _ in PODS])
def test_the_ledgers_head_file_is_where_decisions_are_made_and_nowhere_else(name: str, pod: Document) -> None:
    [container] = pod["containers"]
    told = {v["name"]: v["value"] for v in container.get("env", []) if "value" in v}.get("LEDGER_ANCHOR_DIR")
    mounts = [m for m in container["volumeMounts"] if m["name"] == "ledger-anchor"]
    assert ("ledger-anchor" in claims_of(pod)) == bool(mounts) == (name in {*ANCHOR_WRITERS, "backup"})
    if not mounts:
        assert told is None, "a folder that goes with the pod"
        return
    [mount] = mounts
    assert told == mount["mountPath"]
    assert mount.get("readOnly", False) == (name not in ANCHOR_WRITERS)
    # A volume of one node: its pods run on the same one, whichever comes first, and no service waits for it.
    assert one("PersistentVolumeClaim", "ledger-anchor")["spec"]["accessModes"] == ["ReadWriteOnce"]
    [term] = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    template = one("CronJob", name)["spec"]["jobTemplate"]["spec"]["template"]
    wanted = term["labelSelector"]["matchLabels"]
    assert wanted == {"ledger-anchor": "mounted"}
    assert wanted.items() <= template["metadata"]["labels"].items(), "the first one must match itself"


def test_deleted_rows_are_collected_beside_mlflows_database() -> None:
    spec = one("CronJob", "mlflow-gc")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    server = one("Deployment", "mlflow-server")["spec"]["template"]["spec"]
    [job], [there] = spec["containers"], server["containers"]
    assert [*job["command"], *job["args"]] == ["mlflow", "gc", "--older-than", "30d"]
    of = [{v["name"]: v.get("value") for v in c["env"]} for c in (job, there)]
    assert of[0]["MLFLOW_BACKEND_STORE_URI"] == of[1]["MLFLOW_BACKEND_STORE_URI"]
    assert of[0]["MLFLOW_TRACKING_URI"].removeprefix("http://") in next(
        a for a in there["args"] if a.startswith("--allowed-hosts")
    ).partition("=")[2].split(",")
    assert spec["volumes"][0] == server["volumes"][0]


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


@pytest.mark.parametrize("folder", [".", "overlays/autoscaling"])
def test_kustomize_builds_what_is_applied(folder: str) -> None:
    """With the real kubectl."""
    built = subprocess.run(["kubectl", "kustomize", str(K8S / folder)], capture_output=True, text=True, check=True)
    kinds = [d["kind"] for d in yaml.safe_load_all(built.stdout)]
    assert kinds.count("Deployment") == 4
    assert kinds.count("CronJob") == 3 + len(JOBS)
    assert kinds.count("HorizontalPodAutoscaler") == (folder != ".")


def test_only_the_overlay_scales_by_itself() -> None:
    scaled = [file for file, d in documents() if d["kind"] == "HorizontalPodAutoscaler"]
    assert [file.parent.name for file in scaled] == ["autoscaling"]


def test_what_a_pod_refers_to_exists_in_its_namespace() -> None:
    """ConfigMaps, accounts and secrets: with their keys, or said to be applied to this namespace too."""
    secrets = {d["metadata"]["name"]: d for _, d in documents() if d["kind"] == "Secret"}
    there = {
        (d["kind"], d["metadata"]["name"], d["metadata"].get("namespace")): d
        for _, d in documents()
        if d["kind"] != "Kustomization"
    }
    for _file, document in documents():
        if document["kind"] not in {"Deployment", "CronJob"}:
            continue
        namespace, spec = document["metadata"]["namespace"], document["spec"]
        pod = spec.get("jobTemplate", {}).get("spec", spec)["template"]["spec"]
        assert ("ServiceAccount", pod["serviceAccountName"], namespace) in there
        for container in pod["containers"]:
            for source in container.get("envFrom", []):
                assert ("ConfigMap", source["configMapRef"]["name"], namespace) in there
            for variable in container.get("env", []):
                reference = variable.get("valueFrom", {})
                if "configMapKeyRef" in reference:
                    config = there["ConfigMap", reference["configMapKeyRef"]["name"], namespace]
                    assert reference["configMapKeyRef"]["key"] in config["data"]
                if "secretKeyRef" in reference and not reference["secretKeyRef"].get("optional"):
                    secret = secrets[reference["secretKeyRef"]["name"]]
                    assert reference["secretKeyRef"]["key"] in secret["stringData"], variable


def test_every_pod_lives_behind_a_policy_that_denies_the_rest() -> None:
    denied = {
        d["metadata"]["namespace"]
        for _, d in documents()
        if d["kind"] == "NetworkPolicy" and d["spec"]["podSelector"] == {} and "ingress" not in d["spec"]
        and "egress" not in d["spec"]
    }  # fmt: skip
    assert {d["metadata"]["namespace"] for _, d in documents() if d["kind"] in {"Deployment", "CronJob"}} == denied


def test_nobody_has_a_role_in_the_cluster() -> None:
    """The least there is: no service or job asks the Kubernetes API anything."""
    assert [d["kind"] for _, d in documents() if "Role" in d["kind"]] == []


def test_every_kustomization_names_files_that_are_there() -> None:
    for file, document in documents():
        if document["kind"] == "Kustomization":
            for resource in document["resources"]:
                assert (file.parent / resource).exists(), f"{file}: {resource}"


def test_the_replicas_of_guard_agents_share_one_writer_of_the_statistics() -> None:
    """Each would learn the part of the stream that it reads, and lose it with its emptyDir."""
    deployment = one("Deployment", "guard-agents")
    namespace = deployment["metadata"]["namespace"]
    [settings] = [
        d["data"]
        for _, d in documents()
        if d["kind"] == "ConfigMap" and d["metadata"] == {"name": "ml-settings", "namespace": namespace}
    ]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert {"configMapRef": {"name": "ml-settings"}} in container["envFrom"]
    environment = settings | {e["name"]: e.get("value", "") for e in container["env"]}
    assert deployment["spec"]["replicas"] > 1
    assert environment["HIVE_STATISTICS"] == "shared"
    assert environment["REDIS_URL"], "where replicas find each other's snapshots"
