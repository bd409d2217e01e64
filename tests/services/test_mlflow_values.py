"""What the manifest and the compose file tell MLflow, told to a real server: whom it answers, and to which names."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.support.mlflow_server import wait_for_mlflow
from tests.support.ports import free_port

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("mlflow")]
ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a password of twenty letters"
# As a probe of the kubelet asks: by the pod's address.
POD = "10.244.1.7:5000"
QUESTION = "/api/2.0/mlflow/registered-models/search"


def documents() -> list[dict[str, Any]]:
    return [d for d in yaml.safe_load_all((ROOT / "k8s" / "base" / "mlflow-server.yaml").read_text()) if d]


def of_manifest(folder: Path) -> tuple[list[str], dict[str, str]]:
    """The container's arguments and environment, with this folder in place of its volumes."""
    config, container = {}, {}
    for document in documents():
        if document["kind"] == "ConfigMap":
            config = document["data"]
        if document["kind"] == "Deployment":
            (container,) = document["spec"]["template"]["spec"]["containers"]
    secrets = {"admin_password": PASSWORD, "csrf_key": "a key of thirty-two letters, or so"}
    places = {"/etc/mlflow": folder / "etc", "/mlflow": folder / "mlflow"}
    for place in places.values():
        place.mkdir()
    for name, text in config.items():
        (folder / "etc" / name).write_text(moved(text, places))
    environment = {
        one["name"]: moved(one["value"], places)
        if "value" in one
        else secrets[one["valueFrom"]["secretKeyRef"]["key"]]
        for one in container["env"]
    }
    assert container["command"] == ["mlflow"]
    return container["args"], environment


def of_compose(folder: Path) -> tuple[list[str], dict[str, str]]:
    service = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]["mlflow"]
    (folder / "mlflow").mkdir()
    places = {"/mlflow": folder / "mlflow"}
    program, *arguments = service["command"]
    assert program == "mlflow"
    return [moved(a, places) for a in arguments], service["environment"]


def moved(text: str, places: Mapping[str, Path]) -> str:
    for place, folder in places.items():
        for before in ("///", "="):
            text = text.replace(f"{before}{place}/", f"{before}{folder}/")
        text = f"{folder}{text.removeprefix(place)}" if text.startswith(f"{place}/") else text
    return text


@contextmanager
def server(folder: Path, database: Path, arguments: list[str], environment: Mapping[str, str]) -> Iterator[str]:
    """Run `mlflow` with these arguments, but with one worker on a free port of loopback."""
    (folder / "mlflow" / "mlflow.db").write_bytes(database.read_bytes())
    port = free_port()
    own = {"--host": "--host=127.0.0.1", "--port": f"--port={port}", "--workers": "--workers=1"}
    command = [own.get(a.partition("=")[0], a) for a in arguments]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    telemetry = {"MLFLOW_DISABLE_TELEMETRY": "true"}
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *command],
            env={**kept, **telemetry, **environment}, stdout=out, stderr=out, start_new_session=True, cwd=folder,
        )  # fmt: skip
    try:
        wait_for_mlflow(process, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=20)


def asked(url: str, host: str, path: str = QUESTION, auth: tuple[str, str] | None = None) -> int:
    return httpx.get(f"{url}{path}", headers={"host": host}, auth=auth, timeout=30).status_code


def hosts_of(arguments: list[str]) -> list[str]:
    (given,) = [a.partition("=")[2] for a in arguments if a.startswith("--allowed-hosts=")]
    return given.split(",")


def test_in_kubernetes_it_asks_for_a_password_and_answers_to_its_names(
    tmp_path: Path, mlflow_database: Path
) -> None:
    arguments, environment = of_manifest(tmp_path)
    admin = ("admin", PASSWORD)
    hosts = hosts_of(arguments)
    assert {"mlflow:5000", "mlflow.mlflow.svc:5000"} <= set(hosts), "what the guide's secret and the services say"
    with server(tmp_path, mlflow_database, arguments, environment) as url:
        assert {host: asked(url, host, auth=admin) for host in hosts} == dict.fromkeys(hosts, 200)
        assert asked(url, "mlflow.example.com", auth=admin) == 403
        assert asked(url, POD, auth=admin) == 403
        assert asked(url, POD, "/health") == 200, "a probe asks by the pod's address, without a password"
        assert asked(url, "mlflow:5000") == 401
        assert asked(url, "mlflow:5000", auth=("admin", "password1234")) == 401, "MLflow's default"
    assert (tmp_path / "mlflow" / "basic_auth.db").exists(), "its users are on the volume"


def test_in_compose_it_answers_to_its_names(tmp_path: Path, mlflow_database: Path) -> None:
    arguments, environment = of_compose(tmp_path)
    hosts = hosts_of(arguments)
    assert {"mlflow:5000", "localhost:5000"} <= set(hosts), "what the containers and a browser say"
    with server(tmp_path, mlflow_database, arguments, environment) as url:
        assert {host: asked(url, host) for host in hosts} == dict.fromkeys(hosts, 200)
        assert asked(url, "mlflow.example.com") == 403
        assert asked(url, "127.0.0.1:5000", "/health") == 200, "its health check"
