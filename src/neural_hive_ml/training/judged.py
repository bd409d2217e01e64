"""The rows that judge a detector: the window's tickets with anomalies injected after the fit part, at each stage."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from neural_hive_ml.evaluation.injections import Injected, inject
from neural_hive_ml.features.binding import FeatureBinding
from neural_hive_ml.features.frame import FeatureFrame, RunningMoments, build_frame
from neural_hive_ml.tickets.columns import MISSING_MS, TicketColumns
from neural_hive_ml.training.split import TimeSplit

INJECTED_SHARE = 0.02
# Looked at while running: enough to judge by, bounded so that a large window stays quick.
_MOST_LOOKS = 60_000


@dataclass(frozen=True, slots=True)
class JudgedRows:
    """Rows of all stages with their truth: `kind` [n] names the injection or is empty, `part` [n] 0 fit, 1 validation,
    2 hold-out, by creation; -1 for a row of a ticket that outlived its part: nobody had seen it when the next part began.
    """

    frame: FeatureFrame
    kind: npt.NDArray[np.object_]
    part: npt.NDArray[np.int8]
    created_at_ms: npt.NDArray[np.int64]
    status: npt.NDArray[np.int8]
    digest: str

    @property
    def label(self) -> npt.NDArray[np.float64]:
        """1.0 where the ticket is an injected anomaly."""
        return np.asarray(self.kind != "", dtype=np.float64)


def judged_rows(
    columns: TicketColumns, binding: FeatureBinding, split: TimeSplit, seed: int, share: float = INJECTED_SHARE
) -> JudgedRows:
    """Inject a share of named anomalies after the fit part and build the rows of every stage, point in time.

    The injected tickets are learned from as the stream goes on, as a live service would; the statistics made here are
    thrown away. The same columns, split and seed give the same rows.
    """
    rng = np.random.default_rng([seed, 7])
    injected = inject(columns, columns.created_at_ms >= split.validation_from_ms, share, rng)
    looks = _looks(injected, rng)
    frame, _ = build_frame(injected.columns, binding, ("created", "ended"), running=looks)
    created = injected.columns.created_at_ms[frame.ticket]
    text = "\n".join(f"{i}{k}" for i, k in zip(injected.columns.ticket_id, injected.kind, strict=True))
    return JudgedRows(
        frame,
        injected.kind[frame.ticket],
        _part(created, frame.at_ms, split),
        created,
        injected.columns.status[frame.ticket],
        sha256(f"{text}{split}".encode()).hexdigest(),
    )


def _part(
    created_at_ms: npt.NDArray[np.int64], at_ms: npt.NDArray[np.int64], split: TimeSplit
) -> npt.NDArray[np.int8]:
    part = split.part(created_at_ms)
    over = np.array([split.validation_from_ms, split.holdout_from_ms, split.until_ms + 1])[part]
    return np.where(at_ms < over, part, -1).astype(np.int8)


def _looks(injected: Injected, rng: np.random.Generator) -> RunningMoments:
    """One look at each ticket at a random moment of its run."""
    c = injected.columns
    ran = (c.started_at_ms != MISSING_MS) & (c.completed_at_ms > c.started_at_ms)
    who = np.flatnonzero(ran)
    if len(who) > _MOST_LOOKS:
        marked = injected.label[who]
        plain = rng.choice(who[~marked], size=_MOST_LOOKS - int(marked.sum()), replace=False)
        who = np.sort(np.concatenate([who[marked], plain]))
    lasted = c.completed_at_ms[who] - c.started_at_ms[who]
    return RunningMoments(
        who.astype(np.intp), c.started_at_ms[who] + (rng.uniform(0.05, 0.95, len(who)) * lasted).astype(np.int64)
    )
