"""`EvidentlyMonitor`, as the operations guide imports it: a thin front of `neural_hive_ml.drift`.

The guide's snippet, with `config` imported too, works as typed::

    from neural_hive_specialists.drift_monitoring.evidently_monitor import EvidentlyMonitor, config
    monitor = EvidentlyMonitor(config)
    monitor.update_reference_data()
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neural_hive_ml.bootstrap import open_workspace
from neural_hive_ml.cli.moments import resolve_as_of
from neural_hive_ml.clock import DAY_MS, SystemClock, iso
from neural_hive_ml.conventions import CHAMPION, GUIDE_MODELS
from neural_hive_ml.drift.check import check_drift
from neural_hive_ml.drift.evidently_page import comparable, render, render_model
from neural_hive_ml.drift.monitor import check_champions, reference_days, update_reference
from neural_hive_ml.drift.records import document_of
from neural_hive_ml.drift.subject import Subject, subject_of
from neural_hive_ml.errors import NotFound, UsageError
from neural_hive_ml.evaluation.profile import Profile, build_profile
from neural_hive_ml.flow import Workspace
from neural_hive_ml.settings import Settings, load_settings

__all__ = ["EvidentlyMonitor", "config"]

# The platform's configuration keys and the settings they are.
_KEYS = {
    "drift_threshold_psi": "DRIFT_THRESHOLD",
    "drift_detection_window_hours": "DRIFT_WINDOW_HOURS",
    "drift_check_interval_minutes": "DRIFT_CHECK_INTERVAL_MINUTES",
    "mongodb_uri": "MONGODB_URI",
    "mongodb_database": "MONGODB_DATABASE",
    "mlflow_tracking_uri": "MLFLOW_TRACKING_URI",
}

# What the guide's snippet hands over: nothing beyond the environment's own settings.
config: Mapping[str, Any] = {}


class EvidentlyMonitor:
    """Drift of the Production models.

    `config` is None (settings of the environment), a `Settings`, or a mapping of settings or of the platform's
    keys (``drift_threshold_psi``, ``mongodb_uri``...), which win over the environment. Unknown keys are left
    alone.
    """

    def __init__(self, config: Settings | Mapping[str, Any] | None = None) -> None:
        self._settings = config if isinstance(config, Settings) else _settings(config or {})
        self._logged: list[Mapping[str, float]] = []
        self._logged_at: list[int] = []
        self._reference: Profile | None = None

    def update_reference_data(
        self, new_reference: Any = None, *, days: float | None = None
    ) -> list[dict[str, Any]]:
        """Make the newest tickets the reference of every Production model and keep it (`ml_feature_baselines`).

        With `new_reference` (a DataFrame or a mapping of columns) it becomes this object's reference for the
        features that `log_features` collects. Returns what was stored, a document a model, without the profiles.

        Raises
        ------
        NotFound
            When no model is in Production.
        """
        if new_reference is not None:
            names = [str(name) for name in new_reference]
            rows = np.column_stack([np.asarray(new_reference[name], dtype=np.float64) for name in new_reference])
            # Without moments of their own the rows are spread over the last four weeks: no season is known.
            at_ms = np.linspace(SystemClock().now_ms() - 28 * DAY_MS, SystemClock().now_ms(), len(rows)).astype(
                np.int64
            )
            self._reference = Profile.from_document(build_profile(rows, names, at_ms))
            return []
        stored = []
        with open_workspace(self._settings) as workspace:
            as_of_ms, _ = resolve_as_of("auto", workspace.tickets, self._settings)
            for subject in _subjects(workspace):
                span = days or reference_days(subject)
                document = update_reference(
                    subject, workspace.tickets, workspace.state, as_of_ms=as_of_ms, days=span, actor="operator"
                )
                shown = {k: v for k, v in document.items() if k != "profile"}
                payload = {**shown, "rows": document["sample_count"], "reason": "EvidentlyMonitor"}
                workspace.ledger.append("reference", subject.name, payload, at_ms=as_of_ms, actor="operator")
                stored.append(shown)
        if not stored:
            raise NotFound("no model is in Production", remedy="train_predictive_models.py --promote-if-better")
        return stored

    def log_features(self, features: Mapping[str, float], at_ms: int | None = None) -> None:
        """Remember one row of features for `detect_drift` of this object."""
        self._logged.append(dict(features))
        self._logged_at.append(SystemClock().now_ms() if at_ms is None else at_ms)

    def detect_drift(self) -> dict[str, Any]:
        """Check drift and return the platform's result: drift_detected, drift_score, drifted_features, status,
        timestamp...

        Rows given by `log_features` are compared with the reference given to `update_reference_data`; without
        any, every Production model is checked against the newest tickets, the results are kept
        (`drift_monitoring`), and the one that drifted most is returned with all of them under ``models``.
        """
        if self._logged:
            return self._detect_logged()
        threshold = self._settings.number("DRIFT_THRESHOLD")
        with open_workspace(self._settings) as workspace:
            as_of_ms, _ = resolve_as_of("auto", workspace.tickets, self._settings)
            checked = check_champions(
                workspace.tickets,
                workspace.state,
                workspace.registry,
                as_of_ms=as_of_ms,
                window_hours=self._settings.number("DRIFT_WINDOW_HOURS"),
                threshold=threshold,
            )
        models = {c.name: _result(c.report, c.name, c.subject, as_of_ms, threshold) for c in checked}
        worst = max(models.values(), key=lambda d: (d["drift_detected"], d["drift_score"] or 0.0))
        return {**worst, "models": models}

    def generate_html_report(self, path: str | Path) -> list[str]:
        """Render Evidently's page (extra) of every Production model with feature columns; return the files
        written.

        With rows from `log_features` and a reference of this object, one page of these at `path`.
        """
        target = Path(path)
        if self._logged:
            rows, names, at_ms = self._rows()
            current, reference, kept = comparable(self._own_reference(), rows, at_ms, names)
            render(current, reference, kept, target)
            return [str(target)]
        written: list[str] = []
        with open_workspace(self._settings) as workspace:
            as_of_ms, _ = resolve_as_of("auto", workspace.tickets, self._settings)
            for subject in _subjects(workspace):
                if isinstance(subject.profile, Profile):
                    page = target.with_stem(f"{target.stem}-{subject.name}") if written else target
                    hours = self._settings.number("DRIFT_WINDOW_HOURS")
                    render_model(subject, workspace.tickets, as_of_ms=as_of_ms, window_hours=hours, path=page)
                    written.append(str(page))
        if not written:
            raise NotFound("no model with features is in Production", remedy="train with --promote-if-better")
        return written

    def _own_reference(self) -> Profile:
        if self._reference is None:
            raise UsageError(
                "these features have no reference yet", remedy="call update_reference_data(a DataFrame) first"
            )
        return self._reference

    def _rows(self) -> tuple[Any, list[str], Any]:
        names = sorted({name for row in self._logged for name in row})
        rows = np.array([[row.get(name, np.nan) for name in names] for row in self._logged], dtype=np.float64)
        return rows, names, np.array(self._logged_at, dtype=np.int64)

    def _detect_logged(self) -> dict[str, Any]:
        rows, names, at_ms = self._rows()
        report = check_drift(self._own_reference(), rows, at_ms, names)
        threshold = self._settings.number("DRIFT_THRESHOLD")
        now_ms = SystemClock().now_ms()
        self._logged.clear()
        self._logged_at.clear()
        document = document_of(
            report, name="features", version=0, family="anomaly", at_ms=now_ms, threshold=threshold
        )
        return {**document, "model_type": "features"}


def _subjects(workspace: Workspace) -> list[Subject]:
    versions = [workspace.registry.resolve(name, CHAMPION) for name in GUIDE_MODELS]
    return [subject_of(workspace.registry, workspace.state, v) for v in versions if v is not None]


def _result(report: Any, name: str, subject: Subject | None, at_ms: int, threshold: float) -> dict[str, Any]:
    if subject is None:
        return {
            "drift_detected": False, "drift_score": None, "drifted_features": [], "status": report.status.value,
            "reasons": list(report.reasons), "model_name": name, "timestamp": iso(at_ms),
        }  # fmt: skip
    return document_of(
        report,
        name=name,
        version=subject.version.version,
        family=subject.model.family,
        at_ms=at_ms,
        threshold=threshold,
    )


def _settings(given: Mapping[str, Any]) -> Settings:
    named = {_KEYS.get(k, k): str(v) for k, v in given.items() if v is not None and (k in _KEYS or k.isupper())}
    return load_settings({**os.environ, **named})
