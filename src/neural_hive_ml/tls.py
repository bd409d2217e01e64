"""Whose certificates are believed: those of a file (a private CA), of SSL_CERT_FILE, else the public ones of certifi."""

import os
import ssl
from typing import Final

from neural_hive_ml.errors import UsageError

# MLflow's own name for it.
MLFLOW_CA: Final = "MLFLOW_TRACKING_SERVER_CERT_PATH"


def trusted_file(ca_file: str) -> str:
    """Return the file (PEM) that certificates are checked by; empty: certifi's."""
    return ca_file or os.environ.get("SSL_CERT_FILE", "")


def verifying(ca_file: str, setting: str) -> ssl.SSLContext | bool:
    """Return httpx's `verify` for a CA file that `setting` names; empty: see `trusted_file`.

    Raises
    ------
    UsageError
        When the file holds no certificates or cannot be read.
    """
    path = trusted_file(ca_file)
    if not path:
        return True
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # SSLError is one
        raise UsageError(
            f"{setting}={path} holds no certificates: {error.strerror or error}",
            remedy="name a PEM file of your CA",
        ) from error


def untrusted_remedy(error: Exception, mend: str = f"set {MLFLOW_CA}") -> str:
    """Return what to do where an error says that a certificate is not believed; empty: it says something else."""
    return f"{mend} to the certificates of the server's CA" if "CERTIFICATE_VERIFY_FAILED" in str(error) else ""
