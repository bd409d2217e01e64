"""What MLflow's run says about a candidate: params, metrics with intervals and baselines, tags. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from neural_hive_ml.clock import iso
from neural_hive_ml.evaluation.verdict import Evaluation, Verdict
from neural_hive_ml.registry.manifest import Manifest
from neural_hive_ml.registry.port import DIGEST_TAG
from neural_hive_ml.scoring.packed import PackedModel

# MLflow's limits on names and values.
_NOT_IN_NAMES = re.compile(r"[^\w.\- :/]+")
_LONGEST_NAME = 250
_LONGEST_PARAM = 500
_LONGEST_TAG = 4500
_MOST_PARAMS = 100


def params(model: PackedModel) -> dict[str, str]:
    """Return the run's params: the artifact's head and the scalars of its lineage, by dotted path."""
    head: dict[str, Any] = {
        "family": model.family,
        "algorithm": model.algorithm,
        "feature_set_version": model.feature_set_version,
        "horizon_minutes": model.horizon_minutes,
    }
    pairs = [(k, v) for k, v in head.items() if v is not None]
    pairs += [(k, v) for k, v in _scalars(model.lineage) if k not in head]
    return {clean(k): str(v)[:_LONGEST_PARAM] for k, v in pairs[:_MOST_PARAMS]}


def metrics(evaluation: Evaluation, verdict: Verdict) -> dict[str, float]:
    """Return the run's metrics: values with ``.low``/``.high`` (95 %) and ``.n``, baselines, floors, slices."""
    out: dict[str, float] = {}
    for metric in evaluation.metrics:
        out[metric.name] = metric.value
        out[f"{metric.name}.n"] = float(metric.n)
        if metric.low is not None and metric.high is not None:
            out[f"{metric.name}.low"], out[f"{metric.name}.high"] = metric.low, metric.high
    for baseline in evaluation.baselines:
        out[f"baseline.{baseline.name}.{baseline.metric}"] = baseline.value
    for check in verdict.floors:
        out[f"floor.{check.metric}"] = check.floor
    for metric in evaluation.slices:
        out[f"slice.{metric.name}"] = metric.value
    return {clean(name): float(value) for name, value in out.items()}


def tags(
    model: PackedModel, evaluation: Evaluation, verdict: Verdict, manifest: Manifest, commit: str
) -> dict[str, str]:
    """Return the tags of run and version."""
    out = {
        "family": model.family,
        "algorithm": model.algorithm,
        "horizon_minutes": "" if model.horizon_minutes is None else str(model.horizon_minutes),
        "feature_set_version": model.feature_set_version,
        "format_version": str(manifest.format_version),
        DIGEST_TAG: manifest.digest,
        "data_digest": str(model.lineage.get("data_digest", "")),
        "synthetic": str(model.synthetic).lower(),
        "verdict": str(verdict.outcome),
        "reasons": "; ".join(verdict.reasons),
        "missing": verdict.missing,
        "below_floor": str(verdict.below_floor).lower(),
        "primary_metric": evaluation.primary,
        "holdout_from": iso(evaluation.holdout_from_ms),
        "holdout_until": iso(evaluation.holdout_until_ms),
        "git_commit": commit,
    }
    return {name: value[:_LONGEST_TAG] for name, value in out.items() if value}


def clean(name: str) -> str:
    """Return a name that MLflow accepts.

    >>> clean("slice.f1[task=BUILD]")
    'slice.f1_task_BUILD_'
    """
    return _NOT_IN_NAMES.sub("_", name)[:_LONGEST_NAME]


def _scalars(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in sorted(document.items()):
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{prefix}{key}.")
        elif isinstance(value, str | int | float | bool):
            yield f"{prefix}{key}", value
