"""A quiet MLflow client that gives up soon: no banners, no telemetry, no 247 s of retries."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from neural_hive_ml.addresses import mask
from neural_hive_ml.errors import NotFound, RegistryUnavailable
from neural_hive_ml.tls import MLFLOW_CA, trusted_file, untrusted_remedy, verifying

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow's defaults are 7 retries of 120 s with backoff: 247 s until it says that a port is closed.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "DO_NOT_TRACK": "true",
}
_QUIET_LOGGERS = ("mlflow", "alembic")
# Longest wait for the server's first word, connect and read together below 5 s.
_CONNECT_SECONDS = 2.0
_READ_SECONDS = 2.5
_ABSENT = ("RESOURCE_DOES_NOT_EXIST",)


def is_server(uri: str) -> bool:
    """Tell whether a tracking URI names a server."""
    return uri.startswith(("http://", "https://"))


def sqlite_file(uri: str) -> Path | None:
    """Return the database file of a sqlite URI, None for any other."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def open_client(uri: str, username: str = "", password: str = "", ca_file: str = "") -> "MlflowClient":
    """Import mlflow quietly (2.5 s, once a process) and return a client of `uri`.

    A variable of MLflow that is set already keeps its value. Raises `RegistryUnavailable` when its database
    cannot be opened.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # MLflow reads these from the environment only.
    if trusted_file(ca_file):
        os.environ[MLFLOW_CA] = trusted_file(ca_file)
    if username:
        os.environ["MLFLOW_TRACKING_USERNAME"] = username
        os.environ["MLFLOW_TRACKING_PASSWORD"] = password
    file = sqlite_file(uri)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    from mlflow import MlflowClient

    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    except SQLAlchemyError as error:  # a database is opened, and its tables laid out, here
        raise _unavailable(uri, error) from error


@contextmanager
def answers(uri: str, *, missing: str = "") -> Iterator[None]:
    """Turn MLflow's failures into ours around one call; `missing` says what was asked for.

    Raises
    ------
    RegistryUnavailable
        When the server does not answer, refuses us, or its database does not open.
    NotFound
        When `missing` does not exist.
    """
    import requests
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if is_server(uri):
        _knock(uri)
    try:
        with warnings.catch_warnings():
            # The guide reads stages, which MLflow has deprecated: known, and wanted here only.
            warnings.simplefilter("ignore", FutureWarning)
            yield
    except MlflowException as error:
        if missing and error.error_code in _ABSENT:
            raise NotFound(f"{missing} is not in the registry", remedy="hive-ml models list") from error
        raise _unavailable(uri, error) from error
    except (requests.RequestException, SQLAlchemyError, OSError) as error:
        raise _unavailable(uri, error) from error


def _knock(uri: str) -> None:
    """Ask for the server's health first, so that one that is gone is known within 5 s."""
    import httpx

    timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    parts = urlsplit(uri)
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}/health"
    try:
        httpx.get(address, timeout=timeout, verify=verifying(os.environ.get(MLFLOW_CA, ""), MLFLOW_CA))
    except httpx.HTTPError as error:
        raise _unavailable(uri, error) from error


def _unavailable(uri: str, error: Exception) -> RegistryUnavailable:
    text = " ".join(str(error).split())[:300]
    return RegistryUnavailable(
        f"MLflow at {mask(uri)}: {type(error).__name__}: {text}",
        remedy=untrusted_remedy(error) or "look at MLFLOW_TRACKING_URI, at the server and its log",
    )
