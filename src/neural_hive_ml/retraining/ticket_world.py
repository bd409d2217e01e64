"""Recorded tickets as a world to replay policies in: profiles are rebuilt at each retraining, durations are
guessed by each task's median as it was then (a cheap stand-in that goes stale as models do)."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.drift.check import LEAST_ROWS, check_drift
from neural_hive_ml.drift.lasting import lasting_score
from neural_hive_ml.drift.report import DriftReport
from neural_hive_ml.evaluation.profile import Profile, build_profile, judged
from neural_hive_ml.features.binding import bind
from neural_hive_ml.features.frame import build_frame
from neural_hive_ml.features.spec import INDEX, NAMES
from neural_hive_ml.tickets.columns import TicketColumns

Floats = npt.NDArray[np.float64]


class TicketWorld:
    """Ended tickets in time order; see `backtest.World`."""

    def __init__(
        self, columns: TicketColumns, *, window_hours: float, training_days: float, timezone: str = "UTC"
    ) -> None:
        frame, _ = build_frame(columns, bind(columns, timezone), ("ended",))
        order = np.argsort(frame.at_ms, kind="stable")
        kept = [i for i, name in enumerate(NAMES) if judged(name)]
        self._names = [NAMES[i] for i in kept]
        self._rows: Floats = np.ascontiguousarray(frame.rows[order][:, kept])
        self._at: npt.NDArray[np.int64] = frame.at_ms[order]
        self._duration: Floats = frame.rows[order, INDEX["log_duration"]]
        self._task = np.unique(columns.task_id.astype(str), return_inverse=True)[1][frame.ticket[order]]
        self._window_ms = round(window_hours * HOUR_MS)
        self._training_ms = round(training_days * DAY_MS)
        self._timezone = timezone
        self._profile: Profile | None = None
        self._medians: Floats = np.zeros(0)

    @property
    def span(self) -> tuple[int, int]:
        """First and last end of a ticket, epoch ms; (0, 0) when there is none."""
        return (int(self._at[0]), int(self._at[-1])) if len(self._at) else (0, 0)

    def retrain(self, at_ms: int) -> None:
        """Rebuild the reference profile and the medians from the training window before `at_ms`."""
        part = self._part(at_ms - self._training_ms, at_ms)
        document = build_profile(self._rows[part], self._names, self._at[part], timezone=self._timezone)
        self._profile = Profile.from_document(document)
        durations, tasks = self._duration[part], self._task[part]
        medians = np.full(int(self._task.max()) + 1, float(np.median(durations)) if len(durations) else 0.0)
        order = np.argsort(tasks, kind="stable")
        groups, begin = np.unique(tasks[order], return_index=True)
        for task, values in zip(groups, np.split(durations[order], begin[1:]), strict=True):
            medians[task] = np.median(values)
        self._medians = medians

    def check(self, at_ms: int) -> DriftReport:
        """Check the window that ends at `at_ms` against the profile of the last retraining."""
        assert self._profile is not None, "retrain first"
        part = self._part(at_ms - self._window_ms, at_ms)
        report = check_drift(
            self._profile, self._rows[part], self._at[part], self._names, window=(at_ms - self._window_ms, at_ms)
        )
        if not report.drift_detected:
            return report
        lasting = lasting_score(report, self._profile, self._rows[part], self._at[part], self._names)
        return replace(report, lasting_score=lasting)

    def new_tickets(self, since_ms: int, until_ms: int) -> int:
        """Count tickets that ended in a span."""
        part = self._part(since_ms, until_ms)
        return int(part.stop) - int(part.start)

    def loss(self, at_ms: int) -> float | None:
        """Return the median factor by which the last window's durations missed their task's median, less one."""
        part = self._part(at_ms - self._window_ms, at_ms)
        if part.stop - part.start < LEAST_ROWS:
            return None
        off = np.abs(self._duration[part] - self._medians[self._task[part]])
        return float(np.expm1(np.median(off)))

    def _part(self, since_ms: int, until_ms: int) -> slice:
        begin, end = np.searchsorted(self._at, [since_ms, until_ms])
        return slice(int(begin), int(end))
