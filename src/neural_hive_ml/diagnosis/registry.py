"""The registry: which models are live, MLflow's version and clock, and whether we may write."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from email.utils import parsedate_to_datetime
from importlib.metadata import version as installed
from pathlib import Path
from typing import Final

from neural_hive_ml.addresses import mask
from neural_hive_ml.bootstrap import open_registry
from neural_hive_ml.conventions import CHAMPION, EXIT_FAILURE, GUIDE_MODELS
from neural_hive_ml.diagnosis.check import Check, judged
from neural_hive_ml.diagnosis.clocks import watch_clock
from neural_hive_ml.errors import RegistryUnavailable
from neural_hive_ml.registry.mlflow_client import is_server, sqlite_file
from neural_hive_ml.settings import Settings
from neural_hive_ml.tls import MLFLOW_CA, verifying

# Services read artifacts by routes of this one.
OLDEST_SERVER: Final = 3
_NO_TAG: Final = "hive-doctor-probe"


def check_registry(settings: Settings) -> Iterator[Check]:
    """Yield the checks of MLflow, a server or a sqlite file."""
    registry = open_registry(settings)
    live = [name for name in GUIDE_MODELS if registry.resolve(name, CHAMPION) is not None]
    yield Check("registry", "ok", f"{registry.describe()}: {len(live)}/{len(GUIDE_MODELS)} models in Production")
    uri = settings.text("MLFLOW_TRACKING_URI")
    if is_server(uri):
        yield from _server(settings, uri, live[0] if live else "")
    elif file := sqlite_file(uri):
        yield _file(file)


def _server(settings: Settings, uri: str, live: str) -> Iterator[Check]:
    import httpx

    auth = (settings.text("MLFLOW_TRACKING_USERNAME"), settings.text("MLFLOW_TRACKING_PASSWORD"))
    given = {"auth": auth} if auth[0] else {}
    try:
        with httpx.Client(
            base_url=uri.rstrip("/"),
            timeout=settings.number("STORE_TIMEOUT_SECONDS"),
            verify=verifying(settings.text(MLFLOW_CA), MLFLOW_CA),
            **given,  # type: ignore[arg-type] # else those of the address
        ) as client:
            yield _version(client.get("/version").text.strip())

            def date_ms() -> int:
                told = client.get("/version").headers["date"]
                return round(parsedate_to_datetime(told).timestamp() * 1000)

            # Cut to a second, of a time that its server (uvicorn) looks up once a second.
            yield watch_clock("mlflow", date_ms, resolution_ms=2_000)
            # Removes a tag that is not there: refused where a change is not allowed.
            refused = client.request(
                "DELETE",
                "/api/2.0/mlflow/registered-models/delete-tag",
                json={"name": live or GUIDE_MODELS[0], "key": _NO_TAG},
            )
    except (httpx.HTTPError, KeyError, ValueError) as error:
        raise RegistryUnavailable(
            f"MLflow at {mask(uri)}: {type(error).__name__}",
            remedy="look at MLFLOW_TRACKING_URI and the server's log",
        ) from error
    yield _writes(refused.status_code, live)


def _version(told: str) -> Check:
    ours = installed("mlflow")
    major = told.partition(".")[0]
    if not major.isdigit():
        return Check(
            "mlflow version", "unknown", f"the server says {told[:40]!r}", "curl $MLFLOW_TRACKING_URI/version"
        )
    return judged(
        "mlflow version",
        f"server {told}, client {ours}",
        well=int(major) >= OLDEST_SERVER,
        remedy=f"pip install 'mlflow=={ours}' on the server, then mlflow db upgrade",
    )


def _writes(status: int, live: str) -> Check:
    if status in {401, 403} and not live:
        return Check(
            "registry writes",
            "unknown",
            "no model is there to try it on",
            "hive-ml train, then hive-ml doctor",
        )
    if status in {401, 403}:
        return Check(
            "registry writes",
            "failed",
            f"MLflow refuses changes of {live} ({status})",
            f"let MLFLOW_TRACKING_USERNAME change it: mlflow permission EDIT on registered model {live}",
            EXIT_FAILURE,
        )
    return Check("registry writes", "ok", "may change models")


def _file(file: Path) -> Check:
    """Begin a change of the database and take it back."""
    if not file.exists():
        return Check("registry writes", "unknown", f"{file} is not there yet", "hive-ml train")
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=5)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.rollback()
    except sqlite3.OperationalError as error:
        return Check(
            "registry writes", "failed", f"{file}: {error}", f"lsof {file}, or chown it to this user", EXIT_FAILURE
        )
    return Check("registry writes", "ok", f"may write to {file}")
