"""The serving image, built without network over a bootstrapped Debian and run as its user on a read-only root; each
Dockerfile without a finding of hadolint. `tests.support.images` says what this cannot prove.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.images import ROOT, USER, Store, entered, started, wheelhouse
from tests.support.ports import closed_port
from tests.support.served import publish
from tests.support.trained import anomaly_candidate, generated_tickets

from neural_hive_ml.tickets.encode import encode_ticket

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("images")]
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root of the built serving image."""
    folder = Path(os.environ.get("HIVE_IMAGE_STORE") or tmp_path_factory.mktemp("images"))
    store = Store(folder)
    store.build(
        "serving.Dockerfile", wheelhouse(folder / "wheels", "requirements-serving.lock"), "localhost/ml-serving"
    )
    with store.mounted("localhost/ml-serving") as root:
        yield root


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)
def test_hadolint_finds_nothing(file: Path) -> None:
    said = subprocess.run(
        [str(Path(sys.executable).parent / "hadolint"), str(file)], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout


def test_the_serving_image_holds_no_trainer_and_no_pip(rootfs: Path) -> None:
    packages = {
        p.name.split("-")[0].lower() for p in (rootfs / "app/.venv/lib").glob("python*/site-packages/*.dist-info")
    }
    assert {"numpy", "starlette", "neural_hive_ml"} <= packages
    assert not packages & {
        "mlflow",
        "pandas",
        "scikit_learn",
        "xgboost_cpu",
        "prophet",
        "pip",
        "setuptools",
        "matplotlib",
    }
    ours = sum(p.stat().st_size for p in (rootfs / "app").rglob("*") if p.is_file() and not p.is_symlink())
    print(f"/app of the serving image: {ours / 1e6:.0f} MB")  # noqa: T201 - a figure of docs/operations/kubernetes.md
    assert ours < 200e6


def test_its_user_can_write_nowhere_but_to_its_volumes(rootfs: Path, tmp_path: Path) -> None:
    os.chown(tmp_path, USER, USER)
    program = """
import json, os, errno
def write(path):
    try:
        open(path, "w").close()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "written"
print(json.dumps([os.getuid(), *map(write, ("/app/x", "/etc/x", "/x", "/tmp/x", "/var/lib/neural-hive-ml/x"))]))
"""
    said = subprocess.run(
        entered(rootfs, tmp_path, ["python", "-c", program], {}), capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout) == [USER, "EROFS", "EROFS", "EROFS", "written", "written"]


def test_guard_agents_is_ready_from_its_last_known_good_model_while_the_registry_is_away(
    rootfs: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    publish(data, [anomaly_candidate()])
    for path in (data, *data.rglob("*")):
        os.chown(path, USER, USER)
    with started(rootfs, data, "guard-agents", tmp_path / "first.log", HIVE_PROFILE="embedded"):
        pass
    away = {"HIVE_PROFILE": "embedded", "MLFLOW_TRACKING_URI": closed_port()}
    with started(rootfs, data, "guard-agents", tmp_path / "again.log", **away) as service:
        megabytes = int(service.status("VmRSS").split()[0]) / 1024
        print(f"ready after {service.ready_seconds:.2f} s, {megabytes:.0f} MB")  # noqa: T201 - figures of the page
        assert service.status("Uid").split() == [str(USER)] * 4
        assert int(service.status("CapEff"), 16) == 0
        assert megabytes < 250
        answer = httpx.post(
            f"{service.url}/api/v1/tickets/score", content=encode_ticket(generated_tickets()[0]), timeout=60
        )
        assert answer.status_code == 200
        assert answer.json()["model_version"] == 1
