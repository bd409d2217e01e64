"""Where a model comes from: data, seed, environment; logged with it, so that one command makes it again."""

import platform
from hashlib import sha256
from importlib import metadata
from typing import Any

from neural_hive_ml import __version__
from neural_hive_ml.clock import iso
from neural_hive_ml.features.spec import FEATURE_SET_VERSION
from neural_hive_ml.tickets.columns import TicketColumns, digest_of
from neural_hive_ml.training.request import TrainingRequest
from neural_hive_ml.training.split import TimeSplit

_LIBRARIES = ("numpy", "scikit-learn", "xgboost-cpu", "prophet", "lightgbm", "statsforecast")


def lineage_of(columns: TicketColumns, request: TrainingRequest, split: TimeSplit | None = None) -> dict[str, Any]:
    """Return the JSON-able lineage of a training; O(n) for the digest of the data."""
    n = len(columns)
    lineage: dict[str, Any] = {
        "release": __version__,
        "feature_set_version": FEATURE_SET_VERSION,
        "data_digest": digest_of(columns),
        "tickets": n,
        "oldest": iso(int(columns.created_at_ms.min())) if n else None,
        "newest": iso(int(columns.created_at_ms.max())) if n else None,
        "as_of_ms": request.as_of_ms,
        "window_days": request.window_days,
        "seed": request.seed,
        "timezone": request.timezone,
        "parameters": dict(request.parameters),
        "python": platform.python_version(),
        "libraries": _versions(),
        "reproduce": _command(request),
    }
    if request.labels:
        told = "\n".join(f"{x.ticket_id} {x.anomaly} {x.at_ms}" for x in request.labels)
        lineage |= {"verdicts": len(request.labels), "verdicts_digest": sha256(told.encode()).hexdigest()}
    if (earlier := request.earlier) is not None:
        lineage["earlier"] = {
            "tickets": earlier.tickets,
            "oldest": iso(earlier.oldest_ms),
            "until": iso(earlier.until_ms),
            "events": earlier.statistics.sequence,
        }
    if split is not None:
        lineage["validation_from"] = iso(split.validation_from_ms)
        lineage["holdout_from"] = iso(split.holdout_from_ms)
    return lineage


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _command(request: TrainingRequest) -> str:
    parts = [f"LOAD_HOLIDAYS_COUNTRY={request.holidays}"] if request.holidays else []
    parts += [f"TRAINING_MOST_TICKETS={request.most_tickets}"] if request.earlier else []
    parts += [
        "hive-ml train",
        f"--model-type {request.family}",
        f"--as-of {request.as_of_ms}",
        f"--training-window-days {request.window_days}",
        f"--min-samples {request.min_samples}",
        f"--seed {request.seed}",
    ]
    if request.algorithm:
        parts.append(f"--model-algorithm {request.algorithm}")
    parts += [f"--parameter {name}={value}" for name, value in request.parameters]
    return " ".join(parts)
